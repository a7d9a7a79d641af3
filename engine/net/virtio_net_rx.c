/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-net, towards the guest: frames are read from the backend straight into the guest's
 * buffers, which are taken from the ring ahead of them. VIRTIO 1.2, 5.1.6.3 and 5.1.6.4.
 *
 *	held:  [used][used][ first … first+n )[ free … ]     moved to the front when no slot is left
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "engine/net/virtio_net_priv.h"

enum room { ROOM_ENOUGH, ROOM_WAIT, ROOM_BROKEN };

static struct iovec *held_iov(struct net_held *held)
{
	return held->iov + held->first_iov;
}

static void held_to_front(struct net_held *held)
{
	memmove(held->chains, held->chains + held->first, (size_t)held->n * sizeof *held->chains);
	memmove(held->iov, held_iov(held), (size_t)held->n_iov * sizeof *held->iov);
	for (int i = 0; i < held->n; i++)
		held->chains[i].iov -= held->first_iov;
	held->first = held->first_iov = 0;
}

/* 1: one more buffer is held; 0: none waits; -HV_LIMIT: no slot for it; -HV_GUEST. */
static int held_take(struct net_held *held, struct vq *vq)
{
	int end = held->first + held->n, end_iov = held->first_iov + held->n_iov;

	if (held->n == NET_HELD_MAX)
		return -HV_LIMIT;
	if (end == NET_HELD_MAX || end_iov == NET_CHAIN_PARTS) {
		if (held->first_iov == 0)
			return -HV_LIMIT;
		held_to_front(held);
		return held_take(held, vq);
	}
	struct vq_chain *chain = &held->chains[end];
	int rc = vq_next(vq, chain, held->iov + end_iov, NET_CHAIN_PARTS - end_iov);
	if (rc == -HV_LIMIT && held->first_iov > 0) {
		held_to_front(held);
		return held_take(held, vq);
	}
	if (rc != 1)
		return rc;
	if (chain->n_read != 0 || chain->write_len == 0) {
		vq_unget(vq);
		return -HV_GUEST;
	}
	held->n++;
	held->n_iov += chain->n_write;
	held->len += chain->write_len;
	return 1;
}

/* The first buffer was used. */
static void held_pass(struct net_held *held)
{
	const struct vq_chain *chain = &held->chains[held->first];

	held->len -= chain->write_len;
	held->n_iov -= chain->n_write;
	held->first_iov += chain->n_write;
	held->first++;
	if (--held->n == 0)
		held->first = held->first_iov = 0;
}

void net_rx_release(struct net_pair *pair)
{
	if (!pair->rx->broken)
		for (int i = 0; i < pair->held.n; i++)
			vq_unget(pair->rx);
	pair->held.first = pair->held.n = 0;
	pair->held.first_iov = pair->held.n_iov = 0;
	pair->held.len = 0;
}

/* Holds enough buffers for the next frame, as far as its length can be known. */
static enum room rx_make_room(struct net_pair *pair, bool mergeable)
{
	struct net_backend *be = pair->net->be;
	struct net_held *held = &pair->held;
	size_t want = pair->rx_need ? pair->rx_need : be->knows_len ? 1 : be->rx_len;
	bool full = false;

	while (held->len < want && !full) {
		if (!mergeable && held->n == 1) {
			full = true;
			break;
		}
		int rc = held_take(held, pair->rx);
		if (rc == 0)
			break;
		if (rc == -HV_LIMIT && held->n > 0)
			full = true;
		else if (rc < 0)
			return ROOM_BROKEN;
	}
	if (held->n == 0)
		return ROOM_WAIT;
	if (held->len >= want || pair->rx_need == 0)
		return ROOM_ENOUGH;
	if (!full && held->n < pair->rx->size)
		return ROOM_WAIT;
	/* the guest has no more to give than this */
	be->ops->drop(be, pair->index);
	net_count(&pair->rx_count.drops, 1);
	pair->rx_need = 0;
	return ROOM_ENOUGH;
}

