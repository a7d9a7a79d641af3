/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The device side of a split virtqueue: VIRTIO 1.2, 2.7. Every byte of the rings is the guest's, so each
 * is read once into a local, checked, and the local used. Order with the driver, who runs meanwhile:
 *
 *	take:    avail.idx (acquire) ► avail.ring[] ► descriptors
 *	publish: buffers, used.ring[] ► used.idx (release) ► full barrier ► avail.flags / used_event
 *	sleep:   used.flags / avail_event ► full barrier ► avail.idx
 *
 * The two full barriers pair with the driver's own: without them both sides may sleep.
 */
#include "engine/virtio/vq.h"

#include <linux/virtio_ring.h>
#include <string.h>

static int vq_break(struct vq *vq, const char *fault)
{
	vq->broken = true;
	vq->fault = fault;
	return -HV_GUEST;
}

/* ---- the rings: three places in guest memory that vq_start() checked ----------------------------- */

static uint16_t ring_load(const void *base, size_t offset)
{
	return __atomic_load_n((const uint16_t *)((const uint8_t *)base + offset),
			       __ATOMIC_ACQUIRE);
}

static void used_store16(struct vq *vq, size_t offset, uint16_t value)
{
	__atomic_store_n((uint16_t *)((uint8_t *)vq->used + offset), value, __ATOMIC_RELEASE);
	gmem_dirty(vq->mem, vq->used_gpa + offset, sizeof value);
}

