/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Kernel files: the first two bytes choose the guest's memory and where an initrd is cut off the
 * end, the rest is the kernel. What loads must have an entry in memory.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/boot/boot.h"
#include "engine/vmm/gmem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 2)
		return 0;
	struct gmem mem;
	struct gmem_config memory = {.size_bytes = (16ull + 2 * (data[0] % 64)) << 20};
	if (gmem_init(&mem, &memory, NULL) < 0)
		return 0;
	size_t initrd_len = data[1] < len - 2 ? data[1] : 0;
	struct boot_file kernel, initrd;
	boot_file_bytes(&kernel, data + 2, len - 2 - initrd_len, "kernel");
	boot_file_bytes(&initrd, data + len - initrd_len, initrd_len, "initrd");
	struct boot_config config = {
		.kernel = &kernel,
		.initrd = initrd_len ? &initrd : NULL,
		.cmdline = "console=ttyS0",
		.rsdp = 0xe0000,
	};
	struct boot_entry entry;
	struct hv_error err;
	if (boot_load(&mem, &config, &entry, &err) == 0)
		assert(gmem_ptr(&mem, entry.info, 1));
	else
		assert(memchr(err.message, 0, sizeof err.message));
	gmem_fini(&mem);
	return 0;
}
