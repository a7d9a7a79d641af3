/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sink of a session: picks printer and columns, sorts, reports. */
#include "shell/output.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct output *output_of(struct hv_sink *sink)
{
	return (struct output *)sink;
}

static bool given(const struct hv_object *options, const char *name)
{
	return hv_prop_find(options->props, name) && hv_has(options, name);
}

static enum output_format format_of(const struct output *output, const struct hv_object *options)
{
	static const char *const words[] = {"table", "wide", "json", "yaml", "csv", "name"};
	const char *word = given(options, "output") ? hv_get_string(options, "output") : "";
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcmp(words[i], word) == 0)
			return (enum output_format)i;
	}
	return output->preset;
}

static const struct output_printer *printer_of(enum output_format format, bool one)
{
	switch (format) {
	case OUTPUT_JSON:
		return &output_json;
	case OUTPUT_YAML:
		return &output_yaml;
	case OUTPUT_CSV:
		return &output_csv;
	case OUTPUT_NAME:
		return &output_name;
	default:
		return one ? &output_details : &output_table;
	}
}

/* ---- columns --------------------------------------------------------------------------------- */

static bool is_column(const struct hv_prop *prop, enum output_format format, bool one)
{
	bool table = format == OUTPUT_TABLE && !one;
	bool wide = format == OUTPUT_WIDE && !one;
	if (format == OUTPUT_NAME)
		return strcmp(prop->name, "host") == 0;
	if (prop->flags & HV_P_SECRET)
		return false;
	if (table)
		return prop->flags & HV_P_COLUMN;
	if (wide)
		return prop->flags & (HV_P_COLUMN | HV_P_WIDE);
	return one || !(prop->flags & HV_P_COSTLY);
}

static int unknown_column(const struct hv_prop *props, const char *name, struct hv_error *err)
{
	size_t n = hv_prop_count(props);
	const char **names = calloc(n + 1, sizeof *names);
	for (size_t i = 0; names && i < n; i++)
		names[i] = props[i].name;
	const char *near = names ? hv_nearest(name, names, n) : NULL;
	hv_fail(err, HV_USAGE, 0, "no property \"%s\" to print", name);
	if (near)
		hv_hint(err, "did you mean \"%s\"?", near);
	free(names);
	return -HV_USAGE;
}

static int choose_columns(struct output *output, enum output_format format,
			  const struct hv_object *options, struct hv_error *err)
{
	size_t n = hv_prop_count(output->props);
	const struct hv_list *list =
		given(options, "columns") ? hv_get_list(options, "columns") : NULL;
	free(output->columns);
	output->n_columns = 0;
	output->columns_given = list != NULL;
	output->columns = calloc((list ? list->n : 0) + n + 1, sizeof *output->columns);
	if (!output->columns)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	for (size_t i = 0; list && i < list->n; i++) {
		int index = hv_prop_index(output->props, list->strings[i]);
		if (index < 0)
			return unknown_column(output->props, list->strings[i], err);
		output->columns[output->n_columns++] = (size_t)index;
	}
	for (size_t i = 0; !list && i < n; i++) {
		if (i == 0 || is_column(&output->props[i], format, output->one))
			output->columns[output->n_columns++] = i;
	}
	return 0;
}

static int choose_sort(struct output *output, const struct hv_object *options, struct hv_error *err)
{
	output->sort_column = -1;
	if (!given(options, "sort"))
		return 0;
	const char *name = hv_get_string(options, "sort");
	output->sort_descending = name[0] == '-';
	output->sort_column = hv_prop_index(output->props, name + output->sort_descending);
	if (output->sort_column < 0)
		return unknown_column(output->props, name + output->sort_descending, err);
	return 0;
}

static int choose(struct output *output, const struct hv_prop *props, bool one,
		  const struct hv_object *options, struct hv_error *err)
{
	enum output_format format = format_of(output, options);
	output->props = props;
	output->one = one;
	output->no_header = given(options, "no_header") && hv_get_bool(options, "no_header");
	output->printer = printer_of(format, one);
	output->n_rows = 0;
	int rc = choose_columns(output, format, options, err);
	return rc < 0 ? rc : choose_sort(output, options, err);
}

/* ---- the sink -------------------------------------------------------------------------------- */

static void sink_wants(struct hv_sink *sink, const struct hv_prop *props, bool one,
		       const struct hv_object *options, bool *want)
{
	struct output *output = output_of(sink);
	struct hv_error ignored; /* begin() reports it */
	if (choose(output, props, one, options, &ignored) < 0)
		return;
	for (size_t i = 0; i < output->n_columns; i++)
		want[output->columns[i]] = true;
	if (output->sort_column >= 0)
		want[output->sort_column] = true;
}

static int sink_begin(struct hv_sink *sink, const struct hv_prop *props, bool one,
		      const struct hv_object *options, struct hv_error *err)
{
	struct output *output = output_of(sink);
	int rc = choose(output, props, one, options, err);
	return rc < 0 ? rc : output->printer->begin(output, err);
}

static int print_row(struct output *output, const struct hv_object *obj, struct hv_error *err)
{
	int rc = output->printer->row(output, obj, err);
	output->n_rows++;
	return rc;
}

