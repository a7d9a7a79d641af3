/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attacks through PCI: BARs in wrong places, random configuration space, MSI-X. Each puts addresses
 * and the command register back as they were.
 */
#include "engine/vmm/layout.h"
#include "tests/guest/acpi.h"
#include "tests/guest/clock.h"
#include "tests/guest/hostile.h"
#include "tests/guest/io.h"
#include "tests/guest/mem.h"
#include "tests/guest/rng.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define FIRST_VECTOR 0x40
#define LAST_VECTOR 0xef

static int main_bar(const struct virtio *v)
{
	return v->common.bar;
}

/* Looks through the BAR wherever it is, and rings what may be a doorbell. */
static void poke(struct virtio *v)
{
	virtio_status(v);
	mmio_read32(virtio_common(v) + COMMON_DEVICE_FEATURE);
	if (v->rings[hostile_queue(v)])
		mmio_write16(v->rings[hostile_queue(v)]->notify, 0);
}

static int at_address(struct virtio *v, uint64_t base)
{
	int bar = main_bar(v);
	uint64_t home = v->pci->bars[bar].base;

	if (!hostile_start(v, HOSTILE_FEATURES))
		return -1;
	pci_move_bar(v->pci, bar, base & -v->pci->bars[bar].len);
	virtio_moved(v);
	poke(v);
	pci_move_bar(v->pci, bar, home);
	virtio_moved(v);
	return 0;
}

/* RAM must stay RAM; so nothing but a word of free RAM is touched. */
static int bar_over_ram(struct virtio *v, uint64_t seed)
{
	struct mem_range free = mem_free_range();
	int bar = main_bar(v);
	uint64_t len = v->pci->bars[bar].len, home = v->pci->bars[bar].base;
	uint64_t base = (free.start + len - 1) & -len;

	if (!hostile_start(v, HOSTILE_FEATURES))
		return -1;
	*(volatile uint64_t *)base = seed;
	pci_move_bar(v->pci, bar, base);
	uint64_t seen = *(volatile uint64_t *)base;
	pci_move_bar(v->pci, bar, home);
	if (*(volatile uint64_t *)base != seed)
		return fail("RAM under the BAR changed from %lx to %lx", seed,
			    *(volatile uint64_t *)base);
	print("hostile bar-over-ram ram_wins=%d\n", seen == seed);
	return 0;
}

static int bar_over_code(struct virtio *v, uint64_t seed)
{
	int bar = main_bar(v);
	uint64_t home = v->pci->bars[bar].base;

	(void)seed;
	pci_move_bar(v->pci, bar,
		     0x100000 & -v->pci->bars[bar].len); /* page tables and this code */
	cpu_flush_tlb();
	pci_move_bar(v->pci, bar, home);
	return 0;
}

static int bar_over_bar(struct virtio *v, uint64_t seed)
{
	(void)seed;
	for (int i = 0; i < virtio_probe(); i++) {
		struct virtio *other = virtio_device(i);
		if (other != v && at_address(v, virtio_common(other)))
			return -1;
	}
	return 0;
}

static int bar_over_apic(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return at_address(v, LAYOUT_LAPIC) || at_address(v, LAYOUT_IOAPIC) ? -1 : 0;
}

static int bar_over_ecam(struct virtio *v, uint64_t seed)
{
	(void)seed;
	return at_address(v, LAYOUT_ECAM) || at_address(v, LAYOUT_POWER) ? -1 : 0;
}

static int bar_zero(struct virtio *v, uint64_t seed)
{
	int bar = main_bar(v);
	uint64_t home = v->pci->bars[bar].base;

	(void)seed;
	pci_move_bar(v->pci, bar, 0);
	pci_move_bar(v->pci, bar, 0xfffff000 & -v->pci->bars[bar].len);
	pci_move_bar(v->pci, bar, home);
	return 0;
}

static int bar_high(struct virtio *v, uint64_t seed)
{
	static const uint64_t places[] = {1ull << 40, 1ull << 51, 1ull << 63, -4096ull, 1ull << 32};
	int bar = main_bar(v);
	uint64_t home = v->pci->bars[bar].base;

	(void)seed;
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		pci_move_bar(v->pci, bar, places[i] & -v->pci->bars[bar].len);
	pci_move_bar(v->pci, bar, home);
	return 0;
}

