/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vm console: a VM's console on the operator's terminal, or in a script by what is sent and what is
 * waited for. The terminal is put back whatever ends the attachment.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "plugins/config.h"
#include "plugins/hvsh.h"

static const struct hv_prop args[] = {
	{.name = "vm", .type = HV_REF, .of = "vm", .flags = HV_P_REQUIRED, .help = "a VM's name"},
	{.type = HV_END}};
static const char *const channels[] = {"serial0", "virtio0", NULL};
static const struct hv_prop options[] = {
	{.name = "channel",
	 .type = HV_ENUM,
	 .choices = channels,
	 .preset = "serial0",
	 .help = "which console"},
	{.name = "log",
	 .type = HV_BOOL,
	 .flags = HV_P_FLAG,
	 .help = "print what it has written until now, and end; the VM need not run"},
	{.name = "watch", .type = HV_BOOL, .flags = HV_P_FLAG, .help = "look on, type nothing"},
	{.name = "take",
	 .type = HV_BOOL,
	 .flags = HV_P_FLAG,
	 .help = "take the keyboard from whoever has it"},
	{.name = "escape",
	 .type = HV_STRING,
	 .help = "the key that ends it: ^A to ^_, or one character; else the setting \"escape\""},
	{.name = "send",
	 .type = HV_STRING,
	 .help = "type this; \\n is the Enter key, \\\\ a backslash"},
	{.name = "until",
	 .type = HV_STRING,
	 .help = "end when the console, after what was sent, has written this"},
	{.name = "timeout",
	 .type = HV_DURATION,
	 .help = "end after this time; with --until: a failure"},
	{.type = HV_END}};

#define UNTIL_MAX 256

struct session {
	struct hv_call *call;
	int fd;
	int escape; /* -1: no keyboard */
	double until_s;
	const char *until;
	char tail[2 * UNTIL_MAX]; /* the last bytes written, to find `until` across reads */
	size_t tail_len;
	bool met, detached;
};

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- what the guest writes ------------------------------------------------------------------- */

static void remember(struct session *s, const char *data, size_t len)
{
	for (size_t i = 0; i < len && !s->met; i++) {
		if (s->tail_len == sizeof s->tail - 1) {
			memmove(s->tail, s->tail + UNTIL_MAX, s->tail_len - UNTIL_MAX);
			s->tail_len -= UNTIL_MAX;
		}
		s->tail[s->tail_len++] = data[i] ? data[i] : ' ';
		s->tail[s->tail_len] = '\0';
		size_t want = strlen(s->until);
		s->met = s->tail_len >= want && strcmp(s->tail + s->tail_len - want, s->until) == 0;
	}
}

static int take_output(struct session *s, struct hv_error *err)
{
	char data[4096];
	ssize_t got = read(s->fd, data, sizeof data);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0) {
		s->detached = true;
		return 0;
	}
	if (s->until)
		remember(s, data, (size_t)got);
	int rc = hv_call_text(s->call, data, (size_t)got, err);
	hv_call_flush(s->call);
	return rc;
}

/* ---- what the operator types ----------------------------------------------------------------- */

