/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 16550: what Linux's 8250 driver probes, FIFOs, interrupts, a slow keeper, state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/devices/serial.h"
#include "engine/vmm/layout.h"
#include "tests/unit/fake_machine.h"

struct port {
	struct fake_machine m;
	struct device *dev;
	int keeper;
};

static int port_new(void **state)
{
	static struct port port;
	struct hv_error err;
	int pair[2];
	fake_machine_init(&port.m, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	port.keeper = pair[0];
	assert_int_equal(serial_new(&port.dev, &port.m.env, pair[1], &err), 0);
	*state = &port;
	return 0;
}

static int port_free(void **state)
{
	struct port *port = *state;
	port->dev->ops->free(port->dev);
	close(port->keeper);
	fake_machine_fini(&port->m);
	return 0;
}

static void out(struct port *p, unsigned reg, uint8_t value)
{
	assert_true(bus_write(&p->m.pio, LAYOUT_PORT_SERIAL + reg, 1, value));
}

static uint8_t in(struct port *p, unsigned reg)
{
	uint64_t value = 0;
	assert_true(bus_read(&p->m.pio, LAYOUT_PORT_SERIAL + reg, 1, &value));
	return (uint8_t)value;
}

static bool line(struct port *p)
{
	return p->m.wiring.lines[LAYOUT_PIN_SERIAL];
}

static void first_byte_leaves_at_once_the_rest_together(void **state)
{
	struct port *p = *state;
	char got[16] = "";
	for (const char *c = "hello"; *c; c++)
		out(p, 0, (uint8_t)*c);
	assert_int_equal(recv(p->keeper, got, sizeof got, 0), 1);
	assert_int_equal(got[0], 'h');
	fake_run(&p->m, 20);
	assert_int_equal(recv(p->keeper, got, sizeof got, 0), 4);
	assert_memory_equal(got, "ello", 4);
	assert_int_equal(in(p, 5) & 0x60, 0x60);
}

/* drivers/tty/serial/8250/8250_port.c, autoconfig() */
static void answers_the_probe_of_linux_as_a_16550a(void **state)
{
	struct port *p = *state;
	out(p, 1, 0);
	assert_int_equal(in(p, 1) & 0x0f, 0);
	out(p, 1, 0x0f);
	assert_int_equal(in(p, 1) & 0x0f, 0x0f);
	out(p, 1, 0);
	out(p, 4, 0x10 | 0x0a);
	assert_int_equal(in(p, 6) & 0xf0, 0x90);
	out(p, 4, 0);
	out(p, 3, 0xbf);
	out(p, 2, 0);
	out(p, 3, 0);
	out(p, 2, 1);
	assert_int_equal(in(p, 2) >> 6, 3);
	out(p, 2, 0x21); /* a 16750 would show its 64-byte FIFO here */
	assert_int_equal(in(p, 2) >> 5, 6);
	out(p, 7, 0xa5);
	assert_int_equal(in(p, 7), 0xa5);
	out(p, 3, 0x80);
	out(p, 0, 0x0c);
	out(p, 1, 0x01);
	assert_int_equal(in(p, 0), 0x0c);
	assert_int_equal(in(p, 1), 0x01);
	out(p, 3, 0x03);
	assert_int_equal(in(p, 1), 0);
}

static void transmit_interrupt_rises_with_every_byte_until_acknowledged(void **state)
{
	struct port *p = *state;
	out(p, 1, 0x02);
	assert_true(line(p)); /* enabling it while empty raises it */
	assert_int_equal(in(p, 2) & 0x0f, 0x02);
	assert_false(line(p));
	assert_int_equal(in(p, 2) & 0x0f, 0x01);
	unsigned raised = p->m.wiring.raised[LAYOUT_PIN_SERIAL];
	out(p, 0, 'x');
	assert_true(line(p));
	assert_int_equal(p->m.wiring.raised[LAYOUT_PIN_SERIAL], raised + 1);
	out(p, 1, 0);
	assert_false(line(p));
}

static void typed_bytes_come_in_order_and_none_is_lost(void **state)
{
	struct port *p = *state;
	char typed[200], got[200];
	size_t n = 0;
	for (size_t i = 0; i < sizeof typed; i++)
		typed[i] = (char)(' ' + i % 90);
	out(p, 2, 0x81); /* FIFOs, trigger at 8 */
	out(p, 1, 0x01);
	assert_int_equal(write(p->keeper, typed, sizeof typed), sizeof typed);
	for (int turns = 0; n < sizeof got && turns < 100; turns++) {
		fake_run(&p->m, 2);
		while (in(p, 5) & 1) {
			uint8_t id = in(p, 2) & 0x0f;
			assert_true(line(p));
			assert_true(id == 0x04 || id == 0x0c);
			got[n++] = (char)in(p, 0);
		}
		assert_false(line(p));
	}
	assert_int_equal(n, sizeof got);
	assert_memory_equal(got, typed, sizeof got);
	assert_int_equal(in(p, 5) & 2, 0); /* no overrun */
}

static void loopback_returns_bytes_and_overruns(void **state)
{
	struct port *p = *state;
	out(p, 2, 0x01);
	out(p, 4, 0x10);
	for (int i = 0; i < 17; i++)
		out(p, 0, (uint8_t)('a' + i));
	assert_int_equal(in(p, 5) & 3, 3);
	assert_int_equal(in(p, 5) & 3, 1);
	for (int i = 0; i < 16; i++)
		assert_int_equal(in(p, 0), 'a' + i);
	assert_int_equal(in(p, 5) & 1, 0);
	char got;
	assert_int_equal(recv(p->keeper, &got, 1, MSG_DONTWAIT), -1);
	in(p, 6);
	out(p, 4, 0x12); /* RTS loops to CTS: a delta */
	assert_int_equal(in(p, 6), 0x11);
	assert_int_equal(in(p, 6), 0x10);
}

static void a_keeper_that_does_not_read_holds_back_and_then_loses(void **state)
{
	struct port *p = *state;
	long written = 0;
	while (in(p, 5) & 0x20) {
		out(p, 0, 'z');
		assert_true(++written < 10000000);
	}
	assert_true(written > 2000);
	fake_run(&p->m, 400);
	assert_int_equal(in(p, 5) & 0x60, 0x60); /* the guest goes on */
}

static void the_keeper_going_away_is_survived(void **state)
{
	struct port *p = *state;
	close(p->keeper);
	fake_run(&p->m, 5);
	for (int i = 0; i < 5000; i++)
		out(p, 0, 'x');
	assert_int_equal(in(p, 5) & 0x20, 0x20);
	p->keeper = -1;
}

static void state_survives_a_round_trip(void **state)
{
	struct port *p = *state;
	struct hv_error err;
	struct state_out saved, again;
	out(p, 2, 0xc1);
	out(p, 4, 0x1b);
	out(p, 7, 0x77);
	out(p, 1, 0x05);
	for (int i = 0; i < 5; i++)
		out(p, 0, (uint8_t)('0' + i));
	assert_int_equal(p->dev->ops->pause(p->dev, &err), 0);
	state_out_init(&saved);
	state_out_init(&again);
	assert_int_equal(p->dev->ops->save(p->dev, &saved, &err), 0);

	struct fake_machine other;
	struct device *dev;
	int pair[2];
	fake_machine_init(&other, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(serial_new(&dev, &other.env, pair[1], &err), 0);
	struct state_in stream = {saved.bytes, saved.len, 0};
	assert_int_equal(dev->ops->load(dev, &stream, &err), 0);
	assert_true(other.wiring.lines[LAYOUT_PIN_SERIAL]);
	assert_int_equal(dev->ops->save(dev, &again, &err), 0);
	assert_int_equal(again.len, saved.len);
	assert_memory_equal(again.bytes, saved.bytes, saved.len);

	dev->ops->free(dev);
	close(pair[0]);
	fake_machine_fini(&other);
	state_out_fini(&saved);
	state_out_fini(&again);
}

static void an_impossible_state_is_refused(void **state)
{
	struct port *p = *state;
	struct hv_error err;
	struct state_out saved;
	state_out_init(&saved);
	assert_int_equal(p->dev->ops->save(p->dev, &saved, &err), 0);
	saved.bytes[saved.len - 2048 - 2 - 1] = 0xff; /* the high byte of tx_len */
	saved.bytes[saved.len - 2048 - 1] = 0xff;
	struct state_in stream = {saved.bytes, saved.len, 0};
	assert_true(p->dev->ops->load(p->dev, &stream, &err) < 0);
	state_out_fini(&saved);
}

#define PORT_TEST(name) cmocka_unit_test_setup_teardown(name, port_new, port_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(first_byte_leaves_at_once_the_rest_together),
		PORT_TEST(answers_the_probe_of_linux_as_a_16550a),
		PORT_TEST(transmit_interrupt_rises_with_every_byte_until_acknowledged),
		PORT_TEST(typed_bytes_come_in_order_and_none_is_lost),
		PORT_TEST(loopback_returns_bytes_and_overruns),
		PORT_TEST(a_keeper_that_does_not_read_holds_back_and_then_loses),
		PORT_TEST(the_keeper_going_away_is_survived),
		PORT_TEST(state_survives_a_round_trip),
		PORT_TEST(an_impossible_state_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
