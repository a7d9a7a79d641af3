/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The framing of the stream to passt, over a socket pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/net/net.h"

struct stream {
	struct net_backend *be;
	int peer;
};

static int set_up(void **state)
{
	static struct stream stream;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(net_passt_new(&stream.be, fds[0], NULL), 0);
	stream.peer = fds[1];
	*state = &stream;
	return 0;
}

static int tear_down(void **state)
{
	struct stream *stream = *state;

	net_backend_free(stream->be);
	if (stream->peer >= 0)
		close(stream->peer);
	return 0;
}

static ssize_t read_frame(struct stream *stream, void *to, size_t len, size_t *need)
{
	struct iovec iov[2] = {{to, len}};

	return stream->be->ops->readv(stream->be, 0, iov, 1, len, need);
}

static void send_frame(struct stream *stream, const void *packet, uint32_t len)
{
	uint32_t be_len = htonl(len);

	assert_int_equal(send(stream->peer, &be_len, 4, 0), 4);
	assert_int_equal(send(stream->peer, packet, len, 0), len);
}

static void passt_reads_frames_that_came_together(void **state)
{
	struct stream *stream = *state;
	uint8_t packet[60] = {1, 2, 3}, got[2048];
	size_t need = 0;

	send_frame(stream, packet, 60);
	packet[0] = 9;
	send_frame(stream, packet, 42);
	memset(got, 0xff, sizeof got);
	assert_int_equal(read_frame(stream, got, sizeof got, &need), 72);
	/* no offloads: the header is zero */
	for (int i = 0; i < NET_HDR_LEN; i++)
		assert_int_equal(got[i], 0);
	assert_int_equal(got[NET_HDR_LEN], 1);
	assert_int_equal(read_frame(stream, got, sizeof got, &need), 54);
	assert_int_equal(got[NET_HDR_LEN], 9);
	assert_int_equal(read_frame(stream, got, sizeof got, &need), -EAGAIN);
}

static void passt_waits_for_the_rest_of_a_frame(void **state)
{
	struct stream *stream = *state;
	uint8_t bytes[4 + 100] = {0, 0, 0, 100, 7}, got[256];
	size_t need = 0;

	for (size_t i = 0; i < sizeof bytes; i++) {
		assert_int_equal(read_frame(stream, got, sizeof got, &need), -EAGAIN);
		assert_int_equal(send(stream->peer, bytes + i, 1, 0), 1);
	}
	assert_int_equal(read_frame(stream, got, sizeof got, &need), 112);
	assert_int_equal(got[NET_HDR_LEN], 7);
}

static void passt_keeps_a_frame_until_there_is_room(void **state)
{
	struct stream *stream = *state;
	uint8_t packet[1000] = {5}, got[2048];
	size_t need = 0;

	send_frame(stream, packet, sizeof packet);
	assert_int_equal(read_frame(stream, got, 500, &need), -EMSGSIZE);
	assert_int_equal(need, 1012);
	assert_int_equal(read_frame(stream, got, need, &need), 1012);
	assert_int_equal(got[NET_HDR_LEN], 5);

	send_frame(stream, packet, sizeof packet);
	packet[0] = 6;
	send_frame(stream, packet, 14);
	assert_int_equal(stream->be->ops->drop(stream->be, 0), 1000);
	assert_int_equal(read_frame(stream, got, sizeof got, &need), 26);
	assert_int_equal(got[NET_HDR_LEN], 6);
}

static void passt_takes_frames_of_64_kib_one_after_another(void **state)
{
	struct stream *stream = *state;
	static uint8_t packet[65549], got[NET_FRAME_MAX];
	size_t need = 0;

	for (int i = 0; i < 20; i++) {
		packet[0] = packet[sizeof packet - 1] = (uint8_t)i;
		send_frame(stream, packet, sizeof packet);
		send_frame(stream, packet, 61);
		assert_int_equal(read_frame(stream, got, sizeof got, &need), 65561);
		assert_int_equal(got[NET_HDR_LEN], i);
		assert_int_equal(got[65560], i);
		assert_int_equal(read_frame(stream, got, sizeof got, &need), 73);
	}
}

static void passt_gives_up_on_a_length_that_cannot_be(void **state)
{
	struct stream *stream = *state;
	uint8_t got[256];
	size_t need = 0;

	assert_int_equal(send(stream->peer, "\xff\xff\xff\xffxx", 6, 0), 6);
	assert_int_equal(read_frame(stream, got, sizeof got, &need), -EPIPE);
	assert_int_equal(read_frame(stream, got, sizeof got, &need), -EPIPE);
}

static int write_frame(struct stream *stream, int pair, uint8_t *bytes, size_t len)
{
	struct iovec iov[3] = {{bytes, 5}, {bytes + 5, 20}, {bytes + 25, len - 25}};

	return stream->be->ops->writev(stream->be, pair, iov, 3, len);
}

