/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Jobs. One that takes longer than RECORD_AFTER_S, or that nobody waits for, has a record in the
 * jobs folder, PID.N.json, so that every hvsh of the user lists it; PID.N.cancel beside it asks it
 * to end early. Quick jobs leave no trace and cost no system call.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/model/hosts.h"

#define RECORD_AFTER_S 0.1
#define CANCEL_EVERY_S 0.2
#define RECORDS_KEPT 200
#define RECORD_MAX 65536
#define LOG_MAX 50

struct hv_job {
	struct hv_object *record; /* of kind job */
	bool wait, recorded;
	double began, deadline; /* on CLOCK_MONOTONIC; deadline 0: none */
	double cancel_looked;
	atomic_bool cancelled; /* set by a signal handler too */
};

/* "" until the front-end says; set once at start. */
static char folder[PATH_MAX - 512];
static unsigned n_jobs;

static double now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int hv_jobs_use_folder(const char *path, struct hv_error *err)
{
	if (strlen(path) >= sizeof folder)
		return hv_fail(err, HV_USAGE, ENAMETOOLONG, "jobs folder \"%.64s…\"", path);
	strcpy(folder, path);
	return 0;
}

static void record_path(char path[PATH_MAX], const char *name, const char *ending)
{
	snprintf(path, PATH_MAX, "%s/%s%s", folder, name, ending);
}

/* With those above it that are missing; enterable only by their owner. */
static void make_folder(void)
{
	char path[sizeof folder];
	strcpy(path, folder);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	mkdir(path, 0700);
}

/* By rename, so that a reader sees the old record or the new one. Best effort: work does not fail
 * because it could not be noted. */
static void write_record(struct hv_job *job)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	if (!folder[0] || !job->record)
		return;
	if (!job->recorded)
		make_folder();
	record_path(path, hv_job_name(job), ".json");
	record_path(fresh, hv_job_name(job), ".new");
	char *json = hv_object_to_json(job->record);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (json && fd >= 0) {
		size_t len = strlen(json);
		job->recorded = write(fd, json, len) == (ssize_t)len && rename(fresh, path) == 0;
	}
	if (fd >= 0)
		close(fd);
	free(json);
}

/* Long enough under way to be worth a record? */
static void note(const struct hv_job *job)
{
	struct hv_job *j = (struct hv_job *)job;
	if (!j->recorded && (!j->wait || now(CLOCK_MONOTONIC) - j->began > RECORD_AFTER_S))
		write_record(j);
}

struct hv_job *hv_job_start(struct hv_model *model, const char *what, const char *address,
			    bool wait, double timeout_s, struct hv_error *err)
{
	(void)model;
	struct hv_job *job = calloc(1, sizeof *job);
	struct hv_object *record = job ? hv_object_new(hv_kind_find("job")) : NULL;
	if (!record) {
		free(job);
		hv_fail(err, HV_FAILED, 0, "no memory for a job");
		return NULL;
	}
	char name[32];
	snprintf(name, sizeof name, "%d.%u", (int)getpid(), ++n_jobs);
	hv_set_string(record, "name", name);
	hv_set_string(record, "what", what);
	hv_set_string(record, "object", address);
	hv_set_string(record, "state", "running");
	hv_set_int(record, "started", time(NULL));
	hv_set_int(record, "pid", getpid());
	job->record = record;
	job->wait = wait;
	job->began = now(CLOCK_MONOTONIC);
	job->deadline = timeout_s > 0 ? job->began + timeout_s : 0;
	if (!wait)
		write_record(job);
	return job;
}

const char *hv_job_name(const struct hv_job *job)
{
	return hv_object_name(job->record);
}

void hv_job_cancel(struct hv_job *job)
{
	atomic_store(&job->cancelled, true);
}

bool hv_job_wait(const struct hv_job *job)
{
	return !job || job->wait;
}

double hv_job_time_left(const struct hv_job *job)
{
	if (!job)
		return (double)INFINITY;
	note(job);
	if (job->deadline <= 0)
		return (double)INFINITY;
	double left = job->deadline - now(CLOCK_MONOTONIC);
	return left > 0 ? left : 0;
}

bool hv_job_cancelled(const struct hv_job *job)
{
	struct hv_job *j = (struct hv_job *)job;
	if (!j)
		return false;
	note(j);
	double t = now(CLOCK_MONOTONIC);
	if (j->recorded && t - j->cancel_looked > CANCEL_EVERY_S) {
		char path[PATH_MAX];
		j->cancel_looked = t;
		record_path(path, hv_job_name(j), ".cancel");
		if (access(path, F_OK) == 0)
			atomic_store(&j->cancelled, true);
	}
	return atomic_load(&j->cancelled);
}

void hv_job_progress(struct hv_job *job, double fraction, const char *message)
{
	if (!job)
		return;
	if (fraction >= 0)
		hv_set_number(job->record, "progress", fraction > 1 ? 100 : fraction * 100);
	if (message) {
		const struct hv_list *log = hv_get_list(job->record, "log");
		hv_set_string(job->record, "message", message);
		if (!log || log->n < LOG_MAX)
			hv_list_add_string(job->record, "log", message);
	}
	if (job->recorded)
		write_record(job);
	else
		note(job);
}

