/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs statements. A script stops at the first failure with its status, unless told to keep going.
 */
#include "shell/script.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void set_origin(struct script_run *run, unsigned line)
{
	if (run->interactive)
		snprintf(run->output->origin, sizeof run->output->origin, "hvsh");
	else
		snprintf(run->output->origin, sizeof run->output->origin, "%s:%u", run->name, line);
}

static int report(struct script_run *run, unsigned line, const struct hv_error *err)
{
	set_origin(run, line);
	output_error(run->output, err);
	return -(int)err->code;
}

static int assign(struct script_run *run, char *const *words, size_t n, size_t name_len,
		  struct hv_error *err)
{
	if (n > 1) {
		hv_fail(err, HV_USAGE, 0, "an assignment is one word");
		return hv_hint(err, "put the value in quotes");
	}
	return variables_set(run->vars, words[0], name_len, words[0] + name_len + 1, err);
}

static int run_words(struct script_run *run, const struct words *words, struct hv_error *err)
{
	bool handled = false;
	size_t name_len = words_assignment(words->v[0]);
	if (name_len)
		return assign(run, words->v, words->n, name_len, err);
	int rc = builtin_run(run, words->v, words->n, &handled, err);
	return handled ? rc : command_run(run->session, words->v, words->n, err);
}

static int expand_here(struct script_run *run, const struct words *words,
		       const struct statement *statement, char **here, struct hv_error *err)
{
	*here = NULL;
	if (!words->here_tag)
		return 0;
	if (!words->here_raw)
		return words_expand(here, statement->here, run->vars, err);
	*here = strdup(statement->here);
	return *here ? 0 : hv_fail(err, HV_FAILED, 0, "out of memory");
}

/* The command in text, with the statement's here-document; err is filled but not reported. */
static int run_command(struct script_run *run, const struct statement *statement, const char *text,
		       struct hv_error *err)
{
	struct words words;
	char *here = NULL;
	set_origin(run, statement->line);
	int rc = words_split(&words, text, run->vars, err);
	if (rc < 0)
		return rc;
	rc = expand_here(run, &words, statement, &here, err);
	run->session->here = here;
	run->session->here_len = here ? strlen(here) : 0;
	if (rc == 0 && words.n > 0)
		rc = run_words(run, &words, err);
	run->session->here = NULL;
	free(here);
	words_fini(&words);
	return rc;
}