/* Between our store and our load: what neither acquire nor release orders. */
static void full_barrier(void)
{
#ifndef __SANITIZE_THREAD__ /* which knows no fences; it checks happens-before only */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static uint16_t avail_idx(const struct vq *vq)
{
	return ring_load(vq->avail, offsetof(struct vring_avail, idx));
}

static size_t avail_ring_offset(uint16_t index)
{
	return offsetof(struct vring_avail, ring) + sizeof(uint16_t) * (size_t)index;
}

static size_t used_ring_offset(uint16_t index)
{
	return offsetof(struct vring_used, ring) + sizeof(struct vring_used_elem) * (size_t)index;
}

/* used_event lies behind the available ring, avail_event behind the used ring. */
static uint16_t used_event(const struct vq *vq)
{
	return ring_load(vq->avail, avail_ring_offset(vq->size));
}

/* ---- life --------------------------------------------------------------------------------------- */

int vq_start(struct vq *vq)
{
	uint16_t size = vq->size;
	if (size == 0 || (size & (size - 1)) || size > vq->size_max || size > VQ_SIZE_MAX)
		return vq_break(vq, "its size is not a power of two within the limit");
	if (vq->desc_gpa % 16 || vq->avail_gpa % 2 || vq->used_gpa % 4)
		return vq_break(vq, "its rings are not aligned");
	vq->desc = gmem_ptr(vq->mem, vq->desc_gpa, sizeof(struct vring_desc) * size);
	vq->avail = gmem_ptr(vq->mem, vq->avail_gpa, avail_ring_offset(size) + sizeof(uint16_t));
	vq->used = gmem_ptr(vq->mem, vq->used_gpa, used_ring_offset(size) + sizeof(uint16_t));
	if (!vq->desc || !vq->avail || !vq->used) {
		vq_stop(vq);
		return vq_break(vq, "its rings lie outside of memory");
	}
	vq->live = true;
	return 0;
}

void vq_stop(struct vq *vq)
{
	vq->live = false;
	vq->desc = vq->avail = vq->used = NULL;
}

void vq_reset(struct vq *vq)
{
	vq_stop(vq);
	vq->size = vq->size_max;
	vq->desc_gpa = vq->avail_gpa = vq->used_gpa = 0;
	vq->enabled = vq->broken = vq->event_idx = vq->indirect = false;
	vq->fault = NULL;
	vq->next_avail = vq->next_used = vq->signalled_used = 0;
	vq->signalled_valid = false;
	__atomic_store_n(&vq->vector, VQ_NO_VECTOR, __ATOMIC_RELAXED);
}

/* ---- taking requests ---------------------------------------------------------------------------- */

struct walk {
	struct vq *vq;
	struct vq_chain *chain;
	int n_iov, n_filled;
	uint64_t total;
};

/* Copies a descriptor so that no later use can read guest memory again. Tables may be unaligned. */
static struct vring_desc desc_copy(const void *table, unsigned index)
{
	struct vring_desc desc;
	memcpy(&desc, (const uint8_t *)table + sizeof desc * index, sizeof desc);
	__asm__ volatile("" : "+m"(desc));
	return desc;
}

static int walk_add(struct walk *walk, const struct vring_desc *desc)
{
	struct vq_chain *chain = walk->chain;
	bool write = desc->flags & VRING_DESC_F_WRITE;
	if (!write && chain->n_write)
		return vq_break(walk->vq, "a readable part follows a writable one");
	walk->total += desc->len;
	if (walk->total > UINT32_MAX)
		return vq_break(walk->vq, "a request is longer than 4 GiB");
	if (desc->len == 0)
		return 0;
	void *hva = gmem_ptr(walk->vq->mem, desc->addr, desc->len);
	if (!hva)
		return vq_break(walk->vq, "a descriptor lies outside of memory");
	if (walk->n_filled == walk->n_iov)
		return -HV_LIMIT;
	chain->iov[walk->n_filled++] = (struct iovec){hva, desc->len};
	if (write) {
		chain->n_write++;
		chain->write_len += desc->len;
	} else {
		chain->n_read++;
		chain->read_len += desc->len;
	}
	return 0;
}

/* An indirect table: entry 0 first, linked by next; each entry at most once, no table below it. */
static int walk_indirect(struct walk *walk, const struct vring_desc *at)
{
	if (!walk->vq->indirect)
		return vq_break(walk->vq, "an indirect descriptor was not negotiated");
	if (at->flags & VRING_DESC_F_NEXT)
		return vq_break(walk->vq, "an indirect descriptor has a next one");
	unsigned n = at->len / sizeof(struct vring_desc);
	if (n == 0 || n > VQ_SIZE_MAX || at->len % sizeof(struct vring_desc))
		return vq_break(walk->vq, "an indirect table has an impossible length");
	const void *table = gmem_ptr(walk->vq->mem, at->addr, at->len);
	if (!table)
		return vq_break(walk->vq, "an indirect table lies outside of memory");
	unsigned index = 0;
	for (unsigned steps = 0; steps < n; steps++) {
		struct vring_desc desc = desc_copy(table, index);
		if (desc.flags & VRING_DESC_F_INDIRECT)
			return vq_break(walk->vq, "an indirect table holds another one");
		int ret = walk_add(walk, &desc);
		if (ret || !(desc.flags & VRING_DESC_F_NEXT))
			return ret;
		if (desc.next >= n)
			return vq_break(walk->vq, "a next index is out of range");
		index = desc.next;
	}
	return vq_break(walk->vq, "a descriptor chain loops");
}

static int walk_chain(struct walk *walk, uint16_t head)
{
	uint16_t size = walk->vq->size;
	unsigned index = head;
	for (unsigned steps = 0; steps < size; steps++) {
		struct vring_desc desc = desc_copy(walk->vq->desc, index);
		if (desc.flags & VRING_DESC_F_INDIRECT)
			return walk_indirect(walk, &desc);
		int ret = walk_add(walk, &desc);
		if (ret || !(desc.flags & VRING_DESC_F_NEXT))
			return ret;
		if (desc.next >= size)
			return vq_break(walk->vq, "a next index is out of range");
		index = desc.next;
	}
	return vq_break(walk->vq, "a descriptor chain loops");
}

int vq_next(struct vq *vq, struct vq_chain *chain, struct iovec *iov, int n_iov)
{
	if (vq->broken)
		return -HV_GUEST;
	if (!vq->live)
		return 0;
	uint16_t waiting = avail_idx(vq) - vq->next_avail;
	if (waiting == 0)
		return 0;
	if (waiting > vq->size)
		return vq_break(vq, "its available index jumped");
	/* A driver that makes a descriptor available again before it came back could have us hold more
	 * requests than there are descriptors, and overrun the used ring. */
	if ((uint16_t)(vq->next_avail - vq->next_used) >= vq->size)
		return vq_break(vq, "more requests are available than it has descriptors");
	uint16_t head = ring_load(vq->avail, avail_ring_offset(vq->next_avail & (vq->size - 1)));
	if (head >= vq->size)
		return vq_break(vq, "a head index is out of range");
	*chain = (struct vq_chain){.head = head, .iov = iov};
	struct walk walk = {vq, chain, n_iov, 0, 0};
	int ret = walk_chain(&walk, head);
	if (ret)
		return ret;
	vq->next_avail++;
	return 1;
}

void vq_unget(struct vq *vq)
{
	vq->next_avail--;
}

bool vq_empty(struct vq *vq)
{
	return !vq->live || vq->broken || avail_idx(vq) == vq->next_avail;
}

bool vq_want_kicks(struct vq *vq, bool want)
{
	if (!vq->live || vq->broken)
		return false;
	if (!vq->event_idx)
		used_store16(vq, offsetof(struct vring_used, flags),
			     want ? 0 : VRING_USED_F_NO_NOTIFY);
	else if (want)
		used_store16(vq, used_ring_offset(vq->size), vq->next_avail);
	full_barrier();
	return !vq_empty(vq);
}

/* ---- giving them back --------------------------------------------------------------------------- */

static void mark_written(struct vq *vq, const struct vq_chain *chain, size_t written)
{
	const struct iovec *iov = chain->iov + chain->n_read;
	for (unsigned i = 0; i < chain->n_write && written; i++) {
		size_t len = written < iov[i].iov_len ? written : iov[i].iov_len;
		gmem_dirty_hva(vq->mem, iov[i].iov_base, len);
		written -= len;
	}
}

void vq_stage(struct vq *vq, const struct vq_chain *chain, size_t written, unsigned n_staged)
{
	if (!vq->live || n_staged >= vq->size)
		return;
	if (written > chain->write_len)
		written = chain->write_len;
	mark_written(vq, chain, written);
	uint16_t index = (vq->next_used + n_staged) & (vq->size - 1);
	struct vring_used_elem elem = {chain->head, (uint32_t)written};
	memcpy((uint8_t *)vq->used + used_ring_offset(index), &elem, sizeof elem);
	gmem_dirty(vq->mem, vq->used_gpa + used_ring_offset(index), sizeof elem);
}

void vq_publish(struct vq *vq, unsigned n_staged)
{
	if (!vq->live)
		return;
	vq->next_used += n_staged;
	/* 65536 entries since the last signal would make the difference below wrap: then just signal */
	if ((uint16_t)(vq->next_used - vq->signalled_used) < n_staged)
		vq->signalled_valid = false;
	used_store16(vq, offsetof(struct vring_used, idx), vq->next_used);
}

void vq_complete(struct vq *vq, const struct vq_chain *chain, size_t written)
{
	vq_stage(vq, chain, written, 0);
	vq_publish(vq, 1);
}

static bool wants_interrupt(struct vq *vq)
{
	if (!vq->event_idx)
		return !(ring_load(vq->avail, offsetof(struct vring_avail, flags)) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	bool valid = vq->signalled_valid;
	uint16_t old = vq->signalled_used;
	vq->signalled_used = vq->next_used;
	vq->signalled_valid = true;
	return !valid || vring_need_event(used_event(vq), vq->next_used, old);
}

void vq_signal(struct vq *vq)
{
	if (!vq->live)
		return;
	full_barrier();
	if (wants_interrupt(vq) && vq->interrupt)
		vq->interrupt(vq->transport, vq);
}

/* ---- scatter and gather ------------------------------------------------------------------------- */

static size_t iov_copy(const struct iovec *iov, int n_iov, size_t offset, void *out, const void *in,
		       size_t len)
{
	size_t copied = 0;
	for (int i = 0; i < n_iov && copied < len; i++) {
		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		uint8_t *part = (uint8_t *)iov[i].iov_base + offset;
		size_t n = iov[i].iov_len - offset;
		if (n > len - copied)
			n = len - copied;
		if (out)
			memcpy((uint8_t *)out + copied, part, n);
		else
			memcpy(part, (const uint8_t *)in + copied, n);
		copied += n;
		offset = 0;
	}
	return copied;
}

size_t iov_copy_out(const struct iovec *iov, int n_iov, size_t offset, void *to, size_t len)
{
	return iov_copy(iov, n_iov, offset, to, NULL, len);
}

size_t iov_copy_in(const struct iovec *iov, int n_iov, size_t offset, const void *from, size_t len)
{
	return iov_copy(iov, n_iov, offset, NULL, from, len);
}
