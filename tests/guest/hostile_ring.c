/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attacks through a virtqueue's rings: descriptors, indirect tables, indices. Most are a handful of
 * descriptors in a table, so that adding one is adding a row.
 */
#include "engine/vmm/layout.h"
#include "tests/guest/clock.h"
#include "tests/guest/hostile.h"
#include "tests/guest/io.h"
#include "tests/guest/mem.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define PAGE ((uint64_t)hostile_page)
#define TABLE ((struct vdesc *)hostile_page)
#define W DESC_WRITE
#define N DESC_NEXT
#define I DESC_INDIRECT

static void put(struct vdesc *table, unsigned i, uint64_t addr, uint32_t len, uint16_t flags,
		uint16_t next)
{
	table[i] = (struct vdesc){addr, len, flags, next};
}

static void expose(struct vring *r, uint16_t head)
{
	r->avail->ring[r->avail->idx % r->size] = head;
	barrier_full();
	r->avail->idx++;
	barrier_full();
}

static int kick(struct vring *r)
{
	mmio_write16(r->notify, r->index);
	return 0;
}

static int submit(struct vring *r, uint16_t head)
{
	expose(r, head);
	return kick(r);
}

/* One descriptor, then as its flags say whatever else is in the ring. */
static int one(struct virtio *v, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	if (!r)
		return -1;
	put(r->desc, 0, addr, len, flags, next);
	return submit(r, 0);
}

static uint64_t ram_end(void)
{
	return mem_ranges[mem_n_ranges - 1].end;
}

static int loop_two(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	(void)seed;
	if (!r)
		return -1;
	put(r->desc, 0, PAGE, 16, N | W, 1);
	put(r->desc, 1, PAGE, 16, N | W, 0);
	return submit(r, 0);
}

static int loop_self(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, PAGE, 16, N | W, 0);
}

static int next_beyond(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, PAGE, 16, N | W, 0xffff);
}

static int next_just_beyond(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	(void)seed;
	if (!r)
		return -1;
	put(r->desc, 0, PAGE, 16, N | W, r->size);
	return submit(r, 0);
}

static int head_beyond(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	(void)seed;
	return r ? submit(r, r->size) : -1;
}

static int address_beyond(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, 1ull << 60, 4096, W, 0);
}

static int address_wraps(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, -4096ull, 8192, W, 0);
}

static int address_device(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, LAYOUT_ECAM, 4096, W, 0);
}

static int address_bar(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, virtio_common(v), COMMON_LEN, W, 0);
}

static int address_apic(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, LAYOUT_LAPIC, 4096, W, 0);
}

static int crosses_end(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, ram_end() - 4096, 1u << 20, W, 0);
}

static int length_huge(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, PAGE, 0xffffffff, W, 0);
}

static int length_sum(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	(void)seed;
	if (!r)
		return -1;
	for (uint16_t i = 0; i < r->size; i++)
		put(r->desc, i, 0, 0xfffff000, i + 1 < r->size ? N | W : W, (uint16_t)(i + 1));
	return submit(r, 0);
}

static int length_zero(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, PAGE, 0, W, 0);
}

static int nothing_writable(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, PAGE, 64, 0, 0);
}

static int write_then_read(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	(void)seed;
	if (!r)
		return -1;
	put(r->desc, 0, PAGE, 64, N | W, 1);
	put(r->desc, 1, PAGE + 64, 64, 0, 0);
	return submit(r, 0);
}

static int flags_all(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, PAGE, 64, 0xffff, 0);
}

static int own_rings(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	(void)seed;
	if (!r)
		return -1;
	put(r->desc, 0, (uint64_t)r->desc, 16u * r->size, W,
	    0); /* the device writes its own ring */
	put(r->desc, 1, (uint64_t)r->used, 64, W, 0);
	expose(r, 0);
	return submit(r, 1);
}

static int indirect_nested(struct virtio *v, uint64_t seed)
{
	(void)seed;
	put(TABLE, 0, PAGE + 256, 32, I, 0);
	put(TABLE, 16, PAGE + 4096, 64, W, 0);
	return one(v, PAGE, 32, I, 0);
}

static int indirect_odd(struct virtio *v, uint64_t seed)
{
	(void)seed;
	put(TABLE, 0, PAGE + 4096, 64, W, 0);
	return one(v, PAGE, 17, I, 0);
}

static int indirect_empty(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, PAGE, 0, I, 0);
}

static int indirect_and_next(struct virtio *v, uint64_t seed)
{
	(void)seed;
	put(TABLE, 0, PAGE + 4096, 64, W, 0);
	return one(v, PAGE, 16, I | N, 0);
}

static int indirect_beyond(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return one(v, 1ull << 52, 16, I, 0);
}

