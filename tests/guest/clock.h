/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Time: kvmclock where the host has it, the time-stamp counter else; the RTC. */
#ifndef GUEST_CLOCK_H
#define GUEST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/guest/cpu.h"

void clock_init(void);
uint64_t clock_ns(void); /* since boot, monotonic */
/* Waits for *count to change from seen, at most until that time; false at the end of it. */
bool clock_wait(volatile uint32_t *count, uint32_t seen, uint64_t until_ns);
void clock_sleep(uint64_t ns);

#endif
