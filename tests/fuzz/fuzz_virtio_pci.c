/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A hostile guest at the registers of a virtio-pci device (rng): accesses to configuration space, the
 * BAR wherever it is, ports, and guest memory, with turns of the main loop between.
 *
 *	input := { u8 what | u8 size | u16 offset | u32 value }
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/devices/virtio_rng.h"
#include "engine/virtio/virtio_pci.h"
#include "engine/vmm/layout.h"
#include "engine/vmm/loop.h"

struct op {
	uint8_t what, size;
	uint16_t offset;
	uint32_t value;
};

/* ---- wiring with few GSIs, so that running out is seen too ---------------------------------------- */

static int n_gsis;

static int msi_bind(struct wiring *wiring, struct wiring_msi *msi, uint64_t address, uint32_t data,
		    struct hv_error *err)
{
	(void)wiring;
	(void)address;
	if (data == 0xdead)
		return hv_fail(err, HV_LIMIT, 0, "no more");
	if (msi->fd < 0)
		msi->fd = eventfd(0, EFD_NONBLOCK);
	if (msi->gsi < 0)
		msi->gsi = n_gsis++;
	msi->bound = true;
	return 0;
}

static void msi_unbind(struct wiring *wiring, struct wiring_msi *msi)
{
	(void)wiring;
	if (!msi->bound)
		abort();
	msi->bound = false;
}

static void msi_free(struct wiring *wiring, struct wiring_msi *msi)
{
	(void)wiring;
	if (msi->fd >= 0)
		close(msi->fd);
	n_gsis -= msi->gsi >= 0;
	*msi = (struct wiring_msi)WIRING_MSI_INIT;
}

static uint64_t doorbells; /* sum of addresses: 0 when all are gone */

static int doorbell_add(struct wiring *wiring, uint64_t gpa, int fd, struct hv_error *err)
{
	(void)wiring;
	(void)fd;
	(void)err;
	doorbells += gpa;
	return 0;
}

static void doorbell_remove(struct wiring *wiring, uint64_t gpa, int fd)
{
	(void)wiring;
	(void)fd;
	doorbells -= gpa;
}

static const struct wiring_ops wiring_ops = {msi_bind,     msi_unbind,      msi_free,
					     doorbell_add, doorbell_remove, NULL};

/* ---- the guest ---------------------------------------------------------------------------------- */

struct machine {
	struct gmem mem;
	struct bus mmio, pio;
	struct loop loop;
	struct wiring wiring;
	struct device_env env;
	struct pci_bus bus;
	struct device *device;
	struct virtio_pci *vp;
};

static void run_loop(struct machine *m)
{
	/* what is ready is served in the order in which it became so: the stop comes last */
	loop_stop(&m->loop);
	loop_run(&m->loop);
}

static void act(struct machine *m, const struct op *op)
{
	unsigned size = 1u << (op->size & 3);
	uint64_t value = op->value | (uint64_t)op->value << 32, got;
	uint64_t bar = m->vp->fn.bars[0].base;
	uint64_t ecam = LAYOUT_ECAM + (1 << 15) + (op->offset & 0xff);
	switch (op->what % 12) {
	case 0:
		bus_write(&m->mmio, ecam, size, value);
		break;
	case 1:
		bus_read(&m->mmio, ecam, size, &got);
		break;
	case 2:
		bus_write(&m->mmio, bar + (op->offset & 0x7fff), size, value);
		break;
	case 3:
		bus_read(&m->mmio, bar + (op->offset & 0x7fff), size, &got);
		break;
	case 4:
		bus_write(&m->mmio, bar + (op->offset & 0x3f), size, value);
		break;
	case 5:
		bus_write(&m->mmio, bar + 0x4000 + (op->offset & 0x3f), size, value);
		break;
	case 6:
		bus_write(&m->pio, 0xcf8 + (op->offset & 7u), 1u << (op->size % 3), value);
		break;
	case 7:
		bus_write(&m->mmio, bar + VIRTIO_PCI_COMMON_LEN - 36, 1, op->value & 0xff);
		break;
	case 8: /* guest memory, where rings may be */
		gmem_write(&m->mem, (op->offset & 0x7ff) * 4u, &op->value, 4);
		break;
	case 9:
		(void)eventfd_write(m->vp->dev->queues[0].kick_fd, 1);
		run_loop(m);
		break;
	case 10: /* to where it started */
		bus_write(&m->mmio, LAYOUT_ECAM + (1 << 15) + 0x10, 4, LAYOUT_PCI_WINDOW);
		bus_write(&m->mmio, LAYOUT_ECAM + (1 << 15) + 4, 2, 6);
		break;
	default: /* a good bring-up, so that what follows it is reached */
		bus_write(&m->mmio, bar + 20, 1, 0);
		bus_write(&m->mmio, bar + 20, 1, 3);
		bus_write(&m->mmio, bar + 8, 4, 0);
		bus_write(&m->mmio, bar + 12, 4, op->value & 0x30000000);
		bus_write(&m->mmio, bar + 8, 4, 1);
		bus_write(&m->mmio, bar + 12, 4, 1);
		bus_write(&m->mmio, bar + 20, 1, 11);
		bus_write(&m->mmio, bar + 22, 2, 0);
		bus_write(&m->mmio, bar + 24, 2, 8);
		bus_write(&m->mmio, bar + 32, 8, op->offset & 0xff0);
		bus_write(&m->mmio, bar + 40, 8, 0x1000);
		bus_write(&m->mmio, bar + 48, 8, 0x1800);
		bus_write(&m->mmio, bar + 28, 2, 1);
		bus_write(&m->mmio, bar + 20, 1, 15);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine m = {.wiring = {&wiring_ops}};
	struct gmem_config config = {.size_bytes = 16 << 20};
	struct virtio_dev *dev;
	if (gmem_init(&m.mem, &config, NULL) || loop_init(&m.loop, NULL))
		abort();
	bus_init(&m.mmio);
	bus_init(&m.pio);
	m.env = (struct device_env){&m.mem, &m.mmio, &m.pio, &m.wiring, &m.loop};
	if (pci_bus_init(&m.bus, &m.env, NULL) || virtio_rng_new(&dev, &m.env, "rng0", NULL) ||
	    virtio_pci_new(&m.device, &m.bus, dev, NULL))
		abort();
	m.vp = (struct virtio_pci *)m.device;
	bus_write(&m.mmio, LAYOUT_ECAM + (1 << 15) + 4, 2, 6);
	struct op op;
	for (size_t at = 0; at + sizeof op <= size && at < 400 * sizeof op; at += sizeof op) {
		memcpy(&op, data + at, sizeof op);
		act(&m, &op);
	}
	run_loop(&m);
	m.device->ops->free(m.device);
	pci_bus_fini(&m.bus);
	if (doorbells || n_gsis || m.mmio.n_ranges || m.pio.n_ranges)
		abort();
	loop_fini(&m.loop);
	bus_fini(&m.mmio);
	bus_fini(&m.pio);
	gmem_fini(&m.mem);
	return 0;
}
