/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kind queue: a queue pair of a NIC or a request queue of a disk controller: who serves it, and
 * what went through it. Its name is DEVICE.qN, so that `web1:net0.*` are the queues of one NIC.
 */
#include "engine/model/kinds/kinds.h"

static const char *const types[] = {"net", "disk", NULL};

static const struct hv_prop props[] = {
	{.name = "name", .type = HV_STRING, .help = "DEVICE.qN", .flags = HV_P_COLUMN},
	{.name = "vm",
	 .type = HV_REF,
	 .of = "vm",
	 .help = "the VM that it belongs to",
	 .flags = HV_P_COLUMN},
	{.name = "host",
	 .type = HV_REF,
	 .of = "host",
	 .help = "the host that serves it",
	 .flags = HV_P_WIDE},
	{.name = "type", .type = HV_ENUM, .choices = types, .help = "what it carries"},
	{.name = "device", .type = HV_STRING, .help = "the device that it belongs to"},
	{.name = "index", .type = HV_INT, .help = "number, from 0"},
	{.name = "vector",
	 .type = HV_INT,
	 .help = "MSI-X vector of its interrupts",
	 .flags = HV_P_COLUMN},
	{.name = "thread",
	 .type = HV_INT,
	 .help = "thread of the host that serves it",
	 .flags = HV_P_COLUMN},
	{.name = "host_cpu",
	 .type = HV_INT,
	 .help = "host CPU that it was last served on",
	 .flags = HV_P_COLUMN},
	{.name = "rx_packets",
	 .type = HV_INT,
	 .help = "packets received",
	 .unit = "packets",
	 .flags = HV_P_COLUMN},
	{.name = "tx_packets",
	 .type = HV_INT,
	 .help = "packets sent",
	 .unit = "packets",
	 .flags = HV_P_COLUMN},
	{.name = "rx_bytes", .type = HV_SIZE, .help = "received", .flags = HV_P_COLUMN},
	{.name = "tx_bytes", .type = HV_SIZE, .help = "sent", .flags = HV_P_COLUMN},
	{.name = "rx_dropped",
	 .type = HV_INT,
	 .help = "packets for which the guest had no room",
	 .unit = "packets",
	 .flags = HV_P_COLUMN},
	{.name = "requests",
	 .type = HV_INT,
	 .help = "disk requests served",
	 .unit = "requests",
	 .flags = HV_P_COLUMN},
	{.name = "kicks", .type = HV_INT, .help = "times that the guest rang", .flags = HV_P_WIDE},
	{.name = "interrupts",
	 .type = HV_INT,
	 .help = "interrupts sent to the guest",
	 .flags = HV_P_WIDE},
	{0},
};

const struct hv_kind kind_queue = {
	.name = "queue",
	.plural = "queues",
	.help = "a queue of a network adapter or a disk controller",
	.owner = "vm",
	.props = props,
};
