/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keeper's life: it starts the child, waits for all there is to wait for in one poll(), judges
 * how the child ended, and restarts it or cleans up. A child is always a fresh process from the
 * same descriptors, so that a reset, a restart after a crash and the first start are one path.
 */
#include "engine/vmm/keeper.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/vmm/exit.h"
#include "engine/vmm/log.h"

/* A child that ran this long starts the count towards the restart limit anew. */
#define STEADY_S 60

static void enter_state(struct keeper *k, enum keeper_state state)
{
	k->state = state;
	k->since = keeper_wall();
	keeper_status_write(k);
	keeper_server_state(k);
}

/* The one line that hvsh waits for; hvsh may be gone. */
static void tell_launcher(struct keeper *k, const struct hv_error *err)
{
	if (k->launch_fd < 0)
		return;
	json_t *word = err ? json_pack("{s:o}", "error", wire_error(err)) : json_object();
	struct hv_error ignored;
	wire_write(k->launch_fd, word, &ignored);
	json_decref(word);
	close(k->launch_fd);
	k->launch_fd = -1;
}

void keeper_close(struct keeper *k)
{
	close(k->keeper_fd);
	close(k->lock_fd);
	close(k->dir_fd);
	close(k->spec_fd);
	if (k->launch_fd >= 0)
		close(k->launch_fd);
	for (int i = 0; i < KEEPER_CONSOLES; i++) {
		if (k->consoles[i].name && k->consoles[i].log_fd >= 0)
			close(k->consoles[i].log_fd);
		if (k->consoles[i].name && k->consoles[i].fd >= 0)
			close(k->consoles[i].fd);
	}
	for (int i = 0; i < KEEPER_WATCHERS; i++) {
		if (k->watchers[i].fd >= 0)
			close(k->watchers[i].fd);
	}
	for (int i = 0; i < KEEPER_CLIENTS; i++) {
		if (k->clients[i].wire.fd >= 0)
			close(k->clients[i].wire.fd);
	}
	for (int i = 0; i < SPEC_NICS_MAX; i++) {
		if (k->passts[i].pidfd >= 0)
			close(k->passts[i].pidfd);
	}
}

/* In the new process; the VM must not outlive the one that restarts, records and cleans. */
static _Noreturn void become_child(struct keeper *k, const struct child_start *start, pid_t keeper)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(VMM_EXIT_INTERNAL);
	keeper_close(k);
	/* no destructors and no flushing: the keeper has the same */
	_exit(k->run_child(start));
}

static void close_guest_ends(const struct child_start *start)
{
	if (start->report_fd >= 0)
		close(start->report_fd);
	if (start->serial_fd >= 0)
		close(start->serial_fd);
	if (start->virtio_fd >= 0)
		close(start->virtio_fd);
	for (int i = 0; i < start->spec->n_nics; i++) {
		struct spec_nic *nic = &start->spec->nics[i];
		if (nic->backend == SPEC_NET_PASST && nic->fds[0] >= 0)
			close(nic->fds[0]);
	}
}

static int fork_child(struct keeper *k, struct child_start *start, struct hv_error *err)
{
	int reports[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, reports) < 0)
		return hv_fail(err, HV_FAILED, errno, "vm \"%s\": cannot start", k->name);
	start->report_fd = reports[1];
	k->report_fd = reports[0];
	pid_t keeper = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		close(reports[0]);
		become_child(k, start, keeper);
	}
	if (pid < 0)
		return hv_fail(err, HV_FAILED, errno, "vm \"%s\": cannot start a process", k->name);
	k->pid = pid;
	k->pidfd = pidfd_open(pid, 0);
	if (k->pidfd < 0)
		return hv_fail(err, HV_FAILED, errno, "vm \"%s\": cannot watch its process",
			       k->name);
	return 0;
}

