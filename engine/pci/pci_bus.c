/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The root bus: slots, and where BARs are mapped. A guest may program any address into a BAR, while
 * decoding is on too (sizing does it with ones): one that cannot be served leaves the BAR unmapped.
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "engine/pci/pci.h"
#include "engine/vmm/gmem.h"
#include "engine/vmm/layout.h"

#define PORT_CF8 0xcf8
#define PORT_LEN 8
#define HOST_BRIDGE_VENDOR 0x1b36 /* Red Hat's id for a plain PCIe host bridge, as QEMU has it */
#define HOST_BRIDGE_DEVICE 0x0008
#define HOST_BRIDGE_CLASS 0x060000
#define HIGH_BARS_END (1ull << 46) /* within what any host's CPUs address */

static const struct pci_fn_ops host_bridge_ops = {0};

int pci_bus_init(struct pci_bus *bus, const struct device_env *env, struct hv_error *err)
{
	memset(bus, 0, sizeof *bus);
	bus->env = env;
	bus->next_bar = LAYOUT_PCI_WINDOW;
	pthread_mutex_init(&bus->lock, NULL);
	pci_fn_init(&bus->host_bridge, HOST_BRIDGE_VENDOR, HOST_BRIDGE_DEVICE, 0, 0,
		    HOST_BRIDGE_CLASS, 0);
	bus->host_bridge.ops = &host_bridge_ops;
	int ret = pci_bus_plug(bus, &bus->host_bridge, 0, err);
	if (ret == 0)
		ret = bus_add(env->mmio,
			      &(struct bus_range){LAYOUT_ECAM, LAYOUT_ECAM_LEN, &pci_ecam_ops, bus},
			      err);
	if (ret == 0)
		ret = bus_add(env->pio, &(struct bus_range){PORT_CF8, PORT_LEN, &pci_port_ops, bus},
			      err);
	if (ret)
		pci_bus_fini(bus);
	return ret;
}

void pci_bus_fini(struct pci_bus *bus)
{
	if (!bus->env)
		return;
	bus_remove(bus->env->mmio, LAYOUT_ECAM, bus);
	bus_remove(bus->env->pio, PORT_CF8, bus);
	pci_fn_fini(&bus->host_bridge);
	pthread_mutex_destroy(&bus->lock);
	bus->env = NULL;
}

/* ---- BARs --------------------------------------------------------------------------------------- */

static uint64_t bar_register(const struct pci_fn *fn, int index)
{
	const struct pci_bar *bar = &fn->bars[index];
	uint64_t value = 0;
	memcpy(&value, fn->config + PCI_BASE_ADDRESS_0 + 4 * index, bar->is_64bit ? 8 : 4);
	return value & ~(bar->len - 1);
}

static bool lies_in(uint64_t base, uint64_t len, uint64_t start, uint64_t end)
{
	return base >= start && base < end && len <= end - base;
}

/* RAM, ECAM, interrupt controllers and our own registers lie outside of both windows. */
static bool may_decode(const struct pci_bus *bus, uint64_t base, uint64_t len)
{
	const struct gmem *mem = bus->env->mem;
	uint64_t ram_end = LAYOUT_HIGH_RAM;
	for (int i = 0; i < mem->n_regions; i++) {
		uint64_t end = mem->regions[i].gpa + mem->regions[i].len;
		if (end > ram_end)
			ram_end = end;
	}
	return lies_in(base, len, LAYOUT_PCI_WINDOW, LAYOUT_PCI_WINDOW + LAYOUT_PCI_WINDOW_LEN) ||
	       lies_in(base, len, ram_end, HIGH_BARS_END);
}

/* Where the BAR should be mapped; 0: nowhere. */
static uint64_t bar_wanted(const struct pci_bus *bus, const struct pci_fn *fn, int index)
{
	if (!fn->bars[index].len || !(fn->config[PCI_COMMAND] & PCI_COMMAND_MEMORY))
		return 0;
	uint64_t base = bar_register(fn, index);
	return may_decode(bus, base, fn->bars[index].len) ? base : 0;
}

