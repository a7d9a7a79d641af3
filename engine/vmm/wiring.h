/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The wires between devices and the machine: message-signalled interrupts by irqfd, doorbells by
 * ioeventfd, level lines into the IOAPIC. Devices know this table; the KVM behind it stays in
 * engine/vmm/kvm_wiring.c, and unit tests put a recording one in its place.
 */
#ifndef HV_VMM_WIRING_H
#define HV_VMM_WIRING_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/model/error.h"

struct wiring;

/* One MSI-X vector. Writing its eventfd injects the message without leaving the kernel. */
struct wiring_msi {
	int fd;  /* eventfd, -1 before the first bind */
	int gsi; /* -1 until first bound: a GSI is taken when a vector is first unmasked */
	bool bound;
};

struct wiring_ops {
	/* Routes msi to (address, data); may be called again to re-route. */
	int (*msi_bind)(struct wiring *wiring, struct wiring_msi *msi, uint64_t address,
			uint32_t data, struct hv_error *err);
	/* Masks: the eventfd still counts, nothing is injected. */
	void (*msi_unbind)(struct wiring *wiring, struct wiring_msi *msi);
	void (*msi_free)(struct wiring *wiring, struct wiring_msi *msi); /* gives back fd and GSI */
	/* Writes of any size at gpa signal fd instead of leaving KVM_RUN. */
	int (*doorbell_add)(struct wiring *wiring, uint64_t gpa, int fd, struct hv_error *err);
	void (*doorbell_remove)(struct wiring *wiring, uint64_t gpa, int fd);
	void (*line_set)(struct wiring *wiring, unsigned pin, bool level);
};

struct wiring {
	const struct wiring_ops *ops;
};

#define WIRING_MSI_INIT                                                                            \
	{                                                                                          \
		.fd = -1, .gsi = -1                                                                \
	}

#endif
