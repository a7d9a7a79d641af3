/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An MC146818 (its data sheet's register names): the host's clock plus an offset that the guest
 * sets by writing the time, in UTC. Flags of register C are worked out when somebody looks, or by a
 * timer while an interrupt is enabled. Time is taken apart here: libc's functions would open the
 * time zone's file.
 */
#include "engine/devices/rtc.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "engine/vmm/bus.h"
#include "engine/vmm/layout.h"
#include "engine/vmm/loop.h"
#include "engine/vmm/state.h"
#include "engine/vmm/wiring.h"

#define CMOS_LEN 128
#define SECOND_NS 1000000000ll
#define UPDATE_NS 244000 /* UIP is up so long before the second turns */
#define PERIOD_MIN_NS 122070
#define OFFSET_MAX_S 6000000000ll /* 190 years: nanoseconds since 1970 fit in 63 bits */

enum {
	SECONDS,
	SECONDS_ALARM,
	MINUTES,
	MINUTES_ALARM,
	HOURS,
	HOURS_ALARM,
	DAY_OF_WEEK,
	DAY,
	MONTH,
	YEAR,
	REG_A,
	REG_B,
	REG_C,
	REG_D,
	CENTURY = 0x32 /* where the FADT says it is */
};
#define A_UIP 0x80
#define A_RATE 0x0f
#define B_SET 0x80
#define B_PIE 0x40
#define B_AIE 0x20
#define B_UIE 0x10
#define B_DM 0x04    /* binary, else BCD */
#define B_24_12 0x02 /* 24 hours */
#define C_IRQF 0x80
#define C_PF 0x40
#define C_AF 0x20
#define C_UF 0x10
#define D_VRT 0x80
#define HOURS_PM 0x80
#define ALARM_ANY 0xc0

struct rtc {
	struct device device; /* first */
	const struct device_env *env;
	struct loop_source timer;
	pthread_mutex_t lock; /* protects what follows; taken before the IOAPIC's */
	bool line, paused;
	int64_t last_look_ns; /* guest time up to which the flags are worked out */

	/* saved */
	int64_t offset_s; /* guest's clock less the host's */
	uint8_t index;
	uint8_t cmos[CMOS_LEN];
};

static int check_state(void *object, struct hv_error *err)
{
	const struct rtc *r = object;
	if (r->index >= CMOS_LEN || r->offset_s > OFFSET_MAX_S || r->offset_s < -OFFSET_MAX_S)
		return hv_fail(err, HV_FAILED, 0, "state of a clock that cannot be");
	return 0;
}

static const struct state_field rtc_fields[] = {
	STATE(struct rtc, offset_s, 1),
	STATE(struct rtc, index, 1),
	STATE(struct rtc, cmos, 1),
	STATE_END,
};
static const struct state_section rtc_section = {"rtc", 1, 1, rtc_fields, check_state};

static int64_t guest_ns(const struct rtc *r)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return ((int64_t)t.tv_sec + r->offset_s) * SECOND_NS + t.tv_nsec;
}

/* ---- the calendar: eras of 400 years that begin on 1 March
 * ---------------------------------------
 */

