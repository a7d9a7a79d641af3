/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The language of one line: words, quotes, variables, comments.
 *
 *	word 'as it stands' "with $variables" \  $name ${name} # comment   <<END   <<'END'
 *
 * A variable's value is one word, never split. A here-document's tag is reported, not a word.
 */
#ifndef HV_SHELL_WORDS_H
#define HV_SHELL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/model/error.h"

struct variables; /* names and values, see below */

struct words {
	char **v; /* ended by NULL */
	size_t n;
	char *here_tag; /* of a here-document, NULL: none */
	bool here_raw;  /* quoted tag: its text is not expanded */
	bool open;      /* after an error: more lines could complete it (a quote is open) */
};

/* vars NULL: variables become the word "$name", for checking a script without running it. */
int words_split(struct words *words, const char *line, const struct variables *vars,
		struct hv_error *err);
void words_fini(struct words *words);
/* Expands the variables of a here-document; owned by the caller. */
int words_expand(char **out, const char *text, const struct variables *vars, struct hv_error *err);
/* Is the last character of the line a continuation backslash? */
bool words_continues(const char *line);
/* "NAME=VALUE" where NAME is an identifier: the length of NAME, else 0. */
size_t words_assignment(const char *word);

struct variables *variables_new(void);
void variables_free(struct variables *vars);
int variables_set(struct variables *vars, const char *name, size_t name_len, const char *value,
		  struct hv_error *err);
const char *variables_get(const struct variables *vars, const char *name, size_t name_len);

#endif
