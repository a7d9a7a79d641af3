/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-net's control queue, on pair 0's thread. A command that changes what the other pairs read
 * stops them meanwhile. VIRTIO 1.2, 5.1.6.5.
 */
#include <endian.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine/net/virtio_net_priv.h"

/* The readable parts of a command, read from front to back, each byte once. */
struct command {
	const struct iovec *parts;
	int n;
	size_t pos, len;
};

static bool take(struct command *command, void *to, size_t len)
{
	if (len > command->len - command->pos)
		return false;
	iov_copy_out(command->parts, command->n, command->pos, to, len);
	command->pos += len;
	return true;
}

static bool set_rx_mode(struct virtio_net *net, uint8_t cmd, struct command *command)
{
	struct net_filter *filter = &net->filter;
	uint8_t on;

	if (!take(command, &on, sizeof on))
		return false;
	on = on != 0;
	switch (cmd) {
	case VIRTIO_NET_CTRL_RX_PROMISC:
		filter->promiscuous = on;
		return true;
	case VIRTIO_NET_CTRL_RX_ALLMULTI:
		filter->all_multicast = on;
		return true;
	case VIRTIO_NET_CTRL_RX_ALLUNI:
		filter->all_unicast = on;
		return true;
	case VIRTIO_NET_CTRL_RX_NOMULTI:
		filter->no_multicast = on;
		return true;
	case VIRTIO_NET_CTRL_RX_NOUNI:
		filter->no_unicast = on;
		return true;
	case VIRTIO_NET_CTRL_RX_NOBCAST:
		filter->no_broadcast = on;
		return true;
	default:
		return false;
	}
}

/* One table of addresses. More than fit count as all of their kind, as 5.1.6.5.2 allows. */
static bool take_macs(struct command *command, uint8_t table[NET_MACS_MAX][6], uint32_t *n,
		      uint8_t *overflow)
{
	uint32_t entries;

	if (!take(command, &entries, sizeof entries))
		return false;
	entries = le32toh(entries);
	if (entries > (command->len - command->pos) / 6)
		return false;
	*overflow = entries > NET_MACS_MAX;
	*n = *overflow ? 0 : entries;
	take(command, table, (size_t)*n * 6);
	if (*overflow)
		command->pos += (size_t)entries * 6;
	return true;
}

static bool set_mac(struct virtio_net *net, uint8_t cmd, struct command *command)
{
	struct net_filter filter = net->filter;

	switch (cmd) {
	case VIRTIO_NET_CTRL_MAC_ADDR_SET:
		if (!take(command, filter.mac, sizeof filter.mac))
			return false;
		break;
	case VIRTIO_NET_CTRL_MAC_TABLE_SET:
		if (!take_macs(command, filter.unicast, &filter.n_unicast,
			       &filter.unicast_overflow) ||
		    !take_macs(command, filter.multicast, &filter.n_multicast,
			       &filter.multicast_overflow))
			return false;
		break;
	default:
		return false;
	}
	net->filter = filter;
	net_show_mac(net);
	return true;
}

static bool set_vlan(struct virtio_net *net, uint8_t cmd, struct command *command)
{
	uint16_t vlan;

	if (!take(command, &vlan, sizeof vlan))
		return false;
	vlan = le16toh(vlan);
	if (vlan >= NET_VLANS)
		return false;
	uint64_t bit = UINT64_C(1) << (vlan % 64);
	if (cmd == VIRTIO_NET_CTRL_VLAN_ADD)
		net->filter.vlans[vlan / 64] |= bit;
	else if (cmd == VIRTIO_NET_CTRL_VLAN_DEL)
		net->filter.vlans[vlan / 64] &= ~bit;
	else
		return false;
	return true;
}

static bool acknowledge_announce(struct virtio_net *net, uint8_t cmd)
{
	if (cmd != VIRTIO_NET_CTRL_ANNOUNCE_ACK)
		return false;
	atomic_store(&net->announce, false);
	return true;
}

static bool set_pairs(struct virtio_net *net, uint8_t cmd, struct command *command)
{
	uint16_t pairs;

	if (cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || !take(command, &pairs, sizeof pairs))
		return false;
	pairs = le16toh(pairs);
	return pairs >= VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN && pairs <= net->n_pairs &&
	       net_use_pairs(net, pairs, NULL) == 0;
}

static bool set_guest_offloads(struct virtio_net *net, uint8_t cmd, struct command *command)
{
	uint64_t offloads, old = net->guest_offloads;

	if (cmd != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET || !take(command, &offloads, sizeof offloads))
		return false;
	offloads = le64toh(offloads);
	if (offloads & ~(net->dev.negotiated & NET_GUEST_OFFLOADS))
		return false;
	net->guest_offloads = offloads;
	if (net_apply_offloads(net, NULL) == 0)
		return true;
	net->guest_offloads = old;
	return false;
}

