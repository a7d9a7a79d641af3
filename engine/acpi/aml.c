/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The AML writer: terms of ACPI 6.4, 20.2; resource descriptors of 6.4.2 and 6.4.3. */
#include "engine/acpi/aml.h"

#include <string.h>

#define OP_ZERO 0x00
#define OP_ONE 0x01
#define OP_NAME 0x08
#define PREFIX_BYTE 0x0a
#define PREFIX_WORD 0x0b
#define PREFIX_DWORD 0x0c
#define PREFIX_STRING 0x0d
#define PREFIX_QWORD 0x0e
#define OP_SCOPE 0x10
#define OP_BUFFER 0x11
#define OP_PACKAGE 0x12
#define OP_METHOD 0x14
#define PREFIX_DUAL 0x2e
#define PREFIX_MULTI 0x2f
#define PREFIX_EXT 0x5b
#define EXT_REGION 0x80
#define EXT_FIELD 0x81
#define EXT_DEVICE 0x82
#define OP_IF 0xa0

#define METHOD_SERIALIZED 0x08
#define SEGMENTS_MAX 8

void aml_init(struct aml *aml, void *bytes, size_t capacity)
{
	*aml = (struct aml){.bytes = bytes, .capacity = capacity};
}

void aml_bytes(struct aml *aml, const void *bytes, size_t len)
{
	if (aml->overflow || len > aml->capacity - aml->len) {
		aml->overflow = true;
		return;
	}
	memcpy(aml->bytes + aml->len, bytes, len);
	aml->len += len;
}

void aml_byte(struct aml *aml, uint8_t byte)
{
	aml_bytes(aml, &byte, 1);
}

static void put(struct aml *aml, uint64_t value, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		aml_byte(aml, (uint8_t)(value >> 8 * i));
}

void aml_int(struct aml *aml, uint64_t value)
{
	if (value <= 1) {
		aml_byte(aml, value ? OP_ONE : OP_ZERO);
	} else if (value <= 0xff) {
		aml_byte(aml, PREFIX_BYTE);
		put(aml, value, 1);
	} else if (value <= 0xffff) {
		aml_byte(aml, PREFIX_WORD);
		put(aml, value, 2);
	} else if (value <= 0xffffffff) {
		aml_byte(aml, PREFIX_DWORD);
		put(aml, value, 4);
	} else {
		aml_byte(aml, PREFIX_QWORD);
		put(aml, value, 8);
	}
}

void aml_string(struct aml *aml, const char *text)
{
	aml_byte(aml, PREFIX_STRING);
	aml_bytes(aml, text, strlen(text) + 1);
}

static unsigned hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

void aml_eisaid(struct aml *aml, const char *id)
{
	unsigned letters = (id[0] & 0x1fu) << 10 | (id[1] & 0x1fu) << 5 | (id[2] & 0x1fu);
	aml_byte(aml, PREFIX_DWORD);
	aml_byte(aml, (uint8_t)(letters >> 8));
	aml_byte(aml, (uint8_t)letters);
	aml_byte(aml, (uint8_t)(hex_digit(id[3]) << 4 | hex_digit(id[4])));
	aml_byte(aml, (uint8_t)(hex_digit(id[5]) << 4 | hex_digit(id[6])));
}

static unsigned count_segments(const char *path)
{
	unsigned n = *path != '\0';
	for (; *path; path++)
		n += *path == '.';
	return n;
}

void aml_path(struct aml *aml, const char *path)
{
	if (*path == '\\')
		aml_byte(aml, (uint8_t)*path++);
	unsigned n = count_segments(path);
	if (n == 0 || n > SEGMENTS_MAX) {
		aml_byte(aml, 0);
		return;
	}
	if (n == 2)
		aml_byte(aml, PREFIX_DUAL);
	if (n > 2) {
		aml_byte(aml, PREFIX_MULTI);
		aml_byte(aml, (uint8_t)n);
	}
	for (unsigned i = 0; i < n; i++) {
		char segment[4] = {'_', '_', '_', '_'};
		size_t len = strcspn(path, ".");
		memcpy(segment, path, len < 4 ? len : 4);
		aml_bytes(aml, segment, sizeof segment);
		path += len + 1;
	}
}

void aml_name(struct aml *aml, const char *path)
{
	aml_byte(aml, OP_NAME);
	aml_path(aml, path);
}

/* PkgLength counts itself, in one to four bytes: it is made room for when the block closes. */
void aml_close(struct aml *aml, size_t block)
{
	if (aml->overflow)
		return;
	size_t body = aml->len - block;
	unsigned more = body + 1 <= 0x3f ? 0 : body + 2 <= 0xfff ? 1 : body + 3 <= 0xfffff ? 2 : 3;
	size_t len = body + 1 + more;
	uint8_t encoded[4] = {(uint8_t)len};
	if (more) {
		encoded[0] = (uint8_t)(more << 6 | (len & 0xf));
		for (unsigned i = 0; i < more; i++)
			encoded[1 + i] = (uint8_t)(len >> (4 + 8 * i));
	}
	aml_bytes(aml, encoded, 1 + more); /* for the room */
	if (aml->overflow)
		return;
	memmove(aml->bytes + block + 1 + more, aml->bytes + block, body);
	memcpy(aml->bytes + block, encoded, 1 + more);
}

