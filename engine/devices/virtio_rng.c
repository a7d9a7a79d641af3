/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-rng (VIRTIO 1.2, 5.4): one queue of empty buffers, filled from the kernel's generator. A guest
 * that asks without end gets a bounded share of each turn of the main loop.
 */
#include "engine/devices/virtio_rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/random.h>

#include "engine/virtio/loop_queues.h"
#include "engine/vmm/state.h"

#define QUEUE_SIZE 64
#define PARTS_MAX 64
#define REQUEST_BYTES_MAX 4096 /* less than asked for is allowed: 5.4.6.2 */
#define REQUESTS_A_TURN 16

struct virtio_rng {
	struct virtio_dev dev; /* first */
	struct vq queue;
	struct loop_queues queues;
};

static struct virtio_rng *rng_of(struct virtio_dev *dev)
{
	return (struct virtio_rng *)dev;
}

/* Straight into the guest's buffers; returns the bytes filled. */
static size_t fill(const struct vq_chain *chain)
{
	size_t filled = 0;
	for (int i = chain->n_read; i < chain->n_read + chain->n_write; i++) {
		size_t want = chain->iov[i].iov_len;
		if (want > REQUEST_BYTES_MAX - filled)
			want = REQUEST_BYTES_MAX - filled;
		ssize_t got = want ? getrandom(chain->iov[i].iov_base, want, 0) : 0;
		if (got > 0)
			filled += (size_t)got;
		if (got < (ssize_t)want || filled == REQUEST_BYTES_MAX)
			break;
	}
	return filled;
}

static void serve(struct virtio_dev *dev, struct vq *vq)
{
	struct iovec iov[PARTS_MAX];
	struct vq_chain chain;
	int n = 0;
	while (n < REQUESTS_A_TURN && loop_queues_next(dev, vq, &chain, iov, PARTS_MAX)) {
		vq_complete(vq, &chain, fill(&chain));
		n++;
	}
	if (n)
		vq_signal(vq);
	if (n == REQUESTS_A_TURN || vq_want_kicks(vq, true))
		loop_queues_again(vq);
}

static int rng_activate(struct virtio_dev *dev, struct hv_error *err)
{
	(void)err;
	if (!dev->paused)
		loop_queues_start(&rng_of(dev)->queues);
	return 0;
}

static void rng_stop(struct virtio_dev *dev)
{
	loop_queues_stop(&rng_of(dev)->queues);
}

static int rng_pause(struct virtio_dev *dev, struct hv_error *err)
{
	(void)err;
	rng_stop(dev);
	return 0;
}

static void rng_resume(struct virtio_dev *dev)
{
	loop_queues_start(&rng_of(dev)->queues);
}

static const struct state_field no_fields[] = {STATE_END};
static const struct state_section section = {"virtio-rng", 1, 1, no_fields, NULL};

static int rng_save(struct virtio_dev *dev, struct state_out *out, struct hv_error *err)
{
	return state_save(out, &section, dev->id, dev, err);
}

static int rng_load(struct virtio_dev *dev, struct state_in *in, struct hv_error *err)
{
	return state_load(in, &section, dev->id, dev, err);
}

static void rng_free(struct virtio_dev *dev)
{
	if (!dev)
		return;
	loop_queues_fini(&rng_of(dev)->queues);
	virtio_dev_fini(dev);
	free(rng_of(dev));
}

static const struct virtio_ops rng_ops = {
	.device_id = VIRTIO_ID_RNG,
	.pci_class = 0xff0000,
	.activate = rng_activate,
	.deactivate = rng_stop,
	.pause = rng_pause,
	.resume = rng_resume,
	.save = rng_save,
	.load = rng_load,
	.free = rng_free,
};

int virtio_rng_new(struct virtio_dev **out, const struct device_env *env, const char *id,
		   struct hv_error *err)
{
	struct virtio_rng *rng = calloc(1, sizeof *rng);
	if (!rng)
		return hv_fail(err, HV_FAILED, ENOMEM, "making '%s'", id);
	rng->queue.size_max = QUEUE_SIZE;
	int ret = virtio_dev_init(&rng->dev, &rng_ops, env, id, &rng->queue, 1, err);
	if (ret == 0)
		ret = loop_queues_init(&rng->queues, &rng->dev, serve, err);
	if (ret) {
		rng_free(&rng->dev);
		return ret;
	}
	*out = &rng->dev;
	return 0;
}
