/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of virtio-net share: the device, its pairs, and which thread may touch what.
 *
 *	queue 2i   ◄── receive ◄──┐ pair i, its thread ┌── backend's descriptor i
 *	queue 2i+1 ──► transmit ──┘                    └─►
 *	control queue ──► pair 0's thread, which calls the other pairs' threads (never the reverse)
 *
 * Threads are told to start and stop by iothread_call(), pair 0 stopping first and starting last,
 * so that no control command runs while the others change. No lock is taken on the data path.
 */
#ifndef HV_NET_VIRTIO_NET_PRIV_H
#define HV_NET_VIRTIO_NET_PRIV_H

#include <linux/virtio_net.h>
#include <stdatomic.h>

#include "engine/net/net.h"
#include "engine/net/virtio_net.h"
#include "engine/virtio/virtio.h"
#include "engine/vmm/loop.h"

/* Not in the headers of Debian 12. */
#define NET_F_GUEST_USO4 54
#define NET_F_GUEST_USO6 55
#define NET_F_HOST_USO 56

#define NET_FEATURE(bit) (UINT64_C(1) << (bit))

/* What VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET may switch. */
#define NET_GUEST_OFFLOADS                                                                         \
	(NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | NET_FEATURE(VIRTIO_NET_F_GUEST_TSO4) |             \
	 NET_FEATURE(VIRTIO_NET_F_GUEST_TSO6) | NET_FEATURE(VIRTIO_NET_F_GUEST_ECN) |              \
	 NET_FEATURE(NET_F_GUEST_USO4) | NET_FEATURE(NET_F_GUEST_USO6))

#define NET_QUEUE_SIZE 256
#define NET_CTRL_SIZE 64
/* Frames before the other direction has its turn, and used entries before they are published. */
#define NET_BUDGET 256
#define NET_STAGE 64
/* The longest chain of the guest that we take, in parts. Linux needs 19. */
#define NET_CHAIN_PARTS 256

#define NET_MACS_MAX 64
#define NET_VLANS 4096

/* Receive buffers taken from the guest ahead of frames: chains[first..first+n), their parts one
 * after another in iov. What is not used goes back to the ring when the queue is stopped. */
#define NET_HELD_MAX 128
struct net_held {
	struct vq_chain chains[NET_HELD_MAX];
	struct iovec iov[NET_CHAIN_PARTS + 1]; /* one more, for the backend */
	int first, n;
	int first_iov, n_iov;
	size_t len; /* room in all of them */
};

/* Which frames the guest wants (VIRTIO 1.2, 5.1.6.5.1 to 5.1.6.5.3). */
struct net_filter {
	uint8_t mac[6];
	uint8_t promiscuous, all_multicast, all_unicast, no_multicast, no_unicast, no_broadcast;
	uint8_t unicast_overflow, multicast_overflow; /* more addresses than fit: take all */
	uint32_t n_unicast, n_multicast;
	uint8_t unicast[NET_MACS_MAX][6], multicast[NET_MACS_MAX][6];
	uint64_t vlans[NET_VLANS / 64]; /* a bit a VLAN */
	uint8_t filter_vlans;           /* VIRTIO_NET_F_CTRL_VLAN negotiated */
};

struct net_counters {
	_Atomic uint64_t packets, bytes, drops, signals; /* written by the pair's thread only */
};

struct virtio_net;

struct net_pair {
	struct virtio_net *net;
	int index;
	struct iothread thread;
	/* What follows belongs to the thread. */
	struct vq *rx, *tx;
	struct loop_source rx_kick, tx_kick, port;
	uint32_t port_events;
	bool serving;
	bool port_added;
	bool rx_starved; /* waits for the guest's buffers */
	bool tx_blocked; /* waits for the backend to be writable */
	bool tx_unsent;  /* the backend keeps something to be flushed */
	size_t rx_need;  /* length of a frame that did not fit, 0 */
	struct net_held held;
	struct net_counters rx_count, tx_count;
};

struct virtio_net {
	struct virtio_dev dev;
	struct net_backend *be;
	int n_pairs;
	int mtu;
	uint8_t mac[6]; /* as configured */

