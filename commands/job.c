/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The noun job: work that takes its time, of this hvsh and of others of the same user. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugins/hvsh.h"

#define JOBS(extra)                                                                                \
	{                                                                                          \
		.name = "job", .type = HV_REF, .of = "job", .flags = HV_P_MANY | (extra),          \
		.help = "a job's number, globs allowed"                                            \
	}

static const struct hv_prop any[] = {JOBS(0), {.type = HV_END}};
static const struct hv_prop some[] = {JOBS(HV_P_REQUIRED), {.type = HV_END}};
static const struct hv_prop watch_options[] = {
	{.name = "timeout", .type = HV_DURATION, .help = "longest time to watch"},
	{.type = HV_END}};

static int keep_last(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	struct hv_object **last = ctx;
	(void)err;
	hv_object_free(*last);
	*last = obj;
	return 0;
}

static int print_change(struct hv_call *call, const struct hv_object *job, double *progress,
			struct hv_error *err)
{
	char line[512];
	const char *message = hv_get_string(job, "message");
	double now = hv_get_number(job, "progress");
	const char *state = hv_get_string(job, "state");
	if (fabs(now - *progress) < 0.5 && strcmp(state, "running") == 0)
		return 0;
	*progress = now;
	int len = snprintf(line, sizeof line, "%s %3.0f%% %s %s\n", hv_object_name(job), now, state,
			   message ? message : "");
	return hv_call_text(call, line, (size_t)(len < 512 ? len : 511), err);
}

/* A job is a file that its hvsh rewrites; there is nothing to be woken by. */
static int watch_one(struct hv_call *call, const struct hv_object *target, struct hv_error *err)
{
	const char *name = hv_object_name(target);
	double progress = -1, waited = 0;
	double limit =
		hv_has(call->options, "timeout") ? hv_get_number(call->options, "timeout") : 1e12;
	for (;; waited += 0.2) {
		struct hv_object *job = NULL;
		int rc = hv_select(call->model, target->kind, &name, 1, NULL, NULL, keep_last, &job,
				   err);
		if (rc == 0)
			rc = print_change(call, job, &progress, err);
		bool over = rc == 0 && strcmp(hv_get_string(job, "state"), "running") != 0;
		hv_object_free(job);
		if (rc < 0 || over)
			return rc;
		if (hv_call_interrupted(call))
			return hv_fail(err, HV_FAILED, 0, "interrupted");
		if (waited >= limit)
			return hv_fail(err, HV_TIMEOUT, 0, "job \"%s\" still runs", name);
		nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	}
}

static int run_watch(struct hv_call *call, struct hv_error *err)
{
	return hv_call_each(call, watch_one, err);
}

static const char *const list_examples[] = {"job list", "what runs, and what ended lately", NULL};
static const char *const show_examples[] = {"job show 17", "one job with its log", NULL};
static const char *const watch_examples[] = {"job watch 17", "its progress until it ends", NULL};
static const char *const cancel_examples[] = {"job cancel 17", "ask it to end early", NULL};
static const char *const delete_examples[] = {"job delete '*' --where 'state!=running'",
					      "forget all that is over", NULL};

static const struct hv_command commands[] = {
	{.noun = "job",
	 .verb = "list",
	 .aliases = "ls",
	 .summary = "list jobs",
	 .args = any,
	 .examples = list_examples},
	{.noun = "job",
	 .verb = "show",
	 .aliases = "info",
	 .summary = "show all of a job",
	 .args = some,
	 .examples = show_examples},
	{.noun = "job",
	 .verb = "watch",
	 .summary = "follow a job to its end",
	 .args = some,
	 .options = watch_options,
	 .flags = HV_C_TEXT,
	 .examples = watch_examples,
	 .run = run_watch},
	{.noun = "job",
	 .verb = "cancel",
	 .summary = "ask a job to end early",
	 .args = some,
	 .effect = HV_CHANGES_STATE,
	 .flags = HV_C_NO_JOB,
	 .examples = cancel_examples},
	{.noun = "job",
	 .verb = "delete",
	 .aliases = "rm",
	 .summary = "forget jobs that are over",
	 .args = some,
	 .effect = HV_CHANGES_DATA,
	 .flags = HV_C_NO_JOB,
	 .examples = delete_examples},
	{.noun = NULL},
};

HVSH_PLUGIN("job", "1", "work that takes its time", .commands = commands);
