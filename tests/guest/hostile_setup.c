/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attacks through the common configuration: the status state machine, features, queue set-up,
 * doorbells. */
#include "engine/vmm/layout.h"
#include "tests/guest/clock.h"
#include "tests/guest/hostile.h"
#include "tests/guest/io.h"
#include "tests/guest/mem.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define PAGE ((uint64_t)hostile_page)
#define ALL_OK (STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK)

static int reset(struct virtio *v)
{
	return virtio_reset(v) ? 0 : fail("status stays %x after a reset", virtio_status(v));
}

/* One buffer that any device could use, and a kick. */
static void offer(struct vring *r)
{
	r->desc[0] = (struct vdesc){PAGE, 64, DESC_WRITE, 0};
	r->avail->ring[0] = 0;
	barrier_full();
	r->avail->idx = 1;
	barrier_full();
	mmio_write16(r->notify, r->index);
}

static int untouched(struct vring *r)
{
	clock_sleep(30000000);
	return r->used->idx == 0 ? 0 : fail("the queue was served before DRIVER_OK");
}

static int status_ok_first(struct virtio *v, uint64_t seed)
{
	(void)seed;
	if (reset(v))
		return -1;
	virtio_set_status(v, STATUS_DRIVER_OK);
	return 0;
}

static int status_all_at_once(struct virtio *v, uint64_t seed)
{
	(void)seed;
	if (reset(v))
		return -1;
	virtio_set_status(v, 0xff);
	return 0;
}

static int ok_without_features(struct virtio *v, uint64_t seed)
{

	(void)seed;
	struct vring *r = hostile_start(v, HOSTILE_FEATURES); /* memory for its ring */
	if (!r || reset(v))
		return -1;
	vring_reset(r, r->size);
	virtio_set_status(v, STATUS_ACKNOWLEDGE);
	virtio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	virtio_program_queue(v, r->index, r->size, (uint64_t)r->desc, (uint64_t)r->avail,
			     (uint64_t)r->used, 1);
	virtio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK);
	offer(r);
	return untouched(r);
}

static int kick_before_ok(struct virtio *v, uint64_t seed)
{
	int q = hostile_queue(v);

	(void)seed;
	if (virtio_begin(v, HOSTILE_FEATURES) || virtio_queue(v, q, 16, 4, 0))
		return -1;
	offer(v->rings[q]);
	return untouched(v->rings[q]);
}

static int features_unoffered(struct virtio *v, uint64_t seed)
{
	uint64_t c = virtio_common(v);

	(void)seed;
	if (reset(v))
		return -1;
	virtio_set_status(v, STATUS_ACKNOWLEDGE);
	virtio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	for (uint32_t i = 0; i < 2; i++) {
		mmio_write32(c + COMMON_DRIVER_FEATURE_SELECT, i);
		mmio_write32(c + COMMON_DRIVER_FEATURE, ~0u);
	}
	virtio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	if (virtio_status(v) & STATUS_FEATURES_OK)
		return fail("features that were not offered were agreed on");
	return 0;
}

static int no_version_1(struct virtio *v, uint64_t seed)
{
	uint64_t c = virtio_common(v);

	(void)seed;
	if (reset(v))
		return -1;
	virtio_set_status(v, STATUS_ACKNOWLEDGE);
	virtio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	mmio_write32(c + COMMON_DRIVER_FEATURE_SELECT, 1);
	mmio_write32(c + COMMON_DRIVER_FEATURE, 0);
	virtio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	return 0;
}

static int features_late(struct virtio *v, uint64_t seed)
{
	uint64_t c = virtio_common(v);

	(void)seed;
	if (!hostile_start(v, HOSTILE_FEATURES))
		return -1;
	for (uint32_t i = 0; i < 4; i++) {
		mmio_write32(c + COMMON_DRIVER_FEATURE_SELECT, i * 0x40000001);
		mmio_write32(c + COMMON_DRIVER_FEATURE, i % 2 ? 0 : ~0u);
	}
	return 0;
}

static int status_backwards(struct virtio *v, uint64_t seed)
{
	(void)seed;
	if (!hostile_start(v, HOSTILE_FEATURES))
		return -1;
	for (uint8_t bits = ALL_OK; bits; bits >>= 1)
		virtio_set_status(v, bits);
	return 0;
}

static int status_random(struct virtio *v, uint64_t seed)
{
	for (int i = 0; i < 500; i++) {
		virtio_set_status(v, (uint8_t)random_next(&seed));
		virtio_status(v);
	}
	return 0;
}