	/* Guest-visible state: changed on pair 0's thread, or while all pairs are stopped. */
	uint16_t pairs_active;
	uint64_t guest_offloads;  /* feature bits */
	struct net_filter filter; /* read by all pairs: only changed while they are stopped */
	bool running; /* pairs are served: active and not paused; under dev.lock, read by pair 0 */
	bool loaded;  /* state came from load(), so activate() keeps it; under dev.lock */

	_Atomic bool link_up; /* the operator's wish */
	_Atomic bool peer_gone;
	_Atomic bool announce; /* VIRTIO_NET_S_ANNOUNCE */
	/* pairs_active and filter.mac, for other threads */
	_Atomic int pairs_shown;
	_Atomic uint64_t mac_shown;

	struct loop_source ctrl_kick; /* on pair 0's thread */
	struct vq *ctrl;              /* NULL where not negotiated */
	struct vq queues[2 * NET_PAIRS_MAX + 1];
	struct net_pair pairs[]; /* n_pairs */
};

static inline struct virtio_net *virtio_net_of(struct virtio_dev *dev)
{
	return (struct virtio_net *)dev;
}

static inline void net_count(_Atomic uint64_t *counter, uint64_t n)
{
	/* one writer: no locked instruction is needed */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline bool net_has_link(struct virtio_net *net)
{
	return atomic_load(&net->link_up) && !atomic_load(&net->peer_gone);
}

/* The pair's thread: serve the queue until it is empty, the backend blocks or the budget is spent.
 */
void net_rx_service(struct net_pair *pair);
void net_tx_service(struct net_pair *pair);
/* Gives all held receive buffers back to the ring. */
void net_rx_release(struct net_pair *pair);

/* virtio_net_pair.c */
void net_pair_init(struct net_pair *pair, struct virtio_net *net, int index);
void net_pair_start(void *pair); /* on its thread */
void net_pair_stop(void *pair);  /* on its thread; harmless when it is not serving */
/* Polls the backend for what the pair waits for. */
void net_pair_update_port(struct net_pair *pair);
/* Come again after the other sources had their turn. */
void net_pair_again(struct vq *vq);
/* The guest broke a queue, by a ring (fault NULL: vq.c has said why) or by what it holds. The queue
 * is not served until the device's reset. */
void net_queue_fail(struct virtio_net *net, struct vq *vq, const char *fault);
/* The backend's peer is gone. */
void net_pair_lost(struct net_pair *pair);

/* virtio_net_filter.c */
void net_filter_reset(struct net_filter *filter, const uint8_t mac[6]);
/* frame[16]: the first bytes after the virtio header. */
bool net_filter_wants(const struct net_filter *filter, const uint8_t frame[16]);

/* virtio_net_ctrl.c */
void net_ctrl_start(struct virtio_net *net); /* on pair 0's thread */
void net_ctrl_stop(struct virtio_net *net);
/* One command: parts[n] of len bytes readable. Returns VIRTIO_NET_OK or VIRTIO_NET_ERR. */
uint8_t net_ctrl_command(struct virtio_net *net, const struct iovec *parts, int n, size_t len);

/* virtio_net_features.c */
uint64_t net_features_offered(const struct net_backend *be, int pairs);
bool net_features_ok(struct virtio_dev *dev, uint64_t features);
/* Tells the backend what guest_offloads asks for, and how long frames may get. All pairs but the
 * caller's own have stopped. */
int net_apply_offloads(struct virtio_net *net, struct hv_error *err);

/* virtio_net.c. All pairs but the caller's own have stopped. */
int net_use_pairs(struct virtio_net *net, int n, struct hv_error *err);
void net_show_mac(struct virtio_net *net);
/* The active pairs but the first, from pair 0's thread or when that has stopped. */
void net_others_stop(struct virtio_net *net);
void net_others_start(struct virtio_net *net);

/* virtio_net_state.c */
int net_save(struct virtio_dev *dev, struct state_out *out, struct hv_error *err);
int net_load(struct virtio_dev *dev, struct state_in *in, struct hv_error *err);

#endif
