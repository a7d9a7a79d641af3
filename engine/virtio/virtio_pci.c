/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio over PCI, modern only (VIRTIO 1.2, 4.1). One 32-bit BAR:
 *
 *	0000  common configuration       registers in virtio_pci_regs.c
 *	1000  ISR status
 *	2000  device-specific configuration
 *	3000  doorbells, 4 bytes a queue  ioeventfds while the BAR is mapped; else they exit and end here
 *	4000  MSI-X table, up to 256 vectors: 0 for configuration changes, then as the driver chooses
 *	5000  MSI-X pending bits
 *
 * The window in configuration space (4.1.4.9) reaches the same registers; it runs under the bus lock,
 * which is above all that they take.
 */
#include "engine/virtio/virtio_pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "engine/vmm/state.h"

#define VIRTIO_VENDOR 0x1af4
#define VIRTIO_DEVICE_BASE 0x1040

enum {
	BAR = 0,
	BAR_LEN = 0x8000,
	COMMON = 0x0000,
	ISR = 0x1000,
	CONFIG = 0x2000,
	CONFIG_MAX = 0x1000,
	NOTIFY = 0x3000,
	NOTIFY_STRIDE = 4,
	TABLE = 0x4000,
	TABLE_MAX = 256,
	PBA = 0x5000,
};

/* ---- interrupts: from any thread ---------------------------------------------------------------- */

static void raise_vector(struct virtio_pci *vp, uint16_t vector, uint8_t isr_bit)
{
	if (!pci_msix_is_enabled(&vp->fn))
		__atomic_or_fetch(&vp->isr, isr_bit, __ATOMIC_SEQ_CST);
	else if (vector != VIRTIO_MSI_NO_VECTOR)
		pci_msix_raise(&vp->fn, vector);
}

static void queue_interrupt(void *transport, struct vq *vq)
{
	raise_vector(transport, __atomic_load_n(&vq->vector, __ATOMIC_RELAXED),
		     VIRTIO_PCI_ISR_QUEUE);
}

static void config_interrupt(struct virtio_dev *dev)
{
	struct virtio_pci *vp = dev->transport;
	raise_vector(vp, __atomic_load_n(&vp->config_vector, __ATOMIC_RELAXED),
		     VIRTIO_PCI_ISR_CONFIG);
}

/* ---- the BAR ------------------------------------------------------------------------------------ */

static void notify(struct virtio_pci *vp, uint64_t offset)
{
	uint64_t queue = offset / NOTIFY_STRIDE;
	if (queue < (uint64_t)vp->dev->n_queues)
		(void)eventfd_write(vp->dev->queues[queue].kick_fd, 1);
}

static uint64_t config_read(struct virtio_pci *vp, uint64_t offset, unsigned size)
{
	uint64_t value = 0;
	virtio_read_config(vp->dev, offset, &value, size);
	return value;
}

static uint64_t bar_read(void *owner, uint64_t offset, unsigned size)
{
	struct virtio_pci *vp = owner;
	switch (offset & ~0xfffull) {
	case COMMON:
		return virtio_pci_common_read(vp, (unsigned)offset - COMMON, size);
	case ISR:
		return offset == ISR ? __atomic_exchange_n(&vp->isr, 0, __ATOMIC_SEQ_CST) : 0;
	case CONFIG:
		return config_read(vp, offset - CONFIG, size);
	case TABLE:
		return pci_msix_read(&vp->fn, offset - TABLE, size, false);
	case PBA:
		return pci_msix_read(&vp->fn, offset - PBA, size, true);
	default:
		return 0;
	}
}

static void bar_write(void *owner, uint64_t offset, unsigned size, uint64_t value)
{
	struct virtio_pci *vp = owner;
	switch (offset & ~0xfffull) {
	case COMMON:
		virtio_pci_common_write(vp, (unsigned)offset - COMMON, size, value);
		break;
	case CONFIG:
		virtio_write_config(vp->dev, offset - CONFIG, &value, size);
		break;
	case NOTIFY:
		notify(vp, offset - NOTIFY);
		break;
	case TABLE:
		pci_msix_write(&vp->fn, offset - TABLE, size, value);
		break;
	default:
		break;
	}
}

static const struct bus_ops bar_ops = {bar_read, bar_write};

/* ---- doorbells follow the BAR; bus lock held ----------------------------------------------------- */

