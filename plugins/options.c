/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Option tables. `create` and `edit` take what the kind's settable properties give: written once in
 * the kind, an option here. A list of objects becomes an option of its element's name that may be
 * repeated: `disks` is `--disk IMAGE,read_only=yes`.
 */
#include "plugins/options.h"

#include <stdlib.h>
#include <string.h>

static const char *const output_choices[] = {"table", "wide", "json", "yaml", "csv", "name", NULL};

static const struct hv_prop print_options[] = {
	{.name = "output",
	 .type = HV_ENUM,
	 .choices = output_choices,
	 .help = "format of the result"},
	{.name = "columns", .type = HV_LIST, .help = "properties to print, in this order"},
	{.name = "sort", .type = HV_STRING, .help = "property to sort by; -NAME for descending"},
	{.name = "no_header",
	 .type = HV_BOOL,
	 .flags = HV_P_FLAG,
	 .help = "leave the header line out"},
	{.type = HV_END},
};
static const struct hv_prop where_option[] = {
	{.name = "where", .type = HV_STRING, .help = "only objects that match a filter"},
	{.type = HV_END},
};
static const struct hv_prop change_options[] = {
	{.name = "what_if",
	 .type = HV_BOOL,
	 .flags = HV_P_FLAG,
	 .help = "say what would be done, change nothing"},
	{.type = HV_END},
};
static const struct hv_prop job_options[] = {
	{.name = "wait",
	 .type = HV_BOOL,
	 .flags = HV_P_FLAG,
	 .preset = "yes",
	 .help = "wait for the end (--no-wait: return at once)"},
	{.name = "timeout", .type = HV_DURATION, .help = "longest time to wait"},
	{.type = HV_END},
};
static const struct hv_prop destroy_options[] = {
	{.name = "yes", .type = HV_BOOL, .flags = HV_P_FLAG, .help = "do not ask for confirmation"},
	{.type = HV_END},
};

static const struct {
	const char *name;
	char letter;
} letters[] = {{"output", 'o'}, {"file", 'f'}, {"yes", 'y'}, {"where", 'w'}, {"sort", 's'}};

char hv_option_letter(const char *name)
{
	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
		if (strcmp(letters[i].name, name) == 0)
			return letters[i].letter;
	}
	return 0;
}

const struct hv_prop *command_reference(const struct hv_command *command)
{
	for (const struct hv_prop *arg = command->args; arg && arg->type != HV_END; arg++) {
		if (arg->type == HV_REF && arg->of)
			return arg;
	}
	return NULL;
}

const struct hv_kind *hv_command_kind(const struct hv_command *command)
{
	const struct hv_kind *kind = hv_kind_find(command->noun);
	const struct hv_prop *reference = command_reference(command);
	return kind || !reference ? kind : hv_kind_find(reference->of);
}

const struct hv_method *command_method(const struct hv_command *command)
{
	const struct hv_kind *kind = hv_command_kind(command);
	return kind ? hv_method_find(kind, command->verb) : NULL;
}

bool command_prints(const struct hv_command *command)
{
	return command->effect == HV_READS && !(command->flags & (HV_C_INTERACTIVE | HV_C_TEXT));
}

/* create and edit: the settable properties of the kind. */
static bool takes_properties(const struct hv_command *command)
{
	return strcmp(command->verb, "create") == 0 || strcmp(command->verb, "edit") == 0;
}

static bool takes_property(const struct hv_command *command, const struct hv_kind *kind,
			   const struct hv_prop *prop)
{
	if (prop == kind->props)
		return false; /* the name is an argument */
	if (strcmp(command->verb, "create") == 0)
		return prop->set != HV_SET_NEVER;
	return prop->set == HV_SET_STOPPED || prop->set == HV_SET_ALWAYS;
}

static struct hv_prop as_option(const struct hv_prop *prop)
{
	struct hv_prop option = *prop;
	/* what is not given stays as it is, or becomes what the provider presets */
	option.flags &= ~(unsigned)HV_P_REQUIRED;
	option.preset = NULL;
	if (prop->type == HV_LIST && prop->of)
		option.name = prop->of;
	if (prop->type == HV_LIST)
		option.flags |= HV_P_MANY;
	if (prop->type == HV_BOOL)
		option.flags |= HV_P_FLAG;
	return option;
}

struct table {
	const struct hv_prop *args; /* what is an argument is no option */
	struct hv_prop *rows;
	size_t n;
};

static void append(struct table *table, const struct hv_prop *rows)
{
	for (; rows && rows->type != HV_END; rows++) {
		if (hv_prop_find(table->rows, rows->name) ||
		    (table->args && hv_prop_find(table->args, rows->name)))
			continue; /* the command's own row wins */
		table->rows[table->n++] = *rows;
		table->rows[table->n] = (struct hv_prop){.type = HV_END};
	}
}

static void append_properties(struct table *table, const struct hv_command *command)
{
	const struct hv_kind *kind = hv_command_kind(command);
	for (const struct hv_prop *prop = kind ? kind->props : NULL; prop && prop->type != HV_END;
	     prop++) {
		struct hv_prop row[2] = {as_option(prop), {.type = HV_END}};
		if (takes_property(command, kind, prop))
			append(table, row);
	}
}

struct hv_prop *options_build(const struct hv_command *command)
{
	const struct hv_kind *kind = hv_command_kind(command);
	const struct hv_method *method = command_method(command);
	const struct hv_prop *reference = command_reference(command);
	size_t most = 16 + (kind ? hv_prop_count(kind->props) : 0) +
		      (command->options ? hv_prop_count(command->options) : 0) +
		      (method && method->args ? hv_prop_count(method->args) : 0);
	struct table table = {.args = command->args, .rows = calloc(most + 1, sizeof *table.rows)};
	if (!table.rows)
		return NULL;

	append(&table, command->options);
	if (takes_properties(command))
		append_properties(&table, command);
	else if (method)
		append(&table, method->args);
	if (reference && (reference->flags & HV_P_MANY))
		append(&table, where_option);
	if (command_prints(command))
		append(&table, print_options);
	if (command->effect != HV_READS)
		append(&table, change_options);
	if (command->effect != HV_READS && !(command->flags & HV_C_NO_JOB))
		append(&table, job_options);
	if (command->effect == HV_DESTROYS)
		append(&table, destroy_options);
	return table.rows;
}
