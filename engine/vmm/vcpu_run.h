/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One entry into the guest and what it left for; on the vCPU's own thread. */
#ifndef HV_VMM_VCPU_RUN_H
#define HV_VMM_VCPU_RUN_H

struct vcpu;

/* Runs the guest until it leaves, and serves the exit. */
void vcpu_run_once(struct vcpu *vcpu);
/* Lets KVM finish the access served last, without running a further instruction. */
void vcpu_run_complete(struct vcpu *vcpu);

#endif
