/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Definitions in YAML: typed by the rows, faults with a place, read back as they were written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "engine/model/object.h"

static struct hv_object *read_vm(const char *text, struct hv_error *err)
{
	return hv_object_from_yaml(hv_kind_find("vm"), text, strlen(text), "web1.yaml", err);
}

static void expect_bad(const char *text, const char *message)
{
	struct hv_error err = {0};
	assert_null(read_vm(text, &err));
	assert_int_equal(err.code, HV_USAGE);
	if (strncmp(err.message, message, strlen(message)) != 0)
		fail_msg("%s\nsays '%s'\nnot  '%s'", text, err.message, message);
}

static void yaml_is_typed_by_the_rows(void **state)
{
	(void)state;
	struct hv_error err = {0};
	struct hv_object *vm = read_vm("# a comment\n"
				       "name: no\n"
				       "memory: 1G\n"
				       "cpus: 2\n"
				       "autostart: on\n"
				       "description: 12:30\n"
				       "kernel:\n"
				       "restart_delay: 1m\n"
				       "labels: [yes, env=prod]\n"
				       "disks:\n"
				       "  - image: /a.raw\n"
				       "    read_only: yes\n"
				       "nics: [{network: br0, queues: 4}]\n",
				       &err);
	if (!vm)
		fail_msg("%s", err.message);
	assert_string_equal(hv_object_name(vm), "no");
	assert_int_equal(hv_get_int(vm, "memory"), 1 << 30);
	assert_true(hv_get_bool(vm, "autostart"));
	assert_string_equal(hv_get_string(vm, "description"), "12:30");
	assert_false(hv_has(vm, "kernel"));
	assert_true(hv_get_number(vm, "restart_delay") == 60);
	assert_string_equal(hv_get_list(vm, "labels")->strings[0], "yes");
	assert_true(hv_get_bool(hv_get_list(vm, "disks")->objects[0], "read_only"));
	assert_int_equal(hv_get_int(hv_get_list(vm, "nics")->objects[0], "queues"), 4);
	hv_object_free(vm);
}

static void yaml_faults_have_a_place(void **state)
{
	(void)state;
	expect_bad("name: a\nmemroy: 1G\n", "web1.yaml:2:1: unknown property \"memroy\" of a vm");
	expect_bad("name: a\nname: b\n", "web1.yaml:2:1: \"name\" is given twice");
	expect_bad("disks:\n- image: a\n  colour: red\n",
		   "web1.yaml:3:3: unknown property \"colour\" of a disk");
	expect_bad("memory: lots\n", "web1.yaml:1:9: memory: \"lots\" is not a size");
	expect_bad("memory: [1G]\n", "web1.yaml:1:9: memory must be a size");
	expect_bad("disks: /a.raw\n", "web1.yaml:1:8: disks must be a list");
	expect_bad("labels: [[a]]\n", "web1.yaml:1:10: labels must hold strings");
	expect_bad("- a\n", "web1.yaml:1:1: a vm must be a mapping");
	expect_bad("cpus: 65\n", "web1.yaml:1:7: cpus cannot be 65");
	expect_bad("name: [a\n", "web1.yaml:2:1: ");
	expect_bad("name: a\n---\nname: b\n", "web1.yaml:3:1: a second document");
	expect_bad("name: \"a\\0b\"\n", "web1.yaml:1:7: name must be a string");
	expect_bad("", "web1.yaml: empty");
	expect_bad("name: \xff\n", "web1.yaml: byte 6: ");
	expect_bad("[a, b]: c\n", "web1.yaml:1:1: unknown property");
}

static void yaml_reads_back_what_it_wrote(void **state)
{
	(void)state;
	static const char *const strings[] = {
		"plain",    "no",         "12:30",  "1e3",          "",     " edges ",
		"a: b #c",  "two\nlines", "tab\t",  "- dash",       "~",    "'quoted\"",
		"ä\u00a0ü", "{brace",     "#hash",  "52:54:00:1:2", "null", "a\x01z\x7f",
		"*alias",   "&anchor",    "!tag",   "@at",          "\\",   "trailing\n\n",
		"0x10",     "%percent",   "? mark", "---",          "...",
	};
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
		struct hv_object *vm = hv_object_new(hv_kind_find("vm"));
		struct hv_object *disk = hv_object_new(hv_kind_find("disk"));
		hv_set_string(vm, "name", strings[i]);
		hv_list_add_string(vm, "labels", strings[i]);
		hv_set_string(disk, "image", strings[i]);
		hv_list_add_object(vm, "disks", disk);
		char *yaml = hv_object_to_yaml(vm);
		assert_non_null(yaml);
		struct hv_error err = {0};
		struct hv_object *back = read_vm(yaml, &err);
		if (!back)
			fail_msg("%s%s", yaml, err.message);
		assert_string_equal(hv_object_name(back), strings[i]);
		assert_string_equal(hv_get_list(back, "labels")->strings[0], strings[i]);
		assert_string_equal(hv_get_string(hv_get_list(back, "disks")->objects[0], "image"),
				    strings[i]);
		free(yaml);
		hv_object_free(back);
		hv_object_free(vm);
	}
}

static void yaml_is_written_as_people_would(void **state)
{
	(void)state;
	static const char text[] = "name: web1\n"
				   "memory: 1536M\n"
				   "uptime: 1.5s\n"
				   "memory_used: null\n"
				   "autostart: true\n"
				   "labels: []\n"
				   "description: 'yes'\n"
				   "pin:\n"
				   "- '0'\n"
				   "- '-'\n"
				   "disks:\n"
				   "- image: /images/web1.raw\n"
				   "  format: raw\n"
				   "nics:\n"
				   "- {}\n"
				   "created: 2026-11-23T04:05:06Z\n";
	struct hv_error err = {0};
	struct hv_object *vm = read_vm(text, &err);
	if (!vm)
		fail_msg("%s", err.message);
	assert_int_equal(hv_get(vm, "memory_used")->presence, HV_UNKNOWN);
	char *yaml = hv_object_to_yaml(vm);
	assert_string_equal(yaml, text);
	free(yaml);
	hv_object_free(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yaml_is_typed_by_the_rows),
		cmocka_unit_test(yaml_faults_have_a_place),
		cmocka_unit_test(yaml_reads_back_what_it_wrote),
		cmocka_unit_test(yaml_is_written_as_people_would),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
