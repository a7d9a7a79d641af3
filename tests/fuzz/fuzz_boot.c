/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Kernel files of any content, loaded into a small guest: bzImage and ELF with a PVH note. The
 * first byte of the input chooses whether there is an initrd and how long the command line is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/boot/boot.h"
#include "engine/vmm/gmem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY_BYTES (16u << 20)
#define CMDLINE_BYTES 5000

static struct gmem mem;
static char cmdline[CMDLINE_BYTES + 1];

static void init_once(void)
{
	struct gmem_config config = {.size_bytes = MEMORY_BYTES};
	if (mem.n_regions)
		return;
	if (gmem_init(&mem, &config, NULL))
		abort();
	memset(cmdline, 'x', CMDLINE_BYTES);
}

/* What is loaded has to start inside of memory; a refusal has to say why. */
static void check(int status, const struct boot_entry *entry, const struct hv_error *err)
{
	if (status && !err->message[0])
		abort();
	if (!status && entry->info >= MEMORY_BYTES)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	init_once();
	/* an allocation of the file's length, so that ASan sees a byte too many */
	uint8_t *file = malloc(size);
	if (!file)
		abort();
	memcpy(file, data + 1, size - 1);
	struct boot_file kernel, initrd;
	boot_file_bytes(&kernel, file, size - 1, "kernel");
	boot_file_bytes(&initrd, file, size - 1, "initrd");
	struct boot_config config = {
		.kernel = &kernel,
		.initrd = data[0] & 1 ? &initrd : NULL,
		.cmdline = &cmdline[CMDLINE_BYTES - (data[0] >> 1) * (CMDLINE_BYTES / 127)],
		.rsdp = 0xe0000,
	};
	struct boot_entry entry;
	struct hv_error err = {0};
	check(boot_load(&mem, &config, &entry, &err), &entry, &err);
	free(file);
	return 0;
}
