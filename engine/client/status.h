/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The state of a VM as its runtime folder tells it: the keeper's lock says whether there is a
 * keeper, its status file says the rest. Reading disturbs nobody and needs no running process.
 */
#ifndef HV_CLIENT_STATUS_H
#define HV_CLIENT_STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/model/error.h"

struct hv_vm_status {
	char state[16];        /* stopped starting running paused stopping crashed */
	bool keeper;           /* a keeper lives; it can be asked */
	pid_t keeper_pid, pid; /* 0: none */
	double since;          /* when it came into the state; seconds since 1970, 0: unknown */
	double started;        /* when its present (or last) child began to run */
	int restarts, resets;
	/* How the last child ended; kind "" if none did. */
	char ended_kind[24]; /* poweroff reset killed crash signal bad-system-call error
				start-failed lost */
	char ended_message[160];
	int ended_signal;
	double ended_at, uptime; /* uptime: how long that child ran, seconds */
};

/*
 * dir: the VM's runtime folder. A folder or file that is not there is a stopped VM, not an error.
 * A status that says "running" while nobody holds the lock is a crash: kind "lost".
 */
HV_PUBLIC int hv_vm_status_read(const char *dir, struct hv_vm_status *status, struct hv_error *err);

#endif