/* spec: freed. */
static int start_child(struct keeper *k, struct spec *spec, struct hv_error *err)
{
	struct child_start start = {
		.spec = spec, .report_fd = -1, .serial_fd = -1, .virtio_fd = -1};
	k->started_at = k->started_mono = 0;
	k->restart_at_mono = 0;
	k->stop_asked = false;
	k->bad_syscall = -1;
	k->reason = (struct hv_error){0};
	start.serial_fd = keeper_console_connect(k, 0);
	start.virtio_fd = keeper_console_connect(k, 1);
	int ret = keeper_passt_start(k, spec, err);
	if (ret == 0)
		ret = fork_child(k, &start, err);
	close_guest_ends(&start);
	spec_fini(spec);
	malloc_trim(0);
	if (ret < 0 && k->pid) {
		kill(k->pid, SIGKILL);
		waitpid(k->pid, NULL, 0);
		k->pid = 0;
	}
	return ret;
}

static void clean_text(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = ' ';
	}
}

static void came_up(struct keeper *k)
{
	if (k->started_mono > 0)
		return;
	k->started_at = keeper_wall();
	k->started_mono = keeper_mono();
}

static void handle_report(struct keeper *k, struct report *report)
{
	report->error.message[sizeof report->error.message - 1] = '\0';
	report->error.hint[sizeof report->error.hint - 1] = '\0';
	clean_text(report->error.message);
	clean_text(report->error.hint);
	switch (report->kind) {
	case REPORT_RUNNING:
		came_up(k);
		enter_state(k, KEEPER_RUNNING);
		tell_launcher(k, NULL);
		break;
	case REPORT_PAUSED:
		came_up(k);
		enter_state(k, KEEPER_PAUSED);
		tell_launcher(k, NULL);
		break;
	case REPORT_STOPPING:
		k->stop_asked = true;
		enter_state(k, KEEPER_STOPPING);
		break;
	case REPORT_FAILED:
	case REPORT_ENDED:
		k->reason = report->error;
		break;
	case REPORT_BAD_SYSCALL:
		k->bad_syscall = report->number;
		break;
	default:
		break;
	}
}

