/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads statements: joins continued lines and open quotes, takes here-documents, nests blocks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shell/script.h"

/* A bound for what is nested and for what is one statement: scripts come from anywhere. */
#define DEPTH_MAX 64
#define STATEMENT_MAX (16 << 20)

enum keyword { KEY_NONE, KEY_FOR, KEY_IF, KEY_TRY, KEY_ELSE, KEY_ROLLBACK, KEY_END };

static const struct {
	const char *word;
	enum keyword key;
} keywords[] = {{"for", KEY_FOR},           {"if", KEY_IF},  {"try", KEY_TRY}, {"else", KEY_ELSE},
		{"rollback", KEY_ROLLBACK}, {"end", KEY_END}};

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t\r\n");
}

static enum keyword keyword_of(const char *text, const char **rest)
{
	text = skip_blanks(text);
	size_t len = strcspn(text, " \t\r\n#");
	for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
		if (strlen(keywords[i].word) == len && strncmp(text, keywords[i].word, len) == 0) {
			*rest = skip_blanks(text + len);
			return keywords[i].key;
		}
	}
	*rest = text;
	return KEY_NONE;
}

/* One line without its newline, owned by the caller; NULL at the end. */
static char *read_line(struct script_source *source, bool more)
{
	char *line = NULL;
	size_t size = 0;
	if (source->more && more) {
		line = source->more(source->ctx);
	} else if (source->in) {
		ssize_t len = getline(&line, &size, source->in);
		if (len < 0) {
			free(line);
			line = NULL;
		} else if (len > 0 && line[len - 1] == '\n') {
			line[len - 1] = '\0';
		}
	}
	if (line)
		source->line++;
	return line;
}

/* Appends a line; text is freed on failure. */
static char *join(char *text, const char *line, const char *separator)
{
	size_t len = strlen(text), more = strlen(line) + strlen(separator);
	char *joined = len + more < STATEMENT_MAX ? realloc(text, len + more + 1) : NULL;
	if (!joined) {
		free(text);
		return NULL;
	}
	strcpy(joined + len, separator);
	strcat(joined + len, line);
	return joined;
}

/* While the line ends in a backslash or inside a quote, the next one belongs to it. */
static int complete_line(struct script_source *source, char **text, struct words *words,
			 struct hv_error *err)
{
	for (;;) {
		const char *separator = "\n";
		bool continued = words_continues(*text);
		int rc = 0;
		if (continued) {
			(*text)[strlen(*text) - 1] = '\0';
			separator = "";
		} else {
			rc = words_split(words, *text, NULL, err);
			if (rc == 0 || !words->open)
				return rc;
		}
		char *line = read_line(source, true);
		if (!line && continued)
			return words_split(words, *text, NULL, err);
		if (!line)
			return rc;
		*text = join(*text, line, separator);
		free(line);
		if (!*text)
			return hv_fail(err, HV_USAGE, 0, "the statement is too long");
	}
}

static int read_here(struct script_source *source, const char *tag, char **here,
		     struct hv_error *err)
{
	char *text = strdup(""), *line = NULL;
	while (text && (line = read_line(source, true)) && strcmp(line, tag) != 0) {
		text = join(text, line, "");
		text = text ? join(text, "", "\n") : NULL;
		free(line);
		line = NULL;
	}
	bool ended = line != NULL;
	free(line);
	if (text && ended) {
		*here = text;
		return 0;
	}
	free(text);
	return hv_fail(err, HV_USAGE, 0, "the here-document's end \"%s\" is missing", tag);
}

static int read_simple(struct script_source *source, char **text, struct statement *statement,
		       struct hv_error *err)
{
	struct words words;
	int rc = complete_line(source, text, &words, err);
	if (rc < 0)
		return rc;
	if (words.here_tag)
		rc = read_here(source, words.here_tag, &statement->here, err);
	words_fini(&words);
	return rc;
}

static int read_at(struct script_source *source, int depth, struct statement **statement,
		   enum keyword *closing, struct hv_error *err);

