/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kind check: one thing a host needs, whether it is there, and what to do where it is not. */
#include "engine/model/kinds/kinds.h"

static const char *const levels[] = {"ok", "note", "warn", "fail", NULL};

static const struct hv_prop props[] = {
	{.name = "name", .type = HV_STRING, .help = "what was checked", .flags = HV_P_COLUMN},
	{.name = "host",
	 .type = HV_REF,
	 .of = "host",
	 .help = "the host that was checked",
	 .flags = HV_P_WIDE},
	{.name = "result",
	 .type = HV_ENUM,
	 .choices = levels,
	 .help = "fail: no VM can run; warn: some cannot, or slowly",
	 .flags = HV_P_COLUMN},
	{.name = "found", .type = HV_STRING, .help = "what is there", .flags = HV_P_COLUMN},
	{.name = "remedy", .type = HV_STRING, .help = "what to do about it", .flags = HV_P_COLUMN},
	{0},
};

const struct hv_kind kind_check = {
	.name = "check",
	.plural = "checks",
	.help = "something that VMs need of a host",
	.owner = "host",
	.props = props,
};
