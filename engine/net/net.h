/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the frames of a NIC go: a tap with one descriptor a queue pair, or the stream to passt. A
 * frame always has struct virtio_net_hdr_v1 (12 bytes, little-endian) in front. Calls for one pair
 * come from that pair's I/O thread; different pairs run at the same time.
 */
#ifndef HV_NET_NET_H
#define HV_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "engine/model/error.h"

#define NET_PAIRS_MAX 16
#define NET_HDR_LEN 12
#define NET_ETH_LEN 14
/* Header, Ethernet and VLAN headers, and the largest IP packet; segmentation makes such frames. */
#define NET_FRAME_MAX (NET_HDR_LEN + NET_ETH_LEN + 4 + 65535)

/* What a backend can do with a frame from the guest, and may put into one for it. */
enum net_offload {
	NET_OFFLOAD_CSUM = 1 << 0, /* checksums left to fill in */
	NET_OFFLOAD_TSO4 = 1 << 1,
	NET_OFFLOAD_TSO6 = 1 << 2,
	NET_OFFLOAD_ECN = 1 << 3,
	NET_OFFLOAD_USO = 1 << 4, /* UDP segmentation, IPv4 and IPv6 together */
};

struct net_backend;

struct net_backend_ops {
	/* optional: which of be->offloads frames to the guest may use from now on. Any one thread.
	 */
	int (*set_offloads)(struct net_backend *be, unsigned offloads, struct hv_error *err);
	/* optional: frames for the guest are spread over the first n pairs. Any one thread. */
	int (*set_pairs)(struct net_backend *be, int n, struct hv_error *err);
	/*
	 * Reads one frame into iov[n_iov] of len bytes; iov[n_iov] exists and is the backend's to
	 * use. Returns the frame's length (one too short to be a frame is to be counted and
	 * dropped), -EAGAIN where none waits, -EMSGSIZE where one waits that needs *need bytes,
	 * -EPIPE when the peer is gone.
	 */
	ssize_t (*readv)(struct net_backend *be, int pair, struct iovec *iov, int n_iov, size_t len,
			 size_t *need);
	/* Throws away the frame that waits; returns as readv() does. */
	ssize_t (*drop)(struct net_backend *be, int pair);
	/* Sends one frame of len bytes. 0, -EAGAIN (not taken: wait until writable), -EPIPE, or
	 * what else is wrong with this frame. */
	int (*writev)(struct net_backend *be, int pair, const struct iovec *iov, int n_iov,
		      size_t len);
	/* optional: sends what writev() took and kept; -EAGAIN: call again when writable; -EPIPE.
	 */
	int (*flush)(struct net_backend *be, int pair);
	/* optional: fd replaces the stream to a peer that is gone. No pair is served meanwhile.
	 * Takes fd, on errors too. */
	int (*reconnect)(struct net_backend *be, int fd, struct hv_error *err);
	void (*free)(struct net_backend *be); /* closes the descriptors */
};

struct net_backend {
	const struct net_backend_ops *ops;
	/* These never change. */
	int n_pairs;       /* how many it can serve */
	int rx_pairs;      /* frames for the guest come on the first so many */
	unsigned offloads; /* enum net_offload: what it is able to do */
	/* readv() knows a frame's length beforehand. Otherwise the caller offers rx_len bytes, or
	 * fewer when it has no more: then the frame goes through a buffer. */
	bool knows_len;
	int fds[NET_PAIRS_MAX]; /* to be polled for pair i */
	/* Set by the device while no pair is served: the longest frame to expect. */
	size_t rx_len;
};

/*
 * A tap or macvtap device whose queues are open already.
 *
 * fds[n]: one a pair, with IFF_VNET_HDR and IFF_NO_PI, attached, and with IFF_MULTI_QUEUE where n >
 * 1; taken over on success, made non-blocking. Errors: HV_USAGE for a descriptor that is no such
 * tap, HV_FAILED. TUNSETOFFLOAD and others as in linux/Documentation/networking/tuntap.rst.
 */
int net_tap_new(struct net_backend **out, const int *fds, int n, struct hv_error *err);

/*
 * The stream socket to passt: each frame after its length in 4 bytes, big-endian, as QEMU's stream
 * netdev has it. passt wants whole packets with checksums filled in, so nothing is offloaded. All
 * pairs share the stream for sending; pair 0 receives.
 *
 * fd: connected, and new: a stream that another process has read from cannot be taken on, for it
 * may stand in the middle of a frame. Taken over on success, made non-blocking.
 */
int net_passt_new(struct net_backend **out, int fd, struct hv_error *err);

/* An adapter without a cable; any number of pairs. */
int net_none_new(struct net_backend **out, struct hv_error *err);

static inline void net_backend_free(struct net_backend *be)
{
	if (be)
		be->ops->free(be);
}

#endif
