/* SPDX-License-Identifier: GPL-3.0-or-later */
/* APIC ids and topology, as guests of both makers' traditions take them apart again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/kvm.h>
#include <linux/kvm_para.h>

#include "engine/vmm/spec.h"
#include "engine/vmm/vcpu.h"

static void apic_ids_are_distinct_and_fit_a_byte(void **state)
{
	(void)state;
	for (int sockets = 1; sockets <= 64; sockets++) {
		for (int cores = 1; sockets * cores <= 64; cores++) {
			for (int threads = 1; sockets * cores * threads <= 64; threads++) {
				struct cpu_topology topology = {sockets, cores, threads};
				int n = sockets * cores * threads;
				uint32_t last = 0;
				for (int i = 0; i < n; i++) {
					uint32_t id = vcpu_apic_id(&topology, i);
					assert_true(id < 255);
					assert_true(i == 0 || id > last);
					last = id;
				}
			}
		}
	}
}

static void topology_that_does_not_add_up_is_flat(void **state)
{
	(void)state;
	struct spec_cpus cpus = {.count = 6, .sockets = 2, .cores = 2, .threads = 1};
	struct cpu_topology topology = vcpu_topology(&cpus);
	assert_int_equal(topology.sockets, 6);
	assert_int_equal(topology.cores * topology.threads, 1);
}

/* What KVM might give on either maker's processor. */
static struct kvm_cpuid2 *make_table(void)
{
	static const struct kvm_cpuid_entry2 entries[] = {
		{.function = 0, .eax = 0x1f},
		{.function = 1, .ebx = 0xff100800, .edx = 0x178bfbff},
		{.function = 4, .index = 0, .eax = 0x7c004121},
		{.function = 4, .index = 3, .eax = 0x7c1fc163},
		{.function = 4, .index = 4, .eax = 0},
		{.function = 0xb, .index = 0, .ebx = 2, .ecx = 0x100},
		{.function = KVM_CPUID_SIGNATURE, .eax = 0x40000001, .ebx = 0x4b4d564b},
		{.function = 0x80000008, .eax = 0x3030, .ecx = 0x7fff},
		{.function = 0x8000001e, .eax = 77},
	};
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + 300 * sizeof *cpuid->entries);
	assert_non_null(cpuid);
	memcpy(cpuid->entries, entries, sizeof entries);
	cpuid->nent = sizeof entries / sizeof *entries;
	return cpuid;
}

static const struct kvm_cpuid_entry2 *leaf(const struct kvm_cpuid2 *cpuid, uint32_t function,
					   uint32_t index)
{
	const struct kvm_cpuid_entry2 *found = NULL;
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index) {
			assert_null(found); /* no leaf twice */
			found = &cpuid->entries[i];
		}
	}
	assert_non_null(found);
	return found;
}

static void cpuid_tells_one_topology_in_all_its_leaves(void **state)
{
	(void)state;
	struct kvm_cpuid2 *cpuid = make_table();
	struct cpu_topology topology = {.sockets = 2, .cores = 3, .threads = 2};
	for (int i = 0; i < 12; i++) { /* in place, one vCPU after the other */
		uint32_t id = vcpu_apic_id(&topology, i);
		vcpu_cpuid_fill(cpuid, &topology, i, 2000000, true);
		assert_int_equal(leaf(cpuid, 1, 0)->ebx >> 24, id);
		assert_int_equal(leaf(cpuid, 1, 0)->ebx >> 16 & 0xff, 6);
		assert_int_equal(leaf(cpuid, 1, 0)->ebx & 0xffff, 0x0800);
		assert_true(leaf(cpuid, 1, 0)->ecx >> 31);
		assert_true(leaf(cpuid, 1, 0)->ecx & 1u << 24);
		assert_int_equal(leaf(cpuid, 0xb, 0)->eax, 1);
		assert_int_equal(leaf(cpuid, 0xb, 0)->ebx, 2);
		assert_int_equal(leaf(cpuid, 0xb, 1)->eax, 3);
		assert_int_equal(leaf(cpuid, 0xb, 1)->ebx, 6);
		assert_int_equal(leaf(cpuid, 0xb, 2)->ebx, 0);
		assert_int_equal(leaf(cpuid, 0x1f, 1)->edx, id);
		assert_int_equal(leaf(cpuid, 0x80000008, 0)->ecx & 0xff, 5);
		assert_int_equal(leaf(cpuid, 0x80000008, 0)->ecx >> 12 & 0xf, 3);
		assert_int_equal(leaf(cpuid, 0x8000001e, 0)->eax, id);
		assert_int_equal(leaf(cpuid, 0x8000001e, 0)->ebx, 1 << 8 | i / 2 % 3);
		assert_int_equal(leaf(cpuid, 0x8000001e, 0)->ecx & 0xff, i / 6);
		/* the first level is shared by a core's threads, the third by a socket */
		assert_int_equal(leaf(cpuid, 4, 0)->eax >> 14 & 0xfff, 1);
		assert_int_equal(leaf(cpuid, 4, 3)->eax >> 14 & 0xfff, 5);
		assert_int_equal(leaf(cpuid, 4, 0)->eax >> 26, 3);
		assert_int_equal(leaf(cpuid, 4, 4)->eax, 0);
		assert_int_equal(leaf(cpuid, 0x40000010, 0)->eax, 2000000);
		assert_int_equal(leaf(cpuid, KVM_CPUID_SIGNATURE, 0)->eax, 0x40000010);
	}
	free(cpuid);
}

static void cpuid_of_one_cpu_has_no_siblings(void **state)
{
	(void)state;
	struct kvm_cpuid2 *cpuid = make_table();
	struct cpu_topology topology = {1, 1, 1};
	vcpu_cpuid_fill(cpuid, &topology, 0, 0, false);
	assert_false(leaf(cpuid, 1, 0)->edx & 1u << 28);
	assert_false(leaf(cpuid, 1, 0)->ecx & 1u << 24);
	assert_int_equal(leaf(cpuid, 0x80000008, 0)->ecx & 0xf0ff, 0);
	free(cpuid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(apic_ids_are_distinct_and_fit_a_byte),
		cmocka_unit_test(topology_that_does_not_add_up_is_flat),
		cmocka_unit_test(cpuid_tells_one_topology_in_all_its_leaves),
		cmocka_unit_test(cpuid_of_one_cpu_has_no_siblings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
