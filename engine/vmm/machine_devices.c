/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the machine is made of: its devices, as the launch spec has them. */
#include <stdio.h>
#include <string.h>

#include "engine/block/block.h"
#include "engine/block/virtio_scsi.h"
#include "engine/devices/ioapic.h"
#include "engine/devices/power.h"
#include "engine/devices/rtc.h"
#include "engine/devices/serial.h"
#include "engine/devices/virtio_balloon.h"
#include "engine/devices/virtio_console.h"
#include "engine/devices/virtio_rng.h"
#include "engine/net/net.h"
#include "engine/net/virtio_net.h"
#include "engine/virtio/virtio.h"
#include "engine/vmm/machine_priv.h"
#include "engine/vmm/spec.h"

static int put(struct machine *machine, struct device *dev, struct virtio_dev *virtio,
	       struct hv_error *err)
{
	if (machine->n_devices == MACHINE_DEVICES_MAX) {
		dev->ops->free(dev);
		return hv_fail(err, HV_USAGE, 0, "more than %d devices", MACHINE_DEVICES_MAX);
	}
	machine->devices[machine->n_devices] = dev;
	machine->virtio[machine->n_devices] = virtio;
	machine->n_devices++;
	return 0;
}

static int put_virtio(struct machine *machine, struct virtio_dev *virtio, struct hv_error *err)
{
	struct device *dev;
	int rc = virtio_pci_new(&dev, &machine->pci, virtio, err);
	if (rc < 0) {
		virtio->ops->free(virtio);
		return rc;
	}
	return put(machine, dev, virtio, err);
}

static void switched_off(void *ctx)
{
	machine_end(ctx, VMM_EXIT_POWEROFF, "switched off by the guest");
}

static void asked_for_reset(void *ctx)
{
	machine_end(ctx, VMM_EXIT_RESET, "reset by the guest");
}

static int add_ioapic(struct machine *machine, struct hv_error *err)
{
	struct ioapic_out sink = {kvm_wiring_deliver, kvm_wiring_route_pin, &machine->wiring};
	int rc = ioapic_new(&machine->ioapic, &machine->env, &sink, err);
	return rc < 0 ? rc : put(machine, machine->ioapic, NULL, err);
}

static int add_power(struct machine *machine, struct hv_error *err)
{
	struct power_events events = {switched_off, asked_for_reset, machine};
	int rc = power_new(&machine->power, &machine->env, &events, err);
	return rc < 0 ? rc : put(machine, machine->power, NULL, err);
}

static int add_legacy(struct machine *machine, struct hv_error *err)
{
	struct device *dev;
	int rc = rtc_new(&dev, &machine->env, err);
	if (rc == 0)
		rc = put(machine, dev, NULL, err);
	if (rc < 0 || machine->config.serial_fd < 0)
		return rc;
	rc = serial_new(&dev, &machine->env, machine->config.serial_fd, err);
	return rc < 0 ? rc : put(machine, dev, NULL, err);
}

static int add_pci(struct machine *machine, struct hv_error *err)
{
	int rc = pci_bus_init(&machine->pci, &machine->env, err);
	if (rc < 0)
		return rc;
	machine->pci_up = true;
	machine->pci.reset_port = power_reset_port;
	machine->pci.reset_ctx = machine->power;
	return 0;
}

static int add_small(struct machine *machine, struct hv_error *err)
{
	const struct spec *spec = machine->config.spec;
	struct virtio_dev *virtio;
	int rc = 0;
	if (spec->rng && (rc = virtio_rng_new(&virtio, &machine->env, "rng0", err)) == 0)
		rc = put_virtio(machine, virtio, err);
	if (rc == 0 && spec->balloon &&
	    (rc = virtio_balloon_new(&virtio, &machine->env, "balloon0", err)) == 0)
		rc = put_virtio(machine, virtio, err);
	if (rc == 0 && spec->virtio_console &&
	    (rc = virtio_console_new(&virtio, &machine->env, "console0",
				     machine->config.virtio_console_fd, err)) == 0)
		rc = put_virtio(machine, virtio, err);
	return rc;
}

