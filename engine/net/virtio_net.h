/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-net (VIRTIO 1.2, 5.1): 1 to 16 queue pairs over a net_backend, a thread and two vectors a
 * pair. Calls come from the main thread unless they say otherwise.
 */
#ifndef HV_NET_VIRTIO_NET_H
#define HV_NET_VIRTIO_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/model/error.h"

struct device_env;
struct net_backend;
struct virtio_dev;

#define NET_MTU_MIN 68 /* VIRTIO 1.2, 5.1.4.1 */
#define NET_MTU_MAX 9000

struct net_config {
	const char *id; /* "net0" */
	uint8_t mac[6];
	int pairs; /* 1..16; the guest starts with one and enables the others */
	int mtu;   /* NET_MTU_MIN..NET_MTU_MAX */
};

/*
 * backend: taken over on success; it serves at least config->pairs pairs.
 * Errors: HV_USAGE for a value out of range, HV_FAILED. Starts the I/O threads.
 */
int virtio_net_new(struct virtio_dev **out, const struct device_env *env,
		   const struct net_config *config, struct net_backend *backend,
		   struct hv_error *err);

/* Unplugs and plugs the cable: the guest sees its carrier go and come. */
void virtio_net_set_link(struct virtio_dev *dev, bool up);
/* False also when the backend's peer is gone. Any thread. */
bool virtio_net_link(struct virtio_dev *dev);

/* Asks the guest to announce itself to the network (after a migration); nothing where the guest did
 * not negotiate it. */
void virtio_net_announce(struct virtio_dev *dev);

/* fd, which is taken, replaces the stream to a peer that is gone, and the link is up again.
 * HV_CONFLICT for a backend that has no such stream. */
int virtio_net_reconnect(struct virtio_dev *dev, int fd, struct hv_error *err);

/* Counts since the device was made; a frame's bytes are those after the virtio header. */
struct net_queue_stats {
	uint64_t packets, bytes;
	uint64_t drops;   /* bad frames, link down, filtered, no room */
	uint64_t signals; /* interrupts that the guest may have asked for */
};
/* pair 0..pairs-1; rx is what the guest receives. Any thread. */
void virtio_net_queue_stats(struct virtio_dev *dev, int pair, struct net_queue_stats *rx,
			    struct net_queue_stats *tx);
int virtio_net_pairs(const struct virtio_dev *dev);
/* How many pairs the guest uses now. Any thread. */
int virtio_net_pairs_active(struct virtio_dev *dev);

#endif
