/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ELF kernels with a PVH note (Xen's docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h):
 * the segments go to their physical addresses, and the first vCPU starts in flat 32-bit mode at the
 * address in the note XEN_ELFNOTE_PHYS32_ENTRY, with ebx at the start info. Test guests and
 * firmware too.
 */
#include <elf.h>
#include <string.h>

#include "engine/boot/boot.h"
#include "engine/vmm/gmem.h"
#include "engine/vmm/layout.h"

#define NOTE_PHYS32_ENTRY 18
#define SEGMENTS_MAX 64
#define CMDLINE_MAX 2048 /* Linux's COMMAND_LINE_SIZE */
#define MIB (1ull << 20)

#define START_MAGIC 0x336ec578
struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr;
	uint32_t memmap_entries, reserved;
};

struct start_module {
	uint64_t paddr, size, cmdline_paddr, reserved;
};

struct start_memmap {
	uint64_t addr, size;
	uint32_t type, reserved;
};

/* One block at BOOT_PVH_INFO. */
struct start_block {
	struct start_info info;
	struct start_module module;
	struct start_memmap map[BOOT_MEMMAP_MAX];
};

struct loader {
	struct gmem *mem;
	const struct boot_file *kernel;
	uint64_t end;   /* of the highest segment */
	uint64_t entry; /* from the note; 0 until found */
};

bool elf_probe(const uint8_t *head, size_t len)
{
	return len >= EI_NIDENT && memcmp(head, ELFMAG, SELFMAG) == 0;
}

static int header_check(const struct boot_file *kernel, const Elf64_Ehdr *elf, struct hv_error *err)
{
	const char *what = NULL;
	if (elf->e_ident[EI_CLASS] != ELFCLASS64)
		what = "a 32-bit ELF file";
	else if (elf->e_ident[EI_DATA] != ELFDATA2LSB || elf->e_machine != EM_X86_64)
		what = "an ELF file for another processor";
	else if (elf->e_type == ET_REL)
		what = "an object file or a kernel module";
	else if (elf->e_type == ET_CORE)
		what = "a core dump";
	else if (elf->e_type != ET_EXEC && elf->e_type != ET_DYN)
		what = "an ELF file of an unknown type";
	else if (elf->e_phentsize != sizeof(Elf64_Phdr) || elf->e_phnum == 0 ||
		 elf->e_phnum > SEGMENTS_MAX)
		what = "an ELF file without usable program headers";
	if (what)
		return hv_fail(err, HV_USAGE, 0,
			       "\"%s\" is no kernel that can be booted: it looks like %s",
			       kernel->name, what);
	return 0;
}

static uint64_t align4(uint64_t len)
{
	return (len + 3) & ~3ull;
}

/* Notes are name and descriptor, each padded to four bytes; the entry is 4 or 8 bytes wide. */
static void search_notes(struct loader *loader, const uint8_t *notes, uint64_t len)
{
	while (len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		memcpy(&note, notes, sizeof note);
		uint64_t name_len = align4(note.n_namesz), desc_len = align4(note.n_descsz);
		uint64_t desc_at = sizeof note + name_len;
		if (desc_at + desc_len > len)
			return;
		if (note.n_type == NOTE_PHYS32_ENTRY && note.n_namesz == 4 &&
		    memcmp(notes + sizeof note, "Xen", 4) == 0 &&
		    (note.n_descsz == 4 || note.n_descsz == 8))
			memcpy(&loader->entry, notes + desc_at, note.n_descsz);
		notes += desc_at + desc_len;
		len -= desc_at + desc_len;
	}
}

static int read_notes(struct loader *loader, const Elf64_Phdr *segment, struct hv_error *err)
{
	uint8_t notes[4096];
	uint64_t len = segment->p_filesz;
	if (loader->entry || len < sizeof(Elf64_Nhdr))
		return 0;
	/* kernels put theirs first; nobody needs more than this */
	if (len > sizeof notes)
		len = sizeof notes;
	int rc = boot_file_read(loader->kernel, segment->p_offset, notes, len, "notes", err);
	if (rc == 0)
		search_notes(loader, notes, len);
	return rc;
}

static bool touches(uint64_t start, uint64_t len, uint64_t from, uint64_t to)
{
	return start < to && start + len > from;
}

static int load_segment(struct loader *loader, const Elf64_Phdr *segment, struct hv_error *err)
{
	uint64_t at = segment->p_paddr, len = segment->p_memsz;
	if (len == 0)
		return 0;
	if (segment->p_filesz > len)
		return hv_fail(err, HV_USAGE, 0,
			       "\"%s\" has a segment larger in the file than in memory",
			       loader->kernel->name);
	uint8_t *to = gmem_ptr(loader->mem, at, len);
	if (!to) {
		hv_fail(err, HV_USAGE, 0,
			"\"%s\" has %llu bytes to load at 0x%llx, which is not in the guest's %llu "
			"MiB",
			loader->kernel->name, (unsigned long long)len, (unsigned long long)at,
			(unsigned long long)(loader->mem->size_bytes / MIB));
		return hv_hint(err, "give the guest more memory, or a kernel and not a program");
	}
	if (touches(at, len, 0, BOOT_DATA_END) ||
	    touches(at, len, LAYOUT_ACPI_START, LAYOUT_ACPI_END))
		return hv_fail(err, HV_USAGE, 0,
			       "\"%s\" has a segment at 0x%llx, where boot data and tables go",
			       loader->kernel->name, (unsigned long long)at);
	if (at + len > loader->end)
		loader->end = at + len;
	/* memory is zero when a machine starts, so what lies beyond the file's part needs nothing
	 */
	return boot_file_read(loader->kernel, segment->p_offset, to, segment->p_filesz, "segments",
			      err);
}

