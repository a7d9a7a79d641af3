/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attacks on the machine monitor: what the files with attacks and hostile.c share. */
#ifndef GUEST_HOSTILE_H
#define GUEST_HOSTILE_H

#include <stdint.h>

#include "tests/guest/virtio.h"

enum expect {
	EXPECT_ANYTHING,    /* the device may go on, or ask for a reset */
	EXPECT_NEEDS_RESET, /* a rule is broken: DEVICE_NEEDS_RESET */
	EXPECT_HEALTHY,     /* allowed, or refused without harm */
};

struct attack {
	const char *name, *what;
	enum expect expect;
	uint16_t type; /* of device; 0: any, and rng is taken first */
	/* 0, or fail() where the attack could not be made or what it asked for was wrongly granted.
	 */
	int (*run)(struct virtio *v, uint64_t seed);
};

extern const struct attack ring_attacks[], setup_attacks[], pci_attacks[], machine_attacks[],
	scsi_attacks[], other_attacks[];

/* Memory to aim at: HOSTILE_PAGE bytes, used for nothing else. */
#define HOSTILE_PAGE 65536
extern uint8_t *hostile_page;

/* The queue that takes requests on that kind of device. */
int hostile_queue(const struct virtio *v);
/* A running device with only that queue; NULL and fail() where it does not start. */
struct vring *hostile_start(struct virtio *v, uint64_t features);
#define HOSTILE_FEATURES (F_INDIRECT_DESC | F_EVENT_IDX)

#endif
