/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The driver's side of virtio for units: bring-up without a transport, and split queues by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "tests/unit/fake_machine.h"

/* ---- a transport that counts -------------------------------------------------------------------- */

static void count_interrupt(void *transport, struct vq *vq)
{
	struct fake_transport *fake = transport;
	fake->interrupts[vq->index]++;
}

static void count_config(struct virtio_dev *dev)
{
	struct fake_transport *fake = dev->transport;
	fake->config_interrupts++;
}

void fake_transport_attach(struct fake_transport *transport, struct virtio_dev *dev)
{
	memset(transport, 0, sizeof *transport);
	assert_true(dev->n_queues <= 64);
	dev->transport = transport;
	dev->config_interrupt = count_config;
	for (int i = 0; i < dev->n_queues; i++) {
		dev->queues[i].transport = transport;
		dev->queues[i].interrupt = count_interrupt;
	}
}

/* ---- bring-up ----------------------------------------------------------------------------------- */

void driver_negotiate(struct virtio_dev *dev, uint64_t features)
{
	features |= 1ull << VIRTIO_F_VERSION_1;
	virtio_write_status(dev, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	virtio_write_status(dev, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	virtio_write_features(dev, 0, (uint32_t)features);
	virtio_write_features(dev, 1, (uint32_t)(features >> 32));
	virtio_write_status(dev, virtio_status(dev) | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(virtio_status(dev) & VIRTIO_CONFIG_S_FEATURES_OK);
}

void driver_ok(struct virtio_dev *dev)
{
	virtio_write_status(dev, virtio_status(dev) | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_true(dev->active);
}

static void write_addr(struct virtio_dev *dev, unsigned queue, enum virtio_ring ring, uint64_t gpa)
{
	virtio_write_queue_addr(dev, queue, ring, 0, (uint32_t)gpa);
	virtio_write_queue_addr(dev, queue, ring, 1, (uint32_t)(gpa >> 32));
}

static void make_rings(struct driver_vq *q, struct fake_machine *m, uint16_t size)
{
	memset(q, 0, sizeof *q);
	q->m = m;
	q->size = size;
	q->desc_gpa = fake_alloc(m, 16ull * size, 4096);
	q->avail_gpa = fake_alloc(m, 6 + 2ull * size, 2);
	q->used_gpa = fake_alloc(m, 6 + 8ull * size, 4096);
}

void driver_vq_init(struct driver_vq *q, struct fake_machine *m, struct virtio_dev *dev,
		    unsigned index, uint16_t size)
{
	make_rings(q, m, size);
	q->dev = dev;
	q->vq = &dev->queues[index];
	virtio_write_queue_size(dev, index, size);
	write_addr(dev, index, VIRTIO_RING_DESC, q->desc_gpa);
	write_addr(dev, index, VIRTIO_RING_AVAIL, q->avail_gpa);
	write_addr(dev, index, VIRTIO_RING_USED, q->used_gpa);
	virtio_write_queue_enable(dev, index, 1);
	assert_true(q->vq->enabled);
}

void driver_vq_bind(struct driver_vq *q, struct fake_machine *m, struct vq *vq, uint16_t size)
{
	make_rings(q, m, size);
	memset(vq, 0, sizeof *vq);
	vq->mem = &m->mem;
	vq->size_max = size;
	vq->kick_fd = -1;
	vq_reset(vq);
	vq->desc_gpa = q->desc_gpa;
	vq->avail_gpa = q->avail_gpa;
	vq->used_gpa = q->used_gpa;
	vq->enabled = true;
	q->vq = vq;
	assert_int_equal(vq_start(vq), 0);
}

/* ---- rings -------------------------------------------------------------------------------------- */

struct vring_desc *driver_desc(struct driver_vq *q, unsigned index)
{
	return (struct vring_desc *)fake_ptr(q->m, q->desc_gpa, 16ull * q->size) + index;
}

static uint16_t *avail_word(struct driver_vq *q, unsigned index)
{
	return (uint16_t *)fake_ptr(q->m, q->avail_gpa, 6 + 2ull * q->size) + index;
}

static uint16_t *used_word(struct driver_vq *q, unsigned index)
{
	return (uint16_t *)fake_ptr(q->m, q->used_gpa, 6 + 8ull * q->size) + index;
}

void driver_set_avail_idx(struct driver_vq *q, uint16_t idx)
{
	__atomic_store_n(avail_word(q, 1), idx, __ATOMIC_RELEASE);
	q->next_avail = idx;
}

void driver_push_head(struct driver_vq *q, uint16_t head)
{
	__atomic_store_n(avail_word(q, 2u + q->next_avail % q->size), head, __ATOMIC_RELAXED);
	driver_set_avail_idx(q, q->next_avail + 1);
}

void driver_set_avail_flags(struct driver_vq *q, uint16_t flags)
{
	__atomic_store_n(avail_word(q, 0), flags, __ATOMIC_SEQ_CST);
}

void driver_set_used_event(struct driver_vq *q, uint16_t value)
{
	__atomic_store_n(avail_word(q, 2u + q->size), value, __ATOMIC_SEQ_CST);
}

uint16_t driver_avail_event(struct driver_vq *q)
{
	return __atomic_load_n(used_word(q, 2u + 4u * q->size), __ATOMIC_SEQ_CST);
}

uint16_t driver_used_flags(struct driver_vq *q)
{
	return __atomic_load_n(used_word(q, 0), __ATOMIC_SEQ_CST);
}

static void fill(struct vring_desc *desc, const struct driver_part *part, bool last, uint16_t next)
{
	desc->addr = part->gpa;
	desc->len = part->len;
	desc->flags = (part->write ? VRING_DESC_F_WRITE : 0) | (last ? 0 : VRING_DESC_F_NEXT);
	desc->next = next;
}

uint16_t driver_add(struct driver_vq *q, const struct driver_part *parts, int n)
{
	uint16_t head = q->next_desc;
	assert_true(n > 0 && n <= q->size);
	for (int i = 0; i < n; i++) {
		uint16_t next = (uint16_t)((q->next_desc + 1) % q->size);
		fill(driver_desc(q, q->next_desc), &parts[i], i == n - 1, next);
		q->next_desc = next;
	}
	driver_push_head(q, head);
	return head;
}

uint16_t driver_add_indirect(struct driver_vq *q, const struct driver_part *parts, int n)
{
	uint64_t table_gpa = fake_alloc(q->m, 16ull * (unsigned)n, 16);
	struct vring_desc *table = fake_ptr(q->m, table_gpa, 16ull * (unsigned)n);
	for (int i = 0; i < n; i++)
		fill(&table[i], &parts[i], i == n - 1, (uint16_t)(i + 1));
	uint16_t head = q->next_desc;
	struct vring_desc *desc = driver_desc(q, head);
	desc->addr = table_gpa;
	desc->len = 16u * (unsigned)n;
	desc->flags = VRING_DESC_F_INDIRECT;
	q->next_desc = (uint16_t)((head + 1) % q->size);
	driver_push_head(q, head);
	return head;
}

void driver_kick(struct driver_vq *q)
{
	assert_int_equal(eventfd_write(q->vq->kick_fd, 1), 0);
}

bool driver_take(struct driver_vq *q, uint32_t *id, uint32_t *len)
{
	uint16_t idx = __atomic_load_n(used_word(q, 1), __ATOMIC_ACQUIRE);
	if (idx == q->last_used)
		return false;
	struct vring_used_elem elem;
	memcpy(&elem, used_word(q, 2u + 4u * (q->last_used % q->size)), sizeof elem);
	q->last_used++;
	if (id)
		*id = elem.id;
	if (len)
		*len = elem.len;
	return true;
}

bool driver_wait(struct driver_vq *q, uint32_t *id, uint32_t *len)
{
	for (int i = 0; i < 5000; i++) {
		if (driver_take(q, id, len))
			return true;
		fake_run(q->m, 1);
	}
	return false;
}
