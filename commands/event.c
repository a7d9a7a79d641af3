/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The noun event: what happens on the hosts, as it happens. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugins/hvsh.h"

#define WATCHED_HOSTS 64

static const struct hv_prop follow_options[] = {
	{.name = "count", .type = HV_INT, .min = 1, .max = INT64_MAX, .help = "end after so many"},
	{.name = "timeout", .type = HV_DURATION, .help = "end after this time"},
	{.name = "where", .type = HV_STRING, .help = "only events that match a filter"},
	{.type = HV_END}};
static const struct hv_prop any[] = {{.name = "event",
				      .type = HV_REF,
				      .of = "event",
				      .flags = HV_P_MANY,
				      .help = "an event's number, globs allowed"},
				     {.type = HV_END}};

struct follow {
	struct hv_call *call;
	struct hv_where *where;
	int64_t left;
};

static int print(void *ctx, struct hv_object *event, struct hv_error *err)
{
	struct follow *follow = ctx;
	int rc = 0;
	if (follow->left > 0 && (!follow->where || hv_where_match(follow->where, event))) {
		char *json = hv_object_to_json(event);
		rc = json ? hv_call_text(follow->call, json, strlen(json), err)
			  : hv_fail(err, HV_FAILED, 0, "out of memory");
		if (rc == 0)
			rc = hv_call_text(follow->call, "\n", 1, err);
		free(json);
		follow->left--;
	}
	hv_object_free(event);
	return rc;
}

static int follow_events(struct follow *follow, double limit_s, struct hv_error *err)
{
	struct timespec start, now;
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (follow->left > 0 && !hv_call_interrupted(follow->call)) {
		int watched[WATCHED_HOSTS];
		struct pollfd fds[WATCHED_HOSTS];
		int n = hv_model_watch_fds(follow->call->model, watched, WATCHED_HOSTS);
		for (int i = 0; i < n; i++)
			fds[i] = (struct pollfd){.fd = watched[i], .events = POLLIN};
		clock_gettime(CLOCK_MONOTONIC, &now);
		double spent = (double)(now.tv_sec - start.tv_sec) +
			       (double)(now.tv_nsec - start.tv_nsec) / 1e9;
		if (spent >= limit_s)
			return 0;
		double left_ms = (limit_s - spent) * 1000;
		poll(fds, n > 0 ? (nfds_t)n : 0, left_ms < 3600000 ? (int)left_ms + 1 : 3600000);
		int rc = hv_model_watch_read(follow->call->model, print, follow, err);
		if (rc < 0)
			return rc;
		hv_call_flush(follow->call);
	}
	return 0;
}

static int run_follow(struct hv_call *call, struct hv_error *err)
{
	const struct hv_object *options = call->options;
	struct follow follow = {.call = call, .left = INT64_MAX};
	if (hv_has(options, "count"))
		follow.left = hv_get_int(options, "count");
	if (hv_has(options, "where")) {
		follow.where = hv_where_parse(hv_kind_find("event")->props,
					      hv_get_string(options, "where"), err);
		if (!follow.where)
			return -(int)err->code;
	}
	double limit = hv_has(options, "timeout") ? hv_get_number(options, "timeout") : 1e12;
	int rc = follow_events(&follow, limit, err);
	hv_where_free(follow.where);
	return rc;
}

static const char *const list_examples[] = {"event list", "the latest events", NULL};
static const char *const follow_examples[] = {"event follow --where 'state=crashed'",
					      "one JSON object a line, as it happens", NULL};

static const struct hv_command commands[] = {
	{.noun = "event",
	 .verb = "list",
	 .aliases = "ls",
	 .summary = "list the latest events",
	 .args = any,
	 .examples = list_examples},
	{.noun = "event",
	 .verb = "follow",
	 .aliases = "watch",
	 .summary = "print events as they happen",
	 .options = follow_options,
	 .flags = HV_C_TEXT,
	 .examples = follow_examples,
	 .run = run_follow},
	{.noun = NULL},
};

HVSH_PLUGIN("event", "1", "what happens on the hosts", .commands = commands);