static int load_segments(struct loader *loader, const Elf64_Ehdr *elf, struct hv_error *err)
{
	Elf64_Phdr segments[SEGMENTS_MAX];
	int rc = boot_file_read(loader->kernel, elf->e_phoff, segments,
				elf->e_phnum * sizeof *segments, "program headers", err);
	/* the note first: a program that is no kernel is told so before its addresses are */
	for (int i = 0; rc == 0 && i < elf->e_phnum; i++) {
		if (segments[i].p_type == PT_NOTE)
			rc = read_notes(loader, &segments[i], err);
	}
	if (rc == 0 && !loader->entry) {
		hv_fail(err, HV_USAGE, 0,
			"\"%s\" is no kernel that can be booted: it looks like %s without a PVH "
			"note",
			loader->kernel->name,
			elf->e_type == ET_DYN ? "a shared library or a program" : "an ELF program");
		return hv_hint(err, "Linux needs CONFIG_PVH=y; its vmlinuz boots without it");
	}
	for (int i = 0; rc == 0 && i < elf->e_phnum; i++) {
		if (segments[i].p_type == PT_LOAD)
			rc = load_segment(loader, &segments[i], err);
	}
	return rc;
}

static int put_start_info(struct gmem *mem, const struct boot_config *config, uint64_t initrd,
			  struct hv_error *err)
{
	struct boot_memmap map[BOOT_MEMMAP_MAX];
	struct start_block block = {
		.info = {.magic = START_MAGIC,
			 .version = 1,
			 .cmdline_paddr = BOOT_CMDLINE,
			 .rsdp_paddr = config->rsdp,
			 .memmap_paddr = BOOT_PVH_INFO + offsetof(struct start_block, map),
			 .memmap_entries = (uint32_t)boot_memmap(mem, map)},
	};
	for (uint32_t i = 0; i < block.info.memmap_entries; i++)
		block.map[i] = (struct start_memmap){map[i].base, map[i].len, map[i].type, 0};
	if (config->initrd) {
		block.info.nr_modules = 1;
		block.info.modlist_paddr = BOOT_PVH_INFO + offsetof(struct start_block, module);
		block.module.paddr = initrd;
		block.module.size = config->initrd->size;
	}
	if (!gmem_write(mem, BOOT_PVH_INFO, &block, sizeof block))
		return hv_fail(err, HV_FAILED, 0, "no guest memory for the start info");
	return 0;
}

static void put_entry(struct gmem *mem, uint64_t at, struct boot_entry *entry)
{
	static const uint64_t gdt[] = {
		0, 0x00cf9b000000ffff, /* 32-bit code */
		0x00cf93000000ffff,    /* data */
		0x00008b0000000067,    /* 32-bit TSS */
	};
	gmem_write(mem, BOOT_GDT, gdt, sizeof gdt);
	*entry = (struct boot_entry){
		.mode = BOOT_PROTECTED,
		.entry = at,
		.info = BOOT_PVH_INFO,
		.gdt = BOOT_GDT,
		.gdt_limit = sizeof gdt - 1,
		.code_selector = 0x08,
		.data_selector = 0x10,
		.tss_selector = 0x18,
	};
}

int pvh_load(struct gmem *mem, const struct boot_config *config, const uint8_t *head, size_t len,
	     struct boot_entry *entry, struct hv_error *err)
{
	struct loader loader = {.mem = mem, .kernel = config->kernel};
	Elf64_Ehdr elf;
	if (len < sizeof elf)
		return hv_fail(err, HV_USAGE, 0, "\"%s\" ends inside its ELF header: cut short",
			       config->kernel->name);
	memcpy(&elf, head, sizeof elf);
	int rc = header_check(config->kernel, &elf, err);
	if (rc == 0)
		rc = load_segments(&loader, &elf, err);
	if (rc < 0)
		return rc;
	if (loader.entry > UINT32_MAX || !gmem_ptr(mem, loader.entry, 1))
		return hv_fail(err, HV_USAGE, 0, "the PVH entry 0x%llx of \"%s\" is not in memory",
			       (unsigned long long)loader.entry, config->kernel->name);

	uint64_t initrd = 0;
	uint64_t floor = loader.end > MIB ? loader.end : MIB;
	if (config->initrd && (rc = boot_put_initrd(mem, config->initrd, floor, LAYOUT_LOW_RAM_END,
						    &initrd, err)) < 0)
		return rc;
	if ((rc = boot_put_cmdline(mem, config->cmdline, CMDLINE_MAX - 1, err)) < 0 ||
	    (rc = put_start_info(mem, config, initrd, err)) < 0)
		return rc;
	put_entry(mem, loader.entry, entry);
	return 0;
}
