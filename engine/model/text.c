/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text that is put together piece by piece. */
#include "engine/model/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void text_init_fixed(struct text *text, char *buf, size_t size)
{
	*text = (struct text){.data = buf, .size = size, .fixed = true};
}

char *text_take(struct text *text)
{
	text_add_slow(text, "", 1);
	if (text->failed) {
		free(text->data);
		text->data = NULL;
	}
	char *data = text->data;
	*text = (struct text){0};
	return data;
}

size_t text_end_fixed(struct text *text)
{
	if (text->size > 0)
		text->data[text->len < text->size ? text->len : text->size - 1] = '\0';
	return text->len;
}

static void add_fixed(struct text *text, const char *data, size_t len)
{
	if (text->len < text->size) {
		size_t room = text->size - text->len;
		memcpy(text->data + text->len, data, len < room ? len : room);
	}
	text->len += len;
}

void text_add_slow(struct text *text, const char *data, size_t len)
{
	if (text->fixed) {
		add_fixed(text, data, len);
		return;
	}
	if (text->failed)
		return;
	size_t need = text->len + len + 1;
	if (need > text->size) {
		size_t size = text->size * 2 > need ? text->size * 2 : need + 240;
		char *grown = realloc(text->data, size);
		if (!grown) {
			text->failed = true;
			return;
		}
		text->data = grown;
		text->size = size;
	}
	memcpy(text->data + text->len, data, len);
	text->len += len;
}

void text_printf(struct text *text, const char *fmt, ...)
{
	char buf[256];
	va_list args;
	va_start(args, fmt);
	int len = vsnprintf(buf, sizeof buf, fmt, args);
	va_end(args);
	if (len > 0)
		text_add(text, buf, (size_t)len < sizeof buf ? (size_t)len : sizeof buf - 1);
}

void text_int(struct text *text, int64_t value)
{
	char digits[24];
	char *at = digits + sizeof digits;
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
	do {
		*--at = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (value < 0)
		*--at = '-';
	text_add(text, at, (size_t)(digits + sizeof digits - at));
}

void text_number(struct text *text, double value)
{
	if (value > -1e15 && value < 1e15 && value == (double)(int64_t)value) {
		text_int(text, (int64_t)value);
		return;
	}
	char buf[40];
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(buf, sizeof buf, "%.*g", digits, value);
		if (strtod(buf, NULL) == value)
			break;
	}
	text_str(text, buf);
}

size_t text_utf8_length(const char *bytes)
{
	const unsigned char *p = (const unsigned char *)bytes;
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
	if (len == 1)
		return 1;
	if (*p < 0xc2 || *p > 0xf4)
		return 0;
	unsigned code = *p & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return len;
}
