/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Foreign bytes as a VM's definition in YAML; what is taken reads back the same once written. */
#include <stdlib.h>
#include <string.h>

#include "engine/model/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round(const struct hv_object *vm, char *(*write)(const struct hv_object *))
{
	char *text = write(vm);
	if (!text)
		abort();
	struct hv_error err;
	struct hv_object *back = hv_object_from_yaml(vm->kind, text, strlen(text), "written", &err);
	if (!back)
		abort();
	char *again = write(back);
	if (!again || strcmp(again, text) != 0)
		abort();
	free(again);
	free(text);
	hv_object_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hv_error err = {0};
	struct hv_object *vm =
		hv_object_from_yaml(hv_kind_find("vm"), (const char *)data, size, "fuzz", &err);
	if (!vm) {
		if (err.code == HV_OK || !err.message[0])
			abort();
		return 0;
	}
	check_round(vm, hv_object_to_yaml);
	check_round(vm, hv_object_to_yaml_raw);
	hv_object_free(vm);
	return 0;
}
