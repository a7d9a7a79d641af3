/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The noun cpu: virtual processors. */
#include "plugins/hvsh.h"

static const struct hv_prop any[] = {{.name = "cpu",
				      .type = HV_REF,
				      .of = "cpu",
				      .flags = HV_P_MANY,
				      .help = "VM:cpuN, globs allowed"},
				     {.type = HV_END}};
static const struct hv_prop some[] = {{.name = "cpu",
				       .type = HV_REF,
				       .of = "cpu",
				       .flags = HV_P_MANY | HV_P_REQUIRED,
				       .help = "VM:cpuN, globs allowed"},
				      {.type = HV_END}};

static const char *const list_examples[] = {"cpu list", "those of every VM that runs",
					    "cpu list web1:*", "those of one VM", NULL};
static const char *const show_examples[] = {"cpu show web1:cpu0",
					    "one processor, its exits by kind too", NULL};

static const struct hv_command commands[] = {
	{.noun = "cpu",
	 .verb = "list",
	 .aliases = "ls",
	 .summary = "list virtual processors",
	 .args = any,
	 .examples = list_examples},
	{.noun = "cpu",
	 .verb = "show",
	 .aliases = "info",
	 .summary = "show all of a virtual processor",
	 .args = some,
	 .examples = show_examples},
	{.noun = NULL},
};

HVSH_PLUGIN("cpu", "1", "virtual processors", .commands = commands);
