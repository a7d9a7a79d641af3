/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Filters: `state=running and (memory>2G or label.env=prod) and not name~web*`.
 *
 *	filter := part {or part}      part := test {and test}     test := not test | (filter) |
 * property op value
 *
 * Values are typed by the property's row, so that sizes compare as numbers whatever their unit. A
 * value that is absent or unknown is unequal to all, and neither less nor more than any.
 */
#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "engine/model/value.h"

#define DEPTH_MAX 64

enum node_type { NODE_AND, NODE_OR, NODE_NOT, NODE_TEST };
enum op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_GLOB, OP_NOT_GLOB, OP_SET };

struct hv_where {
	enum node_type type;
	struct hv_where *left, *right; /* right NULL: NODE_NOT */
	size_t index;                  /* of the row in the filtered table */
	const struct hv_prop *row;
	size_t child;                    /* list of objects: index of the row in their table */
	const struct hv_prop *child_row; /* NULL: the property itself */
	char *key;                       /* list of strings: KEY of KEY=VALUE, or NULL */
	enum op op;
	struct hv_value value; /* of child_row or row; a plain string for globs and lists */
	char *pattern;
};

struct parser {
	const struct hv_prop *table;
	const char *text, *at;
	struct hv_error *err;
	int depth;
};

void hv_where_free(struct hv_where *where)
{
	if (!where)
		return;
	hv_where_free(where->left);
	hv_where_free(where->right);
	if (where->row)
		hv_value_clear(&where->value, where->child_row ?: where->row);
	free(where->key);
	free(where->pattern);
	free(where);
}

static struct hv_where *node_new(struct parser *p, enum node_type type)
{
	struct hv_where *node = calloc(1, sizeof *node);
	if (node)
		node->type = type;
	else
		hv_fail(p->err, HV_FAILED, 0, "no memory for a filter");
	return node;
}

static int fail_here(struct parser *p, const char *expected)
{
	hv_fail(p->err, HV_USAGE, 0, "filter, column %zu: %s expected", p->at - p->text + 1,
		expected);
	return hv_hint(p->err, "filters look like: state=running and memory>2G and label.env=prod");
}

static void skip_space(struct parser *p)
{
	while (isspace((unsigned char)*p->at))
		p->at++;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_-.", c));
}

/* Takes a word such as "and" where it stands alone. */
static bool take_word(struct parser *p, const char *word)
{
	skip_space(p);
	size_t len = strlen(word);
	if (strncmp(p->at, word, len) != 0 || is_name_char(p->at[len]) ||
	    strchr("=!<>~", p->at[len] ?: ' '))
		return false;
	p->at += len;
	return true;
}

static enum op take_op(struct parser *p)
{
	static const struct {
		const char *text;
		enum op op;
	} ops[] = {{"==", OP_EQ}, {"!=", OP_NE}, {"<=", OP_LE}, {">=", OP_GE}, {"!~", OP_NOT_GLOB},
		   {"=", OP_EQ},  {"<", OP_LT},  {">", OP_GT},  {"~", OP_GLOB}};
	skip_space(p);
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		size_t len = strlen(ops[i].text);
		if (strncmp(p->at, ops[i].text, len) == 0) {
			p->at += len;
			return ops[i].op;
		}
	}
	return OP_SET;
}

/* A value: quoted, or up to a space or parenthesis. Owned by the caller; NULL: no value, or no
 * memory. */
static char *take_value(struct parser *p)
{
	skip_space(p);
	char quote = *p->at == '"' || *p->at == '\'' ? *p->at : '\0';
	const char *from = p->at + (quote != '\0');
	const char *end = from;
	if (quote)
		end = strchr(from, quote);
	else
		end += strcspn(from, " \t\r\n()");
	if (!end || (!quote && end == from)) {
		fail_here(p, end ? "a value" : "a closing quote");
		return NULL;
	}
	p->at = end + (quote != '\0');
	char *value = strndup(from, (size_t)(end - from));
	if (!value)
		hv_fail(p->err, HV_FAILED, 0, "no memory for a filter");
	return value;
}

