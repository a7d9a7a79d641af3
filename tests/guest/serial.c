/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The 16550 console: output polls for room and then fills the FIFO with one string instruction (one
 * exit for up to 16 bytes), input comes by interrupt into a ring, or by polling before there are
 * interrupts.
 */
#include "tests/guest/serial.h"
#include "engine/vmm/layout.h"
#include "tests/guest/apic.h"
#include "tests/guest/boot.h"
#include "tests/guest/cpu.h"
#include "tests/guest/io.h"

#define DATA LAYOUT_PORT_SERIAL
#define IER (LAYOUT_PORT_SERIAL + 1)
#define IIR (LAYOUT_PORT_SERIAL + 2)
#define FCR (LAYOUT_PORT_SERIAL + 2)
#define LCR (LAYOUT_PORT_SERIAL + 3)
#define MCR (LAYOUT_PORT_SERIAL + 4)
#define LSR (LAYOUT_PORT_SERIAL + 5)
#define LSR_DATA 0x01
#define LSR_EMPTY 0x20
#define FIFO 16

static char typed[4096];
static uint32_t typed_head, typed_tail;
static uint32_t seen;

static void fifo_write(const char *text, size_t len)
{
	while (!(in8(LSR) & LSR_EMPTY))
		cpu_pause();
	asm volatile("rep outsb" : "+S"(text), "+c"(len) : "d"(DATA) : "memory");
}

void serial_write(const char *text, size_t len)
{
	char fifo[FIFO];
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (n + 2 > FIFO) {
			fifo_write(fifo, n);
			n = 0;
		}
		if (text[i] == '\n')
			fifo[n++] = '\r';
		fifo[n++] = text[i];
	}
	if (n)
		fifo_write(fifo, n);
}

static void drain(void)
{
	while (in8(LSR) & LSR_DATA) {
		char c = in8(DATA);
		if (typed_head - typed_tail < sizeof(typed))
			typed[typed_head++ % sizeof(typed)] = c;
	}
}

void serial_init(void)
{
	out8(LCR, 0x03); /* 8n1 */
	drain();         /* what was typed before the FIFO is cleared */
	out8(FCR, 0x01);
	out8(MCR, 0x0b); /* DTR, RTS, interrupt enabled */
	out8(IER, 0x01);
}

void serial_service(void)
{
	uint32_t count = irq_count[VECTOR_SERIAL];

	if (apic_present && count == seen)
		return;
	seen = count;
	in8(IIR);
	drain();
}

int serial_read(void)
{
	if (typed_head == typed_tail)
		serial_service();
	if (typed_head == typed_tail)
		return -1;
	return (uint8_t)typed[typed_tail++ % sizeof(typed)];
}
