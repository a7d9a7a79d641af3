/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What can be done to a VM. What changes its definition or starts it holds the VM's lock; what
 * speaks to a running one needs none, its process being the judge.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/client/client.h"
#include "plugins/providers/engine/engine.h"
#include "plugins/providers/engine/image_lock.h"

#define CALL_TIMEOUT_MS 5000
#define PRESS_AGAIN_S 10 /* a guest that was still booting did not hear the first press */

struct engine_stream {
	struct engine_stream *next;
	struct hv_client *client; /* the attachment lives as long as it */
};

static const char *name_of(const struct hv_object *target)
{
	return hv_object_name(target);
}

/* ---- speaking to a running VM ---------------------------------------------------------------- */

static int open_vm(struct engine *engine, const char *name, enum protocol_server server,
		   struct hv_client **client, struct hv_error *err)
{
	char dir[PATH_MAX];
	int rc = hv_paths_vm_dir(&engine->paths, name, dir, err);
	return rc < 0 ? rc : hv_client_open(client, dir, server, CALL_TIMEOUT_MS, err);
}

static int tell(struct engine *engine, const char *name, enum protocol_server server,
		const char *method, json_t *args, struct hv_error *err)
{
	struct hv_client *client;
	int rc = open_vm(engine, name, server, &client, err);
	if (rc < 0)
		return rc;
	rc = hv_client_call(client, method, args, NULL, 0, NULL, CALL_TIMEOUT_MS, err);
	hv_client_close(client);
	return rc < 0 ? hv_within(err, "vm \"%s\"", name) : 0;
}

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool has_stopped(struct engine *engine, const char *name)
{
	char dir[PATH_MAX];
	struct hv_vm_status status;
	return objects_status(engine, name, dir, &status, NULL) == 0 && !status.keeper;
}

/* Waits for the keeper to go, woken by what it says; true when it has gone. */
static bool wait_for_end(struct engine *engine, const char *name, struct hv_client *keeper,
			 double until, double press_at, struct hv_job *job)
{
	while (!has_stopped(engine, name)) {
		double left = (until < press_at ? until : press_at) - now_s();
		json_t *event = NULL;
		struct hv_error ignored;
		if (left <= 0 || hv_job_cancelled(job))
			return false;
		int wait_ms = left > 0.5 ? 500 : (int)(left * 1000) + 1;
		if (hv_client_event(keeper, &event, wait_ms, &ignored) < 0)
			nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* it is ending */
		json_decref(event);
	}
	return true;
}

static int kill_vm(struct engine *engine, const char *name, struct hv_error *err)
{
	char dir[PATH_MAX];
	struct hv_vm_status status;
	int rc = tell(engine, name, PROTOCOL_KEEPER, "kill", NULL, err);
	if (rc == 0 || objects_status(engine, name, dir, &status, NULL) < 0)
		return rc;
	/* a keeper that does not answer is killed itself; its child goes with it */
	if (rc == -HV_TIMEOUT && status.keeper && status.keeper_pid > 0 &&
	    kill(status.keeper_pid, SIGKILL) == 0)
		return 0;
	return status.keeper ? rc : 0;
}

static int press_and_wait(struct engine *engine, const char *name, const struct hv_object *args,
			  struct hv_job *job, struct hv_error *err)
{
	struct hv_client *keeper;
	double grace = args && hv_has(args, "grace") ? hv_get_number(args, "grace") : 60;
	double until = now_s() + (hv_job_time_left(job) < grace ? hv_job_time_left(job) : grace);
	int rc = open_vm(engine, name, PROTOCOL_KEEPER, &keeper, err);
	if (rc == 0) {
		rc = hv_client_call(keeper, "events", NULL, NULL, 0, NULL, CALL_TIMEOUT_MS, err);
		if (rc < 0)
			hv_client_close(keeper);
	}
	if (rc < 0)
		return has_stopped(engine, name) ? 0 : rc;
	bool ended = false;
	while (rc == 0 && !ended && now_s() < until && !hv_job_cancelled(job)) {
		rc = tell(engine, name, PROTOCOL_CHILD, "power-button", NULL, err);
		if (rc < 0 && has_stopped(engine, name))
			rc = 0;
		if (rc == 0)
			ended = wait_for_end(engine, name, keeper, until, now_s() + PRESS_AGAIN_S,
					     job);
	}
	hv_client_close(keeper);
	if (rc < 0 || ended)
		return rc;
	if (hv_job_cancelled(job))
		return hv_fail(err, HV_FAILED, 0, "waiting for vm \"%s\" to stop was cancelled",
			       name);
	if (args && hv_get_bool(args, "force"))
		return kill_vm(engine, name, err);
	hv_fail(err, HV_TIMEOUT, 0, "vm \"%s\" did not shut down within %.0f s", name, grace);
	return hv_hint(err, "its guest may not listen to the power button: vm stop %s --force",
		       name);
}

