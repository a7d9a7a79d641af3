// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * hvtest: the part of the stock-kernel guest's tests that a shell is too slow or too blind for, and
 * its counterpart on the host. Static, so that it runs in an initramfs. Prints "hvtest: KEY=VALUE"
 * lines; exit status 0 when the data was right.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 20, MAX_INPUTS = 8 };

static _Alignas(4096) uint64_t chunk[CHUNK / 8];

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fail(const char *what)
{
	printf("hvtest: error what=%s errno=%s\n", what, strerror(errno));
	return 1;
}

/* Fills the chunk with bytes that depend on their position in the stream, so a swap shows. */
static void fill(uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;

	for (size_t i = 0; i < CHUNK / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		chunk[i] = x;
	}
}

/* An order-dependent 64-bit sum over the first len bytes of the chunk; len is a multiple of 8. */
static uint64_t sum(uint64_t state, size_t len)
{
	for (size_t i = 0; i < len / 8; i++)
		state = (state ^ chunk[i]) * 0x100000001b3u + (state >> 47);
	return state;
}

/* Moves exactly len bytes of the chunk; returns 0, or -1 on error or end of file. */
static int move(int fd, int writing, size_t len)
{
	char *at = (char *)chunk;

	while (len > 0) {
		ssize_t n = writing ? write(fd, at, len) : read(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Sums the next n chunks of fd; what they should be is checked too where a pattern is expected. */
static int sum_stream(int fd, unsigned n, uint64_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < n; i++) {
		if (move(fd, 0, CHUNK) < 0)
			return -1;
		*out = sum(*out, CHUNK);
	}
	return 0;
}

static int write_pattern(int fd, unsigned n, uint64_t seed, uint64_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < n; i++) {
		fill(seed + i);
		*out = sum(*out, CHUNK);
		if (move(fd, 1, CHUNK) < 0)
			return -1;
	}
	return 0;
}

/* disk DEVICE MIB: writes a pattern past the page cache, reads it back, compares the sums. */
static int cmd_disk(char **arg)
{
	unsigned n = (unsigned)atoi(arg[1]);
	uint64_t wrote, read_back;
	double start = now(CLOCK_MONOTONIC), middle;
	int fd = open(arg[0], O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		return fail("open");
	if (write_pattern(fd, n, (uint64_t)time(NULL), &wrote) < 0 || fsync(fd) < 0)
		return fail("write");
	middle = now(CLOCK_MONOTONIC);
	if (lseek(fd, 0, SEEK_SET) < 0 || sum_stream(fd, n, &read_back) < 0)
		return fail("read");
	printf("hvtest: disk mib=%u wrote=%016jx read=%016jx write_s=%.2f read_s=%.2f\n", n,
	       (uintmax_t)wrote, (uintmax_t)read_back, middle - start,
	       now(CLOCK_MONOTONIC) - middle);
	close(fd);
	return wrote != read_back;
}

/* sum FILE MIB: what the host sees of what the guest wrote. */
static int cmd_sum(char **arg)
{
	uint64_t value;
	int fd = open(arg[0], O_RDONLY | O_CLOEXEC);

	if (fd < 0 || sum_stream(fd, (unsigned)atoi(arg[1]), &value) < 0)
		return fail("sum");
	printf("hvtest: sum value=%016jx\n", (uintmax_t)value);
	close(fd);
	return 0;
}

/* What a client asks of the server: it sends (1) or receives (0) that many MiB. */
struct order {
	uint32_t sends;
	uint32_t mib;
};

static int reply_sum(int fd, uint64_t value)
{
	return send(fd, &value, sizeof(value), MSG_NOSIGNAL) == (ssize_t)sizeof(value) ? 0 : -1;
}

static int serve_one(int fd)
{
	struct order order;
	uint64_t value;

	if (recv(fd, &order, sizeof(order), MSG_WAITALL) != (ssize_t)sizeof(order))
		return -1;
	if (order.sends)
		return sum_stream(fd, order.mib, &value) < 0 ? -1 : reply_sum(fd, value);
	return write_pattern(fd, order.mib, 1, &value) < 0 ? -1 : reply_sum(fd, value);
}

/* serve PORT: answers send and recv, one client at a time, until killed. */
static int cmd_serve(char **arg)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arg[0]))};
	int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 8) < 0)
		return fail("listen");
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return fail("accept");
		serve_one(fd);
		close(fd);
	}
}

