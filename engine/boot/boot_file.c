/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where kernels and initrds are read from, and what a file that is no kernel looks like. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/boot/boot.h"

static int read_fd(const struct boot_file *file, uint64_t offset, void *to, size_t len)
{
	uint8_t *at = to;
	while (len) {
		ssize_t got = pread(file->fd, at, len, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		if (got == 0) /* cut short since it was opened */
			return ENODATA;
		at += got;
		offset += (uint64_t)got;
		len -= (size_t)got;
	}
	return 0;
}

static int read_bytes(const struct boot_file *file, uint64_t offset, void *to, size_t len)
{
	memcpy(to, (const uint8_t *)file->bytes + offset, len);
	return 0;
}

int boot_file_fd(struct boot_file *file, int fd, const char *name, struct hv_error *err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return hv_fail(err, HV_FAILED, errno, "kernel file \"%s\"", name);
	if (!S_ISREG(st.st_mode))
		return hv_fail(err, HV_USAGE, 0, "\"%s\" is not a regular file", name);
	*file = (struct boot_file){
		.read = read_fd, .size = (uint64_t)st.st_size, .name = name, .fd = fd};
	return 0;
}

void boot_file_bytes(struct boot_file *file, const void *bytes, size_t len, const char *name)
{
	*file = (struct boot_file){
		.read = read_bytes, .size = len, .name = name, .fd = -1, .bytes = bytes};
}

int boot_file_read(const struct boot_file *file, uint64_t offset, void *to, size_t len,
		   const char *what, struct hv_error *err)
{
	if (offset > file->size || len > file->size - offset)
		return hv_fail(err, HV_USAGE, 0, "\"%s\" ends inside its %s: cut short or damaged",
			       file->name, what);
	int sys = len ? file->read(file, offset, to, len) : 0;
	if (sys)
		return hv_fail(err, HV_FAILED, sys, "reading the %s of \"%s\"", what, file->name);
	return 0;
}

static const struct {
	uint16_t offset;
	uint8_t len;
	const char *magic;
	const char *looks_like;
} magics[] = {
	{0, 2, "\x1f\x8b", "a gzip file; unpack it first"},
	{0, 6,
	 "\xfd"
	 "7zXZ\0",
	 "an xz file; unpack it first"},
	{0, 4, "\x28\xb5\x2f\xfd", "a zstd file; unpack it first"},
	{0, 3, "BZh", "a bzip2 file; unpack it first"},
	{0, 4, "\x04\x22\x4d\x18", "an lz4 file; unpack it first"},
	{0, 4, "QFI\xfb", "a qcow2 disk image"},
	{0, 8, "conectix", "a VHD disk image"},
	{0, 8, "vhdxfile", "a VHDX disk image"},
	{0, 4, "KDMV", "a VMDK disk image"},
	{0, 6, "070701", "a cpio archive, as an initrd is"},
	{0, 8, "!<arch>\n", "a Debian package or an archive"},
	{257, 5, "ustar", "a tar archive"},
	{56, 4, "ARMd", "a Linux kernel for 64-bit ARM"},
	{0, 2, "MZ", "an EFI or Windows program without a Linux boot header"},
	{0, 2, "#!", "a script"},
	{0, 2, "PK", "a zip archive"},
	{510, 2, "\x55\xaa", "a disk image with a boot sector"},
};

static bool is_text(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (head[i] == 0x7f ||
		    (head[i] < 0x20 && head[i] != '\n' && head[i] != '\t' && head[i] != '\r'))
			return false;
	}
	return len > 0;
}

const char *boot_identify(const uint8_t *head, size_t len)
{
	if (!len)
		return "an empty file";
	for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
		if ((size_t)magics[i].offset + magics[i].len <= len &&
		    memcmp(head + magics[i].offset, magics[i].magic, magics[i].len) == 0)
			return magics[i].looks_like;
	}
	return is_text(head, len) ? "a text file" : "unknown data";
}
