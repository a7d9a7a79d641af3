/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Results for programs: JSON, YAML and CSV (RFC 4180) with raw units, addresses alone. */
#include <stdlib.h>
#include <string.h>

#include "shell/output.h"

/* With --columns, a copy that has only those values; otherwise NULL. */
static struct hv_object *narrowed(const struct output *output, const struct hv_object *obj)
{
	if (!output->columns_given)
		return NULL;
	struct hv_object *copy = hv_object_clone(obj);
	for (size_t i = 0; copy && i < copy->n_values; i++) {
		bool wanted = false;
		for (size_t j = 0; j < output->n_columns && !wanted; j++)
			wanted = output->columns[j] == i;
		if (!wanted)
			hv_unset(copy, copy->props[i].name);
	}
	return copy;
}

static char *as_text(const struct output *output, const struct hv_object *obj,
		     char *(*convert)(const struct hv_object *))
{
	struct hv_object *copy = narrowed(output, obj);
	char *text = convert(copy ? copy : obj);
	hv_object_free(copy);
	return text;
}

static int json_begin(struct output *output, struct hv_error *err)
{
	(void)err;
	if (!output->one)
		fputc('[', output->out);
	return 0;
}

static int json_row(struct output *output, const struct hv_object *obj, struct hv_error *err)
{
	char *text = as_text(output, obj, hv_object_to_json);
	if (!text)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	if (!output->one)
		fputs(output->n_rows ? ",\n " : "\n ", output->out);
	fputs(text, output->out);
	free(text);
	return 0;
}

static int json_end(struct output *output, struct hv_error *err)
{
	(void)err;
	if (!output->one)
		fputs(output->n_rows ? "\n]" : "]", output->out);
	fputc('\n', output->out);
	return 0;
}

const struct output_printer output_json = {json_begin, json_row, json_end};

static int nothing(struct output *output, struct hv_error *err)
{
	(void)output, (void)err;
	return 0;
}

static int yaml_row(struct output *output, const struct hv_object *obj, struct hv_error *err)
{
	char *text = as_text(output, obj, hv_object_to_yaml_raw);
	if (!text)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	const char *lead = output->one ? "" : "- ";
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		fprintf(output->out, "%s%.*s\n", lead, (int)len, line);
		line += len + (line[len] == '\n');
		lead = output->one ? "" : "  ";
	}
	free(text);
	return 0;
}

static int yaml_end(struct output *output, struct hv_error *err)
{
	(void)err;
	if (!output->one && output->n_rows == 0)
		fputs("[]\n", output->out);
	return 0;
}

const struct output_printer output_yaml = {nothing, yaml_row, yaml_end};

static void put_csv(FILE *out, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static int csv_begin(struct output *output, struct hv_error *err)
{
	(void)err;
	for (size_t i = 0; !output->no_header && i < output->n_columns; i++) {
		put_csv(output->out, output->props[output->columns[i]].name);
		fputc(i + 1 < output->n_columns ? ',' : '\n', output->out);
	}
	return 0;
}

static int csv_row(struct output *output, const struct hv_object *obj, struct hv_error *err)
{
	for (size_t i = 0; i < output->n_columns; i++) {
		char small[256], *text = small;
		size_t column = output->columns[i];
		size_t need = hv_value_format(&obj->values[column], &obj->props[column], HV_RAW,
					      small, sizeof small);
		if (need >= sizeof small) {
			text = malloc(need + 1);
			if (!text)
				return hv_fail(err, HV_FAILED, 0, "out of memory");
			hv_value_format(&obj->values[column], &obj->props[column], HV_RAW, text,
					need + 1);
		}
		put_csv(output->out, text);
		fputc(i + 1 < output->n_columns ? ',' : '\n', output->out);
		if (text != small)
			free(text);
	}
	return 0;
}

const struct output_printer output_csv = {csv_begin, csv_row, nothing};

static int name_row(struct output *output, const struct hv_object *obj, struct hv_error *err)
{
	char address[512];
	(void)err;
	hv_object_address(obj, address, sizeof address);
	output_clean(output->out, address);
	fputc('\n', output->out);
	return 0;
}

const struct output_printer output_name = {nothing, name_row, nothing};
