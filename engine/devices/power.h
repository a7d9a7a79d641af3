/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Power: the sleep and reset registers of reduced-hardware ACPI, the generic event device behind
 * the power button, and the two reset ports that PCs have.
 */
#ifndef HV_DEVICES_POWER_H
#define HV_DEVICES_POWER_H

#include <stdint.h>

#include "engine/vmm/device.h"

/* Called on the vCPU thread that wrote the register, without locks. */
struct power_events {
	void (*off)(void *ctx);
	void (*reset)(void *ctx);
	void *ctx;
};

int power_new(struct device **out, const struct device_env *env, const struct power_events *events,
	      struct hv_error *err);
/* Any thread. */
void power_press_button(struct device *dev);
/* A write to LAYOUT_PORT_RESET: struct pci_bus's reset_port, since that port lies among the bus's.
 */
void power_reset_port(void *dev, uint8_t value);

#endif
