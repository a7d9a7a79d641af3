/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables for people: columns as wide as their widest cell; and one object as a list of properties.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "shell/output.h"

/* Every cell's text, row by row, behind one another with their ends marked by NUL. */
struct table_cells {
	char *text;
	size_t len, size;
	unsigned *widths;
};

static size_t display_width(const char *text)
{
	size_t width = 0;
	mbstate_t state = {0};
	while (*text) {
		wchar_t wide;
		size_t used = mbrtowc(&wide, text, 16, &state);
		if (used == (size_t)-1 || used == (size_t)-2 || used == 0) {
			memset(&state, 0, sizeof state);
			used = 1;
			width++;
		} else {
			int columns = wcwidth(wide);
			width += columns > 0 ? (size_t)columns : 0;
		}
		text += used;
	}
	return width;
}

static bool is_plain_ascii(const char *text)
{
	for (; *text; text++) {
		if (*text < 0x20 || *text > 0x7e)
			return false;
	}
	return true;
}

static size_t clean_width(char *text)
{
	if (is_plain_ascii(text))
		return strlen(text);
	for (char *c = text; *c; c++) {
		unsigned char byte = (unsigned char)*c;
		bool c1 = byte == 0xc2 && (unsigned char)c[1] >= 0x80 && (unsigned char)c[1] < 0xa0;
		if (c1)
			*c = c[1] = '?';
		if (byte < 0x20 || byte == 0x7f)
			*c = '?';
	}
	return display_width(text);
}

static bool reserve(struct table_cells *cells, size_t more)
{
	if (cells->len + more <= cells->size)
		return true;
	size_t size = (cells->len + more) * 2 + 4096;
	char *grown = realloc(cells->text, size);
	if (!grown)
		return false;
	cells->text = grown;
	cells->size = size;
	return true;
}

static bool add_cell(struct table_cells *cells, size_t column, const struct hv_value *value,
		     const struct hv_prop *prop)
{
	if (!reserve(cells, 64))
		return false;
	size_t room = cells->size - cells->len;
	size_t need = hv_value_format(value, prop, HV_HUMAN, cells->text + cells->len, room);
	if (need >= room) {
		if (!reserve(cells, need + 1))
			return false;
		hv_value_format(value, prop, HV_HUMAN, cells->text + cells->len, need + 1);
	}
	if (value->presence == HV_ABSENT || need == 0) {
		strcpy(cells->text + cells->len, "-");
		need = 1;
	}
	size_t width = clean_width(cells->text + cells->len);
	if (width > cells->widths[column])
		cells->widths[column] = (unsigned)width;
	cells->len += need + 1;
	return true;
}

static void free_cells(struct output *output)
{
	if (!output->cells)
		return;
	free(output->cells->text);
	free(output->cells->widths);
	free(output->cells);
	output->cells = NULL;
}

static int table_begin(struct output *output, struct hv_error *err)
{
	free_cells(output);
	struct table_cells *cells = calloc(1, sizeof *cells);
	output->cells = cells;
	if (cells)
		cells->widths = calloc(output->n_columns + 1, sizeof *cells->widths);
	if (!cells || !cells->widths)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	for (size_t i = 0; !output->no_header && i < output->n_columns; i++)
		cells->widths[i] = (unsigned)strlen(output->props[output->columns[i]].name);
	return 0;
}

static int table_row(struct output *output, const struct hv_object *obj, struct hv_error *err)
{
	for (size_t i = 0; i < output->n_columns; i++) {
		size_t index = output->columns[i];
		if (!add_cell(output->cells, i, &obj->values[index], &obj->props[index]))
			return hv_fail(err, HV_FAILED, 0, "out of memory");
	}
	return 0;
}

static void pad(FILE *out, size_t n)
{
	static const char spaces[] = "                                ";
	while (n > 0) {
		size_t part = n < sizeof spaces - 1 ? n : sizeof spaces - 1;
		fwrite(spaces, 1, part, out);
		n -= part;
	}
}

static bool is_number(const struct hv_prop *prop)
{
	return prop->type == HV_INT || prop->type == HV_SIZE || prop->type == HV_RATE ||
	       prop->type == HV_PERCENT;
}

