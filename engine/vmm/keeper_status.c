/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The keeper's status file: one JSON object, replaced by rename so that a reader never sees half.
 */
#include "engine/vmm/keeper.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/vmm/log.h"

static double now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double keeper_wall(void)
{
	return now(CLOCK_REALTIME);
}

double keeper_mono(void)
{
	return now(CLOCK_MONOTONIC);
}

const char *keeper_state_name(enum keeper_state state)
{
	static const char *const names[] = {"starting", "running", "paused",
					    "stopping", "crashed", "stopped"};
	return names[state];
}

json_t *keeper_status_json(const struct keeper *k)
{
	json_t *status =
		json_pack("{s:i, s:s, s:s, s:f, s:i, s:i, s:f, s:i, s:i}", "version", 1, "name",
			  k->name, "state", keeper_state_name(k->state), "since", k->since,
			  "keeper_pid", (int)getpid(), "pid", (int)k->pid, "started", k->started_at,
			  "restarts", k->restarts, "resets", k->resets);
	if (!k->end.kind || !status)
		return status;
	json_t *end =
		json_pack("{s:s, s:i, s:s, s:f, s:f}", "kind", k->end.kind, "signal", k->end.signal,
			  "message", k->end.message, "at", k->end.at, "uptime", k->end.uptime_s);
	if (end)
		json_object_set_new(status, "ended", end);
	return status;
}

void keeper_status_write(struct keeper *k)
{
	json_t *status = keeper_status_json(k);
	int fd = openat(k->dir_fd, ".status.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	/* not json_dumpfd(), which writes every token on its own */
	char *text = status ? json_dumps(status, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;
	bool written = fd >= 0 && text && write(fd, text, len) == (ssize_t)len;
	free(text);
	if (fd >= 0)
		close(fd);
	json_decref(status);
	if (!written || renameat(k->dir_fd, ".status.new", k->dir_fd, "status") < 0)
		vmm_log("keeper: cannot write the status file");
}
