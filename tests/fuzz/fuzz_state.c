/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Foreign bytes as a stream of sections: read through tables of several versions. */
#include <stdlib.h>
#include <string.h>

#include "engine/vmm/state.h"

struct thing {
	uint8_t a;
	uint16_t many[5];
	bool on;
	char text[11];
	uint64_t added;
};

static const struct state_field fields[] = {
	STATE(struct thing, a, 1),     STATE_ARRAY(struct thing, many, 1),
	STATE(struct thing, on, 1),    STATE(struct thing, text, 1),
	STATE(struct thing, added, 2), STATE_END,
};
static const struct state_section section = {"thing", 2, 1, fields, NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state_in in = {data, size, 0};
	struct thing thing;
	struct hv_error err;
	const void *bytes;
	size_t len, sum = 0;
	uint32_t version;
	memset(&thing, 0, sizeof thing);
	for (;;) {
		size_t before = in.pos;
		if (state_load(&in, &section, "t0", &thing, &err) == 0) {
			if (thing.on != 0 && thing.on != 1)
				abort();
		} else if (state_load_bytes(&in, "blob", "b", 3, &version, &bytes, &len, &err) ==
			   0) {
			for (size_t i = 0; i < len; i++)
				sum += ((const uint8_t *)bytes)[i];
		}
		if (in.pos > in.len || in.pos < before)
			abort();
		if (in.pos == before)
			break;
	}
	return sum == (size_t)-1;
}
