/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The self-test of descriptors finds each kind of fault; clashes are refused when they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/registry.h"

static char said[8192];

static void collect(void *ctx, const char *message)
{
	(void)ctx;
	strncat(said, message, sizeof said - strlen(said) - 2);
	strcat(said, "\n");
}

static int nothing(struct hv_call *call, struct hv_error *err)
{
	(void)call, (void)err;
	return 0;
}

#define PLUGIN(table)                                                                              \
	{                                                                                          \
		HV_ABI_VERSION, sizeof(struct hv_plugin), "p", "1", "a plugin", table, NULL, NULL  \
	}

static const char *const example[] = {"probe run", "runs it", NULL};

/* What the self-test says of one command beyond what it says of the kinds, which is nothing. */
static void expect_fault(const struct hv_command *command, const char *fault)
{
	const struct hv_command table[2] = {*command, {.noun = NULL}};
	const struct hv_plugin plugin = PLUGIN(table);
	said[0] = '\0';
	assert_int_equal(registry_add_plugin(&plugin, NULL), 0);
	int faults = hv_registry_check(collect, NULL);
	registry_clear();
	if (!fault) {
		assert_string_equal(said, "");
		assert_int_equal(faults, 0);
		return;
	}
	assert_true(faults > 0);
	if (!strstr(said, fault))
		fail_msg("expected \"%s\" in:\n%s", fault, said);
}

static struct hv_command good(void)
{
	return (struct hv_command){.noun = "probe",
				   .verb = "run",
				   .summary = "run a probe",
				   .examples = example,
				   .run = nothing};
}

static void a_sound_descriptor_has_no_fault(void **state)
{
	(void)state;
	struct hv_command command = good();
	expect_fault(&command, NULL);
}

static void missing_help_is_a_fault(void **state)
{
	(void)state;
	static const struct hv_prop args[] = {{.name = "thing", .type = HV_STRING},
					      {.type = HV_END}};
	struct hv_command command = good();
	command.summary = "";
	expect_fault(&command, "has no help");
	command = good();
	command.args = args;
	expect_fault(&command, "thing has no help");
}

static void a_reference_to_nothing_is_a_fault(void **state)
{
	(void)state;
	static const struct hv_prop args[] = {
		{.name = "thing", .type = HV_REF, .of = "gadget", .help = "a thing"},
		{.type = HV_END}};
	struct hv_command command = good();
	command.args = args;
	expect_fault(&command, "\"gadget\" that is not there");
}

static void an_example_that_does_not_parse_is_a_fault(void **state)
{
	(void)state;
	static const char *const wrong[] = {"probe run --bogus", "no", NULL};
	struct hv_command command = good();
	command.examples = wrong;
	expect_fault(&command, "--bogus");
	command.examples = NULL;
	expect_fault(&command, "no example");
}

static void a_preset_that_does_not_parse_is_a_fault(void **state)
{
	(void)state;
	static const struct hv_prop options[] = {
		{.name = "size", .type = HV_SIZE, .help = "a size", .preset = "big"},
		{.type = HV_END}};
	struct hv_command command = good();
	command.options = options;
	expect_fault(&command, "preset to \"big\"");
}

static void a_command_that_nothing_runs_is_a_fault(void **state)
{
	(void)state;
	struct hv_command command = good();
	command.run = NULL;
	expect_fault(&command, "neither a function nor a method");
}

static void an_argument_behind_a_greedy_one_is_a_fault(void **state)
{
	(void)state;
	static const struct hv_prop args[] = {
		{.name = "all", .type = HV_LIST, .flags = HV_P_MANY, .help = "every word"},
		{.name = "last", .type = HV_STRING, .help = "one more"},
		{.type = HV_END}};
	struct hv_command command = good();
	command.args = args;
	expect_fault(&command, "none is left for last");
}

static void a_name_that_is_taken_is_refused(void **state)
{
	(void)state;
	struct hv_error err;
	const struct hv_command table[2] = {good(), {.noun = NULL}};
	const struct hv_plugin plugin = PLUGIN(table);
	assert_int_equal(registry_add_plugin(&plugin, &err), 0);
	assert_int_equal(registry_add_plugin(&plugin, &err), -HV_CONFLICT);
	assert_non_null(strstr(err.message, "probe run"));
	assert_int_equal(hv_command_count(), 1);
	registry_clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_descriptor_has_no_fault),
		cmocka_unit_test(missing_help_is_a_fault),
		cmocka_unit_test(a_reference_to_nothing_is_a_fault),
		cmocka_unit_test(an_example_that_does_not_parse_is_a_fault),
		cmocka_unit_test(a_preset_that_does_not_parse_is_a_fault),
		cmocka_unit_test(a_command_that_nothing_runs_is_a_fault),
		cmocka_unit_test(an_argument_behind_a_greedy_one_is_a_fault),
		cmocka_unit_test(a_name_that_is_taken_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
