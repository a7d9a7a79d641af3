/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The serial port: a 16550A at LAYOUT_PORT_SERIAL, its line on LAYOUT_PIN_SERIAL. */
#ifndef HV_DEVICES_SERIAL_H
#define HV_DEVICES_SERIAL_H

#include "engine/vmm/device.h"

/* stream_fd: a non-blocking stream socket to the keeper, borrowed; -1: nobody listens. */
int serial_new(struct device **out, const struct device_env *env, int stream_fd,
	       struct hv_error *err);

#endif
