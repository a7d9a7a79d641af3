/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Numbers that boot.S and the C files share: fixed addresses, selectors, the services of the CPL 0
 * gate. Only #defines.
 */
#ifndef GUEST_BOOT_H
#define GUEST_BOOT_H

#define CPU_MAX 64

/* Fixed by guest.ld, so that descriptors and tables need no code to fill them. */
#define BOOT_PML4 0x100000
#define BOOT_PDPT 0x101000
#define BOOT_PD 0x102000 /* four of them: 4 GiB in 2 MiB pages */
#define BOOT_GDT 0x106000
#define BOOT_TSS 0x107000 /* CPU_MAX times TSS_STRIDE */
#define TSS_STRIDE 128
#define BOOT_STACK0 0x109000 /* CPL 0 stack of the first CPU, 4 KiB */
#define BOOT_IO_MAP 0x10a000 /* 64 Ki ports, all allowed */
#define BOOT_END 0x10d000

#define SEL_CODE32 0x08
#define SEL_DATA 0x10
#define SEL_CODE64 0x18
#define SEL_USER_DATA (0x20 | 3)
#define SEL_USER_CODE (0x28 | 3)
#define SEL_TSS 0x30

#define TRAMPOLINE 0x8000 /* where other CPUs start, in real mode */

#define VECTOR_SERIAL 0x21
#define VECTOR_GED 0x22 /* has its own stub */
#define VECTOR_TIMER 0x30
#define VECTOR_CALL 0x31   /* work for another CPU */
#define VECTOR_DEVICE 0x40 /* 0x40 to 0xef: MSI-X */
#define VECTOR_SPURIOUS 0xff

#define STUB_STRIDE 64

/* Services of `hlt` at CPL 3: rax is the number. What faults returns with rax = -1. */
#define SERVICE_WAIT 0  /* rdi: u32 *, esi: halts while *rdi is still esi */
#define SERVICE_RDMSR 1 /* ecx: returns edx:eax */
#define SERVICE_WRMSR 2 /* ecx, edx: high half, ebx: low half */
#define SERVICE_CPUID 3 /* ebx: leaf, ecx */
#define SERVICE_FLUSH 4 /* reloads CR3 */
#define SERVICE_CR 5    /* returns rbx: CR0, rcx: CR3, rdx: CR4 */

#endif
