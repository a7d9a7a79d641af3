/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where hvsh keeps its files (design, section 9): HVSH_ROOT puts everything under one folder;
 * otherwise root has the system's folders and everybody else the XDG ones. Folders are made on
 * demand, enterable only by their owner.
 *
 *	             HVSH_ROOT=D   root            others
 *	config       D/config      /etc/hvsh       $XDG_CONFIG_HOME/hvsh
 *	data         D/data        /var/lib/hvsh   $XDG_DATA_HOME/hvsh
 *	runtime      D/run         /run/hvsh       $XDG_RUNTIME_DIR/hvsh, else data/run
 */
#ifndef HV_HOST_PATHS_H
#define HV_HOST_PATHS_H

#include <limits.h>
#include <stddef.h>

#include "engine/model/error.h"

struct hv_paths {
	char config[PATH_MAX - 512];
	char data[PATH_MAX - 512];
	char runtime[PATH_MAX - 512];
};

/* Reads the environment; absolute paths come out. Creates nothing. HV_USAGE for a HVSH_ROOT or a
 * home that cannot be used. */
HV_PUBLIC int hv_paths_init(struct hv_paths *paths, struct hv_error *err);

/*
 * Makes a folder and those above it that are missing, mode 0700. One that is there already must be
 * a folder of ours that others cannot write to: HV_DENIED otherwise.
 */
HV_PUBLIC int hv_paths_make_dir(const char *path, struct hv_error *err);

/* RUNTIME/vms/NAME, where a running VM has its sockets, status, lock and logs. to: PATH_MAX bytes.
 */
HV_PUBLIC int hv_paths_vm_dir(const struct hv_paths *paths, const char *name, char *to,
			      struct hv_error *err);

/* The hvsh-vmm that belongs to this hvsh: $HVSH_VMM, or beside the running program, or the
 * installed one. to: PATH_MAX bytes. */
HV_PUBLIC int hv_paths_vmm_binary(char *to, struct hv_error *err);

#endif
