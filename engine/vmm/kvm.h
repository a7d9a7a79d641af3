/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The KVM virtual machine: its descriptor, memory slots, split irqchip and clock. vCPUs are in
 * vcpu.h, interrupt and doorbell wires in kvm_wiring.c.
 */
#ifndef HV_VMM_KVM_H
#define HV_VMM_KVM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/model/error.h"
#include "engine/vmm/wiring.h"

struct device;
struct gmem;
struct kvm_irq_routing;
struct machine_stat;
struct state_in;
struct state_out;

struct kvm_vm {
	int kvm_fd; /* borrowed */
	int vm_fd;
	int stats_fd;     /* -1 where the kernel has none */
	size_t run_bytes; /* of each vCPU's shared page */
};

/* Checks what this KVM can do, names what is missing, and creates the VM with its memory. */
int kvm_vm_init(struct kvm_vm *vm, int kvm_fd, const struct gmem *mem, struct hv_error *err);
void kvm_vm_fini(struct kvm_vm *vm);

/* The clock that guests see through kvmclock; vCPUs stopped. Loading lets it go on from the time
 * that has passed since saving, as far as the hosts' real-time clocks tell. */
int kvm_clock_save(const struct kvm_vm *vm, struct state_out *out, struct hv_error *err);
int kvm_clock_load(const struct kvm_vm *vm, struct state_in *in, struct hv_error *err);

/* Counters of a statistics descriptor; returns how many, 0 where fd is -1. */
int kvm_stats_read(int fd, struct machine_stat *stats, int n_max, struct hv_error *err);

struct kvm_wiring {
	struct wiring wiring;
	int vm_fd;
	struct device *ioapic; /* where lines go; set before the first vCPU runs */
	pthread_mutex_t lock;  /* protects all below; taken inside the IOAPIC's lock */
	struct kvm_irq_routing *routes;
	unsigned n_routes, capacity;
	uint64_t *gsi_used; /* a bit a GSI, n_gsis of them */
	unsigned n_gsis;
};

int kvm_wiring_init(struct kvm_wiring *wiring, const struct kvm_vm *vm, struct hv_error *err);
void kvm_wiring_fini(struct kvm_wiring *wiring);
/* The IOAPIC's way out: struct ioapic_out with ctx = wiring. */
void kvm_wiring_deliver(void *ctx, uint64_t address, uint32_t data);
void kvm_wiring_route_pin(void *ctx, unsigned pin, bool present, uint64_t address, uint32_t data);

#endif
