/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ARP (RFC 826), IPv4 without fragments (RFC 791), ICMP echo (RFC 792), UDP (RFC 768): answers ARP
 * and pings, echoes UDP port 7, counts UDP port 9.
 */
#include "tests/guest/acpi.h"
#include "tests/guest/apic.h"
#include "tests/guest/boot.h"
#include "tests/guest/clock.h"
#include "tests/guest/cpu.h"
#include "tests/guest/net.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define ETH_LEN 14
#define IP_LEN 20
#define UDP_LEN 8
#define TYPE_IPV4 0x0800
#define TYPE_ARP 0x0806
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PORT_ECHO 7
#define PORT_DISCARD 9
#define PING_ID 0x6876

static volatile uint64_t discarded, discarded_bytes, echoed, pinged, bad_sums;
static volatile uint32_t pong; /* sequence number of the last answer, + 1 */
static volatile uint32_t arp_answers;

uint16_t ip_sum(const void *data, uint32_t len, uint32_t sum)
{
	const uint8_t *p = data;
	uint64_t wide = sum;

	for (; len >= 4; len -= 4, p += 4)
		wide += get_be32(p);
	if (len >= 2)
		wide += get_be16(p), p += 2, len -= 2;
	if (len)
		wide += (uint32_t)p[0] << 8;
	while (wide >> 16)
		wide = (wide & 0xffff) + (wide >> 16);
	return (uint16_t)wide;
}

uint32_t ip_pseudo(uint32_t from, uint32_t to, uint8_t protocol, uint32_t len)
{
	return (from >> 16) + (from & 0xffff) + (to >> 16) + (to & 0xffff) + protocol + len;
}

uint32_t ip_header(struct nic *nic, uint8_t *to, const uint8_t mac[6], uint32_t ip,
		   uint8_t protocol, uint32_t len)
{
	uint8_t *h = to + ETH_LEN;

	memcpy(to, mac, 6);
	memcpy(to + 6, nic->mac, 6);
	put_be16(to + 12, TYPE_IPV4);
	memset(h, 0, IP_LEN);
	h[0] = 0x45;
	put_be16(h + 2, (uint16_t)(IP_LEN + len));
	h[6] = 0x40; /* do not fragment */
	h[8] = 64;
	h[9] = protocol;
	put_be32(h + 12, nic->ip);
	put_be32(h + 16, ip);
	put_be16(h + 10, ~ip_sum(h, IP_LEN, 0));
	return ETH_LEN + IP_LEN;
}

/* Wakes the first CPU, which waits for an answer that another one got. */
static void wake_first(const struct net_pair *pair)
{
	if (pair->cpu)
		apic_send(acpi.apic_ids[0], VECTOR_CALL);
}

static void learn(struct nic *nic, uint32_t ip, const uint8_t *mac)
{
	unsigned i = 0;

	for (; i < NET_ARP_MAX && nic->arp[i].ip != ip; i++)
		;
	if (i == NET_ARP_MAX)
		i = nic->arp_next++ % NET_ARP_MAX;
	nic->arp[i].ip = ip;
	memcpy(nic->arp[i].mac, mac, 6);
}

static void send_arp(struct net_pair *pair, uint16_t op, uint32_t ip, const uint8_t *mac)
{
	static const uint8_t fixed[] = {0, 1, 8, 0, 6, 4};
	struct net_frame *f = net_frame(pair);

	if (!f)
		return;
	memset(f->data, 0, 60);
	memset(f->data, 0xff, 6);
	if (mac) {
		memcpy(f->data, mac, 6);
		memcpy(f->data + 32, mac, 6);
	}
	memcpy(f->data + 6, pair->nic->mac, 6);
	put_be16(f->data + 12, TYPE_ARP);
	memcpy(f->data + 14, fixed, 6);
	put_be16(f->data + 20, op);
	memcpy(f->data + 22, pair->nic->mac, 6);
	put_be32(f->data + 28, pair->nic->ip);
	put_be32(f->data + 38, ip);
	net_send(pair, f, 60, NULL, 0);
}

