/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * MSI-X (PCI Local Bus 3.0, 6.8.2). A vector is live when the capability is enabled, neither the function
 * nor the vector masked, and the wiring took it; then raising is a write to its eventfd, without a lock.
 *
 * A raise that reads live just before a mask takes effect leaves its count in the eventfd: KVM looks at
 * the count when the vector is bound again, and mask() turns what it finds into pending, so that no
 * interrupt is lost.
 */
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/pci/pci.h"

#define ENTRY_LEN PCI_MSIX_ENTRY_SIZE
#define MASKED PCI_MSIX_ENTRY_CTRL_MASKBIT

int pci_fn_add_msix(struct pci_fn *fn, struct wiring *wiring, int bar, uint32_t table_offset,
		    uint32_t pba_offset, uint16_t n_vectors, struct hv_error *err)
{
	struct __attribute__((packed)) {
		uint16_t control;
		uint32_t table, pba;
	} body = {(uint16_t)(n_vectors - 1), table_offset | (uint32_t)bar,
		  pba_offset | (uint32_t)bar};
	if (n_vectors == 0 || n_vectors > 2048 || (table_offset | pba_offset) & 7)
		return hv_fail(err, HV_FAILED, 0, "%u MSI-X vectors are impossible", n_vectors);
	fn->vectors = calloc(n_vectors, sizeof *fn->vectors);
	unsigned cap = fn->vectors ? pci_fn_add_cap(fn, PCI_CAP_ID_MSIX, &body, sizeof body) : 0;
	if (!cap)
		return hv_fail(err, HV_FAILED, 0, "no room for %u MSI-X vectors", n_vectors);
	for (unsigned i = 0; i < n_vectors; i++) {
		fn->vectors[i].control = MASKED;
		fn->vectors[i].msi = (struct wiring_msi)WIRING_MSI_INIT;
	}
	fn->n_vectors = n_vectors;
	fn->wiring = wiring;
	fn->msix_cap = (uint8_t)cap;
	fn->writable[cap + PCI_MSIX_FLAGS + 1] =
		(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	return 0;
}

void pci_fn_fini(struct pci_fn *fn)
{
	for (unsigned i = 0; i < fn->n_vectors; i++)
		fn->wiring->ops->msi_free(fn->wiring, &fn->vectors[i].msi);
	free(fn->vectors);
	fn->vectors = NULL;
	fn->n_vectors = 0;
	pthread_mutex_destroy(&fn->msix_lock);
}

/* ---- one vector, msix_lock held ----------------------------------------------------------------- */

static void signal_fd(const struct msix_vector *vector)
{
	/* fails only where the count is near its end, that is, when KVM has been told long since */
	(void)eventfd_write(vector->msi.fd, 1);
}

static void mask(struct pci_fn *fn, struct msix_vector *vector)
{
	eventfd_t count;
	if (!vector->live)
		return;
	__atomic_store_n(&vector->live, false, __ATOMIC_SEQ_CST);
	fn->wiring->ops->msi_unbind(fn->wiring, &vector->msi);
	if (eventfd_read(vector->msi.fd, &count) == 0)
		vector->pending = true;
}

static void unmask(struct pci_fn *fn, struct msix_vector *vector)
{
	struct hv_error err;
	if (fn->wiring->ops->msi_bind(fn->wiring, &vector->msi, vector->address, vector->data,
				      &err)) {
		mask(fn, vector);
		vmm_log_limited(&fn->log, "pci: device %u: vector %td stays silent: %s", fn->slot,
				vector - fn->vectors, err.message);
		return;
	}
	__atomic_store_n(&vector->live, true, __ATOMIC_SEQ_CST);
	if (vector->pending)
		signal_fd(vector);
	vector->pending = false;
}

static void update(struct pci_fn *fn, struct msix_vector *vector)
{
	if (fn->msix_enabled && !fn->msix_masked && !(vector->control & MASKED))
		unmask(fn, vector);
	else
		mask(fn, vector);
}

/* ---- from the guest ----------------------------------------------------------------------------- */

void pci_msix_follow_config(struct pci_fn *fn)
{
	uint16_t control;
	memcpy(&control, fn->config + fn->msix_cap + PCI_MSIX_FLAGS, sizeof control);
	bool enabled = control & PCI_MSIX_FLAGS_ENABLE, masked = control & PCI_MSIX_FLAGS_MASKALL;
	pthread_mutex_lock(&fn->msix_lock);
	bool changed = enabled != fn->msix_enabled || masked != fn->msix_masked;
	__atomic_store_n(&fn->msix_enabled, enabled, __ATOMIC_RELEASE);
	fn->msix_masked = masked;
	for (unsigned i = 0; changed && i < fn->n_vectors; i++)
		update(fn, &fn->vectors[i]);
	pthread_mutex_unlock(&fn->msix_lock);
}

static uint64_t pba_bits(const struct pci_fn *fn, uint64_t offset)
{
	uint64_t bits = 0;
	for (uint64_t i = 0; i < 64 && offset / 8 * 64 + i < fn->n_vectors; i++)
		bits |= (uint64_t)fn->vectors[offset / 8 * 64 + i].pending << i;
	return bits;
}

static uint64_t table_qword(const struct msix_vector *vector, uint64_t offset)
{
	return offset % ENTRY_LEN < 8 ? vector->address
				      : (uint64_t)vector->control << 32 | vector->data;
}

uint64_t pci_msix_read(struct pci_fn *fn, uint64_t offset, unsigned size, bool pba)
{
	uint64_t value = 0;
	if ((size != 4 && size != 8) || offset % size)
		return 0;
	pthread_mutex_lock(&fn->msix_lock);
	if (pba)
		value = pba_bits(fn, offset);
	else if (offset / ENTRY_LEN < fn->n_vectors)
		value = table_qword(&fn->vectors[offset / ENTRY_LEN], offset);
	pthread_mutex_unlock(&fn->msix_lock);
	return size == 8 ? value : (uint32_t)(value >> offset % 8 * 8);
}

static void write_dword(struct msix_vector *vector, uint64_t offset, uint32_t value)
{
	switch (offset % ENTRY_LEN) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		vector->address = (vector->address & ~0xffffffffull) | (value & ~3u);
		break;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		vector->address = (vector->address & 0xffffffff) | (uint64_t)value << 32;
		break;
	case PCI_MSIX_ENTRY_DATA:
		vector->data = value;
		break;
	default:
		vector->control = value & MASKED;
	}
}

