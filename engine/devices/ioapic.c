/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Intel 82093AA IOAPIC with the EOI register of version 0x20. A pin's line is a logical level:
 * devices set it, polarity is not modelled.
 *
 *	edge:  0→1 ─► pending ─(unmasked)─► message, pending cleared
 *	level: 1, unmasked, remote IRR clear ─► message, remote IRR set ─ EOI ─► clear, again while
 *1
 */
#include "engine/devices/ioapic.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/vmm/bus.h"
#include "engine/vmm/layout.h"
#include "engine/vmm/state.h"

#define PINS LAYOUT_IOAPIC_PINS

#define REG_SELECT 0x00
#define REG_WINDOW 0x10
#define REG_EOI 0x40

#define INDEX_ID 0x00
#define INDEX_VERSION 0x01
#define INDEX_ARBITRATION 0x02
#define INDEX_TABLE 0x10

#define VERSION 0x20

#define ENTRY_VECTOR 0xffull
#define ENTRY_DELIVERY(entry) ((entry) >> 8 & 7)
#define ENTRY_LOGICAL (1ull << 11)
#define ENTRY_STATUS (1ull << 12)
#define ENTRY_REMOTE_IRR (1ull << 14)
#define ENTRY_LEVEL (1ull << 15)
#define ENTRY_MASKED (1ull << 16)
#define ENTRY_READ_ONLY (ENTRY_STATUS | ENTRY_REMOTE_IRR)
#define ENTRY_WRITABLE 0xff0000000001afffull
#define DELIVERY_EXTINT 7

#define MSI_ADDRESS 0xfee00000ull
#define MSI_LEVEL_ASSERT (3u << 14)

struct ioapic {
	struct device dev;
	struct bus *mmio;
	struct ioapic_out sink;
	pthread_mutex_t lock; /* protects all below */
	uint8_t select;
	uint32_t id;
	uint32_t lines;   /* a bit a pin: its level */
	uint32_t pending; /* edges not delivered yet */
	uint64_t table[PINS];
	uint64_t routed[PINS]; /* the entry that route() was told; 0: none */
};

static uint64_t message_address(uint64_t entry)
{
	return MSI_ADDRESS | (entry >> 56) << 12 | (entry & ENTRY_LOGICAL ? 1 << 2 : 0);
}

static uint32_t message_data(uint64_t entry)
{
	uint32_t data = (uint32_t)(entry & ENTRY_VECTOR) | (uint32_t)ENTRY_DELIVERY(entry) << 8;
	return entry & ENTRY_LEVEL ? data | MSI_LEVEL_ASSERT : data;
}

/* Caller holds the lock. */
static void service(struct ioapic *apic, unsigned pin)
{
	uint64_t *entry = &apic->table[pin];
	uint32_t bit = 1u << pin;
	if (*entry & ENTRY_MASKED || ENTRY_DELIVERY(*entry) == DELIVERY_EXTINT)
		return;
	if (*entry & ENTRY_LEVEL) {
		if (!(apic->lines & bit) || *entry & ENTRY_REMOTE_IRR)
			return;
		*entry |= ENTRY_REMOTE_IRR;
	} else {
		if (!(apic->pending & bit))
			return;
		apic->pending &= ~bit;
	}
	apic->sink.deliver(apic->sink.ctx, message_address(*entry), message_data(*entry));
}

/*
 * The route must stand before the first message of a level pin, or its end is never reported; and
 * it must outlast masking, since guests mask a pin before they end its interrupt. Caller holds the
 * lock.
 */
static void update_route(struct ioapic *apic, unsigned pin)
{
	uint64_t entry = apic->table[pin] & ~(ENTRY_READ_ONLY | ENTRY_MASKED);
	bool present = entry & ENTRY_LEVEL;
	if (present && apic->table[pin] & ENTRY_MASKED)
		return;
	if (entry == apic->routed[pin] || (!present && !apic->routed[pin]))
		return;
	apic->routed[pin] = present ? entry : 0;
	apic->sink.route(apic->sink.ctx, pin, present, message_address(entry), message_data(entry));
}

static uint32_t window_read(const struct ioapic *apic)
{
	unsigned index = apic->select;
	if (index == INDEX_ID || index == INDEX_ARBITRATION)
		return apic->id;
	if (index == INDEX_VERSION)
		return VERSION | (PINS - 1) << 16;
	if (index >= INDEX_TABLE && index < INDEX_TABLE + 2 * PINS) {
		uint64_t entry = apic->table[(index - INDEX_TABLE) / 2];
		return (uint32_t)(index & 1 ? entry >> 32 : entry);
	}
	return 0;
}

static void window_write(struct ioapic *apic, uint32_t value)
{
	unsigned index = apic->select;
	if (index == INDEX_ID)
		apic->id = value & 0x0f000000;
	if (index < INDEX_TABLE || index >= INDEX_TABLE + 2 * PINS)
		return;
	unsigned pin = (index - INDEX_TABLE) / 2;
	uint64_t old = apic->table[pin];
	uint64_t entry = index & 1 ? (old & 0xffffffff) | (uint64_t)value << 32
				   : (old & ~0xffffffffull) | value;
	entry = (entry & ENTRY_WRITABLE) | (old & ENTRY_READ_ONLY);
	if (!(entry & ENTRY_LEVEL))
		entry &= ~ENTRY_REMOTE_IRR;
	apic->table[pin] = entry;
	update_route(apic, pin);
	service(apic, pin);
}

