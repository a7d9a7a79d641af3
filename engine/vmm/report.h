/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the child tells its keeper, one record a message over a SOCK_SEQPACKET pair; both are one
 * binary. The keeper trusts none of it: unknown kinds are dropped, text is cleaned. States it
 * answers with one byte, when the status file has them.
 */
#ifndef HV_VMM_REPORT_H
#define HV_VMM_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/model/error.h"

enum report_kind {
	REPORT_RUNNING = 1, /* the guest runs, for the first time or again */
	REPORT_PAUSED,
	REPORT_STOPPING,   /* the operator pressed the power button */
	REPORT_FAILED,     /* the child could not start: error says why; it exits next */
	REPORT_ENDED,      /* error.message: how the guest ended, for a person */
	REPORT_BAD_SYSCALL /* number: the system call that the sandbox refused */
};

struct report {
	uint32_t kind;
	int32_t number;
	struct hv_error error;
};

static inline bool report_is_state(uint32_t kind)
{
	return kind == REPORT_RUNNING || kind == REPORT_PAUSED || kind == REPORT_STOPPING;
}

#endif
