/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taps and macvtaps, opened with the operator's rights and handed to the VM as descriptors. A tap
 * made here is not persistent: it goes with its last descriptor, so nothing is left of a VM that is
 * gone.
 */
#ifndef HV_HOST_TAP_H
#define HV_HOST_TAP_H

#include <stdint.h>

#include "engine/host/network.h"
#include "engine/model/error.h"

#define HV_TAP_QUEUES_MAX 16

struct hv_tap {
	char ifname[HV_IFNAME_MAX];
	int fds[HV_TAP_QUEUES_MAX]; /* one a queue, close-on-exec */
	int n_fds;
};

/*
 * Makes a tap with so many queues, gives it its MTU, puts it on the bridge and brings it up.
 *
 * bridge: an existing bridge's name, or NULL for none.
 * Errors: HV_DENIED without the right to (the hint names passt), HV_NOT_FOUND without such a bridge
 * or without /dev/net/tun, HV_USAGE for an interface that is no bridge, HV_FAILED.
 */
HV_PUBLIC int hv_tap_open(struct hv_tap *tap, const char *bridge, int queues, int mtu,
			  struct hv_error *err);

/*
 * Opens the queues of an existing macvtap. It lets only its own address through, so that is set to
 * mac where they differ, and its MTU raised where that is lower; both need the right to change the
 * device, opening it only that to its /dev/tapN. Errors as above.
 */
HV_PUBLIC int hv_macvtap_open(struct hv_tap *tap, const char *ifname, const uint8_t mac[6],
			      int queues, int mtu, struct hv_error *err);

/* Accepts a zeroed one. */
HV_PUBLIC void hv_tap_close(struct hv_tap *tap);

#endif
