/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Starting a VM: the runtime folder with lock, sockets and log, the launch spec on a memfd,
 * hvsh-vmm with exactly the descriptors that it may have, and the wait for its word that the guest
 * runs. If hvsh dies half-way the VM starts whole or not at all: everything before the exec
 * vanishes with hvsh, everything after belongs to the keeper.
 */
#ifndef HV_CLIENT_LAUNCH_H
#define HV_CLIENT_LAUNCH_H

#include <jansson.h>

#include "engine/model/error.h"

struct hv_launch {
	const char *name;   /* of the VM */
	const char *dir;    /* its runtime folder; made if missing */
	const char *binary; /* hvsh-vmm; NULL: hv_paths_vmm_binary() */
	/*
	 * The spec of engine/vmm/spec.h, borrowed and not changed. Without version, name, kvm_fd,
	 * control_fd, keeper_fd, dir_fd, lock_fd and log_fd: those are added here.
	 */
	json_t *spec;
	/* Every descriptor that the spec names; stay the caller's, who closes them. */
	const int *fds;
	int n_fds;
	int timeout_ms; /* for the word of the keeper; <= 0: 10 s */
};

/*
 * Returns 0 when the guest runs. HV_CONFLICT when the VM has a keeper already; HV_TIMEOUT when no
 * word came (it is then killed); else what the keeper or its child reported, as they wrote it.
 */
HV_PUBLIC int hv_launch(const struct hv_launch *launch, struct hv_error *err);

#endif
