/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare: the least program that runs a PVH kernel under KVM: it creates a VM, loads the ELF, runs
 * one vCPU. No devices but a serial port without registers. The floor that the spawn benchmark
 * compares with.
 *
 *	bare [-i] [-k] [-m MIB] [-c CMDLINE] ELF
 *
 * It ends at the first byte on the serial line and prints the microseconds since its main(); with
 *-k it goes on, the serial line on stdin and stdout, until the guest stops. -i: with KVM's split
 * irqchip. Without an irqchip a hlt comes back to us, and the guest (which finds no APIC) sleeps
 * until there is input.
 */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define START_INFO 0x1000
#define MEMMAP 0x2000
#define CMDLINE 0x3000
#define PORT 0x3f8
#define NOTE_PHYS32_ENTRY 18

/* Xen's public/arch-x86/hvm/start_info.h, version 1. */
struct start_info {
	uint32_t magic, version, flags, n_modules;
	uint64_t modules, cmdline, rsdp, memmap;
	uint32_t n_memmap, reserved;
};

struct memmap_entry {
	uint64_t addr, len;
	uint32_t type, reserved;
};

struct options {
	bool irqchip, keep;
	uint64_t mem_bytes;
	const char *cmdline, *elf;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* The entry point by the PVH note; 0 where there is none. */
static uint32_t note_entry(const uint8_t *note, const uint8_t *end)
{
	while (note + sizeof(Elf64_Nhdr) <= end) {
		const Elf64_Nhdr *hdr = (const void *)note;
		const uint8_t *name = note + sizeof(*hdr);
		const uint8_t *desc = name + ((hdr->n_namesz + 3) & ~3u);

		note = desc + ((hdr->n_descsz + 3) & ~3u);
		if (note > end)
			break;
		if (hdr->n_type == NOTE_PHYS32_ENTRY && !memcmp(name, "Xen", 4))
			return *(const uint32_t *)desc;
	}
	return 0;
}

static uint32_t load_elf(const char *path, uint8_t *ram, uint64_t ram_len)
{
	struct stat st;
	uint32_t entry = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", path);
	size_t len = st.st_size;
	const uint8_t *file = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	const Elf64_Ehdr *hdr = (const void *)file;
	if (file == MAP_FAILED || len < sizeof(*hdr) || memcmp(hdr->e_ident, ELFMAG, SELFMAG) ||
	    hdr->e_phoff > len || hdr->e_phnum * sizeof(Elf64_Phdr) > len - hdr->e_phoff)
		errx(1, "%s: not an ELF program", path);
	const Elf64_Phdr *ph = (const void *)(file + hdr->e_phoff);
	for (int i = 0; i < hdr->e_phnum; i++) {
		if (ph[i].p_offset > len || ph[i].p_filesz > len - ph[i].p_offset)
			errx(1, "%s: truncated", path);
		if (ph[i].p_type == PT_NOTE)
			entry = note_entry(file + ph[i].p_offset,
					   file + ph[i].p_offset + ph[i].p_filesz);
		if (ph[i].p_type != PT_LOAD)
			continue;
		if (ph[i].p_paddr > ram_len || ph[i].p_filesz > ram_len - ph[i].p_paddr)
			errx(1, "%s: does not fit into the memory", path);
		memcpy(ram + ph[i].p_paddr, file + ph[i].p_offset, ph[i].p_filesz);
	}
	if (!entry)
		errx(1, "%s: no PVH note", path);
	return entry;
}

static void write_start_info(uint8_t *ram, const struct options *o)
{
	*(struct start_info *)(ram + START_INFO) = (struct start_info){.magic = 0x336ec578,
								       .version = 1,
								       .cmdline = CMDLINE,
								       .memmap = MEMMAP,
								       .n_memmap = 1};
	*(struct memmap_entry *)(ram + MEMMAP) =
		(struct memmap_entry){.len = o->mem_bytes, .type = 1};
	snprintf((char *)ram + CMDLINE, 4096, "%s", o->cmdline);
}

static struct kvm_segment flat(uint8_t type, uint16_t selector)
{
	return (struct kvm_segment){.limit = 0xffffffff,
				    .selector = selector,
				    .type = type,
				    .present = 1,
				    .db = 1,
				    .s = 1,
				    .g = 1};
}

/* The state that PVH asks for: 32-bit protected mode, no paging, ebx = start info. */
static void set_registers(int vcpu, uint32_t entry)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = {.rip = entry, .rbx = START_INFO, .rflags = 2};

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		err(1, "KVM_GET_SREGS");
	sregs.cs = flat(11, 8);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat(3, 16);
	sregs.tr = (struct kvm_segment){.limit = 0x67, .type = 11, .present = 1};
	sregs.cr0 = 0x11;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs))
		err(1, "KVM_SET_SREGS");
}

