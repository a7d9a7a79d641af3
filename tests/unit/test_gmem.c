/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Guest memory: where addresses become pointers, and where they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "engine/vmm/gmem.h"
#include "engine/vmm/layout.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static struct gmem_config anonymous(uint64_t size_bytes)
{
	return (struct gmem_config){.size_bytes = size_bytes, .backing = GMEM_ANONYMOUS};
}

static void gmem_refuses_odd_sizes(void **state)
{
	(void)state;
	const uint64_t sizes[] = {0, 8 * MIB, 17 * MIB, 16 * MIB + 4096, UINT64_MAX - 2 * MIB + 1};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct gmem mem;
		struct hv_error err;
		struct gmem_config config = anonymous(sizes[i]);
		assert_int_equal(gmem_init(&mem, &config, &err), -HV_USAGE);
		gmem_fini(&mem);
	}
}

static void gmem_bounds_every_translation(void **state)
{
	(void)state;
	struct gmem mem;
	struct gmem_config config = anonymous(16 * MIB);
	assert_int_equal(gmem_init(&mem, &config, NULL), 0);
	assert_non_null(gmem_ptr(&mem, 0, 16 * MIB));
	assert_null(gmem_ptr(&mem, 0, 16 * MIB + 1));
	assert_non_null(gmem_ptr(&mem, 16 * MIB - 1, 1));
	assert_null(gmem_ptr(&mem, 16 * MIB - 1, 2));
	assert_null(gmem_ptr(&mem, 16 * MIB, 0));
	assert_null(gmem_ptr(&mem, UINT64_MAX, 2));
	assert_null(gmem_ptr(&mem, 4096, SIZE_MAX));
	assert_null(gmem_ptr(&mem, SIZE_MAX - 4095, 8192));
	gmem_fini(&mem);
}

static void gmem_leaves_a_hole_below_4_gib(void **state)
{
	(void)state;
	struct gmem mem;
	struct gmem_config config = anonymous(5 * GIB);
	assert_int_equal(gmem_init(&mem, &config, NULL), 0);
	assert_int_equal(mem.n_regions, 2);
	uint8_t *low_end = gmem_ptr(&mem, LAYOUT_LOW_RAM_END - 1, 1);
	uint8_t *high = gmem_ptr(&mem, LAYOUT_HIGH_RAM, 1);
	assert_non_null(low_end);
	assert_non_null(high);
	assert_null(gmem_ptr(&mem, LAYOUT_LOW_RAM_END - 1, 2));
	assert_null(gmem_ptr(&mem, LAYOUT_LOW_RAM_END, 1));
	assert_null(gmem_ptr(&mem, LAYOUT_HIGH_RAM - 1, 1));
	assert_non_null(gmem_ptr(&mem, LAYOUT_HIGH_RAM, 2 * GIB));
	assert_null(gmem_ptr(&mem, LAYOUT_HIGH_RAM + 2 * GIB, 1));
	/* large second-level entries need host and guest addresses that agree modulo their size */
	assert_int_equal((uintptr_t)gmem_ptr(&mem, 0, 1) % GIB, 0);
	assert_int_equal((uintptr_t)high % GIB, 0);
	gmem_fini(&mem);
}

static void gmem_memfd_is_shared_memory(void **state)
{
	(void)state;
	struct gmem mem;
	struct gmem_config config = {
		.size_bytes = 16 * MIB, .backing = GMEM_MEMFD, .prefault = true};
	assert_int_equal(gmem_init(&mem, &config, NULL), 0);
	assert_true(mem.fd >= 0);
	assert_true(gmem_write(&mem, 5 * MIB, "over", 5));
	char back[5];
	assert_true(gmem_read(&mem, 5 * MIB, back, sizeof back));
	assert_string_equal(back, "over");
	gmem_fini(&mem);
}

