/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The least TCP (RFC 9293) that moves bulk data: one connection at a time, opened by us, in one
 * direction. Data that comes out of order is dropped and asked for again by a duplicate
 * acknowledgement; what is lost of ours is sent again from there on (three duplicates, or a
 * timeout). With TSO up to 64 KiB go at once. What is sent is a fixed pattern repeated; SHA-256 of
 * the stream is printed either way.
 */
#include "tests/guest/clock.h"
#include "tests/guest/mem.h"
#include "tests/guest/net.h"
#include "tests/guest/sha256.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define ETH_LEN 14
#define IP_LEN 20
#define TCP_LEN 20
#define SYN_OPTIONS 8
#define PROTO_TCP 6
#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

#define PATTERN (1u << 20)
#define SEGMENT_MAX 61440
#define WINDOW_SCALE 7
#define WINDOW (1u << 20)
#define IN_FLIGHT_MAX (512u << 10)
#define RETRY_NS 300000000ull
#define IDLE_NS 20000000000ull

static struct {
	volatile bool active;
	struct nic *nic;
	uint8_t mac[6];
	uint32_t ip;
	uint16_t port, own_port;
	bool connected, reset, peer_done;
	uint32_t first;                /* our initial sequence number */
	uint32_t una, next, peer_next; /* next: to send; peer_next: to receive */
	uint32_t window;
	uint8_t peer_scale;
	uint16_t mss;
	unsigned duplicates;
	uint64_t received, retransmits;
	struct sha256 sum;
	volatile uint32_t changes; /* counts segments of this connection */
} tcp;

static uint8_t *pattern;

static int pattern_init(void)
{
	uint64_t state = 7;

	if (pattern)
		return 0;
	pattern = mem_alloc(PATTERN + SEGMENT_MAX, 4096);
	if (!pattern)
		return fail("out of memory");
	for (uint32_t i = 0; i < PATTERN; i += 8)
		*(uint64_t *)(pattern + i) = random_next(&state);
	memcpy(pattern + PATTERN, pattern, SEGMENT_MAX);
	return 0;
}

static uint32_t sum_payload(const uint8_t *head, uint32_t head_len, const uint8_t *data,
			    uint32_t len, uint32_t sum)
{
	return ip_sum(data, len, ip_sum(head, head_len, sum)); /* headers are of even length */
}

/* Sends one segment; data_len bytes of the stream at data. */
static void send_segment(struct net_pair *pair, uint8_t flags, uint32_t seq, const uint8_t *data,
			 uint32_t data_len)
{
	struct net_frame *f = net_frame(pair);
	uint32_t len = TCP_LEN + (flags & SYN ? SYN_OPTIONS : 0);

	if (!f)
		return;
	uint8_t *h =
		f->data + ip_header(tcp.nic, f->data, tcp.mac, tcp.ip, PROTO_TCP, len + data_len);
	memset(h, 0, len);
	put_be16(h, tcp.own_port);
	put_be16(h + 2, tcp.port);
	put_be32(h + 4, seq);
	put_be32(h + 8, flags & ACK ? tcp.peer_next : 0);
	h[12] = (uint8_t)(len / 4 << 4);
	h[13] = flags;
	put_be16(h + 14, flags & SYN ? 0xffff : WINDOW >> WINDOW_SCALE);
	if (flags & SYN) {
		h[20] = 2, h[21] = 4;
		put_be16(h + 22, tcp.nic->mtu - IP_LEN - TCP_LEN);
		h[24] = 3, h[25] = 3, h[26] = WINDOW_SCALE, h[27] = 1;
	}
	uint32_t pseudo = ip_pseudo(tcp.nic->ip, tcp.ip, PROTO_TCP, len + data_len);
	if (tcp.nic->v->features & NET_F_CSUM) {
		f->header.flags = NET_HDR_NEEDS_CSUM;
		f->header.csum_start = ETH_LEN + IP_LEN;
		f->header.csum_offset = 16;
		put_be16(h + 16, ip_sum(NULL, 0, pseudo));
	} else {
		put_be16(h + 16, ~sum_payload(h, len, data, data_len, pseudo));
	}
	if (data_len > tcp.mss) {
		f->header.gso_type = NET_GSO_TCPV4;
		f->header.gso_size = tcp.mss;
		f->header.hdr_len = (uint16_t)(ETH_LEN + IP_LEN + len);
	}
	net_send(pair, f, ETH_LEN + IP_LEN + len, data, data_len);
}