/* What the guest may find out by CPUID: all that KVM has. */
static void set_cpuid(int kvm, int vcpu)
{
	struct kvm_cpuid2 *id = calloc(1, sizeof(*id) + 256 * sizeof(id->entries[0]));

	if (!id)
		err(1, "CPUID");
	id->nent = 256;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, id) || ioctl(vcpu, KVM_SET_CPUID2, id))
		err(1, "CPUID");
	free(id);
}

/* The serial port: bytes out; in, only whether there is one, and the byte. */
static void serial_io(struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	struct pollfd in = {.fd = 0, .events = POLLIN};

	if (run->io.direction == KVM_EXIT_IO_OUT) {
		if (run->io.port == PORT && write(1, data, run->io.count) < 0)
			err(1, "stdout");
		return;
	}
	*data = 0;
	if (run->io.port == PORT + 5)
		*data = 0x60 | (poll(&in, 1, 0) == 1);
	else if (run->io.port == PORT && read(0, data, 1) != 1)
		exit(0);
}

static int run_vcpu(int vcpu, struct kvm_run *run, bool keep, uint64_t start_ns)
{
	struct pollfd in = {.fd = 0, .events = POLLIN};

	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0))
			err(1, "KVM_RUN");
		switch (run->exit_reason) {
		case KVM_EXIT_IO:
			if (!keep) {
				printf("%.1f\n", (now_ns() - start_ns) / 1000.0);
				return 0;
			}
			serial_io(run);
			break;
		case KVM_EXIT_HLT:
			poll(&in, 1, -1);
			break;
		case KVM_EXIT_MMIO:
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
			break;
		case KVM_EXIT_SHUTDOWN:
			return 0;
		default:
			errx(1, "exit reason %u", run->exit_reason);
		}
	}
}

static int run_vm(const struct options *o, uint64_t start_ns)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		err(1, "/dev/kvm");
	struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {24}};
	if (o->irqchip && ioctl(vm, KVM_ENABLE_CAP, &split))
		err(1, "split irqchip");
	uint8_t *ram = mmap(NULL, o->mem_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram == MAP_FAILED)
		err(1, "memory");
	struct kvm_userspace_memory_region slot = {.memory_size = o->mem_bytes,
						   .userspace_addr = (uintptr_t)ram};
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot))
		err(1, "KVM_SET_USER_MEMORY_REGION");
	uint32_t entry = load_elf(o->elf, ram, o->mem_bytes);
	write_start_info(ram, o);
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	int run_len = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vcpu < 0 || run_len < 0)
		err(1, "KVM_CREATE_VCPU");
	struct kvm_run *run = mmap(NULL, run_len, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(1, "vCPU");
	set_cpuid(kvm, vcpu);
	set_registers(vcpu, entry);
	return run_vcpu(vcpu, run, o->keep, start_ns);
}

int main(int argc, char **argv)
{
	uint64_t start_ns = now_ns();
	struct options o = {.mem_bytes = 128 << 20, .cmdline = ""};

	for (int c; (c = getopt(argc, argv, "ikm:c:")) != -1;) {
		if (c == 'i')
			o.irqchip = true;
		else if (c == 'k')
			o.keep = true;
		else if (c == 'm')
			o.mem_bytes = strtoull(optarg, NULL, 0) << 20;
		else if (c == 'c')
			o.cmdline = optarg;
		else
			return 2;
	}
	if (optind + 1 != argc)
		errx(2, "usage: bare [-i] [-k] [-m MIB] [-c CMDLINE] ELF");
	o.elf = argv[optind];
	return run_vm(&o, start_ns);
}
