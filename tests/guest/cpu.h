/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The CPUs: services of the CPL 0 gate, interrupt counts, other CPUs and work for them. */
#ifndef GUEST_CPU_H
#define GUEST_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* Each interrupt stub adds one to its vector's count and to irq_any. */
extern volatile uint32_t irq_count[256];
extern volatile uint32_t irq_any;

extern int cpu_online; /* how many run, the first included */

/* Halts until an interrupt, unless *count is no longer seen. */
void cpu_wait(volatile uint32_t *count, uint32_t seen);
bool cpu_rdmsr(uint32_t msr, uint64_t *value); /* false where it faults */
bool cpu_wrmsr(uint32_t msr, uint64_t value);
struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};
struct cpuid cpu_cpuid(uint32_t leaf, uint32_t subleaf);
void cpu_flush_tlb(void);

/* Maps memory above 4 GiB, up to limit. */
void cpu_map_high(uint64_t limit);
/* Fills the descriptor table. Before the first interrupt. */
void cpu_init_idt(void);
/* Starts the other CPUs of the MADT; each then idles. */
void cpu_start_others(void);
/* Runs work(cpu, arg) on another CPU; false where it is busy or there is none. */
bool cpu_call(int cpu, void (*work)(int cpu, void *arg), void *arg);
bool cpu_is_busy(int cpu);
/* The same on all of them and here; returns when all are done. */
void cpu_call_all(void (*work)(int cpu, void *arg), void *arg);

#endif
