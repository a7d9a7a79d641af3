/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The IOAPIC of a split irqchip: pins in, messages to the local APICs out. Lines may be set from
 * any thread.
 */
#ifndef HV_DEVICES_IOAPIC_H
#define HV_DEVICES_IOAPIC_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/vmm/device.h"

/* Where interrupts go. Called with the IOAPIC's lock held. */
struct ioapic_out {
	void (*deliver)(void *ctx, uint64_t address, uint32_t data);
	/* What a level-triggered pin sends, for whoever reports the end of its interrupts; present
	 * is false when it becomes edge-triggered. */
	void (*route)(void *ctx, unsigned pin, bool present, uint64_t address, uint32_t data);
	void *ctx;
};

int ioapic_new(struct device **out, const struct device_env *env, const struct ioapic_out *sink,
	       struct hv_error *err);
void ioapic_set_line(struct device *dev, unsigned pin, bool level);
/* A processor ended the interrupt of this vector. */
void ioapic_eoi(struct device *dev, uint8_t vector);

#endif
