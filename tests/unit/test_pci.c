/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The PCI root bus as a guest sees it: configuration space, BARs, MSI-X, and what it must not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include <linux/pci_regs.h>

#include "engine/pci/pci.h"
#include "engine/vmm/layout.h"
#include "tests/unit/fake_machine.h"

#define BAR_LEN 0x4000
#define N_VECTORS 70

struct toy {
	struct pci_fn fn;
	unsigned moves;
	uint64_t last_write;
};

struct fixture {
	struct fake_machine m;
	struct pci_bus bus;
	struct toy a, b;
	unsigned cap;
	uint8_t reset_value;
};

static uint64_t toy_read(void *owner, uint64_t offset, unsigned size)
{
	struct toy *toy = owner;
	if (offset >= 0x1000 && offset < 0x2000)
		return pci_msix_read(&toy->fn, offset - 0x1000, size, false);
	if (offset >= 0x2000)
		return pci_msix_read(&toy->fn, offset - 0x2000, size, true);
	return 0x1234;
}

static void toy_write(void *owner, uint64_t offset, unsigned size, uint64_t value)
{
	struct toy *toy = owner;
	toy->last_write = value;
	if (offset >= 0x1000 && offset < 0x2000)
		pci_msix_write(&toy->fn, offset - 0x1000, size, value);
}

static const struct bus_ops toy_bar_ops = {toy_read, toy_write};

static void toy_moved(struct pci_fn *fn, int bar)
{
	(void)bar;
	((struct toy *)fn->owner)->moves++;
}

static const struct pci_fn_ops toy_ops = {.bar_moved = toy_moved};

static void reset_port(void *ctx, uint8_t value)
{
	((struct fixture *)ctx)->reset_value = value;
}

static void plug(struct fixture *f, struct toy *toy, bool is_64bit)
{
	struct hv_error err;
	pci_fn_init(&toy->fn, 0x1af4, 0x1044, 0x1af4, 0x1100, 0xff0000, 1);
	toy->fn.ops = &toy_ops;
	toy->fn.owner = toy;
	assert_int_equal(pci_fn_add_bar(&toy->fn, 0, BAR_LEN, is_64bit, &toy_bar_ops, &err), 0);
	assert_int_equal(
		pci_fn_add_msix(&toy->fn, &f->m.wiring.wiring, 0, 0x1000, 0x2000, N_VECTORS, &err),
		0);
	assert_int_equal(pci_bus_plug(&f->bus, &toy->fn, -1, &err), 0);
	f->cap = toy->fn.msix_cap;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct hv_error err;
	fake_machine_init(&f->m, 0);
	assert_int_equal(pci_bus_init(&f->bus, &f->m.env, &err), 0);
	f->bus.reset_port = reset_port;
	f->bus.reset_ctx = f;
	plug(f, &f->a, false);
	plug(f, &f->b, true);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	pci_bus_unplug(&f->bus, &f->a.fn);
	pci_bus_unplug(&f->bus, &f->b.fn);
	pci_fn_fini(&f->a.fn);
	pci_fn_fini(&f->b.fn);
	pci_bus_fini(&f->bus);
	assert_int_equal(f->m.wiring.n_msis, 0);
	assert_int_equal(f->m.mmio.n_ranges, 0);
	assert_int_equal(f->m.pio.n_ranges, 0);
	fake_machine_fini(&f->m);
	free(f);
	return 0;
}

static uint64_t ecam(unsigned slot, unsigned offset)
{
	return LAYOUT_ECAM + (slot << 15) + offset;
}

static uint64_t get(struct fixture *f, unsigned slot, unsigned offset, unsigned size)
{
	uint64_t value;
	assert_true(bus_read(&f->m.mmio, ecam(slot, offset), size, &value));
	return value;
}

static void set(struct fixture *f, unsigned slot, unsigned offset, unsigned size, uint64_t value)
{
	assert_true(bus_write(&f->m.mmio, ecam(slot, offset), size, value));
}

static bool answers(struct fixture *f, uint64_t gpa)
{
	uint64_t value;
	return bus_read(&f->m.mmio, gpa, 4, &value) && value == 0x1234;
}

