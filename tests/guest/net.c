/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-net (VIRTIO 1.2, 5.1): queue pairs, each with its own vectors and CPU, mergeable receive
 * buffers, checksum and segmentation offload; and the `net` commands.
 */
#include "tests/guest/net.h"
#include "tests/guest/clock.h"
#include "tests/guest/io.h"
#include "tests/guest/mem.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define WANTED                                                                                     \
	(F_INDIRECT_DESC | F_EVENT_IDX | NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_MTU | NET_F_MAC |   \
	 NET_F_GUEST_TSO4 | NET_F_HOST_TSO4 | NET_F_MRG_RXBUF | NET_F_STATUS | NET_F_CTRL_VQ |     \
	 NET_F_MQ | NET_F_HOST_USO)
#define CONFIG_STATUS 6
#define CONFIG_MAX_PAIRS 8
#define CONFIG_MTU 10
#define RX_SIZE 128
#define RX_MERGED_LEN 4096
#define TX_SIZE 32
#define LINEAR_LEN (68u << 10)
#define CTRL_MQ 4
#define TIMEOUT_MS 5000

static struct nic nics[NET_NICS_MAX];

void net_lock(struct nic *nic)
{
	while (__atomic_test_and_set(&nic->lock, __ATOMIC_ACQUIRE))
		cpu_pause();
}

void net_unlock(struct nic *nic)
{
	__atomic_clear(&nic->lock, __ATOMIC_RELEASE);
}

static void post(struct net_pair *pair, void *buffer)
{
	struct vpart part = {buffer, pair->nic->rx_len};

	vring_add(pair->rx, &part, 0, 1, buffer);
}

/* Memory of a pair is taken once and kept over later attaches, where they want no more. */
static int fill_pair(struct net_pair *pair)
{
	uint64_t buffers_len = (uint64_t)pair->rx->size * pair->nic->rx_len;
	struct net_frame *frames;

	if (!pair->linear)
		pair->linear = mem_alloc(LINEAR_LEN, 64);
	if (!pair->frames)
		pair->frames = mem_alloc(TX_SIZE * sizeof(*frames), 64);
	if (pair->buffers_len < buffers_len) {
		pair->buffers = mem_alloc(buffers_len, 4096);
		pair->buffers_len = pair->buffers ? buffers_len : 0;
	}
	frames = pair->frames;
	if (!pair->buffers || !frames || !pair->linear)
		return fail("out of memory for queue pair %d", pair->index);
	pair->free = NULL;
	for (int i = 0; i < pair->tx->size; i++) {
		frames[i].next = pair->free;
		pair->free = &frames[i];
	}
	for (int i = 0; i < pair->rx->size; i++)
		post(pair, pair->buffers + (uint64_t)i * pair->nic->rx_len);
	return 0;
}

static int attach_pair(struct nic *nic, int i)
{
	struct net_pair *pair = &nic->pairs[i];

	pair->nic = nic;
	pair->index = i;
	pair->cpu = i % cpu_online;
	if (virtio_queue(nic->v, 2 * i, RX_SIZE, 1, pair->cpu) ||
	    virtio_queue(nic->v, 2 * i + 1, TX_SIZE, 3, pair->cpu))
		return -1;
	pair->rx = nic->v->rings[2 * i];
	pair->tx = nic->v->rings[2 * i + 1];
	return fill_pair(pair);
}

/* Tells the device how many pairs are used; without it that is one. */
static int set_pairs(struct nic *nic, int queue)
{
	static uint8_t command[2], ack;
	static uint16_t pairs;
	struct vpart parts[] = {{command, 2}, {&pairs, 2}, {&ack, 1}};
	struct vring *r = nic->v->rings[queue];

	command[0] = CTRL_MQ;
	command[1] = 0;
	pairs = (uint16_t)nic->n_pairs;
	ack = 0xff;
	if (!vring_add(r, parts, 2, 1, &ack))
		return fail("control queue full");
	vring_kick(r);
	if (!vring_wait(r, NULL, TIMEOUT_MS) || ack)
		return fail("net%d: %d queue pairs refused (%u)", nic->index, nic->n_pairs, ack);
	return 0;
}

static void read_config(struct nic *nic)
{
	uint64_t config = virtio_config(nic->v);

	for (int i = 0; i < 6 && nic->v->features & NET_F_MAC; i++)
		nic->mac[i] = mmio_read8(config + i);
	nic->mtu = nic->v->features & NET_F_MTU ? mmio_read16(config + CONFIG_MTU) : 1500;
	if (nic->mtu > 9000)
		nic->mtu = 9000;
	nic->rx_len = nic->v->features & NET_F_MRG_RXBUF ? RX_MERGED_LEN : NET_FRAME_MAX;
}

