/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The noun memory: memory of VMs, as the guest and as the host see it. */
#include "plugins/hvsh.h"

static const struct hv_prop any[] = {{.name = "memory",
				      .type = HV_REF,
				      .of = "memory",
				      .flags = HV_P_MANY,
				      .help = "a VM's name, globs allowed"},
				     {.type = HV_END}};
static const struct hv_prop some[] = {{.name = "memory",
				       .type = HV_REF,
				       .of = "memory",
				       .flags = HV_P_MANY | HV_P_REQUIRED,
				       .help = "a VM's name, globs allowed"},
				      {.type = HV_END}};

static const char *const list_examples[] = {"memory list", "that of every VM", "memory list web1",
					    "that of one VM", NULL};
static const char *const show_examples[] = {
	"memory show web1", "pages of each size behind the guest, page tables, exits by kind",
	NULL};

static const struct hv_command commands[] = {
	{.noun = "memory",
	 .verb = "list",
	 .aliases = "ls",
	 .summary = "list memory of VMs",
	 .args = any,
	 .examples = list_examples},
	{.noun = "memory",
	 .verb = "show",
	 .aliases = "info",
	 .summary = "show all of a VM's memory",
	 .args = some,
	 .examples = show_examples},
	{.noun = NULL},
};

HVSH_PLUGIN("memory", "1", "memory of VMs", .commands = commands);
