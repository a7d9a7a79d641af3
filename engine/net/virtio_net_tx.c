/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-net, from the guest: each chain is one frame with its header in front, handed to the
 * backend as it lies in guest memory. What the header asks for is the backend's to check (the
 * kernel reads it once). VIRTIO 1.2, 5.1.6.2.
 */
#include <errno.h>
#include <stddef.h>

#include "engine/net/virtio_net_priv.h"

enum batch { BATCH_EMPTY, BATCH_BUDGET, BATCH_BLOCKED, BATCH_BROKEN };

/* False: the backend cannot take it now. */
static bool tx_frame(struct net_pair *pair, const struct vq_chain *chain)
{
	struct net_backend *be = pair->net->be;
	int rc = -EINVAL;

	if (!net_has_link(pair->net))
		rc = -ENETDOWN;
	else if (chain->read_len >= NET_HDR_LEN + NET_ETH_LEN)
		rc = be->ops->writev(be, pair->index, chain->iov, chain->n_read, chain->read_len);
	if (rc == -EAGAIN)
		return false;
	if (rc == -EPIPE)
		net_pair_lost(pair);
	if (rc) {
		net_count(&pair->tx_count.drops, 1);
	} else {
		net_count(&pair->tx_count.packets, 1);
		net_count(&pair->tx_count.bytes, chain->read_len - NET_HDR_LEN);
	}
	return true;
}

static void tx_publish(struct net_pair *pair, unsigned *n_staged)
{
	if (*n_staged == 0)
		return;
	vq_publish(pair->tx, *n_staged);
	*n_staged = 0;
	net_count(&pair->tx_count.signals, 1);
	vq_signal(pair->tx);
}

static enum batch tx_batch(struct net_pair *pair, int *budget)
{
	struct iovec iov[NET_CHAIN_PARTS];
	struct vq_chain chain;
	enum batch result = BATCH_BUDGET;
	unsigned n_staged = 0;

	for (; *budget > 0; --*budget) {
		int rc = vq_next(pair->tx, &chain, iov, NET_CHAIN_PARTS);
		if (rc == 0) {
			result = BATCH_EMPTY;
			break;
		}
		if (rc < 0) {
			result = BATCH_BROKEN;
			break;
		}
		if (!tx_frame(pair, &chain)) {
			vq_unget(pair->tx);
			result = BATCH_BLOCKED;
			break;
		}
		vq_stage(pair->tx, &chain, 0, n_staged++);
		if (n_staged == NET_STAGE)
			tx_publish(pair, &n_staged);
	}
	if (result != BATCH_BROKEN)
		tx_publish(pair, &n_staged);
	return result;
}

/* What the backend keeps goes out at the end of each round, so that it travels in few calls. */
static void tx_flush(struct net_pair *pair)
{
	struct net_backend *be = pair->net->be;
	int rc = be->ops->flush ? be->ops->flush(be, pair->index) : 0;

	pair->tx_unsent = rc == -EAGAIN;
	if (rc == -EPIPE)
		net_pair_lost(pair);
}

void net_tx_service(struct net_pair *pair)
{
	int budget = NET_BUDGET;
	enum batch result;

	if (!pair->serving || !pair->tx->live || pair->tx->broken)
		return;
	do {
		vq_want_kicks(pair->tx, false);
		result = tx_batch(pair, &budget);
		tx_flush(pair);
	} while (result == BATCH_EMPTY && vq_want_kicks(pair->tx, true));

	pair->tx_blocked = result == BATCH_BLOCKED;
	if (result == BATCH_BROKEN)
		net_queue_fail(pair->net, pair->tx, "a frame has too many parts");
	else if (result == BATCH_BUDGET)
		net_pair_again(pair->tx);
	net_pair_update_port(pair);
}
