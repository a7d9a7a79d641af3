/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attacks on virtio-net's headers and control queue, and on what a balloon is told. */
#include "engine/vmm/layout.h"
#include "tests/guest/clock.h"
#include "tests/guest/hostile.h"
#include "tests/guest/io.h"
#include "tests/guest/mem.h"
#include "tests/guest/net.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define NET_FEATURES                                                                               \
	(HOSTILE_FEATURES | NET_F_CSUM | NET_F_HOST_TSO4 | NET_F_HOST_USO | NET_F_CTRL_VQ |        \
	 NET_F_MQ | NET_F_MRG_RXBUF)
#define RING_SIZE 64
#define CONFIG_MAX_PAIRS 8

/* Its first send queue and its control queue, running. */
static int start_net(struct virtio *v, int *control)
{
	if (virtio_begin(v, NET_FEATURES))
		return -1;
	bool many = v->features & NET_F_MQ;
	*control = 2 * (many ? mmio_read16(virtio_config(v) + CONFIG_MAX_PAIRS) : 1);
	if (virtio_queue(v, 0, RING_SIZE, 4, 0) || virtio_queue(v, 1, RING_SIZE, 4, 0) ||
	    (v->features & NET_F_CTRL_VQ && virtio_queue(v, *control, RING_SIZE, 4, 0)))
		return -1;
	return virtio_go(v);
}

/* Waits for an answer or for the device to give up. */
static int answered(struct virtio *v, int queue)
{
	for (int i = 0; i < 1500; i++)
		if (vring_wait(v->rings[queue], NULL, 2) || virtio_status(v) & STATUS_NEEDS_RESET)
			return 0;
	return fail("neither an answer nor DEVICE_NEEDS_RESET");
}

static void random_bytes(uint8_t *to, int len, uint64_t *seed)
{
	for (int i = 0; i < len; i++)
		to[i] = (uint8_t)random_next(seed);
}

static int net_headers(struct virtio *v, uint64_t seed)
{
	int control;

	if (start_net(v, &control))
		return -1;
	for (int i = 0; i < 500; i++) {
		struct net_header *h = (struct net_header *)hostile_page;
		uint32_t len = (uint32_t)(random_next(&seed) % (i % 4 ? 2000 : HOSTILE_PAGE - 16));
		random_bytes(hostile_page, sizeof(*h) + 64, &seed);
		if (i % 2)
			h->flags &= 3, h->gso_type = random_next(&seed) % 6;
		if (i % 3) {
			h->csum_start %= len + 4;
			h->csum_offset %= 32;
			h->gso_size %= 2000;
			h->hdr_len %= 200;
		}
		struct vpart parts[] = {{h, sizeof(*h)}, {hostile_page + sizeof(*h), len}};
		if (!vring_add(v->rings[1], parts, len ? 2 : 1, 0, h))
			return fail("queue full");
		vring_kick(v->rings[1]);
		if (answered(v, 1))
			return -1;
		if (virtio_status(v) & STATUS_NEEDS_RESET && start_net(v, &control))
			return -1;
	}
	return 0;
}

static int net_short(struct virtio *v, uint64_t seed)
{
	int control;

	(void)seed;
	for (uint32_t len = 1; len < 16; len++) {
		struct vpart part = {hostile_page, len};
		if (start_net(v, &control))
			return -1;
		vring_add(v->rings[1], &part, 1, 0, hostile_page);
		vring_kick(v->rings[1]);
		if (answered(v, 1))
			return -1;
	}
	return 0;
}

/* Receive buffers too small for a header, or readable. */
static int net_receive_shapes(struct virtio *v, uint64_t seed)
{
	int control;

	(void)seed;
	for (int i = 0; i < 4; i++) {
		struct vpart part = {hostile_page, (uint32_t)i * 5 + 1};
		if (start_net(v, &control))
			return -1;
		vring_add(v->rings[0], &part, i % 2, !(i % 2), hostile_page);
		vring_kick(v->rings[0]);
		clock_sleep(2000000);
	}
	return 0;
}