static bool obey(struct virtio_net *net, uint8_t class, uint8_t cmd, struct command *command)
{
	static const struct {
		uint8_t class;
		unsigned feature;
	} needed[] = {
		{VIRTIO_NET_CTRL_RX, VIRTIO_NET_F_CTRL_RX},
		{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_F_CTRL_RX}, /* or CTRL_MAC_ADDR, see below */
		{VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_F_CTRL_VLAN},
		{VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_F_GUEST_ANNOUNCE},
		{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_F_MQ},
		{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS},
	};
	bool known = false;

	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
		known |= class == needed[i].class && virtio_has(&net->dev, needed[i].feature);
	if (class == VIRTIO_NET_CTRL_MAC && cmd == VIRTIO_NET_CTRL_MAC_ADDR_SET)
		known = virtio_has(&net->dev, VIRTIO_NET_F_CTRL_MAC_ADDR);
	if (!known)
		return false;
	switch (class) {
	case VIRTIO_NET_CTRL_RX:
		return set_rx_mode(net, cmd, command);
	case VIRTIO_NET_CTRL_MAC:
		return set_mac(net, cmd, command);
	case VIRTIO_NET_CTRL_VLAN:
		return set_vlan(net, cmd, command);
	case VIRTIO_NET_CTRL_ANNOUNCE:
		return acknowledge_announce(net, cmd);
	case VIRTIO_NET_CTRL_MQ:
		return set_pairs(net, cmd, command);
	default:
		return set_guest_offloads(net, cmd, command);
	}
}

uint8_t net_ctrl_command(struct virtio_net *net, const struct iovec *parts, int n, size_t len)
{
	struct command command = {.parts = parts, .n = n, .len = len};
	struct virtio_net_ctrl_hdr hdr;

	if (!take(&command, &hdr, sizeof hdr))
		return VIRTIO_NET_ERR;
	net_others_stop(net);
	bool done = obey(net, hdr.class, hdr.cmd, &command);
	net_others_start(net);
	return done ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
}

/* 1: one command done; 0: none waits; -HV_GUEST. */
static int serve_one(struct virtio_net *net)
{
	struct iovec iov[NET_CHAIN_PARTS];
	struct vq_chain chain;

	int rc = vq_next(net->ctrl, &chain, iov, NET_CHAIN_PARTS);
	if (rc <= 0)
		return rc ? -HV_GUEST : 0;
	if (chain.write_len < 1) {
		vq_unget(net->ctrl);
		return -HV_GUEST;
	}
	uint8_t ack = net_ctrl_command(net, iov, chain.n_read, chain.read_len);
	iov_copy_in(iov + chain.n_read, chain.n_write, 0, &ack, sizeof ack);
	vq_complete(net->ctrl, &chain, sizeof ack);
	return 1;
}

static void ctrl_service(struct virtio_net *net)
{
	int budget = NET_CTRL_SIZE;
	int rc;

	if (!net->ctrl->live || net->ctrl->broken)
		return;
	do {
		vq_want_kicks(net->ctrl, false);
		while ((rc = budget ? serve_one(net) : 0) == 1)
			budget--;
		if (rc < 0) {
			net_queue_fail(net, net->ctrl, "a command has no room for its answer");
			return;
		}
		vq_signal(net->ctrl);
	} while (budget && vq_want_kicks(net->ctrl, true));
	if (!budget)
		net_pair_again(net->ctrl);
}

static void ctrl_ready(struct loop_source *source, uint32_t events)
{
	struct virtio_net *net =
		(struct virtio_net *)((char *)source - offsetof(struct virtio_net, ctrl_kick));
	uint64_t count;
	ssize_t n = read(source->fd, &count, sizeof count);

	(void)n; /* empty already: nothing is lost */
	(void)events;
	ctrl_service(net);
}

void net_ctrl_start(struct virtio_net *net)
{
	struct hv_error err;

	if (!net->ctrl || !net->ctrl->live)
		return;
	net->ctrl_kick = (struct loop_source){net->ctrl->kick_fd, ctrl_ready};
	if (loop_add(&net->pairs[0].thread.loop, &net->ctrl_kick, EPOLLIN, &err))
		vmm_log("%s: the control queue is not served: %s", net->dev.id, err.message);
	ctrl_service(net);
}

void net_ctrl_stop(struct virtio_net *net)
{
	if (net->ctrl && net->ctrl->live)
		loop_remove(&net->pairs[0].thread.loop, &net->ctrl_kick);
}