static void arp_input(struct net_pair *pair, const uint8_t *arp, uint32_t len)
{
	struct nic *nic = pair->nic;

	if (len < 28 || get_be32(arp + 24) != nic->ip)
		return;
	learn(nic, get_be32(arp + 14), arp + 8);
	arp_answers++;
	wake_first(pair);
	if (get_be16(arp + 6) == 1)
		send_arp(pair, 2, get_be32(arp + 14), arp + 8);
}

/* Sends back a payload of IP under new headers. */
static void answer(struct net_pair *pair, const uint8_t *eth, uint32_t to, uint8_t protocol,
		   const uint8_t *body, uint32_t len, uint32_t sum_at)
{
	struct net_frame *f;

	if (ETH_LEN + IP_LEN + len > NET_FRAME_MAX || len + IP_LEN > pair->nic->mtu)
		return;
	f = net_frame(pair);
	if (!f)
		return;
	uint8_t *out = f->data + ip_header(pair->nic, f->data, eth + 6, to, protocol, len);
	memcpy(out, body, len);
	if (protocol == PROTO_ICMP)
		out[0] = 0;
	if (protocol == PROTO_UDP) {
		memcpy(out, body + 2, 2);
		memcpy(out + 2, body, 2);
	}
	put_be16(out + sum_at, 0);
	uint32_t sum = protocol == PROTO_UDP ? ip_pseudo(pair->nic->ip, to, protocol, len) : 0;
	uint16_t folded = ~ip_sum(out, len, sum);
	put_be16(out + sum_at, folded ? folded : 0xffff);
	net_send(pair, f, ETH_LEN + IP_LEN + len, NULL, 0);
}

static void icmp_input(struct net_pair *pair, const uint8_t *eth, uint32_t from,
		       const uint8_t *icmp, uint32_t len)
{
	if (len < 8)
		return;
	if (ip_sum(icmp, len, 0) != 0xffff) {
		bad_sums++;
		return;
	}
	if (icmp[0] == 8) {
		pinged++;
		answer(pair, eth, from, PROTO_ICMP, icmp, len, 2);
	} else if (icmp[0] == 0 && get_be16(icmp + 4) == PING_ID) {
		pong = get_be16(icmp + 6) + 1u;
		wake_first(pair);
	}
}

static void udp_input(struct net_pair *pair, const uint8_t *eth, uint32_t from, const uint8_t *udp,
		      uint32_t len)
{
	if (len < UDP_LEN || get_be16(udp + 4) > len)
		return;
	if (get_be16(udp + 2) == PORT_DISCARD) {
		discarded++;
		discarded_bytes += len - UDP_LEN;
	} else if (get_be16(udp + 2) == PORT_ECHO) {
		echoed++;
		answer(pair, eth, from, PROTO_UDP, udp, get_be16(udp + 4), 6);
	}
}

static bool sum_is_good(const struct net_header *h, uint32_t from, uint32_t to, uint8_t protocol,
			const uint8_t *body, uint32_t len)
{
	if (h->flags & (NET_HDR_NEEDS_CSUM | NET_HDR_DATA_VALID) || h->gso_type)
		return true; /* it did not cross a wire, or was looked at */
	if (protocol == PROTO_UDP && len >= UDP_LEN && !get_be16(body + 6))
		return true;
	return ip_sum(body, len, ip_pseudo(from, to, protocol, len)) == 0xffff;
}

static void ipv4_input(struct net_pair *pair, const struct net_header *header, uint8_t *eth,
		       uint32_t len)
{
	uint8_t *ip = eth + ETH_LEN;

	if (len < IP_LEN || ip[0] >> 4 != 4)
		return;
	uint32_t header_len = (ip[0] & 15) * 4u, total = get_be16(ip + 2);
	if (header_len < IP_LEN || total < header_len || total > len ||
	    get_be32(ip + 16) != pair->nic->ip || get_be16(ip + 6) & 0x3fff)
		return;
	uint8_t *body = ip + header_len;
	uint32_t body_len = total - header_len, from = get_be32(ip + 12);
	if (ip[9] == PROTO_ICMP) {
		icmp_input(pair, eth, from, body, body_len);
	} else if (!sum_is_good(header, from, pair->nic->ip, ip[9], body, body_len)) {
		bad_sums++;
		return;
	}
	if (ip[9] == PROTO_UDP)
		udp_input(pair, eth, from, body, body_len);
	if (ip[9] == PROTO_TCP) {
		tcp_input(pair, from, body, body_len);
		wake_first(pair);
	}
}

