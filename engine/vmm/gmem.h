/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Guest memory: where guest-physical addresses become pointers, and nowhere else.
 *
 *	0            ┌──────────────┐
 *	             │ RAM below    │ up to LAYOUT_LOW_RAM_END
 *	LAYOUT_…_END ├──────────────┤
 *	             │ device hole  │ PCI windows, ECAM, IOAPIC, local APICs
 *	4 GiB        ├──────────────┤
 *	             │ RAM above    │ the rest
 *	             └──────────────┘
 *
 * Host addresses are aligned like guest ones modulo 1 GiB where the size allows, so that
 * second-level entries can be large. Regions never change after gmem_init(); every thread may
 * translate without a lock. What the guest may change is read once by the caller.
 */
#ifndef HV_VMM_GMEM_H
#define HV_VMM_GMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/model/error.h"

enum gmem_backing { GMEM_ANONYMOUS, GMEM_MEMFD, GMEM_HUGETLB };

struct gmem_config {
	uint64_t size_bytes; /* a multiple of 2 MiB, at least 16 MiB */
	enum gmem_backing backing;
	uint64_t page_bytes; /* hugetlb: 2 MiB or 1 GiB; otherwise ignored */
	bool prefault;       /* populate all of it now */
};

#define GMEM_REGIONS 2

struct gmem_region {
	uint64_t gpa, len;
	uint8_t *hva;
};

struct gmem {
	struct gmem_region regions[GMEM_REGIONS];
	int n_regions;
	uint64_t size_bytes;
	bool low_small; /* see gmem_loaded(); main thread only */
	int fd;         /* memfd or hugetlb; -1 for anonymous memory */
	/* One bit a 4 KiB page, per region, set atomically; NULL while nothing tracks. Set before
	 * the vCPUs and I/O threads run or while all are paused. */
	unsigned long *dirty[GMEM_REGIONS];
};

int gmem_init(struct gmem *mem, const struct gmem_config *config, struct hv_error *err);
/*
 * The kernel and the tables are in place. Until now the first 2 MiB got small pages, since a huge one
 * is zeroed whole before its first byte can be written, milliseconds where the host's memory is
 * itself given out by the page; from now on khugepaged may make them one.
 */
void gmem_loaded(struct gmem *mem);
void gmem_fini(struct gmem *mem);

/* The host address of guest memory [gpa, gpa + len), NULL unless it lies in one region whole. */
void *gmem_ptr(const struct gmem *mem, uint64_t gpa, size_t len);

/* Copies out of and into guest memory; false (nothing copied) where the range is not memory. */
bool gmem_read(const struct gmem *mem, uint64_t gpa, void *to, size_t len);
bool gmem_write(struct gmem *mem, uint64_t gpa, const void *from, size_t len);

/* Whoever writes to guest memory says so, for migration: by guest address, or by a host address
 * that gmem_ptr() gave. Costs one test while nothing tracks. */
void gmem_dirty(struct gmem *mem, uint64_t gpa, size_t len);
void gmem_dirty_hva(struct gmem *mem, const void *hva, size_t len);

#endif
