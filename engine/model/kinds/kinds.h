/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The project's own kinds, one file each. Only kind.c reads this list; everybody else asks
 * hv_kind_find().
 */
#ifndef HV_MODEL_KINDS_H
#define HV_MODEL_KINDS_H

#include "engine/model/kind.h"

extern const struct hv_kind kind_host;
extern const struct hv_kind kind_check;
extern const struct hv_kind kind_vm;
extern const struct hv_kind kind_cpu;
extern const struct hv_kind kind_memory;
extern const struct hv_kind kind_disk;
extern const struct hv_kind kind_nic;
extern const struct hv_kind kind_queue;
extern const struct hv_kind kind_job;
extern const struct hv_kind kind_event;
extern const struct hv_kind kind_plugin;
extern const struct hv_kind kind_command;
extern const struct hv_kind kind_property;

/* The states of a VM; scripts rely on the words. */
extern const char *const vm_states[];

#endif
