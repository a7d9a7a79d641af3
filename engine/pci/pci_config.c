/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Accesses to configuration space: ECAM (PCI Express 5.0, 7.2.2) and mechanism #1 through ports cf8 and
 * cfc (PCI Local Bus 3.0, 3.2.2.3.2). Any offset and size is taken byte by byte: nothing that a guest
 * does here is an error, absent functions read as ones.
 */
#include <linux/pci_regs.h>

#include "engine/pci/pci.h"

#define ECAM_SLOT_SHIFT 15
#define ECAM_FN_SHIFT 12
#define ECAM_REG_MASK 0xfff
#define CF8_ENABLE 0x80000000u

static bool touches(unsigned offset, unsigned size, unsigned start, unsigned end)
{
	return offset < end && start < offset + size;
}

uint64_t pci_config_read(struct pci_fn *fn, unsigned offset, unsigned size)
{
	uint64_t value = 0;
	if (touches(offset, size, fn->hook_start, fn->hook_end) && fn->ops->config_reading)
		fn->ops->config_reading(fn);
	/* beyond 256 bytes: the extended space, which holds no capability */
	for (unsigned i = 0; i < size && offset + i < PCI_CONFIG_LEN; i++)
		value |= (uint64_t)fn->config[offset + i] << 8 * i;
	return value;
}

static void follow(struct pci_fn *fn, unsigned offset, unsigned size)
{
	if (touches(offset, size, PCI_COMMAND, PCI_COMMAND + 1) ||
	    touches(offset, size, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_5 + 4))
		pci_bus_map_bars(fn->bus);
	if (fn->msix_cap && touches(offset, size, fn->msix_cap + PCI_MSIX_FLAGS,
				    fn->msix_cap + PCI_MSIX_FLAGS + 2u))
		pci_msix_follow_config(fn);
	if (touches(offset, size, fn->hook_start, fn->hook_end) && fn->ops->config_written)
		fn->ops->config_written(fn);
}

void pci_config_write(struct pci_fn *fn, unsigned offset, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size && offset + i < PCI_CONFIG_LEN; i++) {
		uint8_t *byte = &fn->config[offset + i];
		uint8_t mask = fn->writable[offset + i];
		*byte = (*byte & (uint8_t)~mask) | ((uint8_t)(value >> 8 * i) & mask);
	}
	follow(fn, offset, size);
}

static uint64_t all_ones(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (1ull << 8 * size) - 1;
}

/* ---- ECAM --------------------------------------------------------------------------------------- */

static struct pci_fn *ecam_fn(struct pci_bus *bus, uint64_t offset)
{
	unsigned slot = offset >> ECAM_SLOT_SHIFT & 31;
	unsigned function = offset >> ECAM_FN_SHIFT & 7;
	return function == 0 ? bus->slots[slot] : NULL;
}

static uint64_t ecam_read(void *owner, uint64_t offset, unsigned size)
{
	struct pci_bus *bus = owner;
	pthread_mutex_lock(&bus->lock);
	struct pci_fn *fn = ecam_fn(bus, offset);
	uint64_t value = fn ? pci_config_read(fn, offset & ECAM_REG_MASK, size) : all_ones(size);
	pthread_mutex_unlock(&bus->lock);
	return value;
}

static void ecam_write(void *owner, uint64_t offset, unsigned size, uint64_t value)
{
	struct pci_bus *bus = owner;
	pthread_mutex_lock(&bus->lock);
	struct pci_fn *fn = ecam_fn(bus, offset);
	if (fn)
		pci_config_write(fn, offset & ECAM_REG_MASK, size, value);
	pthread_mutex_unlock(&bus->lock);
}

const struct bus_ops pci_ecam_ops = {ecam_read, ecam_write};

/* ---- ports: offset 0 is the address register, 4 the data; 1 is the reset port ------------------- */

static struct pci_fn *port_fn(struct pci_bus *bus)
{
	unsigned slot = bus->cf8 >> 11 & 31;
	bool here =
		(bus->cf8 & CF8_ENABLE) && (bus->cf8 >> 16 & 0xff) == 0 && (bus->cf8 >> 8 & 7) == 0;
	return here ? bus->slots[slot] : NULL;
}

static uint64_t port_read(void *owner, uint64_t offset, unsigned size)
{
	struct pci_bus *bus = owner;
	uint64_t value = all_ones(size);
	pthread_mutex_lock(&bus->lock);
	if (offset == 0 && size == 4) {
		value = bus->cf8;
	} else if (offset >= 4) {
		struct pci_fn *fn = port_fn(bus);
		if (fn)
			value = pci_config_read(fn, (bus->cf8 & 0xfc) + (unsigned)offset - 4, size);
	}
	pthread_mutex_unlock(&bus->lock);
	return value;
}

static void port_write(void *owner, uint64_t offset, unsigned size, uint64_t value)
{
	struct pci_bus *bus = owner;
	if (offset == 1 && size == 1) {
		if (bus->reset_port)
			bus->reset_port(bus->reset_ctx, (uint8_t)value);
		return;
	}
	pthread_mutex_lock(&bus->lock);
	if (offset == 0 && size == 4) {
		bus->cf8 = (uint32_t)value;
	} else if (offset >= 4) {
		struct pci_fn *fn = port_fn(bus);
		if (fn)
			pci_config_write(fn, (bus->cf8 & 0xfc) + (unsigned)offset - 4, size, value);
	}
	pthread_mutex_unlock(&bus->lock);
}

const struct bus_ops pci_port_ops = {port_read, port_write};
