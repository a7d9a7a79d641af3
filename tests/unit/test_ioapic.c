/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The IOAPIC as a guest programs it and as devices pull its lines; and the power registers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/devices/ioapic.h"
#include "engine/devices/power.h"
#include "engine/vmm/bus.h"
#include "engine/vmm/layout.h"
#include "engine/vmm/state.h"
#include "engine/vmm/wiring.h"

#define MASKED (1u << 16)
#define LEVEL (1u << 15)
#define REMOTE_IRR (1u << 14)
#define LOGICAL (1u << 11)

struct machine_stub {
	struct bus mmio, pio;
	struct wiring wiring;
	struct device_env env;
	struct device *ioapic, *power;
	int n_delivered;
	uint64_t address;
	uint32_t data;
	uint32_t routed; /* a bit a pin */
	int n_routes;
	bool line;
	int offs, resets;
};

static void deliver(void *ctx, uint64_t address, uint32_t data)
{
	struct machine_stub *stub = ctx;
	stub->n_delivered++;
	stub->address = address;
	stub->data = data;
}

static void route(void *ctx, unsigned pin, bool present, uint64_t address, uint32_t data)
{
	struct machine_stub *stub = ctx;
	(void)address;
	(void)data;
	stub->routed = (stub->routed & ~(1u << pin)) | (uint32_t)present << pin;
	stub->n_routes++;
}

static void line_set(struct wiring *wiring, unsigned pin, bool level)
{
	struct machine_stub *stub =
		(struct machine_stub *)((char *)wiring - offsetof(struct machine_stub, wiring));
	assert_int_equal(pin, LAYOUT_PIN_GED);
	stub->line = level;
}

static void off(void *ctx)
{
	((struct machine_stub *)ctx)->offs++;
}

static void reset(void *ctx)
{
	((struct machine_stub *)ctx)->resets++;
}

static const struct wiring_ops stub_wiring_ops = {.line_set = line_set};

static void stub_init(struct machine_stub *stub)
{
	memset(stub, 0, sizeof *stub);
	bus_init(&stub->mmio);
	bus_init(&stub->pio);
	stub->wiring.ops = &stub_wiring_ops;
	stub->env = (struct device_env){
		.mmio = &stub->mmio, .pio = &stub->pio, .wiring = &stub->wiring};
	struct ioapic_out sink = {deliver, route, stub};
	struct power_events events = {off, reset, stub};
	assert_int_equal(ioapic_new(&stub->ioapic, &stub->env, &sink, NULL), 0);
	assert_int_equal(power_new(&stub->power, &stub->env, &events, NULL), 0);
}

static void stub_fini(struct machine_stub *stub)
{
	stub->power->ops->free(stub->power);
	stub->ioapic->ops->free(stub->ioapic);
	assert_int_equal(stub->mmio.n_ranges + stub->pio.n_ranges, 0);
	bus_fini(&stub->mmio);
	bus_fini(&stub->pio);
}

static uint32_t reg_read(struct machine_stub *stub, uint32_t index)
{
	uint64_t value;
	bus_write(&stub->mmio, LAYOUT_IOAPIC, 4, index);
	assert_true(bus_read(&stub->mmio, LAYOUT_IOAPIC + 0x10, 4, &value));
	return (uint32_t)value;
}

static void reg_write(struct machine_stub *stub, uint32_t index, uint32_t value)
{
	bus_write(&stub->mmio, LAYOUT_IOAPIC, 4, index);
	bus_write(&stub->mmio, LAYOUT_IOAPIC + 0x10, 4, value);
}

static void set_entry(struct machine_stub *stub, unsigned pin, uint32_t high, uint32_t low)
{
	reg_write(stub, 0x10 + 2 * pin + 1, high);
	reg_write(stub, 0x10 + 2 * pin, low);
}

static void ioapic_tells_its_version_and_starts_masked(void **state)
{
	(void)state;
	struct machine_stub stub;
	stub_init(&stub);
	assert_int_equal(reg_read(&stub, 1), 0x20 | 23 << 16);
	for (unsigned pin = 0; pin < 24; pin++)
		assert_int_equal(reg_read(&stub, 0x10 + 2 * pin), MASKED);
	assert_int_equal(reg_read(&stub, 0x10 + 2 * 24), 0);
	reg_write(&stub, 0xff, 1);
	ioapic_set_line(stub.ioapic, 24, true);
	ioapic_set_line(stub.ioapic, 4000000000u, true);
	assert_int_equal(stub.n_delivered, 0);
	stub_fini(&stub);
}

