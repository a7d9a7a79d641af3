/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables of kinds are whole, and names are found in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "engine/model/kind.h"

static void check_row(const char *where, const struct hv_prop *p)
{
	for (const char *c = p->name; *c; c++) {
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_')
			fail_msg("%s.%s: not snake_case", where, p->name);
	}
	if (!p->help || !p->help[0] || p->help[strlen(p->help) - 1] == '.')
		fail_msg("%s.%s: help missing, or ends with a full stop", where, p->name);
	if ((p->type == HV_ENUM) != (p->choices != NULL))
		fail_msg("%s.%s: choices belong to enums", where, p->name);
	if (p->type == HV_REF && !p->of)
		fail_msg("%s.%s: a reference to nothing", where, p->name);
	if (p->of && !hv_kind_find(p->of))
		fail_msg("%s.%s: no kind '%s'", where, p->name, p->of);
	if (p->preset && p->set == HV_SET_NEVER)
		fail_msg("%s.%s: a preset of what cannot be set", where, p->name);
}

static void check_table(const char *where, const struct hv_prop *table)
{
	for (size_t i = 0; i < hv_prop_count(table); i++) {
		check_row(where, &table[i]);
		if (hv_prop_index(table, table[i].name) != (int)i)
			fail_msg("%s.%s: twice", where, table[i].name);
	}
}

static bool is_state(const struct hv_kind *kind, const char *word)
{
	const struct hv_prop *state = hv_prop_find(kind->props, "state");
	for (size_t i = 0; state && state->choices[i]; i++) {
		if (strcmp(state->choices[i], word) == 0)
			return true;
	}
	return false;
}

static void check_methods(const struct hv_kind *kind)
{
	for (const struct hv_method *m = kind->methods; m && m->name; m++) {
		check_table(m->name, m->args);
		assert_non_null(m->help);
		if (m->to_state && !is_state(kind, m->to_state))
			fail_msg("%s %s: no state '%s'", kind->name, m->name, m->to_state);
		for (size_t i = 0; m->from_states && m->from_states[i]; i++) {
			if (!is_state(kind, m->from_states[i]))
				fail_msg("%s %s: no state '%s'", kind->name, m->name,
					 m->from_states[i]);
		}
		if (m->inverse && !hv_method_find(kind, m->inverse))
			fail_msg("%s %s: no inverse '%s'", kind->name, m->name, m->inverse);
	}
}

static void kinds_have_whole_tables(void **state)
{
	(void)state;
	const struct hv_kind *kind;
	for (size_t i = 0; (kind = hv_kind_at(i)); i++) {
		assert_string_equal(kind->props[0].name, "name");
		assert_ptr_equal(hv_kind_find(kind->plural), kind);
		if (kind->owner && !hv_prop_find(kind->props, kind->owner))
			fail_msg("%s: no property '%s'", kind->name, kind->owner);
		check_table(kind->name, kind->props);
		check_methods(kind);
	}
}

static void kind_keeps_the_fixed_names(void **state)
{
	(void)state;
	static const char *const vm_names[] = {"name", "state", "host", "memory", "cpus"};
	static const char *const disk_names[] = {"name", "image", "format", "size"};
	for (size_t i = 0; i < 5; i++)
		assert_non_null(hv_prop_find(hv_kind_find("vm")->props, vm_names[i]));
	for (size_t i = 0; i < 4; i++)
		assert_non_null(hv_prop_find(hv_kind_find("disk")->props, disk_names[i]));
}

static void prop_is_found_by_option_and_singular(void **state)
{
	(void)state;
	const struct hv_prop *props = hv_kind_find("vms")->props;
	assert_string_equal(hv_prop_find(props, "memory-backing")->name, "memory_backing");
	assert_string_equal(hv_prop_find(props, "disk")->name, "disks");
	assert_null(hv_prop_find(props, "cpu"));
	assert_null(hv_prop_find(props, "nam"));
	assert_null(hv_prop_find(props, ""));
	assert_int_equal(hv_prop_index(props, "name"), 0);
}

static void nearest_finds_typing_mistakes(void **state)
{
	(void)state;
	static const char *const words[] = {"list", "show", "start", "stop", "restart", "vm"};
	assert_string_equal(hv_nearest("strat", words, 6), "start");
	assert_string_equal(hv_nearest("lst", words, 6), "list");
	assert_string_equal(hv_nearest("vn", words, 6), "vm");
	assert_null(hv_nearest("migrate", words, 6));
	assert_null(hv_nearest("x", words, 6));
	assert_null(hv_nearest("", words, 6));
}

static void kind_of_a_plugin_must_not_clash(void **state)
{
	(void)state;
	static const struct hv_prop props[] = {{.name = "name", .type = HV_STRING, .help = "name"},
					       {0}};
	static const struct hv_kind fresh = {
		.name = "lamp", .plural = "lamps", .help = "a lamp", .props = props};
	static const struct hv_kind clash = {
		.name = "vm", .plural = "virtuals", .help = "a clash", .props = props};
	struct hv_error err = {0};
	assert_int_equal(hv_kind_add(&fresh, &err), 0);
	assert_ptr_equal(hv_kind_find("lamps"), &fresh);
	assert_int_equal(hv_kind_add(&clash, &err), -HV_CONFLICT);
	hv_kind_remove(&fresh);
	assert_null(hv_kind_find("lamp"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_have_whole_tables),
		cmocka_unit_test(kind_keeps_the_fixed_names),
		cmocka_unit_test(prop_is_found_by_option_and_singular),
		cmocka_unit_test(nearest_finds_typing_mistakes),
		cmocka_unit_test(kind_of_a_plugin_must_not_clash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
