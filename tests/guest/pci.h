/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PCI functions of bus 0, through ECAM. */
#ifndef GUEST_PCI_H
#define GUEST_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define PCI_DEVICES_MAX 64
#define PCI_BARS 6

#define PCI_COMMAND 0x04
#define PCI_COMMAND_MEMORY 0x0002
#define PCI_COMMAND_MASTER 0x0004
#define PCI_STATUS 0x06
#define PCI_BAR0 0x10
#define PCI_CAP_POINTER 0x34
#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX 0x11

struct pci_device {
	uint8_t devfn;
	uint16_t vendor, device;
	uint32_t class24;
	struct {
		uint64_t base, len; /* len 0: no memory BAR */
		bool is_64bit;
	} bars[PCI_BARS];
};

extern struct pci_device pci_devices[PCI_DEVICES_MAX];
extern int pci_n_devices;

/* Finds the functions; gives BARs that nobody assigned an address. Once; later calls do nothing. */
void pci_probe(void);

/* size 1, 2 or 4; offset naturally aligned, unless a test wants otherwise. */
uint32_t pci_read(const struct pci_device *dev, unsigned offset, unsigned size);
void pci_write(const struct pci_device *dev, unsigned offset, unsigned size, uint32_t value);
/* Moves a BAR; the device's memory decoding is off while it moves. */
void pci_move_bar(struct pci_device *dev, int bar, uint64_t base);
/* The next capability of that kind after offset `after` (0: from the start); 0 at the end. */
unsigned pci_find_cap(const struct pci_device *dev, uint8_t id, unsigned after);

#endif
