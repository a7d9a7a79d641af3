/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registers with which the first vCPU enters a kernel: long mode or flat 32 bits (boot.h). */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "engine/boot/boot.h"
#include "engine/vmm/vcpu.h"

#define CR0_PE 0x1ull
#define CR0_ET 0x10ull
#define CR0_PG 0x80000000ull
#define CR4_PAE 0x20ull
#define EFER_LME 0x100ull
#define EFER_LMA 0x400ull
#define RFLAGS_FIXED 0x2ull

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool long_mode)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.db = !long_mode,
		.l = long_mode,
	};
}

static void fill_segments(struct kvm_sregs *sregs, const struct boot_entry *entry)
{
	bool long_mode = entry->mode == BOOT_LONG_MODE;
	struct kvm_segment data = segment(entry->data_selector, 3, false);
	sregs->cs = segment(entry->code_selector, 11, long_mode);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){
		.limit = 0x67, .selector = entry->tss_selector, .type = 11, .present = 1};
	sregs->gdt.base = entry->gdt;
	sregs->gdt.limit = entry->gdt_limit;
	sregs->idt.base = 0;
	sregs->idt.limit = 0;
}

int vcpu_set_boot_state(const struct vcpu *vcpu, const struct boot_entry *entry,
			struct hv_error *err)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = {.rip = entry->entry, .rflags = RFLAGS_FIXED};
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return hv_fail(err, HV_FAILED, errno, "reading the registers of vCPU %d",
			       vcpu->index);
	fill_segments(&sregs, entry);
	sregs.cr0 = CR0_PE | CR0_ET;
	if (entry->mode == BOOT_LONG_MODE) {
		sregs.cr3 = entry->page_tables;
		sregs.cr4 = CR4_PAE;
		sregs.cr0 |= CR0_PG;
		sregs.efer |= EFER_LME | EFER_LMA;
		regs.rsi = entry->info;
	} else {
		regs.rbx = entry->info;
	}
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
		return hv_fail(err, HV_FAILED, errno, "setting the registers of vCPU %d",
			       vcpu->index);
	return 0;
}
