/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Making vCPUs, and the gate at which their threads park. A vCPU is made to leave KVM_RUN by
 * immediate_exit and a signal: the flag catches it before it enters, the signal while it is inside.
 */
#include "engine/vmm/vcpu.h"

#include <errno.h>
#include <limits.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "engine/sandbox/sandbox.h"
#include "engine/vmm/kvm.h"
#include "engine/vmm/log.h"
#include "engine/vmm/spec.h"
#include "engine/vmm/vcpu_run.h"

#define STACK_BYTES (64 * 1024)
#define KICK_SIGNAL SIGUSR1

#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ON_WRITE_BACK 0x806 /* enabled, no fixed ranges, default type 6 */

static void kicked(int signal_number)
{
	(void)signal_number; /* its arrival alone ends KVM_RUN */
}

static int open_vcpu(struct vcpu *vcpu, const struct vcpus_config *config, uint32_t apic_id,
		     struct hv_error *err)
{
	vcpu->fd = ioctl(config->vm->vm_fd, KVM_CREATE_VCPU, (unsigned long)apic_id);
	if (vcpu->fd < 0)
		return hv_fail(err, HV_FAILED, errno, "creating vCPU %d", vcpu->index);
	void *run =
		mmap(NULL, config->vm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED)
		return hv_fail(err, HV_FAILED, errno, "mapping vCPU %d", vcpu->index);
	vcpu->run = run;
	if (config->vm->stats_fd >= 0)
		vcpu->stats_fd = ioctl(vcpu->fd, KVM_GET_STATS_FD, NULL);
	return 0;
}

static int set_msrs(const struct vcpu *vcpu, struct hv_error *err)
{
	_Alignas(struct kvm_msrs) char
		bytes[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)] = {0};
	struct kvm_msrs *msrs = (struct kvm_msrs *)bytes;
	msrs->nmsrs = 1;
	msrs->entries[0].index = MSR_MTRR_DEF_TYPE;
	msrs->entries[0].data = MTRR_ON_WRITE_BACK;
	if (ioctl(vcpu->fd, KVM_SET_MSRS, msrs) != 1)
		return hv_fail(err, HV_FAILED, errno, "setting the memory types of vCPU %d",
			       vcpu->index);
	return 0;
}

static int make_all(struct vcpus *vcpus, struct kvm_cpuid2 *cpuid, struct hv_error *err)
{
	const struct vcpus_config *config = &vcpus->config;
	struct cpu_topology topology = vcpu_topology(config->cpus);
	bool tsc_deadline =
		ioctl(config->vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	int tsc_khz = 0;
	for (int i = 0; i < vcpus->n; i++) {
		struct vcpu *vcpu = &vcpus->list[i];
		int rc = open_vcpu(vcpu, config, vcpu_apic_id(&topology, i), err);
		if (rc < 0)
			return rc;
		if (i == 0)
			tsc_khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ);
		vcpu_cpuid_fill(cpuid, &topology, i, tsc_khz > 0 ? (uint32_t)tsc_khz : 0,
				tsc_deadline);
		if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0)
			return hv_fail(err, HV_FAILED, errno, "setting the CPUID of vCPU %d", i);
		if ((rc = set_msrs(vcpu, err)) < 0)
			return rc;
	}
	return 0;
}

