/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of virtio-pci share: the function, and the state of its common configuration. Only
 * virtio_pci*.c and their tests include it. */
#ifndef HV_VIRTIO_VIRTIO_PCI_H
#define HV_VIRTIO_VIRTIO_PCI_H

#include "engine/pci/pci.h"
#include "engine/virtio/virtio.h"

struct virtio_pci {
	struct device device; /* first: the machine's handle */
	struct pci_fn fn;
	struct virtio_dev *dev;
	unsigned window; /* offset of the PCI configuration access capability */
	uint16_t n_vectors;
	/* Doorbells that the wiring has now; under the bus lock. */
	uint64_t doorbells_gpa;
	int n_doorbells;
	/* Registers of ours, all atomic: vCPUs that use them at once only confuse one another. */
	uint32_t device_feature_select, driver_feature_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t isr;
};

#define VIRTIO_PCI_ISR_QUEUE 1
#define VIRTIO_PCI_COMMON_LEN 0x38

/* Any offset and size within the page; what lies outside of the registers reads as 0. */
uint64_t virtio_pci_common_read(struct virtio_pci *vp, unsigned offset, unsigned size);
void virtio_pci_common_write(struct virtio_pci *vp, unsigned offset, unsigned size, uint64_t value);

#endif
