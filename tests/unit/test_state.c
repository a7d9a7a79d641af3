/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sections of device state: round trips, versions, and streams that somebody damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/vmm/state.h"

struct thing {
	uint8_t a;
	uint16_t b;
	uint32_t c;
	uint64_t d;
	bool on;
	uint16_t many[5];
	char text[11];
	uint32_t added; /* since version 2 */
};

static int check_thing(void *object, struct hv_error *err)
{
	struct thing *thing = object;
	if (thing->a == 0xee)
		return hv_fail(err, HV_FAILED, 0, "a thing cannot be 0xee");
	return 0;
}

static const struct state_field fields_v2[] = {
	STATE(struct thing, a, 1),
	STATE(struct thing, b, 1),
	STATE(struct thing, c, 1),
	STATE(struct thing, d, 1),
	STATE(struct thing, on, 1),
	STATE_ARRAY(struct thing, many, 1),
	STATE(struct thing, text, 1),
	STATE(struct thing, added, 2),
	STATE_END,
};
static const struct state_field fields_v1[] = {
	STATE(struct thing, a, 1),    STATE(struct thing, b, 1),
	STATE(struct thing, c, 1),    STATE(struct thing, d, 1),
	STATE(struct thing, on, 1),   STATE_ARRAY(struct thing, many, 1),
	STATE(struct thing, text, 1), STATE_END,
};
static const struct state_section v1 = {"thing", 1, 1, fields_v1, check_thing};
static const struct state_section v2 = {"thing", 2, 1, fields_v2, check_thing};
static const struct state_section v2_only = {"thing", 2, 2, fields_v2, check_thing};

static const struct thing sample = {1,       2,   3, 0x1122334455667788ull, true, {9, 8, 7, 6, 5},
				    "hello", 4711};

static void save_sample(struct state_out *out, const struct state_section *section)
{
	struct hv_error err;
	state_out_init(out);
	assert_int_equal(state_save(out, section, "t0", &sample, &err), 0);
}

static int load(const struct state_out *out, const struct state_section *section, const char *id,
		struct thing *thing, struct hv_error *err)
{
	struct state_in in = {out->bytes, out->len, 0};
	int ret = state_load(&in, section, id, thing, err);
	assert_int_equal(in.pos, ret ? 0 : out->len);
	return ret;
}

static void state_comes_back_as_saved(void **unused)
{
	(void)unused;
	struct state_out out;
	struct thing thing = {0};
	struct hv_error err;
	save_sample(&out, &v2);
	assert_int_equal(load(&out, &v2, "t0", &thing, &err), 0);
	assert_int_equal(thing.a, 1);
	assert_int_equal(thing.b, 2);
	assert_int_equal(thing.c, 3);
	assert_int_equal(thing.d, 0x1122334455667788ull);
	assert_true(thing.on);
	assert_memory_equal(thing.many, sample.many, sizeof sample.many);
	assert_string_equal(thing.text, "hello");
	assert_int_equal(thing.added, 4711);
	state_out_fini(&out);
}

static void state_of_an_older_version_keeps_newer_fields(void **unused)
{
	(void)unused;
	struct state_out out;
	struct thing thing = {.added = 99};
	struct hv_error err;
	save_sample(&out, &v1);
	assert_int_equal(load(&out, &v2, "t0", &thing, &err), 0);
	assert_int_equal(thing.d, sample.d);
	assert_int_equal(thing.added, 99);
	state_out_fini(&out);
}

static void refuses(const struct state_out *out, const struct state_section *section,
		    const char *id)
{
	struct thing thing, before;
	struct hv_error err = {0};
	memset(&thing, 0x5a, sizeof thing);
	before = thing;
	assert_int_not_equal(load(out, section, id, &thing, &err), 0);
	assert_int_not_equal(err.message[0], '\0');
	assert_memory_equal(&thing, &before, sizeof thing);
}

static void state_refuses_versions_it_does_not_read(void **unused)
{
	(void)unused;
	struct state_out out;
	save_sample(&out, &v2);
	refuses(&out, &v1, "t0");
	state_out_fini(&out);
	save_sample(&out, &v1);
	refuses(&out, &v2_only, "t0");
	state_out_fini(&out);
}

static void state_refuses_another_section_or_id(void **unused)
{
	(void)unused;
	static const struct state_section other = {"other", 2, 1, fields_v2, NULL};
	struct state_out out;
	save_sample(&out, &v2);
	refuses(&out, &other, "t0");
	refuses(&out, &v2, "t1");
	refuses(&out, &v2, "t");
	state_out_fini(&out);
}