int net_attach(struct nic *nic, int max_pairs)
{
	struct virtio *v = nic->v;

	nic->up = false;
	if (virtio_begin(v, WANTED))
		return -1;
	if (!(v->features & NET_F_MRG_RXBUF) && v->features & NET_F_GUEST_TSO4)
		if (virtio_begin(v, WANTED & ~NET_F_GUEST_TSO4)) /* 64 KiB buffers, else */
			return -1;
	read_config(nic);
	bool many = (v->features & NET_F_MQ) && (v->features & NET_F_CTRL_VQ);
	int offered = many ? mmio_read16(virtio_config(v) + CONFIG_MAX_PAIRS) : 1;
	nic->n_pairs = offered < max_pairs ? offered : max_pairs;
	for (int i = 0; i < nic->n_pairs; i++)
		if (attach_pair(nic, i))
			return -1;
	if (many && virtio_queue(v, 2 * offered, 16, 4, 0))
		return -1;
	if (virtio_go(v) || (many && set_pairs(nic, 2 * offered)))
		return -1;
	for (int i = 0; i < nic->n_pairs; i++) {
		vring_arm(nic->pairs[i].rx);
		vring_kick(nic->pairs[i].rx);
	}
	nic->up = true;
	return 0;
}

struct nic *net_nic(int n)
{
	if (n < 0 || n >= NET_NICS_MAX)
		return NULL;
	nics[n].v = virtio_find(VIRTIO_NET, n);
	nics[n].index = n;
	return nics[n].v ? &nics[n] : NULL;
}

struct net_frame *net_frame(struct net_pair *pair)
{
	struct net_frame *frame;

	while ((frame = vring_take(pair->tx, NULL))) {
		frame->next = pair->free;
		pair->free = frame;
	}
	frame = pair->free;
	if (frame)
		pair->free = frame->next;
	else
		frame = vring_wait(pair->tx, NULL, TIMEOUT_MS);
	if (frame)
		memset(&frame->header, 0, sizeof(frame->header));
	return frame;
}

void net_send(struct net_pair *pair, struct net_frame *frame, uint32_t len, const void *payload,
	      uint32_t payload_len)
{
	struct vpart parts[] = {{&frame->header, sizeof(frame->header) + len},
				{(void *)payload, payload_len}};

	/* One descriptor per frame with indirect tables, two without: then the ring may be full
	 * first. */
	while (!vring_add(pair->tx, parts, payload_len ? 2 : 1, 0, frame)) {
		struct net_frame *done = vring_wait(pair->tx, NULL, TIMEOUT_MS);
		if (!done)
			return;
		done->next = pair->free;
		pair->free = done;
	}
	pair->tx_packets++;
	pair->tx_bytes += len + payload_len;
	vring_kick(pair->tx);
}

/* Puts the n buffers of a frame together; the first is there already. */
static uint32_t gather(struct net_pair *pair, uint8_t *first, uint32_t len, unsigned n)
{
	uint32_t total = len;

	memcpy(pair->linear, first, len);
	for (unsigned i = 1; i < n; i++) {
		uint8_t *more = vring_wait(pair->rx, &len, TIMEOUT_MS);
		if (!more)
			return 0;
		if (len > pair->nic->rx_len || total + len > LINEAR_LEN)
			len = 0;
		memcpy(pair->linear + total, more, len);
		total += len;
		post(pair, more);
	}
	pair->rx_merged++;
	return total;
}

static void receive(struct net_pair *pair, uint8_t *buffer, uint32_t len)
{
	struct net_header header;
	uint8_t *frame = buffer;

	if (len >= sizeof(header) && len <= pair->nic->rx_len) {
		memcpy(&header, buffer, sizeof(header));
		if (pair->nic->v->features & NET_F_MRG_RXBUF && header.num_buffers > 1) {
			len = gather(pair, buffer, len, header.num_buffers);
			frame = pair->linear;
		}
		if (len > sizeof(header)) {
			pair->rx_packets++;
			pair->rx_bytes += len - sizeof(header);
			pair->rx_large += header.gso_type != 0;
			net_lock(pair->nic);
			ip_input(pair, &header, frame + sizeof(header), len - sizeof(header));
			net_unlock(pair->nic);
		}
	}
	post(pair, buffer);
}

static void serve_pair(struct net_pair *pair)
{
	uint32_t len;
	uint8_t *buffer;

	do {
		bool any = false;
		while ((buffer = vring_take(pair->rx, &len))) {
			receive(pair, buffer, len);
			any = true;
		}
		if (any)
			vring_kick(pair->rx);
	} while (vring_arm(pair->rx));
}

void net_serve(int cpu)
{
	for (int n = 0; n < NET_NICS_MAX; n++)
		for (int i = 0; nics[n].up && i < nics[n].n_pairs; i++)
			if (nics[n].pairs[i].cpu == cpu)
				serve_pair(&nics[n].pairs[i]);
}

