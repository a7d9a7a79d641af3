/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A machine without KVM for the units of devices: real guest memory, buses and main loop, wiring that
 * records, and the driver's side of virtqueues. A device may be driven without any transport:
 *
 *	struct fake_machine m; struct driver_vq q; struct virtio_dev *dev;
 *	fake_machine_init(&m, 0);
 *	virtio_rng_new(&dev, &m.env, "rng0", &err);
 *	fake_transport_attach(&transport, dev);
 *	driver_negotiate(dev, 0);                 ACKNOWLEDGE, DRIVER, features, FEATURES_OK
 *	driver_vq_init(&q, &m, dev, 0, 16);       rings in guest memory, queue enabled
 *	driver_ok(dev);
 *	driver_add(&q, (struct driver_part[]){{fake_alloc(&m, 64, 8), 64, true}}, 1);
 *	driver_kick(&q);
 *	driver_wait(&q, &id, &len);               runs the main loop meanwhile
 *	…
 *	dev->ops->free(dev); fake_machine_fini(&m);
 *
 * All of it aborts the test (cmocka's assertions) where something fails.
 */
#ifndef HV_TESTS_FAKE_MACHINE_H
#define HV_TESTS_FAKE_MACHINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/virtio/virtio.h"
#include "engine/vmm/bus.h"
#include "engine/vmm/device.h"
#include "engine/vmm/gmem.h"
#include "engine/vmm/loop.h"
#include "engine/vmm/state.h"
#include "engine/vmm/wiring.h"

#define FAKE_DOORBELLS 1024
#define FAKE_PINS 24

struct fake_wiring {
	struct wiring wiring; /* first */
	pthread_mutex_t lock;
	int n_msis; /* GSIs given out and not back */
	int n_bound;
	int fail_binds; /* so many msi_bind() calls fail */
	struct {
		uint64_t gpa;
		int fd;
	} doorbells[FAKE_DOORBELLS];
	int n_doorbells;
	bool lines[FAKE_PINS];
	unsigned raised[FAKE_PINS]; /* times each line went up */
};

struct fake_machine {
	struct gmem mem;
	struct bus mmio, pio;
	struct loop loop;
	struct fake_wiring wiring;
	struct device_env env;
	uint64_t next_gpa; /* fake_alloc() */
	int timer_fd;
	struct loop_source timer;
};

/* mem_bytes 0: 16 MiB. */
void fake_machine_init(struct fake_machine *m, uint64_t mem_bytes);
void fake_machine_fini(struct fake_machine *m);
/* Zeroed guest memory; never given back. */
uint64_t fake_alloc(struct fake_machine *m, uint64_t len, uint64_t align);
void *fake_ptr(struct fake_machine *m, uint64_t gpa, size_t len);
/* Runs the main loop for some milliseconds. */
void fake_run(struct fake_machine *m, unsigned ms);
/* Tracking of dirty pages as migration does it; then whether the page of an address was marked. */
void fake_dirty_start(struct fake_machine *m);
bool fake_is_dirty(struct fake_machine *m, uint64_t gpa);

/* Rings the doorbell at gpa as KVM would; false where nobody listens. */
bool fake_doorbell(struct fake_machine *m, uint64_t gpa);

/* Stands in for a transport: counts interrupts. */
struct fake_transport {
	_Atomic unsigned config_interrupts;
	_Atomic unsigned interrupts[64]; /* by queue */
};
void fake_transport_attach(struct fake_transport *transport, struct virtio_dev *dev);

/* The driver's side of one split queue. */
struct driver_vq {
	struct fake_machine *m;
	struct virtio_dev *dev; /* NULL: vq alone, see driver_vq_bind() */
	struct vq *vq;
	uint16_t size;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint16_t next_desc;  /* descriptors are taken in a circle; the test must not overrun */
	uint16_t next_avail; /* entries made available */
	uint16_t last_used;  /* entries seen */
};

struct driver_part {
	uint64_t gpa;
	uint32_t len;
	bool write;
};

void driver_negotiate(struct virtio_dev *dev, uint64_t features); /* VERSION_1 is added */
void driver_vq_init(struct driver_vq *q, struct fake_machine *m, struct virtio_dev *dev,
		    unsigned index, uint16_t size);
/* For units of vq itself: sets up a bare queue and starts it. */
void driver_vq_bind(struct driver_vq *q, struct fake_machine *m, struct vq *vq, uint16_t size);
void driver_ok(struct virtio_dev *dev);
/* Makes a chain available, without ringing; returns its head. */
uint16_t driver_add(struct driver_vq *q, const struct driver_part *parts, int n);
uint16_t driver_add_indirect(struct driver_vq *q, const struct driver_part *parts, int n);
void driver_kick(struct driver_vq *q);
/* The next used entry, if there is one. id and len may be NULL. */
bool driver_take(struct driver_vq *q, uint32_t *id, uint32_t *len);
/* Waits for one up to 5 s, running the main loop; false after that. */
bool driver_wait(struct driver_vq *q, uint32_t *id, uint32_t *len);

/* For hostile drivers: the raw rings. */
struct vring_desc *driver_desc(struct driver_vq *q, unsigned index);
void driver_set_avail_idx(struct driver_vq *q, uint16_t idx);
void driver_push_head(struct driver_vq *q, uint16_t head);
void driver_set_used_event(struct driver_vq *q, uint16_t value);
uint16_t driver_avail_event(struct driver_vq *q);
uint16_t driver_used_flags(struct driver_vq *q);
void driver_set_avail_flags(struct driver_vq *q, uint16_t flags);

#endif