static int put(struct session *s, const char *data, size_t len, struct hv_error *err)
{
	while (len > 0) {
		ssize_t n = write(s->fd, data, len);
		if (n < 0 && errno == EAGAIN) {
			/* a guest that does not read: show what it writes meanwhile */
			poll(&(struct pollfd){.fd = s->fd, .events = POLLOUT}, 1, 100);
			if (now_s() > s->until_s)
				return hv_fail(err, HV_TIMEOUT, 0,
					       "the guest does not read its console");
			continue;
		}
		if (n < 0 && errno != EINTR)
			return hv_fail(err, HV_FAILED, errno, "cannot write to the console");
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int take_keys(struct session *s, struct hv_error *err)
{
	char keys[512];
	ssize_t got = read(STDIN_FILENO, keys, sizeof keys);
	if (got <= 0) {
		s->detached = got == 0;
		return 0;
	}
	char *escape = memchr(keys, s->escape, (size_t)got);
	s->detached = escape != NULL;
	return put(s, keys, escape ? (size_t)(escape - keys) : (size_t)got, err);
}

static int send_text(struct session *s, const char *text, struct hv_error *err)
{
	int rc = 0;
	for (; rc == 0 && *text; text++) {
		char c = *text;
		if (c == '\\' && text[1]) {
			text++;
			c = *text == 'n' || *text == 'r' ? '\r' : *text == 't' ? '\t' : *text;
		}
		rc = put(s, &c, 1, err);
	}
	return rc;
}

/* ---- attached -------------------------------------------------------------------------------- */

static int serve(struct session *s, struct hv_error *err)
{
	int rc = 0;
	while (rc == 0 && !s->detached && !s->met) {
		struct pollfd fds[2] = {
			{.fd = s->fd, .events = POLLIN},
			{.fd = s->escape >= 0 ? STDIN_FILENO : -1, .events = POLLIN}};
		double left = s->until_s - now_s();
		if (left <= 0)
			return s->until ? hv_fail(err, HV_TIMEOUT, 0,
						  "the console did not write \"%s\" in time",
						  s->until)
					: 0;
		poll(fds, 2, left > 3600 ? -1 : (int)(left * 1000) + 1);
		if (fds[0].revents)
			rc = take_output(s, err);
		if (rc == 0 && fds[1].revents)
			rc = take_keys(s, err);
	}
	if (rc == 0 && s->until && !s->met)
		rc = hv_fail(err, HV_FAILED, 0, "the VM ended before its console wrote \"%s\"",
			     s->until);
	return rc;
}

static int serve_raw(struct session *s, const char *name, const char *key, struct hv_error *err)
{
	struct termios saved, raw;
	if (tcgetattr(STDIN_FILENO, &saved) != 0)
		return hv_fail(err, HV_FAILED, errno, "cannot use the terminal");
	if (s->escape >= 0)
		fprintf(stderr, "console of %s; %s ends it\r\n", name, key);
	else
		fprintf(stderr, "console of %s, looking on; %s ends it\r\n", name, key);
	raw = saved;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	int rc = serve(s, err);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	fprintf(stderr, "\ndetached from the console of %s\n", name);
	return rc;
}

static int print_log(struct hv_call *call, int fd, struct hv_error *err)
{
	char data[16384];
	ssize_t got;
	int rc = 0;
	while (rc == 0 && (got = read(fd, data, sizeof data)) > 0)
		rc = hv_call_text(call, data, (size_t)got, err);
	return rc;
}

static int attach(struct hv_call *call, const char *suffix, int *fd, struct hv_error *err)
{
	char channel[64];
	snprintf(channel, sizeof channel, "%s%s", hv_get_string(call->options, "channel"), suffix);
	return hv_model_stream(call->model, call->targets[0], channel,
			       hv_get_bool(call->options, "watch"), fd, err);
}

static int run_attached(struct hv_call *call, struct session *s, struct hv_error *err)
{
	const char *send = hv_get_string(call->options, "send");
	const char *key = hv_get_string(
		hv_has(call->options, "escape") ? call->options : hv_config(), "escape");
	bool scripted = send || s->until || hv_has(call->options, "timeout");
	int escape = hv_config_key(key, err);
	if (escape < 0)
		return escape;
	if (!scripted && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))) {
		hv_fail(err, HV_USAGE, 0, "a console needs a terminal");
		return hv_hint(
			err, "--log prints what it wrote; --send, --until and --timeout script it");
	}
	/* what was there before must not be taken for the answer to what is sent */
	bool take = hv_get_bool(call->options, "take");
	int rc = attach(call,
			take && send ? ":take:now"
			: take       ? ":take"
			: send       ? ":now"
				     : "",
			&s->fd, err);
	if (rc < 0)
		return rc;
	if (send)
		rc = send_text(s, send, err);
	if (rc == 0 && !scripted) {
		s->escape = escape;
		rc = serve_raw(s, hv_object_name(call->targets[0]), key, err);
	} else if (rc == 0 && (s->until || hv_has(call->options, "timeout"))) {
		rc = serve(s, err);
	}
	close(s->fd);
	return rc;
}

static int run_console(struct hv_call *call, struct hv_error *err)
{
	struct session s = {.call = call, .fd = -1, .escape = -1, .until_s = 1e18};
	s.until = hv_get_string(call->options, "until");
	if (s.until && (!*s.until || strlen(s.until) >= UNTIL_MAX))
		return hv_fail(err, HV_USAGE, 0, "--until takes 1 to %d bytes", UNTIL_MAX - 1);
	if (hv_has(call->options, "timeout"))
		s.until_s = now_s() + hv_get_number(call->options, "timeout");
	if (!hv_get_bool(call->options, "log"))
		return run_attached(call, &s, err);
	int rc = attach(call, ":log", &s.fd, err);
	if (rc < 0)
		return rc;
	rc = print_log(call, s.fd, err);
	close(s.fd);
	return rc;
}

static const char *const examples[] = {
	"vm console web1",
	"its serial port on this terminal",
	"vm console web1 --log",
	"what it has written until now",
	"vm console web1 --send 'uname -r\\n' --until 6.1 --timeout 10s",
	"in a script",
	NULL};

static const struct hv_command commands[] = {
	{.noun = "vm",
	 .verb = "console",
	 .aliases = "attach",
	 .summary = "attach to a VM's console",
	 .details = "Several may look on; one has the keyboard. What nobody watched is in the log.",
	 .args = args,
	 .options = options,
	 .flags = HV_C_INTERACTIVE,
	 .examples = examples,
	 .run = run_console},
	{.noun = NULL},
};

HVSH_PLUGIN("console", "1", "the consoles of VMs", .commands = commands);
