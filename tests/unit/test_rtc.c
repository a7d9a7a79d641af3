/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The MC146818: time in its formats, setting it, alarms and updates, state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine/devices/rtc.h"
#include "engine/vmm/layout.h"
#include "tests/unit/fake_machine.h"

struct chip {
	struct fake_machine m;
	struct device *dev;
};

static int chip_new(void **state)
{
	static struct chip chip;
	struct hv_error err;
	fake_machine_init(&chip.m, 0);
	assert_int_equal(rtc_new(&chip.dev, &chip.m.env, &err), 0);
	*state = &chip;
	return 0;
}

static int chip_free(void **state)
{
	struct chip *chip = *state;
	chip->dev->ops->free(chip->dev);
	fake_machine_fini(&chip->m);
	return 0;
}

static uint8_t get(struct chip *c, uint8_t reg)
{
	uint64_t value = 0;
	assert_true(bus_write(&c->m.pio, LAYOUT_PORT_RTC, 1, reg));
	assert_true(bus_read(&c->m.pio, LAYOUT_PORT_RTC + 1, 1, &value));
	return (uint8_t)value;
}

static void set(struct chip *c, uint8_t reg, uint8_t value)
{
	assert_true(bus_write(&c->m.pio, LAYOUT_PORT_RTC, 1, reg));
	assert_true(bus_write(&c->m.pio, LAYOUT_PORT_RTC + 1, 1, value));
}

static int bcd(uint8_t value)
{
	return (value >> 4) * 10 + (value & 15);
}

static time_t read_time(struct chip *c)
{
	while (get(c, 0x0a) & 0x80)
		;
	struct tm tm = {.tm_sec = bcd(get(c, 0)),
			.tm_min = bcd(get(c, 2)),
			.tm_hour = bcd(get(c, 4)),
			.tm_mday = bcd(get(c, 7)),
			.tm_mon = bcd(get(c, 8)) - 1,
			.tm_year = bcd(get(c, 9)) + bcd(get(c, 0x32)) * 100 - 1900};
	return timegm(&tm);
}

static void tells_the_hosts_time_in_utc(void **state)
{
	struct chip *c = *state;
	time_t told = read_time(c), now = time(NULL);
	assert_true(now - told >= 0 && now - told <= 1);
	struct tm tm;
	gmtime_r(&told, &tm);
	assert_int_equal(get(c, 6), tm.tm_wday + 1);
	assert_int_equal(get(c, 0x0d), 0x80);
}

static void keeps_the_time_that_the_guest_sets(void **state)
{
	struct chip *c = *state;
	set(c, 0x0b, 0x82);
	const uint8_t regs[] = {0x00, 0x58, 0x02, 0x59, 0x04, 0x23, 0x07,
				0x29, 0x08, 0x02, 0x09, 0x24, 0x32, 0x20};
	for (size_t i = 0; i < sizeof regs; i += 2)
		set(c, regs[i], regs[i + 1]);
	assert_int_equal(get(c, 0), 0x58); /* stands still while SET */
	set(c, 0x0b, 0x02);
	struct tm tm = {.tm_sec = 58,
			.tm_min = 59,
			.tm_hour = 23,
			.tm_mday = 29,
			.tm_mon = 1,
			.tm_year = 124};
	time_t told = read_time(c);
	assert_true(told - timegm(&tm) >= 0 && told - timegm(&tm) <= 1);
	fake_run(&c->m, 2200);
	assert_int_equal(get(c, 8), 0x03); /* past midnight of a leap day */
	assert_int_equal(get(c, 7), 0x01);
}

static void speaks_binary_and_twelve_hours(void **state)
{
	struct chip *c = *state;
	set(c, 0x0b, 0x80 | 0x04); /* SET, binary, 12 hours */
	set(c, 4, 0x80 | 12);      /* noon */
	set(c, 2, 45);
	set(c, 0x0b, 0x04);
	assert_int_equal(get(c, 4), 0x80 | 12);
	assert_int_equal(get(c, 2), 45);
	set(c, 0x0b, 0x06);
	assert_int_equal(get(c, 4), 12);
	set(c, 4, 0);
	set(c, 0x0b, 0x04);
	assert_int_equal(get(c, 4), 12); /* midnight is 12 AM */
}