static int indirect_loop(struct virtio *v, uint64_t seed)
{
	(void)seed;
	put(TABLE, 0, PAGE + 4096, 64, N | W, 1);
	put(TABLE, 1, PAGE + 4096, 64, N | W, 0);
	return one(v, PAGE, 32, I, 0);
}

static int indirect_next_beyond(struct virtio *v, uint64_t seed)
{
	(void)seed;
	put(TABLE, 0, PAGE + 4096, 64, N | W, 2);
	return one(v, PAGE, 32, I, 0);
}

static int indirect_huge(struct virtio *v, uint64_t seed)
{
	(void)seed;
	for (unsigned i = 0; i < HOSTILE_PAGE / 16; i++)
		put(TABLE, i, PAGE, 1, N | W, (uint16_t)(i + 1));
	return one(v, PAGE, HOSTILE_PAGE, I, 0);
}

static int indirect_unasked(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, 0);

	(void)seed;
	if (!r)
		return -1;
	put(TABLE, 0, PAGE + 4096, 64, W, 0);
	put(r->desc, 0, PAGE, 16, I, 0);
	return submit(r, 0);
}

static int avail_jump(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	(void)seed;
	if (!r)
		return -1;
	r->avail->idx = (uint16_t)(r->avail->idx + r->size + 1);
	return kick(r);
}

static int avail_back(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	(void)seed;
	if (!r)
		return -1;
	r->avail->idx--;
	return kick(r);
}

static int same_head(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	(void)seed;
	if (!r)
		return -1;
	put(r->desc, 0, PAGE, 64, W, 0);
	for (int i = 0; i < r->size; i++)
		expose(r, 0);
	return kick(r);
}

/* The ring changes under the device's eyes: from another CPU where there is one. */
struct flip {
	struct vring *r;
	volatile bool stop;
};

static void flip_work(int cpu, void *arg)
{
	struct flip *f = arg;

	(void)cpu;
	while (!f->stop) {
		put(f->r->desc, 0, 1ull << 60, 0xffffffff, N | W, 0xffff);
		put(f->r->desc, 0, PAGE, 64, W, 0);
		f->r->avail->ring[0] = 0xffff;
		f->r->avail->ring[0] = 0;
	}
}

static int flipping(struct virtio *v, uint64_t seed)
{
	static struct flip f;

	(void)seed;
	f.r = hostile_start(v, HOSTILE_FEATURES);
	if (!f.r)
		return -1;
	f.stop = false;
	bool other = cpu_call(1, flip_work, &f);
	put(f.r->desc, 0, PAGE, 64, W, 0);
	for (int i = 0; i < 300; i++) {
		expose(f.r, 0);
		kick(f.r);
	}
	f.stop = true;
	while (other && cpu_is_busy(1))
		cpu_pause();
	return 0;
}

static int events_garbage(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	if (!r)
		return -1;
	put(r->desc, 0, PAGE, 64, W, 0);
	for (int i = 0; i < 100; i++) {
		r->avail->flags = (uint16_t)random_next(&seed);
		r->avail->ring[r->size] = (uint16_t)random_next(&seed); /* used_event */
		r->used->idx = (uint16_t)random_next(&seed);
		r->used->ring[0].id = (uint32_t)random_next(&seed);
		submit(r, 0);
	}
	return 0;
}

static uint64_t random_address(uint64_t *seed)
{
	switch (random_next(seed) % 6) {
	case 0:
		return PAGE + random_next(seed) % HOSTILE_PAGE;
	case 1:
		return ram_end() - random_next(seed) % 8192;
	case 2:
		return random_next(seed);
	case 3:
		return LAYOUT_PCI_WINDOW + random_next(seed) % 0x40000000;
	case 4:
		return -(random_next(seed) % 8192);
	default:
		return LAYOUT_HIGH_RAM - 4096 + random_next(seed) % 8192;
	}
}

/* Addresses in RAM are in hostile_page only, where nothing is hurt: lengths there stay inside it.
 */
static uint32_t random_length(uint64_t *seed, uint64_t addr)
{
	uint32_t len = (uint32_t)random_next(seed) >> random_next(seed) % 32;

	if (addr >= PAGE && addr < PAGE + HOSTILE_PAGE)
		len %= PAGE + HOSTILE_PAGE - addr;
	return len;
}

