/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Device state as versioned sections. A section is one table of fields, written once, from which both
 * saving and loading come; checkpoints and migration differ only in where the bytes go.
 *
 *	section := u32 magic | u16 name_len | name | u16 id_len | id | u32 version | u32 payload_len | payload
 *
 * All little-endian. A reader takes versions min_version..version; fields newer than the section read
 * keep the value that they have. The stream is hostile: every length is checked, and a section's check()
 * refuses values that the device could not have reached.
 */
#ifndef HV_VMM_STATE_H
#define HV_VMM_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/model/error.h"

struct state_field {
	const char *name;
	size_t offset;
	uint16_t size; /* of one element: 1, 2, 4, 8 are swapped to little-endian; else raw bytes */
	uint16_t count;  /* elements */
	uint32_t since;  /* first version that has it */
	uint8_t is_bool; /* anything but 0 and 1 is refused: a bool of another value is undefined */
};

#define STATE_IS_BOOL(value) _Generic((value), bool : 1, default : 0)

/* STATE(struct serial, lcr, 1): scalar or array member, sizes taken from the member itself. */
#define STATE(type, member, since_version)                                                         \
	{                                                                                          \
		.name = #member, .offset = offsetof(type, member),                                 \
		.size = sizeof(((type *)0)->member), .count = 1, .since = since_version,           \
		.is_bool = STATE_IS_BOOL(((type *)0)->member)                                      \
	}
#define STATE_ARRAY(type, member, since_version)                                                   \
	{                                                                                          \
		.name = #member, .offset = offsetof(type, member),                                 \
		.size = sizeof(((type *)0)->member[0]),                                            \
		.count = sizeof(((type *)0)->member) / sizeof(((type *)0)->member[0]),             \
		.since = since_version, .is_bool = STATE_IS_BOOL(((type *)0)->member[0])           \
	}
#define STATE_END                                                                                  \
	{                                                                                          \
		.name = NULL                                                                       \
	}

struct state_section {
	const char *name; /* "serial", "virtio-pci", "vq" */
	uint32_t version, min_version;
	const struct state_field *fields;
	/* optional: after the fields are in; refuses impossible values by hv_fail() */
	int (*check)(void *object, struct hv_error *err);
};

struct state_out {
	uint8_t *bytes; /* grows; owned */
	size_t len, capacity;
	int failed; /* sticky: no memory */
};

struct state_in {
	const uint8_t *bytes; /* borrowed */
	size_t len, pos;
};

void state_out_init(struct state_out *out);
void state_out_fini(struct state_out *out);

/* id tells instances of one section apart ("scsi0.q3"). */
int state_save(struct state_out *out, const struct state_section *section, const char *id,
	       const void *object, struct hv_error *err);
/* Reads the next section, which must be this one and this id. On any error before its check() the
 * object is untouched; the position in the stream moves only on success. */
int state_load(struct state_in *in, const struct state_section *section, const char *id,
	       void *object, struct hv_error *err);

/* A section of free length, for what no table can describe (requests in flight, XSAVE areas). */
int state_save_bytes(struct state_out *out, const char *name, const char *id, uint32_t version,
		     const void *bytes, size_t len, struct hv_error *err);
/* bytes: borrowed from the stream. */
int state_load_bytes(struct state_in *in, const char *name, const char *id, uint32_t max_version,
		     uint32_t *version, const void **bytes, size_t *len, struct hv_error *err);

#endif