static int keep_row(struct output *output, const struct hv_object *obj, struct hv_error *err)
{
	if (output->n_kept == output->kept_capacity) {
		size_t capacity = output->kept_capacity ? output->kept_capacity * 2 : 64;
		void *grown = reallocarray(output->kept, capacity, sizeof(void *));
		if (!grown)
			return hv_fail(err, HV_FAILED, 0, "out of memory");
		output->kept = grown;
		output->kept_capacity = capacity;
	}
	struct hv_object *copy = hv_object_clone(obj);
	if (!copy)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	output->kept[output->n_kept++] = copy;
	return 0;
}

static int sink_row(struct hv_sink *sink, const struct hv_object *obj, struct hv_error *err)
{
	struct output *output = output_of(sink);
	return output->sort_column >= 0 ? keep_row(output, obj, err) : print_row(output, obj, err);
}

static int compare_kept(const void *a, const void *b, void *ctx)
{
	const struct output *output = ctx;
	const struct hv_object *left = *(struct hv_object *const *)a;
	const struct hv_object *right = *(struct hv_object *const *)b;
	int column = output->sort_column;
	int order = hv_value_compare(&left->values[column], &right->values[column],
				     &output->props[column]);
	return output->sort_descending ? -order : order;
}

static int print_kept(struct output *output, struct hv_error *err)
{
	int rc = 0;
	if (output->n_kept > 1)
		qsort_r(output->kept, output->n_kept, sizeof(void *), compare_kept, output);
	for (size_t i = 0; i < output->n_kept; i++) {
		if (rc == 0)
			rc = print_row(output, output->kept[i], err);
		hv_object_free(output->kept[i]);
	}
	output->n_kept = 0;
	return rc;
}

/* Nobody reads on (hvsh … | head): end as every filter does, without a word. */
static int fail_write(struct hv_error *err)
{
	if (errno == EPIPE) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	return hv_fail(err, HV_FAILED, errno, "cannot write to standard output");
}

static int sink_end(struct hv_sink *sink, struct hv_error *err)
{
	struct output *output = output_of(sink);
	int rc = print_kept(output, err);
	int end = output->printer->end(output, rc < 0 ? NULL : err);
	if (rc == 0 && end == 0 && ferror(output->out))
		return fail_write(err);
	return rc < 0 ? rc : end;
}

static int sink_text(struct hv_sink *sink, const char *text, size_t len, struct hv_error *err)
{
	struct output *output = output_of(sink);
	if (fwrite(text, 1, len, output->out) != len)
		return fail_write(err);
	return 0;
}

static void sink_flush(struct hv_sink *sink)
{
	fflush(output_of(sink)->out);
}

static void sink_say(struct hv_sink *sink, bool what_if, const char *line)
{
	struct output *output = output_of(sink);
	FILE *to = what_if ? output->out : output->err;
	if (!what_if && (output->quiet || !output->interactive))
		return;
	output_clean(to, line);
	fputc('\n', to);
}

static void sink_complain(struct hv_sink *sink, const struct hv_error *err)
{
	output_error(output_of(sink), err);
}

static bool sink_confirm(struct hv_sink *sink, const char *question, const char *word)
{
	struct output *output = output_of(sink);
	char *answer = NULL;
	size_t size = 0;
	fflush(output->out);
	output_clean(output->err, question);
	fputs(": ", output->err);
	fflush(output->err);
	ssize_t len = getline(&answer, &size, stdin);
	bool ended = len > 0 && answer[len - 1] == '\n';
	if (ended)
		answer[len - 1] = '\0';
	else
		fputc('\n', output->err); /* Ctrl-C or Ctrl-D: the line is still open */
	clearerr(stdin);                  /* the end of one answer is not that of the next */
	bool same = len > 0 && strcmp(answer, word) == 0;
	free(answer);
	return same;
}

/* ---- the rest -------------------------------------------------------------------------------- */

void output_init(struct output *output, FILE *out, FILE *err, bool interactive)
{
	*output = (struct output){
		.sink = {.wants = sink_wants,
			 .begin = sink_begin,
			 .row = sink_row,
			 .end = sink_end,
			 .text = sink_text,
			 .flush = sink_flush,
			 .say = sink_say,
			 .complain = sink_complain,
			 .confirm = interactive ? sink_confirm : NULL},
		.out = out,
		.err = err,
		.interactive = interactive,
		.colour = isatty(fileno(out)) && !getenv("NO_COLOR"),
		.origin = "hvsh",
	};
}

void output_fini(struct output *output)
{
	free(output->columns);
	free(output->kept);
	output->columns = NULL;
	output->kept = NULL;
}

void output_clean(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		/* C0, DEL, and the C1 controls as UTF-8 writes them */
		bool c1 = c == 0xc2 && (unsigned char)text[1] >= 0x80 &&
			  (unsigned char)text[1] < 0xa0;
		if (c1)
			text++;
		fputc(c < 0x20 || c == 0x7f || c1 ? '?' : c, out);
	}
}

void output_error(struct output *output, const struct hv_error *err)
{
	fflush(output->out);
	fprintf(output->err, "%s: %s: ", output->origin, hv_code_name(err->code));
	output_clean(output->err, err->message);
	fputc('\n', output->err);
	if (err->hint[0]) {
		fputs("  ", output->err);
		output_clean(output->err, err->hint);
		fputc('\n', output->err);
	}
	fflush(output->err);
}
