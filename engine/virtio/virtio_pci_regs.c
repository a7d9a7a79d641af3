/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The common configuration registers of virtio-pci (VIRTIO 1.2, 4.1.4.3). Reads of any width are served;
 * writes only at a register's own width, 64-bit ones also by halves, as 4.1.3.1 has drivers do.
 */
#include <linux/virtio_pci.h>
#include <string.h>

#include "engine/virtio/virtio_pci.h"

#define REG(offset) VIRTIO_PCI_COMMON_##offset
#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define STORE(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELAXED)

static uint32_t feature_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

static void read_features(struct virtio_pci *vp, struct virtio_pci_common_cfg *cfg)
{
	cfg->device_feature_select = LOAD(vp->device_feature_select);
	cfg->guest_feature_select = LOAD(vp->driver_feature_select);
	cfg->device_feature =
		feature_word(virtio_features_offered(vp->dev), cfg->device_feature_select);
	cfg->guest_feature = feature_word(vp->dev->driver_features, cfg->guest_feature_select);
}

/* A queue that is not there has size 0. */
static void read_queue(struct virtio_pci *vp, struct virtio_pci_common_cfg *cfg)
{
	cfg->queue_select = LOAD(vp->queue_select);
	if (cfg->queue_select >= vp->dev->n_queues)
		return;
	const struct vq *vq = &vp->dev->queues[cfg->queue_select];
	cfg->queue_size = vq->size;
	cfg->queue_msix_vector = LOAD(vq->vector);
	cfg->queue_enable = vq->enabled;
	cfg->queue_notify_off = vq->index;
	cfg->queue_desc_lo = (uint32_t)vq->desc_gpa;
	cfg->queue_desc_hi = (uint32_t)(vq->desc_gpa >> 32);
	cfg->queue_avail_lo = (uint32_t)vq->avail_gpa;
	cfg->queue_avail_hi = (uint32_t)(vq->avail_gpa >> 32);
	cfg->queue_used_lo = (uint32_t)vq->used_gpa;
	cfg->queue_used_hi = (uint32_t)(vq->used_gpa >> 32);
}

uint64_t virtio_pci_common_read(struct virtio_pci *vp, unsigned offset, unsigned size)
{
	struct virtio_pci_common_cfg cfg = {.queue_msix_vector = VIRTIO_MSI_NO_VECTOR};
	_Static_assert(sizeof cfg == VIRTIO_PCI_COMMON_LEN, "the layout of 4.1.4.3");
	uint64_t value = 0;
	if (offset >= sizeof cfg)
		return 0;
	cfg.device_status = virtio_status(vp->dev);
	pthread_mutex_lock(&vp->dev->lock);
	read_features(vp, &cfg);
	read_queue(vp, &cfg);
	pthread_mutex_unlock(&vp->dev->lock);
	cfg.msix_config = LOAD(vp->config_vector);
	cfg.num_queues = (uint16_t)vp->dev->n_queues;
	cfg.config_generation = LOAD(vp->dev->config_generation);
	memcpy(&value, (uint8_t *)&cfg + offset,
	       size < sizeof cfg - offset ? size : sizeof cfg - offset);
	return value;
}

/* A vector that is not there reads back as none: 4.1.5.1.2. */
static uint16_t checked_vector(const struct virtio_pci *vp, uint64_t value)
{
	return value < vp->n_vectors ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
}

static void write_queue_vector(struct virtio_pci *vp, unsigned queue, uint64_t value)
{
	if (queue < (unsigned)vp->dev->n_queues)
		STORE(vp->dev->queues[queue].vector, checked_vector(vp, value));
}

static void write_status(struct virtio_pci *vp, uint8_t status)
{
	virtio_write_status(vp->dev, status);
	if (status)
		return;
	STORE(vp->config_vector, VIRTIO_MSI_NO_VECTOR);
	STORE(vp->isr, 0);
}

static void write_half(struct virtio_pci *vp, unsigned offset, uint32_t value)
{
	enum virtio_ring ring = offset < REG(Q_AVAILLO)  ? VIRTIO_RING_DESC
				: offset < REG(Q_USEDLO) ? VIRTIO_RING_AVAIL
							 : VIRTIO_RING_USED;
	virtio_write_queue_addr(vp->dev, LOAD(vp->queue_select), ring, offset >> 2 & 1, value);
}

static void write32(struct virtio_pci *vp, unsigned offset, uint32_t value)
{
	if (offset == REG(DFSELECT))
		STORE(vp->device_feature_select, value);
	else if (offset == REG(GFSELECT))
		STORE(vp->driver_feature_select, value);
	else if (offset == REG(GF))
		virtio_write_features(vp->dev, LOAD(vp->driver_feature_select), value);
	else if (offset >= REG(Q_DESCLO) && offset <= REG(Q_USEDHI) && offset % 4 == 0)
		write_half(vp, offset, value);
}

static void write16(struct virtio_pci *vp, unsigned offset, uint16_t value)
{
	unsigned queue = LOAD(vp->queue_select);
	if (offset == REG(MSIX))
		STORE(vp->config_vector, checked_vector(vp, value));
	else if (offset == REG(Q_SELECT))
		STORE(vp->queue_select, value);
	else if (offset == REG(Q_SIZE))
		virtio_write_queue_size(vp->dev, queue, value);
	else if (offset == REG(Q_MSIX))
		write_queue_vector(vp, queue, value);
	else if (offset == REG(Q_ENABLE))
		virtio_write_queue_enable(vp->dev, queue, value);
}

void virtio_pci_common_write(struct virtio_pci *vp, unsigned offset, unsigned size, uint64_t value)
{
	if (size == 1 && offset == REG(STATUS)) {
		write_status(vp, (uint8_t)value);
	} else if (size == 2) {
		write16(vp, offset, (uint16_t)value);
	} else if (size == 4) {
		write32(vp, offset, (uint32_t)value);
	} else if (size == 8 && offset >= REG(Q_DESCLO) && offset % 8 == 0) {
		write32(vp, offset, (uint32_t)value);
		write32(vp, offset + 4, (uint32_t)(value >> 32));
	}
}
