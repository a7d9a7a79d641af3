/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The virtio-scsi controller (VIRTIO 1.2, 5.6): disks as SCSI targets behind one PCI function. One
 * request queue a vCPU, each with a thread and an aio of its own; the control and event queues
 * belong to the first of these threads.
 */
#ifndef HV_BLOCK_VIRTIO_SCSI_H
#define HV_BLOCK_VIRTIO_SCSI_H

#include "engine/block/block.h"
#include "engine/block/scsi/scsi.h"
#include "engine/virtio/virtio.h"

#define VIRTIO_SCSI_TARGETS 256
#define VIRTIO_SCSI_LUNS 16384
#define VIRTIO_SCSI_QUEUES_MAX 64

/* n_queues: request queues, 1 to VIRTIO_SCSI_QUEUES_MAX. Starts the threads. */
int virtio_scsi_new(struct virtio_dev **out, const struct device_env *env, const char *id,
		    int n_queues, struct hv_error *err);

/*
 * Puts a disk at an address; main thread. backend is taken over on success. A running driver that
 * negotiated hot-plug is told by an event.
 * HV_CONFLICT where the address is taken, HV_USAGE where there is no such address.
 */
int virtio_scsi_add(struct virtio_dev *dev, int target, int lun, struct block *backend,
		    const struct scsi_disk_config *config, struct hv_error *err);

/* Main thread. -HV_NOT_FOUND where no disk is. */
int virtio_scsi_disk_stats(struct virtio_dev *dev, int target, int lun,
			   struct scsi_disk_stats *stats);

#endif
