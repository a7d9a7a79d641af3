/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The network backend for units. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/fake_net.h"

static struct fake_net *fake_of(struct net_backend *be)
{
	return (struct fake_net *)be;
}

static int fake_set_offloads(struct net_backend *be, unsigned offloads, struct hv_error *err)
{
	(void)err;
	__atomic_store_n(&fake_of(be)->offloads_set, offloads, __ATOMIC_SEQ_CST);
	return 0;
}

static int fake_set_pairs(struct net_backend *be, int n, struct hv_error *err)
{
	struct fake_net *net = fake_of(be);

	if (net->fail_set_pairs > 0) {
		net->fail_set_pairs--;
		return hv_fail(err, HV_FAILED, EIO, "no pairs");
	}
	__atomic_store_n(&net->pairs_set, n, __ATOMIC_SEQ_CST);
	return 0;
}

static ssize_t result(ssize_t n)
{
	if (n >= 0)
		return n;
	return errno == ECONNREFUSED || errno == ENOTCONN ? -EPIPE : -errno;
}

static ssize_t fake_readv(struct net_backend *be, int pair, struct iovec *iov, int n_iov,
			  size_t len, size_t *need)
{
	uint8_t byte;
	ssize_t n = recv(be->fds[pair], &byte, 1, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

	if (n == 1) /* "the end" */
		return -EPIPE;
	if (n <= 0)
		return n ? result(n) : -EPIPE;
	if ((size_t)n > len) {
		*need = (size_t)n;
		return -EMSGSIZE;
	}
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)n_iov};
	return result(recvmsg(be->fds[pair], &message, MSG_DONTWAIT));
}

static ssize_t fake_drop(struct net_backend *be, int pair)
{
	uint8_t byte;
	ssize_t n = recv(be->fds[pair], &byte, 1, MSG_TRUNC | MSG_DONTWAIT);

	if (n > 0)
		__atomic_add_fetch(&fake_of(be)->n_drops, 1, __ATOMIC_SEQ_CST);
	return result(n);
}

static int fake_writev(struct net_backend *be, int pair, const struct iovec *iov, int n_iov,
		       size_t len)
{
	struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov,
				 .msg_iovlen = (size_t)n_iov};

	(void)len;
	ssize_t n = sendmsg(be->fds[pair], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 ? (int)result(n) : 0;
}

static int fake_reconnect(struct net_backend *be, int fd, struct hv_error *err)
{
	(void)err;
	close(be->fds[0]);
	be->fds[0] = fd;
	return 0;
}

static void fake_free(struct net_backend *be)
{
	for (int i = 0; i < be->n_pairs; i++)
		close(be->fds[i]);
}

static const struct net_backend_ops fake_ops = {
	.set_offloads = fake_set_offloads,
	.set_pairs = fake_set_pairs,
	.readv = fake_readv,
	.drop = fake_drop,
	.writev = fake_writev,
	.reconnect = fake_reconnect,
	.free = fake_free,
};

void fake_net_init(struct fake_net *net, int pairs, unsigned offloads)
{
	int size = 1 << 20;

	memset(net, 0, sizeof *net);
	net->be = (struct net_backend){.ops = &fake_ops,
				       .n_pairs = pairs,
				       .rx_pairs = pairs,
				       .offloads = offloads,
				       .knows_len = true};
	for (int i = 0; i < pairs; i++) {
		int fds[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
		net->be.fds[i] = fds[0];
		net->peers[i] = fds[1];
		setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	}
}

void fake_net_fini(struct fake_net *net)
{
	for (int i = 0; i < net->be.n_pairs; i++)
		close(net->peers[i]);
}

static void send_frame(struct fake_net *net, int pair, const void *frame, size_t len)
{
	assert_int_equal(send(net->peers[pair], frame, len, 0), len);
}

void fake_net_send(struct fake_net *net, int pair, size_t len, uint8_t mark)
{
	static uint8_t frame[NET_FRAME_MAX];

	memset(frame, mark, sizeof frame);
	memset(frame, 0, NET_HDR_LEN);
	memset(frame + NET_HDR_LEN, 0xff, 6);
	send_frame(net, pair, frame, NET_HDR_LEN + len);
}

void fake_net_send_to(struct fake_net *net, int pair, const uint8_t mac[6], size_t len, int vlan)
{
	uint8_t frame[NET_HDR_LEN + 1518] = {0};

	memcpy(frame + NET_HDR_LEN, mac, 6);
	if (vlan >= 0) {
		frame[NET_HDR_LEN + 12] = 0x81;
		frame[NET_HDR_LEN + 14] = (uint8_t)(vlan >> 8);
		frame[NET_HDR_LEN + 15] = (uint8_t)vlan;
	}
	send_frame(net, pair, frame, NET_HDR_LEN + len);
}

ssize_t fake_net_poll(struct fake_net *net, int pair, uint8_t *to, size_t len)
{
	return recv(net->peers[pair], to, len, MSG_DONTWAIT);
}

ssize_t fake_net_receive(struct fake_net *net, int pair, uint8_t *to, size_t len)
{
	struct pollfd pfd = {net->peers[pair], POLLIN, 0};

	poll(&pfd, 1, 2000);
	return fake_net_poll(net, pair, to, len);
}
