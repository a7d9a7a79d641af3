/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the PVH entry (Xen's x86/HVM direct boot: 32-bit protected mode, paging off, ebx = start info) to
 * C at CPL 3, with as few CPL 0 instructions as can be: where /dev/kvm has no hardware behind it, CPL 0 is
 * emulated an instruction at a time and CPL 3 runs natively. So all tables are made by the assembler, and
 * what stays at CPL 0 is a stub per interrupt and one service gate.
 *
 * The first byte goes to the serial port before anything else: it is what a spawn is timed by.
 */
#include "engine/vmm/layout.h"
#include "tests/guest/boot.h"

#define EOI (LAYOUT_LAPIC + 0xb0)
#define RFLAGS_IF_IOPL3 0x3200

	.section .note.pvh, "a", @note
	.long 4, 8, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad pvh_entry

	.section .boot, "aw"
	/* Identity map of 4 GiB, user and writable; above the end of low RAM not cached. */
	.quad BOOT_PDPT + 7
	.fill 511, 8, 0
	.quad BOOT_PD + 7, BOOT_PD + 0x1007, BOOT_PD + 0x2007, BOOT_PD + 0x3007
	.fill 508, 8, 0
	.set address, 0
	.rept 1536
	.quad address + 0x87
	.set address, address + 0x200000
	.endr
	.rept 512
	.quad address + 0x9f
	.set address, address + 0x200000
	.endr
	/* GDT */
	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
	.quad 0x00af9b000000ffff
	.quad 0x00cff3000000ffff
	.quad 0x00affb000000ffff
	.set address, BOOT_TSS
	.rept CPU_MAX
	.quad 0x0000890000000000 | (address & 0xffffff) << 16 | (BOOT_IO_MAP + 0x2000 - address)
	.quad 0
	.set address, address + TSS_STRIDE
	.endr
	.balign 4096
	/*
	 * A TSS per CPU; cpu.c fills in the others' stacks. They share an I/O bitmap that allows all ports:
	 * where CPL 3 runs on a CPU whose IOPL is not ours, IOPL 3 alone does not last.
	 */
	.set address, BOOT_TSS
	.rept CPU_MAX
	.long 0
	.quad BOOT_STACK0 + 0x1000
	.fill 90, 1, 0
	.word BOOT_IO_MAP - address
	.balign TSS_STRIDE
	.set address, address + TSS_STRIDE
	.endr
	.fill 4096, 1, 0 /* BOOT_STACK0 */
	.fill 0x2000, 1, 0 /* BOOT_IO_MAP */
	.byte 0xff /* ends the map */
	.balign 4096

	.section .text.start, "ax"
	.code32
	.globl pvh_entry
pvh_entry:
	movw $LAYOUT_PORT_SERIAL, %dx
	movb $'h', %al
	outb %al, %dx
	movl %ebx, start_info
	xorl %esi, %esi
	lgdt gdt_pointer
enter_long: /* esi: number of this CPU */
	movl $0x620, %eax /* PAE, OSFXSR, OSXMMEXCPT */
	movl %eax, %cr4
	movl $BOOT_PML4, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx /* EFER: LME */
	xorl %edx, %edx
	movl $0x100, %eax
	wrmsr
	movl $0x80000033, %eax /* PG, NE, ET, MP, PE */
	movl %eax, %cr0
	ljmpl $SEL_CODE64, $enter_user
ap_entry:
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %ss
	movl ap_cpu, %esi
	jmp enter_long

	.code64
enter_user:
	lidt idt_pointer
	movl %esi, %edi
	leal SEL_TSS(, %rsi, 8), %eax
	leal (%rax, %rsi, 8), %eax
	ltr %ax
	shll $7, %esi
	movq BOOT_TSS + 4(%rsi), %rsp
	pushq $SEL_USER_DATA
	pushq cpu_stack(, %rdi, 8)
	pushq $0x3002
	pushq $SEL_USER_CODE
	pushq $cpu_main
	iretq

	/* Real mode, copied to TRAMPOLINE. */
	.code16
	.globl trampoline, trampoline_end
trampoline:
	cli
	movw %cs, %ax
	movw %ax, %ds
	lgdtl trampoline_gdt - trampoline
	movl $0x11, %eax
	movl %eax, %cr0
	ljmpl $SEL_CODE32, $ap_entry
	.balign 8
trampoline_gdt:
	.word SEL_TSS + 16 * CPU_MAX - 1
	.long BOOT_GDT
trampoline_end:
	.code64

	/*
	 * A stub per vector, STUB_STRIDE apart. An interrupt only counts; who waits for it looks at its count.
	 * IF and IOPL are put back since on some hosts they are lost at CPL 3 (see above), and since every
	 * return is to where both were set.
	 */
	.balign STUB_STRIDE
	.globl stubs
stubs:
	.set vector, 0
	.rept 32
	.balign STUB_STRIDE
	.if !((vector >= 10 && vector <= 14) || vector == 8 || vector == 17 || vector == 21)
	pushq $0
	.endif
	pushq $vector
	.if vector == 13
	jmp protection_fault
	.else
	jmp exception
	.endif
	.set vector, vector + 1
	.endr
	.rept 224
	.balign STUB_STRIDE
	.if vector == VECTOR_GED
	jmp ged_interrupt
	.endif
	lock incl irq_count + 4 * vector
	lock incl irq_any
	.if vector != VECTOR_SPURIOUS
	addr32 movl $0, EOI
	.endif
	orl $RFLAGS_IF_IOPL3, 16(%rsp)
	iretq
	.set vector, vector + 1
	.endr

	/*
	 * The event device's line is level: reading its events here lowers it. It cannot be left to CPL 3 to
	 * do so and end the interrupt, since some hosts forget that an interrupt is in service.
	 */
	.balign STUB_STRIDE
ged_interrupt:
	pushq %rax
	addr32 movl LAYOUT_POWER + LAYOUT_GED_EVENTS, %eax
	lock orl %eax, acpi_events
	popq %rax
	lock incl irq_any
	addr32 movl $0, EOI
	orl $RFLAGS_IF_IOPL3, 16(%rsp)
	iretq

	/*
	 * hlt at CPL 3 is the gate to CPL 0: it faults everywhere in the same way, whereas int n is not to be
	 * had where CPL 0 is emulated. Stack: vector, error code, rip, cs, rflags, rsp, ss.
	 */
	.balign STUB_STRIDE
protection_fault:
	testb $3, 24(%rsp)
	jz exception
	pushq %rax
	movq 24(%rsp), %rax
	cmpb $0xf4, (%rax)
	popq %rax
	jne exception
	incq 16(%rsp)
	addq $16, %rsp
	cmpl $SERVICE_WAIT, %eax
	jne 1f
	cmpl %esi, (%rdi)
	jne service_return
	sti
	hlt
	cli
	jmp service_return
1:	cmpl $SERVICE_RDMSR, %eax
	jne 1f
	rdmsr
	jmp service_return
1:	cmpl $SERVICE_WRMSR, %eax
	jne 1f
	movl %ebx, %eax
	wrmsr
	xorl %eax, %eax
	jmp service_return
1:	cmpl $SERVICE_CPUID, %eax
	jne 1f
	movl %ebx, %eax
	cpuid
	jmp service_return
1:	cmpl $SERVICE_FLUSH, %eax
	jne 1f
	movq %cr3, %rax
	movq %rax, %cr3
	jmp service_return
1:	cmpl $SERVICE_CR, %eax
	jne service_return
	movq %cr0, %rbx
	movq %cr3, %rcx
	movq %cr4, %rdx
service_return:
	orl $RFLAGS_IF_IOPL3, 16(%rsp)
	iretq

	/* Stack: vector, error code, rip, cs, rflags, rsp, ss. */
exception:
	testb $3, 24(%rsp)
	jnz 1f
	movq $service_fault, 16(%rsp) /* only services can fault at CPL 0 */
	addq $16, %rsp
	iretq
service_fault:
	movq $-1, %rax
	jmp service_return
1:	lock incl fault_depth
	cmpl $1, fault_depth
	ja 2f /* a fault while one is reported */
	movq %rax, fault_rax
	popq fault_vector
	popq fault_error
	movq (%rsp), %rax
	movq %rax, fault_rip
	movq %cr2, %rax
	movq %rax, fault_cr2
	movq 24(%rsp), %rax
	movq %rax, fault_rsp
	andq $-16, %rax
	subq $264, %rax
	movq %rax, 24(%rsp)
	movq $cpu_fault, (%rsp)
	orl $RFLAGS_IF_IOPL3, 16(%rsp)
	iretq
2:	cli
	hlt
	jmp 2b

	.data
	.balign 8
gdt_pointer:
	.word SEL_TSS + 16 * CPU_MAX - 1
	.long BOOT_GDT
	.balign 8
idt_pointer:
	.word 4095
	.quad idt

	.section .note.GNU-stack, "", @progbits