static void ioapic_edge_is_delivered_once_a_rise(void **state)
{
	(void)state;
	struct machine_stub stub;
	stub_init(&stub);
	set_entry(&stub, 4, 3u << 24, 0x31 | LOGICAL);
	ioapic_set_line(stub.ioapic, 4, true);
	ioapic_set_line(stub.ioapic, 4, true);
	assert_int_equal(stub.n_delivered, 1);
	assert_int_equal(stub.address, 0xfee00000 | 3 << 12 | 1 << 2);
	assert_int_equal(stub.data, 0x31);
	ioapic_set_line(stub.ioapic, 4, false);
	ioapic_set_line(stub.ioapic, 4, true);
	assert_int_equal(stub.n_delivered, 2);
	assert_int_equal(stub.n_routes, 0); /* edges need no route */
	stub_fini(&stub);
}

static void ioapic_edge_waits_while_masked(void **state)
{
	(void)state;
	struct machine_stub stub;
	stub_init(&stub);
	ioapic_set_line(stub.ioapic, 4, true);
	ioapic_set_line(stub.ioapic, 4, false);
	assert_int_equal(stub.n_delivered, 0);
	set_entry(&stub, 4, 0, 0x31);
	assert_int_equal(stub.n_delivered, 1);
	stub_fini(&stub);
}

static void ioapic_level_repeats_after_its_end_while_high(void **state)
{
	(void)state;
	struct machine_stub stub;
	stub_init(&stub);
	set_entry(&stub, 9, 0, 0x40 | LEVEL);
	assert_int_equal(stub.routed, 1u << 9);
	ioapic_set_line(stub.ioapic, 9, true);
	assert_int_equal(stub.n_delivered, 1);
	assert_int_equal(stub.data, 0x40 | 3 << 14);
	assert_true(reg_read(&stub, 0x10 + 18) & REMOTE_IRR);
	ioapic_eoi(stub.ioapic, 0x41); /* of another vector */
	assert_int_equal(stub.n_delivered, 1);
	ioapic_eoi(stub.ioapic, 0x40);
	assert_int_equal(stub.n_delivered, 2);
	ioapic_set_line(stub.ioapic, 9, false);
	bus_write(&stub.mmio, LAYOUT_IOAPIC + 0x40, 4, 0x40); /* the EOI register */
	assert_int_equal(stub.n_delivered, 2);
	assert_false(reg_read(&stub, 0x10 + 18) & REMOTE_IRR);
	stub_fini(&stub);
}

static void ioapic_route_of_a_level_pin_outlasts_masking(void **state)
{
	(void)state;
	struct machine_stub stub;
	stub_init(&stub);
	set_entry(&stub, 9, 0, 0x40 | LEVEL | MASKED);
	assert_int_equal(stub.n_routes, 0);
	set_entry(&stub, 9, 0, 0x40 | LEVEL);
	assert_int_equal(stub.n_routes, 1);
	/* as Linux does for a threaded interrupt: mask, end, later unmask */
	ioapic_set_line(stub.ioapic, 9, true);
	set_entry(&stub, 9, 0, 0x40 | LEVEL | MASKED);
	assert_int_equal(stub.routed, 1u << 9);
	ioapic_eoi(stub.ioapic, 0x40);
	assert_int_equal(stub.n_delivered, 1);
	set_entry(&stub, 9, 0, 0x40 | LEVEL);
	assert_int_equal(stub.n_delivered, 2);
	assert_int_equal(stub.n_routes, 1); /* no change, no system call */
	set_entry(&stub, 9, 0, 0x41 | LEVEL);
	assert_int_equal(stub.n_routes, 2);
	set_entry(&stub, 9, 0, 0x41 | MASKED);
	assert_int_equal(stub.routed, 0);
	stub_fini(&stub);
}

static void ioapic_read_only_bits_are(void **state)
{
	(void)state;
	struct machine_stub stub;
	stub_init(&stub);
	set_entry(&stub, 2, 0xffffffff, 0xffffffff & ~MASKED);
	assert_int_equal(reg_read(&stub, 0x10 + 4), 0xafff);
	assert_int_equal(reg_read(&stub, 0x10 + 5), 0xff000000);
	stub_fini(&stub);
}

