/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The machine's own parts, shared by machine.c (its life) and machine_devices.c (what it is made
 * of). */
#ifndef HV_VMM_MACHINE_PRIV_H
#define HV_VMM_MACHINE_PRIV_H

#include <pthread.h>

#include "engine/pci/pci.h"
#include "engine/vmm/bus.h"
#include "engine/vmm/device.h"
#include "engine/vmm/gmem.h"
#include "engine/vmm/kvm.h"
#include "engine/vmm/loop.h"
#include "engine/vmm/machine.h"
#include "engine/vmm/vcpu.h"

/* Everything that a slot of the PCI bus may hold, and serial, clock, IOAPIC, power. */
#define MACHINE_DEVICES_MAX (PCI_BUS_SLOTS + 4)

struct machine {
	struct machine_config config;
	enum machine_state state;
	struct gmem mem;
	struct bus mmio, pio;
	struct kvm_vm vm;
	struct kvm_wiring wiring;
	struct vcpus vcpus;
	struct device_env env;
	struct pci_bus pci;
	bool pci_up;
	struct device *ioapic, *power;                  /* in devices[] too */
	struct device *devices[MACHINE_DEVICES_MAX];    /* in the order of creation */
	struct virtio_dev *virtio[MACHINE_DEVICES_MAX]; /* beside it; NULL where it is none */
	int n_devices;

	struct loop_source end_source; /* an eventfd: end_how is set */
	pthread_mutex_t end_lock;      /* protects what follows */
	bool end_set;
	enum vmm_exit end_how;
	char end_reason[240];
};

/* machine_devices.c */
int machine_add_devices(struct machine *machine, struct hv_error *err);
void machine_free_devices(struct machine *machine);

#endif
