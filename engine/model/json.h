/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pieces of JSON, for whoever writes more than one object; within hvsh only. */
#ifndef HV_MODEL_JSON_H
#define HV_MODEL_JSON_H

#include "engine/model/object.h"
#include "engine/model/text.h"

/* Quoted; what is not UTF-8 becomes the replacement character. */
void json_add_string(struct text *text, const char *string);
/* Unknown and absent values are null. */
void json_add_value(struct text *text, const struct hv_value *value, const struct hv_prop *prop);
void json_add_object(struct text *text, const struct hv_object *obj);

#endif