static int stop_vm(struct engine *engine, const struct hv_object *target,
		   const struct hv_object *args, struct hv_job *job, struct hv_error *err)
{
	if (job && !hv_job_wait(job))
		return tell(engine, name_of(target), PROTOCOL_CHILD, "power-button", NULL, err);
	return press_and_wait(engine, name_of(target), args, job, err);
}

/* ---- definitions ----------------------------------------------------------------------------- */

static int lock_and_load(struct engine *engine, const char *name, struct engine_lock *lock,
			 struct hv_object **vm, struct hv_error *err)
{
	*vm = NULL;
	int rc = store_lock(engine, name, lock, err);
	if (rc == 0)
		rc = store_load(engine, name, vm, err);
	if (rc < 0)
		store_unlock(lock);
	return rc;
}

/* Of a VM that has ended the keeper may still be on its way out; after a crash it may also wait for
 * a restart, so that is given less time. */
static bool is_leaving(const struct hv_vm_status *status, int waited_ms)
{
	if (!status->keeper)
		return false;
	if (strcmp(status->state, "stopped") == 0)
		return waited_ms < 2000;
	return strcmp(status->state, "crashed") == 0 && waited_ms < 200;
}

static int check_at_rest(struct engine *engine, const char *name, struct hv_error *err)
{
	char dir[PATH_MAX];
	struct hv_vm_status status;
	int rc = objects_status(engine, name, dir, &status, err);
	for (int ms = 0; rc == 0 && is_leaving(&status, ms); ms++) {
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		rc = objects_status(engine, name, dir, &status, err);
	}
	if (rc < 0 || !status.keeper)
		return rc;
	hv_fail(err, HV_CONFLICT, 0, "vm \"%s\" is %s", name, status.state);
	return hv_hint(err, "stop it first: vm stop %s", name);
}

static int create_vm(struct engine *engine, const struct hv_object *definition,
		     struct hv_error *err)
{
	struct engine_lock lock = {.fd = -1};
	const char *name = hv_object_name(definition);
	struct hv_object *vm = hv_object_definition(definition);
	int rc = vm ? store_check_name(name, err) : hv_fail(err, HV_FAILED, 0, "out of memory");
	if (rc == 0)
		rc = hv_object_preset(vm, err);
	if (rc == 0)
		rc = start_complete(vm, err);
	if (rc == 0)
		rc = store_lock(engine, name, &lock, err);
	if (rc == 0 && store_has(engine, name)) {
		rc = hv_fail(err, HV_CONFLICT, 0, "vm \"%s\" is there already", name);
		hv_hint(err, "\"vm edit %s\" changes it", name);
	}
	if (rc == 0)
		rc = store_save(engine, name, vm, err);
	store_unlock(&lock);
	hv_object_free(vm);
	return rc;
}

