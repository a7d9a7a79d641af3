/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-net's features: which follow from the backend, which need each other, and what of them the
 * backend is told. VIRTIO 1.2, 5.1.3.
 */
#include <linux/virtio_net.h>

#include "engine/net/virtio_net_priv.h"

static const struct {
	unsigned offload; /* of the backend */
	uint64_t features;
} offload_features[] = {
	{NET_OFFLOAD_CSUM, NET_FEATURE(VIRTIO_NET_F_CSUM) | NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
				   NET_FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)},
	{NET_OFFLOAD_TSO4,
	 NET_FEATURE(VIRTIO_NET_F_HOST_TSO4) | NET_FEATURE(VIRTIO_NET_F_GUEST_TSO4)},
	{NET_OFFLOAD_TSO6,
	 NET_FEATURE(VIRTIO_NET_F_HOST_TSO6) | NET_FEATURE(VIRTIO_NET_F_GUEST_TSO6)},
	{NET_OFFLOAD_ECN, NET_FEATURE(VIRTIO_NET_F_HOST_ECN) | NET_FEATURE(VIRTIO_NET_F_GUEST_ECN)},
	{NET_OFFLOAD_USO, NET_FEATURE(NET_F_HOST_USO) | NET_FEATURE(NET_F_GUEST_USO4) |
				  NET_FEATURE(NET_F_GUEST_USO6)},
};

#define N_OFFLOADS (sizeof offload_features / sizeof *offload_features)

/* 5.1.3.1: each needs one of the others. */
static const struct {
	unsigned feature;
	uint64_t one_of;
} feature_needs[] = {
	{VIRTIO_NET_F_GUEST_TSO4, NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM)},
	{VIRTIO_NET_F_GUEST_TSO6, NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM)},
	{VIRTIO_NET_F_GUEST_ECN,
	 NET_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | NET_FEATURE(VIRTIO_NET_F_GUEST_TSO6)},
	{NET_F_GUEST_USO4, NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM)},
	{NET_F_GUEST_USO6, NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM)},
	{VIRTIO_NET_F_HOST_TSO4, NET_FEATURE(VIRTIO_NET_F_CSUM)},
	{VIRTIO_NET_F_HOST_TSO6, NET_FEATURE(VIRTIO_NET_F_CSUM)},
	{VIRTIO_NET_F_HOST_ECN,
	 NET_FEATURE(VIRTIO_NET_F_HOST_TSO4) | NET_FEATURE(VIRTIO_NET_F_HOST_TSO6)},
	{NET_F_HOST_USO, NET_FEATURE(VIRTIO_NET_F_CSUM)},
	{VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, NET_FEATURE(VIRTIO_NET_F_CTRL_VQ)},
	{VIRTIO_NET_F_CTRL_RX, NET_FEATURE(VIRTIO_NET_F_CTRL_VQ)},
	{VIRTIO_NET_F_CTRL_RX_EXTRA, NET_FEATURE(VIRTIO_NET_F_CTRL_VQ)},
	{VIRTIO_NET_F_CTRL_VLAN, NET_FEATURE(VIRTIO_NET_F_CTRL_VQ)},
	{VIRTIO_NET_F_GUEST_ANNOUNCE, NET_FEATURE(VIRTIO_NET_F_CTRL_VQ)},
	{VIRTIO_NET_F_MQ, NET_FEATURE(VIRTIO_NET_F_CTRL_VQ)},
	{VIRTIO_NET_F_CTRL_MAC_ADDR, NET_FEATURE(VIRTIO_NET_F_CTRL_VQ)},
};

bool net_features_ok(struct virtio_dev *dev, uint64_t features)
{
	(void)dev;
	for (size_t i = 0; i < sizeof feature_needs / sizeof *feature_needs; i++)
		if (features & NET_FEATURE(feature_needs[i].feature) &&
		    !(features & feature_needs[i].one_of))
			return false;
	return true;
}

uint64_t net_features_offered(const struct net_backend *be, int pairs)
{
	uint64_t features =
		NET_FEATURE(VIRTIO_NET_F_MTU) | NET_FEATURE(VIRTIO_NET_F_MAC) |
		NET_FEATURE(VIRTIO_NET_F_MRG_RXBUF) | NET_FEATURE(VIRTIO_NET_F_STATUS) |
		NET_FEATURE(VIRTIO_NET_F_CTRL_VQ) | NET_FEATURE(VIRTIO_NET_F_CTRL_RX) |
		NET_FEATURE(VIRTIO_NET_F_CTRL_VLAN) | NET_FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) |
		NET_FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) | NET_FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR);

	if (pairs > 1)
		features |= NET_FEATURE(VIRTIO_NET_F_MQ);
	for (size_t i = 0; i < N_OFFLOADS; i++)
		if (be->offloads & offload_features[i].offload)
			features |= offload_features[i].features;
	return features;
}

int net_apply_offloads(struct virtio_net *net, struct hv_error *err)
{
	struct net_backend *be = net->be;
	unsigned offloads = 0;

	for (size_t i = 0; i < N_OFFLOADS; i++) {
		uint64_t wanted = offload_features[i].features & NET_GUEST_OFFLOADS;
		if ((net->guest_offloads & wanted) == wanted)
			offloads |= offload_features[i].offload;
	}
	offloads &= be->offloads;
	if (be->ops->set_offloads) {
		int rc = be->ops->set_offloads(be, offloads, err);
		if (rc)
			return rc;
	}
	be->rx_len = offloads & (NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_USO)
			     ? NET_FRAME_MAX
			     : NET_HDR_LEN + NET_ETH_LEN + 4 + (size_t)net->mtu;
	return 0;
}
