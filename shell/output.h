/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Results of commands as text: tables for people; JSON, YAML, CSV and names for programs. One
 * output serves a whole session; its sink is what commands write to. Data goes to `out`, all else
 * to `err`.
 */
#ifndef HV_SHELL_OUTPUT_H
#define HV_SHELL_OUTPUT_H

#include <stdio.h>

#include "plugins/dispatch.h"

enum output_format { OUTPUT_TABLE, OUTPUT_WIDE, OUTPUT_JSON, OUTPUT_YAML, OUTPUT_CSV, OUTPUT_NAME };

struct output;

/* How a format prints; chosen when a listing begins. */
struct output_printer {
	int (*begin)(struct output *output, struct hv_error *err);
	int (*row)(struct output *output, const struct hv_object *obj, struct hv_error *err);
	int (*end)(struct output *output, struct hv_error *err);
};

struct output {
	struct hv_sink sink; /* first: calls come back with its address */
	FILE *out, *err;
	bool interactive; /* a person sees it: confirm, tell what was done */
	bool colour;
	bool quiet;
	enum output_format preset; /* where a command does not say */
	/* where errors are reported as from: "hvsh", "stdin:12" */
	char origin[256];

	/* the listing under way */
	const struct output_printer *printer;
	const struct hv_prop *props;
	bool one, no_header;
	size_t *columns; /* indices of props */
	size_t n_columns;
	bool columns_given;
	size_t n_rows;
	int sort_column; /* -1: as it comes */
	bool sort_descending;
	struct hv_object **kept; /* rows held back for sorting */
	size_t n_kept, kept_capacity;
	struct table_cells *cells; /* of a table, widths being known at its end */
};

void output_init(struct output *output, FILE *out, FILE *err, bool interactive);
void output_fini(struct output *output);
/* Reports an error once, as "origin: code: message", with its hint below. */
void output_error(struct output *output, const struct hv_error *err);

extern const struct output_printer output_table, output_details, output_json, output_yaml,
	output_csv, output_name;

/* Prints text from outside: control characters become '?', the rest stays. */
void output_clean(FILE *out, const char *text);

#endif
