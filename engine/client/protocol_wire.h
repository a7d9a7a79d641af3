/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Lines of JSON with descriptors alongside, over a unix stream socket: what both ends of the
 * control protocol share. The peer is not trusted: lines are bounded, surplus descriptors are
 * closed.
 */
#ifndef HV_CLIENT_PROTOCOL_WIRE_H
#define HV_CLIENT_PROTOCOL_WIRE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/client/protocol.h"
#include "engine/model/error.h"

#define WIRE_FDS_MAX 16

/* The receiving half of a connection. Zeroed is empty. */
struct wire {
	int fd;      /* borrowed */
	char *bytes; /* owned; NULL while nothing is buffered */
	size_t len, capacity;
	int fds[WIRE_FDS_MAX]; /* received and not taken yet; owned */
	int n_fds;
};

void wire_init(struct wire *wire, int fd);
void wire_fini(struct wire *wire);

/*
 * One receive without waiting. Returns 1 when bytes came, 0 when none are there, -HV_UNREACHABLE at
 * the end or on an error, -HV_LIMIT when a line is longer than PROTOCOL_LINE_MAX.
 */
int wire_fill(struct wire *wire, struct hv_error *err);

/* Takes one line out of the buffer: 1 with a new reference in *message, 0 when no whole line is
 * there, -HV_USAGE when it is no JSON object (the line is gone). */
int wire_next(struct wire *wire, json_t **message, struct hv_error *err);

/* The oldest received descriptor, now the caller's; -1 if none. */
int wire_take_fd(struct wire *wire);

/*
 * Sends one line. timeout_ms 0: never waits, and a peer whose socket is full is -HV_LIMIT (the line
 * may be cut: close the connection). Negative: waits for ever.
 */
int wire_send(int fd, const json_t *message, const int *fds, int n_fds, int timeout_ms,
	      struct hv_error *err);

/* One line into a file or a pipe, by one write. */
int wire_write(int fd, const json_t *message, struct hv_error *err);

/* The error object of a reply, and back. */
json_t *wire_error(const struct hv_error *err);
void wire_error_parse(const json_t *object, struct hv_error *err);

/* Checks args against the method's table: what is missing, what has the wrong type. */
int protocol_check_args(const struct protocol_method *method, const json_t *args,
			struct hv_error *err);

/* {"hello":…} for a server to greet with; and its check on the client's side. */
json_t *protocol_hello(enum protocol_server server, const char *vm);
int protocol_check_hello(const json_t *hello, enum protocol_server server, struct hv_error *err);

#endif
