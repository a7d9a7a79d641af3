/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sections of device state: one writer and one reader for all tables. The reader trusts nothing: it
 * checks a whole section before it touches the object.
 */
#include "engine/vmm/state.h"

#include <stdlib.h>
#include <string.h>

#define STATE_MAGIC 0x54535648u /* "HVST" */
#define STATE_NAME_MAX 63

/* Fields are copied as they are: KVM's x86 is little-endian, and so is the stream. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "state.c swaps nothing");

void state_out_init(struct state_out *out)
{
	memset(out, 0, sizeof *out);
}

void state_out_fini(struct state_out *out)
{
	free(out->bytes);
	memset(out, 0, sizeof *out);
}

static void put(struct state_out *out, const void *bytes, size_t len)
{
	if (out->failed || len == 0)
		return;
	if (len > out->capacity - out->len) {
		size_t capacity = out->capacity ? out->capacity : 4096;
		while (capacity - out->len < len) {
			if (__builtin_mul_overflow(capacity, (size_t)2, &capacity)) {
				out->failed = 1;
				return;
			}
		}
		uint8_t *grown = realloc(out->bytes, capacity);
		if (!grown) {
			out->failed = 1;
			return;
		}
		out->bytes = grown;
		out->capacity = capacity;
	}
	memcpy(out->bytes + out->len, bytes, len);
	out->len += len;
}

static void put_string(struct state_out *out, const char *string)
{
	uint16_t len = (uint16_t)strlen(string);
	put(out, &len, sizeof len);
	put(out, string, len);
}

static int put_header(struct state_out *out, const char *name, const char *id, uint32_t version,
		      size_t payload_len, struct hv_error *err)
{
	if (strlen(name) > STATE_NAME_MAX || strlen(id) > STATE_NAME_MAX ||
	    payload_len > UINT32_MAX)
		return hv_fail(err, HV_LIMIT, 0, "state of '%s' (%s) is too large to save", id,
			       name);
	uint32_t magic = STATE_MAGIC, len = (uint32_t)payload_len;
	put(out, &magic, sizeof magic);
	put_string(out, name);
	put_string(out, id);
	put(out, &version, sizeof version);
	put(out, &len, sizeof len);
	return 0;
}

static int put_done(const struct state_out *out, const char *name, const char *id,
		    struct hv_error *err)
{
	if (out->failed)
		return hv_fail(err, HV_FAILED, 0, "no memory to save state of '%s' (%s)", id, name);
	return 0;
}

static size_t payload_len_of(const struct state_section *section, uint32_t version)
{
	size_t len = 0;
	for (const struct state_field *f = section->fields; f->name; f++) {
		if (f->since <= version)
			len += (size_t)f->size * f->count;
	}
	return len;
}

int state_save(struct state_out *out, const struct state_section *section, const char *id,
	       const void *object, struct hv_error *err)
{
	int ret = put_header(out, section->name, id, section->version,
			     payload_len_of(section, section->version), err);
	if (ret)
		return ret;
	for (const struct state_field *f = section->fields; f->name; f++)
		put(out, (const uint8_t *)object + f->offset, (size_t)f->size * f->count);
	return put_done(out, section->name, id, err);
}

int state_save_bytes(struct state_out *out, const char *name, const char *id, uint32_t version,
		     const void *bytes, size_t len, struct hv_error *err)
{
	int ret = put_header(out, name, id, version, len, err);
	if (ret)
		return ret;
	put(out, bytes, len);
	return put_done(out, name, id, err);
}

/* ---- reading: a cursor that is written back only when the whole section is good -----------------
 */

struct header {
	uint32_t version, payload_len;
	const uint8_t *payload;
};

static bool take(struct state_in *in, void *to, size_t len)
{
	if (in->pos > in->len || len > in->len - in->pos)
		return false;
	memcpy(to, in->bytes + in->pos, len);
	in->pos += len;
	return true;
}

