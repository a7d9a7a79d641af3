/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The passt backend: frames on a stream socket, each after its length in 4 bytes, big-endian. Owns
 * the socket and two buffers:
 *
 *	socket ─recv─► in[pos..end) ─copy─► guest         guest ─copy─► out[pos..end) ─send─► socket
 *
 * One recv() or send() moves as many frames as there are; per frame that costs less than the copy
 * does. A buffer starts again at 0 whenever it runs empty, so that an idle one has a page or two
 * touched.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/net/net.h"
#include "engine/virtio/vq.h"

#define LEN_BYTES 4
#define PACKET_MAX (NET_FRAME_MAX - NET_HDR_LEN) /* a frame without its virtio header */
#define BUFFER_LEN (128 * 1024)

struct stream_buffer {
	uint8_t *bytes; /* BUFFER_LEN, mapped */
	size_t pos, end;
};

struct passt {
	struct net_backend be;
	struct stream_buffer in;  /* pair 0's thread only */
	struct stream_buffer out; /* under out_lock */
	pthread_mutex_t out_lock;
	bool out_broken; /* under out_lock: the peer is gone */
	bool in_broken;  /* pair 0's thread only */
};

static struct passt *passt_of(struct net_backend *be)
{
	return (struct passt *)be;
}

/* Bytes from pos are moved to the front where less than room is left behind end. */
static void buffer_make_room(struct stream_buffer *buffer, size_t room)
{
	if (buffer->pos == buffer->end) {
		buffer->pos = buffer->end = 0;
	} else if (BUFFER_LEN - buffer->end < room && buffer->pos > 0) {
		memmove(buffer->bytes, buffer->bytes + buffer->pos, buffer->end - buffer->pos);
		buffer->end -= buffer->pos;
		buffer->pos = 0;
	}
}

static ssize_t in_fail(struct passt *passt)
{
	passt->in_broken = true;
	passt->in.pos = passt->in.end = 0;
	return -EPIPE;
}

/* The length of the packet whose first byte is at in.pos + LEN_BYTES, once it is there whole. */
static ssize_t in_packet(struct passt *passt)
{
	struct stream_buffer *in = &passt->in;
	uint32_t len;

	for (;;) {
		size_t have = in->end - in->pos;

		if (passt->in_broken)
			return -EPIPE;
		if (have >= LEN_BYTES) {
			memcpy(&len, in->bytes + in->pos, LEN_BYTES);
			len = ntohl(len);
			/* no way to find the next frame after a length that cannot be */
			if (len > PACKET_MAX)
				return in_fail(passt);
			if (have - LEN_BYTES >= len)
				return (ssize_t)len;
		}
		buffer_make_room(in, LEN_BYTES + PACKET_MAX);
		ssize_t n = recv(passt->be.fds[0], in->bytes + in->end, BUFFER_LEN - in->end,
				 MSG_DONTWAIT);
		if (n == 0)
			return in_fail(passt);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? -EAGAIN : in_fail(passt);
		in->end += (size_t)n;
	}
}

static ssize_t passt_readv(struct net_backend *be, int pair, struct iovec *iov, int n_iov,
			   size_t len, size_t *need)
{
	static const uint8_t no_offloads[NET_HDR_LEN];
	struct passt *passt = passt_of(be);

	if (pair != 0)
		return -EAGAIN;
	ssize_t packet_len = in_packet(passt);
	if (packet_len < 0)
		return packet_len;
	*need = NET_HDR_LEN + (size_t)packet_len;
	if (*need > len)
		return -EMSGSIZE;
	iov_copy_in(iov, n_iov, 0, no_offloads, NET_HDR_LEN);
	iov_copy_in(iov, n_iov, NET_HDR_LEN, passt->in.bytes + passt->in.pos + LEN_BYTES,
		    (size_t)packet_len);
	passt->in.pos += LEN_BYTES + (size_t)packet_len;
	return (ssize_t)*need;
}

static ssize_t passt_drop(struct net_backend *be, int pair)
{
	struct passt *passt = passt_of(be);

	if (pair != 0)
		return -EAGAIN;
	ssize_t packet_len = in_packet(passt);
	if (packet_len < 0)
		return packet_len;
	passt->in.pos += LEN_BYTES + (size_t)packet_len;
	return packet_len;
}

