/* SPDX-License-Identifier: GPL-3.0-or-later */
/* virtio-pci (VIRTIO 1.2, 4.1), driver side: finding devices, the way to DRIVER_OK, interrupts. */
#ifndef GUEST_VIRTIO_H
#define GUEST_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/guest/pci.h"
#include "tests/guest/vring.h"

#define VIRTIO_DEVICES_MAX 32
#define VIRTIO_QUEUES_MAX 64

#define VIRTIO_NET 1
#define VIRTIO_CONSOLE 3
#define VIRTIO_RNG 4
#define VIRTIO_BALLOON 5
#define VIRTIO_SCSI 8

#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER 2
#define STATUS_DRIVER_OK 4
#define STATUS_FEATURES_OK 8
#define STATUS_NEEDS_RESET 64
#define STATUS_FAILED 128

#define F_INDIRECT_DESC (1ull << 28)
#define F_EVENT_IDX (1ull << 29)
#define F_VERSION_1 (1ull << 32)

/* The common configuration structure, 4.1.4.3. */
#define COMMON_DEVICE_FEATURE_SELECT 0x00
#define COMMON_DEVICE_FEATURE 0x04
#define COMMON_DRIVER_FEATURE_SELECT 0x08
#define COMMON_DRIVER_FEATURE 0x0c
#define COMMON_MSIX_CONFIG 0x10
#define COMMON_NUM_QUEUES 0x12
#define COMMON_STATUS 0x14
#define COMMON_GENERATION 0x15
#define COMMON_QUEUE_SELECT 0x16
#define COMMON_QUEUE_SIZE 0x18
#define COMMON_QUEUE_VECTOR 0x1a
#define COMMON_QUEUE_ENABLE 0x1c
#define COMMON_QUEUE_NOTIFY_OFF 0x1e
#define COMMON_QUEUE_DESC 0x20
#define COMMON_QUEUE_DRIVER 0x28
#define COMMON_QUEUE_DEVICE 0x30
#define COMMON_LEN 0x38

struct virtio {
	struct pci_device *pci;
	uint16_t type;
	int index; /* among those of its type */
	/* Where the structures are: BAR and offset, so that a BAR may move. */
	struct {
		uint8_t bar;
		uint32_t offset, len;
	} common, notify, isr, config, msix_table;
	uint32_t notify_multiplier;
	uint16_t n_msix;
	uint8_t vector; /* of configuration changes; queue i has vector + 1 + i */
	uint8_t n_vectors;
	uint64_t offered, features;
	int n_queues;
	struct vring *rings[VIRTIO_QUEUES_MAX];
	uint32_t config_seen; /* count of configuration interrupts already served */
};

/* Finds all of them; returns how many there are. Once; later calls do nothing. */
int virtio_probe(void);
/* The index-th of a type; NULL where there is none. */
struct virtio *virtio_find(uint16_t type, int index);
struct virtio *virtio_device(int n); /* the n-th of any type */
const char *virtio_type_name(uint16_t type);

uint64_t virtio_common(const struct virtio *v); /* address of the common configuration */
uint64_t virtio_config(const struct virtio *v); /* and of the device's */
uint8_t virtio_status(const struct virtio *v);
void virtio_set_status(const struct virtio *v, uint8_t status);

/* Reset and wait for it; false when the device does not come back to 0. */
bool virtio_reset(struct virtio *v);
/* Reset, acknowledge, agree on VERSION_1 and what of wanted is offered. 0 or fail(). */
int virtio_begin(struct virtio *v, uint64_t wanted);
/* Sets a queue up, its interrupts to that CPU. 0 or fail(). */
int virtio_queue(struct virtio *v, int index, unsigned size, unsigned max_parts, int cpu);
/* A BAR has another address now. */
void virtio_moved(struct virtio *v);
/* DRIVER_OK. 0 or fail(), where the device refuses. */
int virtio_go(struct virtio *v);
/* True once for each configuration change. */
bool virtio_config_changed(struct virtio *v);
/* Writes of the queue's registers by themselves, for the hostile. */
void virtio_program_queue(struct virtio *v, int index, uint16_t size, uint64_t desc,
			  uint64_t driver, uint64_t device, int enable);

#endif
