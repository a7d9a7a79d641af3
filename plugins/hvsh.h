/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The plugin ABI: all that a plugin of hvsh needs. A plugin is a shared object with one symbol,
 * `hvsh_plugin`, a constant table of commands, kinds and providers. It is refused, by name and with
 * the reason, where its ABI version or struct size is another, its file or folder can be written by
 * others, or one of its names is taken; the rest load.
 */
#ifndef HVSH_H
#define HVSH_H

#include "engine/model/model.h"

#define HV_ABI_VERSION 1

struct hv_call;

enum hv_command_flag {
	HV_C_HIDDEN = 1 << 0, /* not in help and completion */
	HV_C_NO_JOB = 1 << 1, /* changes, but at once: no --wait, --timeout */
	HV_C_INTERACTIVE =
		1 << 2, /* takes the terminal (console): not in batch without --log or the like */
	HV_C_TEXT = 1 << 3, /* reads, and prints text or nothing: no --output, --columns */
};

/*
 * One verb of one noun. Positional args come first; the first of type HV_REF is resolved to objects
 * before run (HV_P_MANY: globs and several, and a --where option).
 *
 * Without run: "list" and "show" print the objects, "edit" sets the properties given as options,
 * any other verb calls the kind's method of its name on each target, options and further arguments
 * being the method's arguments. So most commands are only data.
 */
struct hv_command {
	const char *noun, *verb;
	const char *aliases;           /* space-separated other verbs, or NULL: "ls" */
	const char *summary;           /* one line, lower case, no full stop */
	const char *details;           /* paragraphs for the manual, or NULL */
	const struct hv_prop *args;    /* positional; NULL: none */
	const struct hv_prop *options; /* NULL: none, or those of the method */
	enum hv_effect effect;
	unsigned flags;
	const char *const
		*examples; /* command line, then what it does; ended by NULL; at least one */
	int (*run)(struct hv_call *call, struct hv_error *err);
};

struct hv_plugin {
	uint32_t abi_version; /* HV_ABI_VERSION */
	uint32_t struct_size; /* sizeof(struct hv_plugin) */
	const char *name, *version, *summary;
	const struct hv_command *commands;              /* ended by a NULL noun; NULL: none */
	const struct hv_kind *const *kinds;             /* ended by NULL; NULL: none */
	const struct hv_provider_ops *const *providers; /* ended by NULL; NULL: none */
};

#define HVSH_PLUGIN(plugin_name, plugin_version, plugin_summary, ...)                              \
	HV_PUBLIC extern const struct hv_plugin hvsh_plugin;                                       \
	const struct hv_plugin hvsh_plugin = {.abi_version = HV_ABI_VERSION,                       \
					      .struct_size = sizeof(struct hv_plugin),             \
					      .name = plugin_name,                                 \
					      .version = plugin_version,                           \
					      .summary = plugin_summary,                           \
					      __VA_ARGS__}

/* A running command, as its run sees it. Everything is borrowed for the length of the call. */
struct hv_call {
	struct hv_model *model;
	const struct hv_command *command;
	const struct hv_object *args, *options; /* parsed and checked by the tables */
	struct hv_object **targets;             /* of the first HV_REF argument */
	size_t n_targets;
	bool what_if, wait, yes;
	double timeout_s; /* 0: no limit */
	void *shell;      /* the front-end's */
};

/* Results: objects and rows, never formatted text. obj stays the caller's. */
HV_PUBLIC int hv_call_emit(struct hv_call *call, const struct hv_object *obj, struct hv_error *err);
/* Text that is the product itself: a generated script, a console log. Goes to stdout as it is. */
HV_PUBLIC int hv_call_text(struct hv_call *call, const char *text, size_t len,
			   struct hv_error *err);
/* A line for a person about what was done, or under --what-if would be, where hv_call_do() and
 * hv_call_set() do not say it: settings of hvsh itself. */
HV_PUBLIC void hv_call_say(struct hv_call *call, const char *line);
/* Did the operator press Ctrl-C? Whoever waits asks between two waits, and ends. */
HV_PUBLIC bool hv_call_interrupted(const struct hv_call *call);
/* Lets what was printed so far reach the reader: for commands that go on for long. */
HV_PUBLIC void hv_call_flush(struct hv_call *call);
/* The text of a file that the user named; "-" is the here-document or standard input. At most
 * HV_INPUT_MAX bytes; *text is the caller's. */
#define HV_INPUT_MAX (16 << 20)
HV_PUBLIC int hv_call_read(struct hv_call *call, const char *path, char **text, size_t *len,
			   struct hv_error *err);
/*
 * Does method to target, or under --what-if prints that it would: the one way to change anything,
 * so that what is said and what is done come from the same place. target NULL: create args on host.
 */
HV_PUBLIC int hv_call_do(struct hv_call *call, const struct hv_kind *kind, const char *host,
			 const struct hv_object *target, const char *method,
			 const struct hv_object *args, struct hv_error *err);
/* Likewise for setting properties. */
HV_PUBLIC int hv_call_set(struct hv_call *call, const struct hv_object *target,
			  const struct hv_object *changes, struct hv_error *err);
/* Does act to each target; what failed is told at once, the rest goes on. HV_PARTIAL where some
 * failed. */
HV_PUBLIC int hv_call_each(struct hv_call *call,
			   int (*act)(struct hv_call *, const struct hv_object *,
				      struct hv_error *),
			   struct hv_error *err);

#endif
