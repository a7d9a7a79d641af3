/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The child: the process that runs the VM, on a loop with the control server beside the machine. */
#ifndef HV_VMM_CHILD_H
#define HV_VMM_CHILD_H

struct child_start;

/* Runs the VM; returns the exit status, one of enum vmm_exit. */
int child_run(const struct child_start *start);

#endif
