/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values from one object to another whose table has rows of the same names. */
#include <string.h>

#include "engine/model/object.h"

int hv_set_empty_list(struct hv_object *obj, const char *name)
{
	struct hv_value *value = &obj->values[hv_prop_index(obj->props, name)];
	if (value->presence != HV_SET) {
		memset(value, 0, sizeof *value);
		value->presence = HV_SET;
	}
	return 0;
}

static const struct hv_prop *counterpart(const struct hv_object *obj, const struct hv_prop *prop)
{
	const struct hv_prop *found = hv_prop_find(obj->props, prop->name);
	for (const struct hv_prop *row = obj->props; !found && row->type != HV_END; row++) {
		bool lists = row->type == HV_LIST && prop->type == HV_LIST && row->of && prop->of;
		if (lists && strcmp(row->of, prop->of) == 0)
			found = row;
	}
	return found && found->type == prop->type ? found : NULL;
}

static int copy_list(struct hv_object *to, const struct hv_prop *row, const struct hv_value *value,
		     struct hv_error *err)
{
	hv_unset(to, row->name);
	hv_set_empty_list(to, row->name);
	for (size_t i = 0; i < value->list.n; i++) {
		int rc;
		if (row->of) {
			struct hv_object *child = hv_object_clone(value->list.objects[i]);
			rc = child ? hv_list_add_object(to, row->name, child) : -HV_FAILED;
		} else {
			rc = hv_list_add_string(to, row->name, value->list.strings[i]);
		}
		if (rc < 0)
			return hv_fail(err, HV_FAILED, 0, "out of memory");
	}
	return 0;
}

static int copy_value(struct hv_object *to, const struct hv_prop *row, const struct hv_value *value,
		      struct hv_error *err)
{
	int rc;
	switch (row->type) {
	case HV_LIST:
		return copy_list(to, row, value, err);
	case HV_STRING:
	case HV_REF:
		rc = hv_set_string(to, row->name, value->string);
		break;
	case HV_ENUM:
		rc = hv_set_string(to, row->name, value->word);
		break;
	case HV_DURATION:
	case HV_RATE:
	case HV_PERCENT:
		rc = hv_set_number(to, row->name, value->number);
		break;
	default:
		rc = hv_set_int(to, row->name, value->integer);
	}
	return rc < 0 ? hv_fail(err, HV_FAILED, 0, "out of memory") : 0;
}

int hv_object_project(struct hv_object *to, const struct hv_object *from, struct hv_error *err)
{
	for (size_t i = 0; i < from->n_values; i++) {
		if (from->values[i].presence != HV_SET)
			continue;
		const struct hv_prop *row = counterpart(to, &from->props[i]);
		int rc = row ? copy_value(to, row, &from->values[i], err) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

int hv_object_copy_value(struct hv_object *to, const struct hv_object *from, size_t index)
{
	if (from->values[index].presence != HV_SET)
		return 0;
	return copy_value(to, &to->props[index], &from->values[index], NULL);
}
