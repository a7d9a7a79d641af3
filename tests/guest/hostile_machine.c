/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attacks on what is not virtio: ports, holes in the address space, the IOAPIC, UART, RTC, power
 * page. */
#include "engine/vmm/layout.h"
#include "tests/guest/acpi.h"
#include "tests/guest/apic.h"
#include "tests/guest/clock.h"
#include "tests/guest/hostile.h"
#include "tests/guest/io.h"
#include "tests/guest/mem.h"
#include "tests/guest/serial.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

static void touch(uint64_t at, uint64_t *seed)
{
	uint64_t value = random_next(seed);

	switch (random_next(seed) % 4) {
	case 0:
		mmio_write8(at, (uint8_t)value);
		mmio_read8(at);
		break;
	case 1:
		mmio_write16(at, (uint16_t)value);
		mmio_read16(at);
		break;
	case 2:
		mmio_write32(at, (uint32_t)value);
		mmio_read32(at);
		break;
	default:
		mmio_write64(at, value);
		mmio_read64(at);
	}
}

/* Ports that end the guest or that the console needs are left out. */
static bool port_is_safe(uint16_t port)
{
	return !(port >= LAYOUT_PORT_SERIAL - 4 && port < LAYOUT_PORT_SERIAL + 8) &&
	       !(port >= 0x60 && port <= LAYOUT_PORT_KBC) && !(port > 0xcf0 && port < 0xd00) &&
	       port != 0x92 && acpi.reduced;
}

static int ports(struct virtio *v, uint64_t seed)
{
	(void)v;
	for (int i = 0; i < 5000; i++) {
		uint16_t port = (uint16_t)(random_next(&seed) >> random_next(&seed) % 16);
		/* four bytes beyond the last port are a fault of ours before they are an access */
		if (port > 0xffff - 3 || !port_is_safe(port) || !port_is_safe(port + 3))
			continue;
		out8(port, (uint8_t)random_next(&seed));
		in8(port);
		out16(port, (uint16_t)random_next(&seed));
		in16(port);
		out32(port, (uint32_t)random_next(&seed));
		in32(port);
	}
	return 0;
}

/* The old way to configuration space: reads of everything, writes where nothing is. */
static int config_ports(struct virtio *v, uint64_t seed)
{
	(void)v;
	for (int i = 0; i < 2000; i++) {
		out32(0xcf8, (uint32_t)random_next(&seed) | (i % 2 ? 0x80000000 : 0));
		in32(0xcfc);
		in16((uint16_t)(0xcfc + random_next(&seed) % 4));
		in8((uint16_t)(0xcfc + random_next(&seed) % 4));
		out32(0xcf8, 0x8001f800 | ((uint32_t)random_next(&seed) & 0x7fc));
		out32(0xcfc, (uint32_t)random_next(&seed));
	}
	out32(0xcf8, 0);
	return 0;
}

static bool in_a_bar(uint64_t at)
{
	for (int i = 0; i < pci_n_devices; i++)
		for (int bar = 0; bar < PCI_BARS; bar++)
			if (pci_devices[i].bars[bar].len &&
			    at + 8 > pci_devices[i].bars[bar].base &&
			    at < pci_devices[i].bars[bar].base + pci_devices[i].bars[bar].len)
				return true;
	return false;
}

static int holes(struct virtio *v, uint64_t seed)
{
	uint64_t end = mem_ranges[mem_n_ranges - 1].end;

	(void)v;
	for (int i = 0; i < 2000; i++) {
		uint64_t at = LAYOUT_PCI_WINDOW + random_next(&seed) % LAYOUT_PCI_WINDOW_LEN;
		if (i % 4 == 1)
			at = LAYOUT_ECAM + LAYOUT_ECAM_LEN + random_next(&seed) % 0x1000000;
		if (i % 4 == 2 && end < LAYOUT_LOW_RAM_END - 8192)
			at = end + random_next(&seed) % 4096;
		if (i % 4 == 3)
			at = LAYOUT_POWER + LAYOUT_POWER_LEN + random_next(&seed) % 0x100000;
		if (!in_a_bar(at))
			touch(at, &seed);
	}
	return 0;
}

