/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The noun queue: queues of devices: vector, thread, host CPU, counters. */
#include "plugins/hvsh.h"

static const struct hv_prop any[] = {{.name = "queue",
				      .type = HV_REF,
				      .of = "queue",
				      .flags = HV_P_MANY,
				      .help = "VM:DEVICE.qN, globs allowed"},
				     {.type = HV_END}};
static const struct hv_prop some[] = {{.name = "queue",
				       .type = HV_REF,
				       .of = "queue",
				       .flags = HV_P_MANY | HV_P_REQUIRED,
				       .help = "VM:DEVICE.qN, globs allowed"},
				      {.type = HV_END}};

static const char *const list_examples[] = {"queue list", "those of every VM that runs",
					    "queue list web1:*", "those of one VM", NULL};
static const char *const show_examples[] = {"queue show web1:net0.q0", "one queue", NULL};

static const struct hv_command commands[] = {
	{.noun = "queue",
	 .verb = "list",
	 .aliases = "ls",
	 .summary = "list queues of devices",
	 .args = any,
	 .examples = list_examples},
	{.noun = "queue",
	 .verb = "show",
	 .aliases = "info",
	 .summary = "show all of a queue",
	 .args = some,
	 .examples = show_examples},
	{.noun = NULL},
};

HVSH_PLUGIN("queue", "1", "queues of devices", .commands = commands);
