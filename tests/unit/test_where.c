/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Filters: what they match, and what they say of mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "engine/model/object.h"

static struct hv_object *sample(void)
{
	struct hv_object *vm = hv_object_new(hv_kind_find("vm"));
	struct hv_object *disk = hv_object_new(hv_kind_find("disk"));
	hv_set_string(vm, "name", "web1");
	hv_set_string(vm, "state", "running");
	hv_set_int(vm, "memory", 3LL << 30);
	hv_set_int(vm, "cpus", 4);
	hv_set_int(vm, "autostart", 1);
	hv_set_unknown(vm, "memory_used");
	hv_list_add_string(vm, "labels", "env=prod");
	hv_list_add_string(vm, "labels", "tier=web");
	hv_set_string(disk, "name", "scsi0.0.0");
	hv_set_string(disk, "image", "/images/web1.raw");
	hv_set_int(disk, "size", 40LL << 30);
	hv_list_add_object(vm, "disks", disk);
	return vm;
}

static void expect(const char *text, bool match)
{
	struct hv_error err = {0};
	struct hv_where *where = hv_where_parse(hv_kind_find("vm")->props, text, &err);
	if (!where)
		fail_msg("%s: %s", text, err.message);
	struct hv_object *vm = sample();
	if (hv_where_match(where, vm) != match)
		fail_msg("%s: should%s match", text, match ? "" : " not");
	hv_object_free(vm);
	hv_where_free(where);
}

static void expect_bad(const char *text, const char *message)
{
	struct hv_error err = {0};
	struct hv_where *where = hv_where_parse(hv_kind_find("vm")->props, text, &err);
	assert_null(where);
	assert_int_equal(err.code, HV_USAGE);
	if (!strstr(err.message, message))
		fail_msg("%s: no '%s' in '%s'", text, message, err.message);
}

static void filter_compares_typed_values(void **state)
{
	(void)state;
	expect("state=running", true);
	expect("state == 'running'", true);
	expect("state!=running", false);
	expect("memory>2G", true);
	expect("memory>=3072M and memory<=3G", true);
	expect("memory>4096", true);
	expect("cpus<=4", true);
	expect("cpus>64", false);
	expect("name~web*", true);
	expect("name!~web*", false);
	expect("name=web*", false);
	expect("autostart", true);
	expect("autostart=no", false);
}

static void filter_joins_and_groups(void **state)
{
	(void)state;
	expect("state=stopped or cpus=4 and memory>2G", true);
	expect("(state=stopped or cpus=4) and memory>4G", false);
	expect("not state=stopped", true);
	expect("not not state=stopped", false);
	expect("not (state=running and (cpus=4))", false);
	expect(" state=running  and\tnot cpus=2 ", true);
}

static void filter_reaches_into_lists(void **state)
{
	(void)state;
	expect("label.env=prod", true);
	expect("labels.env = test", false);
	expect("label.env!=test", true);
	expect("label.owner!=bob", true);
	expect("label.tier", true);
	expect("label.ti", false);
	expect("label.tier~w?b", true);
	expect("labels=env=prod", true);
	expect("disk.size>30G", true);
	expect("disk.image~*/web1.raw", true);
	expect("disks.format=raw", false);
	expect("nic.mac~52:*", false);
	expect("disks", true);
	expect("nics", false);
}

static void filter_takes_unknown_for_unequal(void **state)
{
	(void)state;
	expect("memory_used>1", false);
	expect("memory_used<1", false);
	expect("memory_used!=1", true);
	expect("description!=x", true);
	expect("description", false);
}

static void filter_names_mistakes(void **state)
{
	(void)state;
	expect_bad("", "column 1: a property expected");
	expect_bad("sate=running", "unknown property \"sate\"");
	expect_bad("state=runing", "\"runing\" is not one of");
	expect_bad("memory>lots", "not a size");
	expect_bad("state=", "column 7: a value expected");
	expect_bad("(state=running", "column 15: \")\" expected");
	expect_bad("state=running cpus=4", "\"and\" or \"or\" expected");
	expect_bad("name='web", "closing quote");
	expect_bad("disk.colour=red", "unknown property \"colour\" of a disk");
	expect_bad("state.x=1", "has no parts");
	expect_bad("labels<3", "has no order");
	char deep[201];
	memset(deep, '(', 200);
	deep[200] = '\0';
	expect_bad(deep, "parentheses");
}

static void filter_says_what_it_reads(void **state)
{
	(void)state;
	const struct hv_prop *props = hv_kind_find("vm")->props;
	bool want[128] = {false};
	struct hv_where *where = hv_where_parse(props, "not (cpus=1) or label.a=b", NULL);
	hv_where_wants(where, want);
	assert_true(want[hv_prop_index(props, "cpus")]);
	assert_true(want[hv_prop_index(props, "labels")]);
	assert_false(want[hv_prop_index(props, "state")]);
	hv_where_free(where);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filter_compares_typed_values),
		cmocka_unit_test(filter_joins_and_groups),
		cmocka_unit_test(filter_reaches_into_lists),
		cmocka_unit_test(filter_takes_unknown_for_unequal),
		cmocka_unit_test(filter_names_mistakes),
		cmocka_unit_test(filter_says_what_it_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