static void updates_raise_their_interrupt_once_a_second(void **state)
{
	struct chip *c = *state;
	get(c, 0x0c);
	set(c, 0x0b, 0x12);
	fake_run(&c->m, 1100);
	assert_true(c->m.wiring.lines[LAYOUT_PIN_RTC]);
	assert_int_equal(get(c, 0x0c) & 0x90, 0x90);
	assert_false(c->m.wiring.lines[LAYOUT_PIN_RTC]);
	assert_int_equal(get(c, 0x0c) & 0x80, 0);
}

static void the_alarm_comes_at_its_second(void **state)
{
	struct chip *c = *state;
	time_t at = read_time(c) + 1;
	set(c, 1, (uint8_t)(at % 60 / 10 << 4 | at % 60 % 10));
	set(c, 3, 0xff);
	set(c, 5, 0xc0);
	get(c, 0x0c);
	set(c, 0x0b, 0x22);
	fake_run(&c->m, 1100);
	assert_true(c->m.wiring.lines[LAYOUT_PIN_RTC]);
	assert_int_equal(get(c, 0x0c) & 0xa0, 0xa0);
	fake_run(&c->m, 1100);
	assert_false(c->m.wiring.lines[LAYOUT_PIN_RTC]);
}

static void periodic_interrupts_come_at_their_rate(void **state)
{
	struct chip *c = *state;
	int n = 0;
	set(c, 0x0a, 0x2a); /* 64 Hz */
	set(c, 0x0b, 0x42);
	for (int i = 0; i < 50; i++) {
		fake_run(&c->m, 10);
		n += (get(c, 0x0c) & 0xc0) == 0xc0;
	}
	assert_in_range(n, 25, 40);
}

static void an_absurd_date_does_no_harm(void **state)
{
	struct chip *c = *state;
	for (int reg = 0; reg < 128; reg++)
		set(c, (uint8_t)reg, 0xff);
	for (int b = 0; b < 256; b++) {
		set(c, 0x0b, (uint8_t)b);
		for (int reg = 0; reg < 64; reg++)
			set(c, (uint8_t)(reg == 0x0b ? 0 : reg), (uint8_t)(b * 7 + reg));
		get(c, 0x0c);
	}
	fake_run(&c->m, 5);
}

static void state_survives_a_round_trip(void **state)
{
	struct chip *c = *state;
	struct hv_error err;
	struct state_out saved, again;
	state_out_init(&saved);
	state_out_init(&again);
	set(c, 9, 0x31); /* 2031 */
	set(c, 0x40, 0x5a);
	assert_int_equal(c->dev->ops->pause(c->dev, &err), 0);
	assert_int_equal(c->dev->ops->save(c->dev, &saved, &err), 0);

	struct chip other;
	fake_machine_init(&other.m, 0);
	assert_int_equal(rtc_new(&other.dev, &other.m.env, &err), 0);
	struct state_in stream = {saved.bytes, saved.len, 0};
	assert_int_equal(other.dev->ops->load(other.dev, &stream, &err), 0);
	assert_int_equal(other.dev->ops->save(other.dev, &again, &err), 0);
	assert_int_equal(again.len, saved.len);
	assert_memory_equal(again.bytes, saved.bytes, saved.len);
	assert_int_equal(get(&other, 9), 0x31);
	assert_int_equal(get(&other, 0x40), 0x5a);

	saved.bytes[saved.len - 128 - 1] = 0x80; /* an index beyond the chip */
	stream = (struct state_in){saved.bytes, saved.len, 0};
	assert_true(other.dev->ops->load(other.dev, &stream, &err) < 0);
	other.dev->ops->free(other.dev);
	fake_machine_fini(&other.m);
	state_out_fini(&saved);
	state_out_fini(&again);
}

#define CHIP_TEST(name) cmocka_unit_test_setup_teardown(name, chip_new, chip_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHIP_TEST(tells_the_hosts_time_in_utc),
		CHIP_TEST(keeps_the_time_that_the_guest_sets),
		CHIP_TEST(speaks_binary_and_twelve_hours),
		CHIP_TEST(updates_raise_their_interrupt_once_a_second),
		CHIP_TEST(the_alarm_comes_at_its_second),
		CHIP_TEST(periodic_interrupts_come_at_their_rate),
		CHIP_TEST(an_absurd_date_does_no_harm),
		CHIP_TEST(state_survives_a_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
