/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Splits a line into words. See words.h for the language. */
#include "shell/words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What isspace() takes for one: a blank that only one of two places knows would stand still. */
#define BLANKS " \t\r\n\v\f"

struct variable {
	char *name, *value;
};

struct variables {
	struct variable *v;
	size_t n;
};

struct variables *variables_new(void)
{
	return calloc(1, sizeof(struct variables));
}

void variables_free(struct variables *vars)
{
	for (size_t i = 0; vars && i < vars->n; i++) {
		free(vars->v[i].name);
		free(vars->v[i].value);
	}
	if (vars)
		free(vars->v);
	free(vars);
}

static struct variable *variable_find(const struct variables *vars, const char *name, size_t len)
{
	for (size_t i = 0; i < vars->n; i++) {
		if (strncmp(vars->v[i].name, name, len) == 0 && vars->v[i].name[len] == '\0')
			return &vars->v[i];
	}
	return NULL;
}

const char *variables_get(const struct variables *vars, const char *name, size_t name_len)
{
	const struct variable *var = variable_find(vars, name, name_len);
	return var ? var->value : NULL;
}

static struct variable *variable_add(struct variables *vars, const char *name, size_t len)
{
	struct variable *grown = reallocarray(vars->v, vars->n + 1, sizeof *grown);
	if (!grown)
		return NULL;
	vars->v = grown;
	char *own_name = strndup(name, len);
	if (!own_name)
		return NULL;
	vars->v[vars->n] = (struct variable){.name = own_name};
	return &vars->v[vars->n++];
}

int variables_set(struct variables *vars, const char *name, size_t name_len, const char *value,
		  struct hv_error *err)
{
	char *copy = strdup(value);
	struct variable *var = variable_find(vars, name, name_len);
	if (copy && !var)
		var = variable_add(vars, name, name_len);
	if (!copy || !var) {
		free(copy);
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	}
	free(var->value);
	var->value = copy;
	return 0;
}

static bool is_name_start(char c)
{
	return isalpha((unsigned char)c) || c == '_';
}

static size_t name_length(const char *text)
{
	size_t len = 0;
	if (!is_name_start(text[0]))
		return 0;
	while (isalnum((unsigned char)text[len]) || text[len] == '_')
		len++;
	return len;
}

size_t words_assignment(const char *word)
{
	size_t len = name_length(word);
	return word[len] == '=' ? len : 0;
}

bool words_continues(const char *line)
{
	size_t len = strlen(line), slashes = 0;
	while (slashes < len && line[len - 1 - slashes] == '\\')
		slashes++;
	return slashes % 2 == 1;
}

/* The text of the word being read. */
struct scan {
	const char *at;
	const struct variables *vars;
	FILE *out;
};

/* At a '$'. What is no variable reference stays a dollar sign. */
static int expand_variable(struct scan *scan, struct hv_error *err)
{
	bool braced = scan->at[1] == '{';
	const char *name = scan->at + 1 + braced;
	size_t len = name_length(name);
	if (braced && (len == 0 || name[len] != '}'))
		return hv_fail(err, HV_USAGE, 0, "\"${\" without a name and \"}\"");
	if (len == 0) {
		fputc(*scan->at++, scan->out);
		return 0;
	}
	scan->at = name + len + braced;
	if (!scan->vars) {
		fprintf(scan->out, "$%.*s", (int)len, name);
		return 0;
	}
	const char *value = variables_get(scan->vars, name, len);
	if (!value) {
		hv_fail(err, HV_USAGE, 0, "no variable \"%.*s\"", (int)len, name);
		return hv_hint(err, "set it first (%.*s=VALUE), or write '$' for a dollar sign",
			       (int)len, name);
	}
	fputs(value, scan->out);
	return 0;
}

static int scan_single(struct scan *scan, struct words *words, struct hv_error *err)
{
	const char *end = strchr(scan->at + 1, '\'');
	if (!end) {
		words->open = true;
		return hv_fail(err, HV_USAGE, 0, "a ' quote is not closed");
	}
	fwrite(scan->at + 1, 1, (size_t)(end - scan->at - 1), scan->out);
	scan->at = end + 1;
	return 0;
}

