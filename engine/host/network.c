/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Network names and hardware addresses of definitions. */
#include "engine/host/network.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* As the kernel's dev_valid_name() has it, and without what would need quotes. */
static bool is_ifname(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= HV_IFNAME_MAX || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++)
		if (*name <= ' ' || *name > '~' || strchr("/:,\"'\\", *name))
			return false;
	return true;
}

int hv_network_parse(struct hv_network *network, const char *text, struct hv_error *err)
{
	static const struct {
		const char *prefix;
		enum hv_network_type type;
	} prefixes[] = {{"bridge:", HV_NETWORK_BRIDGE}, {"macvtap:", HV_NETWORK_MACVTAP}};
	const char *ifname = text;

	*network = (struct hv_network){.type = HV_NETWORK_BRIDGE};
	if (!strcmp(text, "passt") || !strcmp(text, "none")) {
		network->type = *text == 'p' ? HV_NETWORK_PASST : HV_NETWORK_NONE;
		return 0;
	}
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		size_t len = strlen(prefixes[i].prefix);
		if (!strncmp(text, prefixes[i].prefix, len)) {
			network->type = prefixes[i].type;
			ifname = text + len;
		}
	}
	if (!is_ifname(ifname)) {
		hv_fail(err, HV_USAGE, 0, "\"%.40s\" is no network", text);
		return hv_hint(err, "give a bridge's name (at most 15 characters), "
				    "macvtap:INTERFACE, passt or none");
	}
	strcpy(network->ifname, ifname);
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_octets(uint8_t mac[6], const char *text)
{
	for (int i = 0; i < 6; i++, text += 3) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);
		if (low < 0)
			return false;
		if (i < 5 ? text[2] != ':' && text[2] != '-' : text[2] != '\0')
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

int hv_mac_parse(uint8_t mac[6], const char *text, struct hv_error *err)
{
	if (!parse_octets(mac, text)) {
		hv_fail(err, HV_USAGE, 0, "\"%.40s\" is no hardware address", text);
		return hv_hint(err, "write it like 52:54:00:12:34:56");
	}
	if (mac[0] & 1) {
		hv_fail(err, HV_USAGE, 0, "\"%s\" is a group address", text);
		return hv_hint(err, "the second digit of an adapter's address is even");
	}
	return 0;
}

void hv_mac_format(char text[HV_MAC_TEXT_LEN], const uint8_t mac[6])
{
	snprintf(text, HV_MAC_TEXT_LEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
}

/* FNV-1a, 64 bits: spreads well over the 24 bits used, and will never change. */
static uint64_t hash(uint64_t seed, const char *text)
{
	for (; *text; text++)
		seed = (seed ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return seed;
}

void hv_mac_derive(uint8_t mac[6], const char *vm_identity, const char *nic)
{
	uint64_t h = hash(UINT64_C(0xcbf29ce484222325), vm_identity);

	h = hash(h * 31, nic);
	h ^= h >> 32;
	mac[0] = 0x52;
	mac[1] = 0x54;
	mac[2] = 0x00;
	mac[3] = (uint8_t)(h >> 16);
	mac[4] = (uint8_t)(h >> 8);
	mac[5] = (uint8_t)h;
}
