/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What could stand at the cursor: from the descriptors and the live model. One engine serves
 * readline and the completion scripts of other shells. */
#ifndef HV_SHELL_COMPLETE_H
#define HV_SHELL_COMPLETE_H

#include "plugins/dispatch.h"

struct completion {
	char *value, *description;
};

struct completions {
	struct completion *v; /* those that begin with the word, in their natural order */
	size_t n, capacity;
	bool paths;          /* files of the host belong here too */
	size_t value_offset; /* the part of the word that stays: "--kernel=", "disk=a," */
};

/* words[n]: the words before the cursor and the one at it (may be ""). Never fails: what cannot be
 * asked is not offered. */
void complete_words(struct completions *found, struct hv_model *model, char *const *words,
		    size_t n);
void completions_fini(struct completions *found);

#endif