static void remove_runtime(struct engine *engine, const char *name)
{
	static const char *const files[] = {"status",
					    ".status.new",
					    "log",
					    "log.old",
					    "keeper.lock",
					    "control.sock",
					    "keeper.sock",
					    "console-serial0.log",
					    "console-serial0.log.new",
					    "console-serial0.log.old",
					    "console-virtio0.log",
					    "console-virtio0.log.new",
					    "console-virtio0.log.old"};
	char dir[PATH_MAX], path[PATH_MAX + 64];
	if (hv_paths_vm_dir(&engine->paths, name, dir, NULL) < 0)
		return;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

/* others may read a read-only image too; a device is no file of ours */
static bool is_deletable(const struct hv_object *disk, struct stat *st)
{
	return !hv_get_bool(disk, "read_only") && stat(hv_get_string(disk, "image"), st) == 0 &&
	       S_ISREG(st->st_mode);
}

static bool uses_file(const struct hv_object *vm, const struct stat *file)
{
	const struct hv_list *disks = hv_get_list(vm, "disks");
	struct stat st;
	for (size_t i = 0; disks && i < disks->n; i++) {
		if (stat(hv_get_string(disks->objects[i], "image"), &st) == 0 &&
		    st.st_dev == file->st_dev && st.st_ino == file->st_ino)
			return true;
	}
	return false;
}

/* Is image no other VM's? HV_CONFLICT with its name; a definition that cannot be read might use it. */
static int check_no_others(struct engine *engine, const char *name, const char *image,
			   const struct stat *file, struct hv_error *err)
{
	char **names;
	size_t n;
	int rc = store_list(engine, &names, &n, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct hv_object *other;
		if (strcmp(names[i], name) == 0)
			continue;
		rc = store_load(engine, names[i], &other, err);
		if (rc == -HV_NOT_FOUND)
			rc = 0; /* deleted meanwhile */
		else if (rc == 0 && uses_file(other, file))
			rc = hv_fail(err, HV_CONFLICT, 0, "image \"%s\" is a disk of vm \"%s\" too",
				     image, names[i]);
		if (rc == -HV_CONFLICT)
			hv_hint(err, "without --images it stays");
		hv_object_free(other);
	}
	free(names);
	return rc;
}

/* May all images go? Asked before the first one goes. */
static int check_images(struct engine *engine, const char *name, const struct hv_object *vm,
			struct hv_error *err)
{
	const struct hv_list *disks = hv_get_list(vm, "disks");
	int rc = 0;
	for (size_t i = 0; rc == 0 && disks && i < disks->n; i++) {
		const char *image = hv_get_string(disks->objects[i], "image");
		struct stat st;
		if (!is_deletable(disks->objects[i], &st))
			continue;
		rc = check_no_others(engine, name, image, &st, err);
		int fd = rc == 0 ? open(image, O_RDWR | O_CLOEXEC) : -1;
		if (fd >= 0) {
			rc = image_lock(fd, image, false, err);
			close(fd);
		}
	}
	return rc;
}

static int delete_images(const struct hv_object *vm, struct hv_error *err)
{
	const struct hv_list *disks = hv_get_list(vm, "disks");
	for (size_t i = 0; disks && i < disks->n; i++) {
		const char *image = hv_get_string(disks->objects[i], "image");
		struct stat st;
		if (!is_deletable(disks->objects[i], &st))
			continue;
		if (unlink(image) != 0)
			return hv_fail(err, HV_FAILED, errno, "cannot delete image \"%s\"", image);
	}
	return 0;
}

static int delete_vm(struct engine *engine, const char *name, const struct hv_object *args,
		     struct hv_error *err)
{
	struct engine_lock lock = {.fd = -1};
	struct hv_object *vm;
	int rc = lock_and_load(engine, name, &lock, &vm, err);
	if (rc < 0)
		return rc;
	rc = check_at_rest(engine, name, err);
	bool images = args && hv_get_bool(args, "images");
	if (rc == 0 && images)
		rc = check_images(engine, name, vm, err);
	if (rc == 0 && images)
		rc = delete_images(vm, err);
	if (rc == 0)
		rc = store_remove(engine, name, err);
	if (rc == 0)
		remove_runtime(engine, name);
	store_unlock(&lock);
	hv_object_free(vm);
	return rc;
}

static void rename_runtime(struct engine *engine, const char *from, const char *to)
{
	char old[PATH_MAX], new[PATH_MAX];
	if (hv_paths_vm_dir(&engine->paths, from, old, NULL) == 0 &&
	    hv_paths_vm_dir(&engine->paths, to, new, NULL) == 0)
		rename(old, new);
}

static int rename_vm(struct engine *engine, const char *from, const char *to, struct hv_error *err)
{
	struct engine_lock lock = {.fd = -1}, other = {.fd = -1};
	struct hv_object *vm = NULL;
	int rc = store_check_name(to, err);
	if (rc == 0)
		rc = lock_and_load(engine, from, &lock, &vm, err);
	if (rc == 0 && strcmp(from, to) != 0)
		rc = store_lock(engine, to, &other, err);
	if (rc == 0)
		rc = check_at_rest(engine, from, err);
	if (rc == 0 && strcmp(from, to) != 0)
		rc = store_rename(engine, from, to, err);
	if (rc == 0) {
		/* the name inside follows; until then the file's name counts */
		rename_runtime(engine, from, to);
		if (hv_set_string(vm, "name", to) == 0)
			rc = store_save(engine, to, vm, err);
	}
	store_unlock(&other);
	store_unlock(&lock);
	hv_object_free(vm);
	return rc;
}

/* ---- clones ---------------------------------------------------------------------------------- */

static int copy_bytes(int from, int to, off_t size, struct hv_job *job)
{
	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	/* data by data, so that holes stay holes */
	off_t at = 0;
	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break; /* nothing but a hole up to the end */
		off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		while (data < hole) {
			off_t out = data;
			ssize_t got =
				copy_file_range(from, &data, to, &out, (size_t)(hole - data), 0);
			if (got <= 0 || hv_job_cancelled(job))
				return got < 0 ? -errno : -ECANCELED;
			hv_job_progress(job, (double)data / (double)size, "copying images");
		}
		at = hole;
	}
	return ftruncate(to, size) == 0 && fsync(to) == 0 ? 0 : -errno;
}