static void parse_options(const uint8_t *h, uint32_t header_len)
{
	tcp.peer_scale = 0;
	for (uint32_t at = TCP_LEN; at < header_len && h[at];) {
		uint32_t len = h[at] == 1 ? 1 : at + 1 < header_len ? h[at + 1] : 0;
		if (!len || at + len > header_len)
			break;
		if (h[at] == 2 && len == 4 && get_be16(h + at + 2) < tcp.mss)
			tcp.mss = get_be16(h + at + 2);
		if (h[at] == 3 && len == 3)
			tcp.peer_scale = h[at + 2] & 15;
		at += len;
	}
}

static void acknowledged(uint32_t ack, uint16_t window)
{
	if ((int32_t)(ack - tcp.una) > 0) {
		tcp.una = ack;
		tcp.duplicates = 0;
		if ((int32_t)(tcp.next - ack) < 0)
			tcp.next = ack; /* sent before we went back */
	} else if (ack == tcp.una && tcp.next != tcp.una) {
		tcp.duplicates++;
	}
	tcp.window = (uint32_t)window << tcp.peer_scale;
}

static void connected(const uint8_t *h, uint32_t header_len)
{
	parse_options(h, header_len);
	tcp.peer_next = get_be32(h + 4) + 1;
	tcp.una = tcp.next = tcp.first + 1;
	tcp.window = get_be16(h + 14);
	tcp.connected = true;
}

static void data_input(struct net_pair *pair, const uint8_t *h, uint32_t header_len, uint32_t len)
{
	uint32_t seq = get_be32(h + 4), data_len = len - header_len;
	uint32_t skip = tcp.peer_next - seq; /* what we have already */

	if ((int32_t)skip >= 0 && skip <= data_len && !tcp.peer_done) {
		sha256_add(&tcp.sum, h + header_len + skip, data_len - skip);
		tcp.received += data_len - skip;
		tcp.peer_next += data_len - skip;
		if (h[13] & FIN) {
			tcp.peer_next++;
			tcp.peer_done = true;
		}
	}
	if (data_len || h[13] & FIN)
		send_segment(pair, ACK, tcp.next, NULL, 0);
}

void tcp_input(struct net_pair *pair, uint32_t from, uint8_t *h, uint32_t len)
{
	uint32_t header_len = len >= TCP_LEN ? (h[12] >> 4) * 4u : 0;

	if (!tcp.active || from != tcp.ip || header_len < TCP_LEN || header_len > len ||
	    get_be16(h) != tcp.port || get_be16(h + 2) != tcp.own_port || pair->nic != tcp.nic)
		return;
	if (h[13] & RST) {
		tcp.reset = true;
	} else if (!tcp.connected) {
		if ((h[13] & (SYN | ACK)) == (SYN | ACK) && get_be32(h + 8) == tcp.first + 1) {
			connected(h, header_len);
			send_segment(pair, ACK, tcp.next, NULL, 0);
		}
	} else {
		if (h[13] & ACK)
			acknowledged(get_be32(h + 8), get_be16(h + 14));
		data_input(pair, h, header_len, len);
	}
	tcp.changes++;
}

/* Waits for the next segment; false after that time. */
static bool wait_change(uint32_t seen, uint64_t ns)
{
	uint64_t until = clock_ns() + ns;

	while (tcp.changes == seen) {
		uint32_t any = irq_any;
		net_serve(0);
		if (tcp.changes != seen)
			break;
		if (!clock_wait(&irq_any, any, until))
			return false;
	}
	return true;
}

static int tcp_connect(struct nic *nic, uint32_t ip, uint16_t port)
{
	static uint16_t next_port;

	if (!next_port)
		next_port = (uint16_t)(clock_ns() >> 10);
	tcp.active = false;
	tcp.nic = nic;
	tcp.ip = ip;
	tcp.port = port;
	tcp.own_port = 49152 | next_port++;
	tcp.connected = tcp.reset = tcp.peer_done = false;
	tcp.first = (uint32_t)clock_ns();
	tcp.mss = nic->mtu - IP_LEN - TCP_LEN;
	tcp.received = tcp.retransmits = tcp.duplicates = 0;
	sha256_init(&tcp.sum);
	if (ip_resolve(nic, ip, tcp.mac))
		return -1;
	tcp.active = true;
	for (int try = 0; try < 10 && !tcp.connected && !tcp.reset; try++) {
		uint32_t seen = tcp.changes;
		net_lock(nic);
		send_segment(&nic->pairs[0], SYN, tcp.first, NULL, 0);
		net_unlock(nic);
		wait_change(seen, 1000000000);
	}
	return tcp.connected && !tcp.reset ? 0
					   : fail(tcp.reset ? "refused" : "no answer to connect");
}

