/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Completion. See complete.h. */
#include "shell/complete.h"

#include <stdlib.h>
#include <string.h>

#include "shell/script.h"

/* More than a person would read; keeps a host of 10,000 VMs quick. */
#define COMPLETIONS_MAX 1000

struct target {
	struct completions *found;
	const char *prefix;
	struct hv_model *model;
};

static void add(void *ctx, const char *value, const char *description)
{
	struct target *target = ctx;
	struct completions *found = target->found;
	if (strncmp(value, target->prefix, strlen(target->prefix)) != 0)
		return;
	if (found->n == found->capacity) {
		size_t capacity = found->capacity ? found->capacity * 2 : 32;
		void *grown = reallocarray(found->v, capacity, sizeof *found->v);
		if (!grown || capacity > 2 * COMPLETIONS_MAX) {
			found->v = grown ? grown : found->v;
			return;
		}
		found->v = grown;
		found->capacity = capacity;
	}
	char *copy = strdup(value), *text = strdup(description ? description : "");
	if (!copy || !text) {
		free(copy);
		free(text);
		return;
	}
	found->v[found->n++] = (struct completion){copy, text};
}

static void add_nouns(struct target *target)
{
	const char *noun = "";
	for (size_t i = 0; i < hv_command_count(); i++) {
		const struct hv_command *command = hv_command_at(i);
		if ((command->flags & HV_C_HIDDEN) || strcmp(noun, command->noun) == 0)
			continue;
		noun = command->noun;
		const struct hv_kind *kind = hv_kind_find(noun);
		add(target, noun, kind ? kind->help : command->summary);
	}
	for (const struct builtin *b = builtins; b->name; b++)
		add(target, b->name, b->help);
}

static void add_verbs(struct target *target, const char *noun)
{
	const struct hv_kind *kind = hv_kind_find(noun);
	for (size_t i = 0; i < hv_command_count(); i++) {
		const struct hv_command *command = hv_command_at(i);
		if (strcmp(command->noun, kind ? kind->name : noun) == 0 &&
		    !(command->flags & HV_C_HIDDEN))
			add(target, command->verb, command->summary);
	}
}

static void add_options(struct target *target, const struct hv_command *command)
{
	for (const struct hv_prop *row = hv_command_options(command); row->type != HV_END; row++) {
		char name[80];
		bool on = row->preset && strcmp(row->preset, "yes") == 0;
		snprintf(name, sizeof name, "--%s%s", (row->flags & HV_P_FLAG) && on ? "no-" : "",
			 row->name);
		for (char *c = name + 2; *c; c++)
			*c = *c == '_' ? '-' : *c;
		add(target, name, row->help);
	}
}

static int add_object(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	struct target *target = ctx;
	char address[512], text[160] = "";
	hv_object_address(obj, address, sizeof address);
	/* a name without its host is one of the current hosts', and stays as it was begun */
	const char *slash = strchr(target->prefix, '/') ? NULL : strchr(address, '/');
	const char *shown = slash ? slash + 1 : address;
	int state = hv_prop_index(obj->props, "state");
	if (state >= 0)
		hv_value_format(&obj->values[state], &obj->props[state], HV_HUMAN, text,
				sizeof text);
	hv_object_free(obj);
	add(target, shown, text);
	if (target->found->n >= COMPLETIONS_MAX)
		return hv_fail(err, HV_LIMIT, 0, "enough");
	return 0;
}

/* Names of a kind, asked with the prefix as a glob so that a provider with many need not send all.
 */
static void add_references(struct target *target, const char *kind_name)
{
	const struct hv_kind *kind = hv_kind_find(kind_name);
	char glob[512];
	const char *pattern = glob;
	struct hv_error ignored;
	bool *want = kind ? calloc(hv_prop_count(kind->props) + 1, sizeof *want) : NULL;
	if (!want)
		return;
	int state = hv_prop_index(kind->props, "state");
	if (state >= 0)
		want[state] = true;
	bool device = kind->owner && strcmp(kind->owner, "vm") == 0;
	const char *tail = device && !strchr(target->prefix, ':') ? "*:*" : "*";
	if (!strpbrk(target->prefix, "*?[") && strlen(target->prefix) < sizeof glob - 4) {
		snprintf(glob, sizeof glob, "%s%s", target->prefix, tail);
		hv_select(target->model, kind, &pattern, 1, NULL, want, add_object, target,
			  &ignored);
	}
	free(want);
}

static void add_values(struct target *target, const struct hv_prop *row);

/* key=value,key=value of a list's element: complete the last item. */
static void add_items(struct target *target, const struct hv_kind *kind)
{
	const char *item = strrchr(target->prefix, ',');
	item = item ? item + 1 : target->prefix;
	const char *equals = strchr(item, '=');
	struct target inner = *target;
	if (equals) {
		char key[64];
		snprintf(key, sizeof key, "%.*s", (int)(equals - item), item);
		const struct hv_prop *row = hv_prop_find(kind->props, key);
		inner.prefix = equals + 1;
		target->found->value_offset += (size_t)(inner.prefix - target->prefix);
		if (row)
			add_values(&inner, row);
		return;
	}
	inner.prefix = item;
	target->found->value_offset += (size_t)(item - target->prefix);
	for (const struct hv_prop *row = kind->props + 1; row->type != HV_END; row++) {
		char key[80];
		snprintf(key, sizeof key, "%s=", row->name);
		if (row->set != HV_SET_NEVER)
			add(&inner, key, row->help);
		if ((row->flags & HV_P_PATH) && (row->flags & HV_P_REQUIRED))
			target->found->paths = true;
	}
}

