/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Putting the generated filters on, and what happens to a call that they refuse. They trap instead
 * of killing at once, because a trap can say which call it was; the handler then dies of the same
 * signal. The process cannot take the handler away: no list lets rt_sigaction have SIGSYS.
 */
#include "engine/sandbox/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "engine/vmm/log.h"
#include "seccomp_filters.h"

/* Written once by the main thread before any other runs. */
static struct {
	bool on;
	enum spec_sandbox mode;
	void (*bad_call)(int number);
} prepared;

static atomic_uchar logged[512]; /* numbers that errno mode has told of */

static void refused(int signal_number, siginfo_t *info, void *context)
{
	int number = info->si_syscall;
	(void)signal_number;
	if (prepared.mode == SPEC_SANDBOX_ERRNO) {
		ucontext_t *user = context;
		if (number < 0 || number >= 512 || !atomic_exchange(&logged[number], 1))
			vmm_log("sandbox: refused system call %d", number);
		user->uc_mcontext.gregs[REG_RAX] = -EPERM;
		return;
	}
	if (prepared.bad_call)
		prepared.bad_call(number);
	/* again a refused call, now with the signal blocked: the kernel ends the process by SIGSYS
	 */
	syscall(SYS_execve, NULL, NULL, NULL);
	_exit(1);
}

int seccomp_prepare(enum spec_sandbox mode, void (*bad_call)(int number), struct hv_error *err)
{
	struct sigaction action = {.sa_sigaction = refused, .sa_flags = SA_SIGINFO};
	sigfillset(&action.sa_mask);
	if (sigaction(SIGSYS, &action, NULL) < 0)
		return hv_fail(err, HV_FAILED, errno, "sandbox: signal handler");
	prepared.mode = mode;
	prepared.bad_call = bad_call;
	prepared.on = mode != SPEC_SANDBOX_OFF;
	return 0;
}

int seccomp_enter(enum sandbox_thread role, struct hv_error *err)
{
	static const struct {
		const struct sock_filter *code;
		unsigned short len;
	} filters[] = {
		[SANDBOX_MAIN] = {seccomp_main, sizeof seccomp_main / sizeof *seccomp_main},
		[SANDBOX_VCPU] = {seccomp_vcpu, sizeof seccomp_vcpu / sizeof *seccomp_vcpu},
		[SANDBOX_IO] = {seccomp_io, sizeof seccomp_io / sizeof *seccomp_io},
	};
	if (!prepared.on)
		return 0;
	struct sock_fprog program = {.len = filters[role].len,
				     .filter = (struct sock_filter *)filters[role].code};
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return hv_fail(err, HV_FAILED, errno, "sandbox: system-call filter");
	return 0;
}
