/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Objects: values in the order of a property table. An object belongs to whoever holds the pointer;
 * it is not shared between threads. A value is absent (not said), unknown (asked for, but the host
 * cannot tell) or set.
 */
#ifndef HV_MODEL_OBJECT_H
#define HV_MODEL_OBJECT_H

#include "engine/model/kind.h"

enum hv_presence { HV_ABSENT, HV_UNKNOWN, HV_SET };

struct hv_object;

struct hv_list {
	size_t n;
	union {
		char **strings;
		struct hv_object **objects;
	};
};

struct hv_value {
	enum hv_presence presence;
	union {
		int64_t integer;  /* INT SIZE BOOL TIME */
		double number;    /* DURATION RATE PERCENT */
		char *string;     /* STRING REF; owned */
		const char *word; /* ENUM: one of the row's choices */
		struct hv_list list;
	};
};

struct hv_object {
	const struct hv_kind *kind;  /* NULL for parsed options and arguments */
	const struct hv_prop *props; /* kind->props, or the command's table */
	size_t n_values;
	struct hv_value values[];
};

HV_PUBLIC struct hv_object *hv_object_new(const struct hv_kind *kind); /* NULL: no memory */
HV_PUBLIC struct hv_object *hv_object_new_for(const struct hv_prop *table);
HV_PUBLIC struct hv_object *hv_object_clone(const struct hv_object *obj);
HV_PUBLIC void hv_object_free(struct hv_object *obj); /* accepts NULL */
/* Copies every value that from has set over obj's; both of one table. */
HV_PUBLIC int hv_object_merge(struct hv_object *obj, const struct hv_object *from,
			      struct hv_error *err);
/* What a definition says: the name and every set value that may be set, in child objects too. */
HV_PUBLIC struct hv_object *hv_object_definition(const struct hv_object *obj);
/* Fills in the rows' presets where nothing is set, in child objects too. */
HV_PUBLIC int hv_object_preset(struct hv_object *obj, struct hv_error *err);
/* HV_USAGE where a required value is missing or one is out of its bounds. */
HV_PUBLIC int hv_object_check(const struct hv_object *obj, struct hv_error *err);

/* Copies what `from` has set over obj wherever their tables have a row of that name and type; lists
 * of one kind of objects belong together whatever they are called (`disks` and the option `disk`).
 */
HV_PUBLIC int hv_object_project(struct hv_object *obj, const struct hv_object *from,
				struct hv_error *err);
/* Copies one set value; both of one table. */
HV_PUBLIC int hv_object_copy_value(struct hv_object *obj, const struct hv_object *from,
				   size_t index);

/* By name; a name that is not in the table is our own bug and asserts. Getters give NULL, 0, false
 * where the value is absent or unknown. */
HV_PUBLIC bool hv_has(const struct hv_object *obj, const char *name);
HV_PUBLIC const struct hv_value *hv_get(const struct hv_object *obj, const char *name);
HV_PUBLIC const char *hv_get_string(const struct hv_object *obj,
				    const char *name); /* and ENUM, REF */
HV_PUBLIC int64_t hv_get_int(const struct hv_object *obj, const char *name);
HV_PUBLIC double hv_get_number(const struct hv_object *obj, const char *name);
HV_PUBLIC bool hv_get_bool(const struct hv_object *obj, const char *name);
HV_PUBLIC const struct hv_list *hv_get_list(const struct hv_object *obj, const char *name);
HV_PUBLIC const char *hv_object_name(const struct hv_object *obj); /* props[0] */

/* Setters copy; strings for ENUM must be one of the choices. -HV_FAILED without memory. */
HV_PUBLIC int hv_set_string(struct hv_object *obj, const char *name, const char *value);
HV_PUBLIC int hv_set_int(struct hv_object *obj, const char *name, int64_t value);
HV_PUBLIC int hv_set_number(struct hv_object *obj, const char *name, double value);
HV_PUBLIC int hv_set_unknown(struct hv_object *obj, const char *name);
HV_PUBLIC void hv_unset(struct hv_object *obj, const char *name);
/* A list that is set, with nothing in it yet; one that is set already stays. */
HV_PUBLIC int hv_set_empty_list(struct hv_object *obj, const char *name);
HV_PUBLIC int hv_list_add_string(struct hv_object *obj, const char *name, const char *value);
/* Takes the child over, also on failure. */
HV_PUBLIC int hv_list_add_object(struct hv_object *obj, const char *name, struct hv_object *child);

/*
 * Text in and out of one value by its row: "4G", "yes", "running"; HV_USAGE with the choices,
 * bounds or form expected. A HV_LIST is added to: text split at commas for strings, and
 * "key=value,key=value" for objects, where ';' separates several, a word without '=' in front is
 * the kind's first required property besides its name ("br0,queues=4"), and a list within takes its
 * key several times. A backslash before ',', ';' or itself makes it part of the value.
 */
HV_PUBLIC int hv_value_parse(struct hv_value *value, const struct hv_prop *prop, const char *text,
			     struct hv_error *err);
enum hv_style {
	HV_HUMAN, /* 4G, 3d 2h, 61% */
	HV_EXACT, /* parses back to the same value; as people write it: 1536M, 60s, yes */
	HV_RAW,   /* likewise, for programs: bytes, seconds, true */
};
/* Into buf, always ended; returns the length that the whole text needs. Absent gives "", unknown
 * "unknown". */
HV_PUBLIC size_t hv_value_format(const struct hv_value *value, const struct hv_prop *prop,
				 enum hv_style style, char *buf, size_t size);
HV_PUBLIC int hv_value_compare(const struct hv_value *a, const struct hv_value *b,
			       const struct hv_prop *prop);
HV_PUBLIC void hv_value_clear(struct hv_value *value, const struct hv_prop *prop);

/* JSON and YAML, by the tables. JSON uses raw units (bytes, seconds). Readers refuse unknown and
 * duplicate keys and wrong types with LINE:COLUMN in the message. Returned text is owned by the
 * caller; NULL without memory. */
HV_PUBLIC char *hv_object_to_json(const struct hv_object *obj);
HV_PUBLIC struct hv_object *hv_object_from_json(const struct hv_kind *kind, const char *text,
						size_t len, struct hv_error *err);
HV_PUBLIC char *hv_object_to_yaml(const struct hv_object *obj);     /* values as HV_EXACT */
HV_PUBLIC char *hv_object_to_yaml_raw(const struct hv_object *obj); /* as HV_RAW */
HV_PUBLIC struct hv_object *hv_object_from_yaml(const struct hv_kind *kind, const char *text,
						size_t len, const char *source_name,
						struct hv_error *err);

/* A filter: name op value {and|or|not} (…), ops = != < <= > >= ~ (glob); label.KEY reaches into a
 * list of KEY=VALUE strings called labels. */
struct hv_where;
HV_PUBLIC struct hv_where *hv_where_parse(const struct hv_prop *table, const char *text,
					  struct hv_error *err);
HV_PUBLIC bool hv_where_match(const struct hv_where *where, const struct hv_object *obj);
/* Sets want[i] for each property that the filter reads. */
HV_PUBLIC void hv_where_wants(const struct hv_where *where, bool *want);
HV_PUBLIC void hv_where_free(struct hv_where *where);

#endif
