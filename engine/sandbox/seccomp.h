/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The system-call filters: see sandbox.h, which is what others call. */
#ifndef HV_SANDBOX_SECCOMP_H
#define HV_SANDBOX_SECCOMP_H

#include "engine/sandbox/sandbox.h"

/* Catches refused calls: enforce hands the number to bad_call (async-signal-safe; may be NULL) and
 * dies; errno logs each number once and lets the call fail with EPERM. */
int seccomp_prepare(enum spec_sandbox mode, void (*bad_call)(int number), struct hv_error *err);
/* Nothing before seccomp_prepare(), or when the mode is off. */
int seccomp_enter(enum sandbox_thread role, struct hv_error *err);

#endif
