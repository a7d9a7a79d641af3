/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Local APICs and the IOAPIC. The timer counts at 1 GHz: so it is in KVM, and in what emulates it.
 */
#include "tests/guest/apic.h"
#include "engine/vmm/layout.h"
#include "tests/guest/acpi.h"
#include "tests/guest/boot.h"
#include "tests/guest/io.h"

#define LAPIC_SVR 0xf0
#define LAPIC_ICR_LOW 0x300
#define LAPIC_ICR_HIGH 0x310
#define LAPIC_LVT_TIMER 0x320
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_CURRENT 0x390
#define LAPIC_TIMER_DIVIDE 0x3e0

bool apic_present;

static void lapic_write(uint32_t reg, uint32_t value)
{
	mmio_write32(LAYOUT_LAPIC + reg, value);
}

static uint32_t lapic_read(uint32_t reg)
{
	return mmio_read32(LAYOUT_LAPIC + reg);
}

static void ioapic_write(uint32_t reg, uint32_t value)
{
	mmio_write32(acpi.ioapic, reg);
	mmio_write32(acpi.ioapic + 0x10, value);
}

void apic_send(uint8_t apic_id, uint32_t command)
{
	lapic_write(LAPIC_ICR_HIGH, (uint32_t)apic_id << 24);
	lapic_write(LAPIC_ICR_LOW, command);
}

void apic_timer(uint64_t ns)
{
	uint64_t count = ns / 16; /* room for a minute */

	lapic_write(LAPIC_TIMER_INITIAL, count > 0xffffffff ? 0xffffffff : (uint32_t)count);
}

uint32_t apic_timer_left(void)
{
	return lapic_read(LAPIC_TIMER_CURRENT);
}

void apic_enable(void)
{
	lapic_write(LAPIC_SVR, 0x100 | VECTOR_SPURIOUS);
	lapic_write(LAPIC_TIMER_DIVIDE, 0x3); /* by 16 */
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
}

void apic_route_pin(uint32_t gsi, uint8_t vector, bool level)
{
	if (!acpi.ioapic || gsi < acpi.ioapic_gsi)
		return;
	uint32_t pin = gsi - acpi.ioapic_gsi;
	ioapic_write(0x11 + 2 * pin, (uint32_t)acpi.apic_ids[0] << 24);
	ioapic_write(0x10 + 2 * pin, vector | (level ? 0x8000 : 0));
}

void apic_init(void)
{
	apic_present = acpi.n_cpus > 0;
	if (!apic_present)
		return;
	if (!acpi.reduced) { /* an old PIC may be there, and must not interrupt */
		out8(0x21, 0xff);
		out8(0xa1, 0xff);
	}
	apic_enable();
	apic_route_pin(acpi.serial_gsi, VECTOR_SERIAL, acpi.serial_level);
	if (acpi.ged_gsi)
		apic_route_pin(acpi.ged_gsi, VECTOR_GED, acpi.ged_level);
}
