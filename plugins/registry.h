/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the loaded plugins brought: commands, kinds, providers, and the plugins that were refused with
 * the reason. Filled once at start by plugin_load_all(), constant afterwards.
 */
#ifndef HV_PLUGINS_REGISTRY_H
#define HV_PLUGINS_REGISTRY_H

#include "plugins/hvsh.h"

struct plugin_record {
	char *path;
	const struct hv_plugin *plugin; /* NULL: refused */
	char *reason;			/* why it was refused */
	void *handle;
};

/* Search path: HVSH_PLUGIN_PATH (colon-separated), the user's data folder, the built-in folder (next to
 * the running binary in a build tree, else $(libdir)/hvsh/plugins). Never fails as a whole. */
void plugin_load_all(void);
void plugin_unload_all(void);
size_t plugin_count(void);
const struct plugin_record *plugin_at(size_t index);

size_t command_count(void);
const struct hv_command *command_at(size_t index); /* sorted by noun, then in the plugin's order */
/* By noun (singular or plural) and verb or alias. On failure fills err: unknown noun, unknown verb of a
 * known noun, with the nearest word as hint. */
const struct hv_command *command_find(const char *noun, const char *verb, struct hv_error *err);

/* The options that a command takes: its own (or its method's), then those that all of its sort have
 * (--where, --columns, --sort, -o; --what-if, --yes, --wait, --timeout). One table, built once. */
const struct hv_prop *command_options(const struct hv_command *command);

/* Every descriptor has help, examples that parse, resolvable references, no clash. Calls complain for
 * each fault and returns their number. `plugin check` and the tests run it. */
int registry_self_test(void (*complain)(void *ctx, const char *message), void *ctx);

/*
 * Runs one command given as words (noun first): parses by the descriptor, resolves targets, asks where
 * it destroys, runs, prints by sink. This is the one entry that shell, batch, console and agent share.
 */
struct hv_sink {
	/* kind NULL: objects of the command's own table. one: a single object, not a list. */
	int (*begin)(struct hv_sink *sink, const struct hv_prop *props, bool one,
		     const struct hv_object *options, struct hv_error *err);
	int (*row)(struct hv_sink *sink, const struct hv_object *obj, struct hv_error *err);
	int (*text)(struct hv_sink *sink, const char *text, size_t len, struct hv_error *err);
	int (*end)(struct hv_sink *sink, struct hv_error *err);
	/* A line for a person about what happened or (--what-if) would happen: stdout for --what-if,
	 * nothing when quiet. */
	void (*say)(struct hv_sink *sink, bool what_if, const char *line);
	/* An error that does not end the command (one of several objects failed). */
	void (*complain)(struct hv_sink *sink, const struct hv_error *err);
	/* The person confirms by typing `word`; false without a terminal. NULL: never. */
	bool (*confirm)(struct hv_sink *sink, const char *question, const char *word);
};

/* Returns 0 or a negative code; HV_PARTIAL where some of several objects failed. */
int command_run(struct hv_model *model, struct hv_sink *sink, char *const *words, size_t n,
		void *shell, struct hv_error *err);
/* Parses and checks only; resolves no objects. For --check. */
int command_check(char *const *words, size_t n, struct hv_error *err);

#endif
