/* SPDX-License-Identifier: GPL-3.0-or-later */
/* virtio-console: one port, a byte stream to the keeper (VIRTIO 1.2, 5.3). */
#ifndef HV_DEVICES_VIRTIO_CONSOLE_H
#define HV_DEVICES_VIRTIO_CONSOLE_H

#include "engine/virtio/virtio.h"

/* stream_fd: a non-blocking stream socket, borrowed; -1: what the guest writes vanishes. On the main
 * thread; served on env->loop. */
int virtio_console_new(struct virtio_dev **out, const struct device_env *env, const char *id,
		       int stream_fd, struct hv_error *err);

/* The watcher's terminal has another size; tells the guest. 0 x 0: unknown. */
void virtio_console_set_size(struct virtio_dev *dev, uint16_t columns, uint16_t rows);

#endif
