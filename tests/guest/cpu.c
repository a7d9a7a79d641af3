/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The CPUs. All of this runs at CPL 3; what needs CPL 0 goes through the gate in boot.S. Other CPUs
 * are started one after the other by INIT and SIPI, and then wait for work: a function in their
 * mailbox and VECTOR_CALL. Only the first CPU types, prints and starts work.
 */
#include "tests/guest/cpu.h"
#include "engine/vmm/layout.h"
#include "tests/guest/acpi.h"
#include "tests/guest/apic.h"
#include "tests/guest/boot.h"
#include "tests/guest/clock.h"
#include "tests/guest/io.h"
#include "tests/guest/mem.h"
#include "tests/guest/net.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define STACK0_LEN 32768
#define STACK_LEN 32768
#define KERNEL_STACK_LEN 1024

struct gate {
	uint16_t low, selector;
	uint16_t flags, middle;
	uint32_t high, reserved;
};

struct mailbox {
	void (*volatile work)(int cpu, void *arg);
	void *volatile arg;
};

struct gate idt[256] __attribute__((aligned(16)));
volatile uint32_t irq_count[256];
volatile uint32_t irq_any;
uint32_t start_info, ap_cpu; /* written and read by boot.S */
uint32_t fault_depth;
uint64_t fault_vector, fault_error, fault_rip, fault_cr2, fault_rsp, fault_rax;
static uint8_t stack0[STACK0_LEN] __attribute__((aligned(16)));
uint8_t *cpu_stack[CPU_MAX] = {stack0 + STACK0_LEN - 8};
int cpu_online = 1;
static volatile uint32_t started; /* the last CPU that came up */
static struct mailbox mailboxes[CPU_MAX];

extern uint8_t stubs[], trampoline[], trampoline_end[];
void cpu_main(uint64_t cpu);
void cpu_fault(void);

void cpu_wait(volatile uint32_t *count, uint32_t seen)
{
	uint64_t rax = SERVICE_WAIT;

	asm volatile("hlt" : "+a"(rax) : "D"(count), "S"(seen) : "memory");
}

bool cpu_rdmsr(uint32_t msr, uint64_t *value)
{
	uint64_t rax = SERVICE_RDMSR, rdx;

	asm volatile("hlt" : "+a"(rax), "=d"(rdx) : "c"(msr) : "memory");
	*value = rdx << 32 | (uint32_t)rax;
	return rax != ~0ul;
}

bool cpu_wrmsr(uint32_t msr, uint64_t value)
{
	uint64_t rax = SERVICE_WRMSR;

	asm volatile("hlt"
		     : "+a"(rax)
		     : "b"((uint32_t)value), "c"(msr), "d"(value >> 32)
		     : "memory");
	return rax != ~0ul;
}

struct cpuid cpu_cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r;

	asm volatile("hlt"
		     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
		     : "a"(SERVICE_CPUID), "b"(leaf), "c"(subleaf)
		     : "memory");
	return r;
}

void cpu_flush_tlb(void)
{
	uint64_t rax = SERVICE_FLUSH;

	asm volatile("hlt" : "+a"(rax) : : "memory");
}

void cpu_map_high(uint64_t limit)
{
	volatile uint64_t *pdpt = (volatile uint64_t *)BOOT_PDPT;
	bool giant = cpu_cpuid(0x80000000, 0).eax >= 0x80000001 &&
		     cpu_cpuid(0x80000001, 0).edx >> 26 & 1;

	for (uint64_t gib = 4; gib < 512 && gib << 30 < limit; gib++) {
		if (giant) {
			pdpt[gib] = gib << 30 | 0x87;
			continue;
		}
		uint64_t *pd = mem_alloc(4096, 4096);
		if (!pd)
			break;
		for (uint64_t i = 0; i < 512; i++)
			pd[i] = (gib << 30 | i << 21) + 0x87;
		pdpt[gib] = (uint64_t)pd + 7;
	}
	cpu_flush_tlb();
}

void cpu_init_idt(void)
{
	for (int vector = 0; vector < 256; vector++) {
		uint32_t stub = (uint32_t)(uint64_t)stubs + vector * STUB_STRIDE;
		idt[vector] = (struct gate){.low = (uint16_t)stub,
					    .selector = SEL_CODE64,
					    .flags = 0x8e00,
					    .middle = (uint16_t)(stub >> 16)};
	}
}

/* Entered from the exception stub on the faulting CPU's stack. Nothing goes on after it. */
void cpu_fault(void)
{
	print("\nfault vector=%lu error=%lx rip=%lx cr2=%lx rsp=%lx\n", fault_vector, fault_error,
	      fault_rip, fault_cr2, fault_rsp);
	acpi_power_off();
	for (;;)
		cpu_wait(&irq_any, irq_any);
}

static void serve_mailbox(int cpu)
{
	struct mailbox *box = &mailboxes[cpu];

	if (!box->work)
		return;
	box->work(cpu, box->arg);
	asm volatile("" : : : "memory");
	box->work = NULL;
}

static void other_main(int cpu)
{
	apic_enable();
	started = cpu;
	for (;;) {
		uint32_t seen = irq_any;
		serve_mailbox(cpu);
		net_serve(cpu);
		cpu_wait(&irq_any, seen);
	}
}

void cpu_main(uint64_t cpu)
{
	if (cpu)
		other_main((int)cpu);
	shell_main(start_info);
}

static bool start_one(int cpu, uint8_t apic_id)
{
	uint8_t *stack = mem_alloc(STACK_LEN + KERNEL_STACK_LEN, 4096);

	if (!stack)
		return false;
	cpu_stack[cpu] = stack + STACK_LEN - 8;
	*(uint64_t *)(uint64_t)(BOOT_TSS + cpu * TSS_STRIDE + 4) =
		(uint64_t)stack + STACK_LEN + KERNEL_STACK_LEN;
	ap_cpu = cpu;
	barrier_full();
	apic_send(apic_id, 0x4500); /* INIT */
	for (int try = 0; try < 2; try++) {
		apic_send(apic_id, 0x4600 | TRAMPOLINE >> 12);
		uint64_t end = clock_ns() + 1000000000;
		while (started != (uint32_t)cpu && clock_ns() < end)
			cpu_pause();
		if (started == (uint32_t)cpu)
			return true;
	}
	return false;
}

void cpu_start_others(void)
{
	if (!apic_present)
		return;
	memcpy((void *)TRAMPOLINE, trampoline, trampoline_end - trampoline);
	for (int i = 1; i < acpi.n_cpus && i < CPU_MAX; i++) {
		if (!start_one(i, acpi.apic_ids[i])) {
			print("cpu %d (apic %u) does not start\n", i, acpi.apic_ids[i]);
			return;
		}
		cpu_online++;
	}
}

bool cpu_call(int cpu, void (*work)(int cpu, void *arg), void *arg)
{
	if (cpu <= 0 || cpu >= cpu_online || mailboxes[cpu].work)
		return false;
	mailboxes[cpu].arg = arg;
	asm volatile("" : : : "memory");
	mailboxes[cpu].work = work;
	apic_send(acpi.apic_ids[cpu], VECTOR_CALL);
	return true;
}

bool cpu_is_busy(int cpu)
{
	return mailboxes[cpu].work;
}

void cpu_call_all(void (*work)(int cpu, void *arg), void *arg)
{
	for (int cpu = 1; cpu < cpu_online; cpu++)
		cpu_call(cpu, work, arg);
	work(0, arg);
	for (int cpu = 1; cpu < cpu_online; cpu++)
		while (cpu_is_busy(cpu))
			cpu_pause();
}
