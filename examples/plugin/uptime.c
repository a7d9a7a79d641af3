/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A plugin that stands outside the project's tree: `uptime list` prints how long VMs have run. It
 * needs the one installed header and nothing else; see the Makefile beside it.
 */
#include <hvsh.h>

/* A kind of its own: its table gives columns, formats, filters and help. */
static const struct hv_prop uptime_props[] = {
	{.name = "name", .type = HV_STRING, .flags = HV_P_COLUMN, .help = "name of the VM"},
	{.name = "uptime",
	 .type = HV_DURATION,
	 .flags = HV_P_COLUMN,
	 .help = "time since its start"},
	{.type = HV_END}};
static const struct hv_kind uptime_kind = {.name = "uptime",
					   .plural = "uptimes",
					   .help = "how long a VM has run",
					   .props = uptime_props};
static const struct hv_kind *const kinds[] = {&uptime_kind, NULL};

static const struct hv_prop args[] = {{.name = "vm",
				       .type = HV_REF,
				       .of = "vm",
				       .flags = HV_P_MANY | HV_P_REQUIRED,
				       .help = "VMs, globs allowed"},
				      {.type = HV_END}};

static int emit_one(struct hv_call *call, const struct hv_object *vm, struct hv_error *err)
{
	if (!hv_has(vm, "uptime"))
		return 0; /* it does not run */
	struct hv_object *row = hv_object_new(&uptime_kind);
	int rc = row ? hv_set_string(row, "name", hv_object_name(vm)) : -HV_FAILED;
	if (rc == 0)
		rc = hv_set_number(row, "uptime", hv_get_number(vm, "uptime"));
	rc = rc < 0 ? hv_fail(err, HV_FAILED, 0, "out of memory") : hv_call_emit(call, row, err);
	hv_object_free(row);
	return rc;
}

static int run_list(struct hv_call *call, struct hv_error *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < call->n_targets; i++)
		rc = emit_one(call, call->targets[i], err);
	return rc;
}

static const char *const examples[] = {"uptime list '*' --sort -uptime", "the oldest first", NULL};

static const struct hv_command commands[] = {{.noun = "uptime",
					      .verb = "list",
					      .summary = "list how long VMs have run",
					      .args = args,
					      .examples = examples,
					      .run = run_list},
					     {.noun = NULL}};

HVSH_PLUGIN("uptime", "1", "how long VMs have run", .commands = commands, .kinds = kinds);
