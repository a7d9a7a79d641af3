/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keeper's socket: requests of hvsh for status, kill and consoles, and state events to those
 * who asked. A client that does not read its replies is dropped.
 */
#include "engine/vmm/keeper.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

void keeper_server_init(struct keeper *k)
{
	for (int i = 0; i < KEEPER_CLIENTS; i++) {
		wire_init(&k->clients[i].wire, -1);
		k->clients[i].kill_id = -1;
	}
}

static void drop_client(struct keeper *k, int i)
{
	struct keeper_client *c = &k->clients[i];
	int fd = c->wire.fd;
	if (fd < 0)
		return;
	wire_fini(&c->wire);
	close(fd);
	c->events = false;
	c->kill_id = -1;
	keeper_console_forget(k, i);
	malloc_trim(0);
}

/* message: consumed. */
static void send_to(struct keeper *k, int i, json_t *message, int fd)
{
	struct hv_error err;
	if (k->clients[i].wire.fd >= 0 &&
	    (!message || wire_send(k->clients[i].wire.fd, message, &fd, fd >= 0, 0, &err) < 0))
		drop_client(k, i);
	json_decref(message);
}

static void reply(struct keeper *k, int i, json_int_t id, json_t *result, int fd)
{
	send_to(k, i, json_pack("{s:I, s:o}", "id", id, "result", result), fd);
}

static void reply_error(struct keeper *k, int i, json_int_t id, const struct hv_error *err)
{
	send_to(k, i, json_pack("{s:I, s:o}", "id", id, "error", wire_error(err)), -1);
}

static void on_status(struct keeper *k, int i, json_int_t id, json_t *args)
{
	(void)args;
	reply(k, i, id, json_pack("{s:o}", "status", keeper_status_json(k)), -1);
}

/* The reply waits for the death: keeper_server_kill_done(). */
static void on_kill(struct keeper *k, int i, json_int_t id, json_t *args)
{
	(void)args;
	k->kill_asked = true;
	k->clients[i].kill_id = id;
	if (k->pid)
		pidfd_send_signal(k->pidfd, SIGKILL, NULL, 0);
	else
		k->restart_at_mono = 0; /* keeper_run() sees that nothing is left to wait for */
}

static void on_events(struct keeper *k, int i, json_int_t id, json_t *args)
{
	(void)args;
	k->clients[i].events = true;
	reply(k, i, id, json_object(), -1);
}

static void on_console(struct keeper *k, int i, json_int_t id, json_t *args)
{
	struct hv_error err;
	const char *console = json_string_value(json_object_get(args, "console"));
	const char *mode = json_string_value(json_object_get(args, "mode"));
	json_int_t scrollback = json_integer_value(json_object_get(args, "scrollback"));
	bool writer;
	int stream;
	if (keeper_console_attach(k, i, console, mode ? mode : "watch", (uint64_t)scrollback,
				  &stream, &writer, &err) < 0) {
		reply_error(k, i, id, &err);
		return;
	}
	reply(k, i, id, json_pack("{s:b}", "writer", writer), stream);
	close(stream);
}

static const struct {
	const char *method;
	void (*run)(struct keeper *k, int client, json_int_t id, json_t *args);
} handlers[] = {
	{"status", on_status},
	{"kill", on_kill},
	{"events", on_events},
	{"console", on_console},
};

static void dispatch(struct keeper *k, int i, json_t *request)
{
	struct hv_error err;
	json_int_t id = json_integer_value(json_object_get(request, "id"));
	const char *name = json_string_value(json_object_get(request, "method"));
	json_t *args = json_object_get(request, "args");
	const struct protocol_method *method = protocol_find(PROTOCOL_KEEPER, name ? name : "");
	if (!method) {
		hv_fail(&err, HV_USAGE, 0, "the keeper has no method \"%.40s\"", name ? name : "");
		reply_error(k, i, id, &err);
		return;
	}
	if (protocol_check_args(method, args, &err) < 0) {
		reply_error(k, i, id, &err);
		return;
	}
	for (size_t h = 0; h < sizeof handlers / sizeof *handlers; h++) {
		if (strcmp(handlers[h].method, name) == 0)
			handlers[h].run(k, i, id, args);
	}
}

static void accept_client(struct keeper *k)
{
	int fd = accept4(k->keeper_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	for (int i = 0; i < KEEPER_CLIENTS; i++) {
		if (k->clients[i].wire.fd >= 0)
			continue;
		wire_init(&k->clients[i].wire, fd);
		send_to(k, i, protocol_hello(PROTOCOL_KEEPER, k->name), -1);
		return;
	}
	close(fd);
}

static void serve(struct keeper *k, int i)
{
	struct wire *wire = &k->clients[i].wire;
	struct hv_error err;
	json_t *request;
	int ret = wire_fill(wire, &err);
	while (ret >= 0 && wire->fd >= 0 && (ret = wire_next(wire, &request, &err)) > 0) {
		dispatch(k, i, request);
		json_decref(request);
	}
	for (int fd; (fd = wire_take_fd(wire)) >= 0;) /* no method of the keeper takes one */
		close(fd);
	if (ret < 0)
		drop_client(k, i);
}

int keeper_server_poll(struct keeper *k, struct pollfd *polls)
{
	int n = 0;
	polls[n++] = (struct pollfd){.fd = k->keeper_fd, .events = POLLIN};
	for (int i = 0; i < KEEPER_CLIENTS; i++) {
		if (k->clients[i].wire.fd >= 0)
			polls[n++] = (struct pollfd){.fd = k->clients[i].wire.fd, .events = POLLIN};
	}
	return n;
}

void keeper_server_ready(struct keeper *k, const struct pollfd *p)
{
	if (p->fd == k->keeper_fd) {
		accept_client(k);
		return;
	}
	for (int i = 0; i < KEEPER_CLIENTS; i++) {
		if (k->clients[i].wire.fd == p->fd) {
			serve(k, i);
			return;
		}
	}
}

void keeper_server_state(struct keeper *k)
{
	for (int i = 0; i < KEEPER_CLIENTS; i++) {
		if (k->clients[i].wire.fd < 0 || !k->clients[i].events)
			continue;
		json_t *data = json_pack("{s:s}", "state", keeper_state_name(k->state));
		if (k->end.kind && k->state >= KEEPER_CRASHED) {
			json_object_set_new(data, "kind", json_string(k->end.kind));
			json_object_set_new(data, "message", json_string(k->end.message));
		}
		send_to(k, i, json_pack("{s:s, s:o}", "event", "state", "data", data), -1);
	}
}

void keeper_server_kill_done(struct keeper *k)
{
	for (int i = 0; i < KEEPER_CLIENTS; i++) {
		json_int_t id = k->clients[i].kill_id;
		k->clients[i].kill_id = -1;
		if (id >= 0 && k->clients[i].wire.fd >= 0)
			reply(k, i, id, json_object(), -1);
	}
}

void keeper_server_writer(struct keeper *k, int client, const char *console, bool writer)
{
	json_t *event = json_pack("{s:s, s:{s:s, s:b}}", "event", "console", "data", "console",
				  console, "writer", writer);
	send_to(k, client, event, -1);
}