static void bar_moved(struct pci_fn *fn, int index)
{
	if (fn->ops->bar_moved)
		fn->ops->bar_moved(fn, index);
}

static void bar_unmap(struct pci_bus *bus, struct pci_fn *fn, int index)
{
	bus_remove(bus->env->mmio, fn->bars[index].base, fn->owner);
	fn->bars[index].base = 0;
	bar_moved(fn, index);
}

static void bar_map(struct pci_bus *bus, struct pci_fn *fn, int index, uint64_t base)
{
	struct pci_bar *bar = &fn->bars[index];
	struct hv_error err;
	if (bus_add(bus->env->mmio, &(struct bus_range){base, bar->len, bar->ops, fn->owner},
		    &err)) {
		vmm_log_limited(&bus->log, "pci: device %u: BAR %d stays unmapped: %s", fn->slot,
				index, err.message);
		return;
	}
	bar->base = base;
	bar_moved(fn, index);
}

/* All functions, not only the one written to: a BAR that moves may make room for another. */
void pci_bus_map_bars(struct pci_bus *bus)
{
	for (int slot = 0; slot < PCI_BUS_SLOTS; slot++) {
		struct pci_fn *fn = bus->slots[slot];
		for (int i = 0; fn && i < PCI_BARS; i++) {
			if (fn->bars[i].base && fn->bars[i].base != bar_wanted(bus, fn, i))
				bar_unmap(bus, fn, i);
		}
	}
	for (int slot = 0; slot < PCI_BUS_SLOTS; slot++) {
		struct pci_fn *fn = bus->slots[slot];
		for (int i = 0; fn && i < PCI_BARS; i++) {
			uint64_t base = fn->bars[i].base ? 0 : bar_wanted(bus, fn, i);
			if (base)
				bar_map(bus, fn, i, base);
		}
	}
}

/* ---- slots -------------------------------------------------------------------------------------- */

static int assign_bars(struct pci_bus *bus, struct pci_fn *fn, struct hv_error *err)
{
	uint64_t next = bus->next_bar;
	for (int i = 0; i < PCI_BARS; i++) {
		uint64_t len = fn->bars[i].len;
		if (!len)
			continue;
		uint64_t base = (next + len - 1) & ~(len - 1);
		if (base + len > LAYOUT_PCI_WINDOW + LAYOUT_PCI_WINDOW_LEN)
			return hv_fail(err, HV_LIMIT, 0, "the PCI window is full");
		uint32_t low = (uint32_t)base | fn->config[PCI_BASE_ADDRESS_0 + 4 * i];
		memcpy(fn->config + PCI_BASE_ADDRESS_0 + 4 * i, &low, sizeof low);
		next = base + len;
	}
	bus->next_bar = next;
	return 0;
}

static int find_slot(const struct pci_bus *bus, int slot)
{
	if (slot >= 0)
		return slot < PCI_BUS_SLOTS && !bus->slots[slot] ? slot : -1;
	for (slot = 0; slot < PCI_BUS_SLOTS; slot++) {
		if (!bus->slots[slot])
			return slot;
	}
	return -1;
}

int pci_bus_plug(struct pci_bus *bus, struct pci_fn *fn, int slot, struct hv_error *err)
{
	int ret = 0;
	pthread_mutex_lock(&bus->lock);
	slot = find_slot(bus, slot);
	if (slot < 0)
		ret = hv_fail(err, HV_LIMIT, 0, "no PCI slot is free");
	else
		ret = assign_bars(bus, fn, err);
	if (ret == 0) {
		fn->slot = (uint8_t)slot;
		fn->bus = bus;
		bus->slots[slot] = fn;
	}
	pthread_mutex_unlock(&bus->lock);
	return ret;
}

void pci_bus_unplug(struct pci_bus *bus, struct pci_fn *fn)
{
	if (!fn->bus)
		return;
	pthread_mutex_lock(&bus->lock);
	for (int i = 0; i < PCI_BARS; i++) {
		if (fn->bars[i].base)
			bar_unmap(bus, fn, i);
	}
	bus->slots[fn->slot] = NULL;
	fn->bus = NULL;
	pthread_mutex_unlock(&bus->lock);
}
