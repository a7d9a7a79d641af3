/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The child's control server: connections, lines, replies; a client that does not read is dropped.
 */
#include "engine/vmm/control.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/vmm/machine.h"
#include "engine/vmm/spec.h"

const char *control_state(const struct control *control)
{
	enum machine_state now = machine_state(control->machine);
	if (now == MACHINE_PAUSED || now == MACHINE_NEW)
		return "paused";
	return control->stopping ? "stopping" : "running";
}

static void drop_client(struct control_client *client)
{
	int fd = client->source.fd;
	if (fd < 0)
		return;
	loop_remove(client->control->loop, &client->source);
	wire_fini(&client->wire);
	close(fd);
	client->source.fd = -1;
	client->events = false;
}

/* message: consumed. */
static void send_to(struct control_client *client, json_t *message)
{
	struct hv_error err;
	if (!message || wire_send(client->source.fd, message, NULL, 0, 0, &err) < 0)
		drop_client(client);
	json_decref(message);
}

json_t *control_call(struct control *control, struct control_client *client, struct wire *wire,
		     const json_t *request, struct hv_error *err)
{
	const char *name = json_string_value(json_object_get(request, "method"));
	const json_t *args = json_object_get(request, "args");
	const struct protocol_method *method = protocol_find(PROTOCOL_CHILD, name ? name : "");
	if (!method) {
		hv_fail(err, HV_USAGE, 0, "there is no method \"%.40s\"", name ? name : "");
		return NULL;
	}
	if (protocol_check_args(method, args, err) < 0)
		return NULL;
	for (const struct control_method *m = control_methods; m->name; m++) {
		if (strcmp(m->name, name) != 0)
			continue;
		json_t *result = m->run(control, client, args, wire, err);
		return result;
	}
	hv_fail(err, HV_FAILED, 0, "method \"%s\" is not served", name);
	return NULL;
}

static void serve_request(struct control_client *client, const json_t *request)
{
	struct hv_error err = {.code = HV_FAILED, .message = "out of memory"};
	json_int_t id = json_integer_value(json_object_get(request, "id"));
	json_t *result = control_call(client->control, client, &client->wire, request, &err);
	json_t *reply = result ? json_pack("{s:I, s:o}", "id", id, "result", result)
			       : json_pack("{s:I, s:o}", "id", id, "error", wire_error(&err));
	send_to(client, reply);
	for (int fd; (fd = wire_take_fd(&client->wire)) >= 0;) /* what the method did not take */
		close(fd);
}

static void client_ready(struct loop_source *source, uint32_t epoll_events)
{
	struct control_client *client = (struct control_client *)source;
	struct hv_error err;
	json_t *request;
	(void)epoll_events;
	int ret = wire_fill(&client->wire, &err);
	while (ret >= 0 && source->fd >= 0 &&
	       (ret = wire_next(&client->wire, &request, &err)) > 0) {
		serve_request(client, request);
		json_decref(request);
	}
	if (ret < 0)
		drop_client(client);
}

static void listener_ready(struct loop_source *source, uint32_t epoll_events)
{
	struct control *control =
		(struct control *)((char *)source - offsetof(struct control, listener));
	struct hv_error err;
	(void)epoll_events;
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		struct control_client *client = &control->clients[i];
		if (client->source.fd >= 0)
			continue;
		client->source.fd = fd;
		wire_init(&client->wire, fd);
		if (loop_add(control->loop, &client->source, EPOLLIN, &err) < 0)
			break;
		send_to(client, protocol_hello(PROTOCOL_CHILD, control->spec->name));
		return;
	}
	close(fd);
}

int control_start(struct control *control, struct loop *loop, int listen_fd, struct hv_error *err)
{
	control->loop = loop;
	control->listener = (struct loop_source){.fd = listen_fd, .ready = listener_ready};
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		control->clients[i].source = (struct loop_source){.fd = -1, .ready = client_ready};
		control->clients[i].control = control;
		control->clients[i].events = false;
	}
	return loop_add(loop, &control->listener, EPOLLIN, err);
}

void control_stop(struct control *control)
{
	if (!control->loop)
		return;
	loop_remove(control->loop, &control->listener);
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		drop_client(&control->clients[i]);
	control->loop = NULL;
}

void control_tell_state(struct control *control)
{
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		struct control_client *client = &control->clients[i];
		if (client->source.fd >= 0 && client->events)
			send_to(client, json_pack("{s:s, s:{s:s}}", "event", "state", "data",
						  "state", control_state(control)));
	}
}