static void scan_escape(struct scan *scan)
{
	char c = scan->at[1];
	fputc(c == 'n' ? '\n' : c == 't' ? '\t' : c, scan->out);
	scan->at += 2;
}

static int scan_double(struct scan *scan, struct words *words, struct hv_error *err)
{
	scan->at++;
	while (*scan->at && *scan->at != '"') {
		int rc = 0;
		if (*scan->at == '\\' && scan->at[1])
			scan_escape(scan);
		else if (*scan->at == '$')
			rc = expand_variable(scan, err);
		else
			fputc(*scan->at++, scan->out);
		if (rc < 0)
			return rc;
	}
	if (!*scan->at) {
		words->open = true;
		return hv_fail(err, HV_USAGE, 0, "a \" quote is not closed");
	}
	scan->at++;
	return 0;
}

static int scan_word(struct scan *scan, struct words *words, struct hv_error *err)
{
	while (*scan->at && !isspace((unsigned char)*scan->at)) {
		int rc = 0;
		if (*scan->at == '\'') {
			rc = scan_single(scan, words, err);
		} else if (*scan->at == '"') {
			rc = scan_double(scan, words, err);
		} else if (*scan->at == '\\' && scan->at[1]) {
			fputc(scan->at[1], scan->out);
			scan->at += 2;
		} else if (*scan->at == '$') {
			rc = expand_variable(scan, err);
		} else {
			fputc(*scan->at++, scan->out);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int add_word(struct words *words, char *word, struct hv_error *err)
{
	char **grown = reallocarray(words->v, words->n + 2, sizeof *grown);
	if (grown)
		words->v = grown;
	if (!word || !grown) {
		free(word);
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	}
	words->v[words->n++] = word;
	words->v[words->n] = NULL;
	return 0;
}

static int next_word(struct scan *scan, struct words *words, struct hv_error *err)
{
	char *text = NULL;
	size_t len = 0;
	bool here = scan->at[0] == '<' && scan->at[1] == '<';
	if (here)
		scan->at += 2;
	bool quoted = scan->at[0] == '\'' || scan->at[0] == '"';
	scan->out = open_memstream(&text, &len);
	if (!scan->out)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	int rc = scan_word(scan, words, err);
	fclose(scan->out);
	if (rc < 0) {
		free(text);
		return rc;
	}
	if (!here)
		return add_word(words, text, err);
	free(words->here_tag);
	words->here_tag = text;
	words->here_raw = quoted;
	return text && *text
		       ? 0
		       : hv_fail(err, HV_USAGE, 0, "\"<<\" needs the word that ends the text");
}

int words_split(struct words *words, const char *line, const struct variables *vars,
		struct hv_error *err)
{
	struct scan scan = {.at = line, .vars = vars};
	*words = (struct words){0};
	for (;;) {
		scan.at += strspn(scan.at, BLANKS);
		if (!*scan.at || *scan.at == '#')
			return 0;
		int rc = next_word(&scan, words, err);
		if (rc < 0) {
			bool open = words->open;
			words_fini(words);
			words->open = open;
			return rc;
		}
	}
}

void words_fini(struct words *words)
{
	for (size_t i = 0; i < words->n; i++)
		free(words->v[i]);
	free(words->v);
	free(words->here_tag);
	*words = (struct words){0};
}

int words_expand(char **out, const char *text, const struct variables *vars, struct hv_error *err)
{
	size_t len = 0;
	struct scan scan = {.at = text, .vars = vars};
	*out = NULL;
	scan.out = open_memstream(out, &len);
	if (!scan.out)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	int rc = 0;
	while (rc == 0 && *scan.at) {
		if (*scan.at == '$')
			rc = expand_variable(&scan, err);
		else
			fputc(*scan.at++, scan.out);
	}
	fclose(scan.out);
	if (rc < 0) {
		free(*out);
		*out = NULL;
	}
	return rc;
}