int vcpus_init(struct vcpus *vcpus, const struct vcpus_config *config, struct hv_error *err)
{
	/* without SA_RESTART: it must interrupt; here, since the sandbox lets nobody change it
	 * later */
	struct sigaction action = {.sa_handler = kicked};
	sigaction(KICK_SIGNAL, &action, NULL);
	memset(vcpus, 0, sizeof *vcpus);
	vcpus->config = *config;
	pthread_mutex_init(&vcpus->lock, NULL);
	pthread_cond_init(&vcpus->cond, NULL);
	int max = ioctl(config->vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	int count = config->cpus->count;
	if (count < 1 || count > SPEC_CPUS_MAX || count > max)
		return hv_fail(err, HV_USAGE, 0, "%d vCPUs: this host's KVM runs 1 to %d", count,
			       max < SPEC_CPUS_MAX ? max : SPEC_CPUS_MAX);
	vcpus->list = calloc((size_t)count, sizeof *vcpus->list);
	if (!vcpus->list)
		return hv_fail(err, HV_FAILED, ENOMEM, "creating %d vCPUs", count);
	vcpus->n = count;
	for (int i = 0; i < count; i++)
		vcpus->list[i] = (struct vcpu){.set = vcpus,
					       .index = i,
					       .fd = -1,
					       .stats_fd = -1,
					       .pin = config->cpus->pin[i]};
	struct kvm_cpuid2 *cpuid;
	int rc = vcpu_cpuid_supported(config->vm, &cpuid, err);
	if (rc < 0)
		return rc;
	rc = make_all(vcpus, cpuid, err);
	free(cpuid);
	return rc;
}

int vcpus_boot(struct vcpus *vcpus, const struct boot_entry *entry, struct hv_error *err)
{
	return vcpu_set_boot_state(&vcpus->list[0], entry, err);
}

/* Finishes the exit at hand, so that registers and memory are as the guest would see them, then
 * waits. Returns false when the thread is to end. */
static bool park(struct vcpu *vcpu)
{
	struct vcpus *vcpus = vcpu->set;
	vcpu_run_complete(vcpu);
	pthread_mutex_lock(&vcpus->lock);
	vcpus->n_parked++;
	pthread_cond_broadcast(&vcpus->cond);
	while (vcpus->halt && !vcpus->quit)
		pthread_cond_wait(&vcpus->cond, &vcpus->lock);
	vcpus->n_parked--;
	bool quit = vcpus->quit;
	pthread_mutex_unlock(&vcpus->lock);
	return !quit;
}

static bool must_park(const struct vcpus *vcpus)
{
	return __atomic_load_n(&vcpus->halt, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&vcpus->quit, __ATOMIC_SEQ_CST);
}

static void *vcpu_main(void *arg)
{
	struct vcpu *vcpu = arg;
	struct hv_error err;
	char name[16];
	snprintf(name, sizeof name, "vcpu%d", vcpu->index);
	prctl(PR_SET_NAME, name);
	/* not before all are made: a vCPU that ends the guest kicks the others */
	pthread_mutex_lock(&vcpu->set->lock);
	pthread_mutex_unlock(&vcpu->set->lock);
	if (sandbox_enter_thread(SANDBOX_VCPU, &err) < 0) {
		vcpu->set->config.report(vcpu->set->config.ctx, VMM_EXIT_INTERNAL, err.message);
		vcpus_halt(vcpu->set);
	}
	for (;;) {
		/* cleared before the look at the flags: a kick after that look sets it again */
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		if (must_park(vcpu->set)) {
			if (!park(vcpu))
				return NULL;
			continue;
		}
		vcpu_run_once(vcpu);
	}
}

/* The mask before the thread runs, so that no signal meant for the main thread lands on it. */
static int spawn(struct vcpu *vcpu, struct hv_error *err)
{
	pthread_attr_t attr;
	sigset_t mask, old;
	sigfillset(&mask);
	sigdelset(&mask, KICK_SIGNAL);
	sigdelset(&mask, SIGSYS); /* the sandbox's: blocked, it could not say which call it was */
	pthread_attr_init(&attr);
	size_t stack = STACK_BYTES;
	if (stack < (size_t)PTHREAD_STACK_MIN)
		stack = (size_t)PTHREAD_STACK_MIN;
	pthread_attr_setstacksize(&attr, stack);
	if (vcpu->pin >= 0) {
		cpu_set_t cpu;
		CPU_ZERO(&cpu);
		CPU_SET((size_t)vcpu->pin, &cpu);
		pthread_attr_setaffinity_np(&attr, sizeof cpu, &cpu);
	}
	pthread_sigmask(SIG_SETMASK, &mask, &old);
	int sys = pthread_create(&vcpu->thread, &attr, vcpu_main, vcpu);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (sys) {
		hv_fail(err, HV_FAILED, sys, "starting vCPU %d", vcpu->index);
		return vcpu->pin < 0
			       ? -HV_FAILED
			       : hv_hint(err, "is host CPU %d, to which it is pinned, online?",
					 vcpu->pin);
	}
	vcpu->started = true;
	return 0;
}

int vcpus_start(struct vcpus *vcpus, struct hv_error *err)
{
	int rc = 0;
	pthread_mutex_lock(&vcpus->lock);
	for (int i = 0; rc == 0 && i < vcpus->n; i++)
		rc = spawn(&vcpus->list[i], err);
	if (rc < 0) /* none may run without the rest */
		vcpus->quit = true;
	pthread_mutex_unlock(&vcpus->lock);
	return rc;
}

static void kick_all(struct vcpus *vcpus)
{
	for (int i = 0; i < vcpus->n; i++) {
		struct vcpu *vcpu = &vcpus->list[i];
		if (!vcpu->started)
			continue;
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		pthread_kill(vcpu->thread, KICK_SIGNAL);
	}
}

void vcpus_halt(struct vcpus *vcpus)
{
	pthread_mutex_lock(&vcpus->lock);
	__atomic_store_n(&vcpus->halt, true, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&vcpus->lock);
	kick_all(vcpus);
}

void vcpus_pause(struct vcpus *vcpus)
{
	vcpus_halt(vcpus);
	int n_started = 0;
	for (int i = 0; i < vcpus->n; i++)
		n_started += vcpus->list[i].started;
	pthread_mutex_lock(&vcpus->lock);
	while (vcpus->n_parked < n_started)
		pthread_cond_wait(&vcpus->cond, &vcpus->lock);
	pthread_mutex_unlock(&vcpus->lock);
}

void vcpus_resume(struct vcpus *vcpus)
{
	/* tells the guest's watchdogs that it was the host that stood still; a guest without
	 * kvmclock has none to tell (EINVAL) */
	for (int i = 0; i < vcpus->n; i++)
		(void)ioctl(vcpus->list[i].fd, KVM_KVMCLOCK_CTRL, 0);
	pthread_mutex_lock(&vcpus->lock);
	__atomic_store_n(&vcpus->halt, false, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&vcpus->cond);
	pthread_mutex_unlock(&vcpus->lock);
}

void vcpus_fini(struct vcpus *vcpus)
{
	if (!vcpus->list)
		return;
	pthread_mutex_lock(&vcpus->lock);
	__atomic_store_n(&vcpus->quit, true, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&vcpus->cond);
	pthread_mutex_unlock(&vcpus->lock);
	kick_all(vcpus);
	for (int i = 0; i < vcpus->n; i++) {
		struct vcpu *vcpu = &vcpus->list[i];
		if (vcpu->started)
			pthread_join(vcpu->thread, NULL);
		if (vcpu->run)
			munmap(vcpu->run, vcpus->config.vm->run_bytes);
		if (vcpu->stats_fd >= 0)
			close(vcpu->stats_fd);
		if (vcpu->fd >= 0)
			close(vcpu->fd);
	}
	free(vcpus->list);
	pthread_cond_destroy(&vcpus->cond);
	pthread_mutex_destroy(&vcpus->lock);
	memset(vcpus, 0, sizeof *vcpus);
}
