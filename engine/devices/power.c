/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One page of registers (layout.h) and port 0x64; port 0xcf9 comes by the PCI bus. The event line
 * is level: high while events wait, so that none is lost to a guest that masks it.
 * ACPI 6.4, 4.8.3.7 and 5.6.9.
 */
#include "engine/devices/power.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/vmm/bus.h"
#include "engine/vmm/layout.h"
#include "engine/vmm/state.h"
#include "engine/vmm/wiring.h"

#define SLP_EN 0x20
#define SLP_TYP(value) ((value) >> 2 & 7)
#define KBC_PULSE_RESET 0xfe
#define RESET_PORT_CPU 0x04 /* 0→1 of this bit resets */

struct power {
	struct device dev;
	const struct device_env *env;
	struct power_events events;
	bool on_mmio, on_kbc;
	pthread_mutex_t lock; /* protects waiting, and orders the line with it */
	uint32_t waiting;     /* LAYOUT_GED_… */
};

static void set_line(struct power *power)
{
	const struct wiring_ops *ops = power->env->wiring->ops;
	ops->line_set(power->env->wiring, LAYOUT_PIN_GED, power->waiting != 0);
}

static uint64_t page_read(void *owner, uint64_t offset, unsigned size)
{
	struct power *power = owner;
	if (offset != LAYOUT_GED_EVENTS || size != 4)
		return 0; /* sleep status too: never woken */
	pthread_mutex_lock(&power->lock);
	uint32_t waiting = power->waiting;
	power->waiting = 0;
	set_line(power);
	pthread_mutex_unlock(&power->lock);
	return waiting;
}

static void page_write(void *owner, uint64_t offset, unsigned size, uint64_t value)
{
	struct power *power = owner;
	(void)size;
	if (offset == LAYOUT_SLEEP_CONTROL && value & SLP_EN && SLP_TYP(value) == LAYOUT_SLP_TYP_S5)
		power->events.off(power->events.ctx);
	else if (offset == LAYOUT_RESET && value == LAYOUT_RESET_VALUE)
		power->events.reset(power->events.ctx);
}

static const struct bus_ops page_ops = {page_read, page_write};

/* Zero is an idle keyboard controller: kernels wait for that before they write the pulse. */
static uint64_t port_read(void *owner, uint64_t offset, unsigned size)
{
	(void)owner;
	(void)offset;
	(void)size;
	return 0;
}

static void kbc_write(void *owner, uint64_t offset, unsigned size, uint64_t value)
{
	struct power *power = owner;
	(void)offset;
	(void)size;
	if (value == KBC_PULSE_RESET)
		power->events.reset(power->events.ctx);
}

static const struct bus_ops kbc_ops = {port_read, kbc_write};

void power_reset_port(void *dev, uint8_t value)
{
	struct power *power = dev;
	if (value & RESET_PORT_CPU)
		power->events.reset(power->events.ctx);
}

void power_press_button(struct device *dev)
{
	struct power *power = (struct power *)dev;
	pthread_mutex_lock(&power->lock);
	power->waiting |= LAYOUT_GED_POWER_BUTTON;
	set_line(power);
	pthread_mutex_unlock(&power->lock);
}

static const struct state_field power_fields[] = {STATE(struct power, waiting, 1), STATE_END};

static int power_check(void *object, struct hv_error *err)
{
	const struct power *power = object;
	if (power->waiting & ~(uint32_t)LAYOUT_GED_POWER_BUTTON)
		return hv_fail(err, HV_FAILED, 0, "section \"power\" has unknown events");
	return 0;
}

static const struct state_section power_section = {
	.name = "power",
	.version = 1,
	.min_version = 1,
	.fields = power_fields,
	.check = power_check,
};

static int power_save(struct device *dev, struct state_out *out, struct hv_error *err)
{
	return state_save(out, &power_section, dev->id, dev, err);
}

static int power_load(struct device *dev, struct state_in *in, struct hv_error *err)
{
	/* the IOAPIC's section has the line */
	return state_load(in, &power_section, dev->id, dev, err);
}

static void power_free(struct device *dev)
{
	struct power *power = (struct power *)dev;
	if (power->on_mmio)
		bus_remove(power->env->mmio, LAYOUT_POWER, power);
	if (power->on_kbc)
		bus_remove(power->env->pio, LAYOUT_PORT_KBC, power);
	pthread_mutex_destroy(&power->lock);
	free(power);
}

static const struct device_ops power_ops = {
	.save = power_save, .load = power_load, .free = power_free};

static int plug(struct bus *bus, uint64_t base, uint64_t len, const struct bus_ops *ops,
		struct power *power, bool *plugged, struct hv_error *err)
{
	struct bus_range range = {base, len, ops, power};
	int rc = bus_add(bus, &range, err);
	*plugged = rc == 0;
	return rc;
}

int power_new(struct device **out, const struct device_env *env, const struct power_events *events,
	      struct hv_error *err)
{
	struct power *power = calloc(1, sizeof *power);
	if (!power)
		return hv_fail(err, HV_FAILED, ENOMEM, "creating the power device");
	power->dev.ops = &power_ops;
	snprintf(power->dev.id, sizeof power->dev.id, "power0");
	power->env = env;
	power->events = *events;
	pthread_mutex_init(&power->lock, NULL);
	int rc = plug(env->mmio, LAYOUT_POWER, LAYOUT_POWER_LEN, &page_ops, power, &power->on_mmio,
		      err);
	if (rc == 0)
		rc = plug(env->pio, LAYOUT_PORT_KBC, 1, &kbc_ops, power, &power->on_kbc, err);
	if (rc < 0) {
		power_free(&power->dev);
		return rc;
	}
	*out = &power->dev;
	return 0;
}
