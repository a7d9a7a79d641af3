/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Checks a script without running it: every line is parsed by its descriptor, every object that it
 * names is looked up. What an earlier line of the script makes counts as there; words with
 * variables are left for the run.
 */
#include <stdlib.h>
#include <string.h>

#include "shell/script.h"

struct check {
	struct script_run *run;
	struct words made; /* names that the script itself makes */
	int status;
};

static void fault(struct check *check, unsigned line, const struct hv_error *err)
{
	snprintf(check->run->output->origin, sizeof check->run->output->origin, "%s:%u",
		 check->run->name, line);
	output_error(check->run->output, err);
	if (check->status == 0)
		check->status = (int)err->code;
}

static bool is_made(const struct check *check, const char *name)
{
	size_t len = strcspn(name, ":"); /* a device of a VM made here */
	for (size_t i = 0; i < check->made.n; i++) {
		if (strncmp(check->made.v[i], name, len) == 0 && check->made.v[i][len] == '\0')
			return true;
	}
	return false;
}

static void remember(struct check *check, const char *name)
{
	char **grown = reallocarray(check->made.v, check->made.n + 1, sizeof *grown);
	if (!grown)
		return;
	check->made.v = grown;
	check->made.v[check->made.n] = strdup(name);
	if (check->made.v[check->made.n])
		check->made.n++;
}

/* create, clone, rename, import give their last name argument to a new object. */
static void remember_names(struct check *check, const struct command_line *line)
{
	const struct hv_object *args = line->args;
	for (size_t i = 0; line->command->effect == HV_CHANGES_DATA && i < args->n_values; i++) {
		bool is_name =
			args->props[i].type == HV_STRING && strstr(args->props[i].name, "name");
		if (is_name && args->values[i].presence == HV_SET)
			remember(check, args->values[i].string);
	}
}

static int drop(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	(void)ctx, (void)err;
	hv_object_free(obj);
	return 0;
}

static const struct hv_kind *referred_kind(const struct command_line *line)
{
	for (const struct hv_prop *arg = line->command->args; arg && arg->type != HV_END; arg++) {
		if (arg->type == HV_REF && arg->of)
			return hv_kind_find(arg->of);
	}
	return NULL;
}

static int resolve(struct check *check, const struct command_line *line, struct hv_error *err)
{
	const struct hv_kind *kind = referred_kind(line);
	bool *want = kind ? calloc(hv_prop_count(kind->props) + 1, sizeof *want) : NULL;
	int rc = 0;
	for (size_t i = 0; want && rc == 0 && i < line->n_patterns; i++) {
		const char *pattern = line->patterns[i];
		if (!strpbrk(pattern, "*?[$") && !is_made(check, pattern))
			rc = hv_select(check->run->session->model, kind, &pattern, 1, NULL, want,
				       drop, NULL, err);
	}
	free(want);
	return rc;
}

static bool is_builtin(const char *word)
{
	for (const struct builtin *b = builtins; b->name; b++) {
		if (strcmp(b->name, word) == 0)
			return true;
	}
	return false;
}

static void check_command(struct check *check, const char *text, unsigned number)
{
	struct hv_error err = {0};
	struct words words;
	struct command_line line;
	int rc = words_split(&words, text, NULL, &err);
	if (rc == 0 && words.n > 0 && !words_assignment(words.v[0]) && !is_builtin(words.v[0])) {
		rc = command_parse(&line, words.v, words.n, &err);
		if (rc == 0) {
			rc = resolve(check, &line, &err);
			if (rc == 0)
				remember_names(check, &line);
			command_line_fini(&line);
		}
	}
	if (rc < 0)
		fault(check, number, &err);
	words_fini(&words);
}

static void check_list(struct check *check, const struct statement *list)
{
	for (; list; list = list->next) {
		const char *text = list->text;
		if (list->type == STATEMENT_IF && strncmp(text, "not ", 4) == 0)
			text += 4;
		if (list->type == STATEMENT_COMMAND || list->type == STATEMENT_IF)
			check_command(check, text, list->line);
		check_list(check, list->body);
		check_list(check, list->other);
	}
}

int script_check_source(struct script_run *run, struct script_source *source)
{
	struct check check = {.run = run};
	for (;;) {
		struct hv_error err = {0};
		struct statement *statement;
		int rc = script_read(source, &statement, &err);
		if (rc < 0) {
			fault(&check, source->line, &err);
			continue;
		}
		if (!statement) {
			if (script_read_ended(source, &err) < 0)
				fault(&check, source->line + 1, &err);
			break;
		}
		check_list(&check, statement);
		statement_free(statement);
	}
	words_fini(&check.made);
	return check.status;
}
