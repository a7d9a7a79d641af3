/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What virtio-net itself keeps over a checkpoint or migration. Frames between backend and ring are
 * not kept: networks lose frames, and drivers know.
 */
#include <string.h>

#include "engine/net/virtio_net_priv.h"
#include "engine/vmm/state.h"

struct net_state {
	uint16_t pairs, pairs_active;
	uint16_t mtu;
	uint64_t guest_offloads;
	uint8_t announce;
	struct net_filter filter;
};

static int check_state(void *object, struct hv_error *err)
{
	const struct net_state *state = object;

	if (state->pairs < 1 || state->pairs > NET_PAIRS_MAX || state->pairs_active < 1 ||
	    state->pairs_active > state->pairs)
		return hv_fail(err, HV_FAILED, 0, "the state has %u of %u queue pairs in use",
			       state->pairs_active, state->pairs);
	if (state->filter.n_unicast > NET_MACS_MAX || state->filter.n_multicast > NET_MACS_MAX)
		return hv_fail(err, HV_FAILED, 0, "the state has %u and %u filter addresses",
			       state->filter.n_unicast, state->filter.n_multicast);
	return 0;
}

static const struct state_field fields[] = {
	STATE(struct net_state, pairs, 1),
	STATE(struct net_state, pairs_active, 1),
	STATE(struct net_state, mtu, 1),
	STATE(struct net_state, guest_offloads, 1),
	STATE(struct net_state, announce, 1),
	STATE_ARRAY(struct net_state, filter.mac, 1),
	STATE(struct net_state, filter.promiscuous, 1),
	STATE(struct net_state, filter.all_multicast, 1),
	STATE(struct net_state, filter.all_unicast, 1),
	STATE(struct net_state, filter.no_multicast, 1),
	STATE(struct net_state, filter.no_unicast, 1),
	STATE(struct net_state, filter.no_broadcast, 1),
	STATE(struct net_state, filter.unicast_overflow, 1),
	STATE(struct net_state, filter.multicast_overflow, 1),
	STATE(struct net_state, filter.n_unicast, 1),
	STATE(struct net_state, filter.n_multicast, 1),
	STATE_ARRAY(struct net_state, filter.unicast, 1),
	STATE_ARRAY(struct net_state, filter.multicast, 1),
	STATE_ARRAY(struct net_state, filter.vlans, 1),
	STATE_END,
};

static const struct state_section section = {"virtio-net", 1, 1, fields, check_state};

int net_save(struct virtio_dev *dev, struct state_out *out, struct hv_error *err)
{
	struct virtio_net *net = virtio_net_of(dev);
	struct net_state state = {
		.pairs = (uint16_t)net->n_pairs,
		.pairs_active = net->pairs_active,
		.mtu = (uint16_t)net->mtu,
		.guest_offloads = net->guest_offloads,
		.announce = atomic_load(&net->announce),
		.filter = net->filter,
	};

	return state_save(out, &section, dev->id, &state, err);
}

int net_load(struct virtio_dev *dev, struct state_in *in, struct hv_error *err)
{
	struct virtio_net *net = virtio_net_of(dev);
	struct net_state state = {.pairs = 0};

	int rc = state_load(in, &section, dev->id, &state, err);
	if (rc)
		return rc;
	/* the guest read these once; queues would lie elsewhere, frames be cut */
	if (state.pairs != net->n_pairs || state.mtu != net->mtu)
		return hv_fail(err, HV_CONFLICT, 0,
			       "\"%s\" was saved with %u queue pairs and MTU %u, and has %d and %d",
			       dev->id, state.pairs, state.mtu, net->n_pairs, net->mtu);
	if (state.guest_offloads & ~(dev->negotiated & NET_GUEST_OFFLOADS))
		return hv_fail(err, HV_FAILED, 0, "\"%s\" was saved with offloads not negotiated",
			       dev->id);
	net->pairs_active = state.pairs_active;
	atomic_store(&net->pairs_shown, state.pairs_active);
	net->guest_offloads = state.guest_offloads;
	net->filter = state.filter;
	net_show_mac(net);
	atomic_store(&net->announce, state.announce != 0);
	net->loaded = true;
	return 0;
}