static int64_t days_from_date(int year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int of_era = (int)(year - era * 400);
	int of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_from_days(int64_t days, int *year, int *month, int *day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int of_era = (int)(days - era * 146097);
	int year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int shifted = (5 * of_year + 2) / 153;
	*day = of_year - (153 * shifted + 2) / 5 + 1;
	*month = shifted < 10 ? shifted + 3 : shifted - 9;
	*year = (int)(year_of_era + era * 400) + (*month <= 2);
}

/* ---- registers ----------------------------------------------------------------------------------
 */

static uint8_t encode(const struct rtc *r, int value)
{
	return (uint8_t)(r->cmos[REG_B] & B_DM ? value : value / 10 << 4 | value % 10);
}

static int decode(const struct rtc *r, uint8_t value)
{
	return r->cmos[REG_B] & B_DM ? value : (value >> 4) * 10 + (value & 0x0f);
}

static uint8_t encode_hour(const struct rtc *r, int hour)
{
	if (r->cmos[REG_B] & B_24_12)
		return encode(r, hour);
	int twelve = hour % 12 ? hour % 12 : 12;
	return encode(r, twelve) | (hour >= 12 ? HOURS_PM : 0);
}

static int decode_hour(const struct rtc *r, uint8_t value)
{
	if (r->cmos[REG_B] & B_24_12)
		return decode(r, value);
	return decode(r, value & 0x7f) % 12 + (value & HOURS_PM ? 12 : 0);
}

static bool is_time(unsigned index)
{
	return (index <= YEAR && index != SECONDS_ALARM && index != MINUTES_ALARM &&
		index != HOURS_ALARM) ||
	       index == CENTURY;
}

/* Puts the clock's time into the registers. */
static void show_time(struct rtc *r, int64_t ns)
{
	int64_t seconds = ns / SECOND_NS, days = seconds / 86400;
	int of_day = (int)(seconds % 86400), year, month, day;
	if (of_day < 0)
		of_day += 86400, days--;
	date_from_days(days, &year, &month, &day);
	r->cmos[SECONDS] = encode(r, of_day % 60);
	r->cmos[MINUTES] = encode(r, of_day / 60 % 60);
	r->cmos[HOURS] = encode_hour(r, of_day / 3600);
	r->cmos[DAY_OF_WEEK] = encode(r, (int)((days % 7 + 7 + 4) % 7) + 1);
	r->cmos[DAY] = encode(r, day);
	r->cmos[MONTH] = encode(r, month);
	r->cmos[YEAR] = encode(r, (year % 100 + 100) % 100);
	r->cmos[CENTURY] = encode(r, (year / 100 % 100 + 100) % 100);
}

/* Takes the registers for the time that it is now; what no calendar has wraps as the sums do, and
 * another epoch than ours changes nothing. */
static void take_time(struct rtc *r)
{
	struct timespec host;
	int year = decode(r, r->cmos[CENTURY]) * 100 + decode(r, r->cmos[YEAR]);
	int month = decode(r, r->cmos[MONTH]);
	if (month < 1 || month > 12)
		month = 1;
	int64_t days = days_from_date(year, month, decode(r, r->cmos[DAY]));
	int64_t seconds = days * 86400 + decode_hour(r, r->cmos[HOURS]) * 3600ll +
			  decode(r, r->cmos[MINUTES]) * 60ll + decode(r, r->cmos[SECONDS]);
	clock_gettime(CLOCK_REALTIME, &host);
	int64_t offset = seconds - (int64_t)host.tv_sec;
	if (offset >= -OFFSET_MAX_S && offset <= OFFSET_MAX_S)
		r->offset_s = offset;
	r->last_look_ns = guest_ns(r);
}

static bool alarm_field(uint8_t alarm, uint8_t now)
{
	return (alarm & ALARM_ANY) == ALARM_ANY || alarm == now;
}

/* Whether the alarm fell into one of the seconds after `from` up to `to`. */
static bool alarm_between(struct rtc *r, int64_t from, int64_t to)
{
	if (to - from > 86400)
		return true;
	for (int64_t s = from + 1; s <= to; s++) {
		int of_day = (int)((s % 86400 + 86400) % 86400);
		if (alarm_field(r->cmos[SECONDS_ALARM], encode(r, of_day % 60)) &&
		    alarm_field(r->cmos[MINUTES_ALARM], encode(r, of_day / 60 % 60)) &&
		    alarm_field(r->cmos[HOURS_ALARM], encode_hour(r, of_day / 3600)))
			return true;
	}
	return false;
}

static int64_t period_ns(const struct rtc *r)
{
	unsigned rate = r->cmos[REG_A] & A_RATE;
	if (!rate)
		return 0;
	if (rate < 3)
		rate += 7; /* with the 32 kHz time base 1 and 2 are 3.9 and 7.8 ms */
	return SECOND_NS * (1 << (rate - 1)) / 32768;
}

/* Brings register C and the line up to now. */
static void look(struct rtc *r)
{
	int64_t now = guest_ns(r), last = r->last_look_ns, period = period_ns(r);
	r->last_look_ns = now;
	if (now > last && !(r->cmos[REG_B] & B_SET)) {
		if (now / SECOND_NS != last / SECOND_NS) {
			r->cmos[REG_C] |= C_UF;
			if (alarm_between(r, last / SECOND_NS, now / SECOND_NS))
				r->cmos[REG_C] |= C_AF;
		}
	}
	if (now > last && period && now / period != last / period)
		r->cmos[REG_C] |= C_PF;
	/* enables and flags have the same places */
	bool level = r->cmos[REG_C] & r->cmos[REG_B] & (C_PF | C_AF | C_UF);
	r->cmos[REG_C] = (uint8_t)((r->cmos[REG_C] & ~C_IRQF) | (level ? C_IRQF : 0));
	if (level != r->line)
		r->env->wiring->ops->line_set(r->env->wiring, LAYOUT_PIN_RTC, level);
	r->line = level;
}

/* The timer runs only while the guest wants an interrupt that is not up already. */
static void set_timer(struct rtc *r)
{
	struct itimerspec when = {{0}, {0}};
	uint8_t enabled = r->cmos[REG_B] & (B_PIE | B_AIE | B_UIE);
	int64_t wait = 0, now = guest_ns(r), period = period_ns(r);
	if (enabled & (B_AIE | B_UIE))
		wait = SECOND_NS - (now % SECOND_NS + SECOND_NS) % SECOND_NS;
	if (enabled & B_PIE && period) {
		int64_t next = period - (now % period + period) % period;
		if (next < PERIOD_MIN_NS)
			next = PERIOD_MIN_NS;
		wait = !wait || next < wait ? next : wait;
	}
	if (r->line || r->paused)
		wait = 0;
	when.it_value.tv_sec = wait / SECOND_NS;
	when.it_value.tv_nsec = wait % SECOND_NS;
	timerfd_settime(r->timer.fd, 0, &when, NULL);
}

static void timer_ready(struct loop_source *source, uint32_t epoll_events)
{
	struct rtc *r = (struct rtc *)((char *)source - offsetof(struct rtc, timer));
	uint64_t count;
	(void)epoll_events;
	pthread_mutex_lock(&r->lock);
	if (read(source->fd, &count, sizeof count) == (ssize_t)sizeof count && !r->paused) {
		look(r);
		set_timer(r);
	}
	pthread_mutex_unlock(&r->lock);
}

static uint8_t read_data(struct rtc *r)
{
	int64_t now = guest_ns(r);
	bool stopped = r->cmos[REG_B] & B_SET;
	uint8_t value;
	switch (r->index) {
	case REG_A:
		/* the reader then waits for the turn: the time it reads next is whole */
		return (uint8_t)(r->cmos[REG_A] |
				 (!stopped && now % SECOND_NS >= SECOND_NS - UPDATE_NS ? A_UIP
										       : 0));
	case REG_C:
		look(r);
		value = r->cmos[REG_C];
		r->cmos[REG_C] = 0;
		look(r);
		set_timer(r);
		return value;
	case REG_D:
		return D_VRT;
	default:
		if (is_time(r->index) && !stopped)
			show_time(r, now);
		return r->cmos[r->index];
	}
}

static void write_b(struct rtc *r, uint8_t value)
{
	uint8_t before = r->cmos[REG_B];
	look(r);
	if (before & B_SET && !(value & B_SET))
		take_time(r); /* in the format that the registers were written in */
	r->cmos[REG_B] = value & B_SET ? value & ~B_UIE : value;
	if (!(before & B_SET))
		show_time(r, guest_ns(r));
	look(r);
	set_timer(r);
}

static void write_data(struct rtc *r, uint8_t value)
{
	switch (r->index) {
	case REG_A:
		r->cmos[REG_A] = value & ~A_UIP;
		set_timer(r);
		break;
	case REG_B:
		write_b(r, value);
		break;
	case REG_C:
	case REG_D:
		break;
	default:
		if (!is_time(r->index)) {
			r->cmos[r->index] = value;
		} else if (r->cmos[REG_B] & B_SET) {
			r->cmos[r->index] = value;
		} else {
			show_time(r, guest_ns(r));
			r->cmos[r->index] = value;
			take_time(r);
		}
	}
}

static uint64_t rtc_read(void *owner, uint64_t offset, unsigned size)
{
	struct rtc *r = owner;
	uint64_t value = ~0ull;
	(void)size; /* the chip is 8 bits wide */
	if (offset == 1) {
		pthread_mutex_lock(&r->lock);
		value = read_data(r);
		pthread_mutex_unlock(&r->lock);
	}
	return value;
}

static void rtc_write(void *owner, uint64_t offset, unsigned size, uint64_t value)
{
	struct rtc *r = owner;
	pthread_mutex_lock(&r->lock);
	if (offset == 0) {
		r->index = value & 0x7f; /* bit 7 gates NMIs on a PC */
		if (size > 1)
			write_data(r, (uint8_t)(value >> 8));
	} else {
		write_data(r, (uint8_t)value);
	}
	pthread_mutex_unlock(&r->lock);
}

static const struct bus_ops rtc_bus_ops = {rtc_read, rtc_write};

/* ---- device -------------------------------------------------------------------------------------
 */

static int rtc_pause(struct device *dev, struct hv_error *err)
{
	struct rtc *r = (struct rtc *)dev;
	(void)err;
	pthread_mutex_lock(&r->lock);
	look(r);
	r->paused = true;
	set_timer(r);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

/* The clock went on meanwhile, as a battery's does: what fell due is raised now. */
static void rtc_resume(struct device *dev)
{
	struct rtc *r = (struct rtc *)dev;
	pthread_mutex_lock(&r->lock);
	r->paused = false;
	look(r);
	set_timer(r);
	pthread_mutex_unlock(&r->lock);
}

static int rtc_save(struct device *dev, struct state_out *out, struct hv_error *err)
{
	return state_save(out, &rtc_section, dev->id, dev, err);
}

static int rtc_load(struct device *dev, struct state_in *in, struct hv_error *err)
{
	struct rtc *r = (struct rtc *)dev;
	pthread_mutex_lock(&r->lock);
	int ret = state_load(in, &rtc_section, dev->id, r, err);
	if (ret == 0) {
		r->last_look_ns = guest_ns(r);
		look(r);
		set_timer(r);
	}
	pthread_mutex_unlock(&r->lock);
	return ret;
}

static void rtc_free(struct device *dev)
{
	struct rtc *r = (struct rtc *)dev;
	if (!r)
		return;
	bus_remove(r->env->pio, LAYOUT_PORT_RTC, r);
	if (r->timer.fd >= 0) {
		loop_remove(r->env->loop, &r->timer);
		close(r->timer.fd);
	}
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static const struct device_ops rtc_ops = {
	.pause = rtc_pause,
	.resume = rtc_resume,
	.save = rtc_save,
	.load = rtc_load,
	.free = rtc_free,
};

static int connect_rtc(struct rtc *r, struct hv_error *err)
{
	struct bus_range range = {
		.base = LAYOUT_PORT_RTC, .len = 2, .ops = &rtc_bus_ops, .owner = r};
	if (r->timer.fd < 0)
		return hv_fail(err, HV_FAILED, errno, "real-time clock: timer");
	int ret = loop_add(r->env->loop, &r->timer, EPOLLIN, err);
	return ret < 0 ? ret : bus_add(r->env->pio, &range, err);
}

int rtc_new(struct device **out, const struct device_env *env, struct hv_error *err)
{
	struct rtc *r = calloc(1, sizeof *r);
	if (!r)
		return hv_fail(err, HV_FAILED, ENOMEM, "real-time clock");
	r->device = (struct device){.ops = &rtc_ops, .id = "rtc0"};
	r->env = env;
	r->cmos[REG_A] = 0x26; /* 32 kHz time base, 1024 Hz */
	r->cmos[REG_B] = B_24_12;
	r->timer = (struct loop_source){
		.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
		.ready = timer_ready};
	r->last_look_ns = guest_ns(r);
	pthread_mutex_init(&r->lock, NULL);
	int ret = connect_rtc(r, err);
	if (ret < 0) {
		rtc_free(&r->device);
		return ret;
	}
	*out = &r->device;
	return 0;
}