/* "label.env": what stands behind the point. */
static int resolve_rest(struct parser *p, struct hv_where *test, const char *rest)
{
	if (test->row->type != HV_LIST)
		return hv_fail(p->err, HV_USAGE, 0, "%s has no parts", test->row->name);
	if (!test->row->of) {
		test->key = strdup(rest);
		return test->key ? 0 : hv_fail(p->err, HV_FAILED, 0, "no memory for a filter");
	}
	const struct hv_kind *kind = hv_kind_find(test->row->of);
	test->child_row = hv_prop_find(kind->props, rest);
	if (!test->child_row)
		return value_fail_unknown(kind->props, kind, rest, p->err);
	test->child = (size_t)(test->child_row - kind->props);
	return 0;
}

static int resolve(struct parser *p, struct hv_where *test, char *name)
{
	char *point = strchr(name, '.');
	if (point)
		*point = '\0';
	test->row = hv_prop_find(p->table, name);
	if (!test->row)
		return value_fail_unknown(p->table, NULL, name, p->err);
	test->index = (size_t)(test->row - p->table);
	return point ? resolve_rest(p, test, point + 1) : 0;
}

static int take_name(struct parser *p, struct hv_where *test)
{
	size_t len = 0;
	while (is_name_char(p->at[len]) || (len > 0 && p->at[len] == '/'))
		len++;
	if (len == 0)
		return fail_here(p, "a property");
	char *name = strndup(p->at, len);
	if (!name)
		return hv_fail(p->err, HV_FAILED, 0, "no memory for a filter");
	int rc = resolve(p, test, name);
	free(name);
	p->at += len;
	return rc;
}

/* Types what the test compares with. */
static int set_operand(struct parser *p, struct hv_where *test, char *text)
{
	const struct hv_prop *row = test->child_row ?: test->row;
	if (test->op == OP_GLOB || test->op == OP_NOT_GLOB || row->type == HV_LIST) {
		test->pattern = text;
		if (row->type == HV_LIST && test->op >= OP_LT && test->op <= OP_GE)
			return hv_fail(p->err, HV_USAGE, 0, "%s is a list, it has no order",
				       row->name);
		return 0;
	}
	/* a filter may well ask for what the bounds forbid */
	struct hv_prop free_row = *row;
	free_row.min = free_row.max = 0;
	int rc = hv_value_parse(&test->value, &free_row, text, p->err);
	free(text);
	return rc;
}

static struct hv_where *parse_test(struct parser *p)
{
	struct hv_where *test = node_new(p, NODE_TEST);
	if (!test)
		return NULL;
	int rc = take_name(p, test);
	if (rc == 0) {
		test->op = take_op(p);
		if (test->op != OP_SET) {
			char *text = take_value(p);
			rc = text ? set_operand(p, test, text) : -HV_USAGE;
		}
	}
	if (rc < 0) {
		hv_where_free(test);
		return NULL;
	}
	return test;
}

static struct hv_where *parse_or(struct parser *p);

static struct hv_where *parse_group(struct parser *p)
{
	p->at++;
	struct hv_where *inner = parse_or(p);
	skip_space(p);
	if (inner && *p->at != ')') {
		fail_here(p, "\")\"");
		hv_where_free(inner);
		return NULL;
	}
	p->at += inner != NULL;
	return inner;
}

static struct hv_where *parse_not(struct parser *p)
{
	bool negated = false;
	while (take_word(p, "not"))
		negated = !negated;
	skip_space(p);
	struct hv_where *inner;
	if (*p->at != '(')
		inner = parse_test(p);
	else if (p->depth++ < DEPTH_MAX)
		inner = parse_group(p);
	else {
		hv_fail(p->err, HV_USAGE, 0, "filter: more than %d parentheses", DEPTH_MAX);
		return NULL;
	}
	if (!inner || !negated)
		return inner;
	struct hv_where *node = node_new(p, NODE_NOT);
	if (!node) {
		hv_where_free(inner);
		return NULL;
	}
	node->left = inner;
	return node;
}

/* A chain of what `next` parses, joined by word; it grows to the left, and matching walks it. */
static struct hv_where *parse_chain(struct parser *p, const char *word, enum node_type type,
				    struct hv_where *(*next)(struct parser *))
{
	struct hv_where *left = next(p);
	while (left && take_word(p, word)) {
		struct hv_where *node = node_new(p, type);
		struct hv_where *right = node ? next(p) : NULL;
		if (!right) {
			hv_where_free(node);
			hv_where_free(left);
			return NULL;
		}
		node->left = left;
		node->right = right;
		left = node;
	}
	return left;
}

