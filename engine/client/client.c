/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client side of the control protocol: see client.h. */
#include "engine/client/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "engine/client/protocol_wire.h"

#define EVENTS_MAX 256

struct hv_client {
	struct wire wire;
	enum protocol_server server;
	char name[64]; /* of the VM, for messages */
	json_int_t next_id;
	json_t *events; /* an array: what arrived while a call waited */
};

static long long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* -1 stays "for ever"; a deadline that has passed is 0. */
static int left_ms(long long deadline)
{
	if (deadline < 0)
		return -1;
	long long left = deadline - now_ms();
	return left > 0 ? (int)left : 0;
}

static long long deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
}

/* The next message, 1; 0 when the deadline passed; else an error. */
static int next_message(struct hv_client *client, json_t **message, long long deadline,
			struct hv_error *err)
{
	for (;;) {
		int ret = wire_next(&client->wire, message, err);
		if (ret != 0)
			return ret;
		ret = wire_fill(&client->wire, err);
		if (ret < 0)
			return ret;
		if (ret > 0)
			continue;
		struct pollfd p = {.fd = client->wire.fd, .events = POLLIN};
		ret = poll(&p, 1, left_ms(deadline));
		if (ret == 0)
			return 0;
		if (ret < 0 && errno != EINTR)
			return hv_fail(err, HV_FAILED, errno, "vm \"%s\"", client->name);
	}
}

static void keep_event(struct hv_client *client, json_t *event)
{
	if (json_array_size(client->events) >= EVENTS_MAX)
		json_array_remove(client->events, 0);
	json_array_append(client->events, event);
}

int hv_client_open_fd(struct hv_client **out, int fd, const char *name, enum protocol_server server,
		      int timeout_ms, struct hv_error *err)
{
	struct hv_client *client = calloc(1, sizeof *client);
	json_t *hello = NULL;
	if (!client) {
		close(fd);
		return hv_fail(err, HV_FAILED, ENOMEM, "vm \"%s\"", name);
	}
	wire_init(&client->wire, fd);
	client->server = server;
	client->next_id = 1;
	client->events = json_array();
	snprintf(client->name, sizeof client->name, "%s", name);
	int ret = next_message(client, &hello, deadline_of(timeout_ms), err);
	if (ret == 0) {
		ret = hv_fail(err, HV_TIMEOUT, 0, "vm \"%s\" does not answer", name);
		hv_hint(err, "it may be starting or restarting: try again");
	} else if (ret > 0) {
		ret = protocol_check_hello(hello, server, err);
	}
	if (ret < 0 && err && err->code == HV_UNREACHABLE)
		ret = hv_fail(err, HV_CONFLICT, 0, "vm \"%s\" has just ended", name);
	json_decref(hello);
	if (ret < 0) {
		hv_client_close(client);
		return ret;
	}
	*out = client;
	return 0;
}

/* A socket's path is short; by way of the folder's descriptor any folder will do. */
static int connect_in(const char *dir, const char *socket_name, struct hv_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return hv_fail(err, HV_FAILED, errno, "folder \"%s\"", dir);
	snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir_fd,
		 socket_name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, sizeof address);
	int sys = errno;
	close(dir_fd);
	if (ret == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return hv_fail(err, HV_FAILED, sys, "socket \"%s\"", socket_name);
}

int hv_client_open(struct hv_client **out, const char *dir, enum protocol_server server,
		   int timeout_ms, struct hv_error *err)
{
	struct hv_error local;
	const char *slash = strrchr(dir, '/'), *name = slash ? slash + 1 : dir;
	err = err ? err : &local;
	int fd = connect_in(dir, server == PROTOCOL_CHILD ? "control.sock" : "keeper.sock", err);
	if (fd >= 0)
		return hv_client_open_fd(out, fd, name, server, timeout_ms, err);
	switch (err->sys) {
	case ENOENT:
		hv_fail(err, HV_CONFLICT, 0, "vm \"%s\" is stopped", name);
		return hv_hint(err, "start it: vm start %s", name);
	case ECONNREFUSED:
		hv_fail(err, HV_CONFLICT, 0, "vm \"%s\" is not running", name);
		return hv_hint(err, "see how it ended: vm show %s", name);
	case EACCES:
		hv_fail(err, HV_DENIED, EACCES, "vm \"%s\"", name);
		return hv_hint(err, "it belongs to another user");
	case EAGAIN:
		hv_fail(err, HV_CONFLICT, 0, "vm \"%s\" is busy with other clients", name);
		return hv_hint(err, "try again");
	default:
		return hv_fail(err, HV_FAILED, err->sys, "vm \"%s\": cannot reach its process",
			       name);
	}
}

