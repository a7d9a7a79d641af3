/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * YAML (1.1) into objects, typed by the rows and not by YAML's guesses: `no` stays a string where a
 * string is wanted. Unknown and duplicate keys and wrong types are refused with SOURCE:LINE:COLUMN.
 */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "engine/model/value.h"

struct reader {
	yaml_document_t *doc;
	const char *source;
	struct hv_error *err;
};

static int place(const struct reader *r, yaml_mark_t mark)
{
	return hv_within(r->err, "%s:%zu:%zu", r->source, mark.line + 1, mark.column + 1);
}

static int fail_type(const struct reader *r, const yaml_node_t *node, const struct hv_prop *row)
{
	hv_fail(r->err, HV_USAGE, 0, "%s must be a %s", row->name, hv_type_name(row->type));
	return place(r, node->start_mark);
}

/* The scalar's text; NULL where it is none, or has a NUL in it. */
static const char *scalar(const yaml_node_t *node)
{
	if (!node || node->type != YAML_SCALAR_NODE)
		return NULL;
	const char *text = (const char *)node->data.scalar.value;
	return strlen(text) == node->data.scalar.length ? text : NULL;
}

static bool is_null(const yaml_node_t *node)
{
	const char *text = scalar(node);
	return text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static struct hv_object *read_object(const struct reader *r, const struct hv_kind *kind,
				     const yaml_node_t *node);

/* An owned string or object; NULL with the error filled. */
static void *read_element(const struct reader *r, const struct hv_prop *row,
			  const yaml_node_t *node)
{
	if (row->of)
		return read_object(r, hv_kind_find(row->of), node);
	const char *text = scalar(node);
	if (!text) {
		hv_fail(r->err, HV_USAGE, 0, "%s must hold strings", row->name);
		place(r, node->start_mark);
		return NULL;
	}
	return strdup(text);
}

static int read_list(const struct reader *r, struct hv_value *value, const struct hv_prop *row,
		     const yaml_node_t *node)
{
	if (node->type != YAML_SEQUENCE_NODE)
		return fail_type(r, node, row);
	*value = (struct hv_value){.presence = HV_SET};
	for (yaml_node_item_t *item = node->data.sequence.items.start;
	     item < node->data.sequence.items.top; item++) {
		void *element = read_element(r, row, yaml_document_get_node(r->doc, *item));
		if (!element)
			return -(int)HV_USAGE;
		if (value_list_add(value, row, element) < 0)
			return hv_fail(r->err, HV_FAILED, 0, "no memory for \"%s\"", row->name);
	}
	return 0;
}

static int read_value(const struct reader *r, struct hv_value *value, const struct hv_prop *row,
		      const yaml_node_t *node)
{
	if (is_null(node)) {
		/* what the host could not tell was written as null; of a setting it means "not
		 * said" */
		value->presence = row->set == HV_SET_NEVER ? HV_UNKNOWN : HV_ABSENT;
		return 0;
	}
	if (row->type == HV_LIST)
		return read_list(r, value, row, node);
	const char *text = scalar(node);
	if (!text)
		return fail_type(r, node, row);
	int rc = hv_value_parse(value, row, text, r->err);
	return rc < 0 ? place(r, node->start_mark) : 0;
}

static int read_pair(const struct reader *r, struct hv_object *obj, bool *given,
		     const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = yaml_document_get_node(r->doc, pair->key);
	const char *name = scalar(key);
	int index = name ? hv_prop_index(obj->props, name) : -1;
	if (index < 0) {
		value_fail_unknown(obj->props, obj->kind, name ?: "?", r->err);
		return place(r, key->start_mark);
	}
	if (given[index]) {
		hv_fail(r->err, HV_USAGE, 0, "\"%s\" is given twice", name);
		return place(r, key->start_mark);
	}
	given[index] = true;
	return read_value(r, &obj->values[index], &obj->props[index],
			  yaml_document_get_node(r->doc, pair->value));
}

static int read_pairs(const struct reader *r, struct hv_object *obj, const yaml_node_t *node)
{
	bool *given = calloc(obj->n_values, sizeof *given);
	int rc = given ? 0 : hv_fail(r->err, HV_FAILED, 0, "no memory for a definition");
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     rc == 0 && pair < node->data.mapping.pairs.top; pair++)
		rc = read_pair(r, obj, given, pair);
	free(given);
	return rc;
}

static struct hv_object *read_object(const struct reader *r, const struct hv_kind *kind,
				     const yaml_node_t *node)
{
	if (node->type != YAML_MAPPING_NODE) {
		hv_fail(r->err, HV_USAGE, 0, "a %s must be a mapping (KEY: VALUE)", kind->name);
		place(r, node->start_mark);
		return NULL;
	}
	struct hv_object *obj = hv_object_new(kind);
	if (!obj) {
		hv_fail(r->err, HV_FAILED, 0, "no memory for a %s", kind->name);
		return NULL;
	}
	if (read_pairs(r, obj, node) < 0) {
		hv_object_free(obj);
		return NULL;
	}
	return obj;
}

static void fail_syntax(const struct reader *r, const yaml_parser_t *parser)
{
	yaml_mark_t mark = parser->problem_mark;
	hv_fail(r->err, HV_USAGE, 0, "%s", parser->problem ?: "not YAML");
	if (parser->error == YAML_READER_ERROR)
		hv_within(r->err, "%s: byte %zu", r->source, parser->problem_offset);
	else
		place(r, mark);
}

/* Nothing may follow the one document. */
static int expect_end(const struct reader *r, yaml_parser_t *parser)
{
	yaml_document_t next;
	if (!yaml_parser_load(parser, &next)) {
		fail_syntax(r, parser);
		return -HV_USAGE;
	}
	const yaml_node_t *root = yaml_document_get_root_node(&next);
	int rc = 0;
	if (root) {
		hv_fail(r->err, HV_USAGE, 0, "a second document, where one is expected");
		rc = place(r, root->start_mark);
	}
	yaml_document_delete(&next);
	return rc;
}

static struct hv_object *read_document(struct reader *r, const struct hv_kind *kind,
				       yaml_parser_t *parser)
{
	yaml_document_t doc;
	if (!yaml_parser_load(parser, &doc)) {
		fail_syntax(r, parser);
		return NULL;
	}
	r->doc = &doc;
	const yaml_node_t *root = yaml_document_get_root_node(&doc);
	struct hv_object *obj = NULL;
	if (root)
		obj = read_object(r, kind, root);
	else
		hv_fail(r->err, HV_USAGE, 0, "%s: empty, where a %s is expected", r->source,
			kind->name);
	yaml_document_delete(&doc);
	if (obj && expect_end(r, parser) < 0) {
		hv_object_free(obj);
		return NULL;
	}
	return obj;
}

struct hv_object *hv_object_from_yaml(const struct hv_kind *kind, const char *text, size_t len,
				      const char *source_name, struct hv_error *err)
{
	struct hv_error own;
	struct reader r = {.source = source_name ?: "yaml", .err = err ?: &own};
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser)) {
		hv_fail(err, HV_FAILED, 0, "no memory to read YAML");
		return NULL;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	struct hv_object *obj = read_document(&r, kind, &parser);
	yaml_parser_delete(&parser);
	return obj;
}
