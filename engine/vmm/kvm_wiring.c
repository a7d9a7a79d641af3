/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Wires into KVM. GSIs 0..23 are the IOAPIC's pins, there only while level-triggered and unmasked;
 * the rest are taken by MSI-X vectors when they are first bound. Setting KVM's table costs a grace
 * period, so it is set only when an entry in use changes: masking keeps the route and takes off the
 * irqfd.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/devices/ioapic.h"
#include "engine/vmm/kvm.h"
#include "engine/vmm/layout.h"

#define GSIS_MAX 4096
#define ROUTES_FIRST 16

static struct kvm_irq_routing_entry *find_route(struct kvm_wiring *kw, unsigned gsi)
{
	for (unsigned i = 0; i < kw->n_routes; i++) {
		if (kw->routes->entries[i].gsi == gsi)
			return &kw->routes->entries[i];
	}
	return NULL;
}

static struct kvm_irq_routing_entry *add_route(struct kvm_wiring *kw, unsigned gsi)
{
	if (kw->n_routes == kw->capacity) {
		unsigned capacity = kw->capacity ? 2 * kw->capacity : ROUTES_FIRST;
		struct kvm_irq_routing *routes =
			realloc(kw->routes, sizeof *routes + capacity * sizeof *routes->entries);
		if (!routes)
			return NULL;
		kw->routes = routes;
		kw->capacity = capacity;
	}
	struct kvm_irq_routing_entry *entry = &kw->routes->entries[kw->n_routes++];
	memset(entry, 0, sizeof *entry);
	entry->gsi = gsi;
	entry->type = KVM_IRQ_ROUTING_MSI;
	return entry;
}

static void drop_route(struct kvm_wiring *kw, unsigned gsi)
{
	struct kvm_irq_routing_entry *entry = find_route(kw, gsi);
	if (entry)
		*entry = kw->routes->entries[--kw->n_routes];
}

static int push_routes(struct kvm_wiring *kw, struct hv_error *err)
{
	struct kvm_irq_routing none = {0};
	struct kvm_irq_routing *table = kw->routes ? kw->routes : &none;
	table->nr = kw->n_routes;
	table->flags = 0;
	if (ioctl(kw->vm_fd, KVM_SET_GSI_ROUTING, table) < 0)
		return hv_fail(err, HV_FAILED, errno, "setting interrupt routes");
	return 0;
}

/* Caller holds the lock. */
static int set_route(struct kvm_wiring *kw, unsigned gsi, uint64_t address, uint32_t data,
		     struct hv_error *err)
{
	struct kvm_irq_routing_entry *entry = find_route(kw, gsi);
	if (entry && entry->u.msi.address_lo == (uint32_t)address &&
	    entry->u.msi.address_hi == (uint32_t)(address >> 32) && entry->u.msi.data == data)
		return 0;
	if (!entry)
		entry = add_route(kw, gsi);
	if (!entry)
		return hv_fail(err, HV_FAILED, ENOMEM, "adding an interrupt route");
	entry->u.msi.address_lo = (uint32_t)address;
	entry->u.msi.address_hi = (uint32_t)(address >> 32);
	entry->u.msi.data = data;
	int rc = push_routes(kw, err);
	if (rc < 0)
		drop_route(kw, gsi); /* or it would spoil every later table */
	return rc;
}

static int take_gsi(struct kvm_wiring *kw, struct hv_error *err)
{
	for (unsigned word = 0; word < kw->n_gsis / 64; word++) {
		if (~kw->gsi_used[word] == 0)
			continue;
		unsigned bit = (unsigned)__builtin_ctzll(~kw->gsi_used[word]);
		kw->gsi_used[word] |= 1ull << bit;
		return (int)(64 * word + bit);
	}
	return hv_fail(err, HV_LIMIT, 0, "all %u interrupt routes of KVM are taken", kw->n_gsis);
}

static void give_gsi(struct kvm_wiring *kw, int gsi)
{
	kw->gsi_used[gsi / 64] &= ~(1ull << gsi % 64);
}

static int set_irqfd(struct kvm_wiring *kw, const struct wiring_msi *msi, uint32_t flags)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)msi->fd, .gsi = (uint32_t)msi->gsi, .flags = flags};
	return ioctl(kw->vm_fd, KVM_IRQFD, &irqfd) < 0 ? errno : 0;
}

static int first_bind(struct kvm_wiring *kw, struct wiring_msi *msi, struct hv_error *err)
{
	if (msi->fd < 0) {
		msi->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (msi->fd < 0)
			return hv_fail(err, HV_FAILED, errno, "creating an interrupt's eventfd");
	}
	if (msi->gsi < 0) {
		int gsi = take_gsi(kw, err);
		if (gsi < 0)
			return gsi;
		msi->gsi = gsi;
	}
	return 0;
}