/* As much as the window takes. Under the lock. */
static void push(uint64_t bytes)
{
	uint32_t end = tcp.first + 1 + (uint32_t)bytes; /* bytes < 4 GiB */
	uint32_t most = tcp.nic->v->features & NET_F_HOST_TSO4 && tcp.nic->v->features & NET_F_CSUM
				? SEGMENT_MAX / tcp.mss * tcp.mss
				: tcp.mss;
	uint32_t window = tcp.window < IN_FLIGHT_MAX ? tcp.window : IN_FLIGHT_MAX;

	while (tcp.next != end) {
		uint32_t used = tcp.next - tcp.una, offset = tcp.next - tcp.first - 1;
		uint32_t n = end - tcp.next < most ? end - tcp.next : most;
		if (used >= window)
			break;
		if (n > window - used)
			n = window - used;
		send_segment(&tcp.nic->pairs[0], ACK | PSH, tcp.next, pattern + offset % PATTERN,
			     n);
		tcp.next += n;
	}
	if (tcp.next == end)
		send_segment(&tcp.nic->pairs[0], FIN | ACK, end, NULL, 0);
}

static bool all_sent(uint64_t bytes)
{
	return tcp.una == tcp.first + 1 + (uint32_t)bytes + 1;
}

static int send_stream(uint64_t bytes)
{
	uint64_t idle_since = clock_ns();
	bool fin_sent = false;

	while (!all_sent(bytes) && !tcp.reset) {
		uint32_t seen = tcp.changes, una = tcp.una;
		net_lock(tcp.nic);
		uint32_t end = tcp.first + 1 + (uint32_t)bytes;
		if (tcp.duplicates >= 3 && !fin_sent) {
			tcp.next = tcp.una;
			tcp.duplicates = 0;
			tcp.retransmits++;
		}
		if (!fin_sent)
			push(bytes);
		fin_sent = tcp.next == end;
		net_unlock(tcp.nic);
		if (!wait_change(seen, RETRY_NS)) {
			tcp.retransmits++;
			net_lock(tcp.nic);
			if (!all_sent(bytes))
				tcp.next = tcp.una;
			net_unlock(tcp.nic);
			fin_sent = false;
		}
		if (tcp.una != una)
			idle_since = clock_ns();
		if (clock_ns() - idle_since > IDLE_NS)
			return fail("nothing is acknowledged any more at byte %u",
				    tcp.una - tcp.first - 1);
		if (fin_sent && tcp.duplicates >= 3)
			fin_sent = false;
	}
	return tcp.reset && !all_sent(bytes) ? fail("reset by the other side") : 0;
}

static int receive_stream(void)
{
	while (!tcp.peer_done && !tcp.reset) {
		uint32_t seen = tcp.changes;
		if (tcp.peer_done)
			break;
		if (!wait_change(seen, IDLE_NS))
			return fail("nothing comes any more after byte %lu", tcp.received);
	}
	net_lock(tcp.nic);
	if (!tcp.reset)
		send_segment(&tcp.nic->pairs[0], FIN | ACK, tcp.next, NULL, 0);
	net_unlock(tcp.nic);
	wait_change(tcp.changes, 100000000);
	return tcp.peer_done ? 0 : fail("reset by the other side after byte %lu", tcp.received);
}

static void sum_pattern(uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += PATTERN)
		sha256_add(&tcp.sum, pattern, bytes - at < PATTERN ? bytes - at : PATTERN);
}

int tcp_run(struct nic *nic, uint32_t ip, uint16_t port, uint64_t bytes)
{
	char sum[65];

	if (bytes >= 1ull << 31)
		return fail("less than 2G");
	if (pattern_init() || tcp_connect(nic, ip, port))
		return -1;
	uint64_t start = clock_ns();
	int ret = bytes ? send_stream(bytes) : receive_stream();
	uint64_t us = (clock_ns() - start) / 1000;
	tcp.active = false;
	if (ret)
		return -1;
	if (bytes)
		sum_pattern(bytes);
	sha256_text(&tcp.sum, sum);
	print("net %s bytes=%lu sha256=%s us=%lu mss=%u retransmits=%lu\n", bytes ? "send" : "recv",
	      bytes ? bytes : tcp.received, sum, us, tcp.mss, tcp.retransmits);
	return 0;
}
