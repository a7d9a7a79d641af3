/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Words to a parsed command: options by name (--name VALUE, --name=VALUE, --flag, --no-flag, -o
 * VALUE), the rest in the order of the command's arguments. `--` ends the options.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/dispatch.h"
#include "plugins/options.h"

static const struct hv_prop no_rows[] = {{.type = HV_END}};

static void hint_usage(const struct hv_command *command, struct hv_error *err)
{
	char *usage = command_usage(command);
	if (usage && strlen(usage) < sizeof err->hint)
		hv_hint(err, "%s", usage);
	else
		hv_hint(err, "\"help %s %s\" shows how", command->noun, command->verb);
	free(usage);
}

static const struct hv_prop *by_letter(const struct hv_prop *table, char letter)
{
	for (; table->type != HV_END; table++) {
		if (hv_option_letter(table->name) == letter)
			return table;
	}
	return NULL;
}

static int unknown_option(const struct hv_command *command, const struct hv_prop *table,
			  const char *word, struct hv_error *err)
{
	size_t n = hv_prop_count(table);
	const char **names = calloc(n + 1, sizeof *names);
	for (size_t i = 0; names && i < n; i++)
		names[i] = table[i].name;
	const char *near = names ? hv_nearest(word + strspn(word, "-"), names, n) : NULL;
	hv_fail(err, HV_USAGE, 0, "\"%s %s\" has no option \"%s\"", command->noun, command->verb,
		word);
	if (near) {
		char dashed[64];
		snprintf(dashed, sizeof dashed, "%s", near);
		for (char *c = dashed; *c; c++)
			*c = *c == '_' ? '-' : *c;
		hv_hint(err, "did you mean \"--%s\"?", dashed);
	} else {
		hint_usage(command, err);
	}
	free(names);
	return -HV_USAGE;
}

struct option_word {
	const struct hv_prop *row;
	const char *value; /* after '=', or NULL */
	bool negated;      /* --no-… */
};

static bool split_option(const struct hv_prop *table, const char *word, struct option_word *option)
{
	*option = (struct option_word){0};
	if (word[1] != '-') {
		option->row = by_letter(table, word[1]);
		option->value = word[2] ? word + 2 : NULL;
		return option->row != NULL;
	}
	char name[64];
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	snprintf(name, sizeof name, "%.*s", (int)(len < 66 ? len - 2 : 0), word + 2);
	option->value = equals ? equals + 1 : NULL;
	option->row = name[0] ? hv_prop_find(table, name) : NULL;
	if (!option->row && strncmp(name, "no-", 3) == 0) {
		option->row = hv_prop_find(table, name + 3);
		option->negated = option->row && (option->row->flags & HV_P_FLAG);
		if (!option->negated)
			option->row = NULL;
	}
	return option->row != NULL;
}

static int take_value(struct hv_object *obj, const struct hv_prop *row, const char *text,
		      const char *shown, struct hv_error *err)
{
	struct hv_value *value = &obj->values[row - obj->props];
	if (row->type != HV_LIST)
		hv_value_clear(value, row);
	int rc = hv_value_parse(value, row, text, err);
	return rc < 0 ? hv_within(err, "%s", shown) : 0;
}

/* Returns the number of words used, or an error. */
static int take_option(struct command_line *line, char *const *words, size_t n,
		       struct hv_error *err)
{
	struct option_word option;
	const char *word = words[0];
	if (!split_option(line->options->props, word, &option))
		return unknown_option(line->command, line->options->props, word, err);
	bool flag = option.row->flags & HV_P_FLAG;
	const char *text = option.value;
	int used = 1;
	if (flag && !text)
		text = option.negated ? "no" : "yes";
	if (!text) {
		if (n < 2) {
			hv_fail(err, HV_USAGE, 0, "option \"%s\" needs a value", word);
			hint_usage(line->command, err);
			return -HV_USAGE;
		}
		text = words[1];
		used = 2;
	}
	int rc = take_value(line->options, option.row, text, word, err);
	return rc < 0 ? rc : used;
}

static int take_argument(struct command_line *line, const struct hv_prop *row, const char *word,
			 struct hv_error *err)
{
	if (row == command_reference(line->command)) {
		line->patterns[line->n_patterns++] = word;
		return line->n_patterns > 1 ? 0 : take_value(line->args, row, word, row->name, err);
	}
	return take_value(line->args, row, word, row->name, err);
}