static bool rx_is_wanted(struct net_pair *pair, size_t len)
{
	const struct net_filter *filter = &pair->net->filter;
	uint8_t head[16] = {0};

	if (len < NET_HDR_LEN + NET_ETH_LEN)
		return false;
	if (filter->promiscuous)
		return true;
	iov_copy_out(held_iov(&pair->held), pair->held.n_iov, NET_HDR_LEN, head, sizeof head);
	return net_filter_wants(filter, head);
}

/* Stages the buffers that a frame of len bytes fills; returns how many. */
static unsigned rx_stage(struct net_pair *pair, size_t len, unsigned n_staged)
{
	struct net_held *held = &pair->held;
	size_t left = len;
	unsigned n = 0;

	/* counted before anything is given away: the header lies in the first */
	for (size_t room = 0; room < len; n++)
		room += held->chains[held->first + (int)n].write_len;
	uint16_t num_buffers = htole16((uint16_t)n);
	iov_copy_in(held_iov(held), held->n_iov, offsetof(struct virtio_net_hdr_v1, num_buffers),
		    &num_buffers, sizeof num_buffers);
	for (unsigned i = 0; i < n; i++) {
		const struct vq_chain *chain = &held->chains[held->first];
		size_t part = left < chain->write_len ? left : chain->write_len;

		vq_stage(pair->rx, chain, part, n_staged + i);
		left -= part;
		held_pass(held);
	}
	net_count(&pair->rx_count.packets, 1);
	net_count(&pair->rx_count.bytes, len - NET_HDR_LEN);
	return n;
}

static void rx_publish(struct net_pair *pair, unsigned *n_staged)
{
	if (*n_staged == 0)
		return;
	vq_publish(pair->rx, *n_staged);
	*n_staged = 0;
	net_count(&pair->rx_count.signals, 1);
	vq_signal(pair->rx);
}

/* Nothing held is enough: sleep until the guest adds buffers. False where it has meanwhile. */
static bool rx_starve(struct net_pair *pair)
{
	if (vq_want_kicks(pair->rx, true)) {
		vq_want_kicks(pair->rx, false);
		return false;
	}
	pair->rx_starved = true;
	return true;
}

/* Reads frames until something is lacking; returns how much of the budget is left. */
static int rx_batch(struct net_pair *pair, int budget, unsigned *n_staged)
{
	struct net_backend *be = pair->net->be;
	struct net_held *held = &pair->held;
	bool mergeable = virtio_has(&pair->net->dev, VIRTIO_NET_F_MRG_RXBUF);

	for (; budget > 0; budget--) {
		enum room room = rx_make_room(pair, mergeable);
		if (room == ROOM_BROKEN) {
			net_queue_fail(pair->net, pair->rx, "a buffer cannot receive");
			return budget;
		}
		if (room == ROOM_WAIT) {
			rx_publish(pair, n_staged);
			if (rx_starve(pair))
				return budget;
			continue;
		}
		ssize_t n = be->ops->readv(be, pair->index, held_iov(held), held->n_iov, held->len,
					   &pair->rx_need);
		if (n == -EMSGSIZE)
			continue;
		pair->rx_need = 0;
		if (n == -EAGAIN)
			return budget;
		if (n == -EPIPE) {
			net_pair_lost(pair);
			return budget;
		}
		if (n < 0 || !rx_is_wanted(pair, (size_t)n)) {
			net_count(&pair->rx_count.drops, 1);
			continue;
		}
		*n_staged += rx_stage(pair, (size_t)n, *n_staged);
		if (*n_staged >= NET_STAGE)
			rx_publish(pair, n_staged);
	}
	return 0;
}

void net_rx_service(struct net_pair *pair)
{
	unsigned n_staged = 0;

	if (!pair->serving || !pair->rx->live || pair->rx->broken ||
	    pair->index >= pair->net->be->rx_pairs || !net_has_link(pair->net))
		return;
	if (pair->rx_starved)
		vq_want_kicks(pair->rx, false);
	pair->rx_starved = false;
	int budget = rx_batch(pair, NET_BUDGET, &n_staged);
	if (!pair->rx->broken)
		rx_publish(pair, &n_staged);
	if (budget == 0)
		net_pair_again(pair->rx);
	net_pair_update_port(pair);
}
