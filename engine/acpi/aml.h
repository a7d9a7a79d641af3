/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A writer of ACPI Machine Language (ACPI 6.4, chapter 20) into a buffer of fixed size: what our
 * DSDT needs, no more. Blocks are opened and closed; their length is put in when they close. An
 * overflow sticks and is asked for once, at the end.
 */
#ifndef HV_ACPI_AML_H
#define HV_ACPI_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *bytes; /* borrowed */
	size_t len, capacity;
	bool overflow;
};

void aml_init(struct aml *aml, void *bytes, size_t capacity);

void aml_bytes(struct aml *aml, const void *bytes, size_t len);
void aml_byte(struct aml *aml, uint8_t byte);
/* The shortest form of a constant. */
void aml_int(struct aml *aml, uint64_t value);
void aml_string(struct aml *aml, const char *text);
/* "PNP0501" as the number that EISA made of it. */
void aml_eisaid(struct aml *aml, const char *id);
/* A path as it is written in ASL: "\\_SB.PCI0", "ESEL"; segments are filled up with '_'. */
void aml_path(struct aml *aml, const char *path);
/* Name (path, …): the value follows. */
void aml_name(struct aml *aml, const char *path);

/* Blocks: each returns what aml_close() wants back. */
size_t aml_scope(struct aml *aml, const char *path);
size_t aml_device(struct aml *aml, const char *path);
size_t aml_method(struct aml *aml, const char *path, unsigned n_args, bool serialized);
size_t aml_package(struct aml *aml, uint8_t n_elements);
size_t aml_if(struct aml *aml);
size_t aml_field(struct aml *aml, const char *region, uint8_t flags);
void aml_close(struct aml *aml, size_t block);

void aml_region(struct aml *aml, const char *path, uint8_t space, uint64_t base, uint64_t len);
void aml_field_unit(struct aml *aml, const char *name, unsigned bits);

/* A resource template is a buffer: open, add descriptors, close. Chapter 6.4. */
size_t aml_resources(struct aml *aml);
void aml_resources_close(struct aml *aml, size_t block);
void aml_res_io(struct aml *aml, uint16_t base, uint8_t len);
void aml_res_memory32(struct aml *aml, uint32_t base, uint32_t len);
void aml_res_interrupt(struct aml *aml, uint32_t gsi, bool level);
void aml_res_bus_numbers(struct aml *aml, uint16_t first, uint16_t last);
void aml_res_memory_window(struct aml *aml, uint32_t base, uint32_t len);

#define AML_SYSTEM_MEMORY 0
#define AML_FIELD_DWORD 0x43 /* DWordAcc, NoLock, WriteAsZeros */
#define AML_OP_LOCAL0 0x60
#define AML_OP_STORE 0x70
#define AML_OP_AND 0x7b
#define AML_OP_NOTIFY 0x86

#endif
