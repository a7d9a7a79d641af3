/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The test provider's place in the plugin ABI; world.h says what it is. */
#include "plugins/providers/test/world.h"

static const struct hv_provider_ops test_ops = {
	.scheme = "test",
	.help = "a host made of memory: test:N has N VMs that answer every verb",
	.open = world_open,
	.close = world_close,
	.list = world_list,
	.set = world_set,
	.call = world_call,
	.stream = world_stream,
	.watch_fd = world_watch_fd,
	.watch_read = world_watch_read,
};

static const struct hv_provider_ops *const providers[] = {&test_ops, NULL};

HVSH_PLUGIN("test-provider", "0.1.0", "hosts made of memory, for tests", .providers = providers);
