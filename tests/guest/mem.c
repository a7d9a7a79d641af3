/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory: the ranges of the PVH memory map above the program. Buffers come from the bottom of the
 * first range, the balloon takes pages from the top of the last; between the two nobody writes but
 * the tests here.
 */
#include "tests/guest/mem.h"
#include "tests/guest/clock.h"
#include "tests/guest/cpu.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define RAM 1
#define TOP_RESERVE 0x100000 /* the balloon leaves at least this of the first range */

struct mem_range mem_ranges[MEM_RANGES];
int mem_n_ranges;
uint64_t mem_total;
static struct mem_range whole[MEM_RANGES]; /* as they were before the balloon took from them */

extern uint8_t guest_end[];

void mem_init(const struct hvm_memmap *map, uint32_t n)
{
	uint64_t low = ((uint64_t)guest_end + 4095) & ~4095ul;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t start = (map[i].addr + 4095) & ~4095ul;
		uint64_t end = (map[i].addr + map[i].len) & ~4095ul;
		if (map[i].type != RAM)
			continue;
		mem_total += map[i].len;
		if (start < low)
			start = low;
		if (start < end && mem_n_ranges < MEM_RANGES)
			whole[mem_n_ranges] = mem_ranges[mem_n_ranges] =
				(struct mem_range){start, end},
			mem_n_ranges++;
	}
}

void *mem_alloc(size_t len, size_t align)
{
	struct mem_range *low = &mem_ranges[0];
	uint64_t at = (low->start + align - 1) & ~(align - 1);

	if (at + len > low->end || at + len < at)
		return NULL;
	low->start = at + len;
	return memset((void *)at, 0, len);
}

struct mem_range mem_free_range(void)
{
	struct mem_range best = {0, 0};

	for (int i = 0; i < mem_n_ranges; i++)
		if (mem_ranges[i].end - mem_ranges[i].start > best.end - best.start)
			best = mem_ranges[i];
	best.start = (best.start + 4095) & ~4095ul;
	return best;
}

uint64_t mem_take_top(void)
{
	for (int i = mem_n_ranges - 1; i >= 0; i--) {
		uint64_t reserve = i ? 4096 : TOP_RESERVE;
		if (mem_ranges[i].end - mem_ranges[i].start > reserve)
			return mem_ranges[i].end -= 4096;
	}
	return 0;
}

uint64_t mem_next_taken(void)
{
	for (int i = 0; i < mem_n_ranges; i++)
		if (mem_ranges[i].end < whole[i].end)
			return mem_ranges[i].end;
	return 0;
}

void mem_give_top(uint64_t page)
{
	for (int i = 0; i < mem_n_ranges; i++)
		if (mem_ranges[i].end == page && page < whole[i].end)
			mem_ranges[i].end += 4096;
}

static int run_mem(int argc, char **argv)
{
	(void)argc, (void)argv;
	print("mem total_kib=%lu\n", mem_total >> 10);
	for (int i = 0; i < mem_n_ranges; i++)
		print("mem free start=%lx end=%lx taken_kib=%lu\n", mem_ranges[i].start,
		      mem_ranges[i].end, (whole[i].end - mem_ranges[i].end) >> 10);
	return 0;
}

static uint64_t pattern(uint64_t addr, uint64_t round)
{
	return addr * 0x9e3779b97f4a7c15 ^ round;
}

/* memtest [LEN [ROUNDS]]: writes all words of the biggest free range, reads them back. */
static int run_memtest(int argc, char **argv)
{
	struct mem_range range = mem_free_range();
	uint64_t len = range.end - range.start, rounds = 1, bad = 0;

	if ((argc > 1 && !parse_number(argv[1], &len)) ||
	    (argc > 2 && !parse_number(argv[2], &rounds)))
		return fail("memtest [LEN [ROUNDS]]");
	if (len > range.end - range.start)
		return fail("only %lu bytes are free in one range", range.end - range.start);
	uint64_t start = clock_ns();
	for (uint64_t round = 0; round < rounds; round++) {
		for (uint64_t a = range.start; a + 8 <= range.start + len; a += 8)
			*(volatile uint64_t *)a = pattern(a, round);
		for (uint64_t a = range.start; a + 8 <= range.start + len; a += 8)
			bad += *(volatile uint64_t *)a != pattern(a, round);
	}
	print("memtest bytes=%lu rounds=%lu bad=%lu us=%lu\n", len, rounds, bad,
	      (clock_ns() - start) / 1000);
	return bad ? fail("%lu words read back wrong", bad) : 0;
}

const struct command mem_commands[] = {
	{"mem", "", "RAM and what is free of it", run_mem},
	{"memtest", "[LEN [ROUNDS]]", "write and read back free memory", run_memtest},
	{0},
};
