/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The noun host: machines that run VMs, what they offer, and what is missing on them. */
#include <stdlib.h>

#include "plugins/hvsh.h"

static const struct hv_prop any[] = {{.name = "host",
				      .type = HV_REF,
				      .of = "host",
				      .flags = HV_P_MANY,
				      .help = "a host's name, globs allowed"},
				     {.type = HV_END}};

static int emit(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	int rc = hv_call_emit(ctx, obj, err);
	hv_object_free(obj);
	return rc;
}

/* Every fact of the host, the failing ones with what to do: rows of the kind check. */
static int run_check(struct hv_call *call, struct hv_error *err)
{
	const struct hv_kind *kind = hv_kind_find("check");
	return hv_select(call->model, kind, NULL, 0, NULL, NULL, emit, call, err);
}

static const char *const list_examples[] = {"host list", "every host that is known", NULL};
static const char *const show_examples[] = {
	"host show", "the current host: processors, memory, nested paging, KVM's features", NULL};
static const char *const check_examples[] = {
	"host check", "what works here, and what to do about what does not", NULL};

static const struct hv_command commands[] = {
	{.noun = "host",
	 .verb = "list",
	 .aliases = "ls",
	 .summary = "list hosts",
	 .args = any,
	 .examples = list_examples},
	{.noun = "host",
	 .verb = "show",
	 .aliases = "info",
	 .summary = "show all of a host",
	 .args = any,
	 .examples = show_examples},
	{.noun = "host",
	 .verb = "check",
	 .aliases = "doctor",
	 .summary = "check what works on the current host",
	 .examples = check_examples,
	 .run = run_check},
	{.noun = NULL},
};

HVSH_PLUGIN("host", "1", "machines that run VMs", .commands = commands);
