/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Kinds: what hvsh knows about hosts, VMs and their parts, as tables. A row is written once;
 * validation, columns, filters, completion, JSON and YAML, the JSON Schema, screens, the remote
 * protocol and the reference manual all come from it. The same row type describes the options and
 * arguments of commands.
 *
 * Tables are constants; none of these calls locks.
 */
#ifndef HV_MODEL_KIND_H
#define HV_MODEL_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/model/error.h"

enum hv_type {
	HV_END = 0, /* closes a table */
	HV_STRING,
	HV_INT,
	HV_SIZE,     /* bytes; "512M", "4G" (powers of 1024) */
	HV_DURATION, /* seconds, fractions allowed; "90s", "5m", "1h30m" */
	HV_RATE,     /* a second: bytes or events, as unit says */
	HV_PERCENT,
	HV_BOOL, /* yes no true false on off */
	HV_ENUM, /* one of choices */
	HV_TIME, /* seconds since 1970; shown as local time */
	HV_REF,  /* the name of an object of kind `of` */
	HV_LIST, /* of strings, or of objects of kind `of` */
};

enum hv_settable { HV_SET_NEVER, HV_SET_AT_CREATE, HV_SET_STOPPED, HV_SET_ALWAYS };

enum hv_prop_flag {
	HV_P_COLUMN = 1 << 0,   /* in the default table */
	HV_P_WIDE = 1 << 1,     /* in the wide table too */
	HV_P_REQUIRED = 1 << 2, /* must be given: a definition's key, a command's argument */
	HV_P_PATH = 1 << 3,     /* a file of the host: completes as a path */
	HV_P_COSTLY = 1 << 4,   /* read only when asked for by name or by `show` */
	HV_P_SECRET = 1 << 5,   /* never in history, logs or listings */
	HV_P_MANY = 1 << 6, /* an argument or option that may be repeated (type HV_LIST, or HV_REF
			       with globs) */
	HV_P_FLAG = 1 << 7, /* an option without a value: --name, --no-name (type HV_BOOL) */
	HV_P_REST = 1 << 8, /* an argument that takes all remaining words as they stand */
};

struct hv_prop {
	const char *name; /* snake_case; the option is the same with '-' */
	enum hv_type type;
	const char *help; /* one line, lower case, no full stop */
	enum hv_settable set;
	unsigned flags;
	const char *of;             /* HV_REF, HV_LIST: a kind's name; NULL: strings */
	const char *const *choices; /* HV_ENUM: ended by NULL */
	int64_t min, max;           /* of HV_INT and HV_SIZE; max 0: no bounds */
	const char *unit;           /* for a person: "pages", "packets/s" */
	const char *preset;         /* the value where none is given, as text; NULL: none */
	/* optional: more values than choices for completion; calls add(ctx, value, description) */
	void (*complete)(const char *prefix, void (*add)(void *ctx, const char *, const char *),
			 void *ctx);
};

enum hv_effect {
	HV_READS,
	HV_CHANGES_STATE, /* start, pause */
	HV_CHANGES_DATA,  /* create, edit */
	HV_DESTROYS,      /* delete, kill: asks on a terminal, needs --yes elsewhere */
};

/* Something that can be done to an object of a kind, whoever provides it. */
struct hv_method {
	const char *name; /* "start" */
	const char *help;
	enum hv_effect effect;
	const struct hv_prop *args; /* NULL: none */
	const char *const
		*from_states; /* NULL: any; otherwise HV_CONFLICT names the state and these */
	const char *to_state; /* NULL: unchanged */
	const char *inverse;  /* the method that undoes it, or NULL */
};

struct hv_kind {
	const char *name;   /* "vm" */
	const char *plural; /* "vms" */
	const char *help;
	const char *owner; /* kind that objects belong to ("vm" for disks), NULL for hosts */
	const struct hv_prop *props;     /* props[0] is the name */
	const struct hv_method *methods; /* ended by a NULL name; NULL: none */
};

/* Adds a plugin's kind while plugins load; the table is constant afterwards. HV_CONFLICT for a name
 * that is taken. */
HV_PUBLIC int hv_kind_add(const struct hv_kind *kind, struct hv_error *err);
void hv_kind_remove(const struct hv_kind *kind);

/* The kinds of the project, and those that plugins added. NULL when unknown; plural names are found
 * too. */
HV_PUBLIC const struct hv_kind *hv_kind_find(const char *name);
HV_PUBLIC size_t hv_kind_count(void);
HV_PUBLIC const struct hv_kind *hv_kind_at(size_t index);

/* The row and its index; '-' and '_' are the same, and a list is found by its singular too ("disk"
 * for disks). NULL / -1 when unknown. */
HV_PUBLIC const struct hv_prop *hv_prop_find(const struct hv_prop *table, const char *name);
HV_PUBLIC int hv_prop_index(const struct hv_prop *table, const char *name);
HV_PUBLIC size_t hv_prop_count(const struct hv_prop *table);
HV_PUBLIC const char *hv_type_name(enum hv_type type);
HV_PUBLIC const struct hv_method *hv_method_find(const struct hv_kind *kind, const char *name);

/* The names nearest to a mistyped word (edit distance at most a third of its length); NULL if none.
 */
HV_PUBLIC const char *hv_nearest(const char *word, const char *const *candidates, size_t n);

#endif
