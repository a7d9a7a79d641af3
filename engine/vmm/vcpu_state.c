/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All state of a parked vCPU, in KVM's own structures, a section each. Their order in the stream is
 * the order in which they must be set:
 *
 *	CPUID │ MP state │ registers │ XSAVE, XCRs, debug │ local APIC │ TSC kHz │ MSRs │ events
 *
 * The local APIC stands after the system registers (its base is one of them) and before the MSRs,
 * of which the TSC deadline is the last: written into a disabled APIC it would be dropped.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "engine/vmm/kvm.h"
#include "engine/vmm/state.h"
#include "engine/vmm/vcpu.h"

#define VERSION 1
#define CPUID_MAX 256
#define MSRS_MAX 1024
#define XSAVE_MIN sizeof(struct kvm_xsave)
#define XSAVE_MAX (64 * 1024)
#define PART_MAX 1024

#define MSR_TSC_DEADLINE 0x6e0

struct part {
	const char *name;
	size_t len;
	unsigned long get, set;
};

static const struct part before_xsave[] = {
	{"vcpu-mp", sizeof(struct kvm_mp_state), KVM_GET_MP_STATE, KVM_SET_MP_STATE},
	{"vcpu-regs", sizeof(struct kvm_regs), KVM_GET_REGS, KVM_SET_REGS},
	{"vcpu-sregs", sizeof(struct kvm_sregs), KVM_GET_SREGS, KVM_SET_SREGS},
	{NULL, 0, 0, 0},
};

static const struct part after_xsave[] = {
	{"vcpu-xcrs", sizeof(struct kvm_xcrs), KVM_GET_XCRS, KVM_SET_XCRS},
	{"vcpu-debug", sizeof(struct kvm_debugregs), KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS},
	{"vcpu-lapic", sizeof(struct kvm_lapic_state), KVM_GET_LAPIC, KVM_SET_LAPIC},
	{NULL, 0, 0, 0},
};

static const struct part after_msrs[] = {
	{"vcpu-events", sizeof(struct kvm_vcpu_events), KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS},
	{NULL, 0, 0, 0},
};

_Static_assert(sizeof(struct kvm_lapic_state) <= PART_MAX && sizeof(struct kvm_sregs) <= PART_MAX &&
		       sizeof(struct kvm_xcrs) <= PART_MAX,
	       "a part fits its buffer");

struct id {
	char text[16];
};

static struct id id_of(const struct vcpu *vcpu)
{
	struct id id;
	snprintf(id.text, sizeof id.text, "cpu%d", vcpu->index);
	return id;
}

static int failed(const struct vcpu *vcpu, const char *doing, const char *name,
		  struct hv_error *err)
{
	return hv_fail(err, HV_FAILED, errno, "%s \"%s\" of vCPU %d", doing, name, vcpu->index);
}

static int save_parts(const struct vcpu *vcpu, const struct part *part, struct state_out *out,
		      struct hv_error *err)
{
	uint8_t buffer[PART_MAX] __attribute__((aligned(8))) = {0};
	int rc = 0;
	for (; rc == 0 && part->name; part++) {
		if (ioctl(vcpu->fd, part->get, buffer) < 0)
			return failed(vcpu, "reading", part->name, err);
		rc = state_save_bytes(out, part->name, id_of(vcpu).text, VERSION, buffer, part->len,
				      err);
	}
	return rc;
}

/* Finds the next section; its bytes stay in the stream, which owes nobody an alignment. */
static int take(const struct vcpu *vcpu, const char *name, struct state_in *in, const void **bytes,
		size_t *len, struct hv_error *err)
{
	uint32_t version;
	return state_load_bytes(in, name, id_of(vcpu).text, VERSION, &version, bytes, len, err);
}

static int odd_size(const char *name, size_t len, struct hv_error *err)
{
	return hv_fail(err, HV_FAILED, 0, "section \"%s\" cannot have %zu bytes", name, len);
}

static int load_parts(const struct vcpu *vcpu, const struct part *part, struct state_in *in,
		      struct hv_error *err)
{
	uint8_t buffer[PART_MAX] __attribute__((aligned(8)));
	for (; part->name; part++) {
		const void *bytes;
		size_t len;
		int rc = take(vcpu, part->name, in, &bytes, &len, err);
		if (rc < 0)
			return rc;
		if (len != part->len)
			return odd_size(part->name, len, err);
		memcpy(buffer, bytes, len);
		if (ioctl(vcpu->fd, part->set, buffer) < 0)
			return failed(vcpu, "setting", part->name, err);
	}
	return 0;
}

static int save_cpuid(const struct vcpu *vcpu, struct state_out *out, struct hv_error *err)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + CPUID_MAX * sizeof *cpuid->entries);
	if (!cpuid)
		return hv_fail(err, HV_FAILED, ENOMEM, "saving a vCPU");
	cpuid->nent = CPUID_MAX;
	int rc = ioctl(vcpu->fd, KVM_GET_CPUID2, cpuid) < 0
			 ? failed(vcpu, "reading", "vcpu-cpuid", err)
			 : state_save_bytes(out, "vcpu-cpuid", id_of(vcpu).text, VERSION,
					    cpuid->entries, cpuid->nent * sizeof *cpuid->entries,
					    err);
	free(cpuid);
	return rc;
}

