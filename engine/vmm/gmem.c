/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Guest memory: one mapping for all of it, cut in two regions by the hole below 4 GiB. Since the
 * low region ends on a multiple of 1 GiB, one aligned mapping keeps both aligned like their guest
 * addresses.
 */
#include "engine/vmm/gmem.h"

#include <errno.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/vmm/layout.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define HUGE_BYTES (2 * MIB)
#define PAGE_SHIFT 12
#define BITS_PER_LONG (8 * sizeof(unsigned long))

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int config_check(const struct gmem_config *config, struct hv_error *err)
{
	uint64_t size = config->size_bytes;
	if (size < 16 * MIB || size % (2 * MIB) || size > 64ull << 40)
		return hv_fail(err, HV_USAGE, 0,
			       "guest memory of %llu bytes: not a multiple of 2 MiB from 16 MiB up",
			       (unsigned long long)size);
	if (config->backing != GMEM_HUGETLB)
		return 0;
	if (config->page_bytes != 2 * MIB && config->page_bytes != GIB)
		return hv_fail(err, HV_USAGE, 0, "huge pages of %llu bytes: only 2 MiB and 1 GiB",
			       (unsigned long long)config->page_bytes);
	if (size % config->page_bytes)
		return hv_fail(err, HV_USAGE, 0,
			       "guest memory of %llu bytes is not a multiple of its 1 GiB pages",
			       (unsigned long long)size);
	return 0;
}

static int memfd_open(struct gmem *mem, const struct gmem_config *config, struct hv_error *err)
{
	unsigned flags = MFD_CLOEXEC;
	if (config->backing == GMEM_HUGETLB)
		flags |= MFD_HUGETLB | (config->page_bytes == GIB ? MFD_HUGE_1GB : MFD_HUGE_2MB);
	mem->fd = memfd_create("guest-memory", flags);
	if (mem->fd < 0) {
		hv_fail(err, HV_FAILED, errno, "no memory file for the guest");
		return config->backing == GMEM_HUGETLB
			       ? hv_hint(err, "this host has no huge pages of that size")
			       : -HV_FAILED;
	}
	if (ftruncate(mem->fd, (off_t)mem->size_bytes) < 0)
		return hv_fail(err, HV_FAILED, errno, "sizing the guest's memory file");
	return 0;
}

