/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What all virtio devices share, whatever the transport: VIRTIO 1.2, 2.1 (status), 2.2 (features), 3.1
 * (bring-up). Guests write these registers from several vCPUs at once, in any order and with any value.
 */
#include "engine/virtio/virtio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RING_FEATURES                                                                              \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC |                        \
	 1ull << VIRTIO_RING_F_EVENT_IDX)

/* ---- life --------------------------------------------------------------------------------------- */

int virtio_dev_init(struct virtio_dev *dev, const struct virtio_ops *ops,
		    const struct device_env *env, const char *id, struct vq *queues, int n_queues,
		    struct hv_error *err)
{
	dev->ops = ops;
	dev->env = env;
	snprintf(dev->id, sizeof dev->id, "%s", id);
	dev->queues = queues;
	dev->n_queues = n_queues;
	pthread_mutex_init(&dev->lock, NULL);
	for (int i = 0; i < n_queues; i++)
		queues[i].kick_fd = -1;
	for (int i = 0; i < n_queues; i++) {
		struct vq *vq = &queues[i];
		vq->mem = env->mem;
		vq->index = (uint16_t)i;
		vq_reset(vq);
		vq->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (vq->kick_fd < 0)
			return hv_fail(err, HV_FAILED, errno, "cannot make the doorbells of '%s'",
				       id);
	}
	return 0;
}

void virtio_dev_fini(struct virtio_dev *dev)
{
	if (!dev->ops)
		return;
	for (int i = 0; i < dev->n_queues; i++) {
		if (dev->queues[i].kick_fd >= 0)
			close(dev->queues[i].kick_fd);
		dev->queues[i].kick_fd = -1;
	}
	pthread_mutex_destroy(&dev->lock);
	dev->ops = NULL;
}

/* ---- telling the driver: from any thread, so without dev->lock ----------------------------------- */

static void config_interrupt(struct virtio_dev *dev)
{
	if ((__atomic_load_n(&dev->status, __ATOMIC_ACQUIRE) & VIRTIO_CONFIG_S_DRIVER_OK) &&
	    dev->config_interrupt)
		dev->config_interrupt(dev);
}

void virtio_fail(struct virtio_dev *dev, const char *fmt, ...)
{
	if (__atomic_exchange_n(&dev->failed, true, __ATOMIC_ACQ_REL))
		return;
	char message[160];
	va_list args;
	va_start(args, fmt);
	vsnprintf(message, sizeof message, fmt, args);
	va_end(args);
	vmm_log_limited(&dev->log, "%s: the guest broke the protocol: %s; it must reset the device",
			dev->id, message);
	config_interrupt(dev);
}

void virtio_fail_queue(struct virtio_dev *dev, const struct vq *vq)
{
	virtio_fail(dev, "queue %u: %s", vq->index, vq->fault ? vq->fault : "broken");
}

void virtio_config_changed(struct virtio_dev *dev)
{
	__atomic_add_fetch(&dev->config_generation, 1, __ATOMIC_ACQ_REL);
	config_interrupt(dev);
}

/* ---- features ----------------------------------------------------------------------------------- */

uint64_t virtio_features_offered(const struct virtio_dev *dev)
{
	return dev->offered | RING_FEATURES;
}

void virtio_write_features(struct virtio_dev *dev, unsigned word, uint32_t value)
{
	pthread_mutex_lock(&dev->lock);
	if (dev->status & VIRTIO_CONFIG_S_FEATURES_OK) {
		virtio_fail(dev, "features written after FEATURES_OK");
	} else if (word < 2) {
		unsigned shift = word * 32;
		dev->driver_features &= ~(0xffffffffull << shift);
		dev->driver_features |= (uint64_t)value << shift;
	}
	pthread_mutex_unlock(&dev->lock);
}

/* A driver that asks for what was not offered sees FEATURES_OK missing when it reads status back. */
static bool features_fit(struct virtio_dev *dev)
{
	uint64_t features = dev->driver_features;
	if (features & ~virtio_features_offered(dev) || !(features >> VIRTIO_F_VERSION_1 & 1))
		return false;
	return !dev->ops->features_ok || dev->ops->features_ok(dev, features);
}

