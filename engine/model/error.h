/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The error record that every fallible function of hvsh fills: what failed, on which object, why,
 * and what to do next. It needs no allocation and crosses plugins and the wire field by field, so
 * that a remote failure reads as a local one.
 */
#ifndef HV_MODEL_ERROR_H
#define HV_MODEL_ERROR_H

#define HV_PUBLIC __attribute__((visibility("default")))
#define HV_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Up to HV_PARTIAL the value is also the exit status of hvsh. */
enum hv_code {
	HV_OK = 0,
	HV_FAILED = 1,
	HV_USAGE = 2,
	HV_NOT_FOUND = 3,
	HV_CONFLICT = 4, /* wrong state, or somebody else is changing the object */
	HV_DENIED = 5,
	HV_UNREACHABLE = 6,
	HV_TIMEOUT = 7,
	HV_PARTIAL = 8,
	/* Within the engine only; a caller maps them before they reach a person. */
	HV_GUEST = 64, /* the guest broke a protocol: reset the device */
	HV_LIMIT = 65, /* a bound was met */
};

struct hv_error {
	enum hv_code code;
	int sys;           /* errno, or 0 */
	char message[240]; /* lower case, the object in quotes, no full stop */
	char hint[160];    /* the next step, or "" */
};

/* Fills the record (err may be NULL) and returns -code; sys adds its strerror() to the message. */
HV_PUBLIC int hv_fail(struct hv_error *err, enum hv_code code, int sys, const char *fmt, ...)
	HV_PRINTF(4, 5);

/* Adds the remedy to a record that hv_fail() filled; returns -err->code. */
HV_PUBLIC int hv_hint(struct hv_error *err, const char *fmt, ...) HV_PRINTF(2, 3);

/* Puts "context: " before the message of a filled record; returns -err->code. */
HV_PUBLIC int hv_within(struct hv_error *err, const char *fmt, ...) HV_PRINTF(2, 3);

/* The word for a code: "failed", "usage", "not-found", … ; and back, -1 for an unknown word. */
/* What an errno about a file means to who named it. */
HV_PUBLIC enum hv_code hv_code_of(int sys);
HV_PUBLIC const char *hv_code_name(enum hv_code code);
HV_PUBLIC int hv_code_parse(const char *name);

#endif
