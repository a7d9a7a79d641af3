/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Foreign bytes as an object in JSON, as an agent would send it; what is taken reads back the same.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/model/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hv_error err = {0};
	/* on the heap and of its very size, so that reading past its end is seen */
	char *bytes = malloc(size ? size : 1);
	if (!bytes)
		return 0;
	memcpy(bytes, data, size);
	struct hv_object *vm = hv_object_from_json(hv_kind_find("vm"), bytes, size, &err);
	free(bytes);
	if (!vm) {
		if (err.code == HV_OK || !err.message[0])
			abort();
		return 0;
	}
	char *text = hv_object_to_json(vm);
	struct hv_object *back =
		text ? hv_object_from_json(vm->kind, text, strlen(text), &err) : NULL;
	char *again = back ? hv_object_to_json(back) : NULL;
	if (!again || strcmp(again, text) != 0)
		abort();
	free(again);
	free(text);
	hv_object_free(back);
	hv_object_free(vm);
	return 0;
}
