/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kernel loaders: what is loaded where, and what is refused in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <asm/bootparam.h>
#include <elf.h>

#include "engine/boot/boot.h"
#include "engine/vmm/gmem.h"
#include "engine/vmm/layout.h"

#define MIB (1ull << 20)

struct fixture {
	struct gmem mem;
	struct boot_entry entry;
	struct hv_error err;
};

static int load(struct fixture *f, uint64_t mem_bytes, const void *kernel, size_t len,
		const void *initrd, size_t initrd_len, const char *cmdline)
{
	struct gmem_config memory = {.size_bytes = mem_bytes};
	struct boot_file kernel_file, initrd_file;
	struct boot_config config = {.kernel = &kernel_file, .cmdline = cmdline, .rsdp = 0xe0000};
	memset(&f->err, 0, sizeof f->err);
	assert_int_equal(gmem_init(&f->mem, &memory, NULL), 0);
	boot_file_bytes(&kernel_file, kernel, len, "k");
	if (initrd) {
		boot_file_bytes(&initrd_file, initrd, initrd_len, "i");
		config.initrd = &initrd_file;
	}
	return boot_load(&f->mem, &config, &f->entry, &f->err);
}

/* A bzImage of a boot sector, one setup sector and 4 KiB of code. */
#define BZ_SETUP 1024
#define BZ_LEN (BZ_SETUP + 4096)
static void make_bzimage(uint8_t *image, struct setup_header *hdr)
{
	memset(image, 0, BZ_LEN);
	memset(image + BZ_SETUP, 0x90, 4096);
	*hdr = (struct setup_header){
		.setup_sects = 1,
		.boot_flag = 0xaa55,
		.jump = 0x66eb,
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 2047,
		.pref_address = 0x1000000,
		.init_size = 0x400000,
	};
	memcpy(&hdr->header, "HdrS", 4);
	memcpy(image + 0x1f1, hdr, sizeof *hdr);
}

static void bzimage_goes_where_it_prefers(void **state)
{
	(void)state;
	uint8_t image[BZ_LEN], initrd[5000];
	struct setup_header hdr;
	struct fixture f;
	make_bzimage(image, &hdr);
	memset(initrd, 0x77, sizeof initrd);
	assert_int_equal(load(&f, 64 * MIB, image, sizeof image, initrd, sizeof initrd, "quiet"),
			 0);
	assert_int_equal(f.entry.mode, BOOT_LONG_MODE);
	assert_int_equal(f.entry.entry, 0x1000200);
	assert_memory_equal(gmem_ptr(&f.mem, 0x1000000, 4096), image + BZ_SETUP, 4096);
	const struct boot_params *zero = gmem_ptr(&f.mem, f.entry.info, sizeof *zero);
	assert_string_equal((char *)gmem_ptr(&f.mem, zero->hdr.cmd_line_ptr, 6), "quiet");
	assert_int_equal(zero->hdr.type_of_loader, 0xff);
	assert_int_equal(zero->acpi_rsdp_addr, 0xe0000);
	assert_memory_equal(gmem_ptr(&f.mem, 0xffff0, 6), "\xb0\x06\xba\xf9\x0c\xee", 6);
	assert_int_equal(zero->hdr.ramdisk_size, sizeof initrd);
	assert_int_equal(zero->hdr.ramdisk_image, 64 * MIB - 0x2000);
	assert_memory_equal(gmem_ptr(&f.mem, zero->hdr.ramdisk_image, sizeof initrd), initrd,
			    sizeof initrd);
	gmem_fini(&f.mem);
}

static void bzimage_moves_down_where_memory_is_short(void **state)
{
	(void)state;
	uint8_t image[BZ_LEN];
	struct setup_header hdr;
	struct fixture f;
	make_bzimage(image, &hdr);
	assert_int_equal(load(&f, 16 * MIB, image, sizeof image, NULL, 0, ""), 0);
	assert_int_equal(f.entry.entry, 0x200200);
	gmem_fini(&f.mem);
}

static void initrd_stays_below_the_kernels_limit(void **state)
{
	(void)state;
	uint8_t image[BZ_LEN], initrd[10] = {1};
	struct setup_header hdr;
	struct fixture f;
	make_bzimage(image, &hdr);
	hdr.initrd_addr_max = 0x1ffffff;
	memcpy(image + 0x1f1, &hdr, sizeof hdr);
	assert_int_equal(load(&f, 64 * MIB, image, sizeof image, initrd, sizeof initrd, ""), 0);
	const struct boot_params *zero = gmem_ptr(&f.mem, f.entry.info, sizeof *zero);
	assert_int_equal(zero->hdr.ramdisk_image, 0x1fff000);
	gmem_fini(&f.mem);
	/* and above the kernel */
	hdr.initrd_addr_max = 0x13fffff;
	memcpy(image + 0x1f1, &hdr, sizeof hdr);
	assert_int_equal(load(&f, 64 * MIB, image, sizeof image, initrd, sizeof initrd, ""),
			 -HV_USAGE);
	assert_non_null(strstr(f.err.message, "does not fit"));
	gmem_fini(&f.mem);
}

