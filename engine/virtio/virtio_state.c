/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A virtio device's pause, resume, save and load. One section for the device, one a queue, then what the
 * device itself keeps. Rings live in guest memory; of them only our two indices are saved.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdio.h>

#include "engine/virtio/virtio.h"
#include "engine/vmm/state.h"

static const struct state_field dev_fields[] = {
	STATE(struct virtio_dev, driver_features, 1),
	STATE(struct virtio_dev, negotiated, 1),
	STATE(struct virtio_dev, status, 1),
	STATE(struct virtio_dev, failed, 1),
	STATE(struct virtio_dev, config_generation, 1),
	STATE(struct virtio_dev, active, 1),
	STATE_END,
};

static int check_dev(void *object, struct hv_error *err)
{
	const struct virtio_dev *dev = object;
	bool features_ok = dev->status & VIRTIO_CONFIG_S_FEATURES_OK;
	bool driver_ok = dev->status & VIRTIO_CONFIG_S_DRIVER_OK;
	if (dev->negotiated & ~virtio_features_offered(dev))
		return hv_fail(
			err, HV_FAILED, 0,
			"'%s' was saved with features %#llx that it does not offer here", dev->id,
			(unsigned long long)(dev->negotiated & ~virtio_features_offered(dev)));
	if ((driver_ok && !features_ok) || (dev->active && !driver_ok) ||
	    (features_ok && dev->negotiated != dev->driver_features))
		return hv_fail(err, HV_FAILED, 0, "'%s' was saved in an impossible status",
			       dev->id);
	return 0;
}

static const struct state_section dev_section = {"virtio", 1, 1, dev_fields, check_dev};

static const struct state_field vq_fields[] = {
	STATE(struct vq, size, 1),      STATE(struct vq, desc_gpa, 1),
	STATE(struct vq, avail_gpa, 1), STATE(struct vq, used_gpa, 1),
	STATE(struct vq, vector, 1),    STATE(struct vq, enabled, 1),
	STATE(struct vq, broken, 1),    STATE(struct vq, next_avail, 1),
	STATE(struct vq, next_used, 1), STATE_END,
};

static int check_vq(void *object, struct hv_error *err)
{
	const struct vq *vq = object;
	if (vq->size == 0 || vq->size > vq->size_max || (vq->size & (vq->size - 1)) ||
	    (uint16_t)(vq->next_avail - vq->next_used) > vq->size)
		return hv_fail(err, HV_FAILED, 0, "queue %u was saved in an impossible state",
			       vq->index);
	return 0;
}

static const struct state_section vq_section = {"vq", 1, 1, vq_fields, check_vq};

int virtio_pause(struct virtio_dev *dev, struct hv_error *err)
{
	int ret = 0;
	pthread_mutex_lock(&dev->lock);
	if (dev->active && !dev->paused)
		ret = dev->ops->pause(dev, err);
	if (ret == 0)
		dev->paused = true;
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

void virtio_resume(struct virtio_dev *dev)
{
	pthread_mutex_lock(&dev->lock);
	if (dev->active && dev->paused)
		dev->ops->resume(dev);
	dev->paused = false;
	pthread_mutex_unlock(&dev->lock);
}

static void vq_id(const struct virtio_dev *dev, int queue, char id[40])
{
	snprintf(id, 40, "%s.q%d", dev->id, queue);
}

int virtio_save(struct virtio_dev *dev, struct state_out *out, struct hv_error *err)
{
	pthread_mutex_lock(&dev->lock);
	int ret = state_save(out, &dev_section, dev->id, dev, err);
	for (int i = 0; i < dev->n_queues && ret == 0; i++) {
		char id[40];
		vq_id(dev, i, id);
		ret = state_save(out, &vq_section, id, &dev->queues[i], err);
	}
	if (ret == 0)
		ret = dev->ops->save(dev, out, err);
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

static int load_queues(struct virtio_dev *dev, struct state_in *in, struct hv_error *err)
{
	for (int i = 0; i < dev->n_queues; i++) {
		struct vq *vq = &dev->queues[i];
		char id[40];
		vq_id(dev, i, id);
		int ret = state_load(in, &vq_section, id, vq, err);
		if (ret)
			return ret;
		if (vq->broken)
			vq->fault = "broken before it was saved";
	}
	return 0;
}

int virtio_load(struct virtio_dev *dev, struct state_in *in, struct hv_error *err)
{
	pthread_mutex_lock(&dev->lock);
	dev->paused = true;
	int ret = state_load(in, &dev_section, dev->id, dev, err);
	bool was_active = dev->active;
	dev->active = false;
	if (ret == 0)
		ret = load_queues(dev, in, err);
	if (ret == 0)
		ret = dev->ops->load(dev, in, err);
	/* as DRIVER_OK did on the other side, but into the paused state */
	if (ret == 0 && was_active && virtio_activate(dev, err))
		ret = hv_within(err, "'%s' cannot go on from its saved state", dev->id);
	pthread_mutex_unlock(&dev->lock);
	return ret;
}
