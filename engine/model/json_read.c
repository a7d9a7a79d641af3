/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON (RFC 8259) into objects, by the rows: unknown and duplicate keys and wrong types are refused
 * with LINE:COLUMN. jansson parses but keeps no positions; a fault's place is looked for in the
 * text afterwards, by the path of keys that leads to it.
 */
#include <jansson.h>
#include <string.h>

#include "engine/model/value.h"

/* A step of the path, on the reader's stack; key NULL: an element. */
struct place {
	const struct place *up;
	const char *key;
	size_t index;
};

struct reader {
	const char *text, *end;
	struct hv_error *err;
};

static const char *skip_blank(const char *at, const char *end)
{
	while (at < end && strchr(" \t\r\n", *at))
		at++;
	return at;
}

/* Past the string at *at. The text is known to be valid. */
static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		at += *at == '\\';
	return at < end ? at + 1 : end;
}

/* Past the value at *at. */
static const char *skip_value(const char *at, const char *end)
{
	size_t depth = 0;
	while (at < end) {
		if (*at == '"') {
			at = skip_string(at, end);
		} else if (*at == '{' || *at == '[') {
			depth++;
			at++;
		} else if (*at == '}' || *at == ']') {
			if (depth == 0)
				return at;
			depth--;
			at++;
		} else if (depth == 0 && *at == ',') {
			return at;
		} else {
			at++;
			continue;
		}
		if (depth == 0)
			return at;
	}
	return end;
}

/* From the container at `at` to the key (at_key) or value that step names. */
static const char *enter(const char *at, const char *end, const struct place *step, bool at_key)
{
	size_t key_len = step->key ? strlen(step->key) : 0;
	at = skip_blank(at + 1, end);
	for (size_t i = 0; at < end && *at != '}' && *at != ']'; i++) {
		const char *key = at;
		bool found = i == step->index;
		if (step->key) {
			at = skip_blank(skip_string(at, end), end);
			at = skip_blank(at + 1, end); /* the colon */
			found = strncmp(key + 1, step->key, key_len) == 0 &&
				key[1 + key_len] == '"';
		}
		if (found)
			return step->key && at_key ? key : at;
		at = skip_blank(skip_value(at, end), end);
		if (at < end && *at == ',')
			at = skip_blank(at + 1, end);
	}
	return at;
}

static const char *locate(const struct reader *r, const struct place *place, bool at_key)
{
	if (!place)
		return skip_blank(r->text, r->end);
	const char *at = locate(r, place->up, false);
	return at < r->end ? enter(at, r->end, place, at_key) : at;
}

/* Puts LINE:COLUMN before the message that r->err has. */
static int fail_at(const struct reader *r, const struct place *place, bool at_key)
{
	const char *at = locate(r, place, at_key);
	size_t line = 1, column = 1;
	for (const char *c = r->text; c < at; c++) {
		column = *c == '\n' ? 1 : column + 1;
		line += *c == '\n';
	}
	return hv_within(r->err, "%zu:%zu", line, column);
}

static int fail_type(const struct reader *r, const struct place *place, const struct hv_prop *prop)
{
	hv_fail(r->err, HV_USAGE, 0, "%s must be a %s", prop->name, hv_type_name(prop->type));
	return fail_at(r, place, false);
}

static struct hv_object *read_object(const struct reader *r, const struct hv_kind *kind,
				     const json_t *json, const struct place *place);

static int read_list(const struct reader *r, struct hv_value *value, const struct hv_prop *prop,
		     const json_t *json, const struct place *place)
{
	*value = (struct hv_value){.presence = HV_SET};
	for (size_t i = 0; i < json_array_size(json); i++) {
		struct place here = {.up = place, .index = i};
		const json_t *element = json_array_get(json, i);
		void *taken;
		if (prop->of) {
			taken = read_object(r, hv_kind_find(prop->of), element, &here);
			if (!taken)
				return -(int)HV_USAGE;
		} else if (json_is_string(element)) {
			taken = strdup(json_string_value(element));
		} else {
			hv_fail(r->err, HV_USAGE, 0, "%s must hold strings", prop->name);
			return fail_at(r, &here, false);
		}
		if (value_list_add(value, prop, taken) < 0)
			return hv_fail(r->err, HV_FAILED, 0, "no memory for \"%s\"", prop->name);
	}
	return 0;
}

static bool read_scalar(struct hv_value *value, const struct hv_prop *prop, const json_t *json)
{
	struct hv_value v = {.presence = HV_SET};
	switch (prop->type) {
	case HV_INT:
	case HV_SIZE:
	case HV_TIME:
		v.integer = json_integer_value(json);
		*value = v;
		return json_is_integer(json);
	case HV_DURATION:
	case HV_RATE:
	case HV_PERCENT:
		v.number = json_number_value(json);
		*value = v;
		return json_is_number(json);
	case HV_BOOL:
		v.integer = json_is_true(json);
		*value = v;
		return json_is_boolean(json);
	default:
		return false;
	}
}

static int read_value(const struct reader *r, struct hv_value *value, const struct hv_prop *prop,
		      const json_t *json, const struct place *place)
{
	if (json_is_null(json)) {
		value->presence = HV_UNKNOWN;
		return 0;
	}
	if (prop->type == HV_LIST)
		return json_is_array(json) ? read_list(r, value, prop, json, place)
					   : fail_type(r, place, prop);
	int rc;
	if (json_is_string(json))
		rc = hv_value_parse(value, prop, json_string_value(json), r->err);
	else if (read_scalar(value, prop, json))
		rc = value_check_bounds(value, prop, r->err);
	else {
		value->presence = HV_ABSENT;
		return fail_type(r, place, prop);
	}
	return rc < 0 ? fail_at(r, place, false) : 0;
}

static int read_members(const struct reader *r, struct hv_object *obj, const json_t *json,
			const struct place *place)
{
	const char *key;
	json_t *member;
	json_object_foreach((json_t *)json, key, member)
	{
		struct place here = {.up = place, .key = key};
		int index = hv_prop_index(obj->props, key);
		if (index < 0) {
			value_fail_unknown(obj->props, obj->kind, key, r->err);
			return fail_at(r, &here, true);
		}
		if (obj->values[index].presence != HV_ABSENT) {
			hv_fail(r->err, HV_USAGE, 0, "\"%s\" is given twice", key);
			return fail_at(r, &here, true);
		}
		int rc = read_value(r, &obj->values[index], &obj->props[index], member, &here);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static struct hv_object *read_object(const struct reader *r, const struct hv_kind *kind,
				     const json_t *json, const struct place *place)
{
	if (!json_is_object(json)) {
		hv_fail(r->err, HV_USAGE, 0, "a %s must be an object in braces", kind->name);
		fail_at(r, place, false);
		return NULL;
	}
	struct hv_object *obj = hv_object_new(kind);
	if (!obj) {
		hv_fail(r->err, HV_FAILED, 0, "no memory for a %s", kind->name);
		return NULL;
	}
	if (read_members(r, obj, json, place) < 0) {
		hv_object_free(obj);
		return NULL;
	}
	return obj;
}

struct hv_object *hv_object_from_json(const struct hv_kind *kind, const char *text, size_t len,
				      struct hv_error *err)
{
	struct hv_error own;
	struct reader r = {.text = text, .end = text + len, .err = err ?: &own};
	json_error_t fault;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &fault);
	if (!json) {
		hv_fail(err, HV_USAGE, 0, "%d:%d: %s", fault.line, fault.column, fault.text);
		return NULL;
	}
	struct hv_object *obj = read_object(&r, kind, json, NULL);
	json_decref(json);
	return obj;
}
