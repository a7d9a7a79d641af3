/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kind job: work that takes its time, done by this hvsh or another one of the same user. */
#include "engine/model/kinds/kinds.h"

static const char *const states[] = {"running", "done", "failed", "cancelled", "interrupted", NULL};
static const char *const running[] = {"running", NULL};
static const char *const over[] = {"done", "failed", "cancelled", "interrupted", NULL};

static const struct hv_prop props[] = {
	{.name = "name", .type = HV_STRING, .help = "number of the job", .flags = HV_P_COLUMN},
	{.name = "what", .type = HV_STRING, .help = "what it does", .flags = HV_P_COLUMN},
	{.name = "object",
	 .type = HV_STRING,
	 .help = "address of the object that it works on",
	 .flags = HV_P_COLUMN},
	{.name = "state",
	 .type = HV_ENUM,
	 .choices = states,
	 .help = "how far it came; interrupted: its hvsh died",
	 .flags = HV_P_COLUMN},
	{.name = "progress",
	 .type = HV_PERCENT,
	 .help = "how much of it is done",
	 .flags = HV_P_COLUMN},
	{.name = "message",
	 .type = HV_STRING,
	 .help = "what it is at, or why it failed",
	 .flags = HV_P_COLUMN},
	{.name = "started", .type = HV_TIME, .help = "when it began", .flags = HV_P_WIDE},
	{.name = "ended", .type = HV_TIME, .help = "when it ended"},
	{.name = "elapsed",
	 .type = HV_DURATION,
	 .help = "time that it took until now",
	 .flags = HV_P_COLUMN},
	{.name = "code", .type = HV_STRING, .help = "kind of failure"},
	{.name = "hint", .type = HV_STRING, .help = "what to do about the failure"},
	{.name = "pid", .type = HV_INT, .help = "the hvsh that does it", .flags = HV_P_WIDE},
	{.name = "log", .type = HV_LIST, .help = "what it reported, oldest first"},
	{0},
};

static const struct hv_method methods[] = {
	{.name = "cancel",
	 .help = "ask a job to end early",
	 .effect = HV_CHANGES_STATE,
	 .from_states = running,
	 .to_state = "cancelled"},
	{.name = "delete",
	 .help = "forget a job that is over",
	 .effect = HV_CHANGES_DATA,
	 .from_states = over},
	{0},
};

const struct hv_kind kind_job = {
	.name = "job",
	.plural = "jobs",
	.help = "work that takes its time",
	.props = props,
	.methods = methods,
};
