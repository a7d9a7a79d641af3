/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Buses: who answers where, and that handlers may change the map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/vmm/bus.h"

struct probe {
	struct bus *bus;
	uint64_t base, offset, value;
	unsigned size;
};

static uint64_t probe_read(void *owner, uint64_t offset, unsigned size)
{
	struct probe *probe = owner;
	probe->offset = offset;
	probe->size = size;
	return 0x1122334455667788;
}

static void probe_write(void *owner, uint64_t offset, unsigned size, uint64_t value)
{
	struct probe *probe = owner;
	probe->offset = offset;
	probe->size = size;
	probe->value = value;
	if (value == 0xdead)
		bus_remove(probe->bus, probe->base, probe);
}

static const struct bus_ops probe_ops = {probe_read, probe_write};

static void put(struct bus *bus, struct probe *probe, uint64_t base, uint64_t len, int expected)
{
	struct bus_range range = {base, len, &probe_ops, probe};
	*probe = (struct probe){.bus = bus, .base = base};
	assert_int_equal(bus_add(bus, &range, NULL), expected);
}

static void bus_finds_the_range_of_an_access(void **state)
{
	(void)state;
	struct bus bus;
	struct probe probes[20];
	bus_init(&bus);
	/* added out of order, more than the first allocation holds */
	for (int i = 0; i < 20; i++)
		put(&bus, &probes[i], 0x1000u * (uint64_t)(i * 7 % 20), 0x800, 0);
	for (int i = 0; i < 20; i++) {
		assert_true(bus_write(&bus, probes[i].base + 0x7fc, 4, 77));
		assert_int_equal(probes[i].offset, 0x7fc);
		assert_int_equal(probes[i].value, 77);
		assert_int_equal(probes[i].size, 4);
		assert_false(bus_write(&bus, probes[i].base + 0x800, 1, 1));
	}
	bus_fini(&bus);
}

static void bus_reads_ones_where_nothing_answers(void **state)
{
	(void)state;
	struct bus bus;
	struct probe probe;
	uint64_t value;
	bus_init(&bus);
	assert_false(bus_read(&bus, 0x3f8, 1, &value));
	assert_int_equal(value, 0xff);
	put(&bus, &probe, 0x1000, 8, 0);
	assert_false(bus_read(&bus, 0x1004, 8, &value)); /* runs over the end */
	assert_true(value == UINT64_MAX);
	assert_true(bus_read(&bus, 0x1004, 2, &value)); /* cut to the access */
	assert_int_equal(value, 0x7788);
	assert_false(bus_read(&bus, UINT64_MAX, 4, &value));
	bus_fini(&bus);
}

static void bus_refuses_overlap_and_wrap(void **state)
{
	(void)state;
	struct bus bus;
	struct probe a, b;
	bus_init(&bus);
	put(&bus, &a, 0x1000, 0x1000, 0);
	put(&bus, &b, 0x1fff, 1, -HV_CONFLICT);
	put(&bus, &b, 0x800, 0x801, -HV_CONFLICT);
	put(&bus, &b, 0x800, 0x2000, -HV_CONFLICT);
	put(&bus, &b, 0x3000, 0, -HV_CONFLICT);
	put(&bus, &b, UINT64_MAX - 1, 4, -HV_CONFLICT);
	put(&bus, &b, UINT64_MAX - 3, 4, 0);
	bus_remove(&bus, UINT64_MAX - 3, &a); /* not its owner */
	assert_int_equal(bus.n_ranges, 2);
	put(&bus, &b, 0x2000, 1, 0);
	bus_fini(&bus);
}

static void bus_lets_a_handler_remove_itself(void **state)
{
	(void)state;
	struct bus bus;
	struct probe probe;
	bus_init(&bus);
	put(&bus, &probe, 0x1000, 8, 0);
	assert_true(bus_write(&bus, 0x1000, 4, 0xdead));
	assert_false(bus_write(&bus, 0x1000, 4, 1));
	bus_fini(&bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bus_finds_the_range_of_an_access),
		cmocka_unit_test(bus_reads_ones_where_nothing_answers),
		cmocka_unit_test(bus_refuses_overlap_and_wrap),
		cmocka_unit_test(bus_lets_a_handler_remove_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