/* Reserves more than is needed, keeps the aligned part of it. */
static uint8_t *map_aligned(const struct gmem *mem, uint64_t align)
{
	size_t len = mem->size_bytes;
	uint8_t *area = mmap(NULL, len + align, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return NULL;
	size_t head = -(uintptr_t)area & (align - 1);
	uint8_t *base = area + head;
	int flags = mem->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
	if (mmap(base, len, PROT_READ | PROT_WRITE, flags | MAP_FIXED, mem->fd, 0) == MAP_FAILED) {
		int sys = errno;
		munmap(area, len + align);
		errno = sys;
		return NULL;
	}
	if (head)
		munmap(area, head);
	munmap(base + len, align - head);
	return base;
}

static int map_failed(const struct gmem_config *config, struct hv_error *err)
{
	hv_fail(err, HV_FAILED, errno, "mapping %llu MiB of guest memory",
		(unsigned long long)(config->size_bytes / MIB));
	if (config->backing != GMEM_HUGETLB)
		return -HV_FAILED;
	return hv_hint(
		err, "reserve %llu pages in /sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages",
		(unsigned long long)(config->size_bytes / config->page_bytes),
		(unsigned long long)(config->page_bytes / 1024));
}

static int prefault(uint8_t *base, uint64_t len, struct hv_error *err)
{
	if (madvise(base, len, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno != EINVAL)
		return hv_fail(err, HV_FAILED, errno, "populating the guest's memory");
	/* kernels before 5.14: touch each page */
	long page = sysconf(_SC_PAGESIZE);
	for (uint64_t at = 0; at < len; at += (uint64_t)page)
		*(volatile uint8_t *)(base + at) = 0;
	return 0;
}

int gmem_init(struct gmem *mem, const struct gmem_config *config, struct hv_error *err)
{
	memset(mem, 0, sizeof *mem);
	mem->fd = -1;
	int rc = config_check(config, err);
	if (rc < 0)
		return rc;
	mem->size_bytes = config->size_bytes;
	if (config->backing != GMEM_ANONYMOUS && (rc = memfd_open(mem, config, err)) < 0)
		goto fail;

	uint8_t *base = map_aligned(mem, config->size_bytes >= GIB ? GIB : 2 * MIB);
	if (!base) {
		rc = map_failed(config, err);
		goto fail;
	}
	uint64_t low = mem->size_bytes < LAYOUT_LOW_RAM_END ? mem->size_bytes : LAYOUT_LOW_RAM_END;
	mem->regions[mem->n_regions++] = (struct gmem_region){0, low, base};
	if (mem->size_bytes > low)
		mem->regions[mem->n_regions++] =
			(struct gmem_region){LAYOUT_HIGH_RAM, mem->size_bytes - low, base + low};

	/* all of this is advice: a host without transparent huge pages is served by small ones */
	if (config->backing != GMEM_HUGETLB)
		(void)madvise(base + HUGE_BYTES, mem->size_bytes - HUGE_BYTES, MADV_HUGEPAGE);
	mem->low_small = config->backing != GMEM_HUGETLB;
	if (config->prefault)
		gmem_loaded(mem);
	(void)madvise(base, mem->size_bytes, MADV_DONTDUMP);
	if (config->prefault && (rc = prefault(base, mem->size_bytes, err)) < 0)
		goto fail;
	return 0;
fail:
	gmem_fini(mem);
	return rc;
}

void gmem_loaded(struct gmem *mem)
{
	if (mem->low_small)
		(void)madvise(mem->regions[0].hva, HUGE_BYTES, MADV_HUGEPAGE);
	mem->low_small = false;
}

void gmem_fini(struct gmem *mem)
{
	if (mem->n_regions)
		munmap(mem->regions[0].hva, mem->size_bytes);
	if (mem->fd > 0)
		close(mem->fd);
	memset(mem, 0, sizeof *mem);
	mem->fd = -1;
}

void *gmem_ptr(const struct gmem *mem, uint64_t gpa, size_t len)
{
	for (int i = 0; i < mem->n_regions; i++) {
		const struct gmem_region *region = &mem->regions[i];
		uint64_t offset = gpa - region->gpa;
		if (gpa >= region->gpa && offset < region->len)
			return len <= region->len - offset ? region->hva + offset : NULL;
	}
	return NULL;
}

bool gmem_read(const struct gmem *mem, uint64_t gpa, void *to, size_t len)
{
	const void *from = gmem_ptr(mem, gpa, len);
	if (!from)
		return false;
	memcpy(to, from, len);
	return true;
}

bool gmem_write(struct gmem *mem, uint64_t gpa, const void *from, size_t len)
{
	void *to = gmem_ptr(mem, gpa, len);
	if (!to)
		return false;
	memcpy(to, from, len);
	gmem_dirty(mem, gpa, len);
	return true;
}

/* offset and len lie inside the region. */
static void mark(unsigned long *bitmap, uint64_t offset, size_t len)
{
	if (!len)
		return;
	uint64_t last = (offset + len - 1) >> PAGE_SHIFT;
	for (uint64_t page = offset >> PAGE_SHIFT; page <= last; page++) {
		unsigned long *word = &bitmap[page / BITS_PER_LONG];
		unsigned long bit = 1ul << (page % BITS_PER_LONG);
		/* test first: a page that is dirty already needs no locked cycle */
		if (!(__atomic_load_n(word, __ATOMIC_RELAXED) & bit))
			__atomic_fetch_or(word, bit, __ATOMIC_RELEASE);
	}
}

void gmem_dirty(struct gmem *mem, uint64_t gpa, size_t len)
{
	for (int i = 0; i < mem->n_regions; i++) {
		const struct gmem_region *region = &mem->regions[i];
		uint64_t offset = gpa - region->gpa;
		if (mem->dirty[i] && gpa >= region->gpa && offset < region->len &&
		    len <= region->len - offset)
			mark(mem->dirty[i], offset, len);
	}
}

void gmem_dirty_hva(struct gmem *mem, const void *hva, size_t len)
{
	for (int i = 0; i < mem->n_regions; i++) {
		const struct gmem_region *region = &mem->regions[i];
		uint64_t offset = (uint64_t)((uintptr_t)hva - (uintptr_t)region->hva);
		if (mem->dirty[i] && offset < region->len && len <= region->len - offset)
			mark(mem->dirty[i], offset, len);
	}
}
