/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The noun config: hvsh's own settings, and where each comes from. */
#include <stdio.h>

#include "plugins/config.h"
#include "plugins/hvsh.h"

static const struct hv_prop setting_props[] = {
	{.name = "name", .type = HV_STRING, .flags = HV_P_COLUMN, .help = "name"},
	{.name = "value", .type = HV_STRING, .flags = HV_P_COLUMN, .help = "value in force"},
	{.name = "origin", .type = HV_STRING, .flags = HV_P_COLUMN, .help = "where it comes from"},
	{.name = "help", .type = HV_STRING, .flags = HV_P_COLUMN, .help = "what it does"},
	{.type = HV_END}};
static const struct hv_kind setting = {.name = "setting",
				       .plural = "settings",
				       .help = "a setting of hvsh itself",
				       .props = setting_props};
static const struct hv_kind *const kinds[] = {&setting, NULL};

static void complete_name(const char *prefix, void (*add)(void *ctx, const char *, const char *),
			  void *ctx)
{
	(void)prefix;
	for (const struct hv_prop *row = hv_config_table(); row->type != HV_END; row++)
		add(ctx, row->name, row->help);
}

static const struct hv_prop set_args[] = {
	{.name = "setting",
	 .type = HV_STRING,
	 .flags = HV_P_REQUIRED,
	 .complete = complete_name,
	 .help = "a setting's name"},
	{.name = "value", .type = HV_STRING, .flags = HV_P_REQUIRED, .help = "its new value"},
	{.type = HV_END}};
static const struct hv_prop unset_args[] = {{.name = "setting",
					     .type = HV_STRING,
					     .flags = HV_P_REQUIRED,
					     .complete = complete_name,
					     .help = "a setting's name"},
					    {.type = HV_END}};
static const struct hv_prop show_options[] = {
	{.name = "origin",
	 .type = HV_BOOL,
	 .flags = HV_P_FLAG,
	 .help = "where each comes from; always told in the list"},
	{.type = HV_END}};

static int emit(struct hv_call *call, const struct hv_prop *row, struct hv_error *err)
{
	char value[512];
	const struct hv_object *values = hv_config();
	struct hv_object *obj = hv_object_new(&setting);
	hv_value_format(hv_get(values, row->name), row, HV_EXACT, value, sizeof value);
	int rc = -HV_FAILED;
	if (obj && hv_set_string(obj, "name", row->name) == 0 &&
	    hv_set_string(obj, "value", value) == 0 &&
	    hv_set_string(obj, "origin", hv_config_origin(row->name)) == 0 &&
	    hv_set_string(obj, "help", row->help) == 0)
		rc = hv_call_emit(call, obj, err);
	else
		hv_fail(err, HV_FAILED, 0, "out of memory");
	hv_object_free(obj);
	return rc;
}

static int run_list(struct hv_call *call, struct hv_error *err)
{
	int rc = 0;
	for (const struct hv_prop *row = hv_config_table(); rc == 0 && row->type != HV_END; row++)
		rc = emit(call, row, err);
	return rc;
}

static int write_setting(struct hv_call *call, const char *value, struct hv_error *err)
{
	char line[640];
	const char *name = hv_get_string(call->args, "setting");
	int rc = call->what_if ? hv_config_check(name, value, err)
			       : hv_config_write(name, value, err);
	if (rc < 0)
		return rc;
	snprintf(line, sizeof line,
		 call->what_if ? "would %s setting \"%s\"%s%s%s" : "%s setting \"%s\"%s%s%s, done",
		 value ? "set" : "unset", name, value ? " (value " : "", value ?: "",
		 value ? ")" : "");
	hv_call_say(call, line);
	return 0;
}

static int run_set(struct hv_call *call, struct hv_error *err)
{
	return write_setting(call, hv_get_string(call->args, "value"), err);
}

static int run_unset(struct hv_call *call, struct hv_error *err)
{
	return write_setting(call, NULL, err);
}

static const char *const list_examples[] = {"config list",
					    "every setting, its value and its origin",
					    "config show --origin", "the same", NULL};
static const char *const set_examples[] = {"config set output json", "JSON from now on", NULL};
static const char *const unset_examples[] = {"config unset output", "back to what it was", NULL};

static const struct hv_command commands[] = {
	{.noun = "config",
	 .verb = "list",
	 .aliases = "show ls",
	 .summary = "list the settings of hvsh",
	 .options = show_options,
	 .examples = list_examples,
	 .run = run_list},
	{.noun = "config",
	 .verb = "set",
	 .summary = "write a setting into the user's file",
	 .args = set_args,
	 .effect = HV_CHANGES_DATA,
	 .flags = HV_C_NO_JOB,
	 .examples = set_examples,
	 .run = run_set},
	{.noun = "config",
	 .verb = "unset",
	 .summary = "take a setting out of the user's file",
	 .args = unset_args,
	 .effect = HV_CHANGES_DATA,
	 .flags = HV_C_NO_JOB,
	 .examples = unset_examples,
	 .run = run_unset},
	{.noun = NULL},
};

HVSH_PLUGIN("config", "1", "settings of hvsh", .commands = commands, .kinds = kinds);