static void passt_sends_length_and_packet_without_header(void **state)
{
	struct stream *stream = *state;
	uint8_t frame[NET_HDR_LEN + 60] = {0}, got[256];

	frame[NET_HDR_LEN] = 0xab;
	frame[NET_HDR_LEN + 59] = 0xcd;
	assert_int_equal(write_frame(stream, 0, frame, sizeof frame), 0);
	assert_int_equal(write_frame(stream, 3, frame, sizeof frame), 0);
	/* nothing leaves before the end of the batch */
	assert_int_equal(recv(stream->peer, got, sizeof got, MSG_DONTWAIT), -1);
	assert_int_equal(stream->be->ops->flush(stream->be, 0), 0);
	assert_int_equal(recv(stream->peer, got, sizeof got, MSG_DONTWAIT), 2 * 64);
	assert_memory_equal(got, "\0\0\0\x3c\xab", 5);
	assert_int_equal(got[63], 0xcd);
	assert_memory_equal(got + 64, "\0\0\0\x3c\xab", 5);
}

static void passt_refuses_what_is_no_frame(void **state)
{
	struct stream *stream = *state;
	static uint8_t frame[NET_FRAME_MAX + 1];

	assert_int_equal(write_frame(stream, 0, frame, NET_HDR_LEN + NET_ETH_LEN - 1), -EINVAL);
	assert_int_equal(write_frame(stream, 0, frame, NET_FRAME_MAX + 1), -EINVAL);
	assert_int_equal(write_frame(stream, 0, frame, NET_FRAME_MAX), 0);
}

/* Fills socket and buffer, then drains: every byte must come, in order. */
static void passt_resumes_a_frame_that_was_sent_in_part(void **state)
{
	struct stream *stream = *state;
	static uint8_t frame[NET_HDR_LEN + 9000], got[9004];
	unsigned sent = 0, received = 0;

	for (; sent < 1000; sent++) {
		frame[NET_HDR_LEN] = (uint8_t)sent;
		if (write_frame(stream, 0, frame, sizeof frame))
			break;
	}
	assert_in_range(sent, 10, 999);
	assert_int_equal(stream->be->ops->flush(stream->be, 0), -EAGAIN);
	for (; received < sent; received++) {
		size_t have = 0;
		while (have < sizeof got) {
			ssize_t n = recv(stream->peer, got + have, sizeof got - have, MSG_DONTWAIT);
			if (n > 0)
				have += (size_t)n;
			else
				stream->be->ops->flush(stream->be, 0);
		}
		assert_memory_equal(got, "\0\0\x23\x28", 4);
		assert_int_equal(got[4], received % 256);
	}
	assert_int_equal(stream->be->ops->flush(stream->be, 0), 0);
}

static void passt_reports_a_peer_that_is_gone_and_takes_another(void **state)
{
	struct stream *stream = *state;
	uint8_t frame[NET_HDR_LEN + 60] = {0}, got[256];
	size_t need = 0;
	int fds[2];

	close(stream->peer);
	assert_int_equal(write_frame(stream, 0, frame, sizeof frame), 0);
	assert_int_equal(stream->be->ops->flush(stream->be, 0), -EPIPE);
	assert_int_equal(write_frame(stream, 0, frame, sizeof frame), -EPIPE);
	assert_int_equal(read_frame(stream, got, sizeof got, &need), -EPIPE);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	stream->peer = fds[1];
	assert_int_equal(stream->be->ops->reconnect(stream->be, fds[0], NULL), 0);
	send_frame(stream, frame, 60);
	assert_int_equal(read_frame(stream, got, sizeof got, &need), 72);
	assert_int_equal(write_frame(stream, 0, frame, sizeof frame), 0);
	assert_int_equal(stream->be->ops->flush(stream->be, 0), 0);
	assert_int_equal(recv(stream->peer, got, sizeof got, MSG_DONTWAIT), 64);
}

static void passt_refuses_what_is_no_stream(void **state)
{
	struct net_backend *be;
	struct hv_error err;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(net_passt_new(&be, fds[0], &err), -HV_USAGE);
	/* still ours */
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(close(fds[1]), 0);
}

#define STREAM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STREAM_TEST(passt_reads_frames_that_came_together),
		STREAM_TEST(passt_waits_for_the_rest_of_a_frame),
		STREAM_TEST(passt_keeps_a_frame_until_there_is_room),
		STREAM_TEST(passt_takes_frames_of_64_kib_one_after_another),
		STREAM_TEST(passt_gives_up_on_a_length_that_cannot_be),
		STREAM_TEST(passt_sends_length_and_packet_without_header),
		STREAM_TEST(passt_refuses_what_is_no_frame),
		STREAM_TEST(passt_resumes_a_frame_that_was_sent_in_part),
		STREAM_TEST(passt_reports_a_peer_that_is_gone_and_takes_another),
		cmocka_unit_test(passt_refuses_what_is_no_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
