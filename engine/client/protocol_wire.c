/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines of JSON with descriptors alongside, for both ends of the control protocol. */
#include "engine/client/protocol_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_STEP 4096
#define WIRE_WRITE_MAX (1 << 20)

void wire_init(struct wire *wire, int fd)
{
	memset(wire, 0, sizeof *wire);
	wire->fd = fd;
}

void wire_fini(struct wire *wire)
{
	free(wire->bytes);
	for (int i = 0; i < wire->n_fds; i++)
		close(wire->fds[i]);
	wire_init(wire, -1);
}

static void keep_fds(struct wire *wire, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (wire->n_fds < WIRE_FDS_MAX)
				wire->fds[wire->n_fds++] = fd;
			else
				close(fd);
		}
	}
}

static int grow(struct wire *wire, struct hv_error *err)
{
	if (wire->capacity - wire->len >= READ_STEP)
		return 0;
	size_t capacity = wire->capacity ? wire->capacity * 2 : READ_STEP;
	if (wire->len >= PROTOCOL_LINE_MAX && !memchr(wire->bytes, '\n', wire->len))
		return hv_fail(err, HV_LIMIT, 0, "control protocol: a line is too long");
	char *grown = realloc(wire->bytes, capacity);
	if (!grown)
		return hv_fail(err, HV_LIMIT, ENOMEM, "control protocol");
	wire->bytes = grown;
	wire->capacity = capacity;
	return 0;
}

int wire_fill(struct wire *wire, struct hv_error *err)
{
	int ret = grow(wire, err);
	if (ret < 0)
		return ret;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
	} control;
	struct iovec iov = {wire->bytes + wire->len, wire->capacity - wire->len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof control};
	ssize_t got = recvmsg(wire->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got < 0)
		return hv_fail(err, HV_UNREACHABLE, errno, "connection lost");
	if (got == 0)
		return hv_fail(err, HV_UNREACHABLE, 0, "connection closed by the other side");
	keep_fds(wire, &msg);
	wire->len += (size_t)got;
	return 1;
}

/* Buffers go as soon as they are empty: the keeper is to stay small. */
static void drop(struct wire *wire, size_t n)
{
	wire->len -= n;
	if (wire->len) {
		memmove(wire->bytes, wire->bytes + n, wire->len);
		return;
	}
	free(wire->bytes);
	wire->bytes = NULL;
	wire->capacity = 0;
}

int wire_next(struct wire *wire, json_t **message, struct hv_error *err)
{
	char *end = wire->len ? memchr(wire->bytes, '\n', wire->len) : NULL;
	if (!end)
		return 0;
	size_t len = (size_t)(end - wire->bytes);
	json_error_t why;
	int ret = 1;
	*message = json_loadb(wire->bytes, len, 0, &why);
	if (!json_is_object(*message)) {
		json_decref(*message);
		*message = NULL;
		ret = hv_fail(err, HV_USAGE, 0, "control protocol: a line is not a JSON object");
	}
	drop(wire, len + 1);
	return ret;
}

int wire_take_fd(struct wire *wire)
{
	if (!wire->n_fds)
		return -1;
	int fd = wire->fds[0];
	memmove(wire->fds, wire->fds + 1, sizeof(int) * (size_t)--wire->n_fds);
	return fd;
}

static int wait_writable(int fd, int timeout_ms, struct hv_error *err)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	if (timeout_ms == 0)
		return hv_fail(err, HV_LIMIT, 0, "the other side does not read");
	int ret = poll(&p, 1, timeout_ms);
	if (ret == 0)
		return hv_fail(err, HV_TIMEOUT, 0, "the other side does not read");
	if (ret < 0 && errno != EINTR)
		return hv_fail(err, HV_UNREACHABLE, errno, "connection lost");
	return 0;
}

/* Descriptors travel with the first byte. */
static int send_all(int fd, const char *bytes, size_t len, const int *fds, int n_fds,
		    int timeout_ms, struct hv_error *err)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
	} control = {0};
	size_t sent = 0;
	while (sent < len) {
		struct iovec iov = {(char *)bytes + sent, len - sent};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
		if (sent == 0 && n_fds > 0) {
			msg.msg_control = &control;
			msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n_fds);
			struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n_fds);
			memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n_fds);
		}
		ssize_t n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			sent += (size_t)n;
		} else if (errno == EAGAIN) {
			int ret = wait_writable(fd, timeout_ms, err);
			if (ret < 0)
				return ret;
		} else if (errno != EINTR) {
			return hv_fail(err, HV_UNREACHABLE, errno, "connection lost");
		}
	}
	return 0;
}

/* The message as one line, *len bytes with its newline; the caller frees it. */
static char *make_line(const json_t *message, size_t max, size_t *len, struct hv_error *err)
{
	*len = message ? json_dumpb(message, NULL, 0, JSON_COMPACT) : 0;
	char *line = *len && *len < max ? malloc(*len + 1) : NULL;
	if (!line) {
		hv_fail(err, HV_LIMIT, 0, "control protocol: a message is too long");
		return NULL;
	}
	json_dumpb(message, line, *len, JSON_COMPACT);
	line[(*len)++] = '\n';
	return line;
}

