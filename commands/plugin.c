/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The noun plugin: what was loaded, what was refused and why, and whether the tables are sound. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/registry.h"

static int add_names(struct hv_object *obj, const struct hv_plugin *plugin)
{
	int rc = 0;
	for (const struct hv_command *c = plugin->commands; rc == 0 && c && c->noun; c++) {
		char name[128];
		snprintf(name, sizeof name, "%s %s", c->noun, c->verb);
		rc = hv_list_add_string(obj, "commands", name);
	}
	for (const struct hv_kind *const *kind = plugin->kinds; rc == 0 && kind && *kind; kind++)
		rc = hv_list_add_string(obj, "kinds", (*kind)->name);
	for (const struct hv_provider_ops *const *p = plugin->providers; rc == 0 && p && *p; p++)
		rc = hv_list_add_string(obj, "providers", (*p)->scheme);
	return rc;
}

static int fill(struct hv_object *obj, const struct hv_plugin_record *record)
{
	const char *slash = strrchr(record->path, '/');
	int rc = hv_set_string(obj, "name", slash ? slash + 1 : record->path);
	if (rc == 0)
		rc = hv_set_string(obj, "path", record->path);
	if (rc == 0)
		rc = hv_set_string(obj, "state", record->plugin ? "loaded" : "refused");
	if (rc == 0 && record->reason)
		rc = hv_set_string(obj, "reason", record->reason);
	if (rc < 0 || !record->plugin)
		return rc;
	rc = hv_set_string(obj, "name", record->plugin->name);
	if (rc == 0)
		rc = hv_set_string(obj, "version", record->plugin->version);
	if (rc == 0)
		rc = hv_set_string(obj, "summary", record->plugin->summary);
	if (rc == 0)
		rc = hv_set_int(obj, "abi_version", record->plugin->abi_version);
	return rc < 0 ? rc : add_names(obj, record->plugin);
}

static int run_list(struct hv_call *call, struct hv_error *err)
{
	for (size_t i = 0; i < hv_plugin_count(); i++) {
		struct hv_object *obj = hv_object_new(hv_kind_find("plugin"));
		int rc = obj ? fill(obj, hv_plugin_at(i)) : -HV_FAILED;
		rc = rc < 0 ? hv_fail(err, HV_FAILED, 0, "out of memory")
			    : hv_call_emit(call, obj, err);
		hv_object_free(obj);
		if (rc < 0)
			return rc;
	}
	return 0;
}

struct faults {
	struct hv_call *call;
	struct hv_error *err;
};

static void print_fault(void *ctx, const char *message)
{
	struct faults *faults = ctx;
	hv_call_text(faults->call, message, strlen(message), faults->err);
	hv_call_text(faults->call, "\n", 1, faults->err);
}

static int run_check(struct hv_call *call, struct hv_error *err)
{
	struct faults faults = {call, err};
	int n = hv_registry_check(print_fault, &faults);
	for (size_t i = 0; i < hv_plugin_count(); i++)
		n += hv_plugin_at(i)->reason != NULL;
	if (n == 0)
		return 0;
	hv_fail(err, HV_FAILED, 0, "%d faults in plugins", n);
	return hv_hint(err, "\"plugin list -o wide\" tells which were refused");
}

static const char *const list_examples[] = {"plugin list", "what was loaded, and what was refused",
					    "plugin list -o json", "with their commands", NULL};
static const char *const check_examples[] = {
	"plugin check", "find descriptors without help, clashes, references to nothing", NULL};

static const struct hv_command commands[] = {
	{.noun = "plugin",
	 .verb = "list",
	 .aliases = "ls",
	 .summary = "list plugins",
	 .examples = list_examples,
	 .run = run_list},
	{.noun = "plugin",
	 .verb = "check",
	 .summary = "check the tables of every plugin",
	 .flags = HV_C_TEXT,
	 .examples = check_examples,
	 .run = run_check},
	{.noun = NULL},
};

HVSH_PLUGIN("plugin", "1", "the parts of hvsh itself", .commands = commands);
