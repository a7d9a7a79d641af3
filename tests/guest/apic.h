/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Local APICs (xAPIC, by MMIO) and the IOAPIC. */
#ifndef GUEST_APIC_H
#define GUEST_APIC_H

#include <stdbool.h>
#include <stdint.h>

extern bool apic_present; /* false where there is no MADT: then nothing interrupts */

void apic_init(void);   /* the first CPU: its APIC and the IOAPIC's pins */
void apic_enable(void); /* every CPU */
void apic_send(uint8_t apic_id, uint32_t command);
/* One shot: VECTOR_TIMER on this CPU after that time; 0 stops it. */
void apic_timer(uint64_t ns);
uint32_t apic_timer_left(void);
void apic_route_pin(uint32_t gsi, uint8_t vector, bool level);

#endif
