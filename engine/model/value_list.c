/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Lists as text: "a,b" for strings, "br0,queues=4;passt" for objects. A separator or
 * backslash that is part of a value has a backslash before it.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/model/value.h"

/*
 * The next piece of *at up to separator; owned by the caller. *at becomes NULL after the last one.
 * keep: leave escapes as they are, for another split of the piece.
 */
static char *next_piece(const char **at, char separator, bool keep)
{
	char *piece = malloc(strlen(*at) + 1);
	if (!piece)
		return NULL;
	size_t len = 0;
	const char *c = *at;
	for (; *c && *c != separator; c++) {
		if (*c == '\\' && c[1] && strchr(",;\\", c[1])) {
			if (keep)
				piece[len++] = *c;
			c++;
		}
		piece[len++] = *c;
	}
	piece[len] = '\0';
	*at = *c ? c + 1 : NULL;
	return piece;
}

static int fail_memory(struct hv_error *err)
{
	return hv_fail(err, HV_FAILED, 0, "no memory for a list");
}

const struct hv_prop *value_bare_row(const struct hv_prop *table)
{
	for (size_t i = 1; i < hv_prop_count(table); i++) {
		if (table[i].flags & HV_P_REQUIRED)
			return &table[i];
	}
	return NULL;
}

int value_fail_unknown(const struct hv_prop *table, const struct hv_kind *kind, const char *name,
		       struct hv_error *err)
{
	const char *names[128];
	size_t n = 0;
	for (; n < hv_prop_count(table) && n < 128; n++)
		names[n] = table[n].name;
	hv_fail(err, HV_USAGE, 0, "unknown property \"%.64s\"%s%s", name, kind ? " of a " : "",
		kind ? kind->name : "");
	const char *nearest = hv_nearest(name, names, n);
	return nearest ? hv_hint(err, "did you mean \"%s\"?", nearest) : -HV_USAGE;
}

/* One "key=value", or the first piece without '='. */
static int parse_member(struct hv_object *obj, char *piece, bool first, struct hv_error *err)
{
	char *equals = strchr(piece, '=');
	const struct hv_prop *row;
	const char *text = piece;
	if (equals) {
		*equals = '\0';
		text = equals + 1;
		row = hv_prop_find(obj->props, piece);
		if (!row)
			return value_fail_unknown(obj->props, obj->kind, piece, err);
	} else {
		row = first ? value_bare_row(obj->props) : NULL;
		if (!row)
			return hv_fail(err, HV_USAGE, 0, "\"%.64s\" is not of the form KEY=VALUE",
				       piece);
	}
	if (row->set == HV_SET_NEVER)
		return hv_fail(err, HV_USAGE, 0, "%s of a %s cannot be set", row->name,
			       obj->kind->name);
	struct hv_value *value = &obj->values[row - obj->props];
	if (value->presence == HV_SET && row->type != HV_LIST)
		return hv_fail(err, HV_USAGE, 0, "%s is given twice", row->name);
	return hv_value_parse(value, row, text, err);
}

static int parse_members(struct hv_object *obj, const char *text, struct hv_error *err)
{
	bool first = true;
	for (const char *at = text; at; first = false) {
		char *piece = next_piece(&at, ',', false);
		int rc = piece ? parse_member(obj, piece, first, err) : fail_memory(err);
		free(piece);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int parse_object(struct hv_value *value, const struct hv_prop *prop, const char *text,
			struct hv_error *err)
{
	struct hv_object *obj = hv_object_new(hv_kind_find(prop->of));
	if (!obj)
		return fail_memory(err);
	int rc = parse_members(obj, text, err);
	if (rc < 0) {
		hv_object_free(obj);
		return hv_within(err, "%s", prop->name);
	}
	return value_list_add(value, prop, obj) < 0 ? fail_memory(err) : 0;
}

int value_parse_list(struct hv_value *value, const struct hv_prop *prop, const char *text,
		     struct hv_error *err)
{
	if (value->presence != HV_SET)
		*value = (struct hv_value){.presence = HV_SET};
	const char *at = *text ? text : NULL;
	while (at) {
		char *piece = next_piece(&at, prop->of ? ';' : ',', prop->of);
		int rc;
		if (!piece) {
			rc = fail_memory(err);
		} else if (prop->of) {
			rc = parse_object(value, prop, piece, err);
			free(piece);
		} else {
			rc = value_list_add(value, prop, piece) < 0 ? fail_memory(err) : 0;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}