static int add_disk(struct virtio_dev *scsi, const struct spec_disk *disk, struct hv_error *err)
{
	struct scsi_disk_config config = {0};
	struct block *backend;
	if (strcmp(disk->format, "raw") != 0)
		return hv_fail(err, HV_USAGE, 0, "disk \"%s\": no format \"%s\"", disk->id,
			       disk->format);
	snprintf(config.id, sizeof config.id, "%s", disk->id);
	snprintf(config.serial, sizeof config.serial, "%s", disk->serial);
	int rc = block_raw_new(&backend, disk->fd, disk->read_only, err);
	if (rc == 0) {
		rc = virtio_scsi_add(scsi, disk->target, disk->lun, backend, &config, err);
		if (rc < 0)
			block_free(backend);
	}
	return rc < 0 ? hv_within(err, "disk \"%s\"", disk->id) : 0;
}

/* The controller is there without disks too: they may be added while the VM runs. */
static int add_disks(struct machine *machine, struct hv_error *err)
{
	const struct spec *spec = machine->config.spec;
	struct virtio_dev *scsi;
	int rc = virtio_scsi_new(&scsi, &machine->env, "scsi0", spec->cpus.count, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < spec->n_disks && rc == 0; i++)
		rc = add_disk(scsi, &spec->disks[i], err);
	if (rc == 0)
		return put_virtio(machine, scsi, err);
	scsi->ops->free(scsi);
	return rc;
}

static int open_backend(struct net_backend **backend, const struct spec_nic *nic,
			struct hv_error *err)
{
	switch (nic->backend) {
	case SPEC_NET_TAP:
		return net_tap_new(backend, nic->fds, nic->n_fds, err);
	case SPEC_NET_PASST:
		return net_passt_new(backend, nic->fds[0], err);
	default:
		return net_none_new(backend, err);
	}
}

static int add_nic(struct machine *machine, const struct spec_nic *nic, struct hv_error *err)
{
	struct net_backend *backend;
	struct virtio_dev *virtio;
	struct net_config config = {.id = nic->id, .pairs = nic->queues, .mtu = nic->mtu};
	memcpy(config.mac, nic->mac, sizeof config.mac);
	int rc = open_backend(&backend, nic, err);
	if (rc == 0) {
		rc = virtio_net_new(&virtio, &machine->env, &config, backend, err);
		if (rc < 0)
			net_backend_free(backend);
	}
	if (rc == 0)
		virtio_net_set_link(virtio, nic->link);
	if (rc == 0)
		rc = put_virtio(machine, virtio, err);
	return rc < 0 ? hv_within(err, "NIC \"%s\"", nic->id) : 0;
}

int machine_add_devices(struct machine *machine, struct hv_error *err)
{
	const struct spec *spec = machine->config.spec;
	int rc;
	if ((rc = add_ioapic(machine, err)) < 0 || (rc = add_power(machine, err)) < 0 ||
	    (rc = add_legacy(machine, err)) < 0 || (rc = add_pci(machine, err)) < 0)
		return rc;
	if ((rc = add_disks(machine, err)) < 0)
		return rc;
	for (int i = 0; i < spec->n_nics; i++) {
		if ((rc = add_nic(machine, &spec->nics[i], err)) < 0)
			return rc;
	}
	return add_small(machine, err);
}

void machine_free_devices(struct machine *machine)
{
	while (machine->n_devices > 0) {
		struct device *dev = machine->devices[--machine->n_devices];
		/* what others still reach goes last: it was made first */
		dev->ops->free(dev);
	}
	if (machine->pci_up)
		pci_bus_fini(&machine->pci);
	machine->pci_up = false;
}

struct virtio_dev *machine_virtio(struct machine *machine, const char *id)
{
	for (int i = 0; i < machine->n_devices; i++) {
		if (machine->virtio[i] && strcmp(machine->virtio[i]->id, id) == 0)
			return machine->virtio[i];
	}
	return NULL;
}

int machine_power_button(struct machine *machine, struct hv_error *err)
{
	if (machine->state != MACHINE_RUNNING)
		return hv_fail(err, HV_CONFLICT, 0, "the machine does not run");
	power_press_button(machine->power);
	return 0;
}