void ip_input(struct net_pair *pair, const struct net_header *header, uint8_t *frame, uint32_t len)
{
	if (len < ETH_LEN)
		return;
	uint16_t type = get_be16(frame + 12);
	if (type == TYPE_ARP)
		arp_input(pair, frame + ETH_LEN, len - ETH_LEN);
	if (type == TYPE_IPV4)
		ipv4_input(pair, header, frame, len - ETH_LEN);
}

bool ip_parse(const char *text, uint32_t *ip, int *prefix)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++) {
		unsigned byte = 0, digits = 0;
		for (; *text >= '0' && *text <= '9'; text++, digits++)
			byte = byte * 10 + *text - '0';
		if (!digits || byte > 255 || (i < 3 && *text++ != '.'))
			return false;
		value = value << 8 | byte;
	}
	*ip = value;
	if (*text == '/' && prefix) {
		uint64_t bits;
		if (!parse_number(text + 1, &bits) || bits > 32)
			return false;
		*prefix = (int)bits;
		return true;
	}
	return !*text;
}

static bool look_up(struct nic *nic, uint32_t hop, uint8_t mac[6])
{
	bool found = false;

	net_lock(nic);
	for (int i = 0; i < NET_ARP_MAX && !found; i++) {
		found = nic->arp[i].ip == hop;
		if (found)
			memcpy(mac, nic->arp[i].mac, 6);
	}
	net_unlock(nic);
	return found;
}

/* Serves the network until *count is no longer seen; false after that time. */
static bool serve_until(volatile uint32_t *count, uint32_t seen, uint64_t until)
{
	while (*count == seen) {
		uint32_t any = irq_any;
		net_serve(0);
		if (*count != seen)
			break;
		if (!clock_wait(&irq_any, any, until))
			return false;
	}
	return true;
}

int ip_resolve(struct nic *nic, uint32_t ip, uint8_t mac[6])
{
	uint32_t hop = nic->gateway && (ip ^ nic->ip) & nic->mask ? nic->gateway : ip;

	for (int try = 0; try < 5; try++) {
		if (look_up(nic, hop, mac))
			return 0;
		uint32_t seen = arp_answers;
		send_arp(&nic->pairs[0], 1, hop, NULL);
		serve_until(&arp_answers, seen, clock_ns() + 1000000000);
	}
	return fail("%u.%u.%u.%u does not answer ARP", hop >> 24, hop >> 16 & 255, hop >> 8 & 255,
		    hop & 255);
}

int ip_ping(struct nic *nic, uint32_t ip, uint64_t count, uint64_t size)
{
	uint8_t mac[6];
	uint64_t lost = 0;

	if (ip_resolve(nic, ip, mac))
		return -1;
	if (size + IP_LEN + 8 > nic->mtu)
		return fail("more than the MTU of %u", nic->mtu);
	uint64_t start = clock_ns();
	for (uint64_t i = 0; i < count; i++) {
		struct net_frame *f = net_frame(&nic->pairs[0]);
		if (!f)
			return fail("the send queue does not move");
		uint8_t *icmp = f->data + ip_header(nic, f->data, mac, ip, PROTO_ICMP, 8 + size);
		memset(icmp, 0, 8);
		icmp[0] = 8;
		put_be16(icmp + 4, PING_ID);
		put_be16(icmp + 6, (uint16_t)i);
		for (uint64_t b = 0; b < size; b++)
			icmp[8 + b] = (uint8_t)b;
		put_be16(icmp + 2, ~ip_sum(icmp, 8 + size, 0));
		uint32_t seen = pong;
		net_send(&nic->pairs[0], f, ETH_LEN + IP_LEN + 8 + size, NULL, 0);
		uint64_t until = clock_ns() + 1000000000;
		while (pong != (uint16_t)i + 1u && serve_until(&pong, seen, until))
			seen = pong;
		lost += pong != (uint16_t)i + 1u;
	}
	print("net ping sent=%lu lost=%lu size=%lu us=%lu\n", count, lost, size,
	      (clock_ns() - start) / 1000);
	return lost ? fail("%lu of %lu lost", lost, count) : 0;
}