/* At most a few at a time, so that a child gone wild keeps nobody else waiting. */
static void take_reports(struct keeper *k, int max)
{
	for (int i = 0; i < max; i++) {
		struct report report;
		ssize_t n = recv(k->report_fd, &report, sizeof report, MSG_DONTWAIT);
		/* said once, before what is queued, when the child died with an answer unread */
		if (n < 0 && errno == ECONNRESET)
			continue;
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			close(k->report_fd);
			k->report_fd = -1;
			return;
		}
		if (n < 0)
			return;
		if (n != sizeof report)
			continue;
		handle_report(k, &report);
		if (report_is_state(report.kind))
			send(k->report_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

static void set_end(struct keeper *k, const char *kind, const char *fmt, ...) HV_PRINTF(3, 4);

static void set_end(struct keeper *k, const char *kind, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(k->end.message, sizeof k->end.message, fmt, args);
	va_end(args);
	k->end.kind = kind;
}

static void judge_signal(struct keeper *k, int signal_number)
{
	k->end.signal = signal_number;
	if (k->kill_asked && signal_number == SIGKILL)
		set_end(k, "killed", "killed by the operator");
	else if (signal_number == SIGSYS && k->bad_syscall >= 0)
		set_end(k, "bad-system-call", "bad system call %d: the sandbox refused it",
			k->bad_syscall);
	else if (signal_number == SIGSYS)
		set_end(k, "bad-system-call", "bad system call: the sandbox refused it");
	else
		set_end(k, "signal", "killed by signal %d (%s)", signal_number,
			strsignal(signal_number));
}

static void judge_exit(struct keeper *k, int status)
{
	const char *why = k->reason.message;
	k->end.signal = 0;
	switch (status) {
	case VMM_EXIT_POWEROFF:
		set_end(k, "poweroff", "%s", *why ? why : "the guest switched itself off");
		break;
	case VMM_EXIT_RESET:
		set_end(k, "reset", "%s", *why ? why : "the guest asked for a reset");
		break;
	case VMM_EXIT_CRASH:
		set_end(k, "crash", "%s", *why ? why : "the guest crashed");
		break;
	case VMM_EXIT_START_FAILED:
		set_end(k, "start-failed", "%s",
			*why ? why : "it could not be started; see its log");
		break;
	case VMM_EXIT_INTERNAL:
		set_end(k, "error", "%s", *why ? why : "internal error; see its log");
		break;
	default:
		set_end(k, "error", "exit status %d; see its log", status);
	}
}

/* Whether the end that k->end tells of calls for another child; *delay_s is set if so. */
static bool wants_restart(struct keeper *k, int exit_status, int *delay_s)
{
	*delay_s = 0;
	if (k->kill_asked || !k->started_mono)
		return false;
	if (exit_status == VMM_EXIT_RESET) {
		k->resets++;
		return true;
	}
	bool off = exit_status == VMM_EXIT_POWEROFF;
	if (k->stop_asked || k->policy == SPEC_RESTART_NEVER ||
	    (off && k->policy != SPEC_RESTART_ALWAYS))
		return false;
	if (k->end.uptime_s >= STEADY_S)
		k->restarts_in_a_row = 0;
	if (k->restarts_in_a_row >= k->restart_limit) {
		vmm_log("keeper: not restarted: the limit of %d restarts is reached",
			k->restart_limit);
		return false;
	}
	k->restarts_in_a_row++;
	k->restarts++;
	*delay_s = k->restart_delay_s;
	return true;
}

/* why: what a hvsh that still waits is told; by then files and status are in order. */
static void finish(struct keeper *k, bool crashed, const struct hv_error *why)
{
	keeper_passt_stop(k);
	unlinkat(k->dir_fd, "control.sock", 0);
	unlinkat(k->dir_fd, "keeper.sock", 0);
	enter_state(k, crashed ? KEEPER_CRASHED : KEEPER_STOPPED);
	keeper_server_kill_done(k);
	tell_launcher(k, why);
	k->over = true;
}

/* The child process is dead: what it said last, how it ended, what follows. */
static void child_ended(struct keeper *k)
{
	int status = 0;
	while (waitpid(k->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (k->report_fd >= 0)
		take_reports(k, 64);
	if (k->report_fd >= 0)
		close(k->report_fd);
	close(k->pidfd);
	k->report_fd = k->pidfd = -1;
	k->pid = 0;
	for (int i = 0; i < KEEPER_CONSOLES; i++)
		keeper_console_drain(k, i);
	keeper_passt_stop(k);

	int exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	bool ran = k->started_mono > 0;
	k->end.at = keeper_wall();
	k->end.uptime_s = ran ? keeper_mono() - k->started_mono : 0;
	if (WIFSIGNALED(status))
		judge_signal(k, WTERMSIG(status));
	else
		judge_exit(k, exit_status);
	vmm_log("keeper: %s after %.1f s: %s", k->end.kind, k->end.uptime_s, k->end.message);

	int delay_s;
	if (wants_restart(k, exit_status, &delay_s)) {
		k->restart_at_mono = keeper_mono() + delay_s;
		enter_state(k, exit_status == VMM_EXIT_RESET ? KEEPER_STARTING : KEEPER_CRASHED);
		return;
	}
	bool first = k->restarts == 0 && k->resets == 0;
	struct hv_error why = k->reason; /* a failed start is told in the child's own words */
	if (!why.code || !*why.message) {
		hv_fail(&why, HV_FAILED, 0, "vm \"%s\": %s", k->name, k->end.message);
		hv_hint(&why, "see its log");
	}
	finish(k, exit_status != VMM_EXIT_POWEROFF && !k->kill_asked && !(first && !ran), &why);
}

static void restart(struct keeper *k)
{
	struct spec spec;
	struct hv_error err;
	if (k->state != KEEPER_STARTING)
		enter_state(k, KEEPER_STARTING);
	int ret = spec_read(&spec, k->spec_fd, &err);
	spec.paused = false; /* asked for the first start only */
	if (ret == 0)
		ret = start_child(k, &spec, &err);
	if (ret == 0)
		return;
	vmm_log("keeper: cannot restart: %s", err.message);
	set_end(k, "start-failed", "%s", err.message);
	finish(k, true, &err);
}

/* A kill while no child runs (it waits for its restart) ends the VM there. */
static bool killed_between(struct keeper *k)
{
	if (!k->kill_asked || k->pid || k->over)
		return false;
	set_end(k, "killed", "killed by the operator");
	k->end.at = keeper_wall();
	finish(k, false, NULL);
	return true;
}

static int timeout_ms(const struct keeper *k)
{
	if (!k->restart_at_mono)
		return -1;
	double left = k->restart_at_mono - keeper_mono();
	return left <= 0 ? 0 : (int)(left * 1000) + 1;
}

static void turn(struct keeper *k)
{
	struct pollfd polls[KEEPER_POLL_MAX];
	int n = 0;
	if (k->pid)
		polls[n++] = (struct pollfd){.fd = k->pidfd, .events = POLLIN};
	if (k->report_fd >= 0)
		polls[n++] = (struct pollfd){.fd = k->report_fd, .events = POLLIN};
	int own = n;
	n += keeper_passt_poll(k, polls + n);
	int consoles = n;
	n += keeper_console_poll(k, polls + n);
	int server = n;
	n += keeper_server_poll(k, polls + n);
	int ready = poll(polls, (nfds_t)n, keeper_console_rests(k) ? 1 : timeout_ms(k));
	if (ready < 0)
		return; /* EINTR; anything else comes back at the next turn */

	bool ended = false;
	for (int i = 0; i < n; i++) {
		if (!polls[i].revents)
			continue;
		if (i >= server)
			keeper_server_ready(k, &polls[i]);
		else if (i >= consoles)
			keeper_console_ready(k, &polls[i]);
		else if (i >= own)
			keeper_passt_ready(k, &polls[i]);
		else if (polls[i].fd == k->pidfd)
			ended = true;
		else
			take_reports(k, 8);
	}
	/* last, since it may begin a new child whose descriptors reuse these numbers */
	if (ended)
		child_ended(k);
	if (!killed_between(k) && k->restart_at_mono && !k->over &&
	    k->restart_at_mono <= keeper_mono())
		restart(k);
}

static void set_up(struct keeper *k, const struct spec *spec, int spec_fd, int launch_fd)
{
	memset(k, 0, sizeof *k);
	memcpy(k->name, spec->name, sizeof k->name);
	k->spec_fd = spec_fd;
	k->launch_fd = launch_fd;
	k->keeper_fd = spec->keeper_fd;
	k->dir_fd = spec->dir_fd;
	k->lock_fd = spec->lock_fd;
	k->policy = spec->restart;
	k->restart_limit = spec->restart_limit;
	k->restart_delay_s = spec->restart_delay_s;
	k->pidfd = k->report_fd = -1;
	k->state = KEEPER_STARTING;
	k->since = keeper_wall();
	for (int i = 0; i < SPEC_NICS_MAX; i++)
		k->passts[i].pidfd = -1;
	k->consoles[0] = (struct console){.name = "serial0", .fd = -1, .log_fd = -1};
	k->consoles[1] = (struct console){
		.name = spec->virtio_console ? "virtio0" : NULL, .fd = -1, .log_fd = -1};
	keeper_server_init(k);
	for (int i = 0; i < KEEPER_WATCHERS; i++)
		k->watchers[i].fd = -1;
}

int keeper_run(struct spec *spec, int spec_fd, int launch_fd,
	       int (*run_child)(const struct child_start *start))
{
	struct keeper k;
	struct hv_error err;
	set_up(&k, spec, spec_fd, launch_fd);
	k.run_child = run_child;
	signal(SIGPIPE, SIG_IGN);
	/* the child first: it builds the VM while we make the files */
	int ret = start_child(&k, spec, &err);
	keeper_console_init(&k);
	if (ret < 0) {
		set_end(&k, "start-failed", "%s", err.message);
		finish(&k, false, &err);
		return 1;
	}
	keeper_status_write(&k);
	while (!k.over)
		turn(&k);
	return 0;
}
