/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ACPI tables (ACPI 6.4, reduced hardware) by which a guest finds its processors, PCI, serial
 * port, clock and power button. They lie from LAYOUT_ACPI_START on, RSDP first.
 */
#ifndef HV_ACPI_ACPI_H
#define HV_ACPI_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/model/error.h"

struct gmem;

struct acpi_config {
	int n_cpus;
	const uint8_t *apic_ids; /* [n_cpus] */
	bool serial, rtc;
};

/* Writes all tables; *rsdp is where the first is. */
int acpi_build(struct gmem *mem, const struct acpi_config *config, uint64_t *rsdp,
	       struct hv_error *err);

struct aml;
/* The body of the DSDT, after its header. */
void acpi_dsdt(struct aml *aml, const struct acpi_config *config);

#endif
