/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values into text, for a person or exactly, and their order. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/model/text.h"
#include "engine/model/value.h"

static const char size_letters[] = "\0KMGTPE";

static void format_size(struct text *text, int64_t size, enum hv_style style)
{
	int unit = 0;
	double scaled = (double)size;
	if (style == HV_EXACT) {
		while (size != 0 && size % 1024 == 0 && unit < 6) {
			size /= 1024;
			unit++;
		}
		text_int(text, size);
	} else {
		for (; (scaled >= 1023.95 || scaled <= -1023.95) && unit < 6; unit++)
			scaled /= 1024;
		/* one decimal, up to 100 */
		double grain = scaled < 100 ? 10 : 1;
		text_number(text, (double)text_round(scaled * grain) / grain);
	}
	if (unit > 0)
		text_char(text, size_letters[unit]);
}

/* The two largest units that are not empty: "3d 2h", "5m 10s". */
static void format_duration(struct text *text, double seconds)
{
	static const struct {
		int64_t factor;
		char letter;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	if (seconds < 0) {
		text_char(text, '-');
		seconds = -seconds;
	}
	if (seconds < 60) {
		if (seconds < 1 && seconds > 0)
			text_printf(text, "%.3gms", seconds * 1e3);
		else
			text_printf(text, "%.3gs", seconds);
		return;
	}
	int64_t rest = seconds < 1e15 ? (int64_t)seconds : (int64_t)1e15;
	int shown = 0;
	for (size_t i = 0; i < 4 && shown < 2; i++) {
		int64_t count = rest / units[i].factor;
		rest %= units[i].factor;
		if (count == 0) {
			shown += shown > 0;
			continue;
		}
		text_str(text, shown ? " " : "");
		text_int(text, count);
		text_char(text, units[i].letter);
		shown++;
	}
}

static void format_rate(struct text *text, double rate, enum hv_style style)
{
	if (style == HV_EXACT || rate < 1000) {
		text_number(text, style == HV_EXACT ? rate : (double)text_round(rate * 10) / 10);
	} else {
		format_size(text, text_round(rate), HV_HUMAN);
	}
	text_str(text, "/s");
}

static void format_time(struct text *text, int64_t when, enum hv_style style)
{
	time_t t = (time_t)when;
	struct tm tm;
	char buf[64];
	bool exact = style == HV_EXACT;
	if (!(exact ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)) || tm.tm_year > 8099 ||
	    tm.tm_year < -900) {
		text_char(text, '@');
		text_int(text, when);
		return;
	}
	strftime(buf, sizeof buf, exact ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d %H:%M:%S", &tm);
	text_str(text, buf);
}

/* Without control characters (also C1 in UTF-8): text from outside cannot move the cursor. */
static void format_clean(struct text *text, const char *string)
{
	const unsigned char *at = (const unsigned char *)string;
	const unsigned char *from = at;
	for (; *at; at++) {
		bool c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;
		if (*at >= 0x20 && *at != 0x7f && !c1)
			continue;
		text_add(text, (const char *)from, (size_t)(at - from));
		text_char(text, *at == '\n' || *at == '\t' ? ' ' : '?');
		at += c1;
		from = at + 1;
	}
	text_add(text, (const char *)from, (size_t)(at - from));
}

static void add_escaped(struct text *text, const char *string)
{
	for (; *string; string++) {
		if (strchr(",;\\", *string))
			text_char(text, '\\');
		text_char(text, *string);
	}
}

static void format_value(struct text *text, const struct hv_value *value,
			 const struct hv_prop *prop, enum hv_style style);

/* "image=/a.raw,read_only=yes": what can be given in this form. */
static void format_members(struct text *text, const struct hv_object *obj)
{
	bool first = true;
	for (size_t i = 0; i < obj->n_values; i++) {
		const struct hv_prop *row = &obj->props[i];
		if (obj->values[i].presence != HV_SET || row->set == HV_SET_NEVER)
			continue;
		struct text inner = {0};
		format_value(&inner, &obj->values[i], row, HV_EXACT);
		char *plain = text_take(&inner);
		text_str(text, first ? "" : ",");
		text_str(text, row->name);
		text_char(text, '=');
		add_escaped(text, plain ? plain : "");
		first = false;
		text->failed |= !plain && !text->fixed;
		free(plain);
	}
}

static void format_element(struct text *text, const struct hv_list *list, size_t i,
			   const struct hv_prop *prop, enum hv_style style)
{
	if (prop->of && style != HV_HUMAN)
		format_members(text, list->objects[i]);
	else if (prop->of)
		format_clean(text, hv_object_name(list->objects[i]) ?: "?");
	else if (style != HV_HUMAN)
		add_escaped(text, list->strings[i]);
	else
		format_clean(text, list->strings[i]);
}

static void format_list(struct text *text, const struct hv_list *list, const struct hv_prop *prop,
			enum hv_style style)
{
	for (size_t i = 0; i < list->n; i++) {
		if (i > 0)
			text_char(text, prop->of && style != HV_HUMAN ? ';' : ',');
		format_element(text, list, i, prop, style);
	}
}

/* The numbers alone. false: there is none, the exact form serves. */
static bool format_raw(struct text *text, const struct hv_value *value, const struct hv_prop *prop)
{
	switch (prop->type) {
	case HV_SIZE:
	case HV_TIME:
		text_int(text, value->integer);
		return true;
	case HV_DURATION:
	case HV_RATE:
	case HV_PERCENT:
		text_number(text, value->number);
		return true;
	case HV_BOOL:
		text_str(text, value->integer ? "true" : "false");
		return true;
	default:
		return false;
	}
}

static void format_value(struct text *text, const struct hv_value *value,
			 const struct hv_prop *prop, enum hv_style style)
{
	if (style == HV_RAW && format_raw(text, value, prop))
		return;
	switch (prop->type) {
	case HV_INT:
		text_int(text, value->integer);
		break;
	case HV_SIZE:
		format_size(text, value->integer, style);
		break;
	case HV_DURATION:
		if (style == HV_EXACT) {
			text_number(text, value->number);
			text_char(text, 's');
		} else {
			format_duration(text, value->number);
		}
		break;
	case HV_RATE:
		format_rate(text, value->number, style);
		break;
	case HV_PERCENT:
		text_number(text,
			    style == HV_EXACT ? value->number : (double)text_round(value->number));
		text_char(text, '%');
		break;
	case HV_BOOL:
		text_str(text, value->integer ? "yes" : "no");
		break;
	case HV_ENUM:
		text_str(text, value->word);
		break;
	case HV_TIME:
		format_time(text, value->integer, style);
		break;
	case HV_LIST:
		format_list(text, &value->list, prop, style);
		break;
	default:
		if (style != HV_HUMAN)
			text_str(text, value->string);
		else
			format_clean(text, value->string);
	}
}

size_t hv_value_format(const struct hv_value *value, const struct hv_prop *prop,
		       enum hv_style style, char *buf, size_t size)
{
	struct text text;
	text_init_fixed(&text, buf, size);
	if (value->presence == HV_UNKNOWN)
		text_str(&text, "unknown");
	else if (value->presence == HV_SET)
		format_value(&text, value, prop, style);
	return text_end_fixed(&text);
}

static int order(double a, double b)
{
	return (a > b) - (a < b);
}

static int compare_lists(const struct hv_list *a, const struct hv_list *b,
			 const struct hv_prop *prop)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		const char *left = prop->of ? hv_object_name(a->objects[i]) : a->strings[i];
		const char *right = prop->of ? hv_object_name(b->objects[i]) : b->strings[i];
		int rc = strverscmp(left ?: "", right ?: "");
		if (rc)
			return rc;
	}
	return (a->n > b->n) - (a->n < b->n);
}

static int compare_words(const char *a, const char *b, const struct hv_prop *prop)
{
	for (const char *const *choice = prop->choices; *choice && a != b; choice++) {
		if (*choice == a)
			return -1;
		if (*choice == b)
			return 1;
	}
	return 0;
}

int hv_value_compare(const struct hv_value *a, const struct hv_value *b, const struct hv_prop *prop)
{
	if (a->presence != HV_SET || b->presence != HV_SET)
		return (int)a->presence - (int)b->presence;
	switch (prop->type) {
	case HV_INT:
	case HV_SIZE:
	case HV_BOOL:
	case HV_TIME:
		return (a->integer > b->integer) - (a->integer < b->integer);
	case HV_DURATION:
	case HV_RATE:
	case HV_PERCENT:
		return order(a->number, b->number);
	case HV_ENUM:
		return compare_words(a->word, b->word, prop);
	case HV_LIST:
		return compare_lists(&a->list, &b->list, prop);
	default:
		return strverscmp(a->string, b->string);
	}
}
