/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Strings, numbers, printing: what a freestanding program has to bring along. */
#include "tests/guest/text.h"
#include "tests/guest/serial.h"
#include "tests/guest/shell.h"

void *memcpy(void *to, const void *from, size_t len)
{
	void *start = to;

	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
	return start;
}

void *memmove(void *to, const void *from, size_t len)
{
	uint8_t *d = to;
	const uint8_t *s = from;

	if (d <= s || d >= s + len)
		return memcpy(to, from, len);
	while (len--)
		d[len] = s[len];
	return to;
}

void *memset(void *to, int value, size_t len)
{
	void *start = to;

	asm volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(value) : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;

	for (; len; len--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, ~0ul);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n && *a && *a == *b; n--, a++, b++)
		;
	return n ? (uint8_t)*a - (uint8_t)*b : 0;
}

const char *strstr(const char *s, const char *what)
{
	for (size_t n = strlen(what); *s; s++)
		if (!strncmp(s, what, n))
			return s;
	return NULL;
}

/* Where formatted text goes: a buffer, what does not fit is dropped. */
struct sink {
	char *to;
	size_t len, used;
};

static void sink_put(struct sink *sink, char c)
{
	if (sink->used + 1 < sink->len)
		sink->to[sink->used++] = c;
}

static void sink_number(struct sink *sink, uint64_t value, unsigned base, int width, char filler)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	for (; width > n; width--)
		sink_put(sink, filler);
	while (n)
		sink_put(sink, digits[--n]);
}

static void sink_format(struct sink *sink, const char *fmt, va_list args)
{
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			sink_put(sink, *fmt);
			continue;
		}
		char filler = *++fmt == '0' ? '0' : ' ';
		int width = 0, longs = 0;
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + *fmt - '0';
		for (; *fmt == 'l'; fmt++)
			longs++;
		if (*fmt == 's') {
			const char *s = va_arg(args, const char *);
			for (; *s; s++, width--)
				sink_put(sink, *s);
			for (; width > 0; width--)
				sink_put(sink, ' ');
		} else if (*fmt == 'c') {
			sink_put(sink, (char)va_arg(args, int));
		} else if (*fmt == 'd') {
			int64_t v = longs ? va_arg(args, long) : va_arg(args, int);
			if (v < 0)
				sink_put(sink, '-');
			sink_number(sink, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, width, filler);
		} else if (*fmt == 'u' || *fmt == 'x') {
			uint64_t v = longs ? va_arg(args, unsigned long) : va_arg(args, unsigned);
			sink_number(sink, v, *fmt == 'u' ? 10 : 16, width, filler);
		} else {
			sink_put(sink, *fmt);
		}
	}
	if (sink->len)
		sink->to[sink->used] = 0;
}

int format(char *to, size_t len, const char *fmt, ...)
{
	struct sink sink = {.to = to, .len = len};
	va_list args;

	va_start(args, fmt);
	sink_format(&sink, fmt, args);
	va_end(args);
	return (int)sink.used;
}

void print(const char *fmt, ...)
{
	char line[512];
	struct sink sink = {.to = line, .len = sizeof(line)};
	va_list args;

	va_start(args, fmt);
	sink_format(&sink, fmt, args);
	va_end(args);
	serial_write(line, sink.used);
}

int fail(const char *fmt, ...)
{
	struct sink sink = {.to = shell_reason, .len = sizeof(shell_reason)};
	va_list args;

	va_start(args, fmt);
	sink_format(&sink, fmt, args);
	va_end(args);
	return -1;
}

bool parse_number(const char *s, uint64_t *value)
{
	unsigned base = 10;
	uint64_t v = 0;
	int n = 0;

	if (s[0] == '0' && s[1] == 'x')
		base = 16, s += 2;
	for (;; s++, n++) {
		unsigned digit = *s >= '0' && *s <= '9'                 ? *s - '0'
				 : base == 16 && *s >= 'a' && *s <= 'f' ? *s - 'a' + 10
									: 16;
		if (digit >= base)
			break;
		v = v * base + digit;
	}
	unsigned shift = *s == 'K' ? 10 : *s == 'M' ? 20 : *s == 'G' ? 30 : 0;
	*value = v << shift;
	s += shift != 0;
	return n && (!*s || *s == ' ');
}

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}