static void end_of_interrupt(struct ioapic *apic, uint8_t vector)
{
	for (unsigned pin = 0; pin < PINS; pin++) {
		uint64_t *entry = &apic->table[pin];
		if (!(*entry & ENTRY_REMOTE_IRR) || (*entry & ENTRY_VECTOR) != vector)
			continue;
		*entry &= ~ENTRY_REMOTE_IRR;
		service(apic, pin);
	}
}

static uint64_t ioapic_read(void *owner, uint64_t offset, unsigned size)
{
	struct ioapic *apic = owner;
	uint32_t value = 0;
	(void)size;
	pthread_mutex_lock(&apic->lock);
	if (offset == REG_SELECT)
		value = apic->select;
	else if (offset == REG_WINDOW)
		value = window_read(apic);
	pthread_mutex_unlock(&apic->lock);
	return value;
}

static void ioapic_write(void *owner, uint64_t offset, unsigned size, uint64_t value)
{
	struct ioapic *apic = owner;
	(void)size;
	pthread_mutex_lock(&apic->lock);
	if (offset == REG_SELECT)
		apic->select = (uint8_t)value;
	else if (offset == REG_WINDOW)
		window_write(apic, (uint32_t)value);
	else if (offset == REG_EOI)
		end_of_interrupt(apic, (uint8_t)value);
	pthread_mutex_unlock(&apic->lock);
}

static const struct bus_ops ioapic_bus_ops = {ioapic_read, ioapic_write};

void ioapic_set_line(struct device *dev, unsigned pin, bool level)
{
	struct ioapic *apic = (struct ioapic *)dev;
	if (pin >= PINS)
		return;
	uint32_t bit = 1u << pin;
	pthread_mutex_lock(&apic->lock);
	bool rose = level && !(apic->lines & bit);
	apic->lines = level ? apic->lines | bit : apic->lines & ~bit;
	if (rose && !(apic->table[pin] & ENTRY_LEVEL))
		apic->pending |= bit;
	if (rose)
		service(apic, pin);
	pthread_mutex_unlock(&apic->lock);
}

void ioapic_eoi(struct device *dev, uint8_t vector)
{
	struct ioapic *apic = (struct ioapic *)dev;
	pthread_mutex_lock(&apic->lock);
	end_of_interrupt(apic, vector);
	pthread_mutex_unlock(&apic->lock);
}

static const struct state_field ioapic_fields[] = {
	STATE(struct ioapic, select, 1),      STATE(struct ioapic, id, 1),
	STATE(struct ioapic, lines, 1),       STATE(struct ioapic, pending, 1),
	STATE_ARRAY(struct ioapic, table, 1), STATE_END,
};

static int ioapic_check(void *object, struct hv_error *err)
{
	const struct ioapic *apic = object;
	if (apic->lines >> PINS || apic->pending >> PINS)
		return hv_fail(err, HV_FAILED, 0,
			       "section \"ioapic\" names pins that do not exist");
	for (unsigned pin = 0; pin < PINS; pin++) {
		uint64_t entry = apic->table[pin];
		if (entry & ~(ENTRY_WRITABLE | ENTRY_READ_ONLY) ||
		    (entry & ENTRY_REMOTE_IRR && !(entry & ENTRY_LEVEL)))
			return hv_fail(err, HV_FAILED, 0, "section \"ioapic\": pin %u cannot be so",
				       pin);
	}
	return 0;
}

static const struct state_section ioapic_section = {
	.name = "ioapic",
	.version = 1,
	.min_version = 1,
	.fields = ioapic_fields,
	.check = ioapic_check,
};

static int ioapic_save(struct device *dev, struct state_out *out, struct hv_error *err)
{
	return state_save(out, &ioapic_section, dev->id, dev, err);
}

/* A level interrupt may be on its way: its route is there, masked or not. */
static void load_route(struct ioapic *apic, unsigned pin)
{
	uint64_t entry = apic->table[pin];
	apic->table[pin] &= ~ENTRY_MASKED;
	update_route(apic, pin);
	apic->table[pin] = entry;
}

static int ioapic_load(struct device *dev, struct state_in *in, struct hv_error *err)
{
	struct ioapic *apic = (struct ioapic *)dev;
	int rc = state_load(in, &ioapic_section, dev->id, dev, err);
	for (unsigned pin = 0; rc == 0 && pin < PINS; pin++)
		load_route(apic, pin);
	return rc;
}

static void ioapic_free(struct device *dev)
{
	struct ioapic *apic = (struct ioapic *)dev;
	bus_remove(apic->mmio, LAYOUT_IOAPIC, apic);
	pthread_mutex_destroy(&apic->lock);
	free(apic);
}

static const struct device_ops ioapic_ops = {
	.save = ioapic_save, .load = ioapic_load, .free = ioapic_free};

int ioapic_new(struct device **out, const struct device_env *env, const struct ioapic_out *sink,
	       struct hv_error *err)
{
	struct ioapic *apic = calloc(1, sizeof *apic);
	if (!apic)
		return hv_fail(err, HV_FAILED, ENOMEM, "creating the IOAPIC");
	apic->dev.ops = &ioapic_ops;
	snprintf(apic->dev.id, sizeof apic->dev.id, "ioapic0");
	apic->mmio = env->mmio;
	apic->sink = *sink;
	pthread_mutex_init(&apic->lock, NULL);
	for (unsigned pin = 0; pin < PINS; pin++)
		apic->table[pin] = ENTRY_MASKED;
	struct bus_range range = {LAYOUT_IOAPIC, LAYOUT_IOAPIC_LEN, &ioapic_bus_ops, apic};
	int rc = bus_add(env->mmio, &range, err);
	if (rc < 0) {
		ioapic_free(&apic->dev);
		return rc;
	}
	*out = &apic->dev;
	return 0;
}
