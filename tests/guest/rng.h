/* SPDX-License-Identifier: GPL-3.0-or-later */
/* virtio-rng. */
#ifndef GUEST_RNG_H
#define GUEST_RNG_H

#include "tests/guest/virtio.h"

int rng_attach(struct virtio *v); /* 0 or fail() */
/* Bytes got (at least 1), or fail(). */
int rng_read(struct virtio *v, void *to, uint32_t len);

#endif
