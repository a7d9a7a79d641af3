/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Consoles of the VMs of a test host: a banner, then an echo of what is typed, each by a thread of
 * its own that shares nothing with the rest. Channel "log" is the banner alone.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugins/providers/test/world.h"

struct test_stream {
	struct test_stream *next;
	pthread_t thread;
	int fd; /* our end; closed after the join */
};

/* Until the other end is closed, or world_close_streams() shuts ours. */
static void *echo(void *data)
{
	struct test_stream *stream = data;
	char buf[256];
	ssize_t n;
	while ((n = read(stream->fd, buf, sizeof buf)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			bool enter = buf[i] == '\r' || buf[i] == '\n';
			const char *out = enter ? "\r\nlogin: " : &buf[i];
			if (send(stream->fd, out, enter ? strlen(out) : 1, MSG_NOSIGNAL) < 0)
				return NULL;
		}
	}
	return NULL;
}

static int start_echo(struct world *world, int fd, struct hv_error *err)
{
	struct test_stream *stream = calloc(1, sizeof *stream);
	int rc = stream ? 0 : ENOMEM;
	if (stream) {
		stream->fd = fd;
		rc = pthread_create(&stream->thread, NULL, echo, stream);
	}
	if (rc) {
		free(stream);
		return hv_fail(err, HV_FAILED, rc, "console");
	}
	stream->next = world->streams;
	world->streams = stream;
	return 0;
}

int world_stream(void *data, const struct hv_object *target, const char *channel, bool read_only,
		 int *fd, struct hv_error *err)
{
	struct world *world = data;
	const char *name = hv_object_name(target);
	const struct test_vm *vm = world_find(world, name);
	bool log = read_only && channel && strcmp(channel, "log") == 0;
	if (!vm)
		return hv_fail(err, HV_NOT_FOUND, 0, "vm \"%s\" is gone", name);
	if (!log && strcmp(vm->state, "running") != 0 && strcmp(vm->state, "paused") != 0) {
		hv_fail(err, HV_CONFLICT, 0, "vm \"%s\" is %s; its console needs it running", name,
			vm->state);
		return hv_hint(err, "first: hvsh vm start %s", name);
	}
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return hv_fail(err, HV_FAILED, errno, "console of vm \"%s\"", name);
	char banner[160];
	int len = snprintf(banner, sizeof banner, "\r\n%s: a VM made of memory\r\n%s", name,
			   log ? "" : "login: ");
	(void)!send(pair[1], banner, (size_t)len, MSG_NOSIGNAL);
	int rc = 0;
	if (log)
		close(pair[1]);
	else
		rc = start_echo(world, pair[1], err);
	if (rc < 0) {
		close(pair[0]);
		close(pair[1]);
		return rc;
	}
	*fd = pair[0];
	return 0;
}

void world_close_streams(struct world *world)
{
	for (struct test_stream *s = world->streams, *next; s; s = next) {
		next = s->next;
		shutdown(s->fd, SHUT_RDWR);
		pthread_join(s->thread, NULL);
		close(s->fd);
		free(s);
	}
	world->streams = NULL;
}
