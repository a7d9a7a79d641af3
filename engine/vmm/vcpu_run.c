/* SPDX-License-Identifier: GPL-3.0-or-later */
/* KVM_RUN and its exits (Linux virt/kvm/api.rst, "The kvm_run structure"). */
#include "engine/vmm/vcpu_run.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "engine/devices/ioapic.h"
#include "engine/vmm/bus.h"
#include "engine/vmm/vcpu.h"

static void count(struct vcpu *vcpu, enum vcpu_exit kind)
{
	/* one writer: no locked cycle is needed for readers to see whole values */
	uint64_t value = __atomic_load_n(&vcpu->exits[kind], __ATOMIC_RELAXED);
	__atomic_store_n(&vcpu->exits[kind], value + 1, __ATOMIC_RELAXED);
}

static void ended(struct vcpu *vcpu, enum vmm_exit how, const char *reason)
{
	vcpu->set->config.report(vcpu->set->config.ctx, how, reason);
	vcpus_halt(vcpu->set);
}

/* String instructions come as several elements of one port. */
static void serve_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct bus *pio = vcpu->set->config.pio;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		uint64_t value = 0;
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, run->io.size);
			bus_write(pio, run->io.port, run->io.size, value);
		} else {
			bus_read(pio, run->io.port, run->io.size, &value);
			memcpy(data, &value, run->io.size);
		}
	}
}

static void serve_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct bus *mmio = vcpu->set->config.mmio;
	uint64_t value = 0;
	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, sizeof value);
		if (run->mmio.len < 8)
			value &= (1ull << 8 * run->mmio.len) - 1;
		bus_write(mmio, run->mmio.phys_addr, run->mmio.len, value);
	} else {
		bus_read(mmio, run->mmio.phys_addr, run->mmio.len, &value);
		memcpy(run->mmio.data, &value, sizeof value);
	}
}

static void describe(const struct vcpu *vcpu, const char *what, char *to, size_t len)
{
	struct kvm_regs regs = {0};
	struct kvm_sregs sregs = {0};
	(void)ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	(void)ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);
	snprintf(to, len, "%s on vCPU %d at %04x:%016llx, cr0 %llx, cr2 %llx, cr3 %llx", what,
		 vcpu->index, sregs.cs.selector, regs.rip, sregs.cr0, sregs.cr2, sregs.cr3);
}

static void crashed(struct vcpu *vcpu, const char *what)
{
	char reason[200];
	describe(vcpu, what, reason, sizeof reason);
	ended(vcpu, VMM_EXIT_CRASH, reason);
}

static void internal_error(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	char what[120];
	int len = snprintf(what, sizeof what, "KVM internal error %u", run->internal.suberror);
	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
		len = snprintf(what, sizeof what, "instruction that KVM cannot emulate");
	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION && run->internal.ndata >= 4 &&
	    run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) {
		len += snprintf(what + len, sizeof what - (size_t)len, " (");
		for (int i = 0; i < run->emulation_failure.insn_size && i < 15; i++)
			len += snprintf(what + len, sizeof what - (size_t)len, "%02x",
					run->emulation_failure.insn_bytes[i]);
		snprintf(what + len, sizeof what - (size_t)len, ")");
	}
	crashed(vcpu, what);
}

static void serve_rare(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	char what[64];
	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		crashed(vcpu, "triple fault");
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		internal_error(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(what, sizeof what, "entry refused by hardware (reason 0x%llx)",
			 run->fail_entry.hardware_entry_failure_reason);
		crashed(vcpu, what);
		break;
	default:
		snprintf(what, sizeof what, "unexpected exit %u", run->exit_reason);
		crashed(vcpu, what);
		break;
	}
}

static void serve(struct vcpu *vcpu)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		count(vcpu, VCPU_EXIT_IO);
		serve_io(vcpu);
		break;
	case KVM_EXIT_MMIO:
		count(vcpu, VCPU_EXIT_MMIO);
		serve_mmio(vcpu);
		break;
	case KVM_EXIT_IOAPIC_EOI:
		count(vcpu, VCPU_EXIT_EOI);
		ioapic_eoi(vcpu->set->config.ioapic, vcpu->run->eoi.vector);
		break;
	case KVM_EXIT_INTR:
		count(vcpu, VCPU_EXIT_SIGNAL);
		break;
	default:
		count(vcpu, VCPU_EXIT_OTHER);
		serve_rare(vcpu);
		break;
	}
}

void vcpu_run_once(struct vcpu *vcpu)
{
	if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
		serve(vcpu);
		return;
	}
	if (errno == EINTR || errno == EAGAIN) {
		count(vcpu, VCPU_EXIT_SIGNAL);
		return;
	}
	char what[64];
	snprintf(what, sizeof what, "KVM_RUN failed with errno %d", errno);
	char reason[200];
	describe(vcpu, what, reason, sizeof reason);
	ended(vcpu, VMM_EXIT_INTERNAL, reason);
}

void vcpu_run_complete(struct vcpu *vcpu)
{
	/* An access that spans pages may give one exit more for its rest. */
	for (int parts = 0; parts < 4; parts++) {
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0)
			return;
		if (vcpu->run->exit_reason != KVM_EXIT_IO &&
		    vcpu->run->exit_reason != KVM_EXIT_MMIO)
			return;
		serve(vcpu);
	}
}
