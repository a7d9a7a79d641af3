/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One command from words to result: parsed by its descriptor, its targets resolved, confirmed where
 * it destroys, run, its results handed to a sink. Shell, batch, console and agent share this entry.
 */
#ifndef HV_PLUGINS_DISPATCH_H
#define HV_PLUGINS_DISPATCH_H

#include "plugins/registry.h"

/* Where results go; a front-end fills it in. options is the command's parsed option object. */
struct hv_sink {
	/* optional: marks the properties that the output will need, want[] being all false */
	void (*wants)(struct hv_sink *sink, const struct hv_prop *props, bool one,
		      const struct hv_object *options, bool *want);
	int (*begin)(struct hv_sink *sink, const struct hv_prop *props, bool one,
		     const struct hv_object *options, struct hv_error *err);
	int (*row)(struct hv_sink *sink, const struct hv_object *obj, struct hv_error *err);
	int (*end)(struct hv_sink *sink, struct hv_error *err);
	int (*text)(struct hv_sink *sink, const char *text, size_t len, struct hv_error *err);
	void (*flush)(struct hv_sink *sink);
	/* A line for a person about what was done, or under --what-if would be. */
	void (*say)(struct hv_sink *sink, bool what_if, const char *line);
	/* One of several objects failed; the command goes on. */
	void (*complain)(struct hv_sink *sink, const struct hv_error *err);
	/* optional: a person confirms by typing word; without it (no terminal) --yes is needed */
	bool (*confirm)(struct hv_sink *sink, const char *question, const char *word);
};

/* What a front-end runs commands in. */
struct hv_session {
	struct hv_model *model;
	struct hv_sink *sink;
	const char *here; /* text of the command's here-document, or NULL */
	size_t here_len;
	bool stdin_is_script; /* then `-` means the here-document only */
	void *shell;
};

/* words: noun, verb, then the rest. 0 or a negative code; HV_PARTIAL where some of several failed.
 */
int command_run(struct hv_session *session, char *const *words, size_t n, struct hv_error *err);
/* Parses and checks only; resolves no object, changes nothing. */
int command_check(char *const *words, size_t n, struct hv_error *err);

/* From a signal handler: the command that runs now ends early, its job cancelled. */
void command_interrupt(void);

/* A parsed command line; used by dispatch and by completion. */
struct command_line {
	const struct hv_command *command;
	struct hv_object *args, *options;
	const char **patterns; /* words of the first reference argument; borrowed */
	size_t n_patterns;
};
int command_parse(struct command_line *line, char *const *words, size_t n, struct hv_error *err);
void command_line_fini(struct command_line *line);

/* "usage: vm start VM... [--timeout DURATION] …" of a command; owned by the caller. */
char *command_usage(const struct hv_command *command);

#endif
