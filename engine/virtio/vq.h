/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A split virtqueue, device side (VIRTIO 1.2, 2.7), with indirect descriptors and event indices.
 *
 *	driver ── avail ring ──► vq_next() ─► the device works ─► vq_complete() ── used ring ──► driver
 *
 * The rings are the guest's and hostile: each descriptor is copied once, checked, and the copy used; a
 * chain is bounded by the queue's size; addresses become pointers through gmem_ptr() only. After the
 * first broken chain the queue answers -HV_GUEST until it is reset, and the caller marks the device by
 * virtio_fail().
 *
 * One thread at a time uses a queue (its I/O thread); the transport changes the set-up fields only while
 * the queue is not live.
 */
#ifndef HV_VIRTIO_VQ_H
#define HV_VIRTIO_VQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "engine/vmm/gmem.h"

#define VQ_SIZE_MAX 1024
#define VQ_NO_VECTOR 0xffff /* VIRTIO_MSI_NO_VECTOR */

struct vq {
	struct gmem *mem; /* borrowed */
	/* Set up by the driver through the transport. */
	uint16_t size_max, size;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint16_t vector;   /* MSI-X table index or VQ_NO_VECTOR; atomic: may change any time */
	bool enabled;      /* the driver wrote queue_enable */
	bool live;         /* vq_start() checked the rings; the device may use it */
	bool broken;       /* the guest broke a rule; until reset */
	const char *fault; /* the rule, for virtio_fail_queue(); NULL while not broken */
	bool event_idx, indirect;       /* negotiated */
	uint16_t next_avail, next_used; /* free-running, ours */
	uint16_t signalled_used;        /* next_used at the last signal, for event_idx */
	bool signalled_valid;
	/* Host addresses of the rings, valid while live. */
	void *desc, *avail, *used;
	/* How the queue tells the driver; set by the transport. */
	void (*interrupt)(void *transport, struct vq *vq);
	void *transport;
	int kick_fd; /* eventfd behind the doorbell; owned by virtio_dev_init(); wait on it */
	uint16_t index;
};

/* One request. iov is the caller's, device-readable parts first. */
struct vq_chain {
	uint16_t head;
	uint16_t n_read, n_write; /* parts of iov */
	size_t read_len, write_len;
	struct iovec *iov;
};

/* Checks that the rings lie in memory, aligned as 2.7 asks, and makes the queue live. -HV_GUEST else. */
int vq_start(struct vq *vq);
void vq_stop(struct vq *vq);
/* Back to the state after a device reset; keeps mem, size_max, kick_fd, interrupt, index. */
void vq_reset(struct vq *vq);

/*
 * Take the next request from the available ring.
 *
 * chain->iov[n_iov]: filled, device-readable parts first; host addresses, borrowed until
 * vq_complete(). A descriptor never spans regions of guest memory; empty ones are left out.
 * A hostile driver may have one head in flight twice, but never more requests than vq->size.
 * Returns 1 with a request, 0 when the ring is empty, -HV_GUEST on a bad chain or ring (vq->broken is
 * set: the caller calls virtio_fail_queue()), -HV_LIMIT when n_iov is too small (the request is not
 * taken, and would come again).
 */
int vq_next(struct vq *vq, struct vq_chain *chain, struct iovec *iov, int n_iov);

/* Gives the last request taken back, as if vq_next() had not been called. Only while it is the newest. */
void vq_unget(struct vq *vq);

/* Publishes the request as used, written bytes of its device-writable parts being filled (in order from
 * the first), and marks them dirty. Does not signal. */
void vq_complete(struct vq *vq, const struct vq_chain *chain, size_t written);
/* For mergeable receive buffers: stage several used entries and publish them together. */
void vq_stage(struct vq *vq, const struct vq_chain *chain, size_t written, unsigned n_staged);
void vq_publish(struct vq *vq, unsigned n_staged);

/* Interrupts the driver if it asked for it (flags or used_event). */
void vq_signal(struct vq *vq);

/* Tell the driver whether to ring the doorbell. vq_want_kicks(vq, true) returns whether requests have
 * arrived meanwhile: then poll again before sleeping. */
bool vq_want_kicks(struct vq *vq, bool want);
bool vq_empty(struct vq *vq);

/* Scatter and gather over parts of a chain: copy len bytes at offset; return bytes copied. */
size_t iov_copy_out(const struct iovec *iov, int n_iov, size_t offset, void *to, size_t len);
size_t iov_copy_in(const struct iovec *iov, int n_iov, size_t offset, const void *from, size_t len);

#endif