static int copy_image(const char *from, const char *to, struct hv_job *job, struct hv_error *err)
{
	struct stat st = {0};
	int in = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (in >= 0 && (fstat(in, &st) != 0 || !S_ISREG(st.st_mode))) {
		close(in);
		hv_fail(err, HV_USAGE, 0, "image \"%s\" is no regular file, so it is not copied",
			from);
		return hv_hint(err, "--images skip clones without the disks");
	}
	int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc = out < 0 ? -errno : copy_bytes(in, out, st.st_size, job);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	if (rc == 0)
		return 0;
	if (out >= 0)
		unlink(to);
	return hv_fail(err, HV_FAILED, -rc, "cannot copy image \"%s\" to \"%s\"", from, to);
}

static int clone_disk(struct hv_object *disk, const char *name, struct hv_job *job,
		      struct hv_error *err)
{
	const char *image = hv_get_string(disk, "image");
	const char *slash = strrchr(image, '/');
	char *copy = NULL;
	if (hv_get_bool(disk, "read_only"))
		return 0;
	int dir_len = slash ? (int)(slash - image) + 1 : 0;
	if (asprintf(&copy, "%.*s%s-%s", dir_len, image, name, slash ? slash + 1 : image) < 0)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	int rc = copy_image(image, copy, job, err);
	if (rc == 0 && hv_set_string(disk, "image", copy) < 0)
		rc = hv_fail(err, HV_FAILED, 0, "out of memory");
	free(copy);
	return rc;
}

static int clone_devices(struct hv_object *vm, const char *name, bool images, struct hv_job *job,
			 struct hv_error *err)
{
	const struct hv_list *nics = hv_get_list(vm, "nics");
	int rc = 0;
	size_t copied = 0;
	for (size_t i = 0; nics && i < nics->n; i++)
		hv_unset(nics->objects[i], "mac");
	if (!images) {
		hv_unset(vm, "disks");
		return 0;
	}
	const struct hv_list *disks = hv_get_list(vm, "disks");
	for (; disks && rc == 0 && copied < disks->n; copied++)
		rc = clone_disk(disks->objects[copied], name, job, err);
	for (size_t i = 0; rc < 0 && i + 1 < copied; i++) {
		if (!hv_get_bool(disks->objects[i], "read_only"))
			unlink(hv_get_string(disks->objects[i], "image"));
	}
	return rc;
}

