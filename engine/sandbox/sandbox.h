/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How the child gives up its rights before the first guest instruction: no new privileges, no
 * capabilities (bounding set too), a landlock domain without any rights, and a seccomp allow-list
 * per kind of thread, generated at build time (engine/sandbox/gen). No namespaces: no call on the
 * lists opens a path, a socket or an IPC object (an io_uring, which only the disks' threads may make,
 * could make a socket), and a network namespace alone costs half a millisecond of the start.
 */
#ifndef HV_SANDBOX_SANDBOX_H
#define HV_SANDBOX_SANDBOX_H

#include "engine/model/error.h"
#include "engine/vmm/spec.h"

enum sandbox_thread { SANDBOX_MAIN, SANDBOX_VCPU, SANDBOX_IO };

/*
 * Takes the process-wide measures; the main thread calls it once, before other threads start (they
 * inherit what is per-thread) and before the first vCPU runs. mode is kept for
 * sandbox_enter_thread(). What the kernel lacks (landlock) is left out with a log line; what it
 * refuses is an error.
 */
int sandbox_enter_process(enum spec_sandbox mode, void (*bad_call)(int number),
			  struct hv_error *err);

/* The calling thread's system-call filter; every thread's first act. Without
 * sandbox_enter_process() (unit tests) it does nothing. */
int sandbox_enter_thread(enum sandbox_thread role, struct hv_error *err);

#endif
