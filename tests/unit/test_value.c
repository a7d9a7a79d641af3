/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values from text and back, their bounds and order; objects as definitions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "engine/model/object.h"

static const char *const colours[] = {"red", "green", "blue", NULL};
static const struct hv_prop rows[] = {
	{.name = "name", .type = HV_STRING},
	{.name = "count", .type = HV_INT, .min = 1, .max = 64},
	{.name = "size", .type = HV_SIZE},
	{.name = "time", .type = HV_DURATION},
	{.name = "rate", .type = HV_RATE},
	{.name = "share", .type = HV_PERCENT},
	{.name = "flag", .type = HV_BOOL, .preset = "yes"},
	{.name = "colour", .type = HV_ENUM, .choices = colours},
	{.name = "when", .type = HV_TIME},
	{.name = "labels", .type = HV_LIST},
	{.name = "nics", .type = HV_LIST, .of = "nic"},
	{0},
};

static int parse(struct hv_value *value, const char *name, const char *text, struct hv_error *err)
{
	*value = (struct hv_value){0};
	return hv_value_parse(value, hv_prop_find(rows, name), text, err);
}

static void expect_bad(const char *name, const char *text, const char *message)
{
	struct hv_value value;
	struct hv_error err = {0};
	assert_int_equal(parse(&value, name, text, &err), -HV_USAGE);
	assert_int_equal(value.presence, name[0] == 'n' ? value.presence : HV_ABSENT);
	if (!strstr(err.message, message))
		fail_msg("%s: no '%s' in '%s'", text, message, err.message);
	hv_value_clear(&value, hv_prop_find(rows, name));
}

