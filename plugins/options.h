/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The option table of a command: its own options and those that its sort of command always has. */
#ifndef HV_PLUGINS_OPTIONS_H
#define HV_PLUGINS_OPTIONS_H

#include "plugins/registry.h"

/* One block for the caller to free, names included; NULL without memory. */
struct hv_prop *options_build(const struct hv_command *command);

/* The method that a command without run calls, NULL for list and show. */
const struct hv_method *command_method(const struct hv_command *command);
/* The argument whose words are resolved to objects, NULL if none. */
const struct hv_prop *command_reference(const struct hv_command *command);
/* Does it print objects? */
bool command_prints(const struct hv_command *command);

#endif