/* 200 rounds of a random ring, each on a freshly started device. */
static int random_rings(struct virtio *v, uint64_t seed)
{
	for (int round = 0; round < 200; round++) {
		struct vring *r = hostile_start(v, HOSTILE_FEATURES);
		if (!r)
			return -1;
		for (uint16_t i = 0; i < r->size; i++) {
			uint64_t addr = random_address(&seed);
			uint32_t len = random_length(&seed, addr);
			put(r->desc, i, addr, len, random_next(&seed) & 7,
			    (uint16_t)(random_next(&seed) % (r->size + 2)));
		}
		for (unsigned i = 0; i < HOSTILE_PAGE / 32; i++) {
			uint64_t addr = random_address(&seed);
			uint32_t len = random_length(&seed, addr);
			put(TABLE, i, addr, len, random_next(&seed) & 7, random_next(&seed) & 15);
		}
		for (uint64_t n = random_next(&seed) % (r->size + 2); n; n--)
			expose(r, (uint16_t)(random_next(&seed) % (r->size + 1)));
		kick(r);
	}
	return 0;
}

const struct attack ring_attacks[] = {
	{"loop", "two descriptors in a circle", EXPECT_NEEDS_RESET, 0, loop_two},
	{"loop-self", "a descriptor that is its own next", EXPECT_NEEDS_RESET, 0, loop_self},
	{"next-beyond", "next 65535", EXPECT_NEEDS_RESET, 0, next_beyond},
	{"next-size", "next equal to the queue's size", EXPECT_NEEDS_RESET, 0, next_just_beyond},
	{"head-beyond", "a head index equal to the queue's size", EXPECT_NEEDS_RESET, 0,
	 head_beyond},
	{"address-beyond", "a buffer at 2^60", EXPECT_NEEDS_RESET, 0, address_beyond},
	{"address-wraps", "a buffer across the end of the address space", EXPECT_NEEDS_RESET, 0,
	 address_wraps},
	{"address-device", "a buffer in PCI configuration space", EXPECT_NEEDS_RESET, 0,
	 address_device},
	{"address-bar", "a buffer in the device's own BAR", EXPECT_NEEDS_RESET, 0, address_bar},
	{"address-apic", "a buffer in the local APIC", EXPECT_NEEDS_RESET, 0, address_apic},
	{"crosses-end", "a buffer across the end of RAM", EXPECT_NEEDS_RESET, 0, crosses_end},
	{"length-huge", "a buffer of 4 GiB", EXPECT_NEEDS_RESET, 0, length_huge},
	{"length-sum", "a full chain of 4 GiB buffers", EXPECT_NEEDS_RESET, 0, length_sum},
	{"length-zero", "a buffer of no bytes", EXPECT_ANYTHING, 0, length_zero},
	{"nothing-writable", "a request with nothing to write to", EXPECT_ANYTHING, 0,
	 nothing_writable},
	{"write-then-read", "a readable part after a writable one", EXPECT_ANYTHING, 0,
	 write_then_read},
	{"flags-all", "all flags of a descriptor set", EXPECT_NEEDS_RESET, 0, flags_all},
	{"own-rings", "buffers that are the queue's own rings", EXPECT_ANYTHING, 0, own_rings},
	{"indirect-nested", "an indirect table in an indirect table", EXPECT_NEEDS_RESET, 0,
	 indirect_nested},
	{"indirect-odd", "an indirect table of 17 bytes", EXPECT_NEEDS_RESET, 0, indirect_odd},
	{"indirect-empty", "an indirect table of no bytes", EXPECT_NEEDS_RESET, 0, indirect_empty},
	{"indirect-next", "an indirect descriptor with a next one", EXPECT_NEEDS_RESET, 0,
	 indirect_and_next},
	{"indirect-beyond", "an indirect table at 2^52", EXPECT_NEEDS_RESET, 0, indirect_beyond},
	{"indirect-loop", "a circle inside an indirect table", EXPECT_NEEDS_RESET, 0,
	 indirect_loop},
	{"indirect-next-beyond", "a next outside of the indirect table", EXPECT_NEEDS_RESET, 0,
	 indirect_next_beyond},
	{"indirect-huge", "an indirect table of 4096 entries", EXPECT_ANYTHING, 0, indirect_huge},
	{"indirect-unasked", "an indirect table that was not agreed on", EXPECT_NEEDS_RESET, 0,
	 indirect_unasked},
	{"avail-jump", "the available index ahead by more than the size", EXPECT_NEEDS_RESET, 0,
	 avail_jump},
	{"avail-back", "the available index goes back", EXPECT_NEEDS_RESET, 0, avail_back},
	{"same-head", "the same head many times over", EXPECT_ANYTHING, 0, same_head},
	{"flipping", "descriptors that change while they are read", EXPECT_ANYTHING, 0, flipping},
	{"events-garbage", "garbage in event indices, flags and the used ring", EXPECT_ANYTHING, 0,
	 events_garbage},
	{"random-rings", "random rings, 200 times", EXPECT_ANYTHING, 0, random_rings},
	{0},
};