/* All but the registers that end the guest. */
static int power_page(struct virtio *v, uint64_t seed)
{
	(void)v;
	if (acpi.sleep_control != LAYOUT_POWER + LAYOUT_SLEEP_CONTROL)
		return 0; /* another machine: its registers are elsewhere */
	for (int i = 0; i < 1000; i++)
		touch(LAYOUT_POWER + 0x14 + random_next(&seed) % (LAYOUT_POWER_LEN - 0x1c), &seed);
	mmio_write8(LAYOUT_POWER + LAYOUT_SLEEP_CONTROL, 0xdf); /* all but SLP_EN */
	mmio_read64(LAYOUT_POWER);
	return 0;
}

/* Redirection entries at random, masked; index and data by all sizes; then all is routed anew. */
static int ioapic(struct virtio *v, uint64_t seed)
{
	(void)v;
	if (!acpi.ioapic)
		return 0;
	for (int i = 0; i < 1000; i++) {
		uint32_t reg = (uint32_t)random_next(&seed) & 0x3f;
		mmio_write32(acpi.ioapic, reg);
		mmio_read32(acpi.ioapic + 0x10);
		mmio_write32(acpi.ioapic + 0x10, (uint32_t)random_next(&seed) | 0x10000);
		mmio_write32(acpi.ioapic, (uint32_t)random_next(&seed) | 0x100);
		mmio_read32(acpi.ioapic + 0x10);
		mmio_read8(acpi.ioapic + random_next(&seed) % 0xff8);
		mmio_write32(acpi.ioapic + 0x40, (uint32_t)random_next(&seed)); /* EOI */
	}
	apic_init();
	return 0;
}

static int uart(struct virtio *v, uint64_t seed)
{
	(void)v;
	for (int i = 0; i < 2000; i++) {
		uint16_t reg = random_next(&seed) % 8;
		out8((uint16_t)(LAYOUT_PORT_SERIAL + 3), reg ? 0 : 0x80);
		if (reg || i % 2) /* no data: that would be seen */
			out8((uint16_t)(LAYOUT_PORT_SERIAL + (reg ? reg : 1)),
			     (uint8_t)random_next(&seed) & (reg == 4 ? 0xef : 0xff));
		in8((uint16_t)(LAYOUT_PORT_SERIAL + random_next(&seed) % 8));
		in32((uint16_t)(LAYOUT_PORT_SERIAL + random_next(&seed) % 8));
	}
	serial_init();
	return 0;
}

static int rtc(struct virtio *v, uint64_t seed)
{
	(void)v;
	for (int i = 0; i < 1000; i++) {
		out8(LAYOUT_PORT_RTC, (uint8_t)random_next(&seed));
		in8(LAYOUT_PORT_RTC + 1);
		out8(LAYOUT_PORT_RTC, 0x0e | ((uint8_t)random_next(&seed) & 0x70));
		out8(LAYOUT_PORT_RTC + 1, (uint8_t)random_next(&seed));
		in16(LAYOUT_PORT_RTC);
	}
	return 0;
}

const struct attack machine_attacks[] = {
	{"ports", "random port accesses", EXPECT_HEALTHY, 0, ports},
	{"config-ports", "configuration space by ports cf8 and cfc", EXPECT_HEALTHY, 0,
	 config_ports},
	{"holes", "random accesses where nothing is mapped", EXPECT_HEALTHY, 0, holes},
	{"power-page", "random writes around the power registers", EXPECT_HEALTHY, 0, power_page},
	{"ioapic", "random IOAPIC registers", EXPECT_HEALTHY, 0, ioapic},
	{"uart", "random UART registers", EXPECT_HEALTHY, 0, uart},
	{"rtc", "random RTC registers", EXPECT_HEALTHY, 0, rtc},
	{0},
};
