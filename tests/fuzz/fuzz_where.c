/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A filter as somebody types it, tried on one VM. */
#include <stdlib.h>
#include <string.h>

#include "engine/model/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hv_object *sample(void)
{
	static const char text[] = "{name: web1, state: running, memory: 3G, labels: [env=prod, a],"
				   " uptime: 90, disks: [{name: scsi0.0.0, image: /a.raw}]}";
	return hv_object_from_yaml(hv_kind_find("vm"), text, strlen(text), "sample", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hv_object *vm;
	struct hv_error err = {0};
	bool want[128] = {false};
	char *text = strndup((const char *)data, size);
	if (!vm)
		vm = sample();
	struct hv_where *where = text ? hv_where_parse(vm->props, text, &err) : NULL;
	if (where) {
		hv_where_match(where, vm);
		hv_where_wants(where, want);
	} else if (text && !err.message[0]) {
		abort();
	}
	hv_where_free(where);
	free(text);
	return 0;
}