static void print_nic(struct nic *nic)
{
	struct virtio *v = nic->v;

	print("net %d up=%d mac=%02x:%02x:%02x:%02x:%02x:%02x mtu=%u pairs=%d", nic->index, nic->up,
	      nic->mac[0], nic->mac[1], nic->mac[2], nic->mac[3], nic->mac[4], nic->mac[5],
	      nic->mtu, nic->n_pairs);
	print(" link=%d csum=%d tso=%d uso=%d guest_tso=%d mergeable=%d\n",
	      !(v->features & NET_F_STATUS) || (mmio_read16(virtio_config(v) + CONFIG_STATUS) & 1),
	      !!(v->features & NET_F_CSUM), !!(v->features & NET_F_HOST_TSO4),
	      !!(v->features & NET_F_HOST_USO), !!(v->features & NET_F_GUEST_TSO4),
	      !!(v->features & NET_F_MRG_RXBUF));
	for (int i = 0; nic->up && i < nic->n_pairs; i++) {
		struct net_pair *p = &nic->pairs[i];
		print("net %d pair=%d cpu=%d rx_vector=%u tx_vector=%u rx_irqs=%u rx=%lu "
		      "rx_bytes=%lu merged=%lu large=%lu tx=%lu tx_bytes=%lu\n",
		      nic->index, i, p->cpu, p->rx->vector, p->tx->vector, irq_count[p->rx->vector],
		      p->rx_packets, p->rx_bytes, p->rx_merged, p->rx_large, p->tx_packets,
		      p->tx_bytes);
	}
}

static int list(void)
{
	int n = 0;

	for (; net_nic(n); n++)
		print_nic(net_nic(n));
	ip_print_counters();
	return n ? 0 : fail("no virtio-net");
}

/* net up N IP/PREFIX [gw=IP] [pairs=N] [mtu=N] */
static int run_up(struct nic *nic, int argc, char **argv)
{
	int prefix = 24;
	uint64_t pairs = NET_PAIRS_MAX, mtu = 0;
	uint32_t ip = 0, gateway = 0;

	if (argc < 4 || !ip_parse(argv[3], &ip, &prefix))
		return fail("net up N IP/PREFIX [gw=IP] [pairs=N] [mtu=N]");
	for (int i = 4; i < argc; i++)
		if (!(!strncmp(argv[i], "gw=", 3) && ip_parse(argv[i] + 3, &gateway, NULL)) &&
		    !(!strncmp(argv[i], "pairs=", 6) && parse_number(argv[i] + 6, &pairs)) &&
		    !(!strncmp(argv[i], "mtu=", 4) && parse_number(argv[i] + 4, &mtu)))
			return fail("what is %s?", argv[i]);
	if (!nic->up || (uint64_t)nic->n_pairs != pairs)
		if (net_attach(nic, pairs && pairs < NET_PAIRS_MAX ? (int)pairs : NET_PAIRS_MAX))
			return -1;
	if (mtu && mtu <= nic->mtu)
		nic->mtu = (uint16_t)mtu;
	nic->ip = ip;
	nic->mask = prefix ? ~0u << (32 - prefix) : 0;
	nic->gateway = gateway;
	print_nic(nic);
	return 0;
}

static int run_net(int argc, char **argv)
{
	uint64_t n = 0, port = 0, a = 0, b = 0;
	uint32_t ip;

	if (argc < 2)
		return list();
	struct nic *nic = argc > 2 && parse_number(argv[2], &n) ? net_nic((int)n) : NULL;
	if (!nic)
		return fail("no NIC %s", argc > 2 ? argv[2] : "given");
	if (!strcmp(argv[1], "up"))
		return run_up(nic, argc, argv);
	if (!nic->up || argc < 4 || !ip_parse(argv[3], &ip, NULL))
		return fail(nic->up ? "an address is missing" : "net up first");
	if (!strcmp(argv[1], "ping")) {
		a = 3, b = 56;
		if ((argc > 4 && !parse_number(argv[4], &a)) ||
		    (argc > 5 && !parse_number(argv[5], &b)))
			return fail("net ping N IP [COUNT [SIZE]]");
		return ip_ping(nic, ip, a, b);
	}
	if (argc < 5 || !parse_number(argv[4], &port) || (argc > 5 && !parse_number(argv[5], &a)) ||
	    (argc > 6 && !parse_number(argv[6], &b)))
		return fail("numbers expected");
	if (!strcmp(argv[1], "udp"))
		return ip_blast(nic, ip, (uint16_t)port, a, b);
	if (!strcmp(argv[1], "send"))
		return tcp_run(nic, ip, (uint16_t)port, a ? a : 1);
	if (!strcmp(argv[1], "recv"))
		return tcp_run(nic, ip, (uint16_t)port, 0);
	return fail("no such net command");
}

const struct command net_commands[] = {
	{"net",
	 "[up N IP/PREFIX [gw=IP] [pairs=N] [mtu=N] | ping N IP [COUNT [SIZE]] | udp N IP PORT "
	 "COUNT SIZE "
	 "| send N IP PORT BYTES | recv N IP PORT]",
	 "NICs: echoes ICMP and UDP port 7, counts UDP port 9; TCP out (send, recv)", run_net},
	{0},
};
