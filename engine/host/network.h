/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a NIC's definition says about its network: where it leads to, and hardware addresses. */
#ifndef HV_HOST_NETWORK_H
#define HV_HOST_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "engine/model/error.h"

#define HV_IFNAME_MAX 16 /* with its end: IFNAMSIZ */

enum hv_network_type { HV_NETWORK_BRIDGE, HV_NETWORK_MACVTAP, HV_NETWORK_PASST, HV_NETWORK_NONE };

struct hv_network {
	enum hv_network_type type;
	char ifname[HV_IFNAME_MAX]; /* of the bridge or macvtap, else "" */
};

/*
 * "NAME" or "bridge:NAME", "macvtap:NAME", "passt", "none". Whether NAME exists is not looked at: a
 * definition may be made before its network.
 * HV_USAGE for what no interface can be called.
 */
HV_PUBLIC int hv_network_parse(struct hv_network *network, const char *text, struct hv_error *err);

#define HV_MAC_TEXT_LEN 18 /* with its end */

/* Six pairs of hexadecimal digits with colons or dashes; HV_USAGE for anything else and for group
 * addresses, which no adapter can have. */
HV_PUBLIC int hv_mac_parse(uint8_t mac[6], const char *text, struct hv_error *err);
HV_PUBLIC void hv_mac_format(char text[HV_MAC_TEXT_LEN], const uint8_t mac[6]);
/* An address under 52:54:00 that follows from the VM's identity (its UUID) and the NIC's name: the
 * same every time, and another one for each. */
HV_PUBLIC void hv_mac_derive(uint8_t mac[6], const char *vm_identity, const char *nic);

#endif
