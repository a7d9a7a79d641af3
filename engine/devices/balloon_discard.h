/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Giving guest memory back to the host. Only virtio_balloon.c and its tests include it. */
#ifndef HV_DEVICES_BALLOON_DISCARD_H
#define HV_DEVICES_BALLOON_DISCARD_H

#include <stddef.h>
#include <stdint.h>

struct gmem;

/* The unit in which the host takes it back: 4 KiB, or the size of huge pages. */
size_t balloon_page_bytes(const struct gmem *mem);

/* The pages that lie wholly in [hva, hva + len), which gmem_ptr() gave, read as zeros afterwards.
 * Returns the bytes given back; 0 where the host refuses. */
size_t balloon_discard(struct gmem *mem, void *hva, size_t len, size_t page_bytes);

#endif
