/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Objects as JSON (RFC 8259): one line, keys in the order of the rows, raw units. Absent values are
 * left out, unknown ones are null. Written straight from the values, since lists of 10,000 VMs pass
 * here.
 */
#include <math.h>

#include "engine/model/json.h"
#include "engine/model/object.h"

static void add_special(struct text *text, unsigned char c)
{
	static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
				       ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
	if (c < sizeof letters && letters[c]) {
		char escape[] = {'\\', letters[c]};
		text_add(text, escape, 2);
	} else if (c >= 0x80) {
		text_str(text, "\xef\xbf\xbd"); /* not UTF-8: the replacement character */
	} else {
		text_printf(text, "\\u%04x", c);
	}
}

void json_add_string(struct text *text, const char *string)
{
	const unsigned char *at = (const unsigned char *)string;
	const unsigned char *from = at;
	text_char(text, '"');
	while (*at) {
		size_t len = *at < 0x20 || *at == '"' || *at == '\\' || *at == 0x7f
				     ? 0
				     : text_utf8_length((const char *)at);
		if (len > 0) {
			at += len;
			continue;
		}
		text_add(text, (const char *)from, (size_t)(at - from));
		add_special(text, *at++);
		from = at;
	}
	text_add(text, (const char *)from, (size_t)(at - from));
	text_char(text, '"');
}

static void add_list(struct text *text, const struct hv_list *list, const struct hv_prop *prop)
{
	text_char(text, '[');
	for (size_t i = 0; i < list->n; i++) {
		if (i > 0)
			text_char(text, ',');
		if (prop->of)
			json_add_object(text, list->objects[i]);
		else
			json_add_string(text, list->strings[i]);
	}
	text_char(text, ']');
}

void json_add_value(struct text *text, const struct hv_value *value, const struct hv_prop *prop)
{
	if (value->presence != HV_SET) {
		text_str(text, "null");
		return;
	}
	switch (prop->type) {
	case HV_INT:
	case HV_SIZE:
	case HV_TIME:
		text_int(text, value->integer);
		break;
	case HV_DURATION:
	case HV_RATE:
	case HV_PERCENT:
		if (isfinite(value->number))
			text_number(text, value->number);
		else
			text_str(text, "null");
		break;
	case HV_BOOL:
		text_str(text, value->integer ? "true" : "false");
		break;
	case HV_ENUM:
		json_add_string(text, value->word);
		break;
	case HV_LIST:
		add_list(text, &value->list, prop);
		break;
	default:
		json_add_string(text, value->string);
	}
}

void json_add_object(struct text *text, const struct hv_object *obj)
{
	bool first = true;
	text_char(text, '{');
	for (size_t i = 0; i < obj->n_values; i++) {
		if (obj->values[i].presence == HV_ABSENT)
			continue;
		text_str(text, first ? "\"" : ",\"");
		text_str(text, obj->props[i].name);
		text_str(text, "\":");
		json_add_value(text, &obj->values[i], &obj->props[i]);
		first = false;
	}
	text_char(text, '}');
}

char *hv_object_to_json(const struct hv_object *obj)
{
	struct text text = {0};
	json_add_object(&text, obj);
	return text_take(&text);
}
