/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * passt, the network for an operator without rights: user-mode TCP, UDP and ICMP with DHCP and
 * router advertisements, one process a NIC. The keeper runs it with the arguments made here, and
 * adds the socket; the guest reaches its host by the address of its gateway.
 */
#ifndef HV_HOST_PASST_H
#define HV_HOST_PASST_H

#include <stddef.h>

#include "engine/model/error.h"

#define HV_PASST_FORWARDS_MAX 64

struct hv_passt_options {
	int mtu; /* told to the guest by DHCP and router advertisement; 0: not told */
	/* "[tcp:|udp:][ADDRESS/]PORT[-PORT][:PORT[-PORT]]": of the host, then of the guest; "all"
	 * too */
	const char *const *forwards;
	size_t n_forwards;
	/* optional, NULL: as the host has them */
	const char *address;   /* of the guest, IPv4 or IPv6 */
	const char *gateway;   /* which the guest sees its host under */
	const char *interface; /* that addresses and routes are taken from */
};

/* $HVSH_PASST, else passt in $PATH. path: size bytes. HV_NOT_FOUND with the package to install. */
HV_PUBLIC int hv_passt_find(char *path, size_t size, struct hv_error *err);

/*
 * The program and its arguments, without those for its socket; NULL-terminated, owned by the
 * caller. HV_USAGE for a forward, address or MTU that passt would not take, or a port forwarded
 * twice.
 */
HV_PUBLIC int hv_passt_args(char ***argv, const struct hv_passt_options *options,
			    struct hv_error *err);
HV_PUBLIC void hv_passt_args_free(char **argv);

#endif
