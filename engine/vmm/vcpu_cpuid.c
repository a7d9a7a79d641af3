/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a vCPU says of itself: KVM's supported CPUID, with APIC ids and topology put in. Topology is
 * told three times, as Intel (leaf 4, 0xb, 0x1f) and AMD (0x80000008, 0x8000001d, 0x8000001e) came
 * to it. Intel SDM vol. 2 CPUID, AMD APM vol. 3 appendix E.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "engine/vmm/kvm.h"
#include "engine/vmm/spec.h"
#include "engine/vmm/vcpu.h"

#define ENTRIES_MAX 256
/* What vcpu_cpuid_fill() may add: 3 subleaves of 0xb and of 0x1f, and the frequency leaf. */
#define ENTRIES_EXTRA 7

#define LEAF_TOPOLOGY 0xb
#define LEAF_TOPOLOGY_V2 0x1f
#define LEAF_FREQUENCY 0x40000010u
#define LEVEL_SMT 1u
#define LEVEL_CORE 2u

#define ECX1_X2APIC (1u << 21)
#define ECX1_TSC_DEADLINE (1u << 24)
#define ECX1_HYPERVISOR (1u << 31)
#define EDX1_HTT (1u << 28)
#define ECX81_CMP_LEGACY (1u << 1)
#define APIC_BUS_KHZ 1000000u

static unsigned bits_for(int count)
{
	unsigned bits = 0;
	while (1 << bits < count)
		bits++;
	return bits;
}

struct cpu_topology vcpu_topology(const struct spec_cpus *cpus)
{
	struct cpu_topology topology = {cpus->sockets, cpus->cores, cpus->threads};
	/* without a word on it, or with one that does not add up: sockets of one core */
	if (topology.sockets < 1 || topology.cores < 1 || topology.threads < 1 ||
	    topology.sockets * topology.cores * topology.threads != cpus->count)
		topology = (struct cpu_topology){cpus->count, 1, 1};
	return topology;
}

uint32_t vcpu_apic_id(const struct cpu_topology *topology, int index)
{
	unsigned thread_bits = bits_for(topology->threads), core_bits = bits_for(topology->cores);
	int per_socket = topology->cores * topology->threads;
	unsigned thread = (unsigned)(index % topology->threads);
	unsigned core = (unsigned)(index % per_socket / topology->threads);
	unsigned socket = (unsigned)(index / per_socket);
	return socket << (core_bits + thread_bits) | core << thread_bits | thread;
}

int vcpu_cpuid_supported(const struct kvm_vm *vm, struct kvm_cpuid2 **out, struct hv_error *err)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof *cpuid + (ENTRIES_MAX + ENTRIES_EXTRA) * sizeof *cpuid->entries);
	if (!cpuid)
		return hv_fail(err, HV_FAILED, ENOMEM, "reading KVM's CPUID");
	cpuid->nent = ENTRIES_MAX;
	if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
		free(cpuid);
		return hv_fail(err, HV_FAILED, errno, "reading KVM's CPUID");
	}
	*out = cpuid;
	return 0;
}

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	}
	return NULL;
}

static void drop(struct kvm_cpuid2 *cpuid, uint32_t function)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function != function)
			cpuid->entries[kept++] = cpuid->entries[i];
	}
	cpuid->nent = kept;
}

static struct kvm_cpuid_entry2 *add(struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index)
{
	static struct kvm_cpuid_entry2 overflow;
	if (cpuid->nent >= ENTRIES_MAX + ENTRIES_EXTRA)
		return &overflow; /* cannot be: every leaf added is dropped first */
	struct kvm_cpuid_entry2 *entry = &cpuid->entries[cpuid->nent++];
	memset(entry, 0, sizeof *entry);
	entry->function = function;
	entry->index = index;
	return entry;
}

/* The levels below a socket, then an empty one that ends them. */
static void fill_levels(struct kvm_cpuid2 *cpuid, uint32_t leaf,
			const struct cpu_topology *topology, uint32_t apic_id)
{
	unsigned thread_bits = bits_for(topology->threads), core_bits = bits_for(topology->cores);
	const uint32_t levels[3][3] = {
		{thread_bits, (uint32_t)topology->threads, LEVEL_SMT << 8},
		{thread_bits + core_bits, (uint32_t)(topology->threads * topology->cores),
		 LEVEL_CORE << 8},
		{0, 0, 0},
	};
	drop(cpuid, leaf);
	for (uint32_t i = 0; i < 3; i++) {
		struct kvm_cpuid_entry2 *entry = add(cpuid, leaf, i);
		entry->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		entry->eax = levels[i][0];
		entry->ebx = levels[i][1];
		entry->ecx = levels[i][2] | i;
		entry->edx = apic_id;
	}
}