/* The statements up to a closing keyword. */
static int read_list(struct script_source *source, int depth, struct statement **list,
		     enum keyword *closing, struct hv_error *err)
{
	*list = NULL;
	for (struct statement **tail = list;;) {
		int rc = read_at(source, depth, tail, closing, err);
		if (rc < 0)
			return rc;
		if (*closing != KEY_NONE)
			return 0;
		if (!*tail)
			return hv_fail(err, HV_USAGE, 0, "\"end\" is missing");
		tail = &(*tail)->next;
	}
}

static int read_block(struct script_source *source, int depth, struct statement *block,
		      struct hv_error *err)
{
	static const enum keyword second[] = {[STATEMENT_IF] = KEY_ELSE,
					      [STATEMENT_TRY] = KEY_ROLLBACK,
					      [STATEMENT_FOR] = KEY_NONE};
	enum keyword closing;
	if (depth >= DEPTH_MAX)
		return hv_fail(err, HV_USAGE, 0, "blocks are nested more than %d deep", DEPTH_MAX);
	int rc = read_list(source, depth + 1, &block->body, &closing, err);
	if (rc == 0 && closing != KEY_END && closing == second[block->type])
		rc = read_list(source, depth + 1, &block->other, &closing, err);
	if (rc < 0) {
		char at[64];
		snprintf(at, sizeof at, "block of line %u", block->line);
		return depth == 0 ? hv_within(err, "%s", at) : rc;
	}
	if (closing != KEY_END)
		return hv_fail(err, HV_USAGE, 0, "\"%s\" does not belong here",
			       closing == KEY_ELSE ? "else" : "rollback");
	return 0;
}

static int read_statement(struct script_source *source, int depth, char **line, enum keyword key,
			  struct statement *statement, struct hv_error *err)
{
	static const enum statement_type types[] = {[KEY_NONE] = STATEMENT_COMMAND,
						    [KEY_FOR] = STATEMENT_FOR,
						    [KEY_IF] = STATEMENT_IF,
						    [KEY_TRY] = STATEMENT_TRY};
	statement->type = types[key];
	int rc = read_simple(source, line, statement, err);
	if (rc < 0)
		return rc;
	const char *rest;
	keyword_of(*line, &rest);
	statement->text = strdup(rest);
	if (!statement->text)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	return key == KEY_NONE ? 0 : read_block(source, depth, statement, err);
}

static bool is_empty(const char *line)
{
	line = skip_blanks(line);
	return !*line || *line == '#';
}

static int read_at(struct script_source *source, int depth, struct statement **statement,
		   enum keyword *closing, struct hv_error *err)
{
	const char *rest;
	char *line;
	*statement = NULL;
	*closing = KEY_NONE;
	while ((line = read_line(source, depth > 0)) && is_empty(line))
		free(line);
	if (!line)
		return 0;
	enum keyword key = keyword_of(line, &rest);
	if (key >= KEY_ELSE) {
		*closing = key;
		bool alone = is_empty(rest);
		free(line);
		if (!alone)
			return hv_fail(err, HV_USAGE, 0,
				       "\"else\", \"rollback\" and \"end\" stand alone");
		return depth > 0 ? 0 : hv_fail(err, HV_USAGE, 0, "no block is open here");
	}
	struct statement *made = calloc(1, sizeof *made);
	if (!made) {
		free(line);
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	}
	made->line = source->line;
	int rc = read_statement(source, depth, &line, key, made, err);
	free(line);
	if (rc < 0) {
		statement_free(made);
		return rc;
	}
	*statement = made;
	return 0;
}

int script_read(struct script_source *source, struct statement **statement, struct hv_error *err)
{
	enum keyword closing;
	return read_at(source, 0, statement, &closing, err);
}

void statement_free(struct statement *statement)
{
	while (statement) {
		struct statement *next = statement->next;
		statement_free(statement->body);
		statement_free(statement->other);
		free(statement->text);
		free(statement->here);
		free(statement);
		statement = next;
	}
}

int script_read_ended(const struct script_source *source, struct hv_error *err)
{
	int sys = errno; /* nothing came between the read that failed and this */
	if (source->more || !source->in || !ferror(source->in))
		return 0;
	return hv_fail(err, HV_FAILED, sys, "cannot read \"%s\"", source->name);
}
