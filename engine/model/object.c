/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Objects and the values in them: made, copied, read and changed by the rows' names. */
#include "engine/model/object.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/model/text.h"
#include "engine/model/value.h"

static bool is_number(enum hv_type type)
{
	return type == HV_DURATION || type == HV_RATE || type == HV_PERCENT;
}

static bool is_text(enum hv_type type)
{
	return type == HV_STRING || type == HV_REF;
}

struct hv_object *hv_object_new_for(const struct hv_prop *table)
{
	size_t n = hv_prop_count(table);
	struct hv_object *obj = calloc(1, sizeof *obj + n * sizeof *obj->values);
	if (!obj)
		return NULL;
	obj->props = table;
	obj->n_values = n;
	return obj;
}

struct hv_object *hv_object_new(const struct hv_kind *kind)
{
	struct hv_object *obj = hv_object_new_for(kind->props);
	if (obj)
		obj->kind = kind;
	return obj;
}

void hv_value_clear(struct hv_value *value, const struct hv_prop *prop)
{
	if (value->presence == HV_SET && is_text(prop->type))
		free(value->string);
	if (value->presence == HV_SET && prop->type == HV_LIST) {
		for (size_t i = 0; i < value->list.n; i++) {
			if (prop->of)
				hv_object_free(value->list.objects[i]);
			else
				free(value->list.strings[i]);
		}
		free(value->list.strings);
	}
	*value = (struct hv_value){0};
}

void hv_object_free(struct hv_object *obj)
{
	if (!obj)
		return;
	for (size_t i = 0; i < obj->n_values; i++) {
		if (obj->values[i].presence == HV_SET)
			hv_value_clear(&obj->values[i], &obj->props[i]);
	}
	free(obj);
}

/* Room for one more element; lists double, their length says when. */
static int list_grow(struct hv_list *list)
{
	if (list->n & (list->n - 1))
		return 0;
	void *grown = realloc(list->strings, (list->n ? 2 * list->n : 1) * sizeof(void *));
	if (!grown)
		return -HV_FAILED;
	list->strings = grown;
	return 0;
}

int value_list_add(struct hv_value *value, const struct hv_prop *prop, void *element)
{
	if (value->presence != HV_SET)
		*value = (struct hv_value){.presence = HV_SET};
	if (!element || list_grow(&value->list) < 0) {
		if (prop->of)
			hv_object_free(element);
		else
			free(element);
		return -HV_FAILED;
	}
	if (prop->of)
		value->list.objects[value->list.n++] = element;
	else
		value->list.strings[value->list.n++] = element;
	return 0;
}

static int list_copy(struct hv_value *to, const struct hv_list *from, const struct hv_prop *prop)
{
	*to = (struct hv_value){.presence = HV_SET};
	for (size_t i = 0; i < from->n; i++) {
		void *element = prop->of ? (void *)hv_object_clone(from->objects[i])
					 : (void *)strdup(from->strings[i]);
		if (value_list_add(to, prop, element) < 0)
			return -HV_FAILED;
	}
	return 0;
}

/* to is cleared; what was copied before memory ran out stays in it. */
static int value_copy(struct hv_value *to, const struct hv_value *from, const struct hv_prop *prop)
{
	if (from->presence == HV_SET && prop->type == HV_LIST)
		return list_copy(to, &from->list, prop);
	*to = *from;
	if (from->presence != HV_SET || !is_text(prop->type))
		return 0;
	to->string = strdup(from->string);
	if (to->string)
		return 0;
	*to = (struct hv_value){0};
	return -HV_FAILED;
}

struct hv_object *hv_object_clone(const struct hv_object *obj)
{
	struct hv_object *copy = hv_object_new_for(obj->props);
	if (!copy)
		return NULL;
	copy->kind = obj->kind;
	for (size_t i = 0; i < obj->n_values; i++) {
		if (value_copy(&copy->values[i], &obj->values[i], &obj->props[i]) < 0) {
			hv_object_free(copy);
			return NULL;
		}
	}
	return copy;
}

int hv_object_merge(struct hv_object *obj, const struct hv_object *from, struct hv_error *err)
{
	assert(obj->props == from->props);
	for (size_t i = 0; i < from->n_values; i++) {
		if (from->values[i].presence != HV_SET)
			continue;
		struct hv_value copy = {0};
		if (value_copy(&copy, &from->values[i], &from->props[i]) < 0) {
			hv_value_clear(&copy, &from->props[i]);
			return hv_fail(err, HV_FAILED, 0, "no memory for \"%s\"",
				       from->props[i].name);
		}
		hv_value_clear(&obj->values[i], &obj->props[i]);
		obj->values[i] = copy;
	}
	return 0;
}