/* To a free place of the window while the device runs, and it must go on there. */
static int bar_moves_running(struct virtio *v, uint64_t seed)
{
	int bar = main_bar(v), ret = 0;
	uint64_t home = v->pci->bars[bar].base, len = v->pci->bars[bar].len;

	(void)seed;
	if (v->type != VIRTIO_RNG)
		return at_address(v, LAYOUT_PCI_WINDOW + 0x8000000);
	if (rng_attach(v))
		return -1;
	for (int i = 0; i < 20 && !ret; i++) {
		pci_move_bar(v->pci, bar,
			     i % 2 ? home : (LAYOUT_PCI_WINDOW + 0x8000000 + i * len) & -len);
		virtio_moved(v);
		ret = rng_read(v, hostile_page, 32) < 0 ? -1 : 0;
	}
	pci_move_bar(v->pci, bar, home);
	virtio_moved(v);
	return ret;
}

static int decode_off(struct virtio *v, uint64_t seed)
{
	(void)seed;
	if (!hostile_start(v, HOSTILE_FEATURES))
		return -1;
	uint32_t command = pci_read(v->pci, PCI_COMMAND, 2);
	pci_write(v->pci, PCI_COMMAND, 2, 0);
	poke(v);
	uint8_t status = virtio_status(v);
	pci_write(v->pci, PCI_COMMAND, 2, command);
	return status == 0xff ? 0 : fail("the BAR answers (%x) with decoding off", status);
}

static void restore(struct pci_device *dev, uint32_t command)
{
	pci_write(dev, PCI_COMMAND, 2, 0);
	for (int bar = 0; bar < PCI_BARS; bar++)
		if (dev->bars[bar].len)
			pci_move_bar(dev, bar, dev->bars[bar].base);
	pci_write(dev, PCI_COMMAND, 2, command);
}

static void write_config(const struct pci_device *dev, uint64_t *seed, unsigned limit)
{
	unsigned offset = random_next(seed) % limit, size = 1u << random_next(seed) % 3;
	uint32_t value = (uint32_t)random_next(seed);

	/* Aligned three times out of four. */
	if (random_next(seed) % 4)
		offset &= ~(size - 1);
	pci_write(dev, offset, size, value);
	pci_read(dev, offset, size);
}

static int config_space(struct virtio *v, uint64_t seed)
{
	uint32_t command = pci_read(v->pci, PCI_COMMAND, 2);

	if (!hostile_start(v, HOSTILE_FEATURES))
		return -1;
	for (int i = 0; i < 2000; i++)
		write_config(v->pci, &seed, i % 8 ? 256 : 4093);
	restore(v->pci, command);
	return 0;
}

/* Functions that are not there, and the host bridge. */
static int config_elsewhere(struct virtio *v, uint64_t seed)
{
	bool taken[256] = {false};

	(void)v;
	for (int i = 1; i < pci_n_devices; i++)
		taken[pci_devices[i].devfn] = true;
	for (int i = 0; i < 2000; i++) {
		struct pci_device nobody = {.devfn = (uint8_t)random_next(&seed)};
		if (!taken[nobody.devfn])
			write_config(&nobody, &seed, 4093);
	}
	return 0;
}

/* The window of VIRTIO 1.2, 4.1.4.9: BAR accesses through configuration space. */
static int config_window(struct virtio *v, uint64_t seed)
{
	unsigned cap = 0;

	if (!hostile_start(v, HOSTILE_FEATURES))
		return -1;
	while ((cap = pci_find_cap(v->pci, PCI_CAP_VENDOR, cap)))
		if (pci_read(v->pci, cap + 3, 1) == 5)
			break;
	if (!cap)
		return 0;
	for (int i = 0; i < 1000; i++) {
		pci_write(v->pci, cap + 4, 1, random_next(&seed) % 8);
		pci_write(v->pci, cap + 8, 4,
			  i % 3 ? random_next(&seed) % COMMON_LEN : (uint32_t)random_next(&seed));
		pci_write(v->pci, cap + 12, 4,
			  i % 5 ? 1u << random_next(&seed) % 3 : (uint32_t)random_next(&seed));
		pci_read(v->pci, cap + 16, 4);
		pci_write(v->pci, cap + 16, 1u << random_next(&seed) % 3,
			  (uint32_t)random_next(&seed));
	}
	return 0;
}

static uint64_t msix_entry(const struct virtio *v, unsigned i)
{
	return v->pci->bars[v->msix_table.bar].base + v->msix_table.offset + 16 * i;
}

/*
 * Random messages; but of fixed delivery mode and with a vector that only counts, since an NMI or
 * an INIT would be our own end and not the monitor's.
 */
