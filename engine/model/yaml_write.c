/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Objects as YAML: block style, keys in the order of the rows, values as people write them (4G,
 * 60s). Strings that other readers would take for numbers or booleans are quoted.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "engine/model/object.h"
#include "engine/model/text.h"

struct writer {
	yaml_emitter_t out;
	enum hv_style style;
};

static int append(void *data, unsigned char *buffer, size_t size)
{
	struct text *text = data;
	text_add(text, (const char *)buffer, size);
	return !text->failed;
}

static bool looks_typed(const char *string)
{
	static const char *const words[] = {"yes", "no", "true", "false", "on", "off",
					    "y",   "n",  "null", "~",     ""};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcasecmp(words[i], string) == 0)
			return true;
	}
	/* numbers, also hexadecimal and base 60, times, .inf */
	return strchr("0123456789+-.", string[0]) &&
	       string[strspn(string, "0123456789abcdefABCDEFxoinINF_+-.:TZ ")] == '\0';
}

static yaml_scalar_style_t style_of(const char *string)
{
	size_t len = strlen(string);
	for (const char *c = string; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	}
	if (looks_typed(string) || string[0] == ' ' || string[len - 1] == ' ')
		return YAML_SINGLE_QUOTED_SCALAR_STYLE;
	return YAML_PLAIN_SCALAR_STYLE;
}

static int emit_scalar(yaml_emitter_t *out, const char *text, yaml_scalar_style_t style)
{
	yaml_event_t event;
	return yaml_scalar_event_initialize(&event, NULL, NULL, (const unsigned char *)text,
					    (int)strlen(text), 1, 1, style) &&
	       yaml_emitter_emit(out, &event);
}

/* What is not UTF-8 becomes the replacement character. Owned by the caller. */
static char *clean(const char *string)
{
	struct text text = {0};
	while (*string) {
		size_t len = text_utf8_length(string);
		if (len > 0)
			text_add(&text, string, len);
		else
			text_str(&text, "\xef\xbf\xbd");
		string += len ?: 1;
	}
	return text_take(&text);
}

static int emit_string(struct writer *w, const char *string)
{
	char *text = clean(string);
	int ok = text && emit_scalar(&w->out, text, style_of(text));
	free(text);
	return ok;
}

static int emit_object(struct writer *w, const struct hv_object *obj);

static int emit_list(struct writer *w, const struct hv_list *list, const struct hv_prop *row)
{
	yaml_event_t event;
	yaml_sequence_style_t style =
		list->n ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
	int ok = yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style) &&
		 yaml_emitter_emit(&w->out, &event);
	for (size_t i = 0; ok && i < list->n; i++)
		ok = row->of ? emit_object(w, list->objects[i]) : emit_string(w, list->strings[i]);
	return ok && yaml_sequence_end_event_initialize(&event) &&
	       yaml_emitter_emit(&w->out, &event);
}

static int emit_value(struct writer *w, const struct hv_value *value, const struct hv_prop *row)
{
	char text[64];
	if (value->presence != HV_SET)
		return emit_scalar(&w->out, "null", YAML_PLAIN_SCALAR_STYLE);
	switch (row->type) {
	case HV_LIST:
		return emit_list(w, &value->list, row);
	case HV_STRING:
	case HV_REF:
		return emit_string(w, value->string);
	case HV_ENUM:
		return emit_string(w, value->word);
	case HV_BOOL:
		return emit_scalar(&w->out, value->integer ? "true" : "false",
				   YAML_PLAIN_SCALAR_STYLE);
	default:
		hv_value_format(value, row, w->style, text, sizeof text);
		return emit_scalar(&w->out, text, YAML_PLAIN_SCALAR_STYLE);
	}
}

static int emit_object(struct writer *w, const struct hv_object *obj)
{
	yaml_event_t event;
	bool any = false;
	for (size_t i = 0; i < obj->n_values; i++)
		any |= obj->values[i].presence != HV_ABSENT;
	yaml_mapping_style_t style = any ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
	int ok = yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style) &&
		 yaml_emitter_emit(&w->out, &event);
	for (size_t i = 0; ok && i < obj->n_values; i++) {
		if (obj->values[i].presence == HV_ABSENT)
			continue;
		ok = emit_scalar(&w->out, obj->props[i].name, YAML_PLAIN_SCALAR_STYLE) &&
		     emit_value(w, &obj->values[i], &obj->props[i]);
	}
	return ok && yaml_mapping_end_event_initialize(&event) &&
	       yaml_emitter_emit(&w->out, &event);
}

static int emit_document(struct writer *w, const struct hv_object *obj)
{
	yaml_event_t event;
	return yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
	       yaml_emitter_emit(&w->out, &event) &&
	       yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
	       yaml_emitter_emit(&w->out, &event) && emit_object(w, obj) &&
	       yaml_document_end_event_initialize(&event, 1) &&
	       yaml_emitter_emit(&w->out, &event) && yaml_stream_end_event_initialize(&event) &&
	       yaml_emitter_emit(&w->out, &event);
}

static char *write_object(const struct hv_object *obj, enum hv_style style)
{
	struct text text = {0};
	struct writer w = {.style = style};
	if (!yaml_emitter_initialize(&w.out))
		return NULL;
	yaml_emitter_set_output(&w.out, append, &text);
	yaml_emitter_set_unicode(&w.out, 1);
	yaml_emitter_set_width(&w.out, -1);
	int ok = emit_document(&w, obj);
	yaml_emitter_delete(&w.out);
	text.failed |= !ok;
	return text_take(&text);
}

char *hv_object_to_yaml(const struct hv_object *obj)
{
	return write_object(obj, HV_EXACT);
}

char *hv_object_to_yaml_raw(const struct hv_object *obj)
{
	return write_object(obj, HV_RAW);
}