static void forget(const char *name)
{
	static const char *const endings[] = {".json", ".cancel", ".new"};
	char path[PATH_MAX];
	for (size_t i = 0; i < 3; i++) {
		record_path(path, name, endings[i]);
		unlink(path);
	}
}

static int by_age(const struct dirent **a, const struct dirent **b)
{
	struct stat old, fresh;
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", folder, (*a)->d_name);
	if (stat(path, &old) < 0)
		return -1;
	snprintf(path, sizeof path, "%s/%s", folder, (*b)->d_name);
	if (stat(path, &fresh) < 0)
		return 1;
	return (old.st_mtime > fresh.st_mtime) - (old.st_mtime < fresh.st_mtime);
}

/* PID.N.json, and nothing else */
static int is_record(const struct dirent *entry)
{
	const char *at = entry->d_name;
	at += strspn(at, "0123456789");
	if (at == entry->d_name || *at != '.')
		return 0;
	at += 1 + strspn(at + 1, "0123456789");
	return strcmp(at, ".json") == 0;
}

/* The oldest go; the work of one that still runs is not touched, only no longer listed. */
static void prune(void)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, is_record, by_age);
	for (int i = 0; i < n; i++) {
		if (i < n - RECORDS_KEPT) {
			*strrchr(entries[i]->d_name, '.') = '\0';
			forget(entries[i]->d_name);
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static void note_failure(struct hv_object *record, const struct hv_error *err, bool cancelled)
{
	hv_set_string(record, "state", cancelled ? "cancelled" : "failed");
	hv_set_string(record, "message", err->message);
	hv_set_string(record, "code", hv_code_name(err->code));
	if (err->hint[0])
		hv_set_string(record, "hint", err->hint);
}

void hv_job_end(struct hv_job *job, const struct hv_error *err)
{
	if (!job)
		return;
	note(job);
	if (job->recorded) {
		hv_set_int(job->record, "ended", time(NULL));
		hv_set_number(job->record, "elapsed", now(CLOCK_MONOTONIC) - job->began);
		if (err && err->code != HV_OK) {
			note_failure(job->record, err, atomic_load(&job->cancelled));
		} else {
			hv_set_string(job->record, "state", "done");
			hv_set_number(job->record, "progress", 100);
		}
		write_record(job);
		char path[PATH_MAX];
		record_path(path, hv_job_name(job), ".cancel");
		unlink(path);
		prune();
	}
	hv_object_free(job->record);
	free(job);
}

/* Does the hvsh that began the job still live? One that started later has only its number. */
static bool owner_lives(const struct hv_object *record)
{
	char path[64], stat_line[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)hv_get_int(record, "pid"));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 ? read(fd, stat_line, sizeof stat_line - 1) : -1;
	if (fd >= 0)
		close(fd);
	if (len <= 0)
		return false;
	stat_line[len] = '\0';
	/* the name in parentheses may hold anything; field 22 counts from behind it */
	const char *at = strrchr(stat_line, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	double ticks = at ? strtod(at, NULL) : 0;
	double started =
		now(CLOCK_REALTIME) - now(CLOCK_BOOTTIME) + ticks / (double)sysconf(_SC_CLK_TCK);
	return started < (double)hv_get_int(record, "started") + 2;
}

static struct hv_object *read_record(const char *name)
{
	char path[PATH_MAX];
	char *text = malloc(RECORD_MAX);
	record_path(path, name, ".json");
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t len = fd >= 0 && text ? read(fd, text, RECORD_MAX) : -1;
	if (fd >= 0)
		close(fd);
	struct hv_object *record =
		len > 0 ? hv_object_from_json(hv_kind_find("job"), text, (size_t)len, NULL) : NULL;
	free(text);
	const char *own = record ? hv_object_name(record) : NULL;
	const char *state = record ? hv_get_string(record, "state") : NULL;
	if (!own || !state || strcmp(own, name) != 0) {
		hv_object_free(record);
		return NULL;
	}
	if (strcmp(state, "running") != 0)
		return record;
	if (owner_lives(record))
		hv_set_number(record, "elapsed",
			      now(CLOCK_REALTIME) - (double)hv_get_int(record, "started"));
	else
		hv_set_string(record, "state", "interrupted");
	return record;
}

int jobs_list(const char *name, hv_emit_fn *emit, void *ctx, struct hv_error *err)
{
	struct dirent **entries;
	int n = folder[0] ? scandir(folder, &entries, is_record, by_age) : -1;
	int rc = 0;
	for (int i = 0; i < n; i++) {
		*strrchr(entries[i]->d_name, '.') = '\0';
		bool wanted = rc == 0 && (!name || strcmp(name, entries[i]->d_name) == 0);
		struct hv_object *record = wanted ? read_record(entries[i]->d_name) : NULL;
		if (record)
			rc = emit(ctx, record, err);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return rc;
}

int jobs_call(const struct hv_object *target, const struct hv_method *method, struct hv_error *err)
{
	const char *name = hv_object_name(target);
	char path[PATH_MAX];
	if (strcmp(method->name, "delete") == 0) {
		forget(name);
		return 0;
	}
	record_path(path, name, ".cancel");
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return hv_fail(err, errno == EACCES ? HV_DENIED : HV_FAILED, errno,
			       "job \"%s\" cannot be cancelled", name);
	close(fd);
	return 0;
}
