/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A virtio device (VIRTIO 1.2), apart from its transport: the status state machine, features, queues.
 * The transport (virtio_pci.c) calls in from vCPU threads; device code gets those calls by its ops.
 *
 *	0 ─ACKNOWLEDGE─► ─DRIVER─► ─FEATURES_OK─► (features checked) ─DRIVER_OK─► activate() ─► running
 *	any state ─ write 0 ─► deactivate(), all forgotten    broken request ─► virtio_fail(): NEEDS_RESET
 *
 * Locks, outermost first; none is taken with one below it held:
 *
 *	pci_bus.lock     configuration space, BAR moves (vCPU threads)
 *	virtio_dev.lock  status, features, queue set-up; held across every ops call
 *	a device's own   what its queues work on
 *	pci_fn.msix_lock vector table; under it only the wiring
 *
 * Whoever serves queues (an I/O thread, the main loop) calls only what takes none of the upper two:
 * vq_*(), virtio_fail(), virtio_config_changed(). So deactivate() may wait for an I/O thread. It must
 * never wait for the main thread, which may itself be waiting for this vCPU to pause: a device on the
 * main loop registers its sources for life and guards its queues by a lock of its own.
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

/* All are called with dev->lock held, except free(). */
struct virtio_ops {
	uint16_t device_id; /* VIRTIO_ID_… of <linux/virtio_ids.h> */
	uint32_t pci_class; /* 24 bits: class, subclass, interface */
	/* optional: reads of the device-specific configuration; offset + len lies in config_len. */
	void (*read_config)(struct virtio_dev *dev, size_t offset, void *to, size_t len);
	/* optional: without it writes are ignored */
	void (*write_config)(struct virtio_dev *dev, size_t offset, const void *from, size_t len);
	/* optional: whether features (a subset of those offered) fit together */
	bool (*features_ok)(struct virtio_dev *dev, uint64_t features);
	/* DRIVER_OK: queues that are live (vq->live) may be used; start serving them, and look into each
	 * once, since its doorbell may have rung before. Failing sets NEEDS_RESET. */
	int (*activate)(struct virtio_dev *dev, struct hv_error *err);
	/* Stop serving: on return no thread touches a queue and nothing is in flight. Harmless when not
	 * activated. free() does the same. */
	void (*deactivate)(struct virtio_dev *dev);
	/* As struct device_ops, while active: stop and restart queue service without losing state. On
	 * pause's return nothing is in flight that save() does not write down. */
	int (*pause)(struct virtio_dev *dev, struct hv_error *err);
	void (*resume)(struct virtio_dev *dev);
	/* What the device itself keeps; queues, features and status are saved for it. After load() an
	 * active device is activated as paused: activate(), with dev->paused set, then resume(). */
	int (*save)(struct virtio_dev *dev, struct state_out *out, struct hv_error *err);
	int (*load)(struct virtio_dev *dev, struct state_in *in, struct hv_error *err);
	void (*free)(struct virtio_dev *dev); /* stops its threads, calls virtio_dev_fini() */
};

struct virtio_dev {
	const struct virtio_ops *ops;
	const struct device_env *env;
	char id[24];
	/* Set by the device before it meets a transport; never change after. */
	uint64_t offered;  /* features of the device; VERSION_1 and those of the ring are added */
	size_t config_len; /* of the device-specific configuration */
	struct vq *queues; /* owned by the device */
	int n_queues;

	pthread_mutex_t lock; /* protects what follows, and orders ops calls */
	uint64_t driver_features;
	uint64_t negotiated; /* driver_features, once FEATURES_OK */
	uint8_t status;      /* without NEEDS_RESET; written under the lock, read atomically */
	bool active;         /* between activate and deactivate */
	bool paused;

	bool failed;               /* atomic: NEEDS_RESET */
	uint8_t config_generation; /* atomic */
	struct log_limit log;