static int net_control(struct virtio *v, uint64_t seed)
{
	int control;

	if (start_net(v, &control))
		return -1;
	if (!(v->features & NET_F_CTRL_VQ))
		return 0;
	for (int i = 0; i < 500; i++) {
		random_bytes(hostile_page, 4096, &seed);
		if (i % 2)
			hostile_page[0] = random_next(&seed) % 7, hostile_page[1] &= 3;
		struct vpart parts[] = {
			{hostile_page, i % 5 ? 2 : 1},
			{hostile_page + 2, (uint32_t)(random_next(&seed) % 4096) + 1},
			{hostile_page + 8192, 1}};
		int n_in = i % 11 ? 1 : 0;
		if (i % 3 == 0)
			parts[1].len = 2;
		if (!vring_add(v->rings[control], parts, 2, n_in, parts))
			return fail("queue full");
		vring_kick(v->rings[control]);
		if (answered(v, control))
			return -1;
		if (virtio_status(v) & STATUS_NEEDS_RESET && start_net(v, &control))
			return -1;
	}
	return 0;
}

/* Page numbers where no RAM is: what is in RAM would be taken from us, which is our own affair. */
static int balloon_pages(struct virtio *v, uint64_t seed)
{
	for (int i = 0; i < 100; i++) {
		if (virtio_begin(v, HOSTILE_FEATURES) || virtio_queue(v, 0, 16, 4, 0) ||
		    virtio_go(v))
			return -1;
		struct vring *r = v->rings[0];
		uint32_t *pfns = (uint32_t *)hostile_page;
		for (int n = 0; n < 256; n++)
			pfns[n] = (uint32_t)(random_next(&seed) % 2
						     ? LAYOUT_PCI_WINDOW >> 12 |
							       (random_next(&seed) & 0x3ffff)
						     : random_next(&seed) | 0xf0000000);
		struct vpart part = {pfns, (uint32_t)(random_next(&seed) % 1024) + 1};
		vring_add(r, &part, 1, 0, pfns);
		vring_kick(r);
		if (answered(v, r->index))
			return -1;
	}
	return 0;
}

/* Reports of memory that is not there, or by readable parts. */
static int balloon_reports(struct virtio *v, uint64_t seed)
{
	uint64_t end = mem_ranges[mem_n_ranges - 1].end;
	uint64_t places[] = {1ull << 50, LAYOUT_ECAM, LAYOUT_LAPIC, -4096ull, end, 4096};

	(void)seed;
	for (int i = 0; i < 12; i++) {
		if (virtio_begin(v, HOSTILE_FEATURES | 1ull << 5))
			return -1;
		int q = v->n_queues - 1;
		struct vpart part = {(void *)places[i / 2], i == 10 ? 3 : 2u << 20};
		if (virtio_queue(v, q, 16, 4, 0) || virtio_go(v))
			return -1;
		vring_add(v->rings[q], &part, i % 2, !(i % 2), &part);
		if (i < 10 || i % 2)
			vring_kick(v->rings[q]);
		clock_sleep(3000000);
	}
	return 0;
}

static int balloon_config(struct virtio *v, uint64_t seed)
{
	if (!hostile_start(v, HOSTILE_FEATURES))
		return -1;
	for (int i = 0; i < 200; i++)
		mmio_write32(virtio_config(v) + 4, (uint32_t)random_next(&seed)); /* actual */
	mmio_write32(virtio_config(v) + 4, 0);
	return 0;
}

const struct attack other_attacks[] = {
	{"net-headers", "500 random packet headers", EXPECT_ANYTHING, VIRTIO_NET, net_headers},
	{"net-short", "packets of less than a header", EXPECT_ANYTHING, VIRTIO_NET, net_short},
	{"net-receive", "receive buffers of wrong shapes", EXPECT_ANYTHING, VIRTIO_NET,
	 net_receive_shapes},
	{"net-control", "500 random control requests", EXPECT_ANYTHING, VIRTIO_NET, net_control},
	{"balloon-pages", "page numbers where no RAM is", EXPECT_ANYTHING, VIRTIO_BALLOON,
	 balloon_pages},
	{"balloon-reports", "reports of memory that is not there", EXPECT_ANYTHING, VIRTIO_BALLOON,
	 balloon_reports},
	{"balloon-config", "random sizes of the balloon", EXPECT_ANYTHING, VIRTIO_BALLOON,
	 balloon_config},
	{0},
};
