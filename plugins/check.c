/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The self-test of descriptors: what would be missing in help, completion or manual, or not work.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/dispatch.h"
#include "plugins/options.h"

struct check {
	void (*complain)(void *ctx, const char *message);
	void *ctx;
	const char *where;
	int faults;
};

static void fault(struct check *check, const char *fmt, ...) HV_PRINTF(2, 3);
static void fault(struct check *check, const char *fmt, ...)
{
	char text[256], line[384];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	snprintf(line, sizeof line, "%s: %s", check->where, text);
	check->faults++;
	check->complain(check->ctx, line);
}

static void check_name(struct check *check, const char *what, const char *name)
{
	bool good = name && islower((unsigned char)name[0]);
	for (const char *c = name; good && *c; c++)
		good = islower((unsigned char)*c) || isdigit((unsigned char)*c) || strchr("_-", *c);
	if (!good)
		fault(check, "%s \"%s\" is not written in lower case", what, name ? name : "");
}

/* A line for a person: begins in lower case or with a name, has no full stop. */
static void check_line(struct check *check, const char *what, const char *line)
{
	size_t len = line ? strlen(line) : 0;
	if (len == 0)
		fault(check, "%s has no help", what);
	else if (line[len - 1] == '.')
		fault(check, "the help of %s ends with a full stop", what);
}

static void check_row(struct check *check, const struct hv_prop *row)
{
	check_name(check, "property", row->name);
	check_line(check, row->name, row->help);
	if (row->type == HV_ENUM && (!row->choices || !row->choices[0]))
		fault(check, "%s has nothing to choose from", row->name);
	if (row->of && !hv_kind_find(row->of))
		fault(check, "%s refers to a kind \"%s\" that is not there", row->name, row->of);
	if (row->type == HV_REF && !row->of)
		fault(check, "%s refers to no kind", row->name);
	if (!row->preset)
		return;
	struct hv_prop table[2] = {*row, {.type = HV_END}};
	struct hv_error err;
	struct hv_object *probe = hv_object_new_for(table);
	if (probe && hv_value_parse(&probe->values[0], row, row->preset, &err) < 0)
		fault(check, "%s cannot be preset to \"%s\": %s", row->name, row->preset,
		      err.message);
	hv_object_free(probe);
}

static void check_table(struct check *check, const struct hv_prop *table)
{
	for (const struct hv_prop *row = table; row && row->type != HV_END; row++) {
		check_row(check, row);
		if (hv_prop_find(table, row->name) != row)
			fault(check, "%s is there twice", row->name);
	}
}

static void check_letters(struct check *check, const struct hv_prop *options)
{
	for (const struct hv_prop *a = options; a->type != HV_END; a++) {
		for (const struct hv_prop *b = options; b < a; b++) {
			char letter = hv_option_letter(a->name);
			if (letter && letter == hv_option_letter(b->name))
				fault(check, "-%c is both --%s and --%s", letter, b->name, a->name);
		}
	}
}

/* The example's words parse; quotes are all that the shell would do to them. */
static void check_example(struct check *check, const char *example)
{
	char *copy = strdup(example), *words[64], *out = copy, *in = copy;
	size_t n = 0;
	struct hv_error err;
	while (copy && *in && n < 64) {
		in += strspn(in, " ");
		words[n++] = out;
		for (bool quoted = false; *in && (quoted || *in != ' '); in++) {
			if (*in == '\'')
				quoted = !quoted;
			else
				*out++ = *in;
		}
		in += *in == ' ';
		*out++ = '\0';
	}
	if (n < 2 || command_check(words, n, &err) < 0)
		fault(check, "example \"%s\": %s", example, n < 2 ? "too short" : err.message);
	free(copy);
}

static void check_examples(struct check *check, const struct hv_command *command)
{
	if (!command->examples || !command->examples[0])
		fault(check, "it has no example");
	for (const char *const *e = command->examples; e && e[0]; e += 2) {
		check_example(check, e[0]);
		if (!e[1]) {
			fault(check, "example \"%s\" does not say what it does", e[0]);
			return;
		}
	}
}

static bool has_generic_run(const struct hv_command *command)
{
	static const char *const generic[] = {"list", "show", "edit"};
	for (size_t i = 0; i < sizeof generic / sizeof *generic; i++) {
		if (strcmp(command->verb, generic[i]) == 0)
			return hv_command_kind(command) != NULL;
	}
	return command_method(command) && command_reference(command);
}

static void check_command(struct check *check, const struct hv_command *command)
{
	const struct hv_prop *options = hv_command_options(command);
	check_name(check, "noun", command->noun);
	check_name(check, "verb", command->verb);
	check_line(check, "the command", command->summary);
	check_table(check, command->args);
	check_table(check, options);
	check_letters(check, options);
	check_examples(check, command);
	if (!command->run && !has_generic_run(command))
		fault(check, "there is neither a function nor a method of this name to run");
	const struct hv_method *method = command_method(command);
	if (method && !command->run && method->effect != command->effect)
		fault(check, "its effect is not its method's");
	for (const struct hv_prop *row = command->args; row && row->type != HV_END; row++) {
		bool greedy = row->flags & (HV_P_MANY | HV_P_REST);
		if (greedy && row[1].type != HV_END)
			fault(check, "%s takes every word, so that none is left for %s", row->name,
			      row[1].name);
	}
}

static void check_kind(struct check *check, const struct hv_kind *kind)
{
	check_name(check, "kind", kind->name);
	check_line(check, "the kind", kind->help);
	check_table(check, kind->props);
	if (kind->owner && !hv_kind_find(kind->owner))
		fault(check, "its owner \"%s\" is no kind", kind->owner);
	for (const struct hv_method *m = kind->methods; m && m->name; m++) {
		check_line(check, m->name, m->help);
		check_table(check, m->args);
		if (m->inverse && !hv_method_find(kind, m->inverse))
			fault(check, "the inverse \"%s\" of %s is not there", m->inverse, m->name);
	}
}

int hv_registry_check(void (*complain)(void *ctx, const char *message), void *ctx)
{
	struct check check = {.complain = complain, .ctx = ctx};
	for (size_t i = 0; i < hv_kind_count(); i++) {
		check.where = hv_kind_at(i)->name;
		check_kind(&check, hv_kind_at(i));
	}
	for (size_t i = 0; i < hv_command_count(); i++) {
		const struct hv_command *command = hv_command_at(i);
		char where[128];
		snprintf(where, sizeof where, "%s %s", command->noun, command->verb);
		check.where = where;
		check_command(&check, command);
	}
	return check.faults;
}
