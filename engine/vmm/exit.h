/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How the child of hvsh-vmm ends: its exit status, read by the keeper, which restarts or gives up
 * by it. Away from 1 and 2, so that a sanitizer's or libc's own exit is taken for
 * VMM_EXIT_INTERNAL.
 */
#ifndef HV_VMM_EXIT_H
#define HV_VMM_EXIT_H

enum vmm_exit {
	VMM_EXIT_POWEROFF = 0,      /* the guest switched itself off, or was asked to */
	VMM_EXIT_RESET = 32,        /* the guest, or the reset method, asked for a fresh start */
	VMM_EXIT_CRASH = 33,        /* triple fault, or an instruction that KVM cannot run */
	VMM_EXIT_START_FAILED = 34, /* before the first guest instruction; the log says why */
	VMM_EXIT_INTERNAL = 35,     /* our own failure while the guest ran */
};

#endif
