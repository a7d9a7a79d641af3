/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What both kinds of kernel share: the map of memory, command line, initrd, and the choice by the
 * file's first bytes.
 */
#include "engine/boot/boot.h"

#include <string.h>

#include "engine/vmm/gmem.h"
#include "engine/vmm/layout.h"

#define VGA_HOLE 0xa0000
#define MIB (1ull << 20)

int boot_memmap(const struct gmem *mem, struct boot_memmap *map)
{
	int n = 0;
	map[n++] = (struct boot_memmap){0, VGA_HOLE, BOOT_RAM};
	/* no VGA there, but kernels take this range for legacy devices and probe it; ACPI tables
	 * too */
	map[n++] = (struct boot_memmap){VGA_HOLE, MIB - VGA_HOLE, BOOT_RESERVED};
	map[n++] = (struct boot_memmap){MIB, mem->regions[0].len - MIB, BOOT_RAM};
	map[n++] = (struct boot_memmap){LAYOUT_ECAM, LAYOUT_ECAM_LEN, BOOT_RESERVED};
	for (int i = 1; i < mem->n_regions; i++)
		map[n++] = (struct boot_memmap){mem->regions[i].gpa, mem->regions[i].len, BOOT_RAM};
	return n;
}

int boot_put_cmdline(struct gmem *mem, const char *cmdline, size_t max_len, struct hv_error *err)
{
	size_t len = strlen(cmdline);
	if (max_len >= BOOT_CMDLINE_MAX)
		max_len = BOOT_CMDLINE_MAX - 1;
	if (len > max_len)
		return hv_fail(err, HV_USAGE, 0,
			       "the command line has %zu bytes, the kernel takes at most %zu", len,
			       max_len);
	if (!gmem_write(mem, BOOT_CMDLINE, cmdline, len + 1))
		return hv_fail(err, HV_FAILED, 0, "no guest memory for the command line");
	return 0;
}

int boot_put_initrd(struct gmem *mem, const struct boot_file *initrd, uint64_t floor,
		    uint64_t limit, uint64_t *gpa, struct hv_error *err)
{
	if (limit > mem->regions[0].len)
		limit = mem->regions[0].len;
	if (initrd->size == 0)
		return hv_fail(err, HV_USAGE, 0, "initrd \"%s\" is empty", initrd->name);
	uint64_t start = 0;
	if (initrd->size < limit)
		start = (limit - initrd->size) & ~0xfffull;
	if (start < floor)
		return hv_hint((hv_fail(err, HV_USAGE, 0,
					"initrd \"%s\" (%llu MiB) does not fit into %llu MiB of "
					"memory beside the kernel",
					initrd->name, (unsigned long long)(initrd->size / MIB + 1),
					(unsigned long long)(mem->size_bytes / MIB)),
				err),
			       "give the guest more memory");
	void *to = gmem_ptr(mem, start, initrd->size);
	if (!to)
		return hv_fail(err, HV_FAILED, 0, "no guest memory for the initrd");
	*gpa = start;
	return boot_file_read(initrd, 0, to, initrd->size, "content", err);
}

/*
 * Linux on reduced-hardware ACPI reboots by EFI, and without EFI by a jump to the BIOS in real mode,
 * before it would try any register: so this code writes the reset port.
 */
static int put_reset_vector(struct gmem *mem, struct hv_error *err)
{
	static const uint8_t code[] = {
		0xb0,
		0x06, /* mov al, 6 */
		0xba,
		LAYOUT_PORT_RESET & 0xff,
		LAYOUT_PORT_RESET >> 8, /* mov dx, port */
		0xee,                   /* out dx, al */
		0xfa,
		0xf4,
		0xeb,
		0xfc, /* cli; hlt; again */
	};
	if (!gmem_write(mem, LAYOUT_RESET_VECTOR, code, sizeof code))
		return hv_fail(err, HV_FAILED, 0, "no guest memory for the reset vector");
	return 0;
}

int boot_load(struct gmem *mem, const struct boot_config *config, struct boot_entry *entry,
	      struct hv_error *err)
{
	const struct boot_file *kernel = config->kernel;
	uint8_t head[BOOT_HEAD_LEN];
	size_t len = kernel->size < sizeof head ? (size_t)kernel->size : sizeof head;
	memset(entry, 0, sizeof *entry);
	int rc = boot_file_read(kernel, 0, head, len, "header", err);
	if (rc == 0)
		rc = put_reset_vector(mem, err);
	if (rc < 0)
		return rc;
	if (bzimage_probe(head, len))
		return bzimage_load(mem, config, head, len, entry, err);
	if (elf_probe(head, len))
		return pvh_load(mem, config, head, len, entry, err);
	hv_fail(err, HV_USAGE, 0, "\"%s\" is no kernel that can be booted: it looks like %s",
		kernel->name, boot_identify(head, len));
	return hv_hint(err,
		       "give a Linux bzImage (vmlinuz) or an ELF file with a PVH note (vmlinux)");
}
