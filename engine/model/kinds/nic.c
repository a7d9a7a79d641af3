/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kind nic: a network adapter of a VM, part of its definition. Its network is a bridge's name,
 * "macvtap:INTERFACE", "passt" (no privileges needed), or "none".
 */
#include "engine/model/kinds/kinds.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const links[] = {"up", "down", NULL};
static const char *const backends[] = {"tap", "macvtap", "passt", "none", NULL};

/* The bridges of the machine at hand, and what always works. */
static void complete_network(const char *prefix, void (*add)(void *ctx, const char *, const char *),
			     void *ctx)
{
	size_t len = strlen(prefix);
	if (strncmp("passt", prefix, len) == 0)
		add(ctx, "passt", "user-mode network, needs no privileges");
	if (strncmp("none", prefix, len) == 0)
		add(ctx, "none", "an adapter without a cable");
	DIR *dir = opendir("/sys/class/net");
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));) {
		char path[PATH_MAX];
		snprintf(path, sizeof path, "/sys/class/net/%s/bridge", entry->d_name);
		if (strncmp(entry->d_name, prefix, len) == 0 && access(path, F_OK) == 0)
			add(ctx, entry->d_name, "bridge");
	}
	closedir(dir);
}

static const struct hv_prop props[] = {
	{.name = "name",
	 .type = HV_STRING,
	 .help = "netN",
	 .set = HV_SET_AT_CREATE,
	 .flags = HV_P_COLUMN},
	{.name = "vm",
	 .type = HV_REF,
	 .of = "vm",
	 .help = "the VM that it belongs to",
	 .flags = HV_P_COLUMN},
	{.name = "host",
	 .type = HV_REF,
	 .of = "host",
	 .help = "the host that holds it",
	 .flags = HV_P_WIDE},
	{.name = "network",
	 .type = HV_STRING,
	 .help = "a bridge's name, macvtap:INTERFACE, passt, or none",
	 .set = HV_SET_STOPPED,
	 .flags = HV_P_COLUMN | HV_P_REQUIRED,
	 .complete = complete_network},
	{.name = "mac",
	 .type = HV_STRING,
	 .help = "hardware address; made from the VM's identity where not given",
	 .set = HV_SET_AT_CREATE,
	 .flags = HV_P_COLUMN},
	{.name = "queues",
	 .type = HV_INT,
	 .help = "queue pairs, each with its own vectors and thread",
	 .set = HV_SET_STOPPED,
	 .flags = HV_P_COLUMN,
	 .min = 1,
	 .max = 16,
	 .preset = "1"},
	{.name = "mtu",
	 .type = HV_INT,
	 .help = "largest packet; 9000 for jumbo frames",
	 .set = HV_SET_STOPPED,
	 .flags = HV_P_COLUMN,
	 .unit = "bytes",
	 .min = 68,
	 .max = 9000,
	 .preset = "1500"},
	{.name = "link",
	 .type = HV_ENUM,
	 .choices = links,
	 .help = "whether its cable is plugged in",
	 .set = HV_SET_STOPPED,
	 .flags = HV_P_COLUMN,
	 .preset = "up"},
	{.name = "forward",
	 .type = HV_LIST,
	 .help = "ports of the host that passt hands in: [tcp:|udp:]HOSTPORT:GUESTPORT",
	 .set = HV_SET_STOPPED},
	{.name = "backend",
	 .type = HV_ENUM,
	 .choices = backends,
	 .help = "what carries its packets",
	 .flags = HV_P_WIDE},
	{.name = "device", .type = HV_STRING, .help = "its interface on the host"},
	{.name = "offloads",
	 .type = HV_LIST,
	 .help = "what the guest leaves to the host: checksum, tso4, tso6, uso, mrg-rxbuf"},
	{.name = "rx_bytes", .type = HV_SIZE, .help = "received", .flags = HV_P_WIDE},
	{.name = "tx_bytes", .type = HV_SIZE, .help = "sent", .flags = HV_P_WIDE},
	{.name = "rx_packets", .type = HV_INT, .help = "packets received", .unit = "packets"},
	{.name = "tx_packets", .type = HV_INT, .help = "packets sent", .unit = "packets"},
	{.name = "rx_dropped",
	 .type = HV_INT,
	 .help = "packets for which the guest had no room",
	 .unit = "packets",
	 .flags = HV_P_WIDE},
	{.name = "tx_dropped",
	 .type = HV_INT,
	 .help = "packets that the host did not take",
	 .unit = "packets"},
	{0},
};

const struct hv_kind kind_nic = {
	.name = "nic",
	.plural = "nics",
	.help = "a network adapter of a VM",
	.owner = "vm",
	.props = props,
};
