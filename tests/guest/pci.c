/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PCI (Local Bus 3.0, ECAM of PCI Express): probing, BARs, capabilities. Where firmware left BARs
 * without an address (QEMU's microvm), they get one in the window of engine/vmm/layout.h.
 */
#include "tests/guest/pci.h"
#include "engine/vmm/layout.h"
#include "tests/guest/acpi.h"
#include "tests/guest/io.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define STATUS_CAPS 0x10
#define CAPS_MAX 48 /* what fits into 192 bytes: a list that loops ends here */

struct pci_device pci_devices[PCI_DEVICES_MAX];
int pci_n_devices;
static uint64_t next_base = LAYOUT_PCI_WINDOW;
static bool probed;

static uint64_t address(const struct pci_device *dev, unsigned offset)
{
	return acpi.ecam + ((uint64_t)dev->devfn << 12) + offset;
}

uint32_t pci_read(const struct pci_device *dev, unsigned offset, unsigned size)
{
	uint64_t a = address(dev, offset);

	return size == 1 ? mmio_read8(a) : size == 2 ? mmio_read16(a) : mmio_read32(a);
}

void pci_write(const struct pci_device *dev, unsigned offset, unsigned size, uint32_t value)
{
	uint64_t a = address(dev, offset);

	if (size == 1)
		mmio_write8(a, (uint8_t)value);
	else if (size == 2)
		mmio_write16(a, (uint16_t)value);
	else
		mmio_write32(a, value);
}

unsigned pci_find_cap(const struct pci_device *dev, uint8_t id, unsigned after)
{
	unsigned at;

	if (!(pci_read(dev, PCI_STATUS, 2) & STATUS_CAPS))
		return 0;
	at = pci_read(dev, after ? after + 1 : PCI_CAP_POINTER, 1) & ~3u;
	for (int n = 0; at >= 0x40 && n < CAPS_MAX; n++) {
		if (pci_read(dev, at, 1) == id)
			return at;
		at = pci_read(dev, at + 1, 1) & ~3u;
	}
	return 0;
}

static void write_bar(struct pci_device *dev, int bar, uint64_t base)
{
	pci_write(dev, PCI_BAR0 + 4 * bar, 4, (uint32_t)base);
	if (dev->bars[bar].is_64bit)
		pci_write(dev, PCI_BAR0 + 4 * bar + 4, 4, (uint32_t)(base >> 32));
}

void pci_move_bar(struct pci_device *dev, int bar, uint64_t base)
{
	uint32_t command = pci_read(dev, PCI_COMMAND, 2);

	pci_write(dev, PCI_COMMAND, 2, command & ~PCI_COMMAND_MEMORY);
	write_bar(dev, bar, base);
	pci_write(dev, PCI_COMMAND, 2, command);
	dev->bars[bar].base = base;
}

/* Returns how many slots the BAR takes. */
static int probe_bar(struct pci_device *dev, int bar)
{
	unsigned reg = PCI_BAR0 + 4 * bar;
	uint32_t low = pci_read(dev, reg, 4), high = 0;

	if (low & 1)
		return 1; /* ports: nothing here has any */
	dev->bars[bar].is_64bit = (low & 6) == 4 && bar + 1 < PCI_BARS;
	bool wide = dev->bars[bar].is_64bit;
	if (wide)
		high = pci_read(dev, reg + 4, 4);
	pci_write(dev, reg, 4, ~0u);
	if (wide)
		pci_write(dev, reg + 4, 4, ~0u);
	uint64_t mask = pci_read(dev, reg, 4) & ~15u;
	mask |= (wide ? (uint64_t)pci_read(dev, reg + 4, 4) : 0xffffffff) << 32;
	if (!(uint32_t)mask)
		return wide ? 2 : 1;
	dev->bars[bar].len = -mask;
	dev->bars[bar].base = (uint64_t)high << 32 | (low & ~15u);
	if (!dev->bars[bar].base) {
		next_base = (next_base - mask - 1) & mask;
		dev->bars[bar].base = next_base;
		next_base += -mask;
	}
	write_bar(dev, bar, dev->bars[bar].base);
	return wide ? 2 : 1;
}

static void probe_function(uint8_t devfn)
{
	struct pci_device *dev = &pci_devices[pci_n_devices];

	dev->devfn = devfn;
	uint32_t id = pci_read(dev, 0, 4);
	if (id == ~0u || pci_n_devices == PCI_DEVICES_MAX - 1)
		return;
	pci_n_devices++;
	dev->vendor = (uint16_t)id;
	dev->device = (uint16_t)(id >> 16);
	dev->class24 = pci_read(dev, 8, 4) >> 8;
	uint32_t command = pci_read(dev, PCI_COMMAND, 2);
	pci_write(dev, PCI_COMMAND, 2, command & ~PCI_COMMAND_MEMORY);
	if (!(pci_read(dev, 0x0e, 1) & 0x7f)) /* no bridge */
		for (int bar = 0; bar < PCI_BARS;)
			bar += probe_bar(dev, bar);
	pci_write(dev, PCI_COMMAND, 2, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

void pci_probe(void)
{
	if (probed || !acpi.ecam)
		return;
	probed = true;
	for (unsigned slot = 0; slot < 32; slot++) {
		struct pci_device first = {.devfn = (uint8_t)(slot << 3)};
		if (pci_read(&first, 0, 4) == ~0u)
			continue;
		bool many = pci_read(&first, 0x0e, 1) & 0x80;
		for (unsigned fn = 0; fn < (many ? 8 : 1); fn++)
			probe_function((uint8_t)(slot << 3 | fn));
	}
}

static int run_pci(int argc, char **argv)
{
	(void)argc, (void)argv;
	pci_probe();
	for (int i = 0; i < pci_n_devices; i++) {
		struct pci_device *dev = &pci_devices[i];
		print("pci 00:%02x.%u id=%04x:%04x class=%06x", dev->devfn >> 3, dev->devfn & 7,
		      dev->vendor, dev->device, dev->class24);
		for (int bar = 0; bar < PCI_BARS; bar++)
			if (dev->bars[bar].len)
				print(" bar%d=%lx+%lx", bar, dev->bars[bar].base,
				      dev->bars[bar].len);
		print(" msix=%u\n", pci_find_cap(dev, PCI_CAP_MSIX, 0) != 0);
	}
	return pci_n_devices ? 0 : fail("no PCI (no MCFG table, or an empty bus)");
}

const struct command pci_commands[] = {
	{"pci", "", "functions of bus 0", run_pci},
	{0},
};
