/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A split virtqueue (VIRTIO 1.2, 2.7), driver side. One CPU at a time uses one. */
#ifndef GUEST_VRING_H
#define GUEST_VRING_H

#include <stdbool.h>
#include <stdint.h>

#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4

struct vdesc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct vavail {
	volatile uint16_t flags, idx;
	volatile uint16_t ring[]; /* then used_event */
};

struct vused {
	volatile uint16_t flags, idx;
	volatile struct {
		uint32_t id, len;
	} ring[]; /* then avail_event */
};

/* A piece of memory; as always here its address is what the device sees too. */
struct vpart {
	void *addr;
	uint32_t len;
};

struct vring {
	uint16_t size, size_max; /* size_max: what the memory is for */
	unsigned max_parts;
	struct vdesc *desc;
	struct vavail *avail;
	struct vused *used;
	struct vdesc *tables; /* max_parts indirect descriptors for each head */
	void **tokens;
	uint16_t free_head, n_free, last_used;
	uint16_t kicked; /* avail idx at the last kick */
	uint8_t vector;
	bool event_idx, indirect;
	uint64_t notify; /* address of the doorbell */
	uint32_t notify_offset;
	uint16_t index;
	uint32_t kicks, kicks_spared;
};

/* Memory for a ring of at most that size. NULL without memory. */
struct vring *vring_new(uint16_t size_max, unsigned max_parts);
void vring_reset(struct vring *r, uint16_t size);
/* A request: n_out parts to the device, then n_in from it. false when the ring is full. */
bool vring_add(struct vring *r, const struct vpart *parts, int n_out, int n_in, void *token);
void vring_kick(struct vring *r);
/* The next finished request's token, NULL where there is none; len: what the device wrote. */
void *vring_take(struct vring *r, uint32_t *len);
/* Waits for a finished request; NULL after that many milliseconds. */
void *vring_wait(struct vring *r, uint32_t *len, unsigned timeout_ms);
/* Asks for an interrupt at the next finished request; true when there is one already. */
bool vring_arm(struct vring *r);

#endif