static size_t open_named(struct aml *aml, uint8_t prefix, uint8_t op, const char *path)
{
	if (prefix)
		aml_byte(aml, prefix);
	aml_byte(aml, op);
	size_t block = aml->len;
	aml_path(aml, path);
	return block;
}

size_t aml_scope(struct aml *aml, const char *path)
{
	return open_named(aml, 0, OP_SCOPE, path);
}

size_t aml_device(struct aml *aml, const char *path)
{
	return open_named(aml, PREFIX_EXT, EXT_DEVICE, path);
}

size_t aml_method(struct aml *aml, const char *path, unsigned n_args, bool serialized)
{
	size_t block = open_named(aml, 0, OP_METHOD, path);
	aml_byte(aml, (uint8_t)((n_args & 7) | (serialized ? METHOD_SERIALIZED : 0)));
	return block;
}

size_t aml_field(struct aml *aml, const char *region, uint8_t flags)
{
	size_t block = open_named(aml, PREFIX_EXT, EXT_FIELD, region);
	aml_byte(aml, flags);
	return block;
}

size_t aml_package(struct aml *aml, uint8_t n_elements)
{
	aml_byte(aml, OP_PACKAGE);
	size_t block = aml->len;
	aml_byte(aml, n_elements);
	return block;
}

size_t aml_if(struct aml *aml)
{
	aml_byte(aml, OP_IF);
	return aml->len;
}

void aml_region(struct aml *aml, const char *path, uint8_t space, uint64_t base, uint64_t len)
{
	aml_byte(aml, PREFIX_EXT);
	aml_byte(aml, EXT_REGION);
	aml_path(aml, path);
	aml_byte(aml, space);
	aml_int(aml, base);
	aml_int(aml, len);
}

void aml_field_unit(struct aml *aml, const char *name, unsigned bits)
{
	aml_path(aml, name);
	/* a PkgLength that does not count itself */
	if (bits <= 0x3f) {
		aml_byte(aml, (uint8_t)bits);
	} else {
		aml_byte(aml, (uint8_t)(1 << 6 | (bits & 0xf)));
		aml_byte(aml, (uint8_t)(bits >> 4));
	}
}

/* The buffer's size is written as a word, put in at the end; 2 bytes are the end tag. */
size_t aml_resources(struct aml *aml)
{
	aml_byte(aml, OP_BUFFER);
	size_t block = aml->len;
	aml_byte(aml, PREFIX_WORD);
	put(aml, 0, 2);
	return block;
}

void aml_resources_close(struct aml *aml, size_t block)
{
	put(aml, 0x0079, 2); /* end tag, checksum 0: not checked */
	if (aml->overflow)
		return;
	size_t len = aml->len - block - 3;
	aml->bytes[block + 1] = (uint8_t)len;
	aml->bytes[block + 2] = (uint8_t)(len >> 8);
	aml_close(aml, block);
}

void aml_res_io(struct aml *aml, uint16_t base, uint8_t len)
{
	aml_byte(aml, 0x47);
	aml_byte(aml, 1); /* decodes 16 bits */
	put(aml, base, 2);
	put(aml, base, 2);
	aml_byte(aml, 1);
	aml_byte(aml, len);
}

void aml_res_memory32(struct aml *aml, uint32_t base, uint32_t len)
{
	aml_byte(aml, 0x86);
	put(aml, 9, 2);
	aml_byte(aml, 1); /* writable */
	put(aml, base, 4);
	put(aml, len, 4);
}

void aml_res_interrupt(struct aml *aml, uint32_t gsi, bool level)
{
	aml_byte(aml, 0x89);
	put(aml, 6, 2);
	aml_byte(aml, level ? 0x01 : 0x03); /* consumer, active high, exclusive */
	aml_byte(aml, 1);
	put(aml, gsi, 4);
}

void aml_res_bus_numbers(struct aml *aml, uint16_t first, uint16_t last)
{
	aml_byte(aml, 0x88);
	put(aml, 13, 2);
	aml_byte(aml, 2);    /* bus numbers */
	aml_byte(aml, 0x0c); /* producer, both ends fixed */
	aml_byte(aml, 0);
	put(aml, 0, 2);
	put(aml, first, 2);
	put(aml, last, 2);
	put(aml, 0, 2);
	put(aml, last - first + 1u, 2);
}

void aml_res_memory_window(struct aml *aml, uint32_t base, uint32_t len)
{
	aml_byte(aml, 0x87);
	put(aml, 23, 2);
	aml_byte(aml, 0);    /* memory */
	aml_byte(aml, 0x0c); /* producer, both ends fixed */
	aml_byte(aml, 1);    /* not cacheable, read-write */
	put(aml, 0, 4);
	put(aml, base, 4);
	put(aml, base + len - 1, 4);
	put(aml, 0, 4);
	put(aml, len, 4);
}