static int restart_storm(struct virtio *v, uint64_t seed)
{
	(void)seed;
	for (int i = 0; i < 50; i++) {
		struct vring *r = hostile_start(v, HOSTILE_FEATURES);
		if (!r)
			return -1;
		offer(r);
		virtio_set_status(v, 0);
	}
	return 0;
}

/* A queue with those addresses and that size; then all that a driver would do next. */
static int bad_queue(struct virtio *v, uint16_t size, uint64_t desc, uint64_t avail, uint64_t used)
{
	int q = hostile_queue(v);

	if (virtio_begin(v, HOSTILE_FEATURES) || virtio_queue(v, q, 16, 4, 0) || reset(v) ||
	    virtio_begin(v, HOSTILE_FEATURES))
		return -1;
	virtio_program_queue(v, q, size, desc, avail, used, 1);
	virtio_set_status(v, ALL_OK);
	mmio_write16(v->rings[q]->notify, (uint16_t)q);
	return 0;
}

static int size_zero(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return bad_queue(v, 0, PAGE, PAGE + 4096, PAGE + 8192);
}

static int size_huge(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return bad_queue(v, 0xffff, PAGE, PAGE + 4096, PAGE + 8192);
}

static int size_32768(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return bad_queue(v, 0x8000, PAGE, PAGE + 4096, PAGE + 8192);
}

static int size_odd(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return bad_queue(v, 3, PAGE, PAGE + 4096, PAGE + 8192);
}

static int rings_beyond(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return bad_queue(v, 16, 1ull << 60, 1ull << 61, 1ull << 62);
}

static int rings_wrap(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return bad_queue(v, 16, -16ull, -2ull, -4ull);
}

static int rings_device(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return bad_queue(v, 16, LAYOUT_ECAM, LAYOUT_POWER, LAYOUT_LAPIC);
}

static int rings_unaligned(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return bad_queue(v, 16, PAGE + 1, PAGE + 4097, PAGE + 8193);
}

static int rings_same(struct virtio *v, uint64_t seed)
{
	(void)seed;
	memset(hostile_page, 0, 4096);
	return bad_queue(v, 16, PAGE, PAGE, PAGE);
}

static int rings_at_end(struct virtio *v, uint64_t seed)
{
	uint64_t end = mem_ranges[mem_n_ranges - 1].end;

	(void)seed;
	return bad_queue(v, 16, end - 16, end - 16, end - 16);
}

static int rings_moved(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	(void)seed;
	if (!r)
		return -1;
	virtio_program_queue(v, r->index, 4, 1ull << 50, 1ull << 51, 1ull << 52, 1);
	offer(r);
	return 0;
}

static int disable_queue(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	(void)seed;
	if (!r)
		return -1;
	mmio_write16(virtio_common(v) + COMMON_QUEUE_SELECT, r->index);
	mmio_write16(virtio_common(v) + COMMON_QUEUE_ENABLE, 0);
	mmio_write16(virtio_common(v) + COMMON_QUEUE_ENABLE, 0x5555);
	offer(r);
	return 0;
}

static int select_beyond(struct virtio *v, uint64_t seed)
{
	uint64_t c = virtio_common(v);

	(void)seed;
	if (!hostile_start(v, HOSTILE_FEATURES))
		return -1;
	mmio_write16(c + COMMON_QUEUE_SELECT, 0xffff);
	if (mmio_read16(c + COMMON_QUEUE_SIZE))
		return fail("queue 65535 has a size");
	virtio_program_queue(v, 0xffff, 16, PAGE, PAGE, PAGE, 1);
	mmio_write16(c + COMMON_QUEUE_VECTOR, 0);
	return 0;
}

static int vector_beyond(struct virtio *v, uint64_t seed)
{
	uint64_t c = virtio_common(v);

	(void)seed;
	if (virtio_begin(v, HOSTILE_FEATURES))
		return -1;
	mmio_write16(c + COMMON_MSIX_CONFIG, 0x7ff);
	if (mmio_read16(c + COMMON_MSIX_CONFIG) != 0xffff)
		return fail("a vector that is not there was taken");
	mmio_write16(c + COMMON_QUEUE_SELECT, 0);
	mmio_write16(c + COMMON_QUEUE_VECTOR, 0xfffe);
	return mmio_read16(c + COMMON_QUEUE_VECTOR) == 0xffff
		       ? 0
		       : fail("a queue took a vector that is not there");
}

