/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ACPI 6.4 without an interpreter: MADT, MCFG and FADT as tables; of the DSDT only what can be
 * found by its shape: the \_S5 package and the interrupts of the event device (ACPI0013) and the
 * serial port (PNP0501). The event device's register is the one of engine/vmm/layout.h.
 */
#include "tests/guest/acpi.h"
#include "engine/vmm/layout.h"
#include "tests/guest/apic.h"
#include "tests/guest/cpu.h"
#include "tests/guest/io.h"
#include "tests/guest/text.h"

#define HEADER_LEN 36
#define FADT_HW_REDUCED (1u << 20)
#define SLP_EN 0x20

struct acpi acpi;
uint32_t acpi_events; /* what the stub of VECTOR_GED read */

/* Tables need no alignment. */
static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	__builtin_memcpy(&v, p, 4);
	return v;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	__builtin_memcpy(&v, p, 8);
	return v;
}

static void add_cpu(uint8_t apic_id)
{
	uint8_t own = (uint8_t)(mmio_read32(LAYOUT_LAPIC + 0x20) >> 24);

	if (acpi.n_cpus == CPU_MAX)
		return;
	acpi.apic_ids[acpi.n_cpus++] = apic_id;
	if (apic_id == own) {
		acpi.apic_ids[acpi.n_cpus - 1] = acpi.apic_ids[0];
		acpi.apic_ids[0] = apic_id;
	}
}

static void parse_madt(const uint8_t *table, uint32_t len)
{
	for (uint32_t at = 44; at + 2 <= len && table[at + 1]; at += table[at + 1]) {
		const uint8_t *entry = table + at;
		if (entry[0] == 0 && get32(entry + 4) & 3)
			add_cpu(entry[3]);
		if (entry[0] == 1 && !acpi.ioapic) {
			acpi.ioapic = get32(entry + 4);
			acpi.ioapic_gsi = get32(entry + 8);
		}
		if (entry[0] == 2 && entry[3] == LAYOUT_PIN_SERIAL)
			acpi.serial_gsi = get32(entry + 4);
	}
}

/* The extended interrupt descriptor (6.4.3.6) that follows a device's identity. */
static bool find_interrupt(const uint8_t *from, const uint8_t *end, uint32_t *gsi, bool *level)
{
	for (const uint8_t *p = from; p + 9 <= end && p < from + 64; p++) {
		if (p[0] != 0x89 || p[1] != 6 || p[2] != 0 || p[4] != 1)
			continue;
		*level = !(p[3] & 2);
		*gsi = get32(p + 5);
		return true;
	}
	return false;
}

static void parse_dsdt(const uint8_t *dsdt)
{
	const uint8_t *end = dsdt + get32(dsdt + 4);
	bool found_ged = false, found_serial = false;

	for (const uint8_t *p = dsdt + HEADER_LEN; p + 9 <= end; p++) {
		if (!memcmp(p, "_S5_\x12", 5)) {
			const uint8_t *value = p + 5 + 1 + (p[5] >> 6) + 1;
			acpi.slp_typ_s5 = value[0] == 0x0a ? value[1] : value[0];
		}
		if (!found_ged && !memcmp(p, "ACPI0013", 8))
			found_ged = find_interrupt(p, end, &acpi.ged_gsi, &acpi.ged_level);
		if (!found_serial && !memcmp(p, "\x41\xd0\x05\x01", 4))
			found_serial = find_interrupt(p, end, &acpi.serial_gsi, &acpi.serial_level);
	}
}

static void parse_fadt(const uint8_t *table, uint32_t len)
{
	acpi.reduced = get32(table + 112) & FADT_HW_REDUCED;
	acpi.pm1_control = (uint16_t)get32(table + 64);
	acpi.reset_is_port = table[116] == 1;
	acpi.reset = get64(table + 120);
	acpi.reset_value = table[128];
	if (len >= 256)
		acpi.sleep_control = get64(table + 248);
	uint64_t dsdt = len >= 148 ? get64(table + 140) : 0;
	if (!dsdt)
		dsdt = get32(table + 40);
	if (dsdt)
		parse_dsdt((const uint8_t *)dsdt);
}

static void parse_table(const uint8_t *table)
{
	uint32_t len = get32(table + 4);

	if (!memcmp(table, "APIC", 4))
		parse_madt(table, len);
	if (!memcmp(table, "FACP", 4))
		parse_fadt(table, len);
	if (!memcmp(table, "MCFG", 4) && len >= 60) {
		acpi.ecam = get64(table + 44);
		acpi.ecam_last_bus = table[55];
	}
}

void acpi_init(uint64_t rsdp)
{
	const uint8_t *root = (const uint8_t *)rsdp;

	acpi.serial_gsi = LAYOUT_PIN_SERIAL;
	if (!rsdp || memcmp(root, "RSD PTR ", 8))
		return;
	bool wide = root[15] >= 2 && get64(root + 24);
	const uint8_t *list = (const uint8_t *)(wide ? get64(root + 24) : get32(root + 16));
	uint32_t len = get32(list + 4), step = wide ? 8 : 4;
	for (uint32_t at = HEADER_LEN; at + step <= len; at += step)
		parse_table((const uint8_t *)(wide ? get64(list + at) : get32(list + at)));
	if (acpi.sleep_control != LAYOUT_POWER + LAYOUT_SLEEP_CONTROL)
		acpi.ged_gsi =
			0; /* another machine's event device, whose registers we do not know */
}

void acpi_list(void)
{
	print("acpi reduced=%d cpus=%d ioapic=%lx ecam=%lx buses=%u\n", acpi.reduced, acpi.n_cpus,
	      acpi.ioapic, acpi.ecam, acpi.ecam_last_bus + 1);
	print("acpi sleep=%lx s5=%u reset=%lx value=%x ged_gsi=%u serial_gsi=%u\n",
	      acpi.sleep_control, acpi.slp_typ_s5, acpi.reset, acpi.reset_value, acpi.ged_gsi,
	      acpi.serial_gsi);
}

void acpi_power_off(void)
{
	uint8_t value = acpi.slp_typ_s5 << 2 | SLP_EN;

	if (acpi.sleep_control)
		mmio_write8(acpi.sleep_control, value);
	else if (acpi.pm1_control)
		out16(acpi.pm1_control, (uint16_t)(value << 8));
}

void acpi_reset(void)
{
	if (acpi.reset && acpi.reset_is_port)
		out8((uint16_t)acpi.reset, acpi.reset_value);
	else if (acpi.reset)
		mmio_write8(acpi.reset, acpi.reset_value);
	out8(LAYOUT_PORT_RESET, 0x06);
}

bool acpi_power_button(void)
{
	return __atomic_exchange_n(&acpi_events, 0, __ATOMIC_ACQ_REL) & LAYOUT_GED_POWER_BUTTON;
}
