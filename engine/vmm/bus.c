/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ranges in a sorted array, found by bisection. The range is copied out under the lock, so its
 * handler runs without it.
 */
#include "engine/vmm/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void bus_init(struct bus *bus)
{
	memset(bus, 0, sizeof *bus);
	pthread_rwlock_init(&bus->lock, NULL);
}

void bus_fini(struct bus *bus)
{
	free(bus->ranges);
	bus->ranges = NULL;
	bus->n_ranges = bus->capacity = 0;
	pthread_rwlock_destroy(&bus->lock);
}

/* The number of ranges that begin at or below addr. Caller holds the lock. */
static int upper_bound(const struct bus *bus, uint64_t addr)
{
	int low = 0, high = bus->n_ranges;
	while (low < high) {
		int middle = (low + high) / 2;
		if (bus->ranges[middle].base <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool overlaps(const struct bus *bus, int at, const struct bus_range *range)
{
	/* lengths are compared as last addresses, so that a range may end the address space */
	uint64_t last = range->base + range->len - 1;
	if (at > 0) {
		const struct bus_range *before = &bus->ranges[at - 1];
		if (before->base + before->len - 1 >= range->base)
			return true;
	}
	return at < bus->n_ranges && bus->ranges[at].base <= last;
}

static bool grow(struct bus *bus)
{
	if (bus->n_ranges < bus->capacity)
		return true;
	int capacity = bus->capacity ? 2 * bus->capacity : 8;
	struct bus_range *ranges = realloc(bus->ranges, (size_t)capacity * sizeof *ranges);
	if (!ranges)
		return false;
	bus->ranges = ranges;
	bus->capacity = capacity;
	return true;
}

int bus_add(struct bus *bus, const struct bus_range *range, struct hv_error *err)
{
	if (!range->len || range->base + range->len - 1 < range->base)
		return hv_fail(err, HV_CONFLICT, 0, "bus range at 0x%llx wraps around or is empty",
			       (unsigned long long)range->base);
	int rc = 0;
	pthread_rwlock_wrlock(&bus->lock);
	int at = upper_bound(bus, range->base);
	if (overlaps(bus, at, range)) {
		rc = hv_fail(err, HV_CONFLICT, 0, "bus range at 0x%llx overlaps another",
			     (unsigned long long)range->base);
	} else if (!grow(bus)) {
		rc = hv_fail(err, HV_FAILED, ENOMEM, "adding a bus range");
	} else {
		memmove(&bus->ranges[at + 1], &bus->ranges[at],
			(size_t)(bus->n_ranges - at) * sizeof *bus->ranges);
		bus->ranges[at] = *range;
		bus->n_ranges++;
	}
	pthread_rwlock_unlock(&bus->lock);
	return rc;
}

void bus_remove(struct bus *bus, uint64_t base, void *owner)
{
	pthread_rwlock_wrlock(&bus->lock);
	int at = upper_bound(bus, base) - 1;
	if (at >= 0 && bus->ranges[at].base == base && bus->ranges[at].owner == owner) {
		bus->n_ranges--;
		memmove(&bus->ranges[at], &bus->ranges[at + 1],
			(size_t)(bus->n_ranges - at) * sizeof *bus->ranges);
	}
	pthread_rwlock_unlock(&bus->lock);
}

static bool find(struct bus *bus, uint64_t addr, unsigned size, struct bus_range *out)
{
	bool found = false;
	pthread_rwlock_rdlock(&bus->lock);
	int at = upper_bound(bus, addr) - 1;
	if (at >= 0) {
		const struct bus_range *range = &bus->ranges[at];
		uint64_t offset = addr - range->base;
		if (offset < range->len && size <= range->len - offset) {
			*out = *range;
			found = true;
		}
	}
	pthread_rwlock_unlock(&bus->lock);
	return found;
}

bool bus_read(struct bus *bus, uint64_t addr, unsigned size, uint64_t *value)
{
	struct bus_range range;
	*value = size >= 8 ? UINT64_MAX : (1ull << 8 * size) - 1;
	if (!find(bus, addr, size, &range))
		return false;
	*value &= range.ops->read(range.owner, addr - range.base, size);
	return true;
}

bool bus_write(struct bus *bus, uint64_t addr, unsigned size, uint64_t value)
{
	struct bus_range range;
	if (!find(bus, addr, size, &range))
		return false;
	range.ops->write(range.owner, addr - range.base, size, value);
	return true;
}
