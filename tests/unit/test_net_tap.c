/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tap backend against the kernel's own tap, in a network namespace of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/net/net.h"

#define ETHERTYPE 0x88b5 /* for local experiments */

struct wire {
	struct net_backend *be;
	int packet; /* sends and sees frames on the device, as the host's network stack does */
};

static bool no_tap;

static int enter_namespace(void **state)
{
	(void)state;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	no_tap = fd < 0 || (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET));
	if (fd >= 0)
		close(fd);
	if (no_tap)
		print_message("no tap for this user here: %s\n", strerror(errno));
	return 0;
}

static int open_queue(const char *name, int flags)
{
	struct ifreq ifr = {.ifr_flags = (short)(IFF_TAP | flags)};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

/* Up without the kernel's own chatter (IPv6 needs an address first, which NOARP denies it). */
static int bring_up(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_UP | IFF_NOARP};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", name);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	assert_int_equal(ioctl(fd, SIOCGIFINDEX, &ifr), 0);
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
				      .sll_protocol = htons(ETHERTYPE),
				      .sll_ifindex = ifr.ifr_ifindex};
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static int set_up(void **state)
{
	static struct wire wire;
	int fds[2];

	*state = NULL;
	if (no_tap)
		return 0;
	for (int i = 0; i < 2; i++)
		fds[i] = open_queue("hvtest", IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
	assert_int_equal(net_tap_new(&wire.be, fds, 2, NULL), 0);
	wire.packet = bring_up("hvtest");
	*state = &wire;
	return 0;
}

static int tear_down(void **state)
{
	struct wire *wire = *state;

	if (!wire)
		return 0;
	close(wire->packet);
	net_backend_free(wire->be);
	return 0;
}

static void fill_frame(uint8_t *frame, uint8_t mark, size_t len)
{
	memset(frame, 0, len);
	memset(frame, 0xff, 6);
	frame[11] = 1;
	frame[12] = ETHERTYPE >> 8;
	frame[13] = ETHERTYPE & 0xff;
	frame[14] = mark;
}

static void host_sends(struct wire *wire, uint8_t mark, size_t len)
{
	uint8_t frame[1514];

	fill_frame(frame, mark, len);
	assert_int_equal(send(wire->packet, frame, len, 0), len);
}

/* The next frame of ours; others (neighbour discovery) are passed over. */
static ssize_t take(struct wire *wire, int pair, uint8_t *to, size_t len, size_t *need)
{
	struct iovec iov[3] = {{to, 30}, {to + 30, len - 30}};
	ssize_t n;

	do
		n = wire->be->ops->readv(wire->be, pair, iov, 2, len, need);
	while (n > 0 && (to[NET_HDR_LEN + 12] != ETHERTYPE >> 8 ||
			 to[NET_HDR_LEN + 13] != (ETHERTYPE & 0xff)));
	return n;
}

static void tap_receives_and_sends_with_its_header(void **state)
{
	struct wire *wire = *state;
	uint8_t got[NET_FRAME_MAX], frame[NET_HDR_LEN + 100] = {0};
	size_t need = 0;

	if (!wire)
		skip();
	assert_int_equal(wire->be->ops->set_pairs(wire->be, 1, NULL), 0);
	host_sends(wire, 7, 60);
	assert_int_equal(take(wire, 0, got, sizeof got, &need), NET_HDR_LEN + 60);
	assert_int_equal(got[NET_HDR_LEN + 14], 7);
	assert_int_equal(take(wire, 0, got, sizeof got, &need), -EAGAIN);

	fill_frame(frame + NET_HDR_LEN, 8, 100);
	struct iovec iov[2] = {{frame, 40}, {frame + 40, sizeof frame - 40}};
	assert_int_equal(wire->be->ops->writev(wire->be, 0, iov, 2, sizeof frame), 0);
	assert_int_equal(recv(wire->packet, got, sizeof got, 0), 100);
	assert_int_equal(got[14], 8);
}

static void tap_spreads_frames_over_attached_queues_only(void **state)
{
	struct wire *wire = *state;
	uint8_t got[NET_FRAME_MAX];
	size_t need = 0;

	if (!wire)
		skip();
	for (int round = 0; round < 3; round++) {
		assert_int_equal(wire->be->ops->set_pairs(wire->be, 2, NULL), 0);
		assert_int_equal(wire->be->ops->set_pairs(wire->be, 1, NULL), 0);
	}
	for (uint8_t i = 0; i < 8; i++)
		host_sends(wire, i, 60);
	for (uint8_t i = 0; i < 8; i++) {
		assert_int_equal(take(wire, 0, got, sizeof got, &need), NET_HDR_LEN + 60);
		assert_int_equal(got[NET_HDR_LEN + 14], i);
	}
	assert_int_equal(take(wire, 1, got, sizeof got, &need), -EAGAIN);
}

static void tap_keeps_a_frame_that_has_too_little_room(void **state)
{
	struct wire *wire = *state;
	uint8_t got[NET_FRAME_MAX];
	size_t need = 0;

	if (!wire)
		skip();
	assert_int_equal(wire->be->ops->set_pairs(wire->be, 1, NULL), 0);
	host_sends(wire, 1, 1000);
	host_sends(wire, 2, 60);
	assert_int_equal(take(wire, 0, got, 500, &need), -EMSGSIZE);
	assert_int_equal(need, NET_HDR_LEN + 1000);
	assert_int_equal(take(wire, 0, got, need, &need), NET_HDR_LEN + 1000);
	assert_int_equal(got[NET_HDR_LEN + 14], 1);
	/* little room, but enough */
	assert_int_equal(take(wire, 0, got, 100, &need), NET_HDR_LEN + 60);
	assert_int_equal(got[NET_HDR_LEN + 14], 2);
}

static void tap_reports_a_frame_longer_than_expected_as_none(void **state)
{
	struct wire *wire = *state;
	uint8_t got[NET_FRAME_MAX];
	size_t need = 0;

	if (!wire)
		skip();
	assert_int_equal(wire->be->ops->set_pairs(wire->be, 1, NULL), 0);
	wire->be->rx_len = 200;
	host_sends(wire, 1, 1000);
	host_sends(wire, 2, 60);
	assert_int_equal(take(wire, 0, got, 200, &need), 0);
	assert_int_equal(take(wire, 0, got, 200, &need), NET_HDR_LEN + 60);
	assert_int_equal(wire->be->ops->drop(wire->be, 0), -EAGAIN);
}

static void tap_takes_every_subset_of_its_offloads(void **state)
{
	struct wire *wire = *state;

	if (!wire)
		skip();
	assert_true(wire->be->offloads & NET_OFFLOAD_TSO4);
	for (unsigned offloads = 0; offloads < 32; offloads++)
		assert_int_equal(wire->be->ops->set_offloads(wire->be, offloads, NULL), 0);
}

static void tap_refuses_what_a_guest_cannot_ask_for(void **state)
{
	struct wire *wire = *state;
	uint8_t frame[NET_HDR_LEN + 60] = {0};

	if (!wire)
		skip();
	frame[1] = 0x77; /* no such gso_type */
	struct iovec iov = {frame, sizeof frame};
	assert_true(wire->be->ops->writev(wire->be, 0, &iov, 1, sizeof frame) < 0);
	iov.iov_len = NET_HDR_LEN + 3;
	assert_true(wire->be->ops->writev(wire->be, 0, &iov, 1, NET_HDR_LEN + 3) < 0);
}

static void tap_refuses_descriptors_of_another_kind(void **state)
{
	struct net_backend *be;
	struct hv_error err;
	int fds[2];

	(void)state;
	if (no_tap)
		skip();
	fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(net_tap_new(&be, fds, 1, &err), -HV_USAGE);
	close(fds[0]);
	fds[0] = open_queue("hvbare", IFF_NO_PI);
	assert_int_equal(net_tap_new(&be, fds, 1, &err), -HV_USAGE);
	close(fds[0]);
	fds[0] = open_queue("hvsingle", IFF_NO_PI | IFF_VNET_HDR);
	fds[1] = fds[0];
	assert_int_equal(net_tap_new(&be, fds, 2, &err), -HV_USAGE);
	assert_int_equal(net_tap_new(&be, fds, 0, &err), -HV_USAGE);
	assert_int_equal(net_tap_new(&be, fds, 1, &err), 0);
	net_backend_free(be);
}

#define WIRE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_TEST(tap_receives_and_sends_with_its_header),
		WIRE_TEST(tap_spreads_frames_over_attached_queues_only),
		WIRE_TEST(tap_keeps_a_frame_that_has_too_little_room),
		WIRE_TEST(tap_reports_a_frame_longer_than_expected_as_none),
		WIRE_TEST(tap_takes_every_subset_of_its_offloads),
		WIRE_TEST(tap_refuses_what_a_guest_cannot_ask_for),
		cmocka_unit_test(tap_refuses_descriptors_of_another_kind),
	};
	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
