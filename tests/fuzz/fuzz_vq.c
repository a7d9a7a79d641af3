/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A hostile driver: the input is its memory, the addresses of its rings, and what it does while the
 * device takes and completes requests.
 *
 *	u8 log2 of size | u8 flags | u16 desc, avail, used: 16 KiB into memory | u16 first index | memory …
 */
#include <stdlib.h>
#include <string.h>

#include "engine/virtio/vq.h"

#define WINDOW 16384

struct setup {
	uint8_t log2_size, flags;
	uint16_t desc, avail, used, index;
};

static struct gmem mem;
static uint8_t *window; /* the last bytes of guest memory: what runs over is seen */
static uint64_t window_gpa;
static unsigned interrupts;

static void count(void *transport, struct vq *vq)
{
	(void)transport;
	(void)vq;
	interrupts++;
}

static void init_once(void)
{
	struct gmem_config config = {.size_bytes = 16 << 20};
	if (mem.n_regions)
		return;
	if (gmem_init(&mem, &config, NULL))
		abort();
	window_gpa = config.size_bytes - WINDOW;
	window = gmem_ptr(&mem, window_gpa, WINDOW);
}

static void check_chain(const struct vq *vq, const struct vq_chain *chain, int n_iov)
{
	size_t sum = 0;
	if (chain->head >= vq->size || chain->n_read + chain->n_write > n_iov)
		abort();
	for (int i = 0; i < chain->n_read + chain->n_write; i++) {
		const uint8_t *from = chain->iov[i].iov_base;
		size_t len = chain->iov[i].iov_len;
		const uint8_t *low = mem.regions[0].hva, *high = low + mem.regions[0].len;
		if (from < low || len > (size_t)(high - from))
			abort();
		sum += len;
	}
	if (sum != chain->read_len + chain->write_len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct setup setup;
	struct iovec iov[32];
	struct vq_chain chain;
	if (size < sizeof setup)
		return 0;
	init_once();
	memcpy(&setup, data, sizeof setup);
	size -= sizeof setup;
	memset(window, 0, WINDOW);
	memcpy(window, data + sizeof setup, size < WINDOW ? size : WINDOW);

	struct vq vq = {.mem = &mem, .size_max = VQ_SIZE_MAX, .kick_fd = -1, .interrupt = count};
	vq_reset(&vq);
	vq.size = (uint16_t)(1u << (setup.log2_size % 12));
	vq.event_idx = setup.flags & 1;
	vq.indirect = setup.flags & 2;
	vq.desc_gpa = window_gpa + setup.desc % (WINDOW + 64);
	vq.avail_gpa = window_gpa + setup.avail % (WINDOW + 64);
	vq.used_gpa = window_gpa + setup.used % (WINDOW + 64);
	if (vq_start(&vq))
		return 0;
	vq.next_avail = vq.next_used = setup.index;
	for (int i = 0; i < 64; i++) {
		int ret = vq_next(&vq, &chain, iov, 32);
		if (ret == 1) {
			check_chain(&vq, &chain, 32);
			if (setup.flags & 4 && i % 3 == 0)
				vq_unget(&vq);
			else
				vq_complete(&vq, &chain, i * 7u);
		} else if (ret == -HV_LIMIT || ret == 0) {
			vq_want_kicks(&vq, i & 1);
			break;
		} else if (ret != -HV_GUEST || !vq.broken || !vq.fault) {
			abort();
		}
		vq_signal(&vq);
	}
	vq_stop(&vq);
	return 0;
}
