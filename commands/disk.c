/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The noun disk: virtual disks. */
#include "plugins/hvsh.h"

static const struct hv_prop any[] = {{.name = "disk",
				      .type = HV_REF,
				      .of = "disk",
				      .flags = HV_P_MANY,
				      .help = "VM:scsiC.T.L, globs allowed"},
				     {.type = HV_END}};
static const struct hv_prop some[] = {{.name = "disk",
				       .type = HV_REF,
				       .of = "disk",
				       .flags = HV_P_MANY | HV_P_REQUIRED,
				       .help = "VM:scsiC.T.L, globs allowed"},
				      {.type = HV_END}};

static const char *const list_examples[] = {"disk list", "those of every VM", "disk list web1:*",
					    "those of one VM", NULL};
static const char *const show_examples[] = {"disk show web1:scsi0.0.0", "one disk and its counters",
					    NULL};

static const struct hv_command commands[] = {
	{.noun = "disk",
	 .verb = "list",
	 .aliases = "ls",
	 .summary = "list virtual disks",
	 .args = any,
	 .examples = list_examples},
	{.noun = "disk",
	 .verb = "show",
	 .aliases = "info",
	 .summary = "show all of a virtual disk",
	 .args = some,
	 .examples = show_examples},
	{.noun = NULL},
};

HVSH_PLUGIN("disk", "1", "virtual disks", .commands = commands);