static size_t index_of(const struct hv_object *obj, const char *name)
{
	int index = hv_prop_index(obj->props, name);
	assert(index >= 0);
	return (size_t)index;
}

/* NULL where it is not set. */
static const struct hv_value *find_set(const struct hv_object *obj, const char *name,
				       enum hv_type *type)
{
	size_t i = index_of(obj, name);
	*type = obj->props[i].type;
	return obj->values[i].presence == HV_SET ? &obj->values[i] : NULL;
}

const struct hv_value *hv_get(const struct hv_object *obj, const char *name)
{
	return &obj->values[index_of(obj, name)];
}

bool hv_has(const struct hv_object *obj, const char *name)
{
	return hv_get(obj, name)->presence == HV_SET;
}

const char *hv_get_string(const struct hv_object *obj, const char *name)
{
	enum hv_type type;
	const struct hv_value *value = find_set(obj, name, &type);
	if (!value)
		return NULL;
	if (type == HV_ENUM)
		return value->word;
	return is_text(type) ? value->string : NULL;
}

int64_t hv_get_int(const struct hv_object *obj, const char *name)
{
	enum hv_type type;
	const struct hv_value *value = find_set(obj, name, &type);
	if (!value)
		return 0;
	return is_number(type) ? (int64_t)value->number : value->integer;
}

double hv_get_number(const struct hv_object *obj, const char *name)
{
	enum hv_type type;
	const struct hv_value *value = find_set(obj, name, &type);
	if (!value)
		return 0;
	return is_number(type) ? value->number : (double)value->integer;
}

bool hv_get_bool(const struct hv_object *obj, const char *name)
{
	return hv_get_int(obj, name) != 0;
}

const struct hv_list *hv_get_list(const struct hv_object *obj, const char *name)
{
	enum hv_type type;
	const struct hv_value *value = find_set(obj, name, &type);
	return value && type == HV_LIST ? &value->list : NULL;
}

const char *hv_object_name(const struct hv_object *obj)
{
	return obj->n_values > 0 && obj->values[0].presence == HV_SET ? obj->values[0].string
								      : NULL;
}

static int set_word(struct hv_value *value, const struct hv_prop *prop, const char *word)
{
	for (const char *const *choice = prop->choices; *choice; choice++) {
		if (strcmp(*choice, word) == 0) {
			*value = (struct hv_value){.presence = HV_SET, .word = *choice};
			return 0;
		}
	}
	return -HV_USAGE;
}

int hv_set_string(struct hv_object *obj, const char *name, const char *text)
{
	size_t i = index_of(obj, name);
	if (!text) {
		hv_value_clear(&obj->values[i], &obj->props[i]);
		return 0;
	}
	if (obj->props[i].type == HV_ENUM)
		return set_word(&obj->values[i], &obj->props[i], text);
	assert(is_text(obj->props[i].type));
	char *copy = strdup(text);
	if (!copy)
		return -HV_FAILED;
	hv_value_clear(&obj->values[i], &obj->props[i]);
	obj->values[i] = (struct hv_value){.presence = HV_SET, .string = copy};
	return 0;
}

int hv_set_int(struct hv_object *obj, const char *name, int64_t integer)
{
	size_t i = index_of(obj, name);
	if (is_number(obj->props[i].type))
		return hv_set_number(obj, name, (double)integer);
	assert(!is_text(obj->props[i].type) && obj->props[i].type != HV_LIST);
	obj->values[i] = (struct hv_value){.presence = HV_SET, .integer = integer};
	return 0;
}

int hv_set_number(struct hv_object *obj, const char *name, double number)
{
	size_t i = index_of(obj, name);
	if (!is_number(obj->props[i].type))
		return hv_set_int(obj, name, text_round(number));
	obj->values[i] = (struct hv_value){.presence = HV_SET, .number = number};
	return 0;
}

int hv_set_unknown(struct hv_object *obj, const char *name)
{
	size_t i = index_of(obj, name);
	hv_value_clear(&obj->values[i], &obj->props[i]);
	obj->values[i].presence = HV_UNKNOWN;
	return 0;
}

void hv_unset(struct hv_object *obj, const char *name)
{
	size_t i = index_of(obj, name);
	hv_value_clear(&obj->values[i], &obj->props[i]);
}

int hv_list_add_string(struct hv_object *obj, const char *name, const char *text)
{
	size_t i = index_of(obj, name);
	assert(obj->props[i].type == HV_LIST && !obj->props[i].of);
	return value_list_add(&obj->values[i], &obj->props[i], strdup(text));
}

int hv_list_add_object(struct hv_object *obj, const char *name, struct hv_object *child)
{
	size_t i = index_of(obj, name);
	assert(obj->props[i].type == HV_LIST && obj->props[i].of);
	return value_list_add(&obj->values[i], &obj->props[i], child);
}
