/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-balloon (VIRTIO 1.2, 5.5): memory that the guest gives back, on request (balloon) and of its
 * own accord (free page reporting).
 */
#ifndef HV_DEVICES_VIRTIO_BALLOON_H
#define HV_DEVICES_VIRTIO_BALLOON_H

#include "engine/virtio/virtio.h"

/* On the main thread; served on env->loop. */
int virtio_balloon_new(struct virtio_dev **out, const struct device_env *env, const char *id,
		       struct hv_error *err);

/* Asks the guest to give back so many bytes in all; HV_LIMIT above its memory. Main thread. */
int virtio_balloon_set_target(struct virtio_dev *dev, uint64_t balloon_bytes, struct hv_error *err);

#define VIRTIO_BALLOON_STATS 16

struct balloon_stats {
	uint64_t target_bytes;                                   /* asked for */
	uint64_t actual_bytes;                                   /* what the guest says it gave */
	uint64_t inflated_bytes, deflated_bytes, reported_bytes; /* seen by the device, ever */
	/* What the guest told last, by VIRTIO_BALLOON_S_…; valid where has[tag]. */
	uint64_t guest[VIRTIO_BALLOON_STATS];
	bool has[VIRTIO_BALLOON_STATS];
	uint64_t guest_age_ms; /* since it told; UINT64_MAX: never */
};

/* What is known now; asks the guest for new figures, which a later call will see. Main thread. */
void virtio_balloon_stats(struct virtio_dev *dev, struct balloon_stats *stats);

#endif