static struct hv_where *parse_and(struct parser *p)
{
	return parse_chain(p, "and", NODE_AND, parse_not);
}

static struct hv_where *parse_or(struct parser *p)
{
	return parse_chain(p, "or", NODE_OR, parse_and);
}

struct hv_where *hv_where_parse(const struct hv_prop *table, const char *text, struct hv_error *err)
{
	struct parser p = {.table = table, .text = text, .at = text, .err = err};
	if (strlen(text) > 4096) {
		hv_fail(err, HV_USAGE, 0, "filter: longer than 4096 characters");
		return NULL;
	}
	struct hv_where *where = parse_or(&p);
	skip_space(&p);
	if (where && *p.at) {
		fail_here(&p, "\"and\" or \"or\"");
		hv_where_free(where);
		return NULL;
	}
	return where;
}

static bool match_order(enum op op, int order)
{
	switch (op) {
	case OP_EQ:
		return order == 0;
	case OP_NE:
		return order != 0;
	case OP_LT:
		return order < 0;
	case OP_LE:
		return order <= 0;
	case OP_GT:
		return order > 0;
	default:
		return order >= 0;
	}
}

static bool negative(enum op op)
{
	return op == OP_NE || op == OP_NOT_GLOB;
}

/* An element of a list of strings, or its VALUE where the filter names a KEY. */
static bool match_string(const struct hv_where *test, const char *string)
{
	if (test->op == OP_GLOB || test->op == OP_NOT_GLOB)
		return fnmatch(test->pattern, string, 0) == 0;
	return strcmp(test->pattern, string) == 0;
}

/* Whether any element matches; a negative operator asks that none does. */
static bool match_strings(const struct hv_where *test, const struct hv_list *list)
{
	size_t key_len = test->key ? strlen(test->key) : 0;
	for (size_t i = 0; i < list->n; i++) {
		const char *string = list->strings[i];
		if (test->key) {
			if (strncmp(string, test->key, key_len) != 0 ||
			    (string[key_len] && string[key_len] != '='))
				continue;
			string += key_len + (string[key_len] == '=');
		}
		if (test->op == OP_SET || match_string(test, string))
			return !negative(test->op);
	}
	return negative(test->op);
}

static bool match_value(const struct hv_where *test, const struct hv_value *value,
			const struct hv_prop *row)
{
	if (value->presence != HV_SET)
		return negative(test->op);
	if (test->op == OP_SET)
		return row->type == HV_BOOL   ? value->integer != 0
		       : row->type == HV_LIST ? value->list.n > 0
					      : true;
	if (row->type == HV_LIST && !row->of)
		return match_strings(test, &value->list);
	if (!test->pattern)
		return match_order(test->op, hv_value_compare(value, &test->value, row));
	char text[512];
	hv_value_format(value, row, HV_EXACT, text, sizeof text);
	return match_string(test, text) != negative(test->op);
}

static bool match_children(const struct hv_where *test, const struct hv_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct hv_object *child = list->objects[i];
		const struct hv_prop *row = test->child_row ?: &child->props[0];
		size_t index = test->child_row ? test->child : 0;
		if (match_value(test, &child->values[index], row))
			return true;
	}
	return list->n == 0 && negative(test->op);
}

static bool match_test(const struct hv_where *test, const struct hv_object *obj)
{
	const struct hv_value *value = &obj->values[test->index];
	if (value->presence == HV_SET && test->row->type == HV_LIST) {
		if (test->row->of && (test->child_row || test->op != OP_SET))
			return match_children(test, &value->list);
		if (test->key)
			return match_strings(test, &value->list);
	}
	return match_value(test, value, test->row);
}

bool hv_where_match(const struct hv_where *where, const struct hv_object *obj)
{
	switch (where->type) {
	case NODE_AND:
		return hv_where_match(where->left, obj) && hv_where_match(where->right, obj);
	case NODE_OR:
		return hv_where_match(where->left, obj) || hv_where_match(where->right, obj);
	case NODE_NOT:
		return !hv_where_match(where->left, obj);
	default:
		return match_test(where, obj);
	}
}

void hv_where_wants(const struct hv_where *where, bool *want)
{
	if (where->type == NODE_TEST) {
		want[where->index] = true;
		return;
	}
	hv_where_wants(where->left, want);
	if (where->right)
		hv_where_wants(where->right, want);
}
