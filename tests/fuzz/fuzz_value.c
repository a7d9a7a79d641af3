/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text as the value of each property of a VM; what is taken parses back from its exact and raw
 * text. */
#include <stdlib.h>
#include <string.h>

#include "engine/model/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *format(const struct hv_value *value, const struct hv_prop *row, enum hv_style style)
{
	size_t need = hv_value_format(value, row, style, NULL, 0);
	char *text = malloc(need + 1);
	if (!text || hv_value_format(value, row, style, text, need + 1) != need)
		abort();
	return text;
}

static void check_round(const struct hv_value *value, const struct hv_prop *row,
			enum hv_style style)
{
	char *text = format(value, row, style);
	struct hv_value back = {0};
	if (hv_value_parse(&back, row, text, NULL) < 0)
		abort();
	char *again = format(&back, row, style);
	if (strcmp(text, again) != 0)
		abort();
	free(again);
	free(text);
	hv_value_clear(&back, row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct hv_prop *rows = hv_kind_find("vm")->props;
	if (size == 0)
		return 0;
	const struct hv_prop *row = &rows[data[0] % hv_prop_count(rows)];
	char *text = strndup((const char *)data + 1, size - 1);
	struct hv_value value = {0};
	if (text && hv_value_parse(&value, row, text, NULL) == 0) {
		check_round(&value, row, HV_EXACT);
		check_round(&value, row, HV_RAW);
		free(format(&value, row, HV_HUMAN));
	}
	hv_value_clear(&value, row);
	free(text);
	return 0;
}
