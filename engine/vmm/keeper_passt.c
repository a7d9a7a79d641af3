/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The passt processes of a VM: one for each NIC of that kind and child, on a socket pair. They end
 * with the child, or with the keeper; a fresh child gets fresh ones, since a stream cut within a
 * frame cannot be taken up again.
 */
#include "engine/vmm/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/vmm/log.h"

/* argv: its own arguments, then those that hand it the socket. */
static char **arguments(const struct spec_nic *nic, char *fd_text)
{
	size_t n = 0;
	while (nic->passt[n])
		n++;
	char **argv = calloc(n + 4, sizeof *argv);
	if (!argv)
		return NULL;
	memcpy(argv, nic->passt, n * sizeof *argv);
	argv[n++] = (char *)"-f";
	argv[n++] = (char *)"-F";
	argv[n] = fd_text;
	return argv;
}

static pid_t spawn(char *const argv[], int fd, int *exec_errno)
{
	volatile int failed = 0;
	pid_t keeper = getpid();
	pid_t pid = vfork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_DFL);
		fcntl(fd, F_SETFD, 0);
		if (getppid() == keeper)
			execv(argv[0], argv);
		failed = errno;
		_exit(127);
	}
	*exec_errno = pid < 0 ? errno : failed;
	return pid;
}

/*
 * passt throws frames away that its socket cannot take at once, and TCP then sends them again; so
 * both directions get as much room as the host allows, with rights or without.
 */
static void widen(int fd)
{
	static const int forced = 4 << 20, allowed = 1 << 30;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &forced, sizeof forced) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &allowed, sizeof allowed);
}

static int start_one(struct keeper_passt *passt, struct spec_nic *nic, struct hv_error *err)
{
	char fd_text[12];
	int pair[2], failed = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return hv_fail(err, HV_FAILED, errno, "nic \"%s\"", nic->id);
	widen(pair[0]);
	widen(pair[1]);
	snprintf(fd_text, sizeof fd_text, "%d", pair[1]);
	char **argv = arguments(nic, fd_text);
	pid_t pid = argv ? spawn(argv, pair[1], &failed) : -1;
	free(argv);
	close(pair[1]);
	if (pid > 0 && failed)
		waitpid(pid, NULL, 0);
	if (pid < 0 || failed) {
		close(pair[0]);
		return hv_fail(err, HV_FAILED, failed ? failed : ENOMEM,
			       "nic \"%s\": cannot run \"%s\"", nic->id, nic->passt[0]);
	}
	passt->pid = pid;
	passt->pidfd = pidfd_open(pid, 0);
	nic->fds[0] = pair[0];
	nic->n_fds = 1;
	return 0;
}

int keeper_passt_start(struct keeper *k, struct spec *spec, struct hv_error *err)
{
	for (int i = 0; i < spec->n_nics; i++) {
		if (spec->nics[i].backend != SPEC_NET_PASST)
			continue;
		int ret = start_one(&k->passts[i], &spec->nics[i], err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static void reap(struct keeper_passt *passt)
{
	waitpid(passt->pid, NULL, 0);
	if (passt->pidfd >= 0)
		close(passt->pidfd);
	passt->pidfd = -1;
	passt->pid = 0;
}

void keeper_passt_stop(struct keeper *k)
{
	for (int i = 0; i < SPEC_NICS_MAX; i++) {
		if (k->passts[i].pid)
			kill(k->passts[i].pid, SIGKILL);
	}
	for (int i = 0; i < SPEC_NICS_MAX; i++) {
		if (k->passts[i].pid)
			reap(&k->passts[i]);
	}
}

int keeper_passt_poll(struct keeper *k, struct pollfd *polls)
{
	int n = 0;
	for (int i = 0; i < SPEC_NICS_MAX; i++) {
		if (k->passts[i].pid && k->passts[i].pidfd >= 0)
			polls[n++] = (struct pollfd){.fd = k->passts[i].pidfd, .events = POLLIN};
	}
	return n;
}

void keeper_passt_ready(struct keeper *k, const struct pollfd *p)
{
	for (int i = 0; i < SPEC_NICS_MAX; i++) {
		if (!k->passts[i].pid || k->passts[i].pidfd != p->fd)
			continue;
		vmm_log("keeper: passt of nic %d ended: that nic has no network until the next "
			"start",
			i);
		reap(&k->passts[i]);
		return;
	}
}
