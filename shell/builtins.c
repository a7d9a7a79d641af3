/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The few words that are the shell's own, since they act on the shell and not on objects. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shell/help.h"
#include "shell/script.h"

const struct builtin builtins[] = {
	{"help", "[NOUN [VERB]]", "what there is, and how it is used"},
	{"source", "FILE", "run the commands of a file"},
	{"exit", "[STATUS]", "leave the shell; VMs go on running"},
	{"quit", "", "the same"},
	{NULL, NULL, NULL},
};

static int builtin_exit(struct script_run *run, char *const *words, size_t n, struct hv_error *err)
{
	if (n > 2)
		return hv_fail(err, HV_USAGE, 0, "exit takes a status at most");
	if (n == 2) {
		char *end;
		long status = strtol(words[1], &end, 10);
		if (*end || end == words[1] || status < 0 || status > 255)
			return hv_fail(err, HV_USAGE, 0, "exit status \"%s\" is not 0 to 255",
				       words[1]);
		run->status = (int)status;
	}
	run->quit = true;
	return 0;
}

static int builtin_source(struct script_run *run, char *const *words, size_t n,
			  struct hv_error *err)
{
	if (n != 2)
		return hv_fail(err, HV_USAGE, 0, "source takes one file");
	FILE *in = fopen(words[1], "re");
	if (!in)
		return hv_fail(err, hv_code_of(errno), errno, "cannot open \"%s\"", words[1]);
	struct script_run inner = *run;
	inner.name = words[1];
	inner.interactive = false;
	inner.status = 0;
	struct script_source source = {.in = in, .name = words[1]};
	int status = script_run_source(&inner, &source);
	fclose(in);
	run->quit = inner.quit;
	if (inner.quit)
		run->status = status;
	return status == 0 || inner.quit
		       ? 0
		       : hv_fail(err, (enum hv_code)status, 0, "\"%s\" did not succeed", words[1]);
}

/* "vm --help", "vm create web1 --help": the last word, unless it is the value of an option. */
static bool asks_for_help(char *const *words, size_t n)
{
	if (n < 2 || (strcmp(words[n - 1], "--help") != 0 && strcmp(words[n - 1], "-h") != 0))
		return false;
	return n <= 3 || words[n - 2][0] != '-';
}

int builtin_run(struct script_run *run, char *const *words, size_t n, bool *handled,
		struct hv_error *err)
{
	*handled = true;
	if (strcmp(words[0], "help") == 0 || strcmp(words[0], "?") == 0)
		return help_print(run->output->out, words + 1, n - 1, err);
	if (strcmp(words[0], "exit") == 0 || strcmp(words[0], "quit") == 0)
		return builtin_exit(run, words, n, err);
	if (strcmp(words[0], "source") == 0)
		return builtin_source(run, words, n, err);
	if (asks_for_help(words, n))
		return help_print(run->output->out, words, n > 2 ? 2 : 1, err);
	*handled = false;
	return 0;
}