void pci_msix_write(struct pci_fn *fn, uint64_t offset, unsigned size, uint64_t value)
{
	if ((size != 4 && size != 8) || offset % size || offset / ENTRY_LEN >= fn->n_vectors)
		return;
	pthread_mutex_lock(&fn->msix_lock);
	struct msix_vector *vector = &fn->vectors[offset / ENTRY_LEN];
	struct msix_vector before = *vector;
	write_dword(vector, offset, (uint32_t)value);
	if (size == 8)
		write_dword(vector, offset + 4, (uint32_t)(value >> 32));
	if (vector->address != before.address || vector->data != before.data ||
	    vector->control != before.control)
		update(fn, vector);
	pthread_mutex_unlock(&fn->msix_lock);
}

/* ---- from the device ---------------------------------------------------------------------------- */

bool pci_msix_is_enabled(const struct pci_fn *fn)
{
	return __atomic_load_n(&fn->msix_enabled, __ATOMIC_ACQUIRE);
}

void pci_msix_raise(struct pci_fn *fn, uint16_t vector)
{
	if (vector >= fn->n_vectors)
		return;
	struct msix_vector *v = &fn->vectors[vector];
	if (__atomic_load_n(&v->live, __ATOMIC_SEQ_CST)) {
		signal_fd(v);
		return;
	}
	pthread_mutex_lock(&fn->msix_lock);
	if (v->live)
		signal_fd(v);
	else if (fn->msix_enabled)
		v->pending = true;
	pthread_mutex_unlock(&fn->msix_lock);
}
