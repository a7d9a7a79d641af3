/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The vCPUs of a VM: a thread each, and the gate at which they are stopped and collected.
 *
 *	        vcpus_start()            vcpus_pause(): kick all, then wait until all are parked
 *	made ────────────────► running ◄──────────────────────────► parked ── vcpus_stop() ─► joined
 *	                          └─ crash, power-off, reset: report() ─► parks by itself
 */
#ifndef HV_VMM_VCPU_H
#define HV_VMM_VCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/model/error.h"
#include "engine/vmm/exit.h"

struct boot_entry;
struct bus;
struct device;
struct kvm_cpuid2;
struct kvm_run;
struct kvm_vm;
struct spec_cpus;
struct state_in;
struct state_out;
struct vcpus;

/* Returns to user space by kind; counted by the vCPU's own thread, read by any. */
enum vcpu_exit {
	VCPU_EXIT_IO,
	VCPU_EXIT_MMIO,
	VCPU_EXIT_EOI,
	VCPU_EXIT_SIGNAL,
	VCPU_EXIT_OTHER,
	VCPU_EXIT_KINDS,
};

struct vcpu {
	struct vcpus *set;
	int index;
	int fd, stats_fd;
	int pin; /* host CPU, or -1 */
	struct kvm_run *run;
	pthread_t thread;
	bool started;
	uint64_t exits[VCPU_EXIT_KINDS]; /* relaxed atomics */
};

struct vcpus_config {
	const struct kvm_vm *vm;
	const struct spec_cpus *cpus;
	struct bus *mmio, *pio;
	struct device *ioapic;
	/* The guest ended; on the vCPU's thread, once a vCPU at most. */
	void (*report)(void *ctx, enum vmm_exit how, const char *reason);
	void *ctx;
};

struct vcpus {
	struct vcpus_config config;
	struct vcpu *list;
	int n;
	pthread_mutex_t lock; /* protects n_parked; changes of halt and quit are made under it */
	pthread_cond_t cond;  /* n_parked, halt or quit changed */
	int n_parked;
	bool halt, quit; /* atomic reads without the lock */
};

int vcpus_init(struct vcpus *vcpus, const struct vcpus_config *config, struct hv_error *err);
/* The registers of vCPU 0 for a kernel; the others wait for a start-up interrupt. */
int vcpus_boot(struct vcpus *vcpus, const struct boot_entry *entry, struct hv_error *err);
int vcpus_start(struct vcpus *vcpus, struct hv_error *err);
/* Asks all to park and kicks them; from any thread, waits for none. */
void vcpus_halt(struct vcpus *vcpus);
/* vcpus_halt(), and waits until all are parked: from then on no vCPU touches anything. */
void vcpus_pause(struct vcpus *vcpus);
void vcpus_resume(struct vcpus *vcpus);
void vcpus_fini(struct vcpus *vcpus); /* stops and joins; accepts a half-built set */

/* vcpu_cpuid.c: KVM's CPUID for a vCPU, with ids and topology; what the guest sees as processors.
 */
struct cpu_topology {
	int sockets, cores, threads;
};
uint32_t vcpu_apic_id(const struct cpu_topology *topology, int index);
struct cpu_topology vcpu_topology(const struct spec_cpus *cpus);
/* All that KVM supports; free() it. */
int vcpu_cpuid_supported(const struct kvm_vm *vm, struct kvm_cpuid2 **out, struct hv_error *err);
/* Changes the table in place for one vCPU; it may be called for one after the other. */
void vcpu_cpuid_fill(struct kvm_cpuid2 *cpuid, const struct cpu_topology *topology, int index,
		     uint32_t tsc_khz, bool tsc_deadline);

/* vcpu_boot.c */
int vcpu_set_boot_state(const struct vcpu *vcpu, const struct boot_entry *entry,
			struct hv_error *err);

/* vcpu_state.c: all of a parked vCPU's state, in sections "vcpu-…". */
int vcpu_save(const struct vcpu *vcpu, struct state_out *out, struct hv_error *err);
int vcpu_load(struct vcpu *vcpu, struct state_in *in, struct hv_error *err);

#endif
