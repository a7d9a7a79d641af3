/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A network backend for units: a pair of datagram sockets for each queue pair, one frame a
 * datagram. */
#ifndef HV_TESTS_FAKE_NET_H
#define HV_TESTS_FAKE_NET_H

#include <stdint.h>

#include "engine/net/net.h"

struct fake_net {
	struct net_backend be; /* first */
	int peers[NET_PAIRS_MAX];
	unsigned offloads_set; /* the last of set_offloads() */
	int pairs_set;
	int n_drops;
	int fail_set_pairs; /* so many calls fail */
};

void fake_net_init(struct fake_net *net, int pairs, unsigned offloads);
/* The backend is freed by its device; this closes the peers. */
void fake_net_fini(struct fake_net *net);
/* A frame for the guest: len bytes behind an empty header, each with the value mark but the
 * first 14. */
void fake_net_send(struct fake_net *net, int pair, size_t len, uint8_t mark);
void fake_net_send_to(struct fake_net *net, int pair, const uint8_t mac[6], size_t len, int vlan);
/* The next frame from the guest, header included, waiting up to 2 s; -1 where none comes. */
ssize_t fake_net_receive(struct fake_net *net, int pair, uint8_t *to, size_t len);
/* The same without waiting. */
ssize_t fake_net_poll(struct fake_net *net, int pair, uint8_t *to, size_t len);

#endif