static void expect_refusal(const void *kernel, size_t len, const char *words)
{
	struct fixture f;
	assert_int_equal(load(&f, 32 * MIB, kernel, len, NULL, 0, ""), -HV_USAGE);
	if (!strstr(f.err.message, words))
		fail_msg("\"%s\" lacks \"%s\"", f.err.message, words);
	gmem_fini(&f.mem);
}

static void bzimage_with_bad_numbers_is_refused(void **state)
{
	(void)state;
	uint8_t image[BZ_LEN];
	struct setup_header good, hdr;
	make_bzimage(image, &good);
#define BAD(member, value, words)                                                                  \
	do {                                                                                       \
		hdr = good;                                                                        \
		hdr.member = (value);                                                              \
		memcpy(image + 0x1f1, &hdr, sizeof hdr);                                           \
		expect_refusal(image, sizeof image, words);                                        \
	} while (0)
	BAD(version, 0x020b, "older than 2.12");
	BAD(loadflags, 0, "zImage");
	BAD(xloadflags, 0, "32 bits");
	BAD(setup_sects, 255, "cut short");
	BAD(init_size, 0xffffffff, "the guest has 32 MiB");
	hdr = good;
	hdr.relocatable_kernel = 0;
	hdr.pref_address = UINT64_MAX - 4095;
	memcpy(image + 0x1f1, &hdr, sizeof hdr);
	expect_refusal(image, sizeof image, "the guest has 32 MiB");
}

static void cmdline_too_long_is_refused(void **state)
{
	(void)state;
	uint8_t image[BZ_LEN];
	struct setup_header hdr;
	struct fixture f;
	char line[3000];
	make_bzimage(image, &hdr);
	memset(line, 'x', sizeof line);
	line[2047] = '\0';
	assert_int_equal(load(&f, 32 * MIB, image, sizeof image, NULL, 0, line), 0);
	gmem_fini(&f.mem);
	line[2047] = 'x';
	line[2048] = '\0';
	assert_int_equal(load(&f, 32 * MIB, image, sizeof image, NULL, 0, line), -HV_USAGE);
	assert_non_null(strstr(f.err.message, "2048 bytes"));
	gmem_fini(&f.mem);
}

struct elf_image {
	Elf64_Ehdr elf;
	Elf64_Phdr segments[2];
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint64_t entry;
	} note;
	uint8_t code[64];
};

static void make_elf(struct elf_image *image)
{
	memset(image, 0, sizeof *image);
	memcpy(image->elf.e_ident, ELFMAG, SELFMAG);
	image->elf.e_ident[EI_CLASS] = ELFCLASS64;
	image->elf.e_ident[EI_DATA] = ELFDATA2LSB;
	image->elf.e_type = ET_EXEC;
	image->elf.e_machine = EM_X86_64;
	image->elf.e_phoff = offsetof(struct elf_image, segments);
	image->elf.e_phentsize = sizeof(Elf64_Phdr);
	image->elf.e_phnum = 2;
	image->segments[0] = (Elf64_Phdr){.p_type = PT_LOAD,
					  .p_offset = offsetof(struct elf_image, code),
					  .p_paddr = 0x100000,
					  .p_filesz = sizeof image->code,
					  .p_memsz = 0x10000};
	image->segments[1] = (Elf64_Phdr){.p_type = PT_NOTE,
					  .p_offset = offsetof(struct elf_image, note),
					  .p_filesz = sizeof image->note};
	image->note.head = (Elf64_Nhdr){.n_namesz = 4, .n_descsz = 8, .n_type = 18};
	memcpy(image->note.name, "Xen", 4);
	image->note.entry = 0x100010;
	memset(image->code, 0xf4, sizeof image->code);
}

static void pvh_elf_loads_with_its_start_info(void **state)
{
	(void)state;
	struct elf_image image;
	struct fixture f;
	uint8_t initrd[3] = {1, 2, 3};
	make_elf(&image);
	assert_int_equal(load(&f, 32 * MIB, &image, sizeof image, initrd, sizeof initrd, "a b"), 0);
	assert_int_equal(f.entry.mode, BOOT_PROTECTED);
	assert_int_equal(f.entry.entry, 0x100010);
	assert_memory_equal(gmem_ptr(&f.mem, 0x100000, 64), image.code, 64);
	uint32_t info[14];
	uint64_t module[2], *map;
	assert_true(gmem_read(&f.mem, f.entry.info, info, sizeof info));
	assert_int_equal(info[0], 0x336ec578);
	assert_int_equal(info[3], 1);
	assert_true(gmem_read(&f.mem, info[4], module, sizeof module));
	assert_memory_equal(gmem_ptr(&f.mem, module[0], 3), initrd, 3);
	assert_int_equal(module[1], 3);
	assert_string_equal((char *)gmem_ptr(&f.mem, info[6], 4), "a b");
	assert_int_equal(info[8], 0xe0000);
	/* the map's third entry is the RAM from 1 MiB on */
	map = gmem_ptr(&f.mem, info[10] + 2 * 24, 16);
	assert_int_equal(map[0], MIB);
	assert_int_equal(map[1], 31 * MIB);
	gmem_fini(&f.mem);
}