static int msi_bind(struct wiring *wiring, struct wiring_msi *msi, uint64_t address, uint32_t data,
		    struct hv_error *err)
{
	struct kvm_wiring *kw = (struct kvm_wiring *)wiring;
	pthread_mutex_lock(&kw->lock);
	int rc = first_bind(kw, msi, err);
	if (rc == 0)
		rc = set_route(kw, (unsigned)msi->gsi, address, data, err);
	if (rc == 0 && !msi->bound) {
		int sys = set_irqfd(kw, msi, 0);
		if (sys)
			rc = hv_fail(err, HV_FAILED, sys, "binding an interrupt");
		msi->bound = rc == 0;
	}
	pthread_mutex_unlock(&kw->lock);
	return rc;
}

static void msi_unbind(struct wiring *wiring, struct wiring_msi *msi)
{
	struct kvm_wiring *kw = (struct kvm_wiring *)wiring;
	pthread_mutex_lock(&kw->lock);
	if (msi->bound)
		set_irqfd(kw, msi, KVM_IRQFD_FLAG_DEASSIGN);
	msi->bound = false;
	pthread_mutex_unlock(&kw->lock);
}

static void msi_free(struct wiring *wiring, struct wiring_msi *msi)
{
	struct kvm_wiring *kw = (struct kvm_wiring *)wiring;
	msi_unbind(wiring, msi);
	pthread_mutex_lock(&kw->lock);
	if (msi->gsi >= 0) {
		/* KVM's table keeps the entry until the next change; nothing raises it */
		drop_route(kw, (unsigned)msi->gsi);
		give_gsi(kw, msi->gsi);
	}
	pthread_mutex_unlock(&kw->lock);
	if (msi->fd >= 0)
		close(msi->fd);
	*msi = (struct wiring_msi)WIRING_MSI_INIT;
}

static int set_ioeventfd(const struct kvm_wiring *kw, uint64_t gpa, int fd, uint32_t flags)
{
	/* length 0: a write of any size and value, which KVM finds without decoding it */
	struct kvm_ioeventfd ioeventfd = {.addr = gpa, .fd = fd, .flags = flags};
	return ioctl(kw->vm_fd, KVM_IOEVENTFD, &ioeventfd) < 0 ? errno : 0;
}

static int doorbell_add(struct wiring *wiring, uint64_t gpa, int fd, struct hv_error *err)
{
	int sys = set_ioeventfd((struct kvm_wiring *)wiring, gpa, fd, 0);
	if (sys)
		return hv_fail(err, HV_FAILED, sys, "adding a doorbell at 0x%llx",
			       (unsigned long long)gpa);
	return 0;
}

static void doorbell_remove(struct wiring *wiring, uint64_t gpa, int fd)
{
	set_ioeventfd((struct kvm_wiring *)wiring, gpa, fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static void line_set(struct wiring *wiring, unsigned pin, bool level)
{
	struct kvm_wiring *kw = (struct kvm_wiring *)wiring;
	if (kw->ioapic)
		ioapic_set_line(kw->ioapic, pin, level);
}

static const struct wiring_ops kvm_wiring_ops = {
	.msi_bind = msi_bind,
	.msi_unbind = msi_unbind,
	.msi_free = msi_free,
	.doorbell_add = doorbell_add,
	.doorbell_remove = doorbell_remove,
	.line_set = line_set,
};

void kvm_wiring_deliver(void *ctx, uint64_t address, uint32_t data)
{
	struct kvm_wiring *kw = ctx;
	struct kvm_msi msi = {.address_lo = (uint32_t)address,
			      .address_hi = (uint32_t)(address >> 32),
			      .data = data};
	/* a guest may name a processor that is not there: as on hardware, nobody takes it */
	(void)ioctl(kw->vm_fd, KVM_SIGNAL_MSI, &msi);
}

void kvm_wiring_route_pin(void *ctx, unsigned pin, bool present, uint64_t address, uint32_t data)
{
	struct kvm_wiring *kw = ctx;
	pthread_mutex_lock(&kw->lock);
	if (present) {
		set_route(kw, pin, address, data, NULL);
	} else {
		drop_route(kw, pin);
		push_routes(kw, NULL);
	}
	pthread_mutex_unlock(&kw->lock);
}

int kvm_wiring_init(struct kvm_wiring *kw, const struct kvm_vm *vm, struct hv_error *err)
{
	memset(kw, 0, sizeof *kw);
	kw->wiring.ops = &kvm_wiring_ops;
	kw->vm_fd = vm->vm_fd;
	pthread_mutex_init(&kw->lock, NULL);
	int n_gsis = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING);
	if (n_gsis < 64)
		n_gsis = 64;
	kw->n_gsis = (unsigned)(n_gsis > GSIS_MAX ? GSIS_MAX : n_gsis) & ~63u;
	kw->gsi_used = calloc(kw->n_gsis / 64, sizeof *kw->gsi_used);
	if (!kw->gsi_used)
		return hv_fail(err, HV_FAILED, ENOMEM, "creating the interrupt table");
	kw->gsi_used[0] = (1ull << LAYOUT_IOAPIC_PINS) - 1;
	return 0;
}

void kvm_wiring_fini(struct kvm_wiring *kw)
{
	free(kw->gsi_used);
	free(kw->routes);
	pthread_mutex_destroy(&kw->lock);
	memset(kw, 0, sizeof *kw);
}
