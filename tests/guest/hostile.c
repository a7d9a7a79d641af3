/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `hostile`: attacks on the machine monitor, one by one or all. After each: the device's status is
 * printed (DEVICE_NEEDS_RESET is what a device says when a rule was broken), the device is reset and
 * does real work again, and so does another device. That we are still there to print it shows the
 * rest.
 *
 *	hostile list | all | KIND | NAME [DEVICE [SEED]]     (DEVICE "-": the usual one)
 */
#include "tests/guest/hostile.h"
#include "tests/guest/clock.h"
#include "tests/guest/mem.h"
#include "tests/guest/rng.h"
#include "tests/guest/scsi.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define SETTLE_NS 20000000ull
#define VERDICT_NS 2000000000ull

uint8_t *hostile_page;

static const struct {
	const char *name;
	const struct attack *attacks;
} kinds[] = {
	{"ring", ring_attacks},       {"setup", setup_attacks}, {"pci", pci_attacks},
	{"machine", machine_attacks}, {"scsi", scsi_attacks},   {"other", other_attacks},
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

int hostile_queue(const struct virtio *v)
{
	return v->type == VIRTIO_SCSI      ? SCSI_QUEUE_REQUEST
	       : v->type == VIRTIO_NET     ? 1
	       : v->type == VIRTIO_CONSOLE ? 1
	       : v->type == VIRTIO_BALLOON ? 1 /* deflate: inflating would take our own memory */
					   : 0;
}

struct vring *hostile_start(struct virtio *v, uint64_t features)
{
	int q = hostile_queue(v);

	if (virtio_begin(v, features) || virtio_queue(v, q, 16, 4, 0) || virtio_go(v))
		return NULL;
	return v->rings[q];
}

/* The device does what it is for. */
static int prove(struct virtio *v)
{
	struct scsi_disk *disk;

	if (v->type == VIRTIO_RNG)
		return rng_attach(v) || rng_read(v, hostile_page, 64) < 0 ? -1 : 0;
	if (v->type == VIRTIO_SCSI) {
		if (scsi_attach(v))
			return -1;
		for (int i = 0; (disk = scsi_disk(i)); i++)
			if (disk->v == v)
				return scsi_read_block(disk, 0, hostile_page);
		return 0;
	}
	return hostile_start(v, HOSTILE_FEATURES) ? 0 : -1;
}

static int prove_another(struct virtio *not_this)
{
	for (int i = 0; i < virtio_probe(); i++) {
		struct virtio *v = virtio_device(i);
		if (v != not_this && (v->type == VIRTIO_RNG || v->type == VIRTIO_SCSI))
			return prove(v);
	}
	return 0;
}

static struct virtio *choose(const struct attack *a)
{
	if (a->type)
		return virtio_find(a->type, 0);
	struct virtio *v = virtio_find(VIRTIO_RNG, 0);
	return v ? v : virtio_device(0);
}

/* Waits for the status that is due, or a little while. */
static uint8_t settle(struct virtio *v, enum expect expect)
{
	uint64_t until = clock_ns() + (expect == EXPECT_NEEDS_RESET ? VERDICT_NS : SETTLE_NS);
	uint8_t status = virtio_status(v);

	while (clock_ns() < until && !(status & STATUS_NEEDS_RESET)) {
		clock_sleep(1000000);
		status = virtio_status(v);
	}
	return status;
}

static int run_attack(const struct attack *a, struct virtio *v, uint64_t seed)
{
	static const char *const expects[] = {"anything", "needs_reset", "healthy"};

	memset(hostile_page, 0, HOSTILE_PAGE);
	uint64_t start = clock_ns();
	if (a->run(v, seed))
		return -1;
	uint64_t ms = (clock_ns() - start) / 1000000;
	uint8_t status = settle(v, a->expect);
	bool broken = status & STATUS_NEEDS_RESET;
	print("hostile %s device=%s%d status=%02x needs_reset=%d expected=%s ms=%lu\n", a->name,
	      virtio_type_name(v->type), v->index, status, broken, expects[a->expect], ms);
	if (prove(v) || prove_another(v))
		return -1;
	if (a->expect == EXPECT_NEEDS_RESET && !broken)
		return fail("no DEVICE_NEEDS_RESET");
	if (a->expect == EXPECT_HEALTHY && broken)
		return fail("DEVICE_NEEDS_RESET without cause");
	return 0;
}

struct tally {
	int passed, failed, skipped;
};

static void run_counted(struct tally *t, const struct attack *a, struct virtio *v, uint64_t seed)
{
	if (!v) {
		print("hostile %s skipped: no such device\n", a->name);
		t->skipped++;
	} else if (run_attack(a, v, seed)) {
		print("hostile %s FAILED: %s\n", a->name, shell_reason);
		t->failed++;
	} else {
		t->passed++;
	}
}

static int list(void)
{
	for (unsigned k = 0; k < N_KINDS; k++)
		for (const struct attack *a = kinds[k].attacks; a->name; a++)
			print("hostile %s kind=%s: %s\n", a->name, kinds[k].name, a->what);
	return 0;
}

/* All whose name or kind that is. */
static int run_matching(const char *name, struct virtio *v, uint64_t seed)
{
	struct tally t = {0};

	for (unsigned k = 0; k < N_KINDS; k++)
		for (const struct attack *a = kinds[k].attacks; a->name; a++)
			if (!strcmp(name, "all") || !strcmp(name, kinds[k].name) ||
			    !strcmp(name, a->name))
				run_counted(&t, a, v && !a->type ? v : choose(a), seed);
	print("hostile passed=%d failed=%d skipped=%d seed=%lu\n", t.passed, t.failed, t.skipped,
	      seed);
	if (!t.passed && !t.failed)
		return fail("no attack was made: see hostile list");
	return t.failed ? fail("%d of %d", t.failed, t.failed + t.passed) : 0;
}

static int run_hostile(int argc, char **argv)
{
	uint64_t seed = 1, n;
	struct virtio *v = NULL;

	if (argc < 2)
		return fail("hostile list | all | KIND | NAME [DEVICE [SEED]]");
	if (!strcmp(argv[1], "list"))
		return list();
	if (!virtio_probe())
		return fail("no virtio devices");
	if (argc > 2 && strcmp(argv[2], "-") &&
	    (!parse_number(argv[2], &n) || !(v = virtio_device((int)n))))
		return fail("no device %s", argv[2]);
	if (argc > 3 && !parse_number(argv[3], &seed))
		return fail("a seed is a number");
	if (!hostile_page && !(hostile_page = mem_alloc(HOSTILE_PAGE, 4096)))
		return fail("out of memory");
	return run_matching(argv[1], v, seed);
}

const struct command hostile_commands[] = {
	{"hostile", "list | all | KIND | NAME [DEVICE|- [SEED]]", "attacks on the monitor",
	 run_hostile},
	{0},
};
