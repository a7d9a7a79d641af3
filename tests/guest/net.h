/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-net and what is spoken over it. A queue pair belongs to one CPU, which alone touches its
 * rings; addresses, ARP and TCP state are shared under the NIC's lock.
 */
#ifndef GUEST_NET_H
#define GUEST_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/guest/virtio.h"

#define NET_NICS_MAX 4
#define NET_PAIRS_MAX 16
#define NET_ARP_MAX 8
#define NET_FRAME_MAX 12288

#define NET_F_CSUM (1ull << 0)
#define NET_F_GUEST_CSUM (1ull << 1)
#define NET_F_MTU (1ull << 3)
#define NET_F_MAC (1ull << 5)
#define NET_F_GUEST_TSO4 (1ull << 7)
#define NET_F_HOST_TSO4 (1ull << 11)
#define NET_F_MRG_RXBUF (1ull << 15)
#define NET_F_STATUS (1ull << 16)
#define NET_F_CTRL_VQ (1ull << 17)
#define NET_F_MQ (1ull << 22)
#define NET_F_HOST_USO (1ull << 56)

#define NET_HDR_NEEDS_CSUM 1
#define NET_HDR_DATA_VALID 2
#define NET_GSO_TCPV4 1
#define NET_GSO_UDP_L4 5

struct net_header {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};

/* A frame to send: what stands here, and after it maybe a payload elsewhere. */
struct net_frame {
	struct net_frame *next;
	struct net_header header;
	uint8_t data[NET_FRAME_MAX];
};

struct net_pair {
	struct nic *nic;
	int index, cpu;
	struct vring *rx, *tx;
	struct net_frame *free;
	uint8_t *buffers; /* of all receive buffers, and how much that is */
	uint64_t buffers_len;
	struct net_frame *frames;
	uint8_t *linear; /* where a frame of several buffers is put together */
	uint64_t rx_packets, rx_bytes, rx_merged, rx_large, tx_packets, tx_bytes;
};

struct nic {
	struct virtio *v;
	int index;
	uint8_t mac[6];
	uint16_t mtu;
	uint32_t ip, mask, gateway; /* host order */
	bool up;
	int n_pairs;
	uint32_t rx_len; /* of a receive buffer */
	struct net_pair pairs[NET_PAIRS_MAX];
	volatile bool lock; /* for arp, and all that net_ip.c and net_tcp.c keep */
	struct {
		uint32_t ip;
		uint8_t mac[6];
	} arp[NET_ARP_MAX];
	unsigned arp_next;
};

void net_lock(struct nic *nic);
void net_unlock(struct nic *nic);
int net_attach(struct nic *nic, int max_pairs); /* 0 or fail() */
struct nic *net_nic(int n);                     /* NULL where there is none */

/* Serves the queue pairs that belong to a CPU: called by its idle loop. */
void net_serve(int cpu);

/* A frame to fill; waits for one. Only the pair's CPU. */
struct net_frame *net_frame(struct net_pair *pair);
void net_send(struct net_pair *pair, struct net_frame *frame, uint32_t len, const void *payload,
	      uint32_t payload_len);

/* net_ip.c */
void ip_input(struct net_pair *pair, const struct net_header *header, uint8_t *frame, uint32_t len);
/* Ethernet and IPv4 headers for what follows; their length. mac: of the next hop. */
uint32_t ip_header(struct nic *nic, uint8_t *to, const uint8_t mac[6], uint32_t ip,
		   uint8_t protocol, uint32_t len);
uint16_t ip_sum(const void *data, uint32_t len, uint32_t sum); /* folded, not inverted */
uint32_t ip_pseudo(uint32_t from, uint32_t to, uint8_t protocol, uint32_t len);
/* Finds the next hop's address, asking for it; first CPU only. 0 or fail(). */
int ip_resolve(struct nic *nic, uint32_t ip, uint8_t mac[6]);
bool ip_parse(const char *text, uint32_t *ip, int *prefix);
int ip_ping(struct nic *nic, uint32_t ip, uint64_t count, uint64_t size);
int ip_blast(struct nic *nic, uint32_t ip, uint16_t port, uint64_t count, uint64_t size);
void ip_print_counters(void);

/* net_tcp.c: connects, and sends that many bytes or (bytes 0) receives until the other side ends.
 */
int tcp_run(struct nic *nic, uint32_t ip, uint16_t port, uint64_t bytes);
void tcp_input(struct net_pair *pair, uint32_t from, uint8_t *segment, uint32_t len);

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)get_be16(p) << 16 | get_be16(p + 2);
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, (uint16_t)(v >> 16));
	put_be16(p + 2, (uint16_t)v);
}

#endif