static void enable_memory(struct fixture *f, unsigned slot)
{
	set(f, slot, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* ---- configuration space ------------------------------------------------------------------------ */

static void pci_shows_functions_and_ones_elsewhere(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(get(f, 0, PCI_CLASS_DEVICE, 2), 0x0600);
	assert_int_equal(get(f, 1, PCI_VENDOR_ID, 4), 0x10441af4);
	assert_int_equal(get(f, 2, PCI_SUBSYSTEM_ID, 2), 0x1100);
	assert_int_equal(get(f, 3, PCI_VENDOR_ID, 4), 0xffffffff);
	assert_int_equal(get(f, 31, PCI_VENDOR_ID, 2), 0xffff);
	assert_int_equal(get(f, 1, 0x1000 + PCI_VENDOR_ID, 4), 0xffffffff); /* function 1 */
	assert_int_equal(get(f, 1, 0x100, 4), 0);
	assert_int_equal(get(f, 1, 0xffc, 8), 0);
	assert_int_equal(get(f, 1, 0xfe, 4), 0);
	set(f, 3, PCI_COMMAND, 4, 0xffffffff);
	set(f, 1, 0xff8, 8, UINT64_MAX);
}

static void pci_answers_ports_too(void **state)
{
	struct fixture *f = *state;
	uint64_t value;
	bus_write(&f->m.pio, 0xcf8, 4, 0x80000000 | 1 << 11 | PCI_SUBSYSTEM_VENDOR_ID);
	assert_true(bus_read(&f->m.pio, 0xcfc, 4, &value));
	assert_int_equal(value, 0x11001af4);
	bus_read(&f->m.pio, 0xcfe, 2, &value);
	assert_int_equal(value, 0x1100);
	bus_read(&f->m.pio, 0xcf8, 4, &value);
	assert_int_equal(value, 0x80000000 | 1 << 11 | PCI_SUBSYSTEM_VENDOR_ID);
	bus_write(&f->m.pio, 0xcf8, 4, 0x80000000 | 9 << 11);
	bus_read(&f->m.pio, 0xcfc, 4, &value);
	assert_int_equal(value, 0xffffffff);
	bus_write(&f->m.pio, 0xcf8, 4, 0x80010000); /* bus 1 */
	bus_read(&f->m.pio, 0xcfc, 4, &value);
	assert_int_equal(value, 0xffffffff);
	bus_write(&f->m.pio, 0xcf8, 4, 0);
	bus_read(&f->m.pio, 0xcfc, 1, &value);
	assert_int_equal(value, 0xff);
}

static void pci_hands_the_reset_port_to_the_machine(void **state)
{
	struct fixture *f = *state;
	bus_write(&f->m.pio, LAYOUT_PORT_RESET, 1, 6);
	assert_int_equal(f->reset_value, 6);
}

static void pci_keeps_what_guests_may_not_write(void **state)
{
	struct fixture *f = *state;
	uint8_t before[PCI_CONFIG_LEN];
	memcpy(before, f->a.fn.config, sizeof before);
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		unsigned size = 1u << (random() & 3);
		set(f, 1, (unsigned)random() % 256, size,
		    (uint64_t)random() << 32 | (uint64_t)random());
	}
	for (int i = 0; i < PCI_CONFIG_LEN; i++)
		assert_int_equal((f->a.fn.config[i] ^ before[i]) & ~f->a.fn.writable[i], 0);
}

static void pci_lists_capabilities(void **state)
{
	struct fixture *f = *state;
	assert_true(get(f, 1, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	unsigned at = (unsigned)get(f, 1, PCI_CAPABILITY_LIST, 1);
	assert_int_equal(at, f->cap);
	assert_int_equal(get(f, 1, at, 1), PCI_CAP_ID_MSIX);
	assert_int_equal(get(f, 1, at + 1, 1), 0);
	assert_int_equal(get(f, 1, at + PCI_MSIX_FLAGS, 2), N_VECTORS - 1);
	assert_int_equal(get(f, 1, at + PCI_MSIX_TABLE, 4), 0x1000);
}

static void pci_refuses_capabilities_that_do_not_fit(void **state)
{
	struct fixture *f = *state;
	uint8_t body[30] = {0};
	struct pci_fn fn;
	(void)f;
	pci_fn_init(&fn, 1, 2, 3, 4, 5, 6);
	int n = 0;
	while (pci_fn_add_cap(&fn, 9, body, sizeof body))
		n++;
	assert_in_range(n, 5, 6);
	assert_int_equal(pci_fn_add_cap(&fn, 9, body, sizeof body), 0);
	pci_fn_fini(&fn);
}

/* ---- BARs --------------------------------------------------------------------------------------- */

static void bars_tell_their_size(void **state)
{
	struct fixture *f = *state;
	uint64_t base = get(f, 1, PCI_BASE_ADDRESS_0, 4);
	assert_in_range(base, LAYOUT_PCI_WINDOW,
			LAYOUT_PCI_WINDOW + LAYOUT_PCI_WINDOW_LEN - BAR_LEN);
	set(f, 1, PCI_BASE_ADDRESS_0, 4, 0xffffffff);
	assert_int_equal(get(f, 1, PCI_BASE_ADDRESS_0, 4), (uint32_t)-BAR_LEN);
	set(f, 1, PCI_BASE_ADDRESS_0, 4, base);
	set(f, 1, PCI_BASE_ADDRESS_1, 4, 0xffffffff);
	assert_int_equal(get(f, 1, PCI_BASE_ADDRESS_1, 4), 0);
	set(f, 2, PCI_BASE_ADDRESS_0, 4, 0xffffffff);
	set(f, 2, PCI_BASE_ADDRESS_1, 4, 0xffffffff);
	assert_int_equal(get(f, 2, PCI_BASE_ADDRESS_0, 4),
			 (uint32_t)-BAR_LEN | PCI_BASE_ADDRESS_MEM_TYPE_64);
	assert_int_equal(get(f, 2, PCI_BASE_ADDRESS_1, 4), 0xffffffff);
}

static void bars_answer_only_while_memory_is_enabled(void **state)
{
	struct fixture *f = *state;
	uint64_t base = get(f, 1, PCI_BASE_ADDRESS_0, 4);
	assert_false(answers(f, base));
	enable_memory(f, 1);
	assert_true(answers(f, base));
	assert_int_equal(f->a.moves, 1);
	set(f, 1, PCI_COMMAND, 2, 0);
	assert_false(answers(f, base));
	assert_int_equal(f->a.moves, 2);
}

static void bars_move(void **state)
{
	struct fixture *f = *state;
	uint64_t base = get(f, 1, PCI_BASE_ADDRESS_0, 4), other = LAYOUT_PCI_WINDOW + 0x1000000;
	enable_memory(f, 1);
	set(f, 1, PCI_BASE_ADDRESS_0, 4, other);
	assert_false(answers(f, base));
	assert_true(answers(f, other));
	assert_int_equal(f->a.fn.bars[0].base, other);
}

static void bars_stay_unmapped_where_something_else_lies(void **state)
{
	struct fixture *f = *state;
	static const uint32_t places[] = {0,
					  0x4000,
					  0x100000,
					  LAYOUT_ECAM,
					  LAYOUT_ECAM + 0x8000,
					  LAYOUT_IOAPIC,
					  LAYOUT_LAPIC,
					  0xffffc000,
					  LAYOUT_PCI_WINDOW - BAR_LEN,
					  LAYOUT_POWER};
	enable_memory(f, 1);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		set(f, 1, PCI_BASE_ADDRESS_0, 4, places[i]);
		assert_int_equal(f->a.fn.bars[0].base, 0);
		assert_false(answers(f, places[i]));
		assert_int_equal(get(f, 1, PCI_BASE_ADDRESS_0, 4), places[i]);
	}
	assert_int_equal(get(f, 1, PCI_VENDOR_ID, 4), 0x10441af4);
}

static void bars_of_64_bits_go_above_memory_only(void **state)
{
	struct fixture *f = *state;
	enable_memory(f, 2);
	set(f, 2, PCI_BASE_ADDRESS_0, 8, 0x2000000000);
	assert_true(answers(f, 0x2000000000));
	static const uint64_t places[] = {0xffffffffffffc000, 1ull << 46, 1ull << 63,
					  (1ull << 46) - BAR_LEN / 2};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		set(f, 2, PCI_BASE_ADDRESS_0, 8, places[i]);
		if (places[i] % BAR_LEN == 0)
			assert_int_equal(f->b.fn.bars[0].base, 0);
	}
}

static void bars_that_collide_leave_the_first_in_place(void **state)
{
	struct fixture *f = *state;
	uint64_t base = get(f, 1, PCI_BASE_ADDRESS_0, 4), other = LAYOUT_PCI_WINDOW + 0x1000000;
	enable_memory(f, 1);
	enable_memory(f, 2);
	set(f, 2, PCI_BASE_ADDRESS_0, 4, base);
	assert_int_equal(f->b.fn.bars[0].base, 0);
	assert_true(answers(f, base));
	/* when the first leaves, the second takes the place */
	set(f, 1, PCI_BASE_ADDRESS_0, 4, other);
	assert_int_equal(f->a.fn.bars[0].base, other);
	assert_int_equal(f->b.fn.bars[0].base, base);
}

static void bars_vanish_with_their_function(void **state)
{
	struct fixture *f = *state;
	uint64_t base = get(f, 1, PCI_BASE_ADDRESS_0, 4);
	enable_memory(f, 1);
	pci_bus_unplug(&f->bus, &f->a.fn);
	assert_false(answers(f, base));
	assert_int_equal(get(f, 1, PCI_VENDOR_ID, 4), 0xffffffff);
}

/* ---- MSI-X -------------------------------------------------------------------------------------- */

static void table_write(struct fixture *f, unsigned vector, unsigned offset, uint32_t value)
{
	assert_true(bus_write(&f->m.mmio, f->a.fn.bars[0].base + 0x1000 + 16 * vector + offset, 4,
			      value));
}

static uint64_t pba(struct fixture *f, unsigned qword)
{
	uint64_t value;
	assert_true(bus_read(&f->m.mmio, f->a.fn.bars[0].base + 0x2000 + 8 * qword, 8, &value));
	return value;
}

static void msix_control(struct fixture *f, uint16_t bits)
{
	set(f, 1, f->cap + PCI_MSIX_FLAGS, 2, bits);
}

static bool fired(struct fixture *f, unsigned vector)
{
	eventfd_t count;
	int fd = f->a.fn.vectors[vector].msi.fd;
	return fd >= 0 && eventfd_read(fd, &count) == 0;
}

static void unmask(struct fixture *f, unsigned vector)
{
	table_write(f, vector, PCI_MSIX_ENTRY_LOWER_ADDR, 0xfee01000);
	table_write(f, vector, PCI_MSIX_ENTRY_DATA, 0x41);
	table_write(f, vector, PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
}

static void msix_takes_interrupts_when_unmasked_only(void **state)
{
	struct fixture *f = *state;
	enable_memory(f, 1);
	assert_int_equal(f->m.wiring.n_msis, 0);
	unmask(f, 3);
	assert_int_equal(f->m.wiring.n_bound, 0);
	msix_control(f, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(f->m.wiring.n_bound, 1);
	pci_msix_raise(&f->a.fn, 3);
	assert_true(fired(f, 3));
	table_write(f, 3, PCI_MSIX_ENTRY_VECTOR_CTRL, 1);
	assert_int_equal(f->m.wiring.n_bound, 0);
	/* its GSI stays */
	assert_int_equal(f->m.wiring.n_msis, 1);
}

static void msix_remembers_what_came_while_masked(void **state)
{
	struct fixture *f = *state;
	enable_memory(f, 1);
	msix_control(f, PCI_MSIX_FLAGS_ENABLE);
	pci_msix_raise(&f->a.fn, 2);
	pci_msix_raise(&f->a.fn, 65);
	assert_int_equal(pba(f, 0), 1 << 2);
	assert_int_equal(pba(f, 1), 1 << 1);
	unmask(f, 2);
	assert_true(fired(f, 2));
	assert_false(fired(f, 2));
	assert_int_equal(pba(f, 0), 0);
	assert_int_equal(pba(f, 1), 1 << 1);
	assert_int_equal(pba(f, 2), 0);
}

static void msix_keeps_a_raise_that_met_a_mask(void **state)
{
	struct fixture *f = *state;
	enable_memory(f, 1);
	msix_control(f, PCI_MSIX_FLAGS_ENABLE);
	unmask(f, 2);
	pci_msix_raise(&f->a.fn, 2); /* its count is not taken by anybody yet */
	table_write(f, 2, PCI_MSIX_ENTRY_VECTOR_CTRL, 1);
	assert_int_equal(pba(f, 0), 1 << 2);
	table_write(f, 2, PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
	assert_true(fired(f, 2));
}

static void msix_obeys_the_function_mask(void **state)
{
	struct fixture *f = *state;
	enable_memory(f, 1);
	unmask(f, 0);
	unmask(f, 1);
	msix_control(f, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pci_msix_raise(&f->a.fn, 1);
	assert_false(fired(f, 1));
	assert_int_equal(pba(f, 0), 2);
	msix_control(f, PCI_MSIX_FLAGS_ENABLE);
	assert_true(fired(f, 1));
	assert_false(fired(f, 0));
	assert_int_equal(f->m.wiring.n_bound, 2);
	msix_control(f, 0);
	assert_int_equal(f->m.wiring.n_bound, 0);
	pci_msix_raise(&f->a.fn, 1);
	assert_int_equal(pba(f, 0), 0);
}

static void msix_survives_a_wiring_that_is_full(void **state)
{
	struct fixture *f = *state;
	enable_memory(f, 1);
	msix_control(f, PCI_MSIX_FLAGS_ENABLE);
	f->m.wiring.fail_binds = 1;
	unmask(f, 5);
	pci_msix_raise(&f->a.fn, 5);
	assert_int_equal(pba(f, 0), 1 << 5);
	/* the next try works */
	table_write(f, 5, PCI_MSIX_ENTRY_DATA, 0x42);
	assert_true(fired(f, 5));
}

static void msix_ignores_odd_accesses(void **state)
{
	struct fixture *f = *state;
	uint64_t base, value;
	enable_memory(f, 1);
	base = f->a.fn.bars[0].base;
	for (unsigned offset = 0; offset < 0x1000; offset++) {
		for (unsigned size = 1; size <= 8; size *= 2) {
			bus_write(&f->m.mmio, base + 0x1000 + offset, size, UINT64_MAX);
			bus_read(&f->m.mmio, base + 0x1000 + offset, size, &value);
			bus_read(&f->m.mmio, base + 0x2000 + offset, size, &value);
		}
	}
	bus_read(&f->m.mmio, base + 0x1000, 8, &value);
	assert_int_equal(value, 0xfffffffffffffffc);
	bus_read(&f->m.mmio, base + 0x1008, 8, &value);
	assert_int_equal(value, 0x1ffffffff);
	pci_msix_raise(&f->a.fn, N_VECTORS);
	pci_msix_raise(&f->a.fn, 0xffff);
}

/* ---- state -------------------------------------------------------------------------------------- */

static void pci_state_comes_back_as_saved(void **state)
{
	struct fixture *f = *state, *g;
	struct state_out out;
	struct hv_error err;
	void *other;
	uint64_t base = LAYOUT_PCI_WINDOW + 0x800000;
	set_up(&other);
	g = other;
	enable_memory(f, 1);
	set(f, 1, PCI_BASE_ADDRESS_0, 4, base);
	msix_control(f, PCI_MSIX_FLAGS_ENABLE);
	unmask(f, 1);
	pci_msix_raise(&f->a.fn, 9);
	state_out_init(&out);
	assert_int_equal(pci_fn_save(&f->a.fn, "toy", &out, &err), 0);
	struct state_in in = {out.bytes, out.len, 0};
	assert_int_equal(pci_fn_load(&g->a.fn, "toy", &in, &err), 0);
	assert_int_equal(in.pos, in.len);
	assert_memory_equal(g->a.fn.config, f->a.fn.config, PCI_CONFIG_LEN);
	assert_true(answers(g, base));
	assert_int_equal(g->m.wiring.n_bound, 1);
	assert_int_equal(pba(g, 0), 1 << 9);
	pci_msix_raise(&g->a.fn, 1);
	assert_true(fired(g, 1));
	state_out_fini(&out);
	tear_down(&other);
}

static void pci_state_of_another_device_is_refused(void **state)
{
	struct fixture *f = *state;
	struct state_out out;
	struct hv_error err;
	state_out_init(&out);
	assert_int_equal(pci_fn_save(&f->a.fn, "toy", &out, &err), 0);
	struct state_in in = {out.bytes, out.len, 0};
	/* b has a 64-bit BAR */
	assert_int_equal(pci_fn_load(&f->b.fn, "toy", &in, &err), -HV_FAILED);
	state_out_fini(&out);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pci_shows_functions_and_ones_elsewhere),
		T(pci_answers_ports_too),
		T(pci_hands_the_reset_port_to_the_machine),
		T(pci_keeps_what_guests_may_not_write),
		T(pci_lists_capabilities),
		T(pci_refuses_capabilities_that_do_not_fit),
		T(bars_tell_their_size),
		T(bars_answer_only_while_memory_is_enabled),
		T(bars_move),
		T(bars_stay_unmapped_where_something_else_lies),
		T(bars_of_64_bits_go_above_memory_only),
		T(bars_that_collide_leave_the_first_in_place),
		T(bars_vanish_with_their_function),
		T(msix_takes_interrupts_when_unmasked_only),
		T(msix_remembers_what_came_while_masked),
		T(msix_keeps_a_raise_that_met_a_mask),
		T(msix_obeys_the_function_mask),
		T(msix_survives_a_wiring_that_is_full),
		T(msix_ignores_odd_accesses),
		T(pci_state_comes_back_as_saved),
		T(pci_state_of_another_device_is_refused),
	};
	return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