struct blast {
	struct nic *nic;
	uint8_t mac[6];
	uint32_t ip;
	uint16_t port;
	uint64_t count, size; /* per pair */
	volatile uint64_t failed;
};

static bool blast_one(struct blast *b, struct net_pair *pair, uint64_t number)
{
	struct net_frame *f = net_frame(pair);
	uint32_t len = UDP_LEN + (uint32_t)b->size;

	if (!f)
		return false;
	uint8_t *udp = f->data + ip_header(b->nic, f->data, b->mac, b->ip, PROTO_UDP, len);
	put_be16(udp, (uint16_t)(40000 + pair->index));
	put_be16(udp + 2, b->port);
	put_be16(udp + 4, (uint16_t)len);
	put_be16(udp + 6, 0);
	put_be32(udp + 8, (uint32_t)pair->index);
	put_be32(udp + 12, (uint32_t)number);
	if (b->nic->v->features & NET_F_CSUM) {
		f->header.flags = NET_HDR_NEEDS_CSUM;
		f->header.csum_start = ETH_LEN + IP_LEN;
		f->header.csum_offset = 6;
		put_be16(udp + 6, ip_sum(NULL, 0, ip_pseudo(b->nic->ip, b->ip, PROTO_UDP, len)));
	}
	if (len + IP_LEN > b->nic->mtu) {
		f->header.gso_type = NET_GSO_UDP_L4;
		f->header.gso_size = (uint16_t)(b->nic->mtu - IP_LEN - UDP_LEN);
		f->header.hdr_len = ETH_LEN + IP_LEN + UDP_LEN;
	}
	net_send(pair, f, ETH_LEN + IP_LEN + len, NULL, 0);
	return true;
}

static void blast_work(int cpu, void *arg)
{
	struct blast *b = arg;

	for (int i = cpu; i < b->nic->n_pairs; i += cpu_online)
		for (uint64_t n = 0; n < b->count; n++)
			if (!blast_one(b, &b->nic->pairs[i], n)) {
				b->failed++;
				break;
			}
}

int ip_blast(struct nic *nic, uint32_t ip, uint16_t port, uint64_t count, uint64_t size)
{
	static struct blast b;
	uint32_t room = NET_FRAME_MAX - ETH_LEN - IP_LEN - UDP_LEN;

	b = (struct blast){.nic = nic, .ip = ip, .port = port, .count = count, .size = size};
	if (size < 8 || size > room)
		return fail("a size from 8 to %u", room);
	if (size + IP_LEN + UDP_LEN > nic->mtu && !(nic->v->features & NET_F_HOST_USO))
		return fail("more than the MTU of %u, and no UDP segmentation", nic->mtu);
	if (ip_resolve(nic, ip, b.mac))
		return -1;
	uint64_t start = clock_ns();
	cpu_call_all(blast_work, &b);
	print("net udp pairs=%d sent=%lu bytes=%lu us=%lu\n", nic->n_pairs, count * nic->n_pairs,
	      count * nic->n_pairs * size, (clock_ns() - start) / 1000);
	return b.failed ? fail("%lu queues do not move", b.failed) : 0;
}

void ip_print_counters(void)
{
	print("net pings=%lu echoes=%lu discarded=%lu discarded_bytes=%lu bad_sums=%lu\n", pinged,
	      echoed, discarded, discarded_bytes, bad_sums);
}
