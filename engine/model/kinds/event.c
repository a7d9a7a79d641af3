/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kind event: something that happened to an object of a host. */
#include "engine/model/kinds/kinds.h"

static const struct hv_prop props[] = {
	{.name = "name", .type = HV_STRING, .help = "number of the event on its host"},
	{.name = "time", .type = HV_TIME, .help = "when it happened", .flags = HV_P_COLUMN},
	{.name = "host",
	 .type = HV_REF,
	 .of = "host",
	 .help = "the host where it happened",
	 .flags = HV_P_COLUMN},
	{.name = "type",
	 .type = HV_STRING,
	 .help = "created, deleted, renamed, changed, state, or what a provider adds",
	 .flags = HV_P_COLUMN},
	{.name = "kind", .type = HV_STRING, .help = "kind of the object"},
	{.name = "object",
	 .type = HV_STRING,
	 .help = "the object, VM or VM:DEVICE",
	 .flags = HV_P_COLUMN},
	{.name = "state",
	 .type = HV_STRING,
	 .help = "the state that it came into",
	 .flags = HV_P_COLUMN},
	{.name = "message",
	 .type = HV_STRING,
	 .help = "what happened, for a person",
	 .flags = HV_P_COLUMN},
	{0},
};

const struct hv_kind kind_event = {
	.name = "event",
	.plural = "events",
	.help = "something that happened",
	.owner = "host",
	.props = props,
};
