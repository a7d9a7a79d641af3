/* SPDX-License-Identifier: GPL-3.0-or-later */
/* virtio-net's receive filter: by destination address and VLAN. VIRTIO 1.2, 5.1.6.5.1 to 5.1.6.5.3.
 */
#include <string.h>

#include "engine/net/virtio_net_priv.h"

void net_filter_reset(struct net_filter *filter, const uint8_t mac[6])
{
	memset(filter, 0, sizeof *filter);
	memcpy(filter->mac, mac, 6);
	/* a driver that does not know the control queue must get everything */
	filter->promiscuous = 1;
}

static bool has_address(const uint8_t table[][6], uint32_t n, const uint8_t address[6])
{
	for (uint32_t i = 0; i < n; i++)
		if (!memcmp(table[i], address, 6))
			return true;
	return false;
}

static bool wants_vlan(const struct net_filter *filter, const uint8_t frame[16])
{
	if (!filter->filter_vlans || frame[12] != 0x81 || frame[13] != 0x00)
		return true;
	unsigned vlan = (frame[14] << 8 | frame[15]) % NET_VLANS;
	/* VLAN 0 only carries a priority */
	return vlan == 0 || filter->vlans[vlan / 64] >> (vlan % 64) & 1;
}

bool net_filter_wants(const struct net_filter *filter, const uint8_t frame[16])
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	if (filter->promiscuous)
		return true;
	if (!wants_vlan(filter, frame))
		return false;
	if (!memcmp(frame, broadcast, 6))
		return !filter->no_broadcast;
	if (frame[0] & 1) {
		if (filter->no_multicast)
			return false;
		return filter->all_multicast || filter->multicast_overflow ||
		       has_address(filter->multicast, filter->n_multicast, frame);
	}
	if (filter->no_unicast)
		return false;
	return filter->all_unicast || filter->unicast_overflow || !memcmp(frame, filter->mac, 6) ||
	       has_address(filter->unicast, filter->n_unicast, frame);
}
