/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Help for a person: an overview, a noun's verbs, a command with its options. */
#include "shell/help.h"

#include <stdlib.h>
#include <string.h>

#include "plugins/dispatch.h"
#include "shell/script.h"

static void put_dashed(FILE *out, const char *name)
{
	for (; *name; name++)
		fputc(*name == '_' ? '-' : *name, out);
}

/* "IMAGE[,key=value...]": a list's element begins with what it cannot do without. */
static void put_element_form(FILE *out, const struct hv_kind *kind)
{
	const struct hv_prop *row = kind->props + 1;
	while (row->type != HV_END && !(row->flags & HV_P_REQUIRED))
		row++;
	fprintf(out, "%s[,key=value...]", row->type == HV_END ? kind->name : row->name);
}

static void put_value_form(FILE *out, const struct hv_prop *row)
{
	if (row->type == HV_LIST && row->of && hv_kind_find(row->of)) {
		put_element_form(out, hv_kind_find(row->of));
		return;
	}
	if (row->type != HV_ENUM) {
		fputs(hv_type_name(row->type), out);
		return;
	}
	for (size_t i = 0; row->choices[i]; i++)
		fprintf(out, "%s%s", i ? "|" : "", row->choices[i]);
}

/* A flag that is on where nothing is said, or a property that may be either. */
static bool can_be_off(const struct hv_prop *option)
{
	bool preset_on = option->preset && strcmp(option->preset, "yes") == 0;
	return (option->flags & HV_P_FLAG) && (preset_on || option->set != HV_SET_NEVER);
}

void help_option_form(FILE *out, const struct hv_prop *option)
{
	char letter = hv_option_letter(option->name);
	if (letter)
		fprintf(out, "-%c, ", letter);
	fputs("--", out);
	if (can_be_off(option))
		fputs("[no-]", out);
	put_dashed(out, option->name);
	if (!(option->flags & HV_P_FLAG)) {
		fputc(' ', out);
		put_value_form(out, option);
	}
}

static void put_overview(FILE *out)
{
	const char *noun = "";
	fputs("hvsh: virtual machines, by noun and verb\n\n", out);
	for (size_t i = 0; i < hv_command_count(); i++) {
		const struct hv_command *command = hv_command_at(i);
		if (command->flags & HV_C_HIDDEN)
			continue;
		if (strcmp(noun, command->noun) != 0)
			fprintf(out, "%s%-12s", noun[0] ? "\n" : "", command->noun);
		noun = command->noun;
		fprintf(out, " %s", command->verb);
	}
	fputs("\n\n", out);
	for (const struct builtin *b = builtins; b->name; b++)
		fprintf(out, "%-12s %-14s %s\n", b->name, b->args, b->help);
	fputs("\n\"help NOUN\" and \"help NOUN VERB\" tell more.\n", out);
}

static int put_noun(FILE *out, const char *noun, struct hv_error *err)
{
	const struct hv_kind *kind = hv_kind_find(noun);
	const char *name = kind ? kind->name : noun;
	bool found = false;
	for (size_t i = 0; i < hv_command_count(); i++) {
		const struct hv_command *command = hv_command_at(i);
		if (strcmp(command->noun, name) != 0 || (command->flags & HV_C_HIDDEN))
			continue;
		if (!found && kind)
			fprintf(out, "%s: %s\n\n", kind->name, kind->help);
		fprintf(out, "  %s %-12s %s\n", command->noun, command->verb, command->summary);
		found = true;
	}
	if (found)
		return 0;
	hv_command_find(noun, NULL, err); /* says it with the nearest word */
	return -(int)err->code;
}

static void put_rows(FILE *out, const char *title, const struct hv_prop *rows, bool options)
{
	if (!rows || rows->type == HV_END)
		return;
	fprintf(out, "\n%s:\n", title);
	for (; rows->type != HV_END; rows++) {
		char *form = NULL;
		size_t len = 0;
		FILE *text = open_memstream(&form, &len);
		if (!text)
			return;
		if (options) {
			help_option_form(text, rows);
		} else {
			fprintf(text, "%s%s", rows->name,
				rows->flags & (HV_P_MANY | HV_P_REST) ? "..." : "");
		}
		fclose(text);
		fprintf(out, "  %-28s %s%s", form,
			len > 28 ? "\n                               " : "", rows->help);
		if (rows->preset)
			fprintf(out, " (%s where none is given)", rows->preset);
		fputc('\n', out);
		free(form);
	}
}

static int put_command(FILE *out, char *const *words, struct hv_error *err)
{
	const struct hv_command *command = hv_command_find(words[0], words[1], err);
	if (!command)
		return -(int)err->code;
	char *usage = command_usage(command);
	fprintf(out, "%s %s: %s\n\n%s\n", command->noun, command->verb, command->summary,
		usage ? usage : "");
	free(usage);
	if (command->aliases)
		fprintf(out, "\nalso: %s\n", command->aliases);
	if (command->details)
		fprintf(out, "\n%s\n", command->details);
	put_rows(out, "arguments", command->args, false);
	put_rows(out, "options", hv_command_options(command), true);
	fputs("\nexamples:\n", out);
	for (const char *const *example = command->examples; example && *example; example += 2)
		fprintf(out, "  %s\n      %s\n", example[0], example[1] ? example[1] : "");
	return 0;
}

int help_print(FILE *out, char *const *words, size_t n, struct hv_error *err)
{
	if (n == 0) {
		put_overview(out);
		return 0;
	}
	if (n == 1)
		return put_noun(out, words[0], err);
	if (n == 2)
		return put_command(out, words, err);
	return hv_fail(err, HV_USAGE, 0, "help takes a noun and a verb at most");
}
