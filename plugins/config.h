/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Settings of hvsh itself: one table; each value comes from the first of option, environment
 * (HVSH_NAME), the user's file, the system's file and the preset. Read once at start.
 */
#ifndef HV_PLUGINS_CONFIG_H
#define HV_PLUGINS_CONFIG_H

#include "engine/model/object.h"

/* Reads files and environment. HV_USAGE with file, line and column for a wrong one. */
int config_load(struct hv_error *err);
/* An option of the command line. */
int config_override(const char *name, const char *value, struct hv_error *err);
void config_free(void);

HV_PUBLIC const struct hv_prop *hv_config_table(void);
/* The values; valid until the program ends. */
HV_PUBLIC const struct hv_object *hv_config(void);
/* "option", "environment", a file's path, or "preset". */
HV_PUBLIC const char *hv_config_origin(const char *name);
/* Could hv_config_write() write it? HV_NOT_FOUND, HV_USAGE. */
HV_PUBLIC int hv_config_check(const char *name, const char *value, struct hv_error *err);
/* The byte that a key written like "^]" or "~" sends, or HV_USAGE. */
HV_PUBLIC int hv_config_key(const char *text, struct hv_error *err);
/* Writes one value into the user's file, keeping the others; value NULL: takes it out. */
HV_PUBLIC int hv_config_write(const char *name, const char *value, struct hv_error *err);

#endif
