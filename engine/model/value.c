/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text into values, by their rows. */
#include "engine/model/value.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "engine/model/text.h"

struct unit {
	const char *name;
	double factor;
};

static const struct unit size_units[] = {
	{"", 1},        {"b", 1},        {"k", 0x1p10},
	{"kb", 0x1p10}, {"kib", 0x1p10}, {"m", 0x1p20},
	{"mb", 0x1p20}, {"mib", 0x1p20}, {"g", 0x1p30},
	{"gb", 0x1p30}, {"gib", 0x1p30}, {"t", 0x1p40},
	{"tb", 0x1p40}, {"tib", 0x1p40}, {"p", 0x1p50},
	{"pb", 0x1p50}, {"pib", 0x1p50}, {0},
};

static const struct unit time_units[] = {
	{"ms", 1e-3}, {"s", 1},     {"m", 60},     {"min", 60},
	{"h", 3600},  {"d", 86400}, {"w", 604800}, {0},
};

/* The unit at *at, which it steps over; NULL: none of these. */
static const struct unit *read_unit(const struct unit *units, const char **at)
{
	size_t len = 0;
	while (isalpha((unsigned char)(*at)[len]))
		len++;
	for (const struct unit *u = units; u->name; u++) {
		if (strlen(u->name) == len && strncasecmp(u->name, *at, len) == 0) {
			*at += len;
			return u;
		}
	}
	return NULL;
}

/* A decimal number, with an exponent where a program wrote it: no sign, no "inf", no hexadecimal.
 */
static bool read_number(const char **at, double *number)
{
	if (!isdigit((unsigned char)**at) && **at != '.')
		return false;
	size_t len = strspn(*at, "0123456789.");
	if ((*at)[len] == 'e') {
		size_t sign = len + 1 + strspn(*at + len + 1, "+-");
		size_t exponent = strspn(*at + sign, "0123456789");
		len = exponent ? sign + exponent : len;
	}
	char digits[40];
	if (len >= sizeof digits)
		return false;
	memcpy(digits, *at, len);
	digits[len] = '\0';
	char *end;
	*number = strtod(digits, &end);
	*at += len;
	return *end == '\0' && end > digits && *number < 1e30;
}

static int parse_int(struct hv_value *value, const char *text, struct hv_error *err)
{
	char *end;
	errno = 0;
	bool hex = strncasecmp(text, "0x", 2) == 0;
	value->integer = strtoll(text, &end, hex ? 16 : 10);
	if (errno == ERANGE)
		return hv_fail(err, HV_USAGE, 0, "\"%.64s\" is too large a number", text);
	if (end == text || *end || isspace((unsigned char)*text))
		return hv_fail(err, HV_USAGE, 0, "\"%.64s\" is not a whole number", text);
	return 0;
}

static int parse_size(struct hv_value *value, const char *text, struct hv_error *err)
{
	const char *at = text;
	char *end;
	errno = 0;
	unsigned long long whole = strtoull(text, &end, 10);
	bool exact = isdigit((unsigned char)*text) && *end != '.' && *end != 'e' && errno == 0;
	double number = 0;
	const struct unit *unit = read_number(&at, &number) ? read_unit(size_units, &at) : NULL;
	if (!unit || *at) {
		hv_fail(err, HV_USAGE, 0, "\"%.64s\" is not a size", text);
		return hv_hint(err, "sizes look like 512M, 4G, 1.5T, or 4096 (bytes)");
	}
	if (number * unit->factor >= 0x1p63 || (!exact && errno))
		return hv_fail(err, HV_USAGE, 0, "\"%.64s\" is too large a size", text);
	value->integer = exact ? (int64_t)(whole * (unsigned long long)unit->factor)
			       : text_round(number * unit->factor);
	return 0;
}

static int parse_duration(struct hv_value *value, const char *text, struct hv_error *err)
{
	const char *at = text;
	double sum = 0, number;
	bool good = *at != '\0';
	while (good && *at) {
		good = read_number(&at, &number);
		const struct unit *unit = good ? read_unit(time_units, &at) : NULL;
		if (good && !unit) {
			/* a bare number is seconds, but only alone */
			good = *at == '\0' && sum == 0;
			unit = &time_units[1];
		}
		if (good)
			sum += number * unit->factor;
		at += strspn(at, " ");
	}
	if (!good || sum > 1e12) {
		hv_fail(err, HV_USAGE, 0, "\"%.64s\" is not a duration", text);
		return hv_hint(err, "durations look like 90s, 5m, 1h30m, 250ms, or 90 (seconds)");
	}
	value->number = sum;
	return 0;
}

static int parse_rate(struct hv_value *value, const char *text, struct hv_error *err)
{
	const char *at = text;
	double number = 0;
	const struct unit *unit = read_number(&at, &number) ? read_unit(size_units, &at) : NULL;
	if (!unit || (*at && strcmp(at, "/s") != 0)) {
		hv_fail(err, HV_USAGE, 0, "\"%.64s\" is not a rate", text);
		return hv_hint(err, "rates look like 100M/s or 5000");
	}
	value->number = number * unit->factor;
	return 0;
}

