/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Putting a kernel into guest memory and saying where and how it starts. Kernel files are hostile:
 * every number in them is checked against the file and against guest memory before it is used.
 *
 *	0000_1000  GDT                             0000_9000  three page tables (64-bit entry)
 *	0000_6000  PVH start info, map, modules    0002_0000  command line (at most 64 KiB)
 *	0000_7000  zero page (bzImage)             000e_0000  ACPI tables
 *	0010_0000  and up: the kernel              top of low RAM, downwards: the initrd
 */
#ifndef HV_BOOT_BOOT_H
#define HV_BOOT_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/model/error.h"

struct gmem;

#define BOOT_GDT 0x1000
#define BOOT_PVH_INFO 0x6000
#define BOOT_ZERO_PAGE 0x7000
#define BOOT_PAGE_TABLES 0x9000
#define BOOT_CMDLINE 0x20000
#define BOOT_CMDLINE_MAX 0x10000
#define BOOT_DATA_END 0x30000 /* of all the above */

/* A file to load from: a descriptor in life, a buffer in tests. */
struct boot_file {
	/* All len bytes at offset, which lie inside size; 0 or an errno. */
	int (*read)(const struct boot_file *file, uint64_t offset, void *to, size_t len);
	uint64_t size;
	const char *name; /* for messages */
	int fd;
	const void *bytes;
};

int boot_file_fd(struct boot_file *file, int fd, const char *name, struct hv_error *err);
void boot_file_bytes(struct boot_file *file, const void *bytes, size_t len, const char *name);
/* Reads with all checks; the message names the file and what was being read. */
int boot_file_read(const struct boot_file *file, uint64_t offset, void *to, size_t len,
		   const char *what, struct hv_error *err);

enum boot_mode {
	BOOT_LONG_MODE, /* Linux 64-bit boot protocol: rsi = info */
	BOOT_PROTECTED, /* PVH: 32 bits, no paging, ebx = info */
};

/* How the first vCPU starts. */
struct boot_entry {
	enum boot_mode mode;
	uint64_t entry, info, page_tables;
	uint64_t gdt;
	uint16_t gdt_limit, code_selector, data_selector, tss_selector;
};

/* One entry of the map of memory, as both e820 and PVH want it. */
struct boot_memmap {
	uint64_t base, len;
	uint32_t type;
};

#define BOOT_RAM 1
#define BOOT_RESERVED 2
#define BOOT_MEMMAP_MAX 8

/* Fills map[BOOT_MEMMAP_MAX], returns how many. */
int boot_memmap(const struct gmem *mem, struct boot_memmap *map);

struct boot_config {
	const struct boot_file *kernel;
	const struct boot_file *initrd; /* NULL: none */
	const char *cmdline;
	uint64_t rsdp;
};

/*
 * Loads a kernel of either kind. -HV_USAGE for a file that is no kernel (the message says what it
 * looks like) or does not fit, -HV_FAILED where reading fails.
 */
int boot_load(struct gmem *mem, const struct boot_config *config, struct boot_entry *entry,
	      struct hv_error *err);

/* What a file looks like by its first bytes, in words: "a gzip file", "a shell script". */
#define BOOT_HEAD_LEN 1024
const char *boot_identify(const uint8_t *head, size_t len);

/* The parts of boot_load(): head[len] are the first bytes of the kernel, at most BOOT_HEAD_LEN. */
bool bzimage_probe(const uint8_t *head, size_t len);
int bzimage_load(struct gmem *mem, const struct boot_config *config, const uint8_t *head,
		 size_t len, struct boot_entry *entry, struct hv_error *err);
bool elf_probe(const uint8_t *head, size_t len);
int pvh_load(struct gmem *mem, const struct boot_config *config, const uint8_t *head, size_t len,
	     struct boot_entry *entry, struct hv_error *err);

/* Puts the command line at BOOT_CMDLINE; max_len as the kernel allows, without the NUL. */
int boot_put_cmdline(struct gmem *mem, const char *cmdline, size_t max_len, struct hv_error *err);
/* Loads the initrd as high as it goes in low RAM: below limit, above floor. */
int boot_put_initrd(struct gmem *mem, const struct boot_file *initrd, uint64_t floor,
		    uint64_t limit, uint64_t *gpa, struct hv_error *err);

#endif
