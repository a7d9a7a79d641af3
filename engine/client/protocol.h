/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The control protocol: JSON objects, one a line, over the VM's unix sockets (control.sock: the
 * child; keeper.sock: the keeper). This table is the one source for the dispatchers, the client's
 * checks and the generated reference.
 *
 *	server: {"hello":"hvsh-vmm","version":1,"min_version":1,"name":"web1"}
 *	client: {"id":1,"method":"pause","args":{…}}            descriptors alongside by SCM_RIGHTS
 *	server: {"id":1,"result":{…}}  or
 *{"id":1,"error":{"code":"conflict","message":"…","hint":"…"}} server:
 *{"event":"state","data":{"state":"paused"}}     at any time, after "events" asked for them
 *
 * Unknown fields are ignored, an unknown method is the error "usage". A line is at most 64 KiB.
 */
#ifndef HV_CLIENT_PROTOCOL_H
#define HV_CLIENT_PROTOCOL_H

#include <stddef.h>

#include "engine/model/error.h"

#define PROTOCOL_VERSION 1
#define PROTOCOL_MIN_VERSION 1
#define PROTOCOL_LINE_MAX 65536

enum protocol_server { PROTOCOL_CHILD, PROTOCOL_KEEPER };

struct protocol_field {
	const char *name;
	const char *type; /* "string", "integer", "size", "bool", "object", "array" */
	const char *help;
	int optional;
};

struct protocol_method {
	enum protocol_server server;
	const char *name;
	const char *help;
	const struct protocol_field *args;   /* ended by a NULL name; NULL for none */
	const struct protocol_field *result; /* likewise */
};

/* Ended by a NULL name. */
extern const struct protocol_method protocol_methods[];
extern const struct protocol_method protocol_events[];

/* The same tables for plugins. */
HV_PUBLIC const struct protocol_method *hv_protocol_methods(void);
HV_PUBLIC const struct protocol_method *hv_protocol_events(void);

const struct protocol_method *protocol_find(enum protocol_server server, const char *name);

#endif
