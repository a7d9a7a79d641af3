/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commands that the plugins brought, found by noun and verb. */
#include "plugins/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/options.h"

static struct {
	const struct hv_command **commands;
	struct hv_prop **options; /* beside commands; NULL until asked for */
	size_t n;
} registry;

size_t hv_command_count(void)
{
	return registry.n;
}

const struct hv_command *hv_command_at(size_t index)
{
	return index < registry.n ? registry.commands[index] : NULL;
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);
	for (const char *at = words; at && *at; at += strcspn(at, " ")) {
		at += strspn(at, " ");
		if (strncmp(at, word, len) == 0 && (at[len] == ' ' || at[len] == '\0'))
			return true;
	}
	return false;
}

static bool answers_to(const struct hv_command *command, const char *verb)
{
	return strcmp(command->verb, verb) == 0 || has_word(command->aliases, verb);
}

/* A noun may be written in the plural, as its kind says. */
static const char *singular(const char *noun)
{
	const struct hv_kind *kind = hv_kind_find(noun);
	return kind ? kind->name : noun;
}

static const char *nearest_noun(const char *noun)
{
	const char **nouns = calloc(registry.n + 1, sizeof *nouns);
	size_t n = 0;
	for (size_t i = 0; nouns && i < registry.n; i++)
		nouns[n++] = registry.commands[i]->noun;
	const char *near = nouns ? hv_nearest(noun, nouns, n) : NULL;
	free(nouns);
	return near;
}

static const char *nearest_verb(const char *noun, const char *verb)
{
	const char **verbs = calloc(registry.n + 1, sizeof *verbs);
	size_t n = 0;
	for (size_t i = 0; verbs && i < registry.n; i++) {
		if (strcmp(registry.commands[i]->noun, noun) == 0)
			verbs[n++] = registry.commands[i]->verb;
	}
	const char *near = verbs ? hv_nearest(verb, verbs, n) : NULL;
	free(verbs);
	return near;
}

static const struct hv_command *find(const char *noun, const char *verb, bool *noun_known)
{
	*noun_known = false;
	for (size_t i = 0; i < registry.n; i++) {
		if (strcmp(registry.commands[i]->noun, noun) != 0)
			continue;
		*noun_known = true;
		if (verb && answers_to(registry.commands[i], verb))
			return registry.commands[i];
	}
	return NULL;
}

const struct hv_command *hv_command_find(const char *noun, const char *verb, struct hv_error *err)
{
	bool noun_known;
	const char *name = singular(noun);
	const struct hv_command *command = find(name, verb, &noun_known);
	if (command)
		return command;
	if (!noun_known) {
		const char *near = nearest_noun(noun);
		hv_fail(err, HV_USAGE, 0, "unknown command \"%s\"", noun);
		hv_hint(err, near ? "did you mean \"%s\"?" : "\"help\" lists the commands", near);
		return NULL;
	}
	if (!verb) {
		hv_fail(err, HV_USAGE, 0, "\"%s\" needs a verb", noun);
		hv_hint(err, "\"help %s\" lists them", name);
		return NULL;
	}
	const char *near = nearest_verb(name, verb);
	hv_fail(err, HV_USAGE, 0, "\"%s\" has no verb \"%s\"", name, verb);
	if (near)
		hv_hint(err, "did you mean \"%s %s\"?", name, near);
	else
		hv_hint(err, "\"help %s\" lists its verbs", name);
	return NULL;
}

static int check_free(const struct hv_plugin *plugin, struct hv_error *err)
{
	bool known;
	for (const struct hv_command *c = plugin->commands; c && c->noun; c++) {
		if (find(c->noun, c->verb, &known))
			return hv_fail(err, HV_CONFLICT, 0, "command \"%s %s\" is there already",
				       c->noun, c->verb);
	}
	for (const struct hv_kind *const *kind = plugin->kinds; kind && *kind; kind++) {
		if (hv_kind_find((*kind)->name))
			return hv_fail(err, HV_CONFLICT, 0, "kind \"%s\" is there already",
				       (*kind)->name);
	}
	return 0;
}

static int grow(size_t by, struct hv_error *err)
{
	void *commands = reallocarray(registry.commands, registry.n + by + 1, sizeof(void *));
	if (commands)
		registry.commands = commands;
	void *options = reallocarray(registry.options, registry.n + by + 1, sizeof(void *));
	if (options)
		registry.options = options;
	return commands && options ? 0 : hv_fail(err, HV_FAILED, 0, "out of memory");
}

/* Behind the last command of a noun that does not sort after its own. */
static void insert(const struct hv_command *command)
{
	size_t at = registry.n;
	while (at > 0 && strcmp(registry.commands[at - 1]->noun, command->noun) > 0)
		at--;
	size_t tail = registry.n - at;
	memmove(&registry.commands[at + 1], &registry.commands[at], tail * sizeof(void *));
	memmove(&registry.options[at + 1], &registry.options[at], tail * sizeof(void *));
	registry.commands[at] = command;
	registry.options[at] = NULL;
	registry.n++;
}

int registry_add_plugin(const struct hv_plugin *plugin, struct hv_error *err)
{
	int rc = check_free(plugin, err);
	size_t n = 0;
	while (plugin->commands && plugin->commands[n].noun)
		n++;
	if (rc == 0)
		rc = grow(n, err);
	for (const struct hv_kind *const *kind = plugin->kinds; rc == 0 && kind && *kind; kind++)
		rc = hv_kind_add(*kind, err);
	for (const struct hv_provider_ops *const *ops = plugin->providers; rc == 0 && ops && *ops;
	     ops++)
		rc = hv_provider_add(*ops, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		insert(&plugin->commands[i]);
	return rc;
}

const struct hv_prop *hv_command_options(const struct hv_command *command)
{
	static const struct hv_prop none[] = {{.type = HV_END}};
	for (size_t i = 0; i < registry.n; i++) {
		if (registry.commands[i] != command)
			continue;
		if (!registry.options[i])
			registry.options[i] = options_build(command);
		return registry.options[i] ? registry.options[i] : none;
	}
	return none;
}

void registry_clear(void)
{
	for (size_t i = 0; i < registry.n; i++)
		free(registry.options[i]);
	free(registry.options);
	free(registry.commands);
	memset(&registry, 0, sizeof registry);
}