/* ---- status ------------------------------------------------------------------------------------- */

static void set_status(struct virtio_dev *dev, uint8_t status)
{
	__atomic_store_n(&dev->status, status, __ATOMIC_RELEASE);
}

static void reset(struct virtio_dev *dev)
{
	if (dev->active)
		dev->ops->deactivate(dev);
	dev->active = false;
	for (int i = 0; i < dev->n_queues; i++)
		vq_reset(&dev->queues[i]);
	dev->driver_features = dev->negotiated = 0;
	set_status(dev, 0);
	__atomic_store_n(&dev->failed, false, __ATOMIC_RELEASE);
}

int virtio_activate(struct virtio_dev *dev, struct hv_error *err)
{
	int ret = 0;
	for (int i = 0; i < dev->n_queues && ret == 0; i++) {
		struct vq *vq = &dev->queues[i];
		vq->indirect = virtio_has(dev, VIRTIO_RING_F_INDIRECT_DESC);
		vq->event_idx = virtio_has(dev, VIRTIO_RING_F_EVENT_IDX);
		if (vq->enabled && vq_start(vq))
			ret = hv_fail(err, HV_GUEST, 0, "queue %d: %s", i, vq->fault);
	}
	if (ret == 0)
		ret = dev->ops->activate(dev, err);
	dev->active = ret == 0;
	if (ret == 0)
		return 0;
	dev->ops->deactivate(dev);
	for (int i = 0; i < dev->n_queues; i++)
		vq_stop(&dev->queues[i]);
	return ret;
}

