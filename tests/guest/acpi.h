/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the guest takes from the ACPI tables, and power-off, reset and the power button by them. */
#ifndef GUEST_ACPI_H
#define GUEST_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/guest/boot.h"

struct acpi {
	bool reduced; /* hardware-reduced */
	int n_cpus;
	uint8_t apic_ids[CPU_MAX]; /* [0] is the CPU that runs this */
	uint64_t ioapic;
	uint32_t ioapic_gsi;
	uint64_t ecam;
	uint8_t ecam_last_bus;
	uint64_t sleep_control, reset;
	uint8_t reset_value, slp_typ_s5;
	bool reset_is_port;
	uint16_t pm1_control; /* full hardware: power-off by it */
	uint32_t ged_gsi;     /* 0: none */
	bool ged_level;
	uint32_t serial_gsi;
	bool serial_level;
};
extern struct acpi acpi;

/* rsdp 0: no tables, all stays empty. */
void acpi_init(uint64_t rsdp);
void acpi_list(void);      /* prints what was found */
void acpi_power_off(void); /* returns only where it does not work */
void acpi_reset(void);
extern uint32_t acpi_events;
/* True once after the power button was pressed. */
bool acpi_power_button(void);

#endif