/* Caller holds out_lock. */
static int out_flush(struct passt *passt)
{
	struct stream_buffer *out = &passt->out;

	while (!passt->out_broken && out->pos < out->end) {
		ssize_t n = send(passt->be.fds[0], out->bytes + out->pos, out->end - out->pos,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return -EAGAIN;
		if (n < 0)
			passt->out_broken = true;
		else
			out->pos += (size_t)n;
	}
	out->pos = out->end = 0;
	return passt->out_broken ? -EPIPE : 0;
}

/* Caller holds out_lock. */
static int out_append(struct passt *passt, const struct iovec *iov, int n_iov, size_t packet_len)
{
	struct stream_buffer *out = &passt->out;
	uint32_t len = htonl((uint32_t)packet_len);
	size_t room = LEN_BYTES + packet_len;

	if (passt->out_broken)
		return -EPIPE;
	if (BUFFER_LEN - out->end < room) {
		int rc = out_flush(passt);
		if (rc == -EPIPE)
			return rc;
		buffer_make_room(out, room);
		if (BUFFER_LEN - out->end < room)
			return -EAGAIN;
	}
	memcpy(out->bytes + out->end, &len, LEN_BYTES);
	size_t n = iov_copy_out(iov, n_iov, NET_HDR_LEN, out->bytes + out->end + LEN_BYTES,
				packet_len);
	if (n != packet_len)
		return -EINVAL;
	out->end += room;
	return 0;
}

static int passt_writev(struct net_backend *be, int pair, const struct iovec *iov, int n_iov,
			size_t len)
{
	struct passt *passt = passt_of(be);

	(void)pair;
	if (len < NET_HDR_LEN + NET_ETH_LEN || len - NET_HDR_LEN > PACKET_MAX)
		return -EINVAL;
	pthread_mutex_lock(&passt->out_lock);
	int rc = out_append(passt, iov, n_iov, len - NET_HDR_LEN);
	pthread_mutex_unlock(&passt->out_lock);
	return rc;
}

static int passt_flush(struct net_backend *be, int pair)
{
	struct passt *passt = passt_of(be);

	(void)pair;
	pthread_mutex_lock(&passt->out_lock);
	int rc = out_flush(passt);
	pthread_mutex_unlock(&passt->out_lock);
	return rc;
}

static int take_stream(struct passt *passt, int fd, struct hv_error *err)
{
	int type = 0;
	socklen_t type_len = sizeof type;
	int flags = fcntl(fd, F_GETFL);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) || type != SOCK_STREAM)
		return hv_fail(err, HV_USAGE, 0, "descriptor %d is not a stream socket to passt",
			       fd);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return hv_fail(err, HV_FAILED, errno,
			       "cannot make the socket to passt non-blocking");
	for (int i = 0; i < NET_PAIRS_MAX; i++)
		passt->be.fds[i] = fd;
	passt->in.pos = passt->in.end = 0;
	passt->out.pos = passt->out.end = 0;
	passt->in_broken = passt->out_broken = false;
	return 0;
}

static int passt_reconnect(struct net_backend *be, int fd, struct hv_error *err)
{
	int old = be->fds[0];
	int rc = take_stream(passt_of(be), fd, err);

	close(rc ? fd : old);
	return rc;
}

static void passt_free(struct net_backend *be)
{
	struct passt *passt = passt_of(be);

	if (passt->in.bytes)
		munmap(passt->in.bytes, 2 * BUFFER_LEN);
	if (be->fds[0] >= 0)
		close(be->fds[0]);
	pthread_mutex_destroy(&passt->out_lock);
	free(passt);
}

static const struct net_backend_ops passt_ops = {
	.readv = passt_readv,
	.drop = passt_drop,
	.writev = passt_writev,
	.flush = passt_flush,
	.reconnect = passt_reconnect,
	.free = passt_free,
};

int net_passt_new(struct net_backend **out, int fd, struct hv_error *err)
{
	struct passt *passt = calloc(1, sizeof *passt);
	void *buffers = MAP_FAILED;
	int rc;

	if (!passt)
		return hv_fail(err, HV_FAILED, ENOMEM, "cannot set up passt");
	passt->be = (struct net_backend){
		.ops = &passt_ops,
		.n_pairs = NET_PAIRS_MAX,
		.rx_pairs = 1,
		.knows_len = true,
		.fds[0] = -1,
		.rx_len = NET_FRAME_MAX,
	};
	pthread_mutex_init(&passt->out_lock, NULL);
	rc = take_stream(passt, fd, err);
	if (!rc) {
		buffers = mmap(NULL, 2 * BUFFER_LEN, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (buffers == MAP_FAILED)
			rc = hv_fail(err, HV_FAILED, errno, "cannot set up passt");
	}
	if (rc) {
		passt->be.fds[0] = -1; /* stays the caller's */
		passt_free(&passt->be);
		return rc;
	}
	passt->in.bytes = buffers;
	passt->out.bytes = passt->in.bytes + BUFFER_LEN;
	*out = &passt->be;
	return 0;
}