static int run_list(struct script_run *run, const struct statement *list)
{
	for (; list && !run->quit; list = list->next) {
		int rc = script_run_statement(run, list);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- for ------------------------------------------------------------------------------------- */

static int add_address(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	struct words *values = ctx;
	char address[512];
	hv_object_address(obj, address, sizeof address);
	hv_object_free(obj);
	char **grown = reallocarray(values->v, values->n + 2, sizeof *grown);
	if (grown)
		values->v = grown;
	char *copy = strdup(address);
	if (!grown || !copy) {
		free(copy);
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	}
	values->v[values->n++] = copy;
	return 0;
}

/* Globs become the addresses of the VMs that they match; other words stand for themselves. */
static int loop_values(struct script_run *run, char *const *words, size_t n, struct words *values,
		       struct hv_error *err)
{
	const struct hv_kind *vm = hv_kind_find("vm");
	bool *want = calloc(hv_prop_count(vm->props) + 1, sizeof *want); /* names come anyway */
	int rc = want ? 0 : hv_fail(err, HV_FAILED, 0, "out of memory");
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const char *pattern = words[i];
		if (strpbrk(pattern, "*?[")) {
			rc = hv_select(run->session->model, vm, &pattern, 1, NULL, want,
				       add_address, values, err);
		} else {
			char **grown = reallocarray(values->v, values->n + 2, sizeof *grown);
			char *copy = strdup(pattern);
			if (grown)
				values->v = grown;
			if (grown && copy)
				values->v[values->n++] = copy;
			else
				rc = hv_fail(err, HV_FAILED, 0, "out of memory");
			if (rc < 0)
				free(copy);
		}
	}
	free(want);
	return rc;
}

static int parse_for(const struct words *words, struct hv_error *err)
{
	char probe[80];
	bool form = words->n >= 2 && strcmp(words->v[1], "in") == 0;
	if (form)
		snprintf(probe, sizeof probe, "%s=", words->v[0]);
	if (form && words_assignment(probe))
		return 0;
	return hv_fail(err, HV_USAGE, 0, "a loop is written: for NAME in WORD...");
}

static int run_for(struct script_run *run, const struct statement *statement)
{
	struct hv_error err = {0};
	struct words words = {0}, values = {0};
	int rc = words_split(&words, statement->text, run->vars, &err);
	if (rc == 0)
		rc = parse_for(&words, &err);
	if (rc == 0)
		rc = loop_values(run, words.v + 2, words.n - 2, &values, &err);
	if (rc < 0)
		rc = report(run, statement->line, &err);
	for (size_t i = 0; rc == 0 && i < values.n && !run->quit; i++) {
		rc = variables_set(run->vars, words.v[0], strlen(words.v[0]), values.v[i], &err);
		rc = rc < 0 ? report(run, statement->line, &err) : run_list(run, statement->body);
	}
	words_fini(&values);
	words_fini(&words);
	return rc;
}

/* ---- if, try --------------------------------------------------------------------------------- */

static int run_if(struct script_run *run, const struct statement *statement)
{
	struct hv_error err = {0};
	const char *text = statement->text;
	bool negated = strncmp(text, "not ", 4) == 0;
	int rc = run_command(run, statement, text + (negated ? 4 : 0), &err);
	if (rc == -HV_USAGE) /* a mistyped condition is no "no" */
		return report(run, statement->line, &err);
	return run_list(run, (rc == 0) != negated ? statement->body : statement->other);
}

static int run_try(struct script_run *run, const struct statement *statement)
{
	bool keep_going = run->keep_going;
	run->keep_going = false; /* the first failure is what rollback is for */
	int rc = run_list(run, statement->body);
	run->keep_going = keep_going;
	if (rc == 0)
		return 0;
	run_list(run, statement->other);
	return rc;
}

int script_run_statement(struct script_run *run, const struct statement *statement)
{
	struct hv_error err = {0};
	int rc;
	switch (statement->type) {
	case STATEMENT_FOR:
		rc = run_for(run, statement);
		break;
	case STATEMENT_IF:
		rc = run_if(run, statement);
		break;
	case STATEMENT_TRY:
		rc = run_try(run, statement);
		break;
	default:
		rc = run_command(run, statement, statement->text, &err);
		if (rc < 0)
			rc = report(run, statement->line, &err);
	}
	if (rc < 0 && run->status == 0)
		run->status = -rc;
	return rc < 0 && run->keep_going ? 0 : rc;
}

/* A writer at the other end of a pipe may wait for the answer before it says more. */
static bool waits_for_answers(const struct script_source *source)
{
	struct stat st;
	return fstat(fileno(source->in), &st) != 0 || !S_ISREG(st.st_mode);
}

int script_run_source(struct script_run *run, struct script_source *source)
{
	int rc = 0;
	bool answer = waits_for_answers(source);
	while (!run->quit) {
		struct hv_error err = {0};
		struct statement *statement;
		rc = script_read(source, &statement, &err);
		if (rc < 0) {
			rc = report(run, source->line, &err);
			run->status = run->status ? run->status : -rc;
			if (!run->keep_going)
				break;
			continue;
		}
		if (!statement) {
			rc = script_read_ended(source, &err);
			if (rc < 0)
				rc = report(run, source->line + 1, &err);
			if (rc < 0 && run->status == 0)
				run->status = -rc;
			break;
		}
		rc = script_run_statement(run, statement);
		statement_free(statement);
		if (answer)
			fflush(run->output->out);
		if (rc < 0)
			break;
	}
	fflush(run->output->out);
	return run->status;
}
