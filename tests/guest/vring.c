/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Split virtqueues. Requests of more than one part go through an indirect table where that was
 * agreed on; otherwise they are chained. With EVENT_IDX a kick is spared when the device does not
 * wait for one.
 */
#include "tests/guest/vring.h"
#include "tests/guest/clock.h"
#include "tests/guest/io.h"
#include "tests/guest/mem.h"
#include "tests/guest/text.h"

#define USED_NO_NOTIFY 1

struct vring *vring_new(uint16_t size_max, unsigned max_parts)
{
	struct vring *r = mem_alloc(sizeof(*r), 64);

	if (!r)
		return NULL;
	r->size_max = size_max;
	r->max_parts = max_parts;
	r->desc = mem_alloc(16ul * size_max, 4096);
	r->avail = mem_alloc(6 + 2ul * size_max, 64);
	r->used = mem_alloc(6 + 8ul * size_max, 64);
	r->tables = mem_alloc(16ul * size_max * max_parts, 64);
	r->tokens = mem_alloc(sizeof(void *) * size_max, 64);
	return r->desc && r->avail && r->used && r->tables && r->tokens ? r : NULL;
}

void vring_reset(struct vring *r, uint16_t size)
{
	memset(r->desc, 0, 16ul * size);
	memset(r->avail, 0, 6 + 2ul * size);
	memset(r->used, 0, 6 + 8ul * size);
	memset(r->tokens, 0, sizeof(void *) * size);
	r->size = size;
	r->n_free = size;
	r->free_head = r->last_used = r->kicked = 0;
	for (uint16_t i = 0; i < size; i++)
		r->desc[i].next = (uint16_t)(i + 1);
}

static volatile uint16_t *used_event(struct vring *r)
{
	return &r->avail->ring[r->size];
}

static volatile uint16_t *avail_event(struct vring *r)
{
	return (volatile uint16_t *)&r->used->ring[r->size];
}

static void fill(struct vdesc *d, const struct vpart *part, bool in, bool more, uint16_t next)
{
	d->addr = (uint64_t)part->addr;
	d->len = part->len;
	d->flags = (in ? DESC_WRITE : 0) | (more ? DESC_NEXT : 0);
	d->next = next;
}

static void add_indirect(struct vring *r, uint16_t head, const struct vpart *parts, int n_out,
			 int n)
{
	struct vdesc *table = r->tables + (uint64_t)head * r->max_parts;
	struct vdesc *d = &r->desc[head];

	r->free_head = d->next;
	r->n_free--;
	for (int i = 0; i < n; i++)
		fill(&table[i], &parts[i], i >= n_out, i + 1 < n, (uint16_t)(i + 1));
	d->addr = (uint64_t)table;
	d->len = 16u * n;
	d->flags = DESC_INDIRECT;
}

static void add_chain(struct vring *r, uint16_t head, const struct vpart *parts, int n_out, int n)
{
	uint16_t at = head;

	for (int i = 0; i < n; i++) {
		uint16_t next = r->desc[at].next;
		fill(&r->desc[at], &parts[i], i >= n_out, i + 1 < n, next);
		at = next;
	}
	r->free_head = at;
	r->n_free = (uint16_t)(r->n_free - n);
}

bool vring_add(struct vring *r, const struct vpart *parts, int n_out, int n_in, void *token)
{
	int n = n_out + n_in;
	bool indirect = r->indirect && n > 1 && n <= (int)r->max_parts;
	uint16_t head = r->free_head;

	if (r->n_free < (indirect ? 1 : n))
		return false;
	if (indirect)
		add_indirect(r, head, parts, n_out, n);
	else
		add_chain(r, head, parts, n_out, n);
	r->tokens[head] = token;
	uint16_t idx = r->avail->idx;
	r->avail->ring[idx % r->size] = head;
	asm volatile("" : : : "memory"); /* x86 keeps the order of stores */
	r->avail->idx = (uint16_t)(idx + 1);
	return true;
}

void vring_kick(struct vring *r)
{
	uint16_t now = r->avail->idx, before = r->kicked;

	barrier_full();
	r->kicked = now;
	bool needed = r->event_idx
			      ? (uint16_t)(now - *avail_event(r) - 1) < (uint16_t)(now - before)
			      : !(r->used->flags & USED_NO_NOTIFY);
	if (!needed) {
		r->kicks_spared++;
		return;
	}
	r->kicks++;
	mmio_write16(r->notify, r->index);
}

void *vring_take(struct vring *r, uint32_t *len)
{
	if (r->last_used == r->used->idx)
		return NULL;
	asm volatile("" : : : "memory");
	uint16_t slot = r->last_used % r->size;
	uint16_t head = (uint16_t)r->used->ring[slot].id, at = head;
	if (len)
		*len = r->used->ring[slot].len;
	r->last_used++;
	r->n_free++;
	while (r->desc[at].flags & DESC_NEXT) {
		at = r->desc[at].next;
		r->n_free++;
	}
	r->desc[at].next = r->free_head;
	r->free_head = head;
	void *token = r->tokens[head];
	r->tokens[head] = NULL;
	return token;
}

bool vring_arm(struct vring *r)
{
	if (r->event_idx)
		*used_event(r) = r->last_used;
	barrier_full();
	return r->last_used != r->used->idx;
}

void *vring_wait(struct vring *r, uint32_t *len, unsigned timeout_ms)
{
	uint64_t until = clock_ns() + timeout_ms * 1000000ull;

	for (;;) {
		uint32_t seen = irq_count[r->vector];
		void *token = vring_take(r, len);
		if (token)
			return token;
		if (!vring_arm(r) && !clock_wait(&irq_count[r->vector], seen, until))
			return vring_take(r, len);
	}
}