static void fill_features(struct kvm_cpuid_entry2 *entry, int per_socket, uint32_t apic_id,
			  bool tsc_deadline)
{
	entry->ebx &= 0xffff;
	entry->ebx |= apic_id << 24 | (uint32_t)per_socket << 16;
	entry->ecx |= ECX1_HYPERVISOR | ECX1_X2APIC;
	entry->ecx =
		tsc_deadline ? entry->ecx | ECX1_TSC_DEADLINE : entry->ecx & ~ECX1_TSC_DEADLINE;
	entry->edx = per_socket > 1 ? entry->edx | EDX1_HTT : entry->edx & ~EDX1_HTT;
}

/* Bits 25..14: who shares this cache. First and second level belong to a core, the third to a
 * socket. */
static uint32_t cache_sharing(uint32_t eax, int threads, int per_socket)
{
	unsigned level = eax >> 5 & 7;
	uint32_t sharers = (uint32_t)(level >= 3 ? per_socket : threads);
	return (eax & ~0x03ffc000u) | (sharers - 1) << 14;
}

static void fill_intel_caches(struct kvm_cpuid_entry2 *entry, const struct cpu_topology *topology)
{
	if (!(entry->eax & 0x1f))
		return; /* no more caches */
	int per_socket = topology->cores * topology->threads;
	entry->eax = cache_sharing(entry->eax, topology->threads, per_socket);
	entry->eax &= 0x03ffffff;
	entry->eax |= ((1u << bits_for(topology->cores)) - 1) << 26;
}

static void fill_amd_sizes(struct kvm_cpuid_entry2 *entry, const struct cpu_topology *topology)
{
	unsigned bits = bits_for(topology->cores) + bits_for(topology->threads);
	uint32_t per_socket = (uint32_t)(topology->cores * topology->threads);
	entry->ecx = (entry->ecx & ~0xf0ffu) | bits << 12 | (per_socket - 1);
}

static void fill_amd_ids(struct kvm_cpuid_entry2 *entry, const struct cpu_topology *topology,
			 uint32_t apic_id)
{
	unsigned thread_bits = bits_for(topology->threads), core_bits = bits_for(topology->cores);
	entry->eax = apic_id;
	entry->ebx = ((uint32_t)topology->threads - 1) << 8 |
		     (apic_id >> thread_bits & ((1u << core_bits) - 1));
	entry->ecx = apic_id >> (thread_bits + core_bits); /* one node a socket */
}

static void fill_entry(struct kvm_cpuid_entry2 *entry, const struct cpu_topology *topology,
		       uint32_t apic_id, bool tsc_deadline)
{
	int per_socket = topology->cores * topology->threads;
	switch (entry->function) {
	case 1:
		fill_features(entry, per_socket, apic_id, tsc_deadline);
		break;
	case 4:
		fill_intel_caches(entry, topology);
		break;
	case KVM_CPUID_SIGNATURE:
		entry->eax = LEAF_FREQUENCY;
		break;
	case 0x80000001:
		if (per_socket == 1)
			entry->ecx &= ~ECX81_CMP_LEGACY;
		break;
	case 0x80000008:
		fill_amd_sizes(entry, topology);
		break;
	case 0x8000001d:
		if (entry->eax & 0x1f)
			entry->eax = cache_sharing(entry->eax, topology->threads, per_socket);
		break;
	case 0x8000001e:
		fill_amd_ids(entry, topology, apic_id);
		break;
	}
}

void vcpu_cpuid_fill(struct kvm_cpuid2 *cpuid, const struct cpu_topology *topology, int index,
		     uint32_t tsc_khz, bool tsc_deadline)
{
	uint32_t apic_id = vcpu_apic_id(topology, index);
	for (uint32_t i = 0; i < cpuid->nent; i++)
		fill_entry(&cpuid->entries[i], topology, apic_id, tsc_deadline);
	const struct kvm_cpuid_entry2 *first = find(cpuid, 0, 0);
	uint32_t max = first ? first->eax : 0;
	if (max >= LEAF_TOPOLOGY)
		fill_levels(cpuid, LEAF_TOPOLOGY, topology, apic_id);
	if (max >= LEAF_TOPOLOGY_V2)
		fill_levels(cpuid, LEAF_TOPOLOGY_V2, topology, apic_id);
	if (tsc_khz && find(cpuid, KVM_CPUID_SIGNATURE, 0)) {
		drop(cpuid, LEAF_FREQUENCY);
		struct kvm_cpuid_entry2 *entry = add(cpuid, LEAF_FREQUENCY, 0);
		entry->eax = tsc_khz;
		entry->ebx = APIC_BUS_KHZ;
	}
}