static int parse_percent(struct hv_value *value, const char *text, struct hv_error *err)
{
	const char *at = text;
	if (!read_number(&at, &value->number) || (*at && strcmp(at, "%") != 0))
		return hv_fail(err, HV_USAGE, 0, "\"%.64s\" is not a percentage", text);
	return 0;
}

static int parse_bool(struct hv_value *value, const char *text, struct hv_error *err)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcasecmp(words[i], text) == 0) {
			value->integer = i & 1;
			return 0;
		}
	}
	hv_fail(err, HV_USAGE, 0, "\"%.64s\" is neither yes nor no", text);
	return hv_hint(err, "write yes, no, true, false, on or off");
}

static int parse_enum(struct hv_value *value, const struct hv_prop *prop, const char *text,
		      struct hv_error *err)
{
	size_t n = 0;
	for (; prop->choices[n]; n++) {
		if (strcmp(prop->choices[n], text) == 0) {
			value->word = prop->choices[n];
			return 0;
		}
	}
	char all[160];
	struct text list;
	text_init_fixed(&list, all, sizeof all);
	for (size_t i = 0; i < n; i++) {
		text_str(&list, i == 0 ? "" : i + 1 == n ? " or " : ", ");
		text_str(&list, prop->choices[i]);
	}
	text_end_fixed(&list);
	hv_fail(err, HV_USAGE, 0, "\"%.40s\" is not one of %s", text, all);
	const char *nearest = hv_nearest(text, prop->choices, n);
	return nearest ? hv_hint(err, "did you mean \"%s\"?", nearest) : -HV_USAGE;
}

/* "2026-11-23T04:05:06Z", with a space for the T, local without the Z; down to a date; or seconds
 * since 1970. */
static int parse_time(struct hv_value *value, const char *text, struct hv_error *err)
{
	static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
					    "%Y-%m-%d %H:%M", "%Y-%m-%d"};
	const char *digits = *text == '@' ? text + 1 : text;
	char *end;
	errno = 0;
	value->integer = strtoll(digits, &end, 10);
	if (end > digits && *end == '\0' && errno == 0)
		return 0;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct tm tm = {.tm_isdst = -1};
		const char *rest = strptime(text, forms[i], &tm);
		if (!rest || (*rest && strcmp(rest, "Z") != 0))
			continue;
		value->integer = *rest ? timegm(&tm) : mktime(&tm);
		return 0;
	}
	hv_fail(err, HV_USAGE, 0, "\"%.64s\" is not a time", text);
	return hv_hint(err,
		       "times look like 2026-11-23T04:05:06Z, 2026-11-23 04:05, or 2026-11-23");
}

int value_check_bounds(const struct hv_value *value, const struct hv_prop *prop,
		       struct hv_error *err)
{
	if (value->presence != HV_SET || (prop->type != HV_INT && prop->type != HV_SIZE))
		return 0;
	if (prop->type == HV_SIZE && value->integer < 0)
		return hv_fail(err, HV_USAGE, 0, "%s cannot be negative", prop->name);
	if (prop->max == 0 || (value->integer >= prop->min && value->integer <= prop->max))
		return 0;
	char texts[3][32];
	const int64_t numbers[] = {value->integer, prop->min, prop->max};
	for (int i = 0; i < 3; i++) {
		struct hv_value v = {.presence = HV_SET, .integer = numbers[i]};
		hv_value_format(&v, prop, HV_EXACT, texts[i], sizeof texts[i]);
	}
	hv_fail(err, HV_USAGE, 0, "%s cannot be %s", prop->name, texts[0]);
	return hv_hint(err, "it must be between %s and %s", texts[1], texts[2]);
}

static int parse_string(struct hv_value *value, const char *text, struct hv_error *err)
{
	value->string = strdup(text);
	return value->string ? 0 : hv_fail(err, HV_FAILED, 0, "no memory for a value");
}

static int parse_scalar(struct hv_value *value, const struct hv_prop *prop, const char *text,
			struct hv_error *err)
{
	switch (prop->type) {
	case HV_INT:
		return parse_int(value, text, err);
	case HV_SIZE:
		return parse_size(value, text, err);
	case HV_DURATION:
		return parse_duration(value, text, err);
	case HV_RATE:
		return parse_rate(value, text, err);
	case HV_PERCENT:
		return parse_percent(value, text, err);
	case HV_BOOL:
		return parse_bool(value, text, err);
	case HV_ENUM:
		return parse_enum(value, prop, text, err);
	case HV_TIME:
		return parse_time(value, text, err);
	default:
		return parse_string(value, text, err);
	}
}

int hv_value_parse(struct hv_value *value, const struct hv_prop *prop, const char *text,
		   struct hv_error *err)
{
	if (prop->type == HV_LIST)
		return value_parse_list(value, prop, text, err);
	struct hv_value parsed = {.presence = HV_SET};
	int rc = parse_scalar(&parsed, prop, text, err);
	if (rc == 0)
		rc = value_check_bounds(&parsed, prop, err);
	else if (rc == -HV_USAGE)
		rc = hv_within(err, "%s", prop->name);
	if (rc < 0)
		return rc;
	hv_value_clear(value, prop);
	*value = parsed;
	return 0;
}