static int missing_argument(const struct command_line *line, const struct hv_prop *row,
			    struct hv_error *err)
{
	hv_fail(err, HV_USAGE, 0, "\"%s %s\" needs %s: %s", line->command->noun,
		line->command->verb, row->name, row->help);
	hint_usage(line->command, err);
	return -HV_USAGE;
}

static int take_words(struct command_line *line, char *const *words, size_t n, struct hv_error *err)
{
	const struct hv_prop *row = line->args->props;
	bool options_end = false, taken = false;
	for (size_t i = 0; i < n;) {
		const char *word = words[i];
		bool rest = row->type != HV_END && (row->flags & HV_P_REST);
		if (!options_end && !(rest && taken) && word[0] == '-' && word[1]) {
			if (strcmp(word, "--") == 0) {
				options_end = true;
				i++;
				continue;
			}
			int used = take_option(line, &words[i], n - i, err);
			if (used < 0)
				return used;
			i += (size_t)used;
			continue;
		}
		if (row->type == HV_END) {
			hv_fail(err, HV_USAGE, 0, "\"%s %s\" does not take \"%s\"",
				line->command->noun, line->command->verb, word);
			hint_usage(line->command, err);
			return -HV_USAGE;
		}
		int rc = take_argument(line, row, word, err);
		if (rc < 0)
			return rc;
		taken = true;
		if (!(row->flags & (HV_P_MANY | HV_P_REST))) {
			row++;
			taken = false;
		}
		i++;
	}
	for (; row->type != HV_END; row++) {
		if ((row->flags & HV_P_REQUIRED) && !taken)
			return missing_argument(line, row, err);
		taken = false;
	}
	return 0;
}

static int preset_options(struct hv_object *options, struct hv_error *err)
{
	for (const struct hv_prop *row = options->props; row->type != HV_END; row++) {
		struct hv_value *value = &options->values[row - options->props];
		if (!row->preset || value->presence == HV_SET)
			continue;
		int rc = hv_value_parse(value, row, row->preset, err);
		if (rc < 0)
			return rc;
	}
	for (const struct hv_prop *row = options->props; row->type != HV_END; row++) {
		if ((row->flags & HV_P_REQUIRED) &&
		    options->values[row - options->props].presence != HV_SET)
			return hv_fail(err, HV_USAGE, 0, "option \"--%s\" must be given",
				       row->name);
	}
	return 0;
}

int command_parse(struct command_line *line, char *const *words, size_t n, struct hv_error *err)
{
	*line = (struct command_line){0};
	const struct hv_command *command = hv_command_find(words[0], n > 1 ? words[1] : NULL, err);
	if (!command)
		return -(int)err->code;
	line->command = command;
	line->args = hv_object_new_for(command->args ? command->args : no_rows);
	line->options = hv_object_new_for(hv_command_options(command));
	line->patterns = calloc(n, sizeof *line->patterns);
	int rc = 0;
	if (!line->args || !line->options || !line->patterns)
		rc = hv_fail(err, HV_FAILED, 0, "out of memory");
	if (rc == 0)
		rc = take_words(line, words + 2, n - 2, err);
	if (rc == 0)
		rc = preset_options(line->options, err);
	if (rc < 0)
		command_line_fini(line);
	return rc;
}

void command_line_fini(struct command_line *line)
{
	hv_object_free(line->args);
	hv_object_free(line->options);
	free(line->patterns);
	*line = (struct command_line){0};
}

static void put_name(FILE *out, const struct hv_prop *row)
{
	for (const char *c = row->name; *c; c++)
		fputc(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c, out);
	if (row->flags & (HV_P_MANY | HV_P_REST))
		fputs("...", out);
}

char *command_usage(const struct hv_command *command)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	fprintf(out, "usage: %s %s", command->noun, command->verb);
	for (const struct hv_prop *row = command->args; row && row->type != HV_END; row++) {
		bool required = row->flags & HV_P_REQUIRED;
		fputs(required ? " " : " [", out);
		put_name(out, row);
		fputs(required ? "" : "]", out);
	}
	if (hv_prop_count(hv_command_options(command)) > 0)
		fputs(" [OPTIONS]", out);
	fclose(out);
	return text;
}

int command_check(char *const *words, size_t n, struct hv_error *err)
{
	struct command_line line;
	int rc = command_parse(&line, words, n, err);
	if (rc == 0)
		command_line_fini(&line);
	return rc;
}