/* send|recv HOST PORT MIB: a stream to or from the server, and whether both ends saw the same. */
static int transfer(char **arg, uint32_t sends)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arg[1]))};
	struct order order = {.sends = sends, .mib = (uint32_t)atoi(arg[2])};
	uint64_t ours, theirs;
	double start;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), mss = 0;
	socklen_t len = sizeof(mss);

	if (inet_pton(AF_INET, arg[0], &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return fail("connect");
	getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, &len);
	start = now(CLOCK_MONOTONIC);
	if (send(fd, &order, sizeof(order), MSG_NOSIGNAL) != (ssize_t)sizeof(order))
		return fail("order");
	if (sends ? write_pattern(fd, order.mib, 2, &ours) < 0
		  : sum_stream(fd, order.mib, &ours) < 0)
		return fail("transfer");
	if (recv(fd, &theirs, sizeof(theirs), MSG_WAITALL) != (ssize_t)sizeof(theirs))
		return fail("reply");
	printf("hvtest: %s mib=%u ours=%016jx theirs=%016jx mss=%d seconds=%.2f\n",
	       sends ? "send" : "recv", order.mib, (uintmax_t)ours, (uintmax_t)theirs, mss,
	       now(CLOCK_MONOTONIC) - start);
	close(fd);
	return ours != theirs;
}

static int cmd_send(char **arg)
{
	return transfer(arg, 1);
}

static int cmd_recv(char **arg)
{
	return transfer(arg, 0);
}

/* power: switches off when any input device reports the power key. */
static int cmd_power(char **arg)
{
	struct pollfd inputs[MAX_INPUTS];
	struct input_event event;
	unsigned n = 0;

	(void)arg;
	for (unsigned i = 0; i < MAX_INPUTS; i++) {
		char path[32];
		int fd;

		snprintf(path, sizeof(path), "/dev/input/event%u", i);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			inputs[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	printf("hvtest: power inputs=%u\n", n);
	fflush(stdout);
	while (n > 0 && poll(inputs, n, -1) >= 0)
		for (unsigned i = 0; i < n; i++)
			if ((inputs[i].revents & POLLIN) &&
			    read(inputs[i].fd, &event, sizeof(event)) == (ssize_t)sizeof(event) &&
			    event.type == EV_KEY && event.code == KEY_POWER && event.value == 1) {
				printf("hvtest: power button=pressed\n");
				fflush(stdout);
				sync();
				reboot(RB_POWER_OFF);
			}
	return 1;
}

/* clock: wall clock and time since boot, to be compared with the host's. */
static int cmd_clock(char **arg)
{
	(void)arg;
	printf("real=%.3f boot=%.3f\n", now(CLOCK_REALTIME), now(CLOCK_BOOTTIME));
	return 0;
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **arg);
} commands[] = {
	{"disk", 2, cmd_disk},   {"sum", 2, cmd_sum},   {"serve", 1, cmd_serve},
	{"send", 3, cmd_send},   {"recv", 3, cmd_recv}, {"power", 0, cmd_power},
	{"clock", 0, cmd_clock},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc >= 2 && !strcmp(argv[1], commands[i].name) && argc - 2 == commands[i].args)
			return commands[i].run(argv + 2);
	fprintf(stderr, "usage: hvtest disk DEV MIB | sum FILE MIB | serve PORT | "
			"send|recv HOST PORT MIB | power | clock\n");
	return 2;
}
