/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The child's control server: control.sock on the main thread's loop. Methods are found in
 * protocol_methods[] and checked against it; what they do is in control_methods.c.
 */
#ifndef HV_VMM_CONTROL_H
#define HV_VMM_CONTROL_H

#include <stdbool.h>

#include "engine/client/protocol_wire.h"
#include "engine/vmm/loop.h"

#define CONTROL_CLIENTS 16

struct control;
struct machine;
struct spec;

struct control_client {
	struct loop_source source; /* first member; fd -1: free slot */
	struct control *control;
	struct wire wire;
	bool events;
};

struct control {
	struct loop *loop;
	struct loop_source listener;
	struct machine *machine; /* borrowed */
	const struct spec *spec; /* borrowed */
	double started_mono;     /* when the guest began to run */
	bool stopping;           /* the power button was pressed */
	/* The state changed by a method: tells the keeper. */
	void (*state_changed)(struct control *control);
	void *owner;
	struct control_client clients[CONTROL_CLIENTS];
};

/* listen_fd: borrowed. The caller has set machine, spec and state_changed. */
int control_start(struct control *control, struct loop *loop, int listen_fd, struct hv_error *err);
void control_stop(struct control *control);

/* "running", "paused" or "stopping". */
const char *control_state(const struct control *control);
/* Sends the event "state" to those who asked. */
void control_tell_state(struct control *control);

/* One request: the reply's result as a new reference, or NULL with err filled. Descriptors that
 * came along are in wire. client may be NULL (tests). */
json_t *control_call(struct control *control, struct control_client *client, struct wire *wire,
		     const json_t *request, struct hv_error *err);

struct control_method {
	const char *name;
	json_t *(*run)(struct control *control, struct control_client *client, const json_t *args,
		       struct wire *wire, struct hv_error *err);
};
extern const struct control_method control_methods[]; /* ended by a NULL name */

#endif