static int clone_vm(struct engine *engine, const char *from, const struct hv_object *args,
		    struct hv_job *job, struct hv_error *err)
{
	struct engine_lock lock = {.fd = -1};
	struct hv_object *vm = NULL;
	const char *to = hv_get_string(args, "new_name");
	const char *copies = hv_get_string(args, "images");
	bool images = !copies || strcmp(copies, "copy") == 0;
	int rc = store_check_name(to, err);
	if (rc == 0)
		rc = lock_and_load(engine, from, &lock, &vm, err);
	if (rc == 0)
		rc = check_at_rest(engine, from, err);
	if (rc == 0 && store_has(engine, to))
		rc = hv_fail(err, HV_CONFLICT, 0, "vm \"%s\" is there already", to);
	if (rc == 0) {
		hv_unset(vm, "uuid");
		rc = hv_set_string(vm, "name", to);
	}
	if (rc == 0)
		rc = clone_devices(vm, to, images, job, err);
	if (rc == 0)
		rc = create_vm(engine, vm, err);
	store_unlock(&lock);
	hv_object_free(vm);
	return rc;
}

/* ---- start, set ------------------------------------------------------------------------------ */

static int start_locked(struct engine *engine, const char *name, const struct hv_object *args,
			struct hv_job *job, struct hv_error *err)
{
	struct engine_lock lock = {.fd = -1};
	struct hv_object *vm;
	int rc = lock_and_load(engine, name, &lock, &vm, err);
	if (rc < 0)
		return rc;
	rc = check_at_rest(engine, name, err);
	if (rc == 0)
		rc = start_vm(engine, vm, args && hv_get_bool(args, "paused"), job, err);
	store_unlock(&lock);
	hv_object_free(vm);
	return rc;
}

static int apply_live(struct engine *engine, const char *name, const struct hv_object *vm,
		      const struct hv_object *changes, struct hv_error *err)
{
	if (!hv_has(changes, "balloon_target") || has_stopped(engine, name))
		return 0;
	int64_t memory = hv_get_int(vm, "memory"), left = hv_get_int(changes, "balloon_target");
	json_t *args =
		json_pack("{s:I}", "target", (json_int_t)(left < memory ? memory - left : 0));
	int rc = tell(engine, name, PROTOCOL_CHILD, "balloon", args, err);
	json_decref(args);
	return rc;
}

static bool needs_rest(const struct hv_object *changes)
{
	for (size_t i = 0; i < changes->n_values; i++) {
		if (changes->values[i].presence == HV_SET && changes->props[i].set != HV_SET_ALWAYS)
			return true;
	}
	return false;
}

int verbs_set(struct engine *engine, const struct hv_object *target,
	      const struct hv_object *changes, struct hv_error *err)
{
	struct engine_lock lock = {.fd = -1};
	struct hv_object *vm;
	const char *name = name_of(target);
	if (strcmp(target->kind->name, "vm") != 0)
		return hv_fail(err, HV_DENIED, 0, "a %s is changed through its VM",
			       target->kind->name);
	int rc = lock_and_load(engine, name, &lock, &vm, err);
	if (rc < 0)
		return rc;
	if (needs_rest(changes))
		rc = check_at_rest(engine, name, err);
	if (rc == 0)
		rc = hv_object_merge(vm, changes, err);
	if (rc == 0)
		rc = hv_object_preset(vm, err);
	if (rc == 0)
		rc = start_complete(vm, err);
	if (rc == 0)
		rc = apply_live(engine, name, vm, changes, err);
	if (rc == 0)
		rc = store_save(engine, name, vm, err);
	store_unlock(&lock);
	hv_object_free(vm);
	return rc;
}

/* ---- dispatch -------------------------------------------------------------------------------- */

