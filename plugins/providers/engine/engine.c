/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The engine provider's table. See engine.h. */
#include "plugins/providers/engine/engine.h"

#include <stdlib.h>
#include <string.h>

static int engine_open(void **data, const char *uri, const char *host_name, struct hv_error *err)
{
	if (uri && *uri) {
		hv_fail(err, HV_USAGE, 0, "\"engine:%s\" is no host of the engine", uri);
		return hv_hint(err, "the engine runs VMs of this machine only: engine:");
	}
	struct engine *engine = calloc(1, sizeof *engine);
	if (!engine)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	engine->watch_fd = -1;
	snprintf(engine->host_name, sizeof engine->host_name, "%s", host_name);
	int rc = store_init(engine, err);
	if (rc < 0) {
		free(engine);
		return rc;
	}
	*data = engine;
	return 0;
}

static void engine_close(void *data)
{
	struct engine *engine = data;
	if (!engine)
		return;
	events_fini(engine);
	verbs_fini(engine);
	free(engine);
}

static int engine_list(void *data, const struct hv_query *query, hv_emit_fn *emit, void *ctx,
		       struct hv_error *err)
{
	const char *kind = query->kind->name;
	if (strcmp(kind, "host") == 0)
		return host_list(data, query, emit, ctx, err);
	if (strcmp(kind, "check") == 0)
		return host_list_checks(data, query, emit, ctx, err);
	if (strcmp(kind, "event") == 0)
		return events_list(data, query, emit, ctx, err);
	return objects_list(data, query, emit, ctx, err);
}

static int engine_set(void *data, const struct hv_object *target, const struct hv_object *changes,
		      struct hv_error *err)
{
	return verbs_set(data, target, changes, err);
}

static int engine_call(void *data, const struct hv_kind *kind, const struct hv_object *target,
		       const struct hv_method *method, const struct hv_object *args,
		       struct hv_job *job, struct hv_error *err)
{
	return verbs_call(data, kind, target, method, args, job, err);
}

static int engine_stream(void *data, const struct hv_object *target, const char *channel,
			 bool read_only, int *fd, struct hv_error *err)
{
	return verbs_stream(data, target, channel, read_only, fd, err);
}

static int engine_watch_fd(void *data, struct hv_error *err)
{
	return events_fd(data, err);
}

static int engine_watch_read(void *data, hv_emit_fn *emit, void *ctx, struct hv_error *err)
{
	return events_read(data, emit, ctx, err);
}

static const struct hv_provider_ops ops = {
	.scheme = "engine",
	.help = "VMs of this machine, run by hvsh's own engine on KVM",
	.open = engine_open,
	.close = engine_close,
	.list = engine_list,
	.set = engine_set,
	.call = engine_call,
	.stream = engine_stream,
	.watch_fd = engine_watch_fd,
	.watch_read = engine_watch_read,
};

static const struct hv_provider_ops *const providers[] = {&ops, NULL};

HVSH_PLUGIN("engine", "1", "VMs of this machine, on KVM", .providers = providers);
