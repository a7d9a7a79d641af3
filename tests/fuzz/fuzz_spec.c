/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The launch spec: any bytes are read or refused with a message. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/vmm/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spec spec;
	struct hv_error err = {0};
	int ret = spec_parse(&spec, (const char *)data, size, &err);
	assert(ret == 0 || (err.code == HV_USAGE && err.message[0]));
	spec_fini(&spec);
	return 0;
}