static void bar_moved(struct pci_fn *fn, int bar)
{
	struct virtio_pci *vp = fn->owner;
	struct wiring *wiring = vp->dev->env->wiring;
	struct hv_error err;
	for (int i = 0; i < vp->n_doorbells; i++)
		wiring->ops->doorbell_remove(wiring,
					     vp->doorbells_gpa + (unsigned)i * NOTIFY_STRIDE,
					     vp->dev->queues[i].kick_fd);
	vp->n_doorbells = 0;
	if (fn->bars[bar].base == 0)
		return;
	vp->doorbells_gpa = fn->bars[bar].base + NOTIFY;
	for (int i = 0; i < vp->dev->n_queues; i++) {
		/* queues without one still work, by an exit each */
		if (wiring->ops->doorbell_add(wiring,
					      vp->doorbells_gpa + (unsigned)i * NOTIFY_STRIDE,
					      vp->dev->queues[i].kick_fd, &err)) {
			vmm_log_limited(&vp->dev->log,
					"%s: doorbells from queue %d on are slow: %s", vp->dev->id,
					i, err.message);
			break;
		}
		vp->n_doorbells = i + 1;
	}
}

/* ---- the window in configuration space; bus lock held ------------------------------------------- */

/* Reads what the driver aimed the window at; false where that is nothing of ours. */
static bool window_target(struct virtio_pci *vp, uint32_t *offset, uint32_t *size)
{
	struct virtio_pci_cap cap;
	memcpy(&cap, vp->fn.config + vp->window, sizeof cap);
	*offset = cap.offset;
	*size = cap.length;
	return cap.bar == BAR && (*size == 1 || *size == 2 || *size == 4) && *offset % *size == 0 &&
	       *offset <= BAR_LEN - *size;
}

static void window_reading(struct pci_fn *fn)
{
	struct virtio_pci *vp = fn->owner;
	uint32_t offset, size;
	if (!window_target(vp, &offset, &size))
		return;
	uint32_t value = (uint32_t)bar_read(vp, offset, size);
	memcpy(fn->config + fn->hook_start, &value, size);
}

static void window_written(struct pci_fn *fn)
{
	struct virtio_pci *vp = fn->owner;
	uint32_t offset, size, value = 0;
	if (!window_target(vp, &offset, &size))
		return;
	memcpy(&value, fn->config + fn->hook_start, size);
	bar_write(vp, offset, size, value);
}

static const struct pci_fn_ops fn_ops = {bar_moved, window_reading, window_written};

/* ---- capabilities ------------------------------------------------------------------------------- */

static unsigned add_cap(struct virtio_pci *vp, uint8_t type, uint32_t offset, uint32_t length,
			uint32_t extra)
{
	struct __attribute__((packed)) {
		struct virtio_pci_cap cap;
		uint32_t extra;
	} full = {.cap = {.cfg_type = type, .bar = BAR, .offset = offset, .length = length},
		  .extra = extra};
	bool has_extra = type == VIRTIO_PCI_CAP_NOTIFY_CFG || type == VIRTIO_PCI_CAP_PCI_CFG;
	unsigned len = has_extra ? sizeof full : sizeof full.cap;
	full.cap.cap_len = (uint8_t)len;
	return pci_fn_add_cap(&vp->fn, PCI_CAP_ID_VNDR, (uint8_t *)&full + 2, len - 2);
}

static int add_caps(struct virtio_pci *vp, struct hv_error *err)
{
	struct virtio_dev *dev = vp->dev;
	bool ok = add_cap(vp, VIRTIO_PCI_CAP_COMMON_CFG, COMMON, VIRTIO_PCI_COMMON_LEN, 0) &&
		  add_cap(vp, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY,
			  (uint32_t)dev->n_queues * NOTIFY_STRIDE, NOTIFY_STRIDE) &&
		  add_cap(vp, VIRTIO_PCI_CAP_ISR_CFG, ISR, 1, 0) &&
		  (!dev->config_len ||
		   add_cap(vp, VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG, (uint32_t)dev->config_len, 0));
	vp->window = ok ? add_cap(vp, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0) : 0;
	if (!vp->window)
		return hv_fail(err, HV_FAILED, 0, "no room for the capabilities of '%s'", dev->id);
	uint8_t *writable = vp->fn.writable + vp->window;
	writable[offsetof(struct virtio_pci_cap, bar)] = 0xff;
	memset(writable + offsetof(struct virtio_pci_cap, offset), 0xff, 8);
	memset(writable + sizeof(struct virtio_pci_cap), 0xff, 4);
	vp->fn.hook_start = vp->window + sizeof(struct virtio_pci_cap);
	vp->fn.hook_end = vp->fn.hook_start + 4;
	return pci_fn_add_msix(&vp->fn, dev->env->wiring, BAR, TABLE, PBA, vp->n_vectors, err);
}