static int load_cpuid(const struct vcpu *vcpu, struct state_in *in, struct hv_error *err)
{
	const void *bytes;
	size_t len;
	int rc = take(vcpu, "vcpu-cpuid", in, &bytes, &len, err);
	if (rc < 0)
		return rc;
	struct kvm_cpuid2 *cpuid;
	if (len % sizeof *cpuid->entries || len > CPUID_MAX * sizeof *cpuid->entries)
		return odd_size("vcpu-cpuid", len, err);
	cpuid = calloc(1, sizeof *cpuid + len);
	if (!cpuid)
		return hv_fail(err, HV_FAILED, ENOMEM, "loading a vCPU");
	cpuid->nent = (uint32_t)(len / sizeof *cpuid->entries);
	memcpy(cpuid->entries, bytes, len);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0)
		rc = failed(vcpu, "setting", "vcpu-cpuid", err);
	free(cpuid);
	return rc;
}

/* Larger than the structure of old where the guest may use AMX. */
static size_t xsave_len(const struct vcpu *vcpu, bool *is_xsave2)
{
	int len = ioctl(vcpu->set->config.vm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	*is_xsave2 = len > 0;
	return len > (int)XSAVE_MIN && len <= XSAVE_MAX ? (size_t)len : XSAVE_MIN;
}

static int save_xsave(const struct vcpu *vcpu, struct state_out *out, struct hv_error *err)
{
	bool is_xsave2;
	size_t len = xsave_len(vcpu, &is_xsave2);
	void *area = calloc(1, len);
	if (!area)
		return hv_fail(err, HV_FAILED, ENOMEM, "saving a vCPU");
	int rc = ioctl(vcpu->fd, is_xsave2 ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, area) < 0
			 ? failed(vcpu, "reading", "vcpu-xsave", err)
			 : state_save_bytes(out, "vcpu-xsave", id_of(vcpu).text, VERSION, area, len,
					    err);
	free(area);
	return rc;
}

static int load_xsave(const struct vcpu *vcpu, struct state_in *in, struct hv_error *err)
{
	const void *bytes;
	size_t len;
	bool is_xsave2;
	int rc = take(vcpu, "vcpu-xsave", in, &bytes, &len, err);
	if (rc < 0)
		return rc;
	/* KVM reads as much as this host's area has, whatever was saved */
	size_t area_len = xsave_len(vcpu, &is_xsave2);
	if (len < XSAVE_MIN || len > area_len)
		return odd_size("vcpu-xsave", len, err);
	void *area = calloc(1, area_len);
	if (!area)
		return hv_fail(err, HV_FAILED, ENOMEM, "loading a vCPU");
	memcpy(area, bytes, len);
	if (ioctl(vcpu->fd, KVM_SET_XSAVE, area) < 0)
		rc = failed(vcpu, "setting", "vcpu-xsave", err);
	free(area);
	return rc;
}

static int save_tsc(const struct vcpu *vcpu, struct state_out *out, struct hv_error *err)
{
	int khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ);
	if (khz < 0)
		return failed(vcpu, "reading", "vcpu-tsc", err);
	return state_save_bytes(out, "vcpu-tsc", id_of(vcpu).text, VERSION, &khz, sizeof khz, err);
}

static int load_tsc(const struct vcpu *vcpu, struct state_in *in, struct hv_error *err)
{
	const void *bytes;
	size_t len;
	int khz, rc = take(vcpu, "vcpu-tsc", in, &bytes, &len, err);
	if (rc < 0)
		return rc;
	if (len != sizeof khz)
		return odd_size("vcpu-tsc", len, err);
	memcpy(&khz, bytes, sizeof khz);
	/* a host that cannot scale takes its own frequency only, and needs not be told it */
	if (ioctl(vcpu->fd, KVM_GET_TSC_KHZ) == khz)
		return 0;
	if (ioctl(vcpu->fd, KVM_SET_TSC_KHZ, (unsigned long)khz) < 0)
		return failed(vcpu, "setting", "vcpu-tsc", err);
	return 0;
}

/* The indices of all MSRs that this KVM saves; free() it. */
static struct kvm_msr_list *msr_indices(const struct vcpu *vcpu)
{
	struct kvm_msr_list *list = calloc(1, sizeof *list + MSRS_MAX * sizeof *list->indices);
	if (!list)
		return NULL;
	list->nmsrs = MSRS_MAX;
	if (ioctl(vcpu->set->config.vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, list) == 0)
		return list;
	free(list);
	return NULL;
}

