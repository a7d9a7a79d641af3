/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Time. kvmclock (MSR 0x4b564d01, "pvclock" page) where CPUID offers it: its value is what must be
 * right after a pause. Else the time-stamp counter, its rate measured against the APIC timer. Waits
 * are bounded by the APIC timer of the CPU that waits.
 */
#include "tests/guest/clock.h"
#include "tests/guest/apic.h"
#include "tests/guest/boot.h"
#include "tests/guest/io.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define KVM_SYSTEM_TIME 0x4b564d01
#define KVM_WALL_CLOCK 0x4b564d00

struct pvclock {
	volatile uint32_t version;
	uint32_t pad;
	uint64_t tsc_timestamp, system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad2[2];
};

static struct pvclock page __attribute__((aligned(64)));
static struct {
	volatile uint32_t version, seconds, ns;
} wall __attribute__((aligned(64)));
static bool have_pvclock;
static uint64_t tsc_start, tsc_mul = 1 << 22; /* nanoseconds a tick, << 22 */

static void measure_tsc(void)
{
	if (!apic_present)
		return;
	apic_timer(16 * 0xffffffff0ull);
	uint32_t first = apic_timer_left();
	uint64_t start = tsc_read();
	while (first - apic_timer_left() < 10000000 / 16)
		cpu_pause();
	tsc_mul = (10000000ull << 22) / (tsc_read() - start);
	apic_timer(0);
}

void clock_init(void)
{
	struct cpuid id = cpu_cpuid(0x40000000, 0);

	tsc_start = tsc_read();
	have_pvclock = id.ebx == 0x4b4d564b && cpu_cpuid(0x40000001, 0).eax >> 3 & 1 &&
		       cpu_wrmsr(KVM_SYSTEM_TIME, (uint64_t)&page | 1);
	if (!have_pvclock)
		measure_tsc();
}

static uint64_t pvclock_ns(void)
{
	uint32_t version;
	uint64_t ns;

	do {
		version = page.version;
		asm volatile("lfence" : : : "memory");
		uint64_t delta = tsc_read() - page.tsc_timestamp;
		delta = page.shift < 0 ? delta >> -page.shift : delta << page.shift;
		ns = page.system_time + (uint64_t)((unsigned __int128)delta * page.mul >> 32);
		asm volatile("lfence" : : : "memory");
	} while (version & 1 || version != page.version);
	return ns;
}

uint64_t clock_ns(void)
{
	if (have_pvclock)
		return pvclock_ns();
	return (uint64_t)((unsigned __int128)(tsc_read() - tsc_start) * tsc_mul >> 22);
}

bool clock_wait(volatile uint32_t *count, uint32_t seen, uint64_t until_ns)
{
	while (*count == seen) {
		uint64_t now = clock_ns();
		if (now >= until_ns)
			return false;
		if (!apic_present) {
			cpu_pause();
			continue;
		}
		uint32_t any = irq_any;
		apic_timer(until_ns - now);
		if (*count != seen)
			break;
		cpu_wait(&irq_any, any);
	}
	return true;
}

void clock_sleep(uint64_t ns)
{
	uint32_t never = 0;

	clock_wait(&never, 0, clock_ns() + ns);
}

static uint8_t rtc_read(uint8_t reg)
{
	out8(0x70, reg);
	uint8_t bcd = in8(0x71);
	return (uint8_t)((bcd >> 4) * 10 + (bcd & 15));
}

static int run_clock(int argc, char **argv)
{
	(void)argc, (void)argv;
	print("clock source=%s ns=%lu tsc=%lu\n", have_pvclock ? "kvmclock" : "tsc", clock_ns(),
	      tsc_read());
	if (have_pvclock && cpu_wrmsr(KVM_WALL_CLOCK, (uint64_t)&wall))
		print("clock boot_epoch=%u now_epoch=%lu\n", wall.seconds,
		      wall.seconds + (wall.ns + clock_ns()) / 1000000000);
	if (rtc_read(9) <= 99)
		print("clock rtc=20%02u-%02u-%02uT%02u:%02u:%02u\n", rtc_read(9), rtc_read(8),
		      rtc_read(7), rtc_read(4), rtc_read(2), rtc_read(0));
	return 0;
}

static int run_sleep(int argc, char **argv)
{
	uint64_t ms;

	if (argc != 2 || !parse_number(argv[1], &ms))
		return fail("sleep MILLISECONDS");
	uint64_t start = clock_ns();
	clock_sleep(ms * 1000000);
	print("sleep asked_ms=%lu slept_us=%lu\n", ms, (clock_ns() - start) / 1000);
	return 0;
}

const struct command clock_commands[] = {
	{"clock", "", "kvmclock or TSC, wall clock, RTC", run_clock},
	{"sleep", "MS", "halt for that long, by the APIC timer", run_sleep},
	{0},
};