static void expect_text(const char *name, const char *text, enum hv_style style, const char *shown)
{
	struct hv_value value;
	struct hv_error err = {0};
	char buf[256];
	if (parse(&value, name, text, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	hv_value_format(&value, hv_prop_find(rows, name), style, buf, sizeof buf);
	hv_value_clear(&value, hv_prop_find(rows, name));
	assert_string_equal(buf, shown);
}

static int64_t size_of(const char *text)
{
	struct hv_value value;
	assert_int_equal(parse(&value, "size", text, NULL), 0);
	return value.integer;
}

static void sizes_are_powers_of_1024(void **state)
{
	(void)state;
	assert_int_equal(size_of("512M"), 512 << 20);
	assert_int_equal(size_of("1.5g"), 3LL << 29);
	assert_int_equal(size_of("4GiB"), 4LL << 30);
	assert_int_equal(size_of("4096"), 4096);
	assert_int_equal(size_of("9007199254740993"), 9007199254740993LL);
	assert_int_equal(size_of("0"), 0);
	assert_int_equal(size_of("1e3"), 1000);
	expect_bad("size", "12Q", "is not a size");
	expect_bad("size", "", "is not a size");
	expect_bad("size", "-1", "is not a size");
	expect_bad("size", "nan", "is not a size");
	expect_bad("size", "1.2.3", "is not a size");
	expect_bad("size", "99999999999P", "too large");
	expect_bad("size", "99999999999999999999999", "too large");
}

static void numbers_keep_their_bounds(void **state)
{
	(void)state;
	struct hv_value value;
	assert_int_equal(parse(&value, "count", "64", NULL), 0);
	assert_int_equal(value.integer, 64);
	struct hv_error err = {0};
	assert_int_equal(parse(&value, "count", "65", &err), -HV_USAGE);
	assert_string_equal(err.hint, "it must be between 1 and 64");
	expect_bad("count", "0", "cannot be 0");
	expect_bad("count", "2x", "not a whole number");
	expect_bad("count", "", "not a whole number");
	expect_bad("count", "999999999999999999999", "too large");
	expect_bad("share", "x%", "percentage");
}

static void durations_add_up(void **state)
{
	(void)state;
	struct hv_value value;
	assert_int_equal(parse(&value, "time", "1h30m", NULL), 0);
	assert_true(value.number == 5400);
	assert_int_equal(parse(&value, "time", "250ms", NULL), 0);
	assert_true(value.number == 0.25);
	assert_int_equal(parse(&value, "time", "90", NULL), 0);
	assert_true(value.number == 90);
	expect_bad("time", "90 5m", "duration");
	expect_bad("time", "5m 9", "duration");
	expect_bad("time", "soon", "duration");
	expect_bad("time", "", "duration");
}

static void words_are_checked_with_the_nearest_as_hint(void **state)
{
	(void)state;
	struct hv_value value;
	struct hv_error err = {0};
	assert_int_equal(parse(&value, "colour", "gren", &err), -HV_USAGE);
	assert_string_equal(err.message, "colour: \"gren\" is not one of red, green or blue");
	assert_string_equal(err.hint, "did you mean \"green\"?");
	assert_int_equal(parse(&value, "flag", "On", NULL), 0);
	assert_int_equal(value.integer, 1);
	expect_bad("flag", "maybe", "neither yes nor no");
	expect_bad("when", "yesterday", "is not a time");
	expect_bad("when", "@", "is not a time");
}

static void people_read_round_values(void **state)
{
	(void)state;
	expect_text("size", "4096M", HV_HUMAN, "4G");
	expect_text("size", "1536M", HV_HUMAN, "1.5G");
	expect_text("size", "1048575K", HV_HUMAN, "1G");
	expect_text("size", "1000", HV_HUMAN, "1000");
	expect_text("time", "3d2h5m", HV_HUMAN, "3d 2h");
	expect_text("time", "1d5m", HV_HUMAN, "1d");
	expect_text("time", "12s", HV_HUMAN, "12s");
	expect_text("time", "20ms", HV_HUMAN, "20ms");
	expect_text("share", "61.4", HV_HUMAN, "61%");
	expect_text("rate", "100M/s", HV_HUMAN, "100M/s");
	expect_text("flag", "true", HV_HUMAN, "yes");
	expect_text("name", "a\033[2Jb\nc\302\233d\303\244", HV_HUMAN, "a?[2Jb c?d\303\244");
}

static void exact_text_parses_back(void **state)
{
	(void)state;
	static const char *const texts[][2] = {
		{"size", "4G"},
		{"size", "1000"},
		{"size", "1048575K"},
		{"time", "0.1s"},
		{"time", "5400s"},
		{"share", "61.4%"},
		{"rate", "0.1/s"},
		{"rate", "1e+20/s"},
		{"time", "1e-07s"},
		{"flag", "no"},
		{"colour", "blue"},
		{"count", "7"},
		{"name", "a b,c"},
		{"when", "2026-11-23T04:05:06Z"},
		{"labels", "a=b,c\\,d\\\\"},
		{"nics", "network=br0,queues=4,forward=1:2\\,3:4;network=a\\,\\;b"},
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		expect_text(texts[i][0], texts[i][1], HV_EXACT, texts[i][1]);
}

static void raw_text_is_plain_numbers(void **state)
{
	(void)state;
	expect_text("size", "1536M", HV_RAW, "1610612736");
	expect_text("time", "1h30m", HV_RAW, "5400");
	expect_text("share", "61.4%", HV_RAW, "61.4");
	expect_text("flag", "yes", HV_RAW, "true");
	expect_text("when", "2026-11-23T04:05:06Z", HV_RAW, "1795406706");
	expect_text("labels", "a,b", HV_RAW, "a,b");
}

static void objects_are_written_short(void **state)
{
	(void)state;
	struct hv_value value;
	const struct hv_prop *row = hv_prop_find(rows, "nics");
	assert_int_equal(parse(&value, "nics", "br0,queues=4", NULL), 0);
	assert_int_equal(hv_value_parse(&value, row, "passt,forward=80:80,forward=81:81", NULL), 0);
	assert_int_equal(value.list.n, 2);
	assert_string_equal(hv_get_string(value.list.objects[0], "network"), "br0");
	assert_int_equal(hv_get_int(value.list.objects[0], "queues"), 4);
	assert_int_equal(hv_get_list(value.list.objects[1], "forward")->n, 2);
	hv_value_clear(&value, row);
	expect_bad("nics", "br0,queus=4", "unknown property \"queus\" of a nic");
	expect_bad("nics", "br0,eth0", "not of the form");
	expect_bad("nics", "br0,network=br1", "given twice");
	expect_bad("nics", "br0,rx_bytes=1", "cannot be set");
	expect_bad("nics", "br0,queues=17", "queues cannot be 17");
}

static void text_is_cut_off_at_the_buffers_end(void **state)
{
	(void)state;
	struct hv_value value = {.presence = HV_UNKNOWN};
	char buf[4] = "xxx";
	assert_int_equal(hv_value_format(&value, &rows[0], HV_HUMAN, buf, sizeof buf), 7);
	assert_string_equal(buf, "unk");
	assert_int_equal(hv_value_format(&value, &rows[0], HV_HUMAN, NULL, 0), 7);
}

static void values_have_an_order(void **state)
{
	(void)state;
	struct hv_value a, b;
	parse(&a, "colour", "red", NULL);
	parse(&b, "colour", "blue", NULL);
	assert_true(hv_value_compare(&a, &b, hv_prop_find(rows, "colour")) < 0);
	struct hv_value two = {.presence = HV_SET, .string = (char[]){"web2"}};
	struct hv_value ten = {.presence = HV_SET, .string = (char[]){"web10"}};
	assert_true(hv_value_compare(&two, &ten, &rows[0]) < 0);
	struct hv_value none = {0};
	assert_true(hv_value_compare(&none, &two, &rows[0]) < 0);
	assert_int_equal(hv_value_compare(&none, &none, &rows[0]), 0);
}

static struct hv_object *sample_vm(void)
{
	struct hv_object *vm = hv_object_new(hv_kind_find("vm"));
	struct hv_object *disk = hv_object_new(hv_kind_find("disk"));
	hv_set_string(vm, "name", "web1");
	hv_set_string(vm, "state", "running");
	hv_set_int(vm, "memory", 1 << 30);
	hv_set_number(vm, "uptime", 12.5);
	hv_list_add_string(vm, "labels", "env=prod");
	hv_set_string(disk, "image", "/a.raw");
	hv_set_int(disk, "size", 4096);
	hv_list_add_object(vm, "disks", disk);
	return vm;
}

static void definition_has_only_what_may_be_set(void **state)
{
	(void)state;
	struct hv_object *vm = sample_vm();
	struct hv_object *def = hv_object_definition(vm);
	assert_false(hv_has(def, "state"));
	assert_false(hv_has(def, "uptime"));
	assert_string_equal(hv_object_name(def), "web1");
	const struct hv_list *disks = hv_get_list(def, "disks");
	assert_string_equal(hv_get_string(disks->objects[0], "image"), "/a.raw");
	assert_false(hv_has(disks->objects[0], "size"));
	assert_int_equal(hv_object_preset(def, NULL), 0);
	assert_int_equal(hv_get_int(def, "cpus"), 1);
	assert_int_equal(hv_get_int(def, "memory"), 1 << 30);
	assert_string_equal(hv_get_string(disks->objects[0], "format"), "raw");
	assert_int_equal(hv_object_check(def, NULL), 0);
	hv_object_free(def);
	hv_object_free(vm);
}

static void check_names_what_is_missing(void **state)
{
	(void)state;
	struct hv_object *vm = hv_object_new(hv_kind_find("vm"));
	struct hv_error err = {0};
	assert_int_equal(hv_object_check(vm, &err), -HV_USAGE);
	assert_string_equal(err.message, "name is missing");
	hv_set_string(vm, "name", "web1");
	hv_list_add_object(vm, "disks", hv_object_new(hv_kind_find("disk")));
	assert_int_equal(hv_object_check(vm, &err), -HV_USAGE);
	assert_string_equal(err.message, "disks, number 1: image is missing");
	hv_object_free(vm);
}

static void every_preset_parses(void **state)
{
	(void)state;
	const struct hv_kind *kind;
	for (size_t i = 0; (kind = hv_kind_at(i)); i++) {
		struct hv_object *obj = hv_object_new(kind);
		struct hv_error err = {0};
		if (hv_object_preset(obj, &err) < 0)
			fail_msg("%s: %s", kind->name, err.message);
		hv_object_free(obj);
		for (const struct hv_method *m = kind->methods; m && m->name; m++) {
			obj = hv_object_new_for(m->args);
			assert_int_equal(hv_object_preset(obj, &err), 0);
			hv_object_free(obj);
		}
	}
}

static void merge_copies_what_is_set(void **state)
{
	(void)state;
	struct hv_object *vm = sample_vm(), *change = hv_object_new(vm->kind);
	hv_set_int(change, "memory", 2 << 20);
	hv_list_add_string(change, "labels", "env=test");
	assert_int_equal(hv_object_merge(vm, change, NULL), 0);
	struct hv_object *copy = hv_object_clone(vm);
	hv_object_free(change);
	hv_object_free(vm);
	assert_int_equal(hv_get_int(copy, "memory"), 2 << 20);
	assert_string_equal(hv_get_string(copy, "state"), "running");
	assert_int_equal(hv_get_list(copy, "labels")->n, 1);
	assert_string_equal(hv_get_list(copy, "labels")->strings[0], "env=test");
	assert_int_equal(hv_set_string(copy, "state", "asleep"), -HV_USAGE);
	hv_set_unknown(copy, "memory");
	assert_int_equal(hv_get_int(copy, "memory"), 0);
	hv_object_free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(numbers_keep_their_bounds),
		cmocka_unit_test(durations_add_up),
		cmocka_unit_test(words_are_checked_with_the_nearest_as_hint),
		cmocka_unit_test(people_read_round_values),
		cmocka_unit_test(exact_text_parses_back),
		cmocka_unit_test(raw_text_is_plain_numbers),
		cmocka_unit_test(objects_are_written_short),
		cmocka_unit_test(text_is_cut_off_at_the_buffers_end),
		cmocka_unit_test(values_have_an_order),
		cmocka_unit_test(definition_has_only_what_may_be_set),
		cmocka_unit_test(check_names_what_is_missing),
		cmocka_unit_test(every_preset_parses),
		cmocka_unit_test(merge_copies_what_is_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
