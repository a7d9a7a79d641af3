/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Help for a person, from the descriptors. */
#ifndef HV_SHELL_HELP_H
#define HV_SHELL_HELP_H

#include <stdio.h>

#include "plugins/registry.h"

/* words: none (all nouns), a noun (its verbs), or noun and verb. */
int help_print(FILE *out, char *const *words, size_t n, struct hv_error *err);
/* "--timeout DURATION"; "-o, --output table|wide|…" */
void help_option_form(FILE *out, const struct hv_prop *option);

#endif