static bool take_string(struct state_in *in, char to[STATE_NAME_MAX + 1])
{
	uint16_t len;
	if (!take(in, &len, sizeof len) || len > STATE_NAME_MAX || !take(in, to, len))
		return false;
	to[len] = '\0';
	if (strlen(to) != len)
		return false;
	/* the names are shown to a person when they are not the ones expected */
	for (char *c = to; *c; c++) {
		if (*c < ' ' || *c > '~')
			return false;
	}
	return true;
}

static int take_header(struct state_in *in, const char *name, const char *id, uint32_t min_version,
		       uint32_t max_version, struct header *header, struct hv_error *err)
{
	uint32_t magic;
	char got_name[STATE_NAME_MAX + 1], got_id[STATE_NAME_MAX + 1];
	if (!take(in, &magic, sizeof magic) || magic != STATE_MAGIC || !take_string(in, got_name) ||
	    !take_string(in, got_id) || !take(in, &header->version, sizeof header->version) ||
	    !take(in, &header->payload_len, sizeof header->payload_len) ||
	    header->payload_len > in->len - in->pos)
		return hv_fail(err, HV_FAILED, 0,
			       "the saved state is damaged or cut short where '%s' (%s) should be",
			       id, name);
	if (strcmp(got_name, name) != 0 || strcmp(got_id, id) != 0)
		return hv_fail(err, HV_FAILED, 0,
			       "the saved state has '%s' (%s) where '%s' (%s) should be", got_id,
			       got_name, id, name);
	if (header->version < min_version || header->version > max_version)
		return hv_fail(
			err, HV_FAILED, 0,
			"saved state of '%s' (%s) has version %u; this hvsh-vmm reads %u to %u", id,
			name, header->version, min_version, max_version);
	header->payload = in->bytes + in->pos;
	in->pos += header->payload_len;
	return 0;
}

static int check_bools(const struct state_section *section, const char *id,
		       const struct header *header, struct hv_error *err)
{
	const uint8_t *at = header->payload;
	for (const struct state_field *f = section->fields; f->name; f++) {
		if (f->since > header->version)
			continue;
		for (unsigned i = 0; f->is_bool && i < f->count; i++) {
			if (at[i] > 1)
				return hv_fail(
					err, HV_FAILED, 0,
					"saved state of '%s' (%s): field '%s' is neither 0 nor 1",
					id, section->name, f->name);
		}
		at += (size_t)f->size * f->count;
	}
	return 0;
}

int state_load(struct state_in *in, const struct state_section *section, const char *id,
	       void *object, struct hv_error *err)
{
	struct state_in at = *in;
	struct header header;
	int ret = take_header(&at, section->name, id, section->min_version, section->version,
			      &header, err);
	if (ret)
		return ret;
	size_t expected = payload_len_of(section, header.version);
	if (header.payload_len != expected)
		return hv_fail(err, HV_FAILED, 0,
			       "saved state of '%s' (%s), version %u, has %u bytes instead of %zu",
			       id, section->name, header.version, header.payload_len, expected);
	ret = check_bools(section, id, &header, err);
	if (ret)
		return ret;
	const uint8_t *from = header.payload;
	for (const struct state_field *f = section->fields; f->name; f++) {
		if (f->since > header.version)
			continue;
		size_t len = (size_t)f->size * f->count;
		memcpy((uint8_t *)object + f->offset, from, len);
		from += len;
	}
	if (section->check) {
		ret = section->check(object, err);
		if (ret)
			return ret;
	}
	*in = at;
	return 0;
}

int state_load_bytes(struct state_in *in, const char *name, const char *id, uint32_t max_version,
		     uint32_t *version, const void **bytes, size_t *len, struct hv_error *err)
{
	struct state_in at = *in;
	struct header header;
	int ret = take_header(&at, name, id, 0, max_version, &header, err);
	if (ret)
		return ret;
	*version = header.version;
	*bytes = header.payload;
	*len = header.payload_len;
	*in = at;
	return 0;
}