/* Pages of the first 2 MiB that are there after one byte of it is written. */
static int pages_after_a_byte(struct gmem *mem)
{
	unsigned char there[512];
	int n = 0;
	assert_true(gmem_write(mem, MIB, "x", 1));
	assert_int_equal(mincore(mem->regions[0].hva, 2 * MIB, there), 0);
	for (int i = 0; i < 512; i++)
		n += there[i] & 1;
	return n;
}

static void gmem_begins_with_small_pages_until_loaded(void **state)
{
	(void)state;
	struct gmem mem;
	struct gmem_config config = {.size_bytes = 16 * MIB, .backing = GMEM_ANONYMOUS};
	FILE *mode = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
	char text[64] = "";
	if (mode) {
		(void)!fgets(text, sizeof text, mode);
		fclose(mode);
	}
	assert_int_equal(gmem_init(&mem, &config, NULL), 0);
	assert_true(mem.low_small);
	/* where all memory gets huge pages unasked, it does */
	if (!strstr(text, "[always]"))
		assert_int_equal(pages_after_a_byte(&mem), 1);
	gmem_loaded(&mem);
	assert_false(mem.low_small);
	gmem_fini(&mem);
}

static void gmem_huge_pages_of_odd_size_are_refused(void **state)
{
	(void)state;
	struct gmem mem;
	struct gmem_config config = {
		.size_bytes = 16 * MIB, .backing = GMEM_HUGETLB, .page_bytes = 4 * MIB};
	assert_int_equal(gmem_init(&mem, &config, NULL), -HV_USAGE);
	config.page_bytes = GIB;
	assert_int_equal(gmem_init(&mem, &config, NULL), -HV_USAGE);
}

static void gmem_copies_nothing_across_the_end(void **state)
{
	(void)state;
	struct gmem mem;
	struct gmem_config config = anonymous(16 * MIB);
	assert_int_equal(gmem_init(&mem, &config, NULL), 0);
	char bytes[8] = "untouch";
	assert_false(gmem_read(&mem, 16 * MIB - 4, bytes, sizeof bytes));
	assert_string_equal(bytes, "untouch");
	assert_false(gmem_write(&mem, 16 * MIB - 4, bytes, sizeof bytes));
	assert_int_equal(*(uint8_t *)gmem_ptr(&mem, 16 * MIB - 4, 1), 0);
	gmem_fini(&mem);
}

static void gmem_marks_each_page_written(void **state)
{
	(void)state;
	struct gmem mem;
	struct gmem_config config = anonymous(16 * MIB);
	assert_int_equal(gmem_init(&mem, &config, NULL), 0);
	gmem_dirty(&mem, 0, 4096); /* nothing tracks: no effect, no fault */
	unsigned long bitmap[16 * MIB / 4096 / 64] = {0};
	mem.dirty[0] = bitmap;
	gmem_dirty(&mem, 4095, 2);
	gmem_dirty_hva(&mem, gmem_ptr(&mem, 64 * 4096, 1), 1);
	gmem_dirty(&mem, 16 * MIB - 1, 2); /* not memory: not marked */
	gmem_dirty(&mem, 3 * 4096, 0);
	int outside = 0;
	gmem_dirty_hva(&mem, &outside, sizeof outside);
	assert_int_equal(bitmap[0], 3);
	assert_int_equal(bitmap[1], 1);
	for (size_t i = 2; i < sizeof bitmap / sizeof *bitmap; i++)
		assert_int_equal(bitmap[i], 0);
	gmem_fini(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gmem_refuses_odd_sizes),
		cmocka_unit_test(gmem_bounds_every_translation),
		cmocka_unit_test(gmem_leaves_a_hole_below_4_gib),
		cmocka_unit_test(gmem_memfd_is_shared_memory),
		cmocka_unit_test(gmem_begins_with_small_pages_until_loaded),
		cmocka_unit_test(gmem_huge_pages_of_odd_size_are_refused),
		cmocka_unit_test(gmem_copies_nothing_across_the_end),
		cmocka_unit_test(gmem_marks_each_page_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
