/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Creating the VM: capability checks, memory slots, the split irqchip. Linux virt/kvm/api.rst. */
#include "engine/vmm/kvm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/vmm/gmem.h"
#include "engine/vmm/layout.h"
#include "engine/vmm/state.h"

/* Intel processors without unrestricted guest need pages of their own in the device hole. */
#define IDENTITY_MAP_GPA 0xfeffc000ull
#define TSS_GPA 0xfeffd000ul

static const struct {
	int cap;
	const char *name;
} required[] = {
	{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
	{KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP"},
	{KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING"},
	{KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI"},
	{KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
	{KVM_CAP_IOEVENTFD_ANY_LENGTH, "KVM_CAP_IOEVENTFD_ANY_LENGTH"},
	{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
	{KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
	{KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE"},
	{KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
	{KVM_CAP_XSAVE, "KVM_CAP_XSAVE"},
};

static int check_api(int kvm_fd, struct hv_error *err)
{
	int version = ioctl(kvm_fd, KVM_GET_API_VERSION, 0);
	if (version < 0)
		return hv_fail(err, HV_FAILED, errno, "descriptor %d is no /dev/kvm", kvm_fd);
	if (version != KVM_API_VERSION)
		return hv_fail(err, HV_FAILED, 0, "KVM speaks version %d of its API, not %d",
			       version, KVM_API_VERSION);
	for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, required[i].cap) > 0)
			continue;
		hv_fail(err, HV_FAILED, 0, "this host's KVM lacks %s", required[i].name);
		return hv_hint(err, "run a Linux kernel of 5.10 or later on the host");
	}
	return 0;
}

static int add_slots(const struct kvm_vm *vm, const struct gmem *mem, struct hv_error *err)
{
	for (int i = 0; i < mem->n_regions; i++) {
		struct kvm_userspace_memory_region slot = {
			.slot = (uint32_t)i,
			.guest_phys_addr = mem->regions[i].gpa,
			.memory_size = mem->regions[i].len,
			.userspace_addr = (uintptr_t)mem->regions[i].hva,
		};
		if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
			return hv_fail(err, HV_FAILED, errno, "giving memory at 0x%llx to KVM",
				       (unsigned long long)slot.guest_phys_addr);
	}
	return 0;
}

static int split_irqchip(const struct kvm_vm *vm, struct hv_error *err)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {LAYOUT_IOAPIC_PINS}};
	if (ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap) < 0)
		return hv_fail(err, HV_FAILED, errno, "creating the local APICs (split irqchip)");
	return 0;
}

int kvm_vm_init(struct kvm_vm *vm, int kvm_fd, const struct gmem *mem, struct hv_error *err)
{
	*vm = (struct kvm_vm){.kvm_fd = kvm_fd, .vm_fd = -1, .stats_fd = -1};
	int rc = check_api(kvm_fd, err);
	if (rc < 0)
		return rc;
	int run_bytes = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (run_bytes < (int)sizeof(struct kvm_run))
		return hv_fail(err, HV_FAILED, errno,
			       "KVM does not tell the size of a vCPU's page");
	vm->run_bytes = (size_t)run_bytes;
	do
		vm->vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	while (vm->vm_fd < 0 && errno == EINTR);
	if (vm->vm_fd < 0)
		return hv_fail(err, HV_FAILED, errno, "creating a KVM virtual machine");

	uint64_t identity_map = IDENTITY_MAP_GPA;
	if (ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0 ||
	    ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, TSS_GPA) < 0)
		rc = hv_fail(err, HV_FAILED, errno, "placing KVM's own pages");
	if (rc == 0)
		rc = split_irqchip(vm, err);
	if (rc == 0)
		rc = add_slots(vm, mem, err);
	if (rc < 0) {
		kvm_vm_fini(vm);
		return rc;
	}
	vm->stats_fd = ioctl(vm->vm_fd, KVM_GET_STATS_FD, NULL); /* from Linux 5.14 on */
	return 0;
}

void kvm_vm_fini(struct kvm_vm *vm)
{
	if (vm->stats_fd >= 0)
		close(vm->stats_fd);
	if (vm->vm_fd >= 0)
		close(vm->vm_fd);
	vm->stats_fd = vm->vm_fd = -1;
}

#define CLOCK_FLAGS (KVM_CLOCK_REALTIME)

struct clock_state {
	uint64_t clock, realtime;
	uint32_t flags;
};

static const struct state_field clock_fields[] = {
	STATE(struct clock_state, clock, 1),
	STATE(struct clock_state, realtime, 1),
	STATE(struct clock_state, flags, 1),
	STATE_END,
};

static const struct state_section clock_section = {
	.name = "kvm-clock", .version = 1, .min_version = 1, .fields = clock_fields};

int kvm_clock_save(const struct kvm_vm *vm, struct state_out *out, struct hv_error *err)
{
	struct kvm_clock_data data = {0};
	if (ioctl(vm->vm_fd, KVM_GET_CLOCK, &data) < 0)
		return hv_fail(err, HV_FAILED, errno, "reading the VM's clock");
	struct clock_state state = {data.clock, data.realtime, data.flags & CLOCK_FLAGS};
	return state_save(out, &clock_section, "vm", &state, err);
}

int kvm_clock_load(const struct kvm_vm *vm, struct state_in *in, struct hv_error *err)
{
	struct clock_state state = {0};
	int rc = state_load(in, &clock_section, "vm", &state, err);
	if (rc < 0)
		return rc;
	struct kvm_clock_data data = {.clock = state.clock,
				      .realtime = state.realtime,
				      .flags = state.flags & CLOCK_FLAGS};
	if (ioctl(vm->vm_fd, KVM_SET_CLOCK, &data) == 0)
		return 0;
	data.flags = 0; /* before Linux 5.16: the clock alone */
	if (ioctl(vm->vm_fd, KVM_SET_CLOCK, &data) < 0)
		return hv_fail(err, HV_FAILED, errno, "setting the VM's clock");
	return 0;
}