static void state_refuses_every_truncation(void **unused)
{
	(void)unused;
	struct state_out out;
	save_sample(&out, &v2);
	size_t whole = out.len;
	for (size_t len = 0; len < whole; len++) {
		/* a copy of exactly this length, so that ASan sees a read behind it */
		struct state_out cut = {malloc(len ? len : 1), len, len, 0};
		memcpy(cut.bytes, out.bytes, len);
		refuses(&cut, &v2, "t0");
		state_out_fini(&cut);
	}
	state_out_fini(&out);
}

static void state_refuses_payloads_of_another_length(void **unused)
{
	(void)unused;
	struct state_out out;
	uint8_t payload[300] = {0};
	struct hv_error err;
	size_t good = 1 + 2 + 4 + 8 + 1 + 10 + 11 + 4;
	for (size_t len = 0; len < sizeof payload; len++) {
		state_out_init(&out);
		assert_int_equal(state_save_bytes(&out, "thing", "t0", 2, payload, len, &err), 0);
		if (len == good) {
			struct thing thing;
			assert_int_equal(load(&out, &v2, "t0", &thing, &err), 0);
		} else {
			refuses(&out, &v2, "t0");
		}
		state_out_fini(&out);
	}
}

static void state_refuses_a_bool_of_two(void **unused)
{
	(void)unused;
	struct state_out out;
	save_sample(&out, &v1);
	/* the bool stands before the array and the text */
	out.bytes[out.len - 11 - 10 - 1] = 2;
	refuses(&out, &v1, "t0");
	state_out_fini(&out);
}

static void state_runs_the_check_of_the_section(void **unused)
{
	(void)unused;
	struct state_out out;
	struct thing thing = sample;
	struct hv_error err;
	thing.a = 0xee;
	state_out_init(&out);
	assert_int_equal(state_save(&out, &v2, "t0", &thing, &err), 0);
	assert_int_equal(load(&out, &v2, "t0", &thing, &err), -HV_FAILED);
	assert_string_equal(err.message, "a thing cannot be 0xee");
	state_out_fini(&out);
}

static void state_sections_follow_one_another(void **unused)
{
	(void)unused;
	struct state_out out;
	struct hv_error err;
	struct thing thing;
	const void *bytes;
	size_t len;
	uint32_t version;
	save_sample(&out, &v2);
	assert_int_equal(state_save_bytes(&out, "blob", "b", 7, "abc", 3, &err), 0);
	assert_int_equal(state_save_bytes(&out, "blob", "empty", 1, NULL, 0, &err), 0);
	assert_int_equal(state_save(&out, &v2, "t1", &sample, &err), 0);
	struct state_in in = {out.bytes, out.len, 0};
	assert_int_equal(state_load(&in, &v2, "t0", &thing, &err), 0);
	assert_int_not_equal(state_load_bytes(&in, "blob", "b", 6, &version, &bytes, &len, &err),
			     0);
	assert_int_equal(state_load_bytes(&in, "blob", "b", 7, &version, &bytes, &len, &err), 0);
	assert_int_equal(version, 7);
	assert_int_equal(len, 3);
	assert_memory_equal(bytes, "abc", 3);
	assert_int_equal(state_load_bytes(&in, "blob", "empty", 1, &version, &bytes, &len, &err),
			 0);
	assert_int_equal(len, 0);
	assert_int_equal(state_load(&in, &v2, "t1", &thing, &err), 0);
	assert_int_equal(in.pos, in.len);
	state_out_fini(&out);
}

static void state_refuses_names_that_are_too_long(void **unused)
{
	(void)unused;
	struct state_out out;
	struct hv_error err;
	char id[100];
	memset(id, 'x', sizeof id);
	id[sizeof id - 1] = '\0';
	state_out_init(&out);
	assert_int_equal(state_save(&out, &v2, id, &sample, &err), -HV_LIMIT);
	assert_int_equal(out.len, 0);
	state_out_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_comes_back_as_saved),
		cmocka_unit_test(state_of_an_older_version_keeps_newer_fields),
		cmocka_unit_test(state_refuses_versions_it_does_not_read),
		cmocka_unit_test(state_refuses_another_section_or_id),
		cmocka_unit_test(state_refuses_every_truncation),
		cmocka_unit_test(state_refuses_payloads_of_another_length),
		cmocka_unit_test(state_refuses_a_bool_of_two),
		cmocka_unit_test(state_runs_the_check_of_the_section),
		cmocka_unit_test(state_sections_follow_one_another),
		cmocka_unit_test(state_refuses_names_that_are_too_long),
	};
	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