int wire_send(int fd, const json_t *message, const int *fds, int n_fds, int timeout_ms,
	      struct hv_error *err)
{
	if (n_fds > WIRE_FDS_MAX)
		return hv_fail(err, HV_LIMIT, 0, "too many descriptors for one message");
	size_t len;
	char *line = make_line(message, PROTOCOL_LINE_MAX, &len, err);
	if (!line)
		return -HV_LIMIT;
	int ret = send_all(fd, line, len, fds, n_fds, timeout_ms, err);
	free(line);
	return ret;
}

int wire_write(int fd, const json_t *message, struct hv_error *err)
{
	size_t len;
	char *line = make_line(message, WIRE_WRITE_MAX, &len, err);
	if (!line)
		return -HV_LIMIT;
	ssize_t n = write(fd, line, len);
	int ret = n == (ssize_t)len ? 0 : hv_fail(err, HV_FAILED, n < 0 ? errno : 0, "short write");
	free(line);
	return ret;
}

json_t *wire_error(const struct hv_error *err)
{
	/* strings of ours may have been cut within a UTF-8 sequence: then the code alone */
	json_t *object = json_pack("{s:s, s:i, s:s, s:s}", "code", hv_code_name(err->code), "errno",
				   err->sys, "message", err->message, "hint", err->hint);
	return object ? object
		      : json_pack("{s:s, s:s}", "code", hv_code_name(err->code), "message",
				  "(unreadable message)");
}

/* Text of the other side: no control characters reach our caller. */
static void copy_clean(char *to, size_t size, const char *from)
{
	size_t n = 0;
	for (; from && *from && n + 1 < size; from++)
		to[n++] = (unsigned char)*from < ' ' || *from == 0x7f ? ' ' : *from;
	to[n] = '\0';
}

void wire_error_parse(const json_t *object, struct hv_error *err)
{
	const char *name = json_string_value(json_object_get(object, "code"));
	int code = name ? hv_code_parse(name) : -1;
	err->code = code > 0 ? (enum hv_code)code : HV_FAILED;
	err->sys = (int)json_integer_value(json_object_get(object, "errno"));
	copy_clean(err->message, sizeof err->message,
		   json_string_value(json_object_get(object, "message")));
	copy_clean(err->hint, sizeof err->hint, json_string_value(json_object_get(object, "hint")));
}

static bool has_type(const json_t *value, const char *type)
{
	static const struct {
		const char *name;
		json_type json;
	} types[] = {{"string", JSON_STRING},
		     {"integer", JSON_INTEGER},
		     {"size", JSON_INTEGER},
		     {"object", JSON_OBJECT},
		     {"array", JSON_ARRAY}};
	if (strcmp(type, "bool") == 0)
		return json_is_boolean(value);
	if (strcmp(type, "number") == 0)
		return json_is_number(value);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (strcmp(types[i].name, type) == 0)
			return json_typeof(value) == types[i].json;
	}
	return false;
}

int protocol_check_args(const struct protocol_method *method, const json_t *args,
			struct hv_error *err)
{
	if (args && !json_is_object(args))
		return hv_fail(err, HV_USAGE, 0, "method \"%s\": args is not an object",
			       method->name);
	for (const struct protocol_field *f = method->args; f && f->name; f++) {
		const json_t *value = json_object_get(args, f->name);
		if (!value && f->optional)
			continue;
		if (!value)
			return hv_fail(err, HV_USAGE, 0, "method \"%s\": \"%s\" is missing",
				       method->name, f->name);
		if (!has_type(value, f->type) ||
		    (strcmp(f->type, "size") == 0 && json_integer_value(value) < 0))
			return hv_fail(err, HV_USAGE, 0, "method \"%s\": \"%s\" is not of type %s",
				       method->name, f->name, f->type);
	}
	return 0;
}

static const char *server_name(enum protocol_server server)
{
	return server == PROTOCOL_CHILD ? "hvsh-vmm" : "hvsh-keeper";
}

json_t *protocol_hello(enum protocol_server server, const char *vm)
{
	return json_pack("{s:s, s:i, s:i, s:s}", "hello", server_name(server), "version",
			 PROTOCOL_VERSION, "min_version", PROTOCOL_MIN_VERSION, "name", vm);
}

int protocol_check_hello(const json_t *hello, enum protocol_server server, struct hv_error *err)
{
	const char *who = json_string_value(json_object_get(hello, "hello"));
	json_int_t version = json_integer_value(json_object_get(hello, "version"));
	json_int_t min = json_integer_value(json_object_get(hello, "min_version"));
	if (!who || strcmp(who, server_name(server)) != 0)
		return hv_fail(err, HV_FAILED, 0, "control socket: not a %s", server_name(server));
	if (version < PROTOCOL_MIN_VERSION || min > PROTOCOL_VERSION) {
		hv_fail(err, HV_FAILED, 0,
			"control socket: it speaks versions %lld to %lld, this hvsh %d to %d",
			(long long)min, (long long)version, PROTOCOL_MIN_VERSION, PROTOCOL_VERSION);
		return hv_hint(err,
			       "restart the VM with this hvsh, or use the hvsh that started it");
	}
	return 0;
}
