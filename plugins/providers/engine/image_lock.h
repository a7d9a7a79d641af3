/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Locks on images, in the byte-range scheme that QEMU uses too, so that both keep each other out.
 */
#ifndef HV_PROVIDER_IMAGE_LOCK_H
#define HV_PROVIDER_IMAGE_LOCK_H

#include <stdbool.h>

#include "engine/model/error.h"

/*
 * Locks an open image for one user: a writer lets nobody else write, a reader no writer in. The
 * lock belongs to the open file description: it is inherited with the descriptor and goes with its
 * last copy. HV_CONFLICT names the image and says who uses it, where the kernel tells.
 */
int image_lock(int fd, const char *path, bool read_only, struct hv_error *err);

#endif
