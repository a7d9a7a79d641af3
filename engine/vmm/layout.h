/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The guest's physical memory map and I/O ports, fixed by us and told to the guest by ACPI. Only
 * #defines, so that the test guest can include it too.
 *
 *	0000_0000  RAM (zero page, command line and kernel: see engine/boot)
 *	000e_0000  ACPI tables (RSDP first)
 *	000f_fff0  code that resets, where a BIOS has its entry
 *	c000_0000  end of low RAM; PCI 32-bit window
 *	e000_0000  ECAM, bus 0..0 (1 MiB)
 *	fe00_0000  GED and power registers (one page)
 *	fec0_0000  IOAPIC
 *	fee0_0000  local APICs
 *	1_0000_0000 high RAM
 */
#ifndef HV_VMM_LAYOUT_H
#define HV_VMM_LAYOUT_H

#define LAYOUT_ACPI_START 0x000e0000
#define LAYOUT_ACPI_END 0x00100000
#define LAYOUT_RESET_VECTOR 0x000ffff0
#define LAYOUT_LOW_RAM_END 0xc0000000
#define LAYOUT_PCI_WINDOW 0xc0000000
#define LAYOUT_PCI_WINDOW_LEN 0x20000000
#define LAYOUT_ECAM 0xe0000000
#define LAYOUT_ECAM_LEN 0x00100000 /* one bus */
#define LAYOUT_POWER 0xfe000000
#define LAYOUT_POWER_LEN 0x1000
#define LAYOUT_IOAPIC 0xfec00000
#define LAYOUT_IOAPIC_LEN 0x1000
#define LAYOUT_IOAPIC_PINS 24
#define LAYOUT_LAPIC 0xfee00000
#define LAYOUT_HIGH_RAM 0x100000000

/* Registers of the power page, byte-wide; GED events are 32 bits wide. */
#define LAYOUT_SLEEP_CONTROL 0x00 /* ACPI 6.4, 4.8.3.7: SLP_TYP << 2 | SLP_EN */
#define LAYOUT_SLEEP_STATUS 0x01
#define LAYOUT_RESET 0x02 /* write LAYOUT_RESET_VALUE */
#define LAYOUT_RESET_VALUE 0x01
#define LAYOUT_GED_EVENTS 0x10 /* read: pending events, reading clears and lowers the line */
#define LAYOUT_SLP_TYP_S5 5

#define LAYOUT_GED_POWER_BUTTON 0x01
#define LAYOUT_GED_PCI_HOTPLUG 0x02 /* kept free for later events: CPU, memory, PCI */

/* IOAPIC pins. */
#define LAYOUT_PIN_SERIAL 4
#define LAYOUT_PIN_RTC 8
#define LAYOUT_PIN_GED 9

#define LAYOUT_PORT_SERIAL 0x3f8
#define LAYOUT_PORT_RTC 0x70
#define LAYOUT_PORT_KBC 0x64    /* write 0xfe: reset, as keyboard controllers did */
#define LAYOUT_PORT_RESET 0xcf9 /* write 0x06; inside the PCI ports: pci_bus.reset_port */

#endif
