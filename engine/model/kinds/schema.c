/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kinds command and property: hvsh's own tables as objects, for `schema`. */
#include "engine/model/kinds/kinds.h"

static const char *const effects[] = {"reads", "state", "data", "destroys", NULL};
static const char *const settables[] = {"never", "create", "stopped", "always", NULL};

static const struct hv_prop command_props[] = {
	{.name = "name", .type = HV_STRING, .help = "noun and verb", .flags = HV_P_COLUMN},
	{.name = "aliases", .type = HV_LIST, .help = "other verbs for it", .flags = HV_P_WIDE},
	{.name = "effect",
	 .type = HV_ENUM,
	 .choices = effects,
	 .help = "what it changes",
	 .flags = HV_P_COLUMN},
	{.name = "summary", .type = HV_STRING, .help = "what it does", .flags = HV_P_COLUMN},
	{.name = "details", .type = HV_STRING, .help = "what more there is to say"},
	{.name = "arguments",
	 .type = HV_LIST,
	 .of = "property",
	 .help = "what it takes by position",
	 .flags = HV_P_WIDE},
	{.name = "options",
	 .type = HV_LIST,
	 .of = "property",
	 .help = "what it takes by name",
	 .flags = HV_P_WIDE},
	{.name = "examples", .type = HV_LIST, .help = "command lines"},
	{.name = "plugin", .type = HV_STRING, .help = "who brings it", .flags = HV_P_WIDE},
	{0},
};

static const struct hv_prop property_props[] = {
	{.name = "name", .type = HV_STRING, .help = "name", .flags = HV_P_COLUMN},
	{.name = "kind", .type = HV_STRING, .help = "the kind it is of", .flags = HV_P_COLUMN},
	{.name = "type", .type = HV_STRING, .help = "type", .flags = HV_P_COLUMN},
	{.name = "of", .type = HV_STRING, .help = "kind that it refers to", .flags = HV_P_WIDE},
	{.name = "set",
	 .type = HV_ENUM,
	 .choices = settables,
	 .help = "when it may be set",
	 .flags = HV_P_COLUMN},
	{.name = "required",
	 .type = HV_BOOL,
	 .help = "whether it must be given",
	 .flags = HV_P_COLUMN},
	{.name = "preset",
	 .type = HV_STRING,
	 .help = "value where none is given",
	 .flags = HV_P_COLUMN},
	{.name = "choices", .type = HV_LIST, .help = "values allowed", .flags = HV_P_WIDE},
	{.name = "min", .type = HV_INT, .help = "least value"},
	{.name = "max", .type = HV_INT, .help = "greatest value"},
	{.name = "unit", .type = HV_STRING, .help = "unit"},
	{.name = "help", .type = HV_STRING, .help = "what it is", .flags = HV_P_COLUMN},
	{0},
};

const struct hv_kind kind_command = {
	.name = "command",
	.plural = "commands",
	.help = "a command of hvsh",
	.props = command_props,
};

const struct hv_kind kind_property = {
	.name = "property",
	.plural = "properties",
	.help = "a property of a kind, or an argument of a command",
	.props = property_props,
};
