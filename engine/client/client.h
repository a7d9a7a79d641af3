/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client side of the control protocol (protocol.h): one connection to a VM's control.sock (the
 * child) or keeper.sock (the keeper), found in its runtime folder. Calls wait; events that arrive
 * meanwhile are kept (at most 256, then the oldest goes). One thread at a time.
 */
#ifndef HV_CLIENT_CLIENT_H
#define HV_CLIENT_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "engine/client/protocol.h"
#include "engine/model/error.h"

struct hv_client;

/*
 * dir: the VM's runtime folder. Errors: HV_CONFLICT where the VM is not running (no socket, or
 * nobody behind it), HV_DENIED, HV_TIMEOUT, HV_FAILED for a server that speaks another version.
 */
HV_PUBLIC int hv_client_open(struct hv_client **out, const char *dir, enum protocol_server server,
			     int timeout_ms, struct hv_error *err);
/* As above over a connected socket (taken; closed on error too); name is for messages. */
HV_PUBLIC int hv_client_open_fd(struct hv_client **out, int fd, const char *name,
				enum protocol_server server, int timeout_ms, struct hv_error *err);
HV_PUBLIC void hv_client_close(struct hv_client *client); /* NULL is fine */

/*
 * Calls a method and waits for its reply. args: borrowed, may be NULL; fds: sent alongside,
 * borrowed. *result (may be NULL) is a new reference. timeout_ms < 0: no limit. The server's own
 * errors come back as it wrote them; after HV_TIMEOUT or a lost connection the client can only be
 * closed.
 */
HV_PUBLIC int hv_client_call(struct hv_client *client, const char *method, json_t *args,
			     const int *fds, int n_fds, json_t **result, int timeout_ms,
			     struct hv_error *err);

/* The oldest descriptor that came with a reply, now the caller's; -1 if none. */
HV_PUBLIC int hv_client_take_fd(struct hv_client *client);

/* For poll(): readable when an event may be there. */
HV_PUBLIC int hv_client_fd(const struct hv_client *client);
/*
 * The next event, {"event":…,"data":…}, as a new reference in *event. Returns 1 with an event, 0
 * when none came within timeout_ms, negative when the connection is gone (HV_UNREACHABLE).
 */
HV_PUBLIC int hv_client_event(struct hv_client *client, json_t **event, int timeout_ms,
			      struct hv_error *err);

/*
 * Attaches to a console of the VM through the keeper ("serial0", "virtio0"). *stream becomes a
 * non-blocking socket: what the guest writes comes out of it, what goes in is typed at the guest
 * while we are its writer. Closing it detaches; end of file: the keeper is gone. The client stays
 * open beside it: its events "console" tell when somebody takes the keyboard over.
 * scrollback_bytes: how much of the past comes first. *writer: whether the keyboard is ours.
 */
enum hv_console_mode { HV_CONSOLE_WATCH, HV_CONSOLE_WRITE, HV_CONSOLE_TAKE };
HV_PUBLIC int hv_console_attach(struct hv_client *keeper, const char *console,
				enum hv_console_mode mode, long long scrollback_bytes, int *stream,
				bool *writer, struct hv_error *err);

#endif