/* ---- the machine's handle ----------------------------------------------------------------------- */

static struct virtio_pci *vp_of(struct device *device)
{
	return (struct virtio_pci *)device;
}

static int vp_pause(struct device *device, struct hv_error *err)
{
	return virtio_pause(vp_of(device)->dev, err);
}

static void vp_resume(struct device *device)
{
	virtio_resume(vp_of(device)->dev);
}

static const struct state_field vp_fields[] = {
	STATE(struct virtio_pci, device_feature_select, 1),
	STATE(struct virtio_pci, driver_feature_select, 1),
	STATE(struct virtio_pci, queue_select, 1),
	STATE(struct virtio_pci, config_vector, 1),
	STATE(struct virtio_pci, isr, 1),
	STATE_END,
};

static int check_vp(void *object, struct hv_error *err)
{
	const struct virtio_pci *vp = object;
	if (vp->config_vector >= vp->n_vectors && vp->config_vector != VIRTIO_MSI_NO_VECTOR)
		return hv_fail(err, HV_FAILED, 0, "'%s' was saved with an impossible vector",
			       vp->dev->id);
	return 0;
}

static const struct state_section vp_section = {"virtio-pci", 1, 1, vp_fields, check_vp};

static int vp_save(struct device *device, struct state_out *out, struct hv_error *err)
{
	struct virtio_pci *vp = vp_of(device);
	int ret = pci_fn_save(&vp->fn, device->id, out, err);
	if (ret == 0)
		ret = state_save(out, &vp_section, device->id, vp, err);
	return ret ? ret : virtio_save(vp->dev, out, err);
}

static int vp_load(struct device *device, struct state_in *in, struct hv_error *err)
{
	struct virtio_pci *vp = vp_of(device);
	int ret = pci_fn_load(&vp->fn, device->id, in, err);
	if (ret == 0)
		ret = state_load(in, &vp_section, device->id, vp, err);
	return ret ? ret : virtio_load(vp->dev, in, err);
}

static void vp_free(struct device *device)
{
	struct virtio_pci *vp = vp_of(device);
	if (!vp)
		return;
	if (vp->fn.bus)
		pci_bus_unplug(vp->fn.bus, &vp->fn);
	/* its threads may raise vectors until they have ended */
	vp->dev->ops->free(vp->dev);
	pci_fn_fini(&vp->fn);
	free(vp);
}

static const struct device_ops vp_ops = {vp_pause, vp_resume, vp_save, vp_load, vp_free};

int virtio_pci_new(struct device **out, struct pci_bus *bus, struct virtio_dev *dev,
		   struct hv_error *err)
{
	if (dev->n_queues < 1 || dev->n_queues >= TABLE_MAX || dev->config_len > CONFIG_MAX)
		return hv_fail(err, HV_LIMIT, 0, "'%s' has too many queues for its PCI function",
			       dev->id);
	struct virtio_pci *vp = calloc(1, sizeof *vp);
	if (!vp)
		return hv_fail(err, HV_FAILED, ENOMEM, "making the PCI function of '%s'", dev->id);
	vp->device.ops = &vp_ops;
	snprintf(vp->device.id, sizeof vp->device.id, "%s", dev->id);
	vp->dev = dev;
	vp->n_vectors = (uint16_t)(dev->n_queues + 1);
	vp->config_vector = VIRTIO_MSI_NO_VECTOR;
	uint16_t id = (uint16_t)(VIRTIO_DEVICE_BASE + dev->ops->device_id);
	pci_fn_init(&vp->fn, VIRTIO_VENDOR, id, VIRTIO_VENDOR, id, dev->ops->pci_class, 1);
	vp->fn.ops = &fn_ops;
	vp->fn.owner = vp;
	int ret = pci_fn_add_bar(&vp->fn, BAR, BAR_LEN, false, &bar_ops, err);
	if (ret == 0)
		ret = add_caps(vp, err);
	if (ret == 0)
		ret = pci_bus_plug(bus, &vp->fn, -1, err);
	if (ret) {
		pci_fn_fini(&vp->fn);
		free(vp);
		return ret;
	}
	dev->transport = vp;
	dev->config_interrupt = config_interrupt;
	for (int i = 0; i < dev->n_queues; i++) {
		dev->queues[i].transport = vp;
		dev->queues[i].interrupt = queue_interrupt;
	}
	*out = &vp->device;
	return 0;
}
