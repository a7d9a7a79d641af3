/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Giving guest memory back to the host: private memory by MADV_DONTNEED; of a memfd by MADV_REMOVE, since
 * dropping the mapping alone would leave the file's pages. Huge pages go only whole.
 */
#include "engine/devices/balloon_discard.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "engine/vmm/gmem.h"

size_t balloon_page_bytes(const struct gmem *mem)
{
	struct stat st;
	/* of a memfd this is the page size, of a hugetlb one that of its huge pages */
	if (mem->fd >= 0 && fstat(mem->fd, &st) == 0 && st.st_blksize > 4096)
		return (size_t)st.st_blksize;
	return 4096;
}

size_t balloon_discard(struct gmem *mem, void *hva, size_t len, size_t page_bytes)
{
	uintptr_t start = ((uintptr_t)hva + page_bytes - 1) & ~(page_bytes - 1);
	uintptr_t end = ((uintptr_t)hva + len) & ~(page_bytes - 1);
	if (start >= end)
		return 0;
	int advice = mem->fd >= 0 ? MADV_REMOVE : MADV_DONTNEED;
	if (madvise((void *)start, end - start, advice) < 0)
		return 0;
	/* they are zeros now, which a migration must not miss */
	gmem_dirty_hva(mem, (void *)start, end - start);
	return end - start;
}
