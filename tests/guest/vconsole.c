/* SPDX-License-Identifier: GPL-3.0-or-later */
/* virtio-console (VIRTIO 1.2, 5.3), its first port: write a line, read what comes, echo. */
#include "tests/guest/clock.h"
#include "tests/guest/mem.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"
#include "tests/guest/virtio.h"

#define QUEUE_RX 0
#define QUEUE_TX 1
#define BUFFERS 16
#define BUFFER_LEN 1024
#define TIMEOUT_MS 5000

static uint8_t *buffers;

static void post(struct virtio *v, uint8_t *buffer)
{
	struct vpart part = {buffer, BUFFER_LEN};

	vring_add(v->rings[QUEUE_RX], &part, 0, 1, buffer);
}

static int attach(struct virtio *v)
{
	if (!buffers && !(buffers = mem_alloc(BUFFERS * BUFFER_LEN, 4096)))
		return fail("out of memory");
	if (virtio_begin(v, F_INDIRECT_DESC | F_EVENT_IDX) || virtio_queue(v, QUEUE_RX, 64, 1, 0) ||
	    virtio_queue(v, QUEUE_TX, 64, 2, 0))
		return -1;
	for (int i = 0; i < BUFFERS; i++)
		post(v, buffers + i * BUFFER_LEN);
	if (virtio_go(v))
		return -1;
	vring_kick(v->rings[QUEUE_RX]);
	return 0;
}

static int write(struct virtio *v, const void *text, uint32_t len)
{
	struct vpart part = {(void *)text, len};

	if (!vring_add(v->rings[QUEUE_TX], &part, 1, 0, v))
		return fail("console: queue full");
	vring_kick(v->rings[QUEUE_TX]);
	return vring_wait(v->rings[QUEUE_TX], NULL, TIMEOUT_MS) ? 0 : fail("console: no answer");
}

/* Reads until that time is over; echoes or prints what comes. */
static int listen(struct virtio *v, uint64_t ms, bool echo)
{
	uint64_t until = clock_ns() + ms * 1000000, total = 0;

	for (uint64_t now; (now = clock_ns()) < until;) {
		uint32_t len;
		uint8_t *buffer = vring_wait(v->rings[QUEUE_RX], &len,
					     (unsigned)((until - now) / 1000000 + 1));
		if (!buffer)
			break;
		if (len > BUFFER_LEN)
			return fail("console: %u bytes in a buffer of %u", len, BUFFER_LEN);
		total += len;
		if (echo && write(v, buffer, len))
			return -1;
		if (!echo)
			print("console got=%u text=", len);
		for (uint32_t i = 0; i < len && !echo; i++)
			print("%c", buffer[i] < ' ' || buffer[i] > '~' ? '.' : buffer[i]);
		if (!echo)
			print("\n");
		post(v, buffer);
		vring_kick(v->rings[QUEUE_RX]);
	}
	print("console bytes=%lu\n", total);
	return 0;
}

static int run_console(int argc, char **argv)
{
	struct virtio *v = virtio_find(VIRTIO_CONSOLE, 0);
	uint64_t ms = 1000;

	if (!v)
		return fail("no virtio-console");
	if (argc < 2)
		return fail("console write TEXT... | read [MS] | echo [MS]");
	if (!(virtio_status(v) & STATUS_DRIVER_OK) && attach(v))
		return -1;
	if (!strcmp(argv[1], "write")) {
		for (int i = 2; i < argc; i++)
			if (write(v, argv[i], (uint32_t)strlen(argv[i])) ||
			    write(v, i + 1 < argc ? " " : "\r\n", i + 1 < argc ? 1 : 2))
				return -1;
		return 0;
	}
	if (argc > 2 && !parse_number(argv[2], &ms))
		return fail("a time is a number");
	return listen(v, ms, !strcmp(argv[1], "echo"));
}

const struct command console_commands[] = {
	{"console", "write TEXT... | read [MS] | echo [MS]", "virtio-console", run_console},
	{0},
};