	/* Set by the transport: a configuration interrupt, from any thread. NULL without a transport. */
	void (*config_interrupt)(struct virtio_dev *dev);
	void *transport;
};

/*
 * For devices. Before virtio_dev_init() the device has set size_max of each queue; it gives every queue
 * its index, memory and kick_fd, so that sources may be registered right away. Fini accepts a device
 * that init refused.
 */
int virtio_dev_init(struct virtio_dev *dev, const struct virtio_ops *ops,
		    const struct device_env *env, const char *id, struct vq *queues, int n_queues,
		    struct hv_error *err);
void virtio_dev_fini(struct virtio_dev *dev);

/* The guest broke a rule: one log line (limited), DEVICE_NEEDS_RESET, a configuration interrupt. Any
 * thread, any lock. The queue involved stays broken until the reset. */
void virtio_fail(struct virtio_dev *dev, const char *fmt, ...) HV_PRINTF(2, 3);
/* The same after vq_next() said -HV_GUEST: the message tells the queue and its fault. */
void virtio_fail_queue(struct virtio_dev *dev, const struct vq *vq);
/* The device-specific configuration has changed: new generation, configuration interrupt. Any thread. */
void virtio_config_changed(struct virtio_dev *dev);

static inline bool virtio_has(const struct virtio_dev *dev, unsigned feature_bit)
{
	return dev->negotiated >> feature_bit & 1;
}

/* To be used by devices' read_config: copies from a little-endian config struct; zeros behind it. */
void virtio_config_copy(const void *config, size_t config_len, size_t offset, void *to, size_t len);

/*
 * For transports (and tests that stand in for one). The register-like calls take dev->lock themselves;
 * a value that the protocol does not allow is dropped, and virtio_fail() tells.
 */
uint64_t virtio_features_offered(const struct virtio_dev *dev);
uint8_t virtio_status(struct virtio_dev *dev); /* with NEEDS_RESET */
void virtio_write_status(struct virtio_dev *dev, uint8_t status);
void virtio_write_features(struct virtio_dev *dev, unsigned word, uint32_t value); /* word 0 or 1 */
void virtio_read_config(struct virtio_dev *dev, size_t offset, void *to, size_t len);
void virtio_write_config(struct virtio_dev *dev, size_t offset, const void *from, size_t len);

enum virtio_ring { VIRTIO_RING_DESC, VIRTIO_RING_AVAIL, VIRTIO_RING_USED };
void virtio_write_queue_size(struct virtio_dev *dev, unsigned queue, uint16_t size);
/* half 0: the low 32 bits of the ring's address, 1: the high ones */
void virtio_write_queue_addr(struct virtio_dev *dev, unsigned queue, enum virtio_ring ring,
			     unsigned half, uint32_t value);
void virtio_write_queue_enable(struct virtio_dev *dev, unsigned queue, uint16_t enable);

/* Starts the enabled queues and the device, or neither; dev->lock held. Only virtio*.c calls it. */
int virtio_activate(struct virtio_dev *dev, struct hv_error *err);

/* The machine's calls, by way of the transport. free() of the ops is the transport's to call. */
int virtio_pause(struct virtio_dev *dev, struct hv_error *err);
void virtio_resume(struct virtio_dev *dev);
int virtio_save(struct virtio_dev *dev, struct state_out *out, struct hv_error *err);
/* Into a device fresh from its constructor; leaves it paused. */
int virtio_load(struct virtio_dev *dev, struct state_in *in, struct hv_error *err);

struct pci_bus;
/*
 * Puts a virtio device behind virtio-pci (VIRTIO 1.2, 4.1) on the bus: one BAR with the common, notify,
 * ISR and device configuration, and the MSI-X table. One vector a queue and one for configuration.
 * *out is the machine's handle: its free() frees the virtio device too. On failure dev is the caller's.
 */
int virtio_pci_new(struct device **out, struct pci_bus *bus, struct virtio_dev *dev,
		   struct hv_error *err);

#endif
