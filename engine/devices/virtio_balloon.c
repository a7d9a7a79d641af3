/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-balloon (VIRTIO 1.2, 5.5): inflate, deflate, statistics and free page reporting.
 *
 * Queues 0 and 1 inflate and deflate, 2 carries statistics. For reporting the standard says 4, but
 * drivers of Linux before 6.11 number the queues that they use without gaps and take 3 (the free page
 * hints, which would be there, are not offered): both are served.
 */
#include "engine/devices/virtio_balloon.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/devices/balloon_discard.h"
#include "engine/virtio/loop_queues.h"
#include "engine/vmm/state.h"

#define QUEUE_SIZE 128 /* Linux wants at least 32 for reporting */
#define PARTS_MAX 128
#define PFNS_A_TURN 1024
#define REQUESTS_A_TURN 16
#define PAGE ((uint64_t)1 << VIRTIO_BALLOON_PFN_SHIFT)

enum { INFLATE, DEFLATE, STATS, REPORT_COMPACT, REPORT, N_QUEUES };

struct virtio_balloon {
	struct virtio_dev dev; /* first */
	struct vq vqs[N_QUEUES];
	struct loop_queues queues;
	size_t page_bytes;
	/* Under queues.lock. */
	uint32_t target_pages, actual_pages, poison;
	uint64_t pfns_done[2]; /* of the request at hand of INFLATE and DEFLATE */
	uint64_t inflated, deflated, reported;
	uint64_t stats[VIRTIO_BALLOON_STATS];
	bool has[VIRTIO_BALLOON_STATS];
	int64_t stats_ms; /* when; -1: never */
	bool stats_held;  /* the driver's buffer waits until somebody asks */
	struct vq_chain stats_chain;
};