static void add_values(struct target *target, const struct hv_prop *row)
{
	if (row->complete)
		row->complete(target->prefix, add, target);
	if (row->flags & HV_P_PATH)
		target->found->paths = true;
	switch (row->type) {
	case HV_ENUM:
		for (size_t i = 0; row->choices[i]; i++)
			add(target, row->choices[i], "");
		break;
	case HV_BOOL:
		add(target, "yes", "");
		add(target, "no", "");
		break;
	case HV_REF:
		if (row->of)
			add_references(target, row->of);
		break;
	case HV_LIST:
		if (row->of && hv_kind_find(row->of))
			add_items(target, hv_kind_find(row->of));
		break;
	default:
		break;
	}
}

/* --columns and --sort take property names of the command's kind. */
static bool add_property_names(struct target *target, const struct hv_command *command,
			       const struct hv_prop *option)
{
	bool columns = strcmp(option->name, "columns") == 0;
	const struct hv_kind *kind = hv_command_kind(command);
	if ((!columns && strcmp(option->name, "sort") != 0 && strcmp(option->name, "where") != 0) ||
	    !kind)
		return false;
	struct target inner = *target;
	const char *comma = columns ? strrchr(target->prefix, ',') : NULL;
	inner.prefix = comma ? comma + 1 : target->prefix;
	target->found->value_offset += (size_t)(inner.prefix - target->prefix);
	for (const struct hv_prop *row = kind->props; row->type != HV_END; row++)
		add(&inner, row->name, row->help);
	return true;
}

static const struct hv_prop *option_of(const struct hv_command *command, const char *word,
				       size_t len)
{
	const struct hv_prop *table = hv_command_options(command);
	if (len > 2 && word[0] == '-' && word[1] == '-') {
		char name[80];
		snprintf(name, sizeof name, "%.*s", (int)len - 2, word + 2);
		return hv_prop_find(table, name);
	}
	for (; len == 2 && word[0] == '-' && table->type != HV_END; table++) {
		if (hv_option_letter(table->name) == word[1])
			return table;
	}
	return NULL;
}

static void add_option_value(struct target *target, const struct hv_command *command,
			     const struct hv_prop *option)
{
	if (!add_property_names(target, command, option))
		add_values(target, option);
}

/* The argument that the word at the cursor would be. */
static const struct hv_prop *argument_at(const struct hv_command *command, char *const *words,
					 size_t n)
{
	const struct hv_prop *row = command->args;
	for (size_t i = 0; row && i < n; i++) {
		const char *word = words[i];
		if (word[0] == '-' && word[1]) {
			const struct hv_prop *option = option_of(command, word, strlen(word));
			if (option && !(option->flags & HV_P_FLAG))
				i++;
			continue;
		}
		if (row->type != HV_END && !(row->flags & (HV_P_MANY | HV_P_REST)))
			row++;
	}
	return row && row->type != HV_END ? row : NULL;
}

static void complete_command(struct target *target, const struct hv_command *command,
			     char *const *words, size_t n)
{
	const char *word = words[n - 1], *before = n > 1 ? words[n - 2] : "";
	const struct hv_prop *option = option_of(command, before, strlen(before));
	if (option && !(option->flags & HV_P_FLAG)) {
		add_option_value(target, command, option);
		return;
	}
	const char *equals = word[0] == '-' ? strchr(word, '=') : NULL;
	if (equals) {
		option = option_of(command, word, (size_t)(equals - word));
		target->prefix = equals + 1;
		target->found->value_offset = (size_t)(target->prefix - word);
		if (option)
			add_option_value(target, command, option);
		return;
	}
	if (word[0] == '-') {
		add_options(target, command);
		return;
	}
	const struct hv_prop *argument = argument_at(command, words, n - 1);
	if (argument)
		add_values(target, argument);
	if (!argument && word[0] == '\0')
		add_options(target, command);
}

void complete_words(struct completions *found, struct hv_model *model, char *const *words, size_t n)
{
	*found = (struct completions){0};
	struct target target = {.found = found, .prefix = n ? words[n - 1] : "", .model = model};
	if (n > 1 && strcmp(words[0], "help") == 0) {
		words++;
		n--;
		if (n > 2)
			return;
	}
	if (n <= 1) {
		add_nouns(&target);
		return;
	}
	if (n == 2) {
		if (strcmp(words[0], "source") == 0)
			found->paths = true;
		add_verbs(&target, words[0]);
		return;
	}
	struct hv_error ignored;
	const struct hv_command *command = hv_command_find(words[0], words[1], &ignored);
	if (command)
		complete_command(&target, command, words + 2, n - 2);
}

void completions_fini(struct completions *found)
{
	for (size_t i = 0; i < found->n; i++) {
		free(found->v[i].value);
		free(found->v[i].description);
	}
	free(found->v);
	*found = (struct completions){0};
}
