/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The memory map, and memory for buffers: taken from the bottom, given back never. */
#ifndef GUEST_MEM_H
#define GUEST_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEM_RANGES 16

struct mem_range {
	uint64_t start, end;
};

struct hvm_memmap {
	uint64_t addr, len;
	uint32_t type, reserved;
};

/* RAM above 1 MiB and beyond the program, lowest first; [0] holds what mem_alloc() hands out. */
extern struct mem_range mem_ranges[MEM_RANGES];
extern int mem_n_ranges;
extern uint64_t mem_total; /* all RAM, bytes */

void mem_init(const struct hvm_memmap *map, uint32_t n);
/* Zeroed; NULL when there is no more. */
void *mem_alloc(size_t len, size_t align);
/* The biggest part that nobody uses: for tests that fill memory. */
struct mem_range mem_free_range(void);
/* The last free page of the last range that has one; 0 when memory runs low. Balloon only. */
uint64_t mem_take_top(void);
uint64_t mem_next_taken(void); /* the page to give back first; 0 when none is out */
void mem_give_top(uint64_t page);

#endif
