/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The state of a VM from its runtime folder, with nobody asked: see status.h. */
#include "engine/client/status.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATUS_MAX 8192

static void set_text(char *to, size_t size, const json_t *value)
{
	const char *text = json_string_value(value);
	snprintf(to, size, "%s", text ? text : "");
}

/* Whether a keeper lives: its lock is an open-file-description lock that nobody else takes for
 * long. */
static int lock_is_held(int dir, bool *held, struct hv_error *err)
{
	*held = false;
	int fd = openat(dir, "keeper.lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return hv_fail(err, errno == EACCES ? HV_DENIED : HV_FAILED, errno, "keeper.lock");
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int ret = fcntl(fd, F_OFD_GETLK, &lock);
	int sys = errno;
	close(fd);
	if (ret < 0)
		return hv_fail(err, HV_FAILED, sys, "keeper.lock");
	*held = lock.l_type != F_UNLCK;
	return 0;
}

static json_t *read_status(int dir)
{
	char text[STATUS_MAX];
	int fd = openat(dir, "status", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return NULL;
	ssize_t n = read(fd, text, sizeof text);
	close(fd);
	/* it is replaced whole: what does not parse is no status of ours, as none */
	return n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
}

static void fill(struct hv_vm_status *status, const json_t *from)
{
	const json_t *end = json_object_get(from, "ended");
	set_text(status->state, sizeof status->state, json_object_get(from, "state"));
	status->keeper_pid = (pid_t)json_integer_value(json_object_get(from, "keeper_pid"));
	status->pid = (pid_t)json_integer_value(json_object_get(from, "pid"));
	status->since = json_number_value(json_object_get(from, "since"));
	status->started = json_number_value(json_object_get(from, "started"));
	status->restarts = (int)json_integer_value(json_object_get(from, "restarts"));
	status->resets = (int)json_integer_value(json_object_get(from, "resets"));
	set_text(status->ended_kind, sizeof status->ended_kind, json_object_get(end, "kind"));
	set_text(status->ended_message, sizeof status->ended_message,
		 json_object_get(end, "message"));
	status->ended_signal = (int)json_integer_value(json_object_get(end, "signal"));
	status->ended_at = json_number_value(json_object_get(end, "at"));
	status->uptime = json_number_value(json_object_get(end, "uptime"));
}

/* A status that promises a keeper which is not there. */
static void judge_lost(struct hv_vm_status *status)
{
	bool ran = strcmp(status->state, "running") == 0 || strcmp(status->state, "paused") == 0 ||
		   strcmp(status->state, "stopping") == 0;
	bool final = strcmp(status->state, "stopped") == 0 || strcmp(status->state, "crashed") == 0;
	status->keeper_pid = status->pid = 0;
	if (ran) {
		strcpy(status->state, "crashed");
		strcpy(status->ended_kind, "lost");
		strcpy(status->ended_message, "its keeper was killed, or the host went down");
		status->ended_signal = 0;
		status->ended_at = status->uptime = 0;
	} else if (!final) {
		strcpy(status->state, "stopped");
	}
}

int hv_vm_status_read(const char *dir, struct hv_vm_status *status, struct hv_error *err)
{
	memset(status, 0, sizeof *status);
	strcpy(status->state, "stopped");
	int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0 && errno == ENOENT)
		return 0;
	if (dir_fd < 0)
		return hv_fail(err, errno == EACCES ? HV_DENIED : HV_FAILED, errno, "folder \"%s\"",
			       dir);
	/* The lock is looked at before and after: a keeper that goes in between has written its
	 * last status by then, one that comes has removed the old one. */
	bool before, after;
	int ret = lock_is_held(dir_fd, &before, err);
	json_t *content = ret == 0 ? read_status(dir_fd) : NULL;
	if (ret == 0 && before && (ret = lock_is_held(dir_fd, &after, err)) == 0 && !after) {
		json_decref(content);
		content = read_status(dir_fd);
		before = false;
	}
	close(dir_fd);
	if (ret < 0)
		return ret;
	if (content)
		fill(status, content);
	else if (before)
		strcpy(status->state, "starting");
	json_decref(content);
	status->keeper = before;
	if (!before)
		judge_lost(status);
	return 0;
}