static void write_features_ok(struct virtio_dev *dev)
{
	if (!features_fit(dev))
		return;
	dev->negotiated = dev->driver_features;
	set_status(dev, dev->status | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void write_driver_ok(struct virtio_dev *dev)
{
	struct hv_error err;
	set_status(dev, dev->status | VIRTIO_CONFIG_S_DRIVER_OK);
	if (virtio_activate(dev, &err))
		virtio_fail(dev, "%s", err.message);
}

/* Bits come in the order of 3.1.1; several in one write are taken in that order. */
static void advance(struct virtio_dev *dev, uint8_t added)
{
	if (added & VIRTIO_CONFIG_S_FAILED)
		set_status(dev, dev->status | VIRTIO_CONFIG_S_FAILED);
	if (added & VIRTIO_CONFIG_S_ACKNOWLEDGE)
		set_status(dev, dev->status | VIRTIO_CONFIG_S_ACKNOWLEDGE);
	if ((added & VIRTIO_CONFIG_S_DRIVER) && (dev->status & VIRTIO_CONFIG_S_ACKNOWLEDGE))
		set_status(dev, dev->status | VIRTIO_CONFIG_S_DRIVER);
	if ((added & VIRTIO_CONFIG_S_FEATURES_OK) && (dev->status & VIRTIO_CONFIG_S_DRIVER))
		write_features_ok(dev);
	if (added & VIRTIO_CONFIG_S_DRIVER_OK) {
		if (dev->status & VIRTIO_CONFIG_S_FEATURES_OK)
			write_driver_ok(dev);
		else
			virtio_fail(dev, "DRIVER_OK without FEATURES_OK");
	}
}

static bool is_allowed(const struct virtio_dev *dev, uint8_t status)
{
	uint8_t known = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK |
			VIRTIO_CONFIG_S_FAILED;
	uint8_t cleared = dev->status & (uint8_t)~status;
	uint8_t needed = 0;
	if (status & VIRTIO_CONFIG_S_DRIVER)
		needed |= VIRTIO_CONFIG_S_ACKNOWLEDGE;
	if (status & (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK))
		needed |= VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	return !(status & ~known) && !cleared && (status & needed) == needed;
}

uint8_t virtio_status(struct virtio_dev *dev)
{
	pthread_mutex_lock(&dev->lock);
	uint8_t status = dev->status;
	pthread_mutex_unlock(&dev->lock);
	if (__atomic_load_n(&dev->failed, __ATOMIC_ACQUIRE))
		status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	return status;
}

void virtio_write_status(struct virtio_dev *dev, uint8_t status)
{
	pthread_mutex_lock(&dev->lock);
	/* drivers add a bit to what they read, which may hold this one */
	uint8_t asked = status & (uint8_t)~VIRTIO_CONFIG_S_NEEDS_RESET;
	if (status == 0)
		reset(dev);
	else if (!is_allowed(dev, asked))
		virtio_fail(dev, "status %#x written where it was %#x", status, dev->status);
	else
		advance(dev, asked & (uint8_t)~dev->status);
	pthread_mutex_unlock(&dev->lock);
}

/* ---- queues ------------------------------------------------------------------------------------- */

/* The queue, locked, if the driver may set it up now; else NULL, and nothing is locked. */
static struct vq *queue_to_set_up(struct virtio_dev *dev, unsigned queue)
{
	/* a driver may select a queue that is not there, to find how many there are */
	if (queue >= (unsigned)dev->n_queues)
		return NULL;
	pthread_mutex_lock(&dev->lock);
	struct vq *vq = &dev->queues[queue];
	if (!(dev->status & VIRTIO_CONFIG_S_DRIVER_OK) && !vq->enabled)
		return vq;
	virtio_fail(dev, "queue %u set up while in use", queue);
	pthread_mutex_unlock(&dev->lock);
	return NULL;
}

void virtio_write_queue_size(struct virtio_dev *dev, unsigned queue, uint16_t size)
{
	struct vq *vq = queue_to_set_up(dev, queue);
	if (!vq)
		return;
	if (size == 0 || size > vq->size_max || (size & (size - 1)))
		virtio_fail(dev, "queue %u: size %u, not a power of two up to %u", queue, size,
			    vq->size_max);
	else
		vq->size = size;
	pthread_mutex_unlock(&dev->lock);
}

void virtio_write_queue_addr(struct virtio_dev *dev, unsigned queue, enum virtio_ring ring,
			     unsigned half, uint32_t value)
{
	struct vq *vq = queue_to_set_up(dev, queue);
	if (!vq)
		return;
	uint64_t *addr = ring == VIRTIO_RING_DESC    ? &vq->desc_gpa
			 : ring == VIRTIO_RING_AVAIL ? &vq->avail_gpa
						     : &vq->used_gpa;
	unsigned shift = half ? 32 : 0;
	*addr = (*addr & ~(0xffffffffull << shift)) | (uint64_t)value << shift;
	pthread_mutex_unlock(&dev->lock);
}

void virtio_write_queue_enable(struct virtio_dev *dev, unsigned queue, uint16_t enable)
{
	struct vq *vq = queue_to_set_up(dev, queue);
	if (!vq)
		return;
	if (enable == 1 && (dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		vq->enabled = true;
	else
		virtio_fail(dev, "queue %u: enable %u at status %#x", queue, enable, dev->status);
	pthread_mutex_unlock(&dev->lock);
}

/* ---- device-specific configuration -------------------------------------------------------------- */

void virtio_read_config(struct virtio_dev *dev, size_t offset, void *to, size_t len)
{
	memset(to, 0, len);
	if (!dev->ops->read_config || offset > dev->config_len || len > dev->config_len - offset)
		return;
	pthread_mutex_lock(&dev->lock);
	dev->ops->read_config(dev, offset, to, len);
	pthread_mutex_unlock(&dev->lock);
}

void virtio_write_config(struct virtio_dev *dev, size_t offset, const void *from, size_t len)
{
	if (!dev->ops->write_config || offset > dev->config_len || len > dev->config_len - offset)
		return;
	pthread_mutex_lock(&dev->lock);
	dev->ops->write_config(dev, offset, from, len);
	pthread_mutex_unlock(&dev->lock);
}

void virtio_config_copy(const void *config, size_t config_len, size_t offset, void *to, size_t len)
{
	memset(to, 0, len);
	if (offset >= config_len)
		return;
	size_t n = len < config_len - offset ? len : config_len - offset;
	memcpy(to, (const uint8_t *)config + offset, n);
}