static void ioapic_state_makes_a_round_trip(void **state)
{
	(void)state;
	struct machine_stub stub, other;
	struct state_out out;
	stub_init(&stub);
	stub_init(&other);
	set_entry(&stub, 9, 1u << 24, 0x40 | LEVEL);
	ioapic_set_line(stub.ioapic, 9, true);
	ioapic_set_line(stub.ioapic, 4, true);
	state_out_init(&out);
	assert_int_equal(stub.ioapic->ops->save(stub.ioapic, &out, NULL), 0);
	struct state_in in = {.bytes = out.bytes, .len = out.len};
	assert_int_equal(other.ioapic->ops->load(other.ioapic, &in, NULL), 0);
	assert_int_equal(other.routed, 1u << 9);
	assert_int_equal(reg_read(&other, 0x10 + 18), 0x40 | LEVEL | REMOTE_IRR);
	ioapic_eoi(other.ioapic, 0x40);
	assert_int_equal(other.n_delivered, 1);
	set_entry(&other, 4, 0, 0x31); /* the edge that waited came along */
	assert_int_equal(other.n_delivered, 2);
	/* a stream that ends early, and one with pins that are not there */
	in = (struct state_in){.bytes = out.bytes, .len = out.len - 1};
	assert_true(other.ioapic->ops->load(other.ioapic, &in, NULL) < 0);
	memset(out.bytes + out.len - 24 * 8 - 8, 0xff, 4);
	in = (struct state_in){.bytes = out.bytes, .len = out.len};
	assert_true(other.ioapic->ops->load(other.ioapic, &in, NULL) < 0);
	state_out_fini(&out);
	stub_fini(&other);
	stub_fini(&stub);
}

static void power_button_holds_its_line_until_read(void **state)
{
	(void)state;
	struct machine_stub stub, other;
	struct state_out out;
	uint64_t value;
	stub_init(&stub);
	stub_init(&other);
	power_press_button(stub.power);
	power_press_button(stub.power);
	assert_true(stub.line);
	state_out_init(&out);
	assert_int_equal(stub.power->ops->save(stub.power, &out, NULL), 0);
	struct state_in in = {.bytes = out.bytes, .len = out.len};
	assert_int_equal(other.power->ops->load(other.power, &in, NULL), 0);
	state_out_fini(&out);
	const uint64_t events = LAYOUT_POWER + LAYOUT_GED_EVENTS;
	assert_true(bus_read(&stub.mmio, events, 1, &value)); /* too narrow: not taken */
	assert_true(stub.line);
	assert_true(bus_read(&stub.mmio, events, 4, &value));
	assert_int_equal(value, LAYOUT_GED_POWER_BUTTON);
	assert_false(stub.line);
	assert_true(bus_read(&stub.mmio, events, 4, &value));
	assert_int_equal(value, 0);
	assert_true(bus_read(&other.mmio, events, 4, &value));
	assert_int_equal(value, LAYOUT_GED_POWER_BUTTON);
	stub_fini(&other);
	stub_fini(&stub);
}

static void power_registers_switch_off_and_reset(void **state)
{
	(void)state;
	struct machine_stub stub;
	stub_init(&stub);
	bus_write(&stub.mmio, LAYOUT_POWER + LAYOUT_SLEEP_CONTROL, 1, 5 << 2); /* not enabled */
	bus_write(&stub.mmio, LAYOUT_POWER + LAYOUT_SLEEP_CONTROL, 1, 0x20 | 3 << 2); /* no S3 */
	assert_int_equal(stub.offs, 0);
	bus_write(&stub.mmio, LAYOUT_POWER + LAYOUT_SLEEP_CONTROL, 1, 0x20 | 5 << 2);
	assert_int_equal(stub.offs, 1);
	bus_write(&stub.mmio, LAYOUT_POWER + LAYOUT_RESET, 1, 0);
	assert_int_equal(stub.resets, 0);
	bus_write(&stub.mmio, LAYOUT_POWER + LAYOUT_RESET, 1, LAYOUT_RESET_VALUE);
	assert_int_equal(stub.resets, 1);
	bus_write(&stub.pio, LAYOUT_PORT_KBC, 1, 0xd1);
	bus_write(&stub.pio, LAYOUT_PORT_KBC, 1, 0xfe);
	assert_int_equal(stub.resets, 2);
	power_reset_port(stub.power, 0x02);
	power_reset_port(stub.power, 0x06);
	assert_int_equal(stub.resets, 3);
	stub_fini(&stub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ioapic_tells_its_version_and_starts_masked),
		cmocka_unit_test(ioapic_edge_is_delivered_once_a_rise),
		cmocka_unit_test(ioapic_edge_waits_while_masked),
		cmocka_unit_test(ioapic_level_repeats_after_its_end_while_high),
		cmocka_unit_test(ioapic_route_of_a_level_pin_outlasts_masking),
		cmocka_unit_test(ioapic_read_only_bits_are),
		cmocka_unit_test(ioapic_state_makes_a_round_trip),
		cmocka_unit_test(power_button_holds_its_line_until_read),
		cmocka_unit_test(power_registers_switch_off_and_reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
