/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The process-wide part of the sandbox: no new privileges, no capabilities, no files (landlock).
 * Everything here is per thread in the kernel, and inherited by threads made later: hence the order
 * that sandbox.h asks for.
 */
#include "engine/sandbox/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/sandbox/seccomp.h"
#include "engine/vmm/log.h"

/* Kernel headers may be older than the kernel: the numbers and the layout of its ABI 6. */
#define NR_LANDLOCK_CREATE_RULESET 444
#define NR_LANDLOCK_RESTRICT_SELF 446
#define LANDLOCK_VERSION_FLAG 1

struct landlock_attr {
	uint64_t fs, net, scoped;
};

/* Everything that the running kernel can forbid, and no rule that allows anything again. */
static struct landlock_attr everything(long abi, size_t *size)
{
	static const uint64_t fs_by_abi[] = {0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff};
	struct landlock_attr attr = {.fs = fs_by_abi[abi > 5 ? 4 : abi - 1]};
	*size = offsetof(struct landlock_attr, net);
	if (abi >= 4) {
		attr.net = 3; /* TCP bind and connect */
		*size = offsetof(struct landlock_attr, scoped);
	}
	if (abi >= 6) {
		attr.scoped = 3; /* abstract sockets and signals outside of the domain */
		*size = sizeof attr;
	}
	return attr;
}

static int forbid_files(struct hv_error *err)
{
	long abi = syscall(NR_LANDLOCK_CREATE_RULESET, NULL, 0, LANDLOCK_VERSION_FLAG);
	if (abi < 1) {
		vmm_log("sandbox: this kernel has no landlock");
		return 0;
	}
	size_t size;
	struct landlock_attr attr = everything(abi, &size);
	int fd = (int)syscall(NR_LANDLOCK_CREATE_RULESET, &attr, size, 0);
	if (fd < 0)
		return hv_fail(err, HV_FAILED, errno, "sandbox: landlock rule set");
	long ret = syscall(NR_LANDLOCK_RESTRICT_SELF, fd, 0);
	int sys = errno;
	close(fd);
	return ret < 0 ? hv_fail(err, HV_FAILED, sys, "sandbox: landlock") : 0;
}

/* The bounding set first: dropping from it is itself a capability, which an ordinary user lacks. */
static int drop_capabilities(struct hv_error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	for (unsigned cap = 0; cap < 64 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) < 0)
		return hv_fail(err, HV_FAILED, errno, "sandbox: cannot drop capabilities");
	return 0;
}

int sandbox_enter_process(enum spec_sandbox mode, void (*bad_call)(int number),
			  struct hv_error *err)
{
	int ret;
	if (mode == SPEC_SANDBOX_OFF)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return hv_fail(err, HV_FAILED, errno, "sandbox: no new privileges");
	if ((ret = drop_capabilities(err)) < 0 || (ret = forbid_files(err)) < 0)
		return ret;
	return seccomp_prepare(mode, bad_call, err);
}

int sandbox_enter_thread(enum sandbox_thread role, struct hv_error *err)
{
	return seccomp_enter(role, err);
}
