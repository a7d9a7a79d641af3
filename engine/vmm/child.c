/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The child's life: drop what the process may do, build the machine, drop the rest, run the guest,
 * and end with the status that the keeper judges by.
 */
#include "engine/vmm/child.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/sandbox/sandbox.h"
#include "engine/vmm/control.h"
#include "engine/vmm/keeper.h"
#include "engine/vmm/log.h"
#include "engine/vmm/machine.h"

#define ACK_MS 1000

struct child {
	int report_fd;
	struct loop loop;
	struct machine *machine;
	struct control control;
	enum vmm_exit how;
	bool ran;
};

/* A state counts when it is in the status file: whoever asked for it by a method looks there next.
 */
static void await_written(const struct child *child)
{
	struct pollfd p = {.fd = child->report_fd, .events = POLLIN};
	char ack;
	if (poll(&p, 1, ACK_MS) != 1 || recv(p.fd, &ack, 1, MSG_DONTWAIT) != 1)
		vmm_log("the keeper is slow to take a state");
}

static void report(const struct child *child, enum report_kind kind, const struct hv_error *err)
{
	struct report r = {.kind = kind};
	if (err)
		r.error = *err;
	/* seldom, and the keeper reads quickly: a full socket means that it is dead, and so are we
	 */
	if (send(child->report_fd, &r, sizeof r, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		vmm_log("the keeper does not listen");
	else if (report_is_state(kind))
		await_written(child);
}

/* Where bad_call(), a signal's handler, finds the keeper. */
static int bad_call_fd = -1;

static void bad_call(int number)
{
	struct report r = {.kind = REPORT_BAD_SYSCALL, .number = number};
	(void)!send(bad_call_fd, &r, sizeof r, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void state_changed(struct control *control)
{
	struct child *child = control->owner;
	const char *state = control_state(control);
	report(child,
	       strcmp(state, "paused") == 0     ? REPORT_PAUSED
	       : strcmp(state, "stopping") == 0 ? REPORT_STOPPING
						: REPORT_RUNNING,
	       NULL);
	control_tell_state(control);
}

static void machine_ended(void *ctx, enum vmm_exit how, const char *reason)
{
	struct child *child = ctx;
	struct hv_error err = {.code = HV_FAILED};
	child->how = how;
	snprintf(err.message, sizeof err.message, "%s", reason ? reason : "");
	report(child, REPORT_ENDED, &err);
	loop_stop(&child->loop);
}

static int build(struct child *child, const struct child_start *start, struct hv_error *err)
{
	int ret;
	/* before any thread is made: all that threads inherit */
	if ((ret = sandbox_enter_process(start->spec->sandbox, bad_call, err)) < 0)
		return ret;
	if ((ret = loop_init(&child->loop, err)) < 0)
		return ret;
	struct machine_config config = {
		.spec = start->spec,
		.loop = &child->loop,
		.serial_fd = start->serial_fd,
		.virtio_console_fd = start->virtio_fd,
		.events = {.ended = machine_ended, .ctx = child},
	};
	if ((ret = machine_new(&child->machine, &config, err)) < 0)
		return ret;
	child->control.machine = child->machine;
	child->control.spec = start->spec;
	child->control.state_changed = state_changed;
	child->control.owner = child;
	if ((ret = control_start(&child->control, &child->loop, start->spec->control_fd, err)) < 0)
		return ret;
	/* the main thread's own filter comes last: building takes calls that running does not */
	return sandbox_enter_thread(SANDBOX_MAIN, err);
}

int child_run(const struct child_start *start)
{
	static struct child child; /* one a process; its clients' table is no thing for a stack */
	struct hv_error err;
	child = (struct child){.report_fd = start->report_fd, .how = VMM_EXIT_INTERNAL};
	bad_call_fd = start->report_fd;
	int ret = build(&child, start, &err);
	if (ret == 0 && !start->spec->paused)
		ret = machine_run(child.machine, &err);
	if (ret < 0) {
		vmm_log("cannot start: %s", err.message);
		report(&child, REPORT_FAILED, &err);
		return VMM_EXIT_START_FAILED;
	}
	child.control.started_mono = keeper_mono();
	report(&child, start->spec->paused ? REPORT_PAUSED : REPORT_RUNNING, NULL);
	loop_run(&child.loop);
	control_stop(&child.control);
	machine_free(child.machine);
	return (int)child.how;
}
