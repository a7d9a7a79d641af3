/* SPDX-License-Identifier: GPL-3.0-or-later */
/* virtio-scsi: the controller, its disks. */
#ifndef GUEST_SCSI_H
#define GUEST_SCSI_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/guest/virtio.h"

#define SCSI_DISKS_MAX 64
#define SCSI_SENSE_LEN 96
#define SCSI_CDB_LEN 32
#define SCSI_QUEUE_REQUEST 2 /* after the control and event queues */

struct scsi_request {
	uint8_t lun[8];
	uint64_t tag;
	uint8_t task_attr, prio, crn;
	uint8_t cdb[SCSI_CDB_LEN];
} __attribute__((packed));

struct scsi_response {
	uint32_t sense_len, residual;
	uint16_t qualifier;
	uint8_t status, response;
	uint8_t sense[SCSI_SENSE_LEN];
} __attribute__((packed));

/* A command on its way; data is contiguous and is cut into parts of part_len (0: not cut). */
struct scsi_command {
	struct scsi_request request;
	struct scsi_response response;
	void *data;
	uint32_t data_len, part_len;
	bool in;          /* data comes from the disk */
	uint32_t written; /* what the device says it wrote, response included */
};

struct scsi_disk {
	struct virtio *v;
	uint8_t target;
	uint16_t lun;
	char vendor[9], product[17];
	uint64_t blocks;
	uint32_t block_len;
};

int scsi_attach(struct virtio *v); /* 0 or fail() */
/* All disks of all controllers, attached and scanned once; `again` scans anew. */
int scsi_scan(bool again);
struct scsi_disk *scsi_disk(int n); /* NULL and fail() where there is none */
/* Starts a command on a request queue, chosen by n; false when that queue is full. */
bool scsi_start(struct scsi_disk *disk, struct scsi_command *c, int n);
/* One command, waited for: 0 when it got GOOD status, or fail(). */
int scsi_execute(struct scsi_disk *disk, struct scsi_command *c);
int scsi_read_block(struct scsi_disk *disk, uint64_t lba, void *to);
/* Prints hot-plug events; called while idle. */
void scsi_serve(void);

#endif
