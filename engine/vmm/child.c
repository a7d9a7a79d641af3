/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The child's life: drop what the process may do, build the machine, drop the rest, run the guest,
 * and end with the status that the keeper judges by.
 */
#include "engine/vmm/child.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/sandbox/sandbox.h"
#include "engine/vmm/control.h"
#include "engine/vmm/keeper.h"
#include "engine/vmm/log.h"
#include "engine/vmm/machine.h"

struct child {
	int report_fd;
	struct loop loop;
	struct machine *machine;
	struct control control;
	enum vmm_exit how;
	bool ran;
};

static void report(const struct child *child, enum report_kind kind, const struct hv_error *err)
{
	struct report r = {.kind = kind};
	if (err)
		r.error = *err;
	/* seldom, and the keeper reads quickly: a full socket means that it is dead, and so are we
	 */
	if (send(child->report_fd, &r, sizeof r, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		vmm_log("the keeper does not listen");
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
	enum report_kind kind = control->stopping ? REPORT_STOPPING : REPORT_RUNNING;
	if (machine_state(child->machine) == MACHINE_PAUSED)
		kind = REPORT_PAUSED;
	report(child, kind, NULL);
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
	if (ret == 0)
		ret = machine_run(child.machine, &err);
	if (ret < 0) {
		vmm_log("cannot start: %s", err.message);
		report(&child, REPORT_FAILED, &err);
		return VMM_EXIT_START_FAILED;
	}
	child.control.started_mono = keeper_mono();
	report(&child, REPORT_RUNNING, NULL);
	loop_run(&child.loop);
	control_stop(&child.control);
	machine_free(child.machine);
	return (int)child.how;
}
