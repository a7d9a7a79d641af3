/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The error record: filled once by the deepest layer, completed by whoever knows more. */
#include "engine/model/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	enum hv_code code;
	const char *name;
} code_names[] = {
	{HV_OK, "ok"},
	{HV_FAILED, "failed"},
	{HV_USAGE, "usage"},
	{HV_NOT_FOUND, "not-found"},
	{HV_CONFLICT, "conflict"},
	{HV_DENIED, "denied"},
	{HV_UNREACHABLE, "unreachable"},
	{HV_TIMEOUT, "timeout"},
	{HV_PARTIAL, "partial"},
	{HV_GUEST, "guest"},
	{HV_LIMIT, "limit"},
};

#define N_CODES (sizeof code_names / sizeof *code_names)

int hv_fail(struct hv_error *err, enum hv_code code, int sys, const char *fmt, ...)
{
	if (!err)
		return -(int)code;
	err->code = code;
	err->sys = sys;
	err->hint[0] = '\0';
	va_list args;
	va_start(args, fmt);
	vsnprintf(err->message, sizeof err->message, fmt, args);
	va_end(args);
	size_t used = strlen(err->message);
	if (sys)
		snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(sys));
	return -(int)code;
}

int hv_hint(struct hv_error *err, const char *fmt, ...)
{
	if (!err)
		return -HV_FAILED;
	va_list args;
	va_start(args, fmt);
	vsnprintf(err->hint, sizeof err->hint, fmt, args);
	va_end(args);
	return -(int)err->code;
}

int hv_within(struct hv_error *err, const char *fmt, ...)
{
	if (!err)
		return -HV_FAILED;
	char inner[sizeof err->message];
	memcpy(inner, err->message, sizeof inner);
	va_list args;
	va_start(args, fmt);
	vsnprintf(err->message, sizeof err->message, fmt, args);
	va_end(args);
	size_t used = strlen(err->message);
	snprintf(err->message + used, sizeof err->message - used, ": %s", inner);
	return -(int)err->code;
}

const char *hv_code_name(enum hv_code code)
{
	for (size_t i = 0; i < N_CODES; i++) {
		if (code_names[i].code == code)
			return code_names[i].name;
	}
	return "failed";
}

int hv_code_parse(const char *name)
{
	for (size_t i = 0; i < N_CODES; i++) {
		if (strcmp(code_names[i].name, name) == 0)
			return (int)code_names[i].code;
	}
	return -1;
}

enum hv_code hv_code_of(int sys)
{
	switch (sys) {
	case ENOENT:
		return HV_NOT_FOUND;
	case EACCES:
	case EPERM:
	case EROFS:
		return HV_DENIED;
	default:
		return HV_FAILED;
	}
}
