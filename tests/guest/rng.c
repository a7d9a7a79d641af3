/* SPDX-License-Identifier: GPL-3.0-or-later */
/* virtio-rng (VIRTIO 1.2, 5.4): the simplest device, so also what hostile tests like to use. */
#include "tests/guest/rng.h"
#include "tests/guest/mem.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define TIMEOUT_MS 3000

int rng_attach(struct virtio *v)
{
	if (virtio_begin(v, F_INDIRECT_DESC | F_EVENT_IDX) || virtio_queue(v, 0, 64, 8, 0))
		return -1;
	return virtio_go(v);
}

int rng_read(struct virtio *v, void *to, uint32_t len)
{
	struct vpart part = {to, len};
	uint32_t got = 0;

	if (!vring_add(v->rings[0], &part, 0, 1, to))
		return fail("rng%d: queue full", v->index);
	vring_kick(v->rings[0]);
	if (!vring_wait(v->rings[0], &got, TIMEOUT_MS))
		return fail("rng%d: no answer, status %x", v->index, virtio_status(v));
	if (!got || got > len)
		return fail("rng%d: asked for %u bytes, got %u", v->index, len, got);
	return (int)got;
}

static int run_rng(int argc, char **argv)
{
	static uint8_t *buffer;
	struct virtio *v = virtio_find(VIRTIO_RNG, 0);
	uint64_t len = 32, total = 0, ones = 0;

	if (!v)
		return fail("no virtio-rng");
	if (argc > 1 && !parse_number(argv[1], &len))
		return fail("rng [BYTES]");
	if (!buffer && !(buffer = mem_alloc(4096, 4096)))
		return fail("out of memory");
	if (rng_attach(v))
		return -1;
	while (total < len) {
		int got = rng_read(v, buffer, len - total < 4096 ? (uint32_t)(len - total) : 4096);
		if (got < 0)
			return -1;
		if (!total) {
			print("rng first=");
			for (int i = 0; i < got && i < 32; i++)
				print("%02x", buffer[i]);
			print("\n");
		}
		for (int i = 0; i < got; i++)
			for (int bit = 0; bit < 8; bit++)
				ones += buffer[i] >> bit & 1;
		total += got;
	}
	print("rng bytes=%lu ones=%lu\n", total, ones);
	if (len >= 1024 && (ones < len * 7 / 2 || ones > len * 9 / 2))
		return fail("that is not random");
	return 0;
}

const struct command rng_commands[] = {
	{"rng", "[BYTES]", "random bytes from virtio-rng", run_rng},
	{0},
};
