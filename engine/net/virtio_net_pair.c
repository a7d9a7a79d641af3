/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One queue pair of virtio-net: its thread's sources, and when they are waited for. */
#include <sys/epoll.h>
#include <unistd.h>

#include "engine/net/virtio_net_priv.h"

#define PAIR_OF(source, member)                                                                    \
	((struct net_pair *)((char *)(source)-offsetof(struct net_pair, member)))

static void kick_clear(int fd)
{
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof count);

	(void)n; /* empty already: nothing is lost */
}

static void rx_kick_ready(struct loop_source *source, uint32_t events)
{
	(void)events;
	kick_clear(source->fd);
	net_rx_service(PAIR_OF(source, rx_kick));
}

static void tx_kick_ready(struct loop_source *source, uint32_t events)
{
	struct net_pair *pair = PAIR_OF(source, tx_kick);

	(void)events;
	kick_clear(source->fd);
	/* while the backend is full, its becoming writable is what counts */
	if (!pair->tx_blocked)
		net_tx_service(pair);
}

static void port_ready(struct loop_source *source, uint32_t events)
{
	struct net_pair *pair = PAIR_OF(source, port);

	if (events & EPOLLIN)
		net_rx_service(pair);
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR) && (pair->tx_blocked || pair->tx_unsent))
		net_tx_service(pair);
	/* epoll reports these whether asked or not: who does not read would spin */
	if (events & (EPOLLHUP | EPOLLERR) && !(events & EPOLLIN)) {
		net_pair_lost(pair);
		net_pair_update_port(pair);
	}
}

void net_pair_update_port(struct net_pair *pair)
{
	uint32_t events = 0;

	if (pair->serving && net_has_link(pair->net)) {
		if (pair->rx->live && !pair->rx->broken && !pair->rx_starved &&
		    pair->index < pair->net->be->rx_pairs)
			events |= EPOLLIN;
		if (pair->tx_blocked || pair->tx_unsent)
			events |= EPOLLOUT;
	}
	if (events == pair->port_events)
		return;
	if (!events)
		loop_remove(&pair->thread.loop, &pair->port);
	else if (pair->port_events)
		loop_change(&pair->thread.loop, &pair->port, events);
	else if (loop_add(&pair->thread.loop, &pair->port, events, NULL))
		events = 0;
	pair->port_events = events;
}

void net_pair_again(struct vq *vq)
{
	static const uint64_t one = 1;
	ssize_t n = write(vq->kick_fd, &one, sizeof one);

	(void)n; /* full: it is readable, which is all we want */
}

void net_queue_fail(struct virtio_net *net, struct vq *vq, const char *fault)
{
	if (!vq->broken)
		vq->fault = fault;
	vq->broken = true;
	virtio_fail_queue(&net->dev, vq);
}

void net_pair_lost(struct net_pair *pair)
{
	struct virtio_net *net = pair->net;

	if (atomic_exchange(&net->peer_gone, true))
		return;
	vmm_log("%s: the network peer is gone, link down", net->dev.id);
	virtio_config_changed(&net->dev);
}

static void add_kick(struct net_pair *pair, struct loop_source *source, struct vq *vq)
{
	struct hv_error err;

	source->fd = vq->kick_fd;
	if (vq->live && loop_add(&pair->thread.loop, source, EPOLLIN, &err))
		vmm_log("%s: queue %d is not served: %s", pair->net->dev.id, vq->index,
			err.message);
}

void net_pair_start(void *ctx)
{
	struct net_pair *pair = ctx;

	if (pair->serving)
		return;
	pair->serving = true;
	pair->rx_starved = pair->tx_blocked = pair->tx_unsent = false;
	pair->port.fd = pair->net->be->fds[pair->index];
	add_kick(pair, &pair->rx_kick, pair->rx);
	add_kick(pair, &pair->tx_kick, pair->tx);
	if (pair->index == 0)
		net_ctrl_start(pair->net);
	vq_want_kicks(pair->rx, false);
	net_rx_service(pair);
	net_tx_service(pair);
	net_pair_update_port(pair);
}

void net_pair_stop(void *ctx)
{
	struct net_pair *pair = ctx;

	if (!pair->serving)
		return;
	if (pair->index == 0)
		net_ctrl_stop(pair->net);
	pair->serving = false;
	net_pair_update_port(pair);
	if (pair->rx->live)
		loop_remove(&pair->thread.loop, &pair->rx_kick);
	if (pair->tx->live)
		loop_remove(&pair->thread.loop, &pair->tx_kick);
	net_rx_release(pair);
}

void net_pair_init(struct net_pair *pair, struct virtio_net *net, int index)
{
	pair->net = net;
	pair->index = index;
	pair->rx = &net->queues[2 * index];
	pair->tx = &net->queues[2 * index + 1];
	pair->rx_kick = (struct loop_source){-1, rx_kick_ready};
	pair->tx_kick = (struct loop_source){-1, tx_kick_ready};
	pair->port = (struct loop_source){-1, port_ready};
}
