/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The machine's counters: KVM's own, and our count of what vCPUs returned to user space for. */
#include <stdio.h>

#include "engine/vmm/machine_priv.h"

static const char *const exit_names[VCPU_EXIT_KINDS] = {
	[VCPU_EXIT_IO] = "user_io",       [VCPU_EXIT_MMIO] = "user_mmio",
	[VCPU_EXIT_EOI] = "user_eoi",     [VCPU_EXIT_SIGNAL] = "user_signal",
	[VCPU_EXIT_OTHER] = "user_other",
};

int machine_stats(struct machine *machine, int vcpu, struct machine_stat *stats, int n_max,
		  struct hv_error *err)
{
	if (vcpu < 0)
		return kvm_stats_read(machine->vm.stats_fd, stats, n_max, err);
	if (vcpu >= machine->vcpus.n)
		return hv_fail(err, HV_NOT_FOUND, 0, "there is no vCPU %d", vcpu);
	const struct vcpu *one = &machine->vcpus.list[vcpu];
	int n = kvm_stats_read(one->stats_fd, stats, n_max, err);
	for (int kind = 0; n >= 0 && n < n_max && kind < VCPU_EXIT_KINDS; kind++, n++) {
		snprintf(stats[n].name, sizeof stats[n].name, "%s", exit_names[kind]);
		stats[n].value = __atomic_load_n(&one->exits[kind], __ATOMIC_RELAXED);
	}
	return n;
}