void hv_client_close(struct hv_client *client)
{
	if (!client)
		return;
	int fd = client->wire.fd;
	wire_fini(&client->wire);
	if (fd >= 0)
		close(fd);
	json_decref(client->events);
	free(client);
}

/* Waits for the reply to id; events that come first are kept. */
static int await_reply(struct hv_client *client, json_int_t id, json_t **reply, long long deadline,
		       const char *method, struct hv_error *err)
{
	for (;;) {
		json_t *message;
		int ret = next_message(client, &message, deadline, err);
		if (ret == 0) {
			hv_fail(err, HV_TIMEOUT, 0, "vm \"%s\": no answer to \"%s\"", client->name,
				method);
			return hv_hint(err, "the vm's process may be stuck: vm kill ends it");
		}
		if (ret < 0)
			return hv_within(err, "vm \"%s\"", client->name);
		if (json_object_get(message, "event"))
			keep_event(client, message);
		if (json_integer_value(json_object_get(message, "id")) == id) {
			*reply = message;
			return 0;
		}
		json_decref(message);
	}
}

int hv_client_call(struct hv_client *client, const char *method, json_t *args, const int *fds,
		   int n_fds, json_t **result, int timeout_ms, struct hv_error *err)
{
	struct hv_error local;
	long long deadline = deadline_of(timeout_ms);
	json_int_t id = client->next_id++;
	err = err ? err : &local;
	json_t *request = json_pack("{s:I, s:s, s:O*}", "id", id, "method", method, "args", args);
	if (!request)
		return hv_fail(err, HV_FAILED, ENOMEM, "vm \"%s\"", client->name);
	int ret = wire_send(client->wire.fd, request, fds, n_fds, timeout_ms, err);
	json_decref(request);
	if (ret < 0)
		return hv_within(err, "vm \"%s\"", client->name);
	json_t *reply = NULL;
	if ((ret = await_reply(client, id, &reply, deadline, method, err)) < 0)
		return ret;
	json_t *error = json_object_get(reply, "error");
	if (error) {
		wire_error_parse(error, err);
		ret = -(int)err->code;
	} else if (result) {
		*result = json_incref(json_object_get(reply, "result"));
	}
	json_decref(reply);
	return ret;
}

int hv_client_take_fd(struct hv_client *client)
{
	return wire_take_fd(&client->wire);
}

int hv_client_fd(const struct hv_client *client)
{
	return client->wire.fd;
}

int hv_client_event(struct hv_client *client, json_t **event, int timeout_ms, struct hv_error *err)
{
	long long deadline = deadline_of(timeout_ms);
	if (json_array_size(client->events)) {
		*event = json_incref(json_array_get(client->events, 0));
		json_array_remove(client->events, 0);
		return 1;
	}
	for (;;) {
		int ret = next_message(client, event, deadline, err);
		if (ret <= 0 || json_object_get(*event, "event"))
			return ret;
		json_decref(*event); /* a reply that nobody waits for any more */
	}
}

int hv_console_attach(struct hv_client *keeper, const char *console, enum hv_console_mode mode,
		      long long scrollback_bytes, int *stream, bool *writer, struct hv_error *err)
{
	static const char *const modes[] = {"watch", "write", "take"};
	json_t *result = NULL;
	json_t *args = json_pack("{s:s, s:s, s:I}", "console", console, "mode", modes[mode],
				 "scrollback", (json_int_t)scrollback_bytes);
	int ret = hv_client_call(keeper, "console", args, NULL, 0, &result, 5000, err);
	json_decref(args);
	if (ret < 0)
		return ret;
	*writer = json_is_true(json_object_get(result, "writer"));
	json_decref(result);
	*stream = hv_client_take_fd(keeper);
	if (*stream < 0)
		return hv_fail(err, HV_FAILED, 0, "vm \"%s\": its keeper sent no console",
			       keeper->name);
	return 0;
}
