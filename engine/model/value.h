/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the readers of values (text, JSON, YAML) share; within engine/model only. */
#ifndef HV_MODEL_VALUE_H
#define HV_MODEL_VALUE_H

#include "engine/model/object.h"

/* Takes element over, also on failure: an owned string or object. NULL counts as no memory. */
int value_list_add(struct hv_value *value, const struct hv_prop *prop, void *element);

/* HV_USAGE where a set value is out of its row's bounds. */
int value_check_bounds(const struct hv_value *value, const struct hv_prop *prop,
		       struct hv_error *err);

/* HV_USAGE "unknown property 'x' of a disk", with the nearest as hint. */
int value_fail_unknown(const struct hv_prop *table, const struct hv_kind *kind, const char *name,
		       struct hv_error *err);

/* The row that a word without '=' means, NULL where there is none. */
const struct hv_prop *value_bare_row(const struct hv_prop *table);

int value_parse_list(struct hv_value *value, const struct hv_prop *prop, const char *text,
		     struct hv_error *err);

#endif
