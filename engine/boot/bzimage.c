/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Linux bzImage by the 64-bit entry (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"): the
 * protected-mode part goes where the header prefers or as low as it may, the zero page describes
 * the machine, and the first vCPU starts in long mode 0x200 bytes into it.
 */
#include <asm/bootparam.h>
#include <string.h>

#include "engine/boot/boot.h"
#include "engine/vmm/gmem.h"

#define SECTOR 512
#define SETUP_SECTS_DEFAULT 4
#define SETUP_HEADER offsetof(struct boot_params, hdr)
#define ENTRY_64 0x200
#define PROTOCOL_WITH_64BIT 0x020c
#define LOADER_UNDEFINED 0xff
#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* One page directory maps the first GiB; the kernel's own fault handler maps what else it needs. */
#define MAPPED_BYTES GIB
#define PTE_TABLE 0x03 /* present, writable */
#define PTE_LARGE 0x83

#define CODE_SELECTOR 0x10 /* __BOOT_CS, fixed by the protocol */
#define DATA_SELECTOR 0x18 /* __BOOT_DS */
#define TSS_SELECTOR 0x20

bool bzimage_probe(const uint8_t *head, size_t len)
{
	struct setup_header hdr;
	if (len < SETUP_HEADER + sizeof hdr)
		return false;
	memcpy(&hdr, head + SETUP_HEADER, sizeof hdr);
	return hdr.boot_flag == 0xaa55 && memcmp(&hdr.header, "HdrS", 4) == 0;
}

static int header_check(const struct boot_file *kernel, const struct setup_header *hdr,
			struct hv_error *err)
{
	if (hdr->version < PROTOCOL_WITH_64BIT)
		return hv_fail(err, HV_USAGE, 0,
			       "kernel \"%s\" speaks boot protocol %u.%02u, older than 2.12",
			       kernel->name, hdr->version >> 8, hdr->version & 0xffu);
	if (!(hdr->loadflags & LOADED_HIGH))
		return hv_fail(err, HV_USAGE, 0, "kernel \"%s\" is a zImage, not a bzImage",
			       kernel->name);
	if (!(hdr->xloadflags & XLF_KERNEL_64))
		return hv_fail(err, HV_USAGE, 0,
			       "kernel \"%s\" has no 64-bit entry: built for 32 bits",
			       kernel->name);
	return 0;
}

/* A legacy loader would take 1 MiB; here the preferred place, or below it where memory is short. */
static int place(const struct gmem *mem, const struct boot_file *kernel,
		 const struct setup_header *hdr, uint64_t payload_len, uint64_t *load,
		 uint64_t *end, struct hv_error *err)
{
	uint64_t len = hdr->init_size > payload_len ? hdr->init_size : payload_len;
	uint64_t limit = mem->regions[0].len < MAPPED_BYTES ? mem->regions[0].len : MAPPED_BYTES;
	uint64_t align = hdr->kernel_alignment;
	uint64_t at = hdr->pref_address;
	bool fits = at >= MIB && at < limit && len <= limit - at;
	if (!fits && hdr->relocatable_kernel && align && !(align & (align - 1)) && align <= limit) {
		at = align > MIB ? align : MIB;
		fits = at < limit && len <= limit - at;
	}
	if (!fits) {
		hv_fail(err, HV_USAGE, 0,
			"kernel \"%s\" needs %llu MiB from address 0x%llx, the guest has %llu MiB",
			kernel->name, (unsigned long long)((len + MIB - 1) / MIB),
			(unsigned long long)at, (unsigned long long)(mem->size_bytes / MIB));
		return hv_hint(err, "give the guest more memory");
	}
	*load = at;
	*end = at + len;
	return 0;
}

static void fill_e820(struct boot_params *zero, const struct gmem *mem)
{
	struct boot_memmap map[BOOT_MEMMAP_MAX];
	zero->e820_entries = (uint8_t)boot_memmap(mem, map);
	for (int i = 0; i < zero->e820_entries; i++) {
		zero->e820_table[i].addr = map[i].base;
		zero->e820_table[i].size = map[i].len;
		zero->e820_table[i].type = map[i].type;
	}
}

static int put_initrd(struct gmem *mem, const struct boot_config *config, struct boot_params *zero,
		      uint64_t kernel_end, struct hv_error *err)
{
	uint64_t gpa = 0;
	if (!config->initrd)
		return 0;
	int rc = boot_put_initrd(mem, config->initrd, kernel_end,
				 (uint64_t)zero->hdr.initrd_addr_max + 1, &gpa, err);
	zero->hdr.ramdisk_image = (uint32_t)gpa;
	zero->hdr.ramdisk_size = (uint32_t)config->initrd->size;
	return rc;
}

static void put_page_tables(struct gmem *mem)
{
	uint64_t *tables = gmem_ptr(mem, BOOT_PAGE_TABLES, 3 * 4096);
	if (!tables)
		return; /* cannot be: guest memory begins with 16 MiB */
	memset(tables, 0, 2 * 4096);
	tables[0] = (BOOT_PAGE_TABLES + 4096) | PTE_TABLE;
	tables[512] = (BOOT_PAGE_TABLES + 2 * 4096) | PTE_TABLE;
	for (uint64_t i = 0; i < 512; i++)
		tables[1024 + i] = i * 2 * MIB | PTE_LARGE;
}

static void put_entry(struct gmem *mem, uint64_t load, struct boot_entry *entry)
{
	static const uint64_t gdt[] = {
		0,
		0,
		0x00af9b000000ffff, /* 64-bit code */
		0x00cf93000000ffff, /* data */
		0x00008b0000000067, /* 64-bit TSS, upper half follows */
		0,
	};
	gmem_write(mem, BOOT_GDT, gdt, sizeof gdt);
	put_page_tables(mem);
	*entry = (struct boot_entry){
		.mode = BOOT_LONG_MODE,
		.entry = load + ENTRY_64,
		.info = BOOT_ZERO_PAGE,
		.page_tables = BOOT_PAGE_TABLES,
		.gdt = BOOT_GDT,
		.gdt_limit = sizeof gdt - 1,
		.code_selector = CODE_SELECTOR,
		.data_selector = DATA_SELECTOR,
		.tss_selector = TSS_SELECTOR,
	};
}

int bzimage_load(struct gmem *mem, const struct boot_config *config, const uint8_t *head,
		 size_t len, struct boot_entry *entry, struct hv_error *err)
{
	const struct boot_file *kernel = config->kernel;
	struct boot_params *zero = gmem_ptr(mem, BOOT_ZERO_PAGE, sizeof *zero);
	struct setup_header hdr;
	uint64_t load = 0, end = 0;
	if (!zero)
		return hv_fail(err, HV_FAILED, 0, "no guest memory for the zero page");
	memcpy(&hdr, head + SETUP_HEADER, sizeof hdr);
	int rc = header_check(kernel, &hdr, err);
	if (rc < 0)
		return rc;

	uint64_t setup_len =
		((hdr.setup_sects ? hdr.setup_sects : SETUP_SECTS_DEFAULT) + 1ull) * SECTOR;
	if (kernel->size <= setup_len)
		return hv_fail(err, HV_USAGE, 0, "\"%s\" ends inside its setup code: cut short",
			       kernel->name);
	uint64_t payload_len = kernel->size - setup_len;
	if ((rc = place(mem, kernel, &hdr, payload_len, &load, &end, err)) < 0)
		return rc;
	void *to = gmem_ptr(mem, load, payload_len);
	if (!to)
		return hv_fail(err, HV_FAILED, 0, "no guest memory for the kernel");
	if ((rc = boot_file_read(kernel, setup_len, to, payload_len, "code", err)) < 0)
		return rc;

	/* the header ends 0x202 plus the byte at 0x201 into the file; what is beyond stays zero */
	size_t hdr_len = 0x202u + head[0x201] - SETUP_HEADER;
	if (hdr_len > sizeof hdr)
		hdr_len = sizeof hdr;
	if (SETUP_HEADER + hdr_len > len)
		hdr_len = len - SETUP_HEADER;
	memset(zero, 0, sizeof *zero);
	memcpy(&zero->hdr, &hdr, hdr_len);
	zero->hdr.type_of_loader = LOADER_UNDEFINED;
	zero->hdr.vid_mode = 0xffff; /* normal */
	zero->hdr.cmd_line_ptr = BOOT_CMDLINE;
	zero->hdr.code32_start = (uint32_t)load;
	zero->hdr.ramdisk_image = zero->hdr.ramdisk_size = 0;
	zero->hdr.setup_data = 0;
	zero->acpi_rsdp_addr = config->rsdp;
	fill_e820(zero, mem);
	if ((rc = boot_put_cmdline(mem, config->cmdline, hdr.cmdline_size, err)) < 0)
		return rc;
	if ((rc = put_initrd(mem, config, zero, end, err)) < 0)
		return rc;
	put_entry(mem, load, entry);
	return 0;
}