static int doorbells_random(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	if (!r)
		return -1;
	uint64_t start = r->notify - r->notify_offset;
	for (int i = 0; i < 500; i++) {
		uint64_t at = start + random_next(&seed) % v->notify.len;
		if (i % 2)
			mmio_write16(at & ~1ul, (uint16_t)random_next(&seed));
		else
			mmio_write32(at & ~3ul, (uint32_t)random_next(&seed));
		mmio_read16(at & ~1ul);
	}
	return 0;
}

static int common_random(struct virtio *v, uint64_t seed)
{
	uint64_t c = virtio_common(v);

	for (int i = 0; i < 2000; i++) {
		uint64_t at = random_next(&seed) % COMMON_LEN, value = random_next(&seed);
		switch (random_next(&seed) % 4) {
		case 0:
			mmio_write8(c + at, (uint8_t)value);
			break;
		case 1:
			mmio_write16(c + (at & ~1ul), (uint16_t)value);
			break;
		case 2:
			mmio_write32(c + (at & ~3ul), (uint32_t)value);
			break;
		default:
			mmio_write64(c + (at & ~7ul), value);
			mmio_read64(c + (at & ~7ul));
		}
	}
	return 0;
}

static int config_random(struct virtio *v, uint64_t seed)
{
	if (!hostile_start(v, HOSTILE_FEATURES))
		return -1;
	for (int i = 0; i < 500 && v->config.len; i++) {
		uint64_t at = virtio_config(v) + random_next(&seed) % v->config.len;
		mmio_write8(at, (uint8_t)random_next(&seed));
		mmio_write32(at & ~3ul, (uint32_t)random_next(&seed));
		mmio_read64(at & ~7ul);
	}
	return 0;
}

const struct attack setup_attacks[] = {
	{"status-ok-first", "DRIVER_OK right after a reset", EXPECT_ANYTHING, 0, status_ok_first},
	{"status-all", "all status bits at once", EXPECT_ANYTHING, 0, status_all_at_once},
	{"status-no-features", "DRIVER_OK without FEATURES_OK", EXPECT_ANYTHING, 0,
	 ok_without_features},
	{"status-backwards", "status bits taken back one by one", EXPECT_ANYTHING, 0,
	 status_backwards},
	{"status-random", "500 random status writes", EXPECT_ANYTHING, 0, status_random},
	{"kick-before-ok", "a doorbell before DRIVER_OK", EXPECT_HEALTHY, 0, kick_before_ok},
	{"features-unoffered", "features that were not offered", EXPECT_ANYTHING, 0,
	 features_unoffered},
	{"features-late", "features after FEATURES_OK", EXPECT_ANYTHING, 0, features_late},
	{"no-version-1", "FEATURES_OK without VERSION_1", EXPECT_ANYTHING, 0, no_version_1},
	{"restart-storm", "reset with a request on its way, 50 times", EXPECT_HEALTHY, 0,
	 restart_storm},
	{"size-zero", "a queue of size 0", EXPECT_ANYTHING, 0, size_zero},
	{"size-huge", "a queue of size 65535", EXPECT_ANYTHING, 0, size_huge},
	{"size-32768", "a queue of size 32768", EXPECT_ANYTHING, 0, size_32768},
	{"size-odd", "a queue of size 3", EXPECT_ANYTHING, 0, size_odd},
	{"rings-beyond", "rings at 2^60", EXPECT_NEEDS_RESET, 0, rings_beyond},
	{"rings-wrap", "rings across the end of the address space", EXPECT_NEEDS_RESET, 0,
	 rings_wrap},
	{"rings-device", "rings in device memory", EXPECT_NEEDS_RESET, 0, rings_device},
	{"rings-unaligned", "rings at odd addresses", EXPECT_ANYTHING, 0, rings_unaligned},
	{"rings-same", "all three rings in one place", EXPECT_ANYTHING, 0, rings_same},
	{"rings-at-end", "rings across the end of RAM", EXPECT_NEEDS_RESET, 0, rings_at_end},
	{"rings-moved", "a running queue is given other rings", EXPECT_ANYTHING, 0, rings_moved},
	{"queue-disable", "a running queue is disabled", EXPECT_ANYTHING, 0, disable_queue},
	{"select-beyond", "queue 65535 is selected and set up", EXPECT_ANYTHING, 0, select_beyond},
	{"vector-beyond", "MSI-X vectors that are not there", EXPECT_HEALTHY, 0, vector_beyond},
	{"doorbells-random", "random writes to the doorbells", EXPECT_ANYTHING, 0,
	 doorbells_random},
	{"common-random", "2000 random writes to the common configuration", EXPECT_ANYTHING, 0,
	 common_random},
	{"config-random", "random writes to the device's configuration", EXPECT_ANYTHING, 0,
	 config_random},
	{0},
};