static void put_cell(struct output *output, size_t column, const char *text)
{
	const struct hv_prop *prop = &output->props[output->columns[column]];
	size_t width = is_plain_ascii(text) ? strlen(text) : display_width(text);
	size_t gap =
		output->cells->widths[column] -
		(width < output->cells->widths[column] ? width : output->cells->widths[column]);
	bool last = column + 1 == output->n_columns;
	if (is_number(prop))
		pad(output->out, gap);
	fputs(text, output->out);
	if (!is_number(prop) && !last)
		pad(output->out, gap);
	fputs(last ? "\n" : "  ", output->out);
}

static void put_header(struct output *output)
{
	if (output->colour)
		fputs("\033[1m", output->out);
	for (size_t i = 0; i < output->n_columns; i++) {
		char name[64];
		size_t n = 0;
		for (const char *c = output->props[output->columns[i]].name; *c && n < 63; c++)
			name[n++] = (char)toupper((unsigned char)*c);
		name[n] = '\0';
		put_cell(output, i, name);
	}
	if (output->colour)
		fputs("\033[0m", output->out);
}

static int table_end(struct output *output, struct hv_error *err)
{
	(void)err;
	if (!output->no_header)
		put_header(output);
	const char *cell = output->cells->text;
	for (size_t row = 0; row < output->n_rows; row++) {
		for (size_t i = 0; i < output->n_columns; i++) {
			put_cell(output, i, cell);
			cell += strlen(cell) + 1;
		}
	}
	free_cells(output);
	return 0;
}

const struct output_printer output_table = {table_begin, table_row, table_end};

/* ---- one object ------------------------------------------------------------------------------ */

static int details_begin(struct output *output, struct hv_error *err)
{
	(void)output, (void)err;
	return 0;
}

static void put_detail(struct output *output, const struct hv_prop *prop, const char *text,
		       unsigned width)
{
	fprintf(output->out, "%-*s  ", (int)width, prop->name);
	output_clean(output->out, text);
	fputc('\n', output->out);
}

static void put_children(struct output *output, const struct hv_prop *prop,
			 const struct hv_list *list, unsigned width)
{
	for (size_t i = 0; i < list->n; i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *line = open_memstream(&text, &len);
		if (!line)
			return;
		const struct hv_object *child = list->objects[i];
		for (size_t j = 0; j < child->n_values; j++) {
			char value[512];
			bool is_owner = strcmp(child->props[j].name, "vm") == 0 ||
					strcmp(child->props[j].name, "host") == 0;
			if (child->values[j].presence != HV_SET || is_owner)
				continue;
			hv_value_format(&child->values[j], &child->props[j], HV_HUMAN, value,
					sizeof value);
			if (j == 0)
				fprintf(line, "%s:", value);
			else
				fprintf(line, " %s=%s", child->props[j].name, value);
		}
		fclose(line);
		put_detail(output, prop, text, width);
		free(text);
	}
}

static int details_row(struct output *output, const struct hv_object *obj, struct hv_error *err)
{
	(void)err;
	unsigned width = 0;
	for (size_t i = 0; i < output->n_columns; i++) {
		const struct hv_prop *prop = &obj->props[output->columns[i]];
		if (obj->values[output->columns[i]].presence != HV_ABSENT &&
		    strlen(prop->name) > width)
			width = (unsigned)strlen(prop->name);
	}
	for (size_t i = 0; i < output->n_columns; i++) {
		const struct hv_prop *prop = &obj->props[output->columns[i]];
		const struct hv_value *value = &obj->values[output->columns[i]];
		char text[4096];
		if (value->presence == HV_ABSENT && !output->columns_given)
			continue;
		if (value->presence == HV_SET && prop->type == HV_LIST && prop->of) {
			put_children(output, prop, &value->list, width);
			continue;
		}
		hv_value_format(value, prop, HV_HUMAN, text, sizeof text);
		put_detail(output, prop, text[0] ? text : "-", width);
	}
	return 0;
}

static int details_end(struct output *output, struct hv_error *err)
{
	(void)output, (void)err;
	return 0;
}

const struct output_printer output_details = {details_begin, details_row, details_end};
