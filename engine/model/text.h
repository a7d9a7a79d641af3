/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Text that is put together piece by piece: on the heap and growing, or into a caller's buffer and
 * cut off at its end. One that ran out of memory stays failed, so that only its end needs a check.
 */
#ifndef HV_MODEL_TEXT_H
#define HV_MODEL_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "engine/model/error.h"

struct text {
	char *data;
	size_t len;  /* of the whole text, beyond size too where fixed */
	size_t size; /* of data */
	bool fixed, failed;
};

/* A zeroed struct text grows on the heap. */
void text_init_fixed(struct text *text, char *buf, size_t size);
/* The text, ended, owned by the caller; NULL where memory ran out. */
char *text_take(struct text *text);
/* Ends a fixed text; returns the length that the whole needs. */
size_t text_end_fixed(struct text *text);

void text_add_slow(struct text *text, const char *data, size_t len);
void text_printf(struct text *text, const char *fmt, ...) HV_PRINTF(2, 3);
void text_int(struct text *text, int64_t value);
/* The shortest form that reads back to the same number; whole numbers without a point. */
void text_number(struct text *text, double value);

/* The length of the valid UTF-8 sequence at bytes, 0 where there is none. */
size_t text_utf8_length(const char *bytes);

/* To the nearest whole number; ours, since libm would cost every start of hvsh its loading. */
static inline int64_t text_round(double value)
{
	if (value != value)
		return 0;
	if (value >= 0x1p63)
		return INT64_MAX;
	return value <= -0x1p63 ? INT64_MIN : (int64_t)(value < 0 ? value - 0.5 : value + 0.5);
}

static inline void text_add(struct text *text, const char *data, size_t len)
{
	if (!text->fixed && len < text->size - text->len) {
		memcpy(text->data + text->len, data, len);
		text->len += len;
		return;
	}
	text_add_slow(text, data, len);
}

static inline void text_str(struct text *text, const char *str)
{
	text_add(text, str, strlen(str));
}

static inline void text_char(struct text *text, char c)
{
	text_add(text, &c, 1);
}

#endif