static struct virtio_balloon *balloon_of(struct virtio_dev *dev)
{
	return (struct virtio_balloon *)dev;
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- inflate and deflate: arrays of page numbers ------------------------------------------------ */

/* The length of the run of neighbours that begins at pfns[0], upwards or downwards; *low: its lowest. */
static size_t run_of(const uint32_t *pfns, size_t n, uint64_t *low)
{
	size_t run = 1;
	uint32_t step = n > 1 && pfns[1] == pfns[0] - 1 ? (uint32_t)-1 : 1;
	while (run < n && pfns[run] == pfns[run - 1] + step && pfns[run] != 0 && pfns[run - 1] != 0)
		run++;
	*low = step == 1 ? pfns[0] : pfns[run - 1];
	return run;
}

/* Drivers allocate neighbours one after another, so runs go in one call each without sorting. (qsort()
 * would ask the system how much memory it has, which the sandbox refuses.) Numbers that are no memory
 * are passed over. */
static void discard_pfns(struct virtio_balloon *balloon, const uint32_t *pfns, size_t n)
{
	struct gmem *mem = balloon->dev.env->mem;
	uint64_t low;
	for (size_t i = 0, run; i < n; i += run) {
		run = run_of(pfns + i, n - i, &low);
		void *hva = gmem_ptr(mem, low * PAGE, run * PAGE);
		if (!hva && run > 1) {
			/* it may cross the end of a region */
			run = 1;
			hva = gmem_ptr(mem, pfns[i] * PAGE, PAGE);
		}
		if (hva)
			balloon_discard(mem, hva, run * PAGE, balloon->page_bytes);
	}
}

/* Works on at most PFNS_A_TURN numbers; false where more are left for another turn. */
static bool take_pfns(struct virtio_balloon *balloon, const struct vq *vq,
		      const struct vq_chain *chain)
{
	uint32_t pfns[PFNS_A_TURN];
	uint64_t *done = &balloon->pfns_done[vq->index];
	size_t n =
		iov_copy_out(chain->iov, chain->n_read, *done * sizeof *pfns, pfns, sizeof pfns) /
		sizeof *pfns;
	for (size_t i = 0; i < n; i++)
		pfns[i] = le32toh(pfns[i]);
	if (vq->index == INFLATE) {
		discard_pfns(balloon, pfns, n);
		balloon->inflated += n * PAGE;
	} else {
		/* the pages come back by themselves when the guest touches them */
		balloon->deflated += n * PAGE;
	}
	*done += n;
	return n == 0 || *done >= chain->read_len / sizeof *pfns;
}

/* ---- reporting: the parts are the pages --------------------------------------------------------- */

static void discard_parts(struct virtio_balloon *balloon, const struct vq_chain *chain)
{
	/* the guest expects its poison in these pages, not zeros */
	if (virtio_has(&balloon->dev, VIRTIO_BALLOON_F_PAGE_POISON) && balloon->poison)
		return;
	for (int i = chain->n_read; i < chain->n_read + chain->n_write; i++)
		balloon->reported += balloon_discard(balloon->dev.env->mem, chain->iov[i].iov_base,
						     chain->iov[i].iov_len, balloon->page_bytes);
}

/* ---- statistics: one buffer that goes back and forth --------------------------------------------- */

static void take_stats(struct virtio_balloon *balloon, const struct vq_chain *chain)
{
	struct virtio_balloon_stat stat;
	for (size_t i = 0; i < 2 * VIRTIO_BALLOON_STATS; i++) {
		if (iov_copy_out(chain->iov, chain->n_read, i * sizeof stat, &stat, sizeof stat) !=
		    sizeof stat)
			break;
		uint16_t tag = le16toh(stat.tag);
		if (tag >= VIRTIO_BALLOON_STATS)
			continue;
		balloon->stats[tag] = le64toh(stat.val);
		balloon->has[tag] = true;
	}
	balloon->stats_ms = now_ms();
}

static void release_stats(struct virtio_balloon *balloon)
{
	struct vq *vq = &balloon->vqs[STATS];
	if (!balloon->stats_held || !balloon->queues.serving)
		return;
	balloon->stats_held = false;
	vq_complete(vq, &balloon->stats_chain, 0);
	vq_signal(vq);
}

/* ---- serving ------------------------------------------------------------------------------------ */

static bool is_stats(const struct virtio_balloon *balloon, const struct vq *vq)
{
	return vq->index == STATS && virtio_has(&balloon->dev, VIRTIO_BALLOON_F_STATS_VQ);
}

/* True where the request is done with, false where it must come again. */
static bool serve_one(struct virtio_balloon *balloon, struct vq *vq, struct vq_chain *chain)
{
	if (vq->index > DEFLATE) {
		if (virtio_has(&balloon->dev, VIRTIO_BALLOON_F_REPORTING))
			discard_parts(balloon, chain);
		return true;
	}
	if (!take_pfns(balloon, vq, chain))
		return false;
	balloon->pfns_done[vq->index] = 0;
	return true;
}

static void serve_stats(struct virtio_balloon *balloon, struct vq *vq)
{
	struct iovec iov[PARTS_MAX];
	struct vq_chain chain;
	/* a driver with two buffers out gets the older back */
	if (loop_queues_next(&balloon->dev, vq, &chain, iov, PARTS_MAX)) {
		release_stats(balloon);
		take_stats(balloon, &chain);
		balloon->stats_chain = (struct vq_chain){.head = chain.head};
		balloon->stats_held = true;
	}
	if (vq_want_kicks(vq, true))
		loop_queues_again(vq);
}

static void serve(struct virtio_dev *dev, struct vq *vq)
{
	struct virtio_balloon *balloon = balloon_of(dev);
	struct iovec iov[PARTS_MAX];
	struct vq_chain chain;
	int n = 0;
	bool again = false;
	if (is_stats(balloon, vq)) {
		serve_stats(balloon, vq);
		return;
	}
	while (!again && loop_queues_next(dev, vq, &chain, iov, PARTS_MAX)) {
		if (serve_one(balloon, vq, &chain)) {
			vq_complete(vq, &chain, 0);
			n++;
		} else {
			vq_unget(vq);
			again = true;
		}
		again |= n == REQUESTS_A_TURN;
	}
	if (n)
		vq_signal(vq);
	if (again || vq_want_kicks(vq, true))
		loop_queues_again(vq);
}

/* ---- configuration ------------------------------------------------------------------------------ */

static struct virtio_balloon_config config_of(const struct virtio_balloon *balloon)
{
	struct virtio_balloon_config config = {
		.num_pages = htole32(balloon->target_pages),
		.actual = htole32(balloon->actual_pages),
		.poison_val = htole32(balloon->poison),
	};
	return config;
}

static void balloon_read_config(struct virtio_dev *dev, size_t offset, void *to, size_t len)
{
	struct virtio_balloon *balloon = balloon_of(dev);
	pthread_mutex_lock(&balloon->queues.lock);
	struct virtio_balloon_config config = config_of(balloon);
	pthread_mutex_unlock(&balloon->queues.lock);
	virtio_config_copy(&config, sizeof config, offset, to, len);
}

/* offset + len lies inside. What is not the driver's to write keeps its value. */
static void balloon_write_config(struct virtio_dev *dev, size_t offset, const void *from,
				 size_t len)
{
	struct virtio_balloon *balloon = balloon_of(dev);
	pthread_mutex_lock(&balloon->queues.lock);
	struct virtio_balloon_config config = config_of(balloon);
	memcpy((uint8_t *)&config + offset, from, len);
	balloon->actual_pages = le32toh(config.actual);
	balloon->poison = le32toh(config.poison_val);
	pthread_mutex_unlock(&balloon->queues.lock);
}

int virtio_balloon_set_target(struct virtio_dev *dev, uint64_t balloon_bytes, struct hv_error *err)
{
	struct virtio_balloon *balloon = balloon_of(dev);
	if (balloon_bytes > dev->env->mem->size_bytes || balloon_bytes / PAGE > UINT32_MAX)
		return hv_fail(err, HV_LIMIT, 0,
			       "'%s' cannot grow to %llu bytes: the guest has %llu", dev->id,
			       (unsigned long long)balloon_bytes,
			       (unsigned long long)dev->env->mem->size_bytes);
	pthread_mutex_lock(&balloon->queues.lock);
	balloon->target_pages = (uint32_t)(balloon_bytes / PAGE);
	pthread_mutex_unlock(&balloon->queues.lock);
	virtio_config_changed(dev);
	return 0;
}

void virtio_balloon_stats(struct virtio_dev *dev, struct balloon_stats *stats)
{
	struct virtio_balloon *balloon = balloon_of(dev);
	pthread_mutex_lock(&balloon->queues.lock);
	*stats = (struct balloon_stats){
		.target_bytes = balloon->target_pages * PAGE,
		.actual_bytes = balloon->actual_pages * PAGE,
		.inflated_bytes = balloon->inflated,
		.deflated_bytes = balloon->deflated,
		.reported_bytes = balloon->reported,
		.guest_age_ms = balloon->stats_ms < 0 ? UINT64_MAX
						      : (uint64_t)(now_ms() - balloon->stats_ms),
	};
	memcpy(stats->guest, balloon->stats, sizeof stats->guest);
	memcpy(stats->has, balloon->has, sizeof stats->has);
	release_stats(balloon);
	pthread_mutex_unlock(&balloon->queues.lock);
}

/* ---- life --------------------------------------------------------------------------------------- */

static int balloon_activate(struct virtio_dev *dev, struct hv_error *err)
{
	(void)err;
	if (!dev->paused)
		loop_queues_start(&balloon_of(dev)->queues);
	return 0;
}

static void balloon_deactivate(struct virtio_dev *dev)
{
	struct virtio_balloon *balloon = balloon_of(dev);
	loop_queues_stop(&balloon->queues);
	pthread_mutex_lock(&balloon->queues.lock);
	/* the driver starts with an empty balloon; 5.5.5 has it tell how large it is then */
	memset(balloon->pfns_done, 0, sizeof balloon->pfns_done);
	balloon->actual_pages = balloon->poison = 0;
	balloon->stats_held = false;
	memset(balloon->has, 0, sizeof balloon->has);
	balloon->stats_ms = -1;
	pthread_mutex_unlock(&balloon->queues.lock);
}

static int balloon_pause(struct virtio_dev *dev, struct hv_error *err)
{
	struct virtio_balloon *balloon = balloon_of(dev);
	(void)err;
	loop_queues_stop(&balloon->queues);
	pthread_mutex_lock(&balloon->queues.lock);
	/* back on the ring, so that nothing is in flight; it is read again on resume */
	if (balloon->stats_held)
		vq_unget(&balloon->vqs[STATS]);
	balloon->stats_held = false;
	pthread_mutex_unlock(&balloon->queues.lock);
	return 0;
}

static void balloon_resume(struct virtio_dev *dev)
{
	loop_queues_start(&balloon_of(dev)->queues);
}

static const struct state_field fields[] = {
	STATE(struct virtio_balloon, target_pages, 1),
	STATE(struct virtio_balloon, actual_pages, 1),
	STATE(struct virtio_balloon, poison, 1),
	STATE_ARRAY(struct virtio_balloon, pfns_done, 1),
	STATE_END,
};
static const struct state_section section = {"virtio-balloon", 1, 1, fields, NULL};

static int balloon_save(struct virtio_dev *dev, struct state_out *out, struct hv_error *err)
{
	return state_save(out, &section, dev->id, dev, err);
}

static int balloon_load(struct virtio_dev *dev, struct state_in *in, struct hv_error *err)
{
	return state_load(in, &section, dev->id, dev, err);
}

static void balloon_free(struct virtio_dev *dev)
{
	if (!dev)
		return;
	loop_queues_fini(&balloon_of(dev)->queues);
	virtio_dev_fini(dev);
	free(balloon_of(dev));
}

static const struct virtio_ops balloon_ops = {
	.device_id = VIRTIO_ID_BALLOON,
	.pci_class = 0xff0000,
	.read_config = balloon_read_config,
	.write_config = balloon_write_config,
	.activate = balloon_activate,
	.deactivate = balloon_deactivate,
	.pause = balloon_pause,
	.resume = balloon_resume,
	.save = balloon_save,
	.load = balloon_load,
	.free = balloon_free,
};

int virtio_balloon_new(struct virtio_dev **out, const struct device_env *env, const char *id,
		       struct hv_error *err)
{
	struct virtio_balloon *balloon = calloc(1, sizeof *balloon);
	if (!balloon)
		return hv_fail(err, HV_FAILED, ENOMEM, "making '%s'", id);
	for (int i = 0; i < N_QUEUES; i++)
		balloon->vqs[i].size_max = QUEUE_SIZE;
	balloon->page_bytes = balloon_page_bytes(env->mem);
	balloon->stats_ms = -1;
	balloon->dev.offered =
		1ull << VIRTIO_BALLOON_F_STATS_VQ | 1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
		1ull << VIRTIO_BALLOON_F_PAGE_POISON | 1ull << VIRTIO_BALLOON_F_REPORTING;
	balloon->dev.config_len = sizeof(struct virtio_balloon_config);
	int ret =
		virtio_dev_init(&balloon->dev, &balloon_ops, env, id, balloon->vqs, N_QUEUES, err);
	if (ret == 0)
		ret = loop_queues_init(&balloon->queues, &balloon->dev, serve, err);
	if (ret) {
		balloon_free(&balloon->dev);
		return ret;
	}
	*out = &balloon->dev;
	return 0;
}
