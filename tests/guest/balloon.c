/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-balloon (VIRTIO 1.2, 5.5): gives pages from the top of memory to the host as it asks,
 * takes them back in the reverse order, and reports free memory on command.
 */
#include "tests/guest/balloon.h"
#include "tests/guest/io.h"
#include "tests/guest/mem.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"
#include "tests/guest/virtio.h"

#define F_STATS (1ull << 1)
#define F_REPORTING (1ull << 5)
#define CONFIG_PAGES 0
#define CONFIG_ACTUAL 4
#define QUEUE_INFLATE 0
#define QUEUE_DEFLATE 1
#define QUEUE_STATS 2
#define QUEUE_REPORTING 4
#define BATCH 256
#define REPORT_PARTS 16
#define REPORT_LEN (2ull << 20)
#define TIMEOUT_MS 5000

struct stat {
	uint16_t tag;
	uint64_t value;
} __attribute__((packed));

static struct virtio *balloon;
static uint32_t taken; /* pages that the host has */
static uint32_t pfns[BATCH];
static struct stat stats[2];
static int reporting_queue;

/* Statistics: the host gets its buffer back filled whenever it returns it. */
static void give_stats(void)
{
	struct vpart part = {stats, sizeof(stats)};
	struct mem_range free = mem_free_range();

	stats[0] = (struct stat){4, free.end - free.start};
	stats[1] = (struct stat){5, mem_total};
	if (vring_add(balloon->rings[QUEUE_STATS], &part, 1, 0, stats))
		vring_kick(balloon->rings[QUEUE_STATS]);
}

static int attach(struct virtio *v)
{
	uint64_t wanted = F_INDIRECT_DESC | F_EVENT_IDX | F_REPORTING | F_STATS;

	balloon = NULL;
	if (virtio_begin(v, wanted) || virtio_queue(v, QUEUE_INFLATE, 64, 2, 0) ||
	    virtio_queue(v, QUEUE_DEFLATE, 64, 2, 0))
		return -1;
	/* By the standard 4; where the queues before it are not there, they are not counted. */
	reporting_queue = v->n_queues > QUEUE_REPORTING ? QUEUE_REPORTING : v->n_queues - 1;
	if (v->features & F_STATS && virtio_queue(v, QUEUE_STATS, 16, 2, 0))
		return -1;
	if (v->features & F_REPORTING && virtio_queue(v, reporting_queue, 64, REPORT_PARTS, 0))
		return -1;
	if (virtio_go(v))
		return -1;
	balloon = v;
	if (v->features & F_STATS) {
		give_stats();
		vring_arm(v->rings[QUEUE_STATS]);
	}
	v->config_seen--; /* look at the target once */
	return 0;
}

static int tell(int queue, uint32_t n)
{
	struct vpart part = {pfns, 4 * n};
	struct vring *r = balloon->rings[queue];

	if (!vring_add(r, &part, 1, 0, pfns))
		return fail("balloon: queue full");
	vring_kick(r);
	return vring_wait(r, NULL, TIMEOUT_MS) ? 0 : fail("balloon: no answer");
}

static int inflate(uint32_t target)
{
	while (taken < target) {
		uint32_t n = 0;
		uint64_t page;
		while (n < BATCH && taken + n < target && (page = mem_take_top()))
			pfns[n++] = (uint32_t)(page >> 12);
		if (!n)
			return 0; /* no more to give */
		if (tell(QUEUE_INFLATE, n))
			return -1;
		taken += n;
	}
	return 0;
}

static int deflate(uint32_t target)
{
	while (taken > target) {
		uint32_t n = 0;
		uint64_t page;
		while (n < BATCH && taken - n > target && (page = mem_next_taken())) {
			mem_give_top(page);
			pfns[n++] = (uint32_t)(page >> 12);
		}
		if (!n || tell(QUEUE_DEFLATE, n))
			return -1;
		taken -= n;
	}
	return 0;
}

static int follow_target(void)
{
	uint64_t config = virtio_config(balloon);
	uint32_t target = mmio_read32(config + CONFIG_PAGES);

	if (inflate(target) || deflate(target))
		return -1;
	mmio_write32(config + CONFIG_ACTUAL, taken);
	return 0;
}

void balloon_serve(void)
{
	if (!balloon)
		return;
	if (virtio_config_changed(balloon) && follow_target())
		print("\nballoon: %s\n", shell_reason);
	if (balloon->features & F_STATS && vring_take(balloon->rings[QUEUE_STATS], NULL)) {
		give_stats();
		vring_arm(balloon->rings[QUEUE_STATS]);
	}
}

void balloon_start(void)
{
	struct virtio *v = virtio_find(VIRTIO_BALLOON, 0);

	if (v && attach(v))
		print("balloon: %s\n", shell_reason);
}

/* Free memory as a list of 2 MiB pieces: the host may drop what is in them. */
static int report(void)
{
	struct mem_range free = mem_free_range();
	struct vpart parts[REPORT_PARTS];
	struct vring *r = balloon->rings[reporting_queue];
	uint64_t reported = 0;

	if (!(balloon->features & F_REPORTING))
		return fail("no free page reporting");
	for (uint64_t at = (free.start + REPORT_LEN - 1) & -REPORT_LEN;
	     at + REPORT_LEN <= free.end;) {
		int n = 0;
		for (; n < REPORT_PARTS && at + REPORT_LEN <= free.end; at += REPORT_LEN)
			parts[n++] = (struct vpart){(void *)at, REPORT_LEN};
		if (!vring_add(r, parts, 0, n, parts))
			return fail("balloon: reporting queue full");
		vring_kick(r);
		if (!vring_wait(r, NULL, TIMEOUT_MS))
			return fail("balloon: no answer to a report");
		reported += n * REPORT_LEN;
	}
	print("balloon reported_bytes=%lu\n", reported);
	return 0;
}

static int run_balloon(int argc, char **argv)
{
	if (!balloon)
		balloon_start();
	if (!balloon)
		return fail("no virtio-balloon");
	if (argc > 1 && !strcmp(argv[1], "report"))
		return report();
	if (argc > 1)
		return fail("balloon [report]");
	if (follow_target())
		return -1;
	uint64_t config = virtio_config(balloon);
	print("balloon target_pages=%u actual_pages=%u given_pages=%u reporting=%d stats=%d\n",
	      mmio_read32(config + CONFIG_PAGES), mmio_read32(config + CONFIG_ACTUAL), taken,
	      !!(balloon->features & F_REPORTING), !!(balloon->features & F_STATS));
	return 0;
}

const struct command balloon_commands[] = {
	{"balloon", "[report]", "memory given to the host; report free memory to it", run_balloon},
	{0},
};
