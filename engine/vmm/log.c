/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One line, one write(2): lines of several threads never mix. Time is taken apart here, because
 * libc's gmtime_r() may read the time zone's file and this process opens none.
 */
#include "engine/vmm/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 512
#define LIMIT_BURST 8
#define LIMIT_INTERVAL_S 5

/* The proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March. */
static void civil_date(long long days, int *year, int *month, int *day)
{
	days += 719468;
	long long era = days / 146097;
	int of_era = (int)(days - era * 146097);
	int year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int shifted = (5 * of_year + 2) / 153;
	*day = of_year - (153 * shifted + 2) / 5 + 1;
	*month = shifted < 10 ? shifted + 3 : shifted - 9;
	*year = (int)(year_of_era + era * 400) + (*month <= 2);
}

static int time_stamp(char *to, size_t len)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	int year, month, day, second = (int)(now.tv_sec % 86400);
	civil_date(now.tv_sec / 86400, &year, &month, &day);
	return snprintf(to, len, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ", year, month, day,
			second / 3600, second / 60 % 60, second % 60, now.tv_nsec / 1000000);
}

/* C0, DEL, and C1 in its UTF-8 form lose their power over a terminal. */
static void defuse(char *text)
{
	for (unsigned char *at = (unsigned char *)text; *at; at++) {
		if (*at < 0x20 || *at == 0x7f)
			*at = '?';
		else if (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0)
			at[0] = at[1] = '?';
	}
}

static void log_line(const char *fmt, va_list args, unsigned dropped) HV_PRINTF(1, 0);
static void log_line(const char *fmt, va_list args, unsigned dropped)
{
	char line[LINE_MAX_BYTES];
	size_t room = sizeof line - 1; /* for the newline */
	size_t head = (size_t)time_stamp(line, room);
	vsnprintf(line + head, room - head, fmt, args);
	defuse(line + head);
	size_t len = head + strlen(line + head);
	if (dropped) {
		snprintf(line + len, room - len, " (%u like it left out)", dropped);
		len += strlen(line + len);
	}
	line[len++] = '\n';
	/* nowhere to tell that the log is full */
	ssize_t ignored = write(STDERR_FILENO, line, len);
	(void)ignored;
}

void vmm_log(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	log_line(fmt, args, 0);
	va_end(args);
}

void vmm_log_limited(struct log_limit *limit, const char *fmt, ...)
{
	unsigned dropped = 0;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	long long now_s = now.tv_sec;
	if (__atomic_load_n(&limit->tokens_used, __ATOMIC_RELAXED) < LIMIT_BURST) {
		__atomic_fetch_add(&limit->tokens_used, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&limit->last_s, now_s, __ATOMIC_RELAXED);
	} else {
		/* of threads that meet here one wins the line */
		long long last = __atomic_load_n(&limit->last_s, __ATOMIC_RELAXED);
		bool due = now_s - last >= LIMIT_INTERVAL_S &&
			   __atomic_compare_exchange_n(&limit->last_s, &last, now_s, false,
						       __ATOMIC_RELAXED, __ATOMIC_RELAXED);
		if (!due) {
			__atomic_fetch_add(&limit->dropped, 1, __ATOMIC_RELAXED);
			return;
		}
		dropped = __atomic_exchange_n(&limit->dropped, 0, __ATOMIC_RELAXED);
	}
	va_list args;
	va_start(args, fmt);
	log_line(fmt, args, dropped);
	va_end(args);
}
