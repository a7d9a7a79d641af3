/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The noun nic: network adapters of VMs. */
#include "plugins/hvsh.h"

static const struct hv_prop any[] = {{.name = "nic",
				      .type = HV_REF,
				      .of = "nic",
				      .flags = HV_P_MANY,
				      .help = "VM:netN, globs allowed"},
				     {.type = HV_END}};
static const struct hv_prop some[] = {{.name = "nic",
				       .type = HV_REF,
				       .of = "nic",
				       .flags = HV_P_MANY | HV_P_REQUIRED,
				       .help = "VM:netN, globs allowed"},
				      {.type = HV_END}};

static const char *const list_examples[] = {"nic list", "those of every VM", "nic list web1:*",
					    "those of one VM", NULL};
static const char *const show_examples[] = {"nic show web1:net0",
					    "one adapter, its offloads and counters", NULL};

static const struct hv_command commands[] = {
	{.noun = "nic",
	 .verb = "list",
	 .aliases = "ls",
	 .summary = "list network adapters",
	 .args = any,
	 .examples = list_examples},
	{.noun = "nic",
	 .verb = "show",
	 .aliases = "info",
	 .summary = "show all of a network adapter",
	 .args = some,
	 .examples = show_examples},
	{.noun = NULL},
};

HVSH_PLUGIN("nic", "1", "network adapters", .commands = commands);
