/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stream from passt, as hostile bytes in pieces of any size, and frames of any length to it.
 *
 *	input: records of u8 kind | u16 length, little-endian | bytes to receive (kind 0)
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/net/net.h"

enum kind { FEED, READ, DROP, WRITE, FLUSH, N_KINDS };

static uint8_t frame[NET_FRAME_MAX + 64];

static void read_one(struct net_backend *be, size_t room)
{
	struct iovec iov[3] = {{frame, room / 2}, {frame + room / 2, room - room / 2}};
	size_t need = 0;
	ssize_t n = be->ops->readv(be, 0, iov, 2, room, &need);

	if (n > (ssize_t)room || (n >= 0 && n < NET_HDR_LEN))
		abort();
	if (n == -EMSGSIZE && (need <= room || need > NET_FRAME_MAX))
		abort();
	if (n < 0 && n != -EMSGSIZE && n != -EAGAIN && n != -EPIPE)
		abort();
}

static void write_one(struct net_backend *be, size_t len)
{
	struct iovec iov[2] = {{frame, len / 3}, {frame + len / 3, len - len / 3}};

	be->ops->writev(be, 1, iov, 2, len);
}

static void drain(int fd)
{
	static uint8_t bytes[65536];

	while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net_backend *be;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) ||
	    net_passt_new(&be, fds[0], NULL))
		abort();
	while (size >= 3) {
		unsigned kind = data[0] % N_KINDS;
		size_t len = data[1] | (size_t)data[2] << 8;
		data += 3;
		size -= 3;
		if (kind == FEED) {
			size_t n = len < size ? len : size;
			if (send(fds[1], data, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
			    errno != EAGAIN)
				abort();
			data += n;
			size -= n;
		} else if (kind == READ) {
			read_one(be, len);
		} else if (kind == DROP) {
			be->ops->drop(be, 0);
		} else if (kind == WRITE) {
			write_one(be, len);
		} else {
			be->ops->flush(be, 0);
			drain(fds[1]);
		}
	}
	net_backend_free(be);
	close(fds[1]);
	return 0;
}
