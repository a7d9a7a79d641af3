/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Batch scripts: statements, blocks, and how they run.
 *
 *	NOUN VERB …                      NAME=VALUE
 *	for NAME in WORD… ⏎ … ⏎ end      (a word with * or ? stands for the VMs that it matches)
 *	if COMMAND ⏎ … ⏎ else ⏎ … ⏎ end  (if not COMMAND …)
 *	try ⏎ … ⏎ rollback ⏎ … ⏎ end     (rollback runs when the first part failed; the failure
 *stands)
 *
 * A script is read one statement at a time, so that it can be a pipe whose writer waits for
 *answers; a block is read to its end before it runs.
 */
#ifndef HV_SHELL_SCRIPT_H
#define HV_SHELL_SCRIPT_H

#include <stdio.h>

#include "shell/output.h"
#include "shell/words.h"

enum statement_type { STATEMENT_COMMAND, STATEMENT_FOR, STATEMENT_IF, STATEMENT_TRY };

struct statement {
	enum statement_type type;
	unsigned line;           /* its first */
	char *text;              /* the command, or what follows for, if, try */
	char *here;              /* its here-document, or NULL */
	struct statement *body;  /* of a block */
	struct statement *other; /* after else or rollback */
	struct statement *next;
};

/* Where lines come from. */
struct script_source {
	FILE *in;
	const char *name; /* "stdin", a file's name */
	unsigned line;    /* lines read so far */
	/* optional: called before each further line of a block or quote (the shell's second prompt)
	 */
	char *(*more)(
		void *ctx); /* a line without its newline, or NULL at the end; then in is unused */
	void *ctx;
};

/* The next statement, blocks whole. 0 with *statement NULL at the end. A statement that was not
 * understood is consumed up to its line's end. */
int script_read(struct script_source *source, struct statement **statement, struct hv_error *err);
/* After the end: did reading fail rather than end? 0 or a negative code. */
int script_read_ended(const struct script_source *source, struct hv_error *err);
void statement_free(struct statement *statement); /* and those after it */

struct script_run {
	struct hv_session *session;
	struct output *output;
	struct variables *vars;
	const char *name;
	bool keep_going;
	bool interactive; /* lines have no number, a failure ends nothing */
	int status;       /* of the last command, or of the first failure under keep_going */
	bool quit;        /* `exit` was said */
};

/* Runs statement (not those after it); reports errors; returns 0 or the negative code to stop with.
 */
int script_run_statement(struct script_run *run, const struct statement *statement);
/* Runs a whole source; returns the exit status. */
int script_run_source(struct script_run *run, struct script_source *source);
/* Parses and resolves all of a source without running any; reports every fault; returns the exit
 * status of the first. */
int script_check_source(struct script_run *run, struct script_source *source);

/* Words that are the shell's own ("help", "exit"…): handled says whether it was one. */
int builtin_run(struct script_run *run, char *const *words, size_t n, bool *handled,
		struct hv_error *err);
struct builtin {
	const char *name, *args, *help;
};
extern const struct builtin builtins[]; /* ended by a NULL name */

#endif
