/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A PCI function's configuration space: header, BARs, capabilities, and what the guest may write of them
 * (PCI Local Bus 3.0, 6.1, 6.2.5, 6.7).
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "engine/pci/pci.h"

#define CAPS_START 0x40

static void put16(struct pci_fn *fn, unsigned offset, uint16_t value)
{
	memcpy(fn->config + offset, &value, sizeof value);
}

void pci_fn_init(struct pci_fn *fn, uint16_t vendor, uint16_t device, uint16_t subsystem_vendor,
		 uint16_t subsystem, uint32_t class24, uint8_t revision)
{
	memset(fn, 0, sizeof *fn);
	pthread_mutex_init(&fn->msix_lock, NULL);
	put16(fn, PCI_VENDOR_ID, vendor);
	put16(fn, PCI_DEVICE_ID, device);
	put16(fn, PCI_SUBSYSTEM_VENDOR_ID, subsystem_vendor);
	put16(fn, PCI_SUBSYSTEM_ID, subsystem);
	fn->config[PCI_REVISION_ID] = revision;
	fn->config[PCI_CLASS_PROG] = (uint8_t)class24;
	put16(fn, PCI_CLASS_DEVICE, (uint16_t)(class24 >> 8));
	fn->writable[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	fn->writable[PCI_COMMAND + 1] = PCI_COMMAND_INTX_DISABLE >> 8;
	fn->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	fn->writable[PCI_LATENCY_TIMER] = 0xff;
	fn->writable[PCI_INTERRUPT_LINE] = 0xff;
	fn->cap_end = CAPS_START;
}

int pci_fn_add_bar(struct pci_fn *fn, int index, uint64_t len, bool is_64bit,
		   const struct bus_ops *ops, struct hv_error *err)
{
	int last = is_64bit ? index + 1 : index;
	if (index < 0 || last >= PCI_BARS || fn->bars[index].len || len < 4096 ||
	    (len & (len - 1)) || len > 1u << 30)
		return hv_fail(err, HV_FAILED, 0, "BAR %d of %#llx bytes is impossible", index,
			       (unsigned long long)len);
	fn->bars[index] = (struct pci_bar){.len = len, .is_64bit = is_64bit, .ops = ops};
	unsigned at = PCI_BASE_ADDRESS_0 + 4u * (unsigned)index;
	uint32_t low_mask = (uint32_t) ~(len - 1);
	fn->config[at] = is_64bit ? PCI_BASE_ADDRESS_MEM_TYPE_64 : PCI_BASE_ADDRESS_MEM_TYPE_32;
	memcpy(fn->writable + at, &low_mask, sizeof low_mask);
	if (is_64bit)
		memset(fn->writable + at + 4, 0xff, 4);
	return 0;
}

unsigned pci_fn_add_cap(struct pci_fn *fn, uint8_t id, const void *body, unsigned body_len)
{
	unsigned at = fn->cap_end, end = at + 2 + body_len;
	/* dword aligned, the next one too; the last byte of config space stays free for cap_end */
	unsigned aligned = (end + 3) & ~3u;
	if (aligned >= PCI_CONFIG_LEN)
		return 0;
	fn->config[at] = id;
	memcpy(fn->config + at + 2, body, body_len);
	fn->config[fn->cap_tail ? fn->cap_tail + PCI_CAP_LIST_NEXT : PCI_CAPABILITY_LIST] =
		(uint8_t)at;
	fn->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	fn->cap_tail = (uint8_t)at;
	fn->cap_end = (uint8_t)aligned;
	return at;
}
