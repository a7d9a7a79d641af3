/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An address space that vCPUs reach by exits: one bus for MMIO, one for port I/O. Ranges are sorted
 * and do not overlap. Look-ups take the lock shared and release it before the handler runs, so a
 * handler may add and remove ranges (a BAR that moves); owners outlive the vCPUs.
 */
#ifndef HV_VMM_BUS_H
#define HV_VMM_BUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/model/error.h"

struct bus_ops {
	/* offset is relative to the range; size is 1, 2, 4 or 8; the access lies inside the range.
	 */
	uint64_t (*read)(void *owner, uint64_t offset, unsigned size);
	void (*write)(void *owner, uint64_t offset, unsigned size, uint64_t value);
};

struct bus_range {
	uint64_t base, len;
	const struct bus_ops *ops;
	void *owner;
};

struct bus {
	pthread_rwlock_t lock; /* protects ranges, n_ranges, capacity */
	struct bus_range *ranges;
	int n_ranges, capacity;
};

void bus_init(struct bus *bus);
void bus_fini(struct bus *bus);
/* HV_CONFLICT where it overlaps another range, HV_FAILED without memory. */
int bus_add(struct bus *bus, const struct bus_range *range, struct hv_error *err);
void bus_remove(struct bus *bus, uint64_t base, void *owner);
/* Where nothing answers: reads give all ones, writes vanish; the return value says whether it did.
 */
bool bus_read(struct bus *bus, uint64_t addr, unsigned size, uint64_t *value);
bool bus_write(struct bus *bus, uint64_t addr, unsigned size, uint64_t value);

#endif
