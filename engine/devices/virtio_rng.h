/* SPDX-License-Identifier: GPL-3.0-or-later */
/* virtio-rng: random bytes for the guest (VIRTIO 1.2, 5.4). */
#ifndef HV_DEVICES_VIRTIO_RNG_H
#define HV_DEVICES_VIRTIO_RNG_H

#include "engine/virtio/virtio.h"

/* On the main thread; served on env->loop. */
int virtio_rng_new(struct virtio_dev **out, const struct device_env *env, const char *id,
		   struct hv_error *err);

#endif
