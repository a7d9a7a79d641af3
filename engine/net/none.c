/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The backend of an adapter without a cable: nothing comes, nothing goes, and the link is down. */
#include <errno.h>
#include <stdlib.h>

#include "engine/net/net.h"

static ssize_t none_readv(struct net_backend *be, int pair, struct iovec *iov, int n_iov,
			  size_t len, size_t *need)
{
	(void)be, (void)pair, (void)iov, (void)n_iov, (void)len, (void)need;
	return -EAGAIN;
}

static ssize_t none_drop(struct net_backend *be, int pair)
{
	(void)be, (void)pair;
	return -EAGAIN;
}

static int none_writev(struct net_backend *be, int pair, const struct iovec *iov, int n_iov,
		       size_t len)
{
	(void)be, (void)pair, (void)iov, (void)n_iov, (void)len;
	return -ENETDOWN;
}

static void none_free(struct net_backend *be)
{
	free(be);
}

static const struct net_backend_ops none_ops = {
	.readv = none_readv,
	.drop = none_drop,
	.writev = none_writev,
	.free = none_free,
};

int net_none_new(struct net_backend **out, struct hv_error *err)
{
	struct net_backend *be = calloc(1, sizeof *be);

	if (!be)
		return hv_fail(err, HV_FAILED, ENOMEM, "cannot set up an adapter without a cable");
	*be = (struct net_backend){.ops = &none_ops, .n_pairs = NET_PAIRS_MAX};
	for (int i = 0; i < NET_PAIRS_MAX; i++)
		be->fds[i] = -1;
	*out = be;
	return 0;
}
