/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The DSDT: what is not found by probing. The generic event device (ACPI 6.4, 5.6.9) reads its
 * events from the power page, which lowers the line, and notifies whom they concern. Its interrupt
 * is an edge: the IOAPIC keeps one that comes while masked, and there are hosts whose local APIC
 * ends interrupts by itself (emulated CPL 0), on which a level would repeat for ever.
 */
#include "engine/acpi/acpi.h"
#include "engine/acpi/aml.h"
#include "engine/vmm/layout.h"

#define NOTIFY_BUTTON_PRESSED 0x80

static void put_id(struct aml *aml, const char *eisaid, uint64_t uid)
{
	aml_name(aml, "_HID");
	aml_eisaid(aml, eisaid);
	aml_name(aml, "_UID");
	aml_int(aml, uid);
}

static void put_sleep_state(struct aml *aml)
{
	aml_name(aml, "\\_S5");
	size_t values = aml_package(aml, 4);
	aml_int(aml, LAYOUT_SLP_TYP_S5);
	for (int i = 0; i < 3; i++)
		aml_int(aml, 0);
	aml_close(aml, values);
}

static void put_pci(struct aml *aml)
{
	size_t device = aml_device(aml, "PCI0");
	put_id(aml, "PNP0A08", 0);
	aml_name(aml, "_CID");
	aml_eisaid(aml, "PNP0A03");
	aml_name(aml, "_SEG");
	aml_int(aml, 0);
	aml_name(aml, "_BBN");
	aml_int(aml, 0);
	aml_name(aml, "_CRS");
	size_t resources = aml_resources(aml);
	aml_res_bus_numbers(aml, 0, 0);
	aml_res_io(aml, 0xcf8, 8);
	aml_res_memory_window(aml, LAYOUT_PCI_WINDOW, LAYOUT_PCI_WINDOW_LEN);
	aml_resources_close(aml, resources);
	aml_close(aml, device);
}

/* Kernels use ECAM only where somebody has reserved it. */
static void put_reserved(struct aml *aml)
{
	size_t device = aml_device(aml, "RES0");
	put_id(aml, "PNP0C02", 0);
	aml_name(aml, "_CRS");
	size_t resources = aml_resources(aml);
	aml_res_memory32(aml, LAYOUT_ECAM, LAYOUT_ECAM_LEN);
	aml_res_memory32(aml, LAYOUT_POWER, LAYOUT_POWER_LEN);
	aml_resources_close(aml, resources);
	aml_close(aml, device);
}

static void put_legacy(struct aml *aml, const char *path, const char *eisaid, uint16_t port,
		       uint8_t n_ports, uint32_t pin)
{
	size_t device = aml_device(aml, path);
	put_id(aml, eisaid, 1);
	aml_name(aml, "_CRS");
	size_t resources = aml_resources(aml);
	aml_res_io(aml, port, n_ports);
	aml_res_interrupt(aml, pin, false);
	aml_resources_close(aml, resources);
	aml_close(aml, device);
}

static void put_power_button(struct aml *aml)
{
	size_t device = aml_device(aml, "PWRB");
	put_id(aml, "PNP0C0C", 0);
	aml_close(aml, device);
}

/* If (Local0 & event) { Notify (target, value) } */
static void put_notify(struct aml *aml, uint32_t event, const char *target, uint8_t value)
{
	size_t block = aml_if(aml);
	aml_byte(aml, AML_OP_AND);
	aml_byte(aml, AML_OP_LOCAL0);
	aml_int(aml, event);
	aml_byte(aml, 0); /* no target */
	aml_byte(aml, AML_OP_NOTIFY);
	aml_path(aml, target);
	aml_int(aml, value);
	aml_close(aml, block);
}

static void put_event_device(struct aml *aml)
{
	size_t device = aml_device(aml, "GED0");
	aml_name(aml, "_HID");
	aml_string(aml, "ACPI0013");
	aml_name(aml, "_UID");
	aml_int(aml, 0);
	aml_name(aml, "_CRS");
	size_t resources = aml_resources(aml);
	aml_res_interrupt(aml, LAYOUT_PIN_GED, false);
	aml_resources_close(aml, resources);

	aml_region(aml, "EREG", AML_SYSTEM_MEMORY, LAYOUT_POWER + LAYOUT_GED_EVENTS, 4);
	size_t field = aml_field(aml, "EREG", AML_FIELD_DWORD);
	aml_field_unit(aml, "ESEL", 32);
	aml_close(aml, field);

	size_t method = aml_method(aml, "_EVT", 1, true);
	aml_byte(aml, AML_OP_STORE);
	aml_path(aml, "ESEL");
	aml_byte(aml, AML_OP_LOCAL0);
	put_notify(aml, LAYOUT_GED_POWER_BUTTON, "\\_SB.PWRB", NOTIFY_BUTTON_PRESSED);
	aml_close(aml, method);
	aml_close(aml, device);
}

void acpi_dsdt(struct aml *aml, const struct acpi_config *config)
{
	put_sleep_state(aml);
	size_t scope = aml_scope(aml, "\\_SB");
	put_pci(aml);
	put_reserved(aml);
	if (config->serial)
		put_legacy(aml, "COM1", "PNP0501", LAYOUT_PORT_SERIAL, 8, LAYOUT_PIN_SERIAL);
	if (config->rtc)
		put_legacy(aml, "RTC0", "PNP0B00", LAYOUT_PORT_RTC, 2, LAYOUT_PIN_RTC);
	put_power_button(aml);
	put_event_device(aml);
	aml_close(aml, scope);
}
