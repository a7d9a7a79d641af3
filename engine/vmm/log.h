/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The VMM's log: lines on standard error, which the keeper points at the VM's log file. */
#ifndef HV_VMM_LOG_H
#define HV_VMM_LOG_H

#include "engine/model/error.h"

/* One line with a time stamp, control characters removed; any thread. */
void vmm_log(const char *fmt, ...) HV_PRINTF(1, 2);

/* For what a guest can cause at will: at most a burst of 8 lines a source, then one every 5 seconds
 * that tells how many were left out. */
struct log_limit {
	unsigned tokens_used, dropped; /* atomic */
	long long last_s;
};
void vmm_log_limited(struct log_limit *limit, const char *fmt, ...) HV_PRINTF(2, 3);

#endif
