/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What happens to VMs, seen where it shows: definitions that come and go, and status files that the
 * keepers replace. inotify tells when to look; an event is sent for what differs from the last
 * look.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "plugins/providers/engine/engine.h"

struct seen {
	char name[64];
	char state[16];
	double since;
	bool here; /* met in the look under way */
};

struct engine_watch {
	struct seen *vms;
	size_t n, capacity;
	uint64_t next_number;
};

struct emission {
	struct engine *engine;
	hv_emit_fn *emit;
	void *ctx;
};

static int send_event(struct emission *to, const char *type, const char *vm, const char *state,
		      double when, const char *message, struct hv_error *err)
{
	char number[32];
	struct hv_object *event = hv_object_new(hv_kind_find("event"));
	if (!event)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	snprintf(number, sizeof number, "%llu",
		 (unsigned long long)(to->engine->watch ? ++to->engine->watch->next_number : 0));
	hv_set_string(event, "name", number);
	hv_set_int(event, "time", (int64_t)(when > 0 ? when : (double)time(NULL)));
	hv_set_string(event, "host", to->engine->host_name);
	hv_set_string(event, "type", type);
	hv_set_string(event, "kind", "vm");
	hv_set_string(event, "object", vm);
	if (state)
		hv_set_string(event, "state", state);
	if (message && *message)
		hv_set_string(event, "message", message);
	return to->emit(to->ctx, event, err);
}

/* ---- watching -------------------------------------------------------------------------------- */

static void watch_folder(struct engine *engine, const char *path)
{
	inotify_add_watch(engine->watch_fd, path,
			  IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ONLYDIR);
}

static void watch_vm(struct engine *engine, const char *name)
{
	char dir[PATH_MAX];
	if (hv_paths_vm_dir(&engine->paths, name, dir, NULL) == 0)
		watch_folder(engine, dir); /* one that is watched already stays as it is */
}

static struct seen *find_seen(struct engine_watch *watch, const char *name)
{
	for (size_t i = 0; i < watch->n; i++) {
		if (strcmp(watch->vms[i].name, name) == 0)
			return &watch->vms[i];
	}
	return NULL;
}

static struct seen *add_seen(struct engine_watch *watch, const char *name)
{
	if (watch->n == watch->capacity) {
		size_t capacity = watch->capacity ? watch->capacity * 2 : 32;
		void *grown = reallocarray(watch->vms, capacity, sizeof *watch->vms);
		if (!grown)
			return NULL;
		watch->vms = grown;
		watch->capacity = capacity;
	}
	struct seen *seen = &watch->vms[watch->n++];
	*seen = (struct seen){.state = "stopped"};
	snprintf(seen->name, sizeof seen->name, "%s", name);
	return seen;
}

static int look_at(struct emission *to, const char *name, bool quiet, struct hv_error *err)
{
	struct engine_watch *watch = to->engine->watch;
	char dir[PATH_MAX];
	struct hv_vm_status status;
	struct seen *seen = find_seen(watch, name);
	bool new = !seen;
	int rc = 0;
	if (new && !(seen = add_seen(watch, name)))
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	seen->here = true;
	watch_vm(to->engine, name);
	if (new && !quiet)
		rc = send_event(to, "created", name, NULL, 0, NULL, err);
	if (rc < 0 || objects_status(to->engine, name, dir, &status, NULL) < 0)
		return rc;
	bool changed = strcmp(status.state, seen->state) != 0;
	snprintf(seen->state, sizeof seen->state, "%s", status.state);
	seen->since = status.since;
	return changed && !quiet ? send_event(to, "state", name, status.state, status.since,
					      status.keeper ? NULL : status.ended_message, err)
				 : 0;
}

static int look(struct emission *to, bool quiet, struct hv_error *err)
{
	struct engine_watch *watch = to->engine->watch;
	char **names;
	size_t n;
	int rc = store_list(to->engine, &names, &n, err);
	for (size_t i = 0; i < watch->n; i++)
		watch->vms[i].here = false;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = look_at(to, names[i], quiet, err);
	free(names);
	for (size_t i = 0; rc == 0 && i < watch->n;) {
		if (watch->vms[i].here) {
			i++;
			continue;
		}
		rc = send_event(to, "deleted", watch->vms[i].name, NULL, 0, NULL, err);
		watch->vms[i] = watch->vms[--watch->n];
	}
	return rc;
}

int events_fd(struct engine *engine, struct hv_error *err)
{
	char folder[PATH_MAX];
	struct emission nobody = {.engine = engine};
	if (engine->watch_fd >= 0)
		return engine->watch_fd;
	engine->watch = calloc(1, sizeof *engine->watch);
	engine->watch_fd = engine->watch ? inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1;
	if (engine->watch_fd < 0)
		return hv_fail(err, HV_FAILED, errno, "cannot watch VMs");
	snprintf(folder, sizeof folder, "%s/vms", engine->paths.runtime);
	hv_paths_make_dir(engine->definitions, NULL);
	hv_paths_make_dir(folder, NULL);
	watch_folder(engine, engine->definitions);
	watch_folder(engine, folder);
	look(&nobody, true, err);
	return engine->watch_fd;
}

int events_read(struct engine *engine, hv_emit_fn *emit, void *ctx, struct hv_error *err)
{
	char drained[4096];
	struct emission to = {engine, emit, ctx};
	if (engine->watch_fd < 0)
		return 0;
	while (read(engine->watch_fd, drained, sizeof drained) > 0)
		;
	return look(&to, false, err);
}

/* The latest that is known of each VM: when it came into the state that it is in. */
int events_list(struct engine *engine, const struct hv_query *query, hv_emit_fn *emit, void *ctx,
		struct hv_error *err)
{
	struct emission to = {engine, emit, ctx};
	char **names, dir[PATH_MAX];
	size_t n;
	(void)query;
	int rc = store_list(engine, &names, &n, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct hv_vm_status status;
		if (objects_status(engine, names[i], dir, &status, NULL) == 0 && status.since > 0)
			rc = send_event(&to, "state", names[i], status.state, status.since,
					status.keeper ? NULL : status.ended_message, err);
	}
	free(names);
	return rc;
}

void events_fini(struct engine *engine)
{
	if (engine->watch_fd >= 0)
		close(engine->watch_fd);
	engine->watch_fd = -1;
	if (engine->watch)
		free(engine->watch->vms);
	free(engine->watch);
	engine->watch = NULL;
}
