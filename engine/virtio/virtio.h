/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A virtio device (VIRTIO 1.2), apart from its transport: the status state machine, features, queues.
 * The transport (virtio_pci.c) calls in from vCPU threads under dev->lock; device code gets those calls
 * by its ops. A device's queues run on its own I/O threads.
 *
 *	0 ─ACKNOWLEDGE─► ─DRIVER─► ─FEATURES_OK─► (features checked) ─DRIVER_OK─► activate() ─► running
 *	any state ─ write 0 ─► reset()          broken request ─► virtio_fail(): DEVICE_NEEDS_RESET
 */
#ifndef HV_VIRTIO_VIRTIO_H
#define HV_VIRTIO_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/virtio/vq.h"
#include "engine/vmm/device.h"
#include "engine/vmm/log.h"

struct virtio_dev;

struct virtio_ops {
	uint16_t device_id; /* VIRTIO_ID_… of <linux/virtio_ids.h> */
	uint32_t pci_class; /* 24 bits: class, subclass, interface */
	/* Reads of the device-specific configuration; offset + len is checked against config_len. */
	void (*read_config)(struct virtio_dev *dev, size_t offset, void *to, size_t len);
	/* optional: without it writes are ignored */
	void (*write_config)(struct virtio_dev *dev, size_t offset, const void *from, size_t len);
	/* DRIVER_OK: queues that are enabled are live; start serving them. Failing sets NEEDS_RESET. */
	int (*activate)(struct virtio_dev *dev, struct hv_error *err);
	/* Stop serving: on return no thread touches a queue and nothing is in flight. Also called by
	 * free. Harmless when not activated. */
	void (*deactivate)(struct virtio_dev *dev);
	/* As struct device_ops, while DRIVER_OK: stop and restart queue service without losing state. */
	int (*pause)(struct virtio_dev *dev, struct hv_error *err);
	void (*resume)(struct virtio_dev *dev);
	/* What the device itself keeps; queues, features and status are saved by the transport. After
	 * load the transport calls activate() (paused) if the device was running. */
	int (*save)(struct virtio_dev *dev, struct state_out *out, struct hv_error *err);
	int (*load)(struct virtio_dev *dev, struct state_in *in, struct hv_error *err);
	void (*free)(struct virtio_dev *dev);
};

struct virtio_dev {
	const struct virtio_ops *ops;
	const struct device_env *env;
	char id[24];
	/* Set by the device before it meets a transport; never change after. */
	uint64_t offered; /* features; the transport adds VERSION_1, INDIRECT_DESC, EVENT_IDX */
	size_t config_len;
	struct vq *queues; /* owned by the device; size_max and index set */
	int n_queues;

	pthread_mutex_t lock; /* protects what follows, and orders ops calls; taken by the transport */
	uint64_t negotiated;
	uint8_t status;
	uint32_t config_generation;
	bool active; /* between activate and deactivate */

	/* Set by the transport. */
	void (*config_changed)(struct virtio_dev *dev); /* any thread: bumps the generation, interrupts */
	void (*needs_reset)(struct virtio_dev *dev);	/* any thread */
	void *transport;
	struct log_limit log;
};

/* The guest broke a rule: one log line (limited), DEVICE_NEEDS_RESET, a configuration interrupt. Any
 * thread, no lock of the device held. The queue involved stays broken until the reset. */
void virtio_fail(struct virtio_dev *dev, const char *fmt, ...) HV_PRINTF(2, 3);

static inline bool virtio_has(const struct virtio_dev *dev, unsigned feature_bit)
{
	return dev->negotiated >> feature_bit & 1;
}

/* To be used by devices' read_config: copies from a little-endian config struct. */
void virtio_config_copy(const void *config, size_t config_len, size_t offset, void *to, size_t len);

struct pci_bus;
/*
 * Puts a virtio device behind virtio-pci (VIRTIO 1.2, 4.1) on the bus: one BAR with the common, notify,
 * ISR and device configuration, and the MSI-X table. One vector a queue and one for configuration.
 * *out is the machine's handle: its free() frees the virtio device too.
 */
int virtio_pci_new(struct device **out, struct pci_bus *bus, struct virtio_dev *dev,
		   struct hv_error *err);

#endif
