/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One byte a permission: a shared lock at 100 + P says "I use P", at 200 + P "I let nobody use P".
 * Who wants to use P looks for locks at 200 + P; who forbids it, for locks at 100 + P.
 */
#include "plugins/providers/engine/image_lock.h"

#include <errno.h>
#include <fcntl.h>

#define USES 100
#define FORBIDS 200

enum permission { CONSISTENT_READ, WRITE, WRITE_UNCHANGED, RESIZE };

static int take(int fd, int byte)
{
	struct flock range = {.l_type = F_RDLCK, .l_start = byte, .l_len = 1};
	return fcntl(fd, F_OFD_SETLK, &range) == 0 ? 0 : -errno;
}

static bool taken_by_another(int fd, int byte)
{
	struct flock range = {.l_type = F_WRLCK, .l_start = byte, .l_len = 1};
	return fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

int image_lock(int fd, const char *path, bool read_only, struct hv_error *err)
{
	static const int writer_uses[] = {CONSISTENT_READ, WRITE, RESIZE};
	static const int forbids[] = {WRITE, RESIZE};
	int n_uses = read_only ? 1 : 3, rc = 0;
	for (int i = 0; rc == 0 && i < n_uses; i++)
		rc = take(fd, USES + writer_uses[i]);
	for (int i = 0; rc == 0 && i < 2; i++)
		rc = take(fd, FORBIDS + forbids[i]);
	if (rc < 0 && rc != -EAGAIN && rc != -EACCES)
		return hv_fail(err, HV_FAILED, -rc, "cannot lock image \"%s\"", path);
	bool busy = rc < 0;
	for (int i = 0; !busy && i < n_uses; i++)
		busy = taken_by_another(fd, FORBIDS + writer_uses[i]);
	for (int i = 0; !busy && i < 2; i++)
		busy = taken_by_another(fd, USES + forbids[i]);
	if (!busy)
		return 0;
	hv_fail(err, HV_CONFLICT, 0, "image \"%s\" is in use by another VM or program", path);
	return hv_hint(
		err, "stop what uses it (\"disk list -o wide\" tells VMs), or give this VM a copy");
}
