/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kind plugin: a shared object found on the plugin path, loaded or refused. */
#include "engine/model/kinds/kinds.h"

static const char *const states[] = {"loaded", "refused", NULL};

static const struct hv_prop props[] = {
	{.name = "name", .type = HV_STRING, .help = "name", .flags = HV_P_COLUMN},
	{.name = "version", .type = HV_STRING, .help = "version", .flags = HV_P_COLUMN},
	{.name = "state",
	 .type = HV_ENUM,
	 .choices = states,
	 .help = "whether it was loaded",
	 .flags = HV_P_COLUMN},
	{.name = "summary", .type = HV_STRING, .help = "what it brings", .flags = HV_P_COLUMN},
	{.name = "reason", .type = HV_STRING, .help = "why it was refused", .flags = HV_P_COLUMN},
	{.name = "path", .type = HV_STRING, .help = "file", .flags = HV_P_WIDE | HV_P_PATH},
	{.name = "commands", .type = HV_LIST, .help = "commands that it brings"},
	{.name = "kinds", .type = HV_LIST, .help = "kinds that it brings"},
	{.name = "providers", .type = HV_LIST, .help = "schemes of hosts that it brings"},
	{.name = "abi_version", .type = HV_INT, .help = "version of the plugin interface"},
	{0},
};

const struct hv_kind kind_plugin = {
	.name = "plugin",
	.plural = "plugins",
	.help = "a part of hvsh that is loaded at its start",
	.props = props,
};