/* KVM reads until the first MSR that this vCPU's CPUID does not have; that one is left out. */
static int read_msrs(const struct vcpu *vcpu, struct kvm_msrs *msrs, struct hv_error *err)
{
	uint32_t total = msrs->nmsrs, kept = 0, at = 0;
	struct kvm_msrs *chunk = calloc(1, sizeof *chunk + total * sizeof *chunk->entries);
	if (!chunk)
		return hv_fail(err, HV_FAILED, ENOMEM, "saving a vCPU");
	while (at < total) {
		chunk->nmsrs = total - at;
		memcpy(chunk->entries, &msrs->entries[at], chunk->nmsrs * sizeof *chunk->entries);
		int got = ioctl(vcpu->fd, KVM_GET_MSRS, chunk);
		if (got < 0) {
			free(chunk);
			return failed(vcpu, "reading", "vcpu-msrs", err);
		}
		/* kept never overtakes at: what is overwritten has been copied */
		memcpy(&msrs->entries[kept], chunk->entries,
		       (uint32_t)got * sizeof *chunk->entries);
		kept += (uint32_t)got;
		at += (uint32_t)got + 1;
	}
	msrs->nmsrs = kept;
	free(chunk);
	return 0;
}

static int save_msrs(const struct vcpu *vcpu, struct state_out *out, struct hv_error *err)
{
	struct kvm_msr_list *list = msr_indices(vcpu);
	struct kvm_msrs *msrs = calloc(1, sizeof *msrs + MSRS_MAX * sizeof *msrs->entries);
	int rc;
	if (!list || !msrs) {
		rc = hv_fail(err, HV_FAILED, errno, "listing the MSRs of vCPU %d", vcpu->index);
		goto out;
	}
	bool has_deadline = false;
	for (uint32_t i = 0; i < list->nmsrs; i++) {
		if (list->indices[i] == MSR_TSC_DEADLINE)
			has_deadline = true;
		else
			msrs->entries[msrs->nmsrs++].index = list->indices[i];
	}
	if (has_deadline)
		msrs->entries[msrs->nmsrs++].index = MSR_TSC_DEADLINE;
	rc = read_msrs(vcpu, msrs, err);
	if (rc == 0)
		rc = state_save_bytes(out, "vcpu-msrs", id_of(vcpu).text, VERSION, msrs->entries,
				      msrs->nmsrs * sizeof *msrs->entries, err);
out:
	free(msrs);
	free(list);
	return rc;
}

static int load_msrs(const struct vcpu *vcpu, struct state_in *in, struct hv_error *err)
{
	const void *bytes;
	size_t len;
	int rc = take(vcpu, "vcpu-msrs", in, &bytes, &len, err);
	if (rc < 0)
		return rc;
	struct kvm_msrs *msrs;
	if (len % sizeof *msrs->entries || len > MSRS_MAX * sizeof *msrs->entries)
		return odd_size("vcpu-msrs", len, err);
	msrs = calloc(1, sizeof *msrs + len);
	if (!msrs)
		return hv_fail(err, HV_FAILED, ENOMEM, "loading a vCPU");
	msrs->nmsrs = (uint32_t)(len / sizeof *msrs->entries);
	memcpy(msrs->entries, bytes, len);
	int set = ioctl(vcpu->fd, KVM_SET_MSRS, msrs);
	if (set < 0)
		rc = failed(vcpu, "setting", "vcpu-msrs", err);
	else if ((uint32_t)set != msrs->nmsrs)
		rc = hv_fail(err, HV_FAILED, 0,
			     "this host's KVM refuses MSR 0x%x = 0x%llx for vCPU %d",
			     msrs->entries[set].index, msrs->entries[set].data, vcpu->index);
	free(msrs);
	return rc;
}

int vcpu_save(const struct vcpu *vcpu, struct state_out *out, struct hv_error *err)
{
	int rc;
	if ((rc = save_cpuid(vcpu, out, err)) < 0 ||
	    (rc = save_parts(vcpu, before_xsave, out, err)) < 0 ||
	    (rc = save_xsave(vcpu, out, err)) < 0 ||
	    (rc = save_parts(vcpu, after_xsave, out, err)) < 0 ||
	    (rc = save_tsc(vcpu, out, err)) < 0 || (rc = save_msrs(vcpu, out, err)) < 0)
		return rc;
	return save_parts(vcpu, after_msrs, out, err);
}

int vcpu_load(struct vcpu *vcpu, struct state_in *in, struct hv_error *err)
{
	int rc;
	if ((rc = load_cpuid(vcpu, in, err)) < 0 ||
	    (rc = load_parts(vcpu, before_xsave, in, err)) < 0 ||
	    (rc = load_xsave(vcpu, in, err)) < 0 ||
	    (rc = load_parts(vcpu, after_xsave, in, err)) < 0 ||
	    (rc = load_tsc(vcpu, in, err)) < 0 || (rc = load_msrs(vcpu, in, err)) < 0)
		return rc;
	if ((rc = load_parts(vcpu, after_msrs, in, err)) < 0)
		return rc;
	/* a guest without kvmclock has none to be told of the gap */
	(void)ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
	return 0;
}