static int msix_random(struct virtio *v, uint64_t seed)
{
	struct vring *r = hostile_start(v, HOSTILE_FEATURES);

	if (!r)
		return -1;
	for (int i = 0; i < 300; i++) {
		uint64_t at = msix_entry(v, random_next(&seed) % v->n_msix);
		uint32_t data = (uint32_t)random_next(&seed) & ~0x7ffu;
		data |= FIRST_VECTOR + random_next(&seed) % (LAST_VECTOR - FIRST_VECTOR);
		mmio_write32(at, i % 2 ? (uint32_t)random_next(&seed)
				       : LAYOUT_LAPIC | ((uint32_t)random_next(&seed) & 0xffffc));
		mmio_write32(at + 4, i % 3 ? 0 : (uint32_t)random_next(&seed));
		mmio_write32(at + 8, data);
		mmio_write32(at + 12, (uint32_t)random_next(&seed));
		mmio_write16(r->notify, r->index);
	}
	for (unsigned i = 0; i < v->n_msix; i++)
		mmio_write32(msix_entry(v, i) + 12, 1);
	return 0;
}

static int msix_shapes(struct virtio *v, uint64_t seed)
{
	(void)seed;
	if (!hostile_start(v, HOSTILE_FEATURES) || !v->n_msix)
		return -1;
	uint64_t at = msix_entry(v, v->n_msix - 1);
	mmio_write8(at + 1, 0x11);
	mmio_write16(at + 2, 0xfee0);
	mmio_write64(at, 0);
	mmio_write64(at + 8, 0x100000000 | FIRST_VECTOR); /* masked */
	mmio_read64(at);
	mmio_write32(msix_entry(v, v->n_msix), 0x12345678); /* behind the table */
	unsigned cap = pci_find_cap(v->pci, PCI_CAP_MSIX, 0);
	for (int i = 0; i < 50; i++) /* function mask and enable, back and forth */
		pci_write(v->pci, cap + 2, 2, (i % 4) << 14);
	pci_write(v->pci, cap + 2, 2, 0);
	return 0;
}

/* The whole BAR but the MSI-X table: see msix_random(). */
static int bar_random(struct virtio *v, uint64_t seed)
{
	int bar = main_bar(v);
	uint64_t base = v->pci->bars[bar].base, len = v->pci->bars[bar].len;
	uint64_t table = msix_entry(v, 0), table_end = msix_entry(v, v->n_msix);

	if (!hostile_start(v, HOSTILE_FEATURES))
		return -1;
	for (int i = 0; i < 3000; i++) {
		uint64_t at = base + random_next(&seed) % (len - 8), value = random_next(&seed);
		unsigned size = random_next(&seed) % 4;
		if (at + 8 > table && at < table_end)
			continue;
		if (size == 0)
			mmio_write8(at, (uint8_t)value);
		else if (size == 1)
			mmio_write16(at, (uint16_t)value);
		else if (size == 2)
			mmio_write32(at, (uint32_t)value);
		else
			mmio_write64(at, value);
		mmio_read64(at);
	}
	return 0;
}

const struct attack pci_attacks[] = {
	{"bar-over-ram", "a BAR on top of RAM", EXPECT_ANYTHING, 0, bar_over_ram},
	{"bar-over-code", "a BAR on top of the running program", EXPECT_ANYTHING, 0, bar_over_code},
	{"bar-over-bar", "a BAR on top of every other device's", EXPECT_ANYTHING, 0, bar_over_bar},
	{"bar-over-apic", "a BAR on top of the APICs", EXPECT_ANYTHING, 0, bar_over_apic},
	{"bar-over-ecam", "a BAR on top of configuration space", EXPECT_ANYTHING, 0, bar_over_ecam},
	{"bar-zero", "a BAR at 0 and at the last page", EXPECT_ANYTHING, 0, bar_zero},
	{"bar-high", "a BAR above what is addressable", EXPECT_ANYTHING, 0, bar_high},
	{"bar-moves", "a BAR that moves while the device runs", EXPECT_HEALTHY, 0,
	 bar_moves_running},
	{"decode-off", "memory decoding off while the device runs", EXPECT_HEALTHY, 0, decode_off},
	{"config-space", "2000 random writes to configuration space", EXPECT_ANYTHING, 0,
	 config_space},
	{"config-elsewhere", "the same to functions that are not there", EXPECT_HEALTHY, 0,
	 config_elsewhere},
	{"config-window", "random use of virtio's window in configuration space", EXPECT_ANYTHING,
	 0, config_window},
	{"msix-random", "random MSI-X messages, unmasked at random", EXPECT_ANYTHING, 0,
	 msix_random},
	{"msix-shapes", "MSI-X by bytes, words and behind its end", EXPECT_ANYTHING, 0,
	 msix_shapes},
	{"bar-random", "3000 random writes all over the BAR", EXPECT_ANYTHING, 0, bar_random},
	{0},
};
