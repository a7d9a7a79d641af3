/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A build tool: prints the sandbox's system-call filters as a C header of BPF arrays, so that
 * hvsh-vmm needs no libseccomp. A thread made by another inherits its filter, and both then hold:
 * what an I/O thread has beyond its maker, it has only if it was made before the maker's came on.
 */
#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* What any thread does: memory, locks, time, its own end, moving bytes over descriptors it was
 * given. */
static const char *const everybody[] = {"read",
					"write",
					"readv",
					"writev",
					"pread64",
					"pwrite64",
					"preadv",
					"pwritev",
					"preadv2",
					"pwritev2",
					"close",
					"lseek",
					"fstat",
					"newfstatat",
					"recvfrom",
					"recvmsg",
					"sendto",
					"sendmsg",
					"futex",
					"clock_gettime",
					"clock_nanosleep",
					"nanosleep",
					"gettimeofday",
					"time",
					"munmap",
					"mremap",
					"madvise",
					"brk",
					"rt_sigprocmask",
					"rt_sigreturn",
					"rt_sigtimedwait",
					"sigaltstack",
					"exit",
					"exit_group",
					"getpid",
					"gettid",
					"sched_yield",
					"restart_syscall",
					"rseq",
					"set_robust_list",
					"getrandom",
					"membarrier",
					"eventfd2",
					"timerfd_create",
					"timerfd_settime",
					"timerfd_gettime",
					"epoll_create1",
					"epoll_ctl",
					"epoll_wait",
					"epoll_pwait",
					"poll",
					"ppoll",
					"sched_setaffinity",
					"sched_getaffinity",
					"fallocate",
					"fsync",
					"fdatasync",
					"sync_file_range",
					"shutdown",
					NULL};

/* The main thread takes connections and descriptors besides. */
static const char *const main_only[] = {"accept4", "getsockopt", "setsockopt", "dup",
					"fcntl",   "ftruncate",  "getrusage",  NULL};

/*
 * A ring's operations pass no filter, and some make sockets: so the disks' threads alone have it. They
 * are made before the main thread's own filter is on; vCPUs, and what those make, inherit that one.
 */
static const char *const io_only[] = {"io_uring_setup", "io_uring_enter", "io_uring_register",
				      NULL};

/* What this program sends to its own threads: kicks, abort(), libc's two. Whose process a signal goes
 * to cannot be told here, since the filter is older than the process; so no other may be sent. */
static const int signals[] = {SIGUSR1, SIGABRT, 32, 33};

/* ioctl requests of other groups than KVM's: tap. */
static const unsigned tap_requests[] = {
	0x400454d0, /* TUNSETOFFLOAD */
	0x400454d8, /* TUNSETVNETHDRSZ */
	0x400454d9, /* TUNSETQUEUE */
	0x400454dc, /* TUNSETVNETLE */
	0x800454d2, /* TUNGETIFF */
	0x5421,     /* FIONBIO */
};
#define KVM_GROUP 0xae00

static void check(int ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "seccomp-gen: %s: %s\n", what, strerror(-ret));
	exit(1);
}

static void allow(scmp_filter_ctx ctx, const char *const *names)
{
	for (; *names; names++) {
		int number = seccomp_syscall_resolve_name(*names);
		if (number != __NR_SCMP_ERROR)
			check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0), *names);
	}
}

/* Memory may be mapped and protected, but never made executable. */
static void allow_data_memory(scmp_filter_ctx ctx)
{
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)),
	      "mmap");
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)),
	      "mprotect");
}

/* Threads, but no processes. clone3 hides its flags from a filter; libc falls back to clone. */
static void allow_threads(scmp_filter_ctx ctx)
{
	const unsigned long flags =
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	check(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0), "clone3");
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
			       SCMP_A0(SCMP_CMP_MASKED_EQ, flags, flags)),
	      "clone");
	/* with the first thread libc takes its two internal signals, and no other may be taken */
	for (scmp_datum_t number = 32; number <= 33; number++)
		check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(rt_sigaction), 1,
				       SCMP_A0(SCMP_CMP_EQ, number, 0)),
		      "rt_sigaction");
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
			       SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0)),
	      "prctl");
	/* the new thread's own filter */
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
			       SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP, 0)),
	      "prctl");
}

static void allow_own_process(scmp_filter_ctx ctx)
{
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				       SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)signals[i], 0)),
		      "tgkill");
	/* reading limits of our own; setting any, and those of others, is refused */
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
			       SCMP_A0(SCMP_CMP_EQ, 0, 0), SCMP_A2(SCMP_CMP_EQ, 0, 0)),
	      "prlimit64");
}

static void allow_requests(scmp_filter_ctx ctx)
{
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
			       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xff00, KVM_GROUP)),
	      "ioctl");
	for (size_t i = 0; i < sizeof tap_requests / sizeof *tap_requests; i++)
		check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_EQ, tap_requests[i], 0)),
		      "ioctl");
}

static void print_filter(scmp_filter_ctx ctx, const char *name)
{
	int fd = memfd_create("bpf", 0);
	check(fd < 0 ? -errno : 0, "memfd");
	check(seccomp_export_bpf(ctx, fd), "export");
	struct sock_filter op;
	printf("static const struct sock_filter seccomp_%s[] = {\n", name);
	for (off_t at = 0; pread(fd, &op, sizeof op, at) == sizeof op; at += (off_t)sizeof op)
		printf("\t{%#x, %u, %u, %#x},\n", op.code, op.jt, op.jf, op.k);
	printf("};\n\n");
	close(fd);
}

static void generate(const char *name, const char *const *more)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	check(ctx ? 0 : -ENOMEM, "init");
	check(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "arch");
	/* a binary tree: KVM_RUN passes here at every exit */
	check(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimize");
	allow(ctx, everybody);
	allow_data_memory(ctx);
	allow_threads(ctx);
	allow_own_process(ctx);
	allow_requests(ctx);
	if (more)
		allow(ctx, more);
	print_filter(ctx, name);
	seccomp_release(ctx);
}

int main(void)
{
	printf("/* generated by engine/sandbox/gen */\n#pragma once\n#include "
	       "<linux/filter.h>\n\n");
	generate("main", main_only);
	generate("vcpu", NULL);
	generate("io", io_only);
	return 0;
}
