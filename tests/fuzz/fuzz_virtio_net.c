/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A hostile driver of virtio-net: its control commands, and the rings of one queue pair while
 * frames of all lengths come and go. Everything runs on one thread.
 *
 *	u8 mode | mode even: records of u8 length | u8 split | command bytes
 *	        | mode odd: struct rings | u8 steps[16] | guest memory
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "engine/net/virtio_net_priv.h"
#include "engine/vmm/gmem.h"

#define WINDOW 32768
#define STEPS 16

struct rings {
	uint8_t log2_size, features;
	uint16_t rx[3], tx[3], index;
};

static struct gmem mem;
static struct device_env env = {.mem = &mem};
static struct virtio_dev *dev;
static uint8_t *window; /* the last bytes of guest memory: what runs over is seen */
static uint64_t window_gpa;

/* ---- a backend of frames that are only lengths ---------------------------------------------- */

static size_t next_len; /* of the frame that waits, 0 */
static bool sink_full;

static int any_offloads(struct net_backend *be, unsigned offloads, struct hv_error *err)
{
	(void)err;
	if (offloads & ~be->offloads)
		abort();
	return 0;
}

static int any_pairs(struct net_backend *be, int n, struct hv_error *err)
{
	(void)err;
	if (n < 1 || n > be->n_pairs)
		abort();
	return 0;
}

static ssize_t give(struct net_backend *be, int pair, struct iovec *iov, int n_iov, size_t len,
		    size_t *need)
{
	size_t frame_len = next_len;
	size_t sum = 0;

	(void)be;
	(void)pair;
	for (int i = 0; i < n_iov; i++)
		sum += iov[i].iov_len;
	if (sum != len)
		abort();
	if (!frame_len)
		return -EAGAIN;
	if (frame_len > len) {
		*need = frame_len;
		return -EMSGSIZE;
	}
	for (int i = 0; i < n_iov && frame_len; i++) {
		size_t n = frame_len < iov[i].iov_len ? frame_len : iov[i].iov_len;
		memset(iov[i].iov_base, 0x11, n);
		frame_len -= n;
	}
	frame_len = next_len;
	next_len = 0;
	return (ssize_t)frame_len;
}

static ssize_t lose(struct net_backend *be, int pair)
{
	(void)be;
	(void)pair;
	if (!next_len)
		return -EAGAIN;
	next_len = 0;
	return 1;
}

static int take(struct net_backend *be, int pair, const struct iovec *iov, int n_iov, size_t len)
{
	static volatile uint8_t sink __attribute__((unused));

	(void)be;
	(void)pair;
	if (sink_full)
		return -EAGAIN;
	for (int i = 0; i < n_iov; i++) {
		sink = ((const uint8_t *)iov[i].iov_base)[iov[i].iov_len - 1];
		len -= iov[i].iov_len;
	}
	if (len)
		abort();
	return 0;
}

static void keep(struct net_backend *be)
{
	(void)be;
}

static const struct net_backend_ops ops = {
	.set_offloads = any_offloads,
	.set_pairs = any_pairs,
	.readv = give,
	.drop = lose,
	.writev = take,
	.free = keep,
};
static struct net_backend backend = {
	.ops = &ops,
	.n_pairs = 4,
	.rx_pairs = 4,
	.offloads = NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_USO,
	.fds = {-1, -1, -1, -1},
};

/* ---- */

static void init_once(void)
{
	struct gmem_config memory = {.size_bytes = 16 << 20};
	struct net_config config = {.id = "net0", .mac = {0x52}, .pairs = 4, .mtu = 1500};

	if (dev)
		return;
	if (gmem_init(&mem, &memory, NULL) || virtio_net_new(&dev, &env, &config, &backend, NULL))
		abort();
	window_gpa = memory.size_bytes - WINDOW;
	window = gmem_ptr(&mem, window_gpa, WINDOW);
}

static void command(struct virtio_net *net, const uint8_t *bytes, size_t len, size_t split)
{
	uint8_t copy[256];

	memcpy(copy, bytes, len);
	split = len ? split % (len + 1) : 0;
	struct iovec parts[2] = {{copy, split}, {copy + split, len - split}};
	net_ctrl_command(net, parts, 2, len);
	if (net->pairs_active < 1 || net->pairs_active > net->n_pairs ||
	    net->filter.n_unicast > NET_MACS_MAX || net->filter.n_multicast > NET_MACS_MAX)
		abort();
	if (len >= 16)
		net_filter_wants(&net->filter, copy);
}

static void fuzz_commands(struct virtio_net *net, const uint8_t *data, size_t size)
{
	while (size >= 2) {
		size_t len = data[0] < size - 2 ? data[0] : size - 2;
		command(net, data + 2, len, data[1]);
		data += 2 + len;
		size -= 2 + len;
	}
}

static void set_up(struct vq *vq, const struct rings *rings, const uint16_t at[3])
{
	vq_reset(vq);
	vq->size = (uint16_t)(1u << rings->log2_size % 9);
	vq->desc_gpa = window_gpa + (at[0] % WINDOW & ~15u);
	vq->avail_gpa = window_gpa + (at[1] % WINDOW & ~1u);
	vq->used_gpa = window_gpa + (at[2] % WINDOW & ~3u);
	vq->indirect = rings->features & 1;
	vq->event_idx = rings->features & 2;
	vq->next_avail = vq->next_used = rings->index;
	vq_start(vq);
}

static void fuzz_rings(struct virtio_net *net, const uint8_t *data, size_t size)
{
	struct net_pair *pair = &net->pairs[1];
	struct rings rings;

	if (size < sizeof rings + STEPS)
		return;
	memcpy(&rings, data, sizeof rings);
	const uint8_t *steps = data + sizeof rings;
	data = steps + STEPS;
	size -= sizeof rings + STEPS;
	memset(window, 0, WINDOW);
	memcpy(window, data, size < WINDOW ? size : WINDOW);
	set_up(pair->rx, &rings, rings.rx);
	set_up(pair->tx, &rings, rings.tx);
	net->dev.negotiated = rings.features & 4 ? NET_FEATURE(VIRTIO_NET_F_MRG_RXBUF) : 0;
	backend.knows_len = rings.features & 8;
	pair->serving = true;
	for (int i = 0; i < STEPS; i++) {
		next_len = steps[i] & 0x7f ? (size_t)(steps[i] & 0x7f) * 71 : 0;
		sink_full = steps[i] & 0x80;
		net_rx_service(pair);
		net_tx_service(pair);
	}
	net_rx_release(pair);
	/* what was taken is used or was given back */
	if (pair->rx->live && !pair->rx->broken && pair->rx->next_avail != pair->rx->next_used)
		abort();
	pair->serving = false;
	next_len = 0;
	vq_reset(pair->rx);
	vq_reset(pair->tx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	init_once();
	struct virtio_net *net = virtio_net_of(dev);

	if (size < 1)
		return 0;
	net->dev.ops->deactivate(dev); /* everything as after a reset */
	net->dev.negotiated = net->dev.offered;
	net->dev.failed = false;
	net->dev.log.tokens_used = 1000; /* quiet */
	if (data[0] & 1)
		fuzz_rings(net, data + 1, size - 1);
	else
		fuzz_commands(net, data + 1, size - 1);
	return 0;
}
