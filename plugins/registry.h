/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the loaded plugins brought: commands, kinds, providers, and the plugins that were refused
 * with the reason. Filled once at start by plugin_load_all(), constant afterwards; the hv_
 * functions are for plugins that speak of commands (help, schema, plugin).
 */
#ifndef HV_PLUGINS_REGISTRY_H
#define HV_PLUGINS_REGISTRY_H

#include "plugins/hvsh.h"

struct hv_plugin_record {
	char *path;
	const struct hv_plugin *plugin; /* NULL: refused */
	char *reason;                   /* why it was refused, or NULL */
	void *handle;                   /* of dlopen() */
};

/*
 * Loads every plugin of the search path: HVSH_PLUGIN_PATH (colon-separated), the user's data
 * folder, the built-in folder (../lib/hvsh/plugins beside the running program, else the configured
 * one). Never fails as a whole: what was refused is in its record.
 */
void plugin_load_all(void);
void plugin_unload_all(void);
/* Takes the commands, kinds and providers of one plugin into the registry; all of it or nothing. */
int registry_add_plugin(const struct hv_plugin *plugin, struct hv_error *err);
void registry_clear(void);

HV_PUBLIC size_t hv_plugin_count(void);
HV_PUBLIC const struct hv_plugin_record *hv_plugin_at(size_t index);

/* Commands, sorted by noun, then in their plugin's order. */
HV_PUBLIC size_t hv_command_count(void);
HV_PUBLIC const struct hv_command *hv_command_at(size_t index);
/* By noun (singular or plural) and verb or alias. HV_USAGE for an unknown noun, or an unknown verb
 * of a known noun, with the nearest word as hint. */
HV_PUBLIC const struct hv_command *hv_command_find(const char *noun, const char *verb,
						   struct hv_error *err);
/*
 * All options of a command in one table: its own (or its method's, or for create and edit those
 * that the kind's settable properties give), then what all commands of its sort have: --where,
 * --output,
 * --columns, --sort, --no-header; --what-if, --yes, --wait, --timeout. Built at the first call.
 */
HV_PUBLIC const struct hv_prop *hv_command_options(const struct hv_command *command);
/* The kind of the objects that a command takes or prints: its noun's, else its first reference's.
 */
HV_PUBLIC const struct hv_kind *hv_command_kind(const struct hv_command *command);
/* The one-letter form of an option ("output" is -o), or 0. */
HV_PUBLIC char hv_option_letter(const char *name);

/* Every descriptor has help, examples that parse, resolvable references, no clash. Complains for
 * each fault and returns their number. */
HV_PUBLIC int hv_registry_check(void (*complain)(void *ctx, const char *message), void *ctx);

#endif
