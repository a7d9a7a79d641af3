/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The language of one line, by its edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shell/words.h"

static struct variables *vars_with(const char *name, const char *value)
{
	struct variables *vars = variables_new();
	assert_int_equal(variables_set(vars, name, strlen(name), value, NULL), 0);
	return vars;
}

static void expect_words(const char *line, const struct variables *vars, size_t n,
			 const char *const *expected)
{
	struct words words;
	assert_int_equal(words_split(&words, line, vars, NULL), 0);
	assert_int_equal(words.n, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(words.v[i], expected[i]);
	words_fini(&words);
}

static void words_are_split_at_blanks(void **state)
{
	(void)state;
	expect_words("  a\tb  c ", NULL, 3, (const char *const[]){"a", "b", "c"});
	expect_words("a\vb\f", NULL, 2, (const char *const[]){"a", "b"});
	expect_words("", NULL, 0, NULL);
	expect_words("# only a comment", NULL, 0, NULL);
	expect_words("a#b #c", NULL, 1, (const char *const[]){"a#b"});
}

static void quotes_keep_blanks_and_may_be_empty(void **state)
{
	(void)state;
	expect_words("'a b'\"c d\"e ''", NULL, 2, (const char *const[]){"a bc de", ""});
	expect_words("a\\ b \\# '#'", NULL, 3, (const char *const[]){"a b", "#", "#"});
	expect_words("\"a\\n\\\"b\\\\\"", NULL, 1, (const char *const[]){"a\n\"b\\"});
}

static void variables_are_one_word_each(void **state)
{
	(void)state;
	struct variables *vars = vars_with("A", "x y");
	expect_words("$A ${A}z \"$A\" '$A' \\$A $ $1", vars, 7,
		     (const char *const[]){"x y", "x yz", "x y", "$A", "$A", "$", "$1"});
	variables_free(vars);
}

static void an_unknown_variable_is_an_error_with_its_name(void **state)
{
	(void)state;
	struct variables *vars = variables_new();
	struct words words;
	struct hv_error err;
	assert_int_equal(words_split(&words, "a $NOBODY", vars, &err), -HV_USAGE);
	assert_non_null(strstr(err.message, "NOBODY"));
	assert_int_equal(words_split(&words, "${", vars, &err), -HV_USAGE);
	variables_free(vars);
}

static void an_open_quote_asks_for_more(void **state)
{
	(void)state;
	struct words words;
	assert_int_equal(words_split(&words, "a 'b", NULL, NULL), -HV_USAGE);
	assert_true(words.open);
	assert_int_equal(words_split(&words, "a \"b", NULL, NULL), -HV_USAGE);
	assert_true(words.open);
}

static void a_here_document_is_a_tag_and_no_word(void **state)
{
	(void)state;
	struct words words;
	assert_int_equal(words_split(&words, "a -f - <<'END' b", NULL, NULL), 0);
	assert_int_equal(words.n, 4);
	assert_string_equal(words.here_tag, "END");
	assert_true(words.here_raw);
	words_fini(&words);
	assert_int_equal(words_split(&words, "a <<", NULL, NULL), -HV_USAGE);
}

static void continuation_counts_backslashes(void **state)
{
	(void)state;
	assert_true(words_continues("a \\"));
	assert_false(words_continues("a \\\\"));
	assert_true(words_continues("\\\\\\"));
	assert_false(words_continues(""));
}

static void assignments_need_a_name(void **state)
{
	(void)state;
	assert_int_equal(words_assignment("NAME=x"), 4);
	assert_int_equal(words_assignment("_a1="), 3);
	assert_int_equal(words_assignment("1a=x"), 0);
	assert_int_equal(words_assignment("=x"), 0);
	assert_int_equal(words_assignment("a.b=x"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_split_at_blanks),
		cmocka_unit_test(quotes_keep_blanks_and_may_be_empty),
		cmocka_unit_test(variables_are_one_word_each),
		cmocka_unit_test(an_unknown_variable_is_an_error_with_its_name),
		cmocka_unit_test(an_open_quote_asks_for_more),
		cmocka_unit_test(a_here_document_is_a_tag_and_no_word),
		cmocka_unit_test(continuation_counts_backslashes),
		cmocka_unit_test(assignments_need_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
