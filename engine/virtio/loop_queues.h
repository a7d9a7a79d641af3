/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Queues of a slow device, served on the main loop, so that it needs no thread. Their doorbells are
 * watched for life; a lock and a flag decide whether they are served, since a vCPU that resets the
 * device cannot wait for the main thread (engine/virtio/virtio.h).
 */
#ifndef HV_VIRTIO_LOOP_QUEUES_H
#define HV_VIRTIO_LOOP_QUEUES_H

#include <pthread.h>
#include <stdbool.h>

#include "engine/virtio/virtio.h"
#include "engine/vmm/loop.h"

#define LOOP_QUEUES_MAX 8

struct loop_queues;

struct loop_queue {
	struct loop_source source; /* first */
	struct loop_queues *queues;
	struct vq *vq;
};

struct loop_queues {
	struct virtio_dev *dev;
	/* Serve one queue: the main thread, lock held, the device active and not paused. It does a
	 * bounded amount of work and calls loop_queues_again() where there is more. */
	void (*serve)(struct virtio_dev *dev, struct vq *vq);
	pthread_mutex_t lock; /* the device's own, for all that its queues work on */
	bool serving;
	int n;
	struct loop_queue queues[LOOP_QUEUES_MAX];
};

/* After virtio_dev_init(), on the main thread. Fini likewise; it accepts what init refused. */
int loop_queues_init(struct loop_queues *queues, struct virtio_dev *dev,
		     void (*serve)(struct virtio_dev *dev, struct vq *vq), struct hv_error *err);
void loop_queues_fini(struct loop_queues *queues);
/* For activate(), unless the device is paused, and resume(): has every live queue looked at. */
void loop_queues_start(struct loop_queues *queues);
/* For deactivate() and pause(), any thread: on return no queue is served. */
void loop_queues_stop(struct loop_queues *queues);
/* Has vq served once more, after other sources had their turn. */
void loop_queues_again(struct vq *vq);

/* vq_next() that answers the guest's faults: 1 with a request; 0 without, or when the device failed.
 * A request of more than n_iov parts is such a fault too. */
int loop_queues_next(struct virtio_dev *dev, struct vq *vq, struct vq_chain *chain,
		     struct iovec *iov, int n_iov);

#endif