static void elf_with_bad_numbers_is_refused(void **state)
{
	(void)state;
	struct elf_image image;
#define BAD_ELF(change, words)                                                                     \
	do {                                                                                       \
		make_elf(&image);                                                                  \
		change;                                                                            \
		expect_refusal(&image, sizeof image, words);                                       \
	} while (0)
	BAD_ELF(image.elf.e_ident[EI_CLASS] = ELFCLASS32, "32-bit ELF");
	BAD_ELF(image.elf.e_machine = EM_AARCH64, "another processor");
	BAD_ELF(image.elf.e_type = ET_REL, "kernel module");
	BAD_ELF(image.elf.e_phnum = 65, "program headers");
	BAD_ELF(image.elf.e_phoff = UINT64_MAX - 8, "cut short");
	BAD_ELF(image.elf.e_phoff = sizeof image - 8, "cut short");
	BAD_ELF(image.note.head.n_type = 17, "without a PVH note");
	BAD_ELF(image.note.head.n_namesz = UINT32_MAX, "without a PVH note");
	BAD_ELF(image.note.head.n_descsz = UINT32_MAX, "without a PVH note");
	BAD_ELF((image.elf.e_type = ET_DYN, image.segments[1].p_type = PT_NULL), "shared library");
	BAD_ELF(image.segments[1].p_offset = UINT64_MAX, "cut short");
	BAD_ELF(image.note.entry = 0x100000000, "not in memory");
	BAD_ELF(image.note.entry = 64 * MIB, "not in memory");
	BAD_ELF(image.segments[0].p_paddr = UINT64_MAX - 10, "not in the guest's");
	BAD_ELF(image.segments[0].p_memsz = UINT64_MAX, "not in the guest's");
	BAD_ELF(image.segments[0].p_memsz = 1, "larger in the file");
	BAD_ELF(image.segments[0].p_filesz = 4096, "cut short");
	BAD_ELF(image.segments[0].p_offset = UINT64_MAX - 8, "cut short");
	BAD_ELF(image.segments[0].p_paddr = 0x2f000, "boot data");
	BAD_ELF(image.segments[0].p_paddr = LAYOUT_ACPI_START - 0x8000, "boot data");
}

static void other_files_are_named(void **state)
{
	(void)state;
	uint8_t sector[512] = {0}, pe[128] = "MZ";
	sector[510] = 0x55;
	sector[511] = 0xaa;
	expect_refusal("", 0, "an empty file");
	expect_refusal("\x1f\x8b\x08", 3, "a gzip file");
	expect_refusal("QFI\xfb"
		       "1234",
		       8, "a qcow2 disk image");
	expect_refusal("#!/bin/sh\n", 10, "a script");
	expect_refusal("title: x\n", 9, "a text file");
	expect_refusal(pe, sizeof pe, "an EFI or Windows program");
	expect_refusal(sector, sizeof sector, "a disk image with a boot sector");
	expect_refusal("\x7f"
		       "ELF",
		       4, "unknown data");
	expect_refusal("\x7f"
		       "ELF\2\1\1\0\0\0\0\0\0\0\0\0",
		       16, "cut short");
}

static void memory_map_covers_all_ram_once(void **state)
{
	(void)state;
	struct gmem mem;
	struct gmem_config config = {.size_bytes = 5ull << 30};
	struct boot_memmap map[BOOT_MEMMAP_MAX];
	assert_int_equal(gmem_init(&mem, &config, NULL), 0);
	int n = boot_memmap(&mem, map);
	uint64_t ram = 0, end = 0;
	for (int i = 0; i < n; i++) {
		assert_true(map[i].base >= end);
		end = map[i].base + map[i].len;
		if (map[i].type == BOOT_RAM) {
			assert_non_null(gmem_ptr(&mem, map[i].base, map[i].len));
			ram += map[i].len;
		}
	}
	assert_int_equal(ram, (5ull << 30) - 0x60000);
	gmem_fini(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bzimage_goes_where_it_prefers),
		cmocka_unit_test(bzimage_moves_down_where_memory_is_short),
		cmocka_unit_test(initrd_stays_below_the_kernels_limit),
		cmocka_unit_test(bzimage_with_bad_numbers_is_refused),
		cmocka_unit_test(cmdline_too_long_is_refused),
		cmocka_unit_test(pvh_elf_loads_with_its_start_info),
		cmocka_unit_test(elf_with_bad_numbers_is_refused),
		cmocka_unit_test(other_files_are_named),
		cmocka_unit_test(memory_map_covers_all_ram_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
