/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The control protocol's frames as a server sees them: bytes in pieces, lines, arguments checked
 * against the table, and an error object back and forth.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/client/protocol_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void serve(const json_t *request)
{
	struct hv_error err = {0}, back = {0};
	const char *name = json_string_value(json_object_get(request, "method"));
	for (int server = PROTOCOL_CHILD; server <= PROTOCOL_KEEPER; server++) {
		const struct protocol_method *m =
			protocol_find((enum protocol_server)server, name ? name : "");
		if (m && protocol_check_args(m, json_object_get(request, "args"), &err) < 0)
			assert(err.code == HV_USAGE);
		protocol_check_hello(request, (enum protocol_server)server, &err);
	}
	wire_error_parse(json_object_get(request, "error"), &back);
	assert(strlen(back.message) < sizeof back.message);
	json_t *again = wire_error(&back);
	assert(again);
	json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hv_error err;
	struct wire wire;
	int pair[2];
	if (size == 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	size_t step = (size_t)data[0] * 64 + 1;
	wire_init(&wire, pair[0]);
	for (size_t at = 1; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;
		json_t *message = NULL;
		int ret;
		if (send(pair[1], data + at, n, MSG_DONTWAIT) != (ssize_t)n)
			break;
		while ((ret = wire_fill(&wire, &err)) > 0)
			;
		if (ret < 0)
			break;
		while ((ret = wire_next(&wire, &message, &err)) != 0) {
			if (ret > 0)
				serve(message);
			json_decref(message);
			message = NULL;
		}
	}
	wire_fini(&wire);
	close(pair[0]);
	close(pair[1]);
	return 0;
}
