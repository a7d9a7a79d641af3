/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Objects to JSON and back, and where faults in JSON are said to be. */
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
	return hv_object_from_json(hv_kind_find("vm"), text, strlen(text), err);
}

static void expect_round(const char *text)
{
	struct hv_error err = {0};
	struct hv_object *vm = read_vm(text, &err);
	if (!vm)
		fail_msg("%s: %s", text, err.message);
	char *json = hv_object_to_json(vm);
	assert_string_equal(json, text);
	free(json);
	hv_object_free(vm);
}

static void expect_bad(const char *text, const char *message)
{
	struct hv_error err = {0};
	assert_null(read_vm(text, &err));
	assert_int_equal(err.code, HV_USAGE);
	if (strncmp(err.message, message, strlen(message)) != 0)
		fail_msg("%s\nsays '%s'\nnot  '%s'", text, err.message, message);
}

static void json_comes_back_as_it_went(void **state)
{
	(void)state;
	expect_round("{}");
	expect_round(
		"{\"name\":\"web1\",\"state\":\"running\",\"host\":\"local\","
		"\"memory\":1073741824,\"cpus\":2,\"uptime\":12.25,\"memory_used\":null,"
		"\"autostart\":true,\"labels\":[\"env=prod\",\"a\\\"b\\\\c\\n\\u0001\"],"
		"\"disks\":[{\"name\":\"scsi0.0.0\",\"image\":\"/ä.raw\",\"read_only\":false}],"
		"\"nics\":[]}");
}

static void json_takes_text_forms_too(void **state)
{
	(void)state;
	struct hv_object *vm = read_vm("{\"memory\":\"1G\",\"restart_delay\":\"5m\"}", NULL);
	assert_int_equal(hv_get_int(vm, "memory"), 1 << 30);
	assert_true(hv_get_number(vm, "restart_delay") == 300);
	hv_object_free(vm);
}

static void json_replaces_what_is_not_utf8(void **state)
{
	(void)state;
	struct hv_object *vm = hv_object_new(hv_kind_find("vm"));
	hv_set_string(vm, "name",
		      "a\xff\xc3\xed\xa0\x80"
		      "b\xf0\x9f\x98\x80\x7f");
	char *json = hv_object_to_json(vm);
	assert_string_equal(json, "{\"name\":\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
				  "\xef\xbf\xbd"
				  "b\xf0\x9f\x98\x80\\u007f\"}");
	free(json);
	hv_object_free(vm);
}

static void json_faults_have_a_place(void **state)
{
	(void)state;
	expect_bad("{\"name\":\"a\",\n \"memroy\":1}", "2:2: unknown property \"memroy\" of a vm");
	expect_bad("{\"name\":3}", "1:9: name must be a string");
	expect_bad("[1]", "1:1: a vm must be an object in braces");
	expect_bad("{\"disks\":[{\"image\":\"a\"},\n{\"image\":\"b\",\"read_only\":7}]}",
		   "2:26: read_only must be a bool");
	expect_bad("{\"labels\":[\"a}]\", 3]}", "1:19: labels must hold strings");
	expect_bad("{\"disks\":[{},4]}", "1:14: a disk must be an object");
	expect_bad("{\"memory\":1}", "1:11: memory cannot be 1");
	expect_bad("{\"state\":\"asleep\"}", "1:10: state: \"asleep\" is not one of");
	expect_bad("{\"cpus\":1,\"cpus\":2}", "1:");
	expect_bad("{\"disk\":[],\"disks\":[]}", "1:12: \"disks\" is given twice");
	expect_bad("{\"name\":", "1:");
	expect_bad("", "1:0: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_comes_back_as_it_went),
		cmocka_unit_test(json_takes_text_forms_too),
		cmocka_unit_test(json_replaces_what_is_not_utf8),
		cmocka_unit_test(json_faults_have_a_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