static int call_vm(struct engine *engine, const struct hv_object *target, const char *method,
		   const struct hv_object *args, struct hv_job *job, struct hv_error *err)
{
	const char *name = target ? name_of(target) : NULL;
	if (strcmp(method, "create") == 0)
		return create_vm(engine, args, err);
	if (strcmp(method, "delete") == 0)
		return delete_vm(engine, name, args, err);
	if (strcmp(method, "rename") == 0)
		return rename_vm(engine, name, hv_get_string(args, "new_name"), err);
	if (strcmp(method, "clone") == 0)
		return clone_vm(engine, name, args, job, err);
	if (strcmp(method, "start") == 0)
		return start_locked(engine, name, args, job, err);
	if (strcmp(method, "stop") == 0)
		return stop_vm(engine, target, args, job, err);
	if (strcmp(method, "kill") == 0)
		return kill_vm(engine, name, err);
	if (strcmp(method, "reset") == 0 || strcmp(method, "pause") == 0 ||
	    strcmp(method, "resume") == 0)
		return tell(engine, name, PROTOCOL_CHILD, method, NULL, err);
	return hv_fail(err, HV_DENIED, 0, "the engine has no way to %s a vm", method);
}

int verbs_call(struct engine *engine, const struct hv_kind *kind, const struct hv_object *target,
	       const struct hv_method *method, const struct hv_object *args, struct hv_job *job,
	       struct hv_error *err)
{
	if (strcmp(kind->name, "vm") == 0)
		return call_vm(engine, target, method->name, args, job, err);
	return hv_fail(err, HV_DENIED, 0, "the engine has no way to %s a %s", method->name,
		       kind->name);
}

/* ---- consoles -------------------------------------------------------------------------------- */

#define SCROLLBACK (64 << 10)

static int open_log(struct engine *engine, const char *name, const char *console, int *fd,
		    struct hv_error *err)
{
	char dir[PATH_MAX], path[PATH_MAX + 96];
	int rc = hv_paths_vm_dir(&engine->paths, name, dir, err);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof path, "%s/console-%.32s.log", dir, console);
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (*fd >= 0)
		return 0;
	if (errno != ENOENT)
		return hv_fail(err, HV_FAILED, errno, "cannot read the log of console \"%s\"",
			       console);
	hv_fail(err, HV_NOT_FOUND, 0, "console \"%s\" of vm \"%s\" has written nothing", console,
		name);
	return hv_hint(err, "its log begins when the VM is first started");
}

static int attach(struct engine_stream *stream, const char *name, const char *console,
		  const char *how, enum hv_console_mode mode, int *fd, struct hv_error *err)
{
	bool writer;
	long long past = strstr(how, ":now") ? 0 : SCROLLBACK;
	int rc = hv_console_attach(stream->client, console, mode, past, fd, &writer, err);
	if (rc < 0 || mode == HV_CONSOLE_WATCH || writer)
		return rc;
	close(*fd);
	hv_fail(err, HV_CONFLICT, 0, "somebody else types at the console of vm \"%s\"", name);
	return hv_hint(err, "--watch looks on, --take takes the keyboard");
}

int verbs_stream(struct engine *engine, const struct hv_object *target, const char *channel,
		 bool read_only, int *fd, struct hv_error *err)
{
	char console[32];
	size_t len = strcspn(channel, ":");
	const char *name = name_of(target), *how = channel + len;
	snprintf(console, sizeof console, "%.*s", (int)(len < sizeof console ? len : 31), channel);
	if (strcmp(how, ":log") == 0)
		return open_log(engine, name, console, fd, err);
	enum hv_console_mode mode = read_only              ? HV_CONSOLE_WATCH
				    : strstr(how, ":take") ? HV_CONSOLE_TAKE
							   : HV_CONSOLE_WRITE;
	struct engine_stream *stream = calloc(1, sizeof *stream);
	int rc = stream ? open_vm(engine, name, PROTOCOL_KEEPER, &stream->client, err)
			: hv_fail(err, HV_FAILED, 0, "out of memory");
	if (rc == 0)
		rc = attach(stream, name, console, how, mode, fd, err);
	if (rc < 0) {
		if (stream)
			hv_client_close(stream->client);
		free(stream);
		return rc;
	}
	stream->next = engine->streams;
	engine->streams = stream;
	return 0;
}

void verbs_fini(struct engine *engine)
{
	while (engine->streams) {
		struct engine_stream *next = engine->streams->next;
		hv_client_close(engine->streams->client);
		free(engine->streams);
		engine->streams = next;
	}
}
