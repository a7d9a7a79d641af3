/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the machine asks of every device. Calls come from the main thread. Between pause() and resume()
 * a device touches neither guest memory nor its backend, and its state does not change; save() and
 * load() happen only then, or before the first vCPU runs.
 */
#ifndef HV_VMM_DEVICE_H
#define HV_VMM_DEVICE_H

#include "engine/model/error.h"

struct bus;
struct gmem;
struct loop;
struct state_in;
struct state_out;
struct wiring;
struct device;

struct device_ops {
	/* both optional; pause finishes what is in flight */
	int (*pause)(struct device *dev, struct hv_error *err);
	void (*resume)(struct device *dev);
	int (*save)(struct device *dev, struct state_out *out, struct hv_error *err);
	int (*load)(struct device *dev, struct state_in *in, struct hv_error *err);
	void (*free)(struct device *dev); /* stops its threads; accepts a half-built device */
};

struct device {
	const struct device_ops *ops;
	char id[24]; /* "serial0", "scsi0", "net1": the name of its sections too */
};

/* What a device gets to live on; all borrowed, all outlive it. */
struct device_env {
	struct gmem *mem;
	struct bus *mmio, *pio;
	struct wiring *wiring;
	struct loop *loop; /* the main thread's */
};

#endif
