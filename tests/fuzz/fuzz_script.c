/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The batch language: whatever is fed, statements come out or an error, and all of it is freed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "shell/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void split_all(const struct statement *statement, struct variables *vars)
{
	for (; statement; statement = statement->next) {
		struct hv_error err;
		struct words words;
		char *here = NULL;
		if (words_split(&words, statement->text, vars, &err) == 0)
			words_fini(&words);
		if (statement->here && words_expand(&here, statement->here, vars, &err) == 0)
			free(here);
		split_all(statement->body, vars);
		split_all(statement->other, vars);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *in = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
	struct variables *vars = variables_new();
	struct hv_error err;
	if (!in || !vars) {
		variables_free(vars);
		return 0;
	}
	variables_set(vars, "A", 1, "a value", &err);
	struct script_source source = {.in = in, .name = "fuzz"};
	for (int errors = 0; errors < 1000;) {
		struct statement *statement;
		if (script_read(&source, &statement, &err) < 0) {
			errors++;
			continue;
		}
		if (!statement)
			break;
		split_all(statement, vars);
		statement_free(statement);
	}
	fclose(in);
	variables_free(vars);
	return 0;
}
