/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Within the virtio-scsi controller: its queues, requests and who may touch what. */
#ifndef HV_BLOCK_VIRTIO_SCSI_PRIV_H
#define HV_BLOCK_VIRTIO_SCSI_PRIV_H

#include <linux/virtio_scsi.h>
#include <stdatomic.h>

#include "engine/block/virtio_scsi.h"
#include "engine/vmm/loop.h"

#define CONTROL_QUEUE 0
#define EVENT_QUEUE 1
#define FIRST_REQUEST_QUEUE 2

#define REQUEST_QUEUE_SIZE 256
#define CONTROL_QUEUE_SIZE 64
#define PARTS_MAX 256    /* of a request; seg_max is two less */
#define SMALL_PARTS 18   /* of a request that is kept for re-use */
#define KEPT_REQUESTS 16 /* a queue */

#define RESP_HEADER offsetof(struct virtio_scsi_cmd_resp, sense)
#define REQ_HEADER offsetof(struct virtio_scsi_cmd_req, cdb)

struct virtio_scsi;
struct vscsi_queue;

/* Ascending by target and unit. Replaced as a whole by the main thread, which frees the old one
 * only after every I/O thread has passed through its loop; an I/O thread reads it within one event.
 */
struct vscsi_table {
	int n;
	struct scsi_lun *luns[];
};

struct vscsi_addr {
	bool valid;
	uint8_t target;
	uint16_t lun;
};

struct vscsi_req {
	struct scsi_cmd cmd; /* first */
	struct vq_chain chain;
	struct vscsi_queue *queue;
	struct vscsi_req *next, **link; /* in flight, or kept for re-use (next alone) */
	struct vscsi_addr addr;
	uint64_t tag;
	bool purged;            /* a task management function waits for its end: */
	uint8_t purge_response; /* and this is what it ends with */
	int n_resp;             /* parts before the data-in ones */
	int n_parts_max;
	struct iovec iov[]; /* header, data-out, response, data-in */
};

/* All of it belongs to the queue's thread, but what never changes. */
struct vscsi_queue {
	struct virtio_scsi *scsi;
	struct vq *vq;
	struct iothread thread;
	struct loop_source kick;
	struct aio *aio;
	struct vscsi_req *in_flight, *kept;
	int n_kept;
	bool serving;   /* between activate or resume, and deactivate or pause */
	bool completed; /* since the last signal */
};

/* What a control request asks to be purged. */
struct vscsi_match {
	struct vscsi_addr addr;
	bool whole_target, any_tag;
	uint64_t tag;
};

/* Task management: one at a time, the control queue waits meanwhile. First thread only, but
 * waiting. */
struct vscsi_tmf {
	bool active;
	struct vq_chain chain; /* its part: resp */
	struct iovec resp;
	uint8_t response;
	atomic_uint waiting; /* purged requests still in flight, and one while they are collected */
};

struct virtio_scsi {
	struct virtio_dev dev;            /* first */
	struct virtio_scsi_config config; /* under dev.lock; sizes are read only while not active */
	_Atomic(struct vscsi_table *) table;
	struct vscsi_tmf tmf;
	struct loop_source control_kick, event_kick;
	bool events_missed; /* first thread */
	int n_queues, n_started;
	struct vscsi_queue *queues;
	struct vq vqs[];
};

static inline struct virtio_scsi *vscsi_of(struct virtio_dev *dev)
{
	return (struct virtio_scsi *)dev;
}

/* A broken request: the queue is not used again until the driver resets the device. */
#define vscsi_break(scsi, queue, ...)                                                              \
	do {                                                                                       \
		(queue)->broken = true;                                                            \
		virtio_fail(&(scsi)->dev, __VA_ARGS__);                                            \
	} while (0)

void vscsi_drain_doorbell(int kick_fd);

/* virtio_scsi.c */
#define VIRTIO_SCSI_SENSE_SIZE_MAX 4096
#define VIRTIO_SCSI_CDB_SIZE_MAX 255
bool vscsi_sizes_fit(uint32_t sense_size, uint32_t cdb_size);
struct vscsi_addr vscsi_parse_addr(const uint8_t lun[8]);
void vscsi_put_addr(uint8_t lun[8], struct vscsi_addr addr);
/* The target's units, *n of them (0: no such target). */
struct scsi_lun *const *vscsi_find_target(struct virtio_scsi *scsi, uint8_t target, int *n);
struct scsi_lun *vscsi_find(struct virtio_scsi *scsi, struct vscsi_addr addr);

/* virtio_scsi_queue.c: on the queue's thread */
void vscsi_queue_kicked(struct loop_source *source, uint32_t events);
void vscsi_queue_service(struct vscsi_queue *queue);
void vscsi_queue_after_batch(void *queue);
/* Marks what matches and is not marked yet; returns how many match, marked or not. */
unsigned vscsi_queue_purge(struct vscsi_queue *queue, const struct vscsi_match *match,
			   uint8_t response);
unsigned vscsi_queue_count(const struct vscsi_queue *queue, const struct vscsi_match *match);
/* Ends all requests, hastened where abort is set. */
void vscsi_queue_drain(struct vscsi_queue *queue, bool abort);
void vscsi_queue_forget_kept(struct vscsi_queue *queue);

/* virtio_scsi_control.c: on the first thread */
void vscsi_control_kicked(struct loop_source *source, uint32_t events);
void vscsi_control_service(struct virtio_scsi *scsi);
/* Answers the function at hand, if nothing is waited for any longer. */
void vscsi_tmf_poll(struct virtio_scsi *scsi);
/* Any thread: a purged request has ended. */
void vscsi_tmf_one_less(struct virtio_scsi *scsi);

/* virtio_scsi_event.c: on the first thread */
void vscsi_event_kicked(struct loop_source *source, uint32_t events);
void vscsi_event_service(struct virtio_scsi *scsi);
void vscsi_event_post(struct virtio_scsi *scsi, uint32_t event, uint32_t reason,
		      struct vscsi_addr addr);

/* virtio_scsi_state.c */
int vscsi_save(struct virtio_dev *dev, struct state_out *out, struct hv_error *err);
int vscsi_load(struct virtio_dev *dev, struct state_in *in, struct hv_error *err);

#endif
