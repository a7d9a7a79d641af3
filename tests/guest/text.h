/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Strings, numbers and a small print() for the serial console. */
#ifndef GUEST_TEXT_H
#define GUEST_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int value, size_t len);
int memcmp(const void *a, const void *b, size_t len);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
const char *strstr(const char *s, const char *what);

/* %s %c %d %u %x with l and a width (0 fills), %% . */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int format(char *to, size_t len, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* "why" of the command that runs; returns -1, so that a command can `return fail(...)`. */
int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Decimal, 0x hexadecimal, suffixes K M G. */
bool parse_number(const char *s, uint64_t *value);

/* Reproducible pseudo-random numbers (splitmix64). */
uint64_t random_next(uint64_t *state);

#endif
