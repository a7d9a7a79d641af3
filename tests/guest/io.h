/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Port and memory-mapped I/O, barriers, the time-stamp counter: one instruction each. */
#ifndef GUEST_IO_H
#define GUEST_IO_H

#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t value)
{
	asm volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint16_t in16(uint16_t port)
{
	uint16_t value;

	asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

/* By plain moves: an emulator behind MMIO need not know more. */
static inline uint8_t mmio_read8(uint64_t addr)
{
	uint8_t value;

	asm volatile("movb (%1), %0" : "=q"(value) : "r"(addr) : "memory");
	return value;
}

static inline uint16_t mmio_read16(uint64_t addr)
{
	uint16_t value;

	asm volatile("movw (%1), %0" : "=r"(value) : "r"(addr) : "memory");
	return value;
}

static inline uint32_t mmio_read32(uint64_t addr)
{
	uint32_t value;

	asm volatile("movl (%1), %0" : "=r"(value) : "r"(addr) : "memory");
	return value;
}

static inline void mmio_write8(uint64_t addr, uint8_t value)
{
	asm volatile("movb %0, (%1)" : : "q"(value), "r"(addr) : "memory");
}

static inline void mmio_write16(uint64_t addr, uint16_t value)
{
	asm volatile("movw %0, (%1)" : : "r"(value), "r"(addr) : "memory");
}

static inline void mmio_write32(uint64_t addr, uint32_t value)
{
	asm volatile("movl %0, (%1)" : : "r"(value), "r"(addr) : "memory");
}

static inline void mmio_write64(uint64_t addr, uint64_t value)
{
	asm volatile("movq %0, (%1)" : : "r"(value), "r"(addr) : "memory");
}

static inline uint64_t mmio_read64(uint64_t addr)
{
	uint64_t value;

	asm volatile("movq (%1), %0" : "=r"(value) : "r"(addr) : "memory");
	return value;
}

static inline void barrier_full(void)
{
	asm volatile("mfence" : : : "memory");
}

static inline void cpu_pause(void)
{
	asm volatile("pause" : : : "memory");
}

static inline uint64_t tsc_read(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

#endif
