/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Objects as definitions: what may be set, what it is where nothing was said, what must be said. */
#include <string.h>

#include "engine/model/value.h"

/* Whether a row can be given: all of a command's can, of a kind's those that may be set. */
static bool defines(const struct hv_object *obj, const struct hv_prop *row)
{
	return !obj->kind || row->set != HV_SET_NEVER;
}

struct hv_object *hv_object_definition(const struct hv_object *obj)
{
	struct hv_object *copy = hv_object_clone(obj);
	for (size_t i = 0; copy && i < copy->n_values; i++) {
		const struct hv_prop *row = &copy->props[i];
		struct hv_value *value = &copy->values[i];
		if (value->presence != HV_SET || !defines(obj, row)) {
			hv_value_clear(value, row);
			continue;
		}
		for (size_t k = 0; row->type == HV_LIST && row->of && k < value->list.n; k++) {
			struct hv_object *child = hv_object_definition(value->list.objects[k]);
			if (!child) {
				hv_object_free(copy);
				return NULL;
			}
			hv_object_free(value->list.objects[k]);
			value->list.objects[k] = child;
		}
	}
	return copy;
}

int hv_object_preset(struct hv_object *obj, struct hv_error *err)
{
	for (size_t i = 0; i < obj->n_values; i++) {
		const struct hv_prop *row = &obj->props[i];
		struct hv_value *value = &obj->values[i];
		int rc = 0;
		if (value->presence == HV_ABSENT && row->preset && defines(obj, row))
			rc = hv_value_parse(value, row, row->preset, err);
		if (value->presence == HV_SET && row->type == HV_LIST && row->of) {
			for (size_t k = 0; rc == 0 && k < value->list.n; k++)
				rc = hv_object_preset(value->list.objects[k], err);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int check_children(const struct hv_value *value, const struct hv_prop *row,
			  struct hv_error *err)
{
	for (size_t k = 0; k < value->list.n; k++) {
		int rc = hv_object_check(value->list.objects[k], err);
		if (rc < 0)
			return hv_within(err, "%s, number %zu", row->name, k + 1);
	}
	return 0;
}

int hv_object_check(const struct hv_object *obj, struct hv_error *err)
{
	for (size_t i = 0; i < obj->n_values; i++) {
		const struct hv_prop *row = &obj->props[i];
		const struct hv_value *value = &obj->values[i];
		if (value->presence == HV_ABSENT && (row->flags & HV_P_REQUIRED))
			return hv_fail(err, HV_USAGE, 0, "%s is missing", row->name);
		int rc = value_check_bounds(value, row, err);
		if (rc == 0 && value->presence == HV_SET && row->type == HV_LIST && row->of)
			rc = check_children(value, row, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
