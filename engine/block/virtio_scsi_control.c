/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The control queue (VIRTIO 1.2, 5.6.6.2): task management. A function that ends requests is
 * answered when the last of them has been: each queue's thread marks and cancels its own, counts
 * them in tmf.waiting, and counts down as they end; who reaches zero rings the control queue's
 * doorbell.
 */
#include <string.h>
#include <unistd.h>

#include "engine/block/virtio_scsi_priv.h"

static struct vq *control_vq(struct virtio_scsi *scsi)
{
	return &scsi->vqs[CONTROL_QUEUE];
}

/* ---- on every queue's thread
 * --------------------------------------------------------------------- */

struct purge_call {
	struct vscsi_queue *queue;
	const struct vscsi_match *match;
	bool purge;
	uint8_t response;
	unsigned n;
};

static void purge_on_thread(void *ctx)
{
	struct purge_call *call = ctx;
	if (!call->queue->serving)
		return;
	call->n += call->purge ? vscsi_queue_purge(call->queue, call->match, call->response)
			       : vscsi_queue_count(call->queue, call->match);
}

/* The first thread is the caller's own. */
static unsigned on_all_queues(struct virtio_scsi *scsi, const struct vscsi_match *match, bool purge,
			      uint8_t response)
{
	struct purge_call call = {.match = match, .purge = purge, .response = response};
	for (int i = 0; i < scsi->n_queues; i++) {
		call.queue = &scsi->queues[i];
		if (i == 0)
			purge_on_thread(&call);
		else
			iothread_call(&call.queue->thread, purge_on_thread, &call);
	}
	return call.n;
}

void vscsi_tmf_one_less(struct virtio_scsi *scsi)
{
	if (atomic_fetch_sub(&scsi->tmf.waiting, 1) != 1)
		return;
	ssize_t ignored = write(control_vq(scsi)->kick_fd, &(uint64_t){1}, 8);
	(void)ignored;
}

/* ---- task management
 * ------------------------------------------------------------------------------ */

static void reset_units(struct virtio_scsi *scsi, const struct vscsi_match *match)
{
	int n;
	struct scsi_lun *const *luns = vscsi_find_target(scsi, match->addr.target, &n);
	for (int i = 0; i < n; i++)
		if (match->whole_target || luns[i]->number == match->addr.lun)
			scsi_lun_reset(luns[i], SCSI_UA_RESET);
}

static uint8_t tmf_purge(struct virtio_scsi *scsi, const struct vscsi_match *match, bool reset)
{
	on_all_queues(scsi, match, true, reset ? VIRTIO_SCSI_S_RESET : VIRTIO_SCSI_S_ABORTED);
	if (reset)
		reset_units(scsi, match);
	return VIRTIO_SCSI_S_OK;
}

static uint8_t tmf_query(struct virtio_scsi *scsi, const struct vscsi_match *match)
{
	return on_all_queues(scsi, match, false, 0) ? VIRTIO_SCSI_S_FUNCTION_SUCCEEDED
						    : VIRTIO_SCSI_S_OK;
}

static uint8_t tmf_run(struct virtio_scsi *scsi, const struct virtio_scsi_ctrl_tmf_req *req)
{
	struct vscsi_match match = {.addr = vscsi_parse_addr(req->lun), .tag = req->tag};
	int n;
	vscsi_find_target(scsi, match.addr.target, &n);
	if (!match.addr.valid || !n)
		return VIRTIO_SCSI_S_BAD_TARGET;
	match.whole_target = req->subtype == VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET;
	if (!match.whole_target && !vscsi_find(scsi, match.addr))
		return VIRTIO_SCSI_S_INCORRECT_LUN;
	match.any_tag = req->subtype != VIRTIO_SCSI_T_TMF_ABORT_TASK &&
			req->subtype != VIRTIO_SCSI_T_TMF_QUERY_TASK;
	switch (req->subtype) {
	case VIRTIO_SCSI_T_TMF_ABORT_TASK:
	case VIRTIO_SCSI_T_TMF_ABORT_TASK_SET:
	case VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET:
		return tmf_purge(scsi, &match, false);
	case VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET:
	case VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET:
		return tmf_purge(scsi, &match, true);
	case VIRTIO_SCSI_T_TMF_QUERY_TASK:
	case VIRTIO_SCSI_T_TMF_QUERY_TASK_SET:
		return tmf_query(scsi, &match);
	default: /* CLEAR_ACA: there is no ACA */
		return VIRTIO_SCSI_S_FUNCTION_REJECTED;
	}
}

static void finish(struct virtio_scsi *scsi, const struct vq_chain *chain, const void *resp,
		   size_t len)
{
	iov_copy_in(chain->iov + chain->n_read, chain->n_write, 0, resp, len);
	vq_complete(control_vq(scsi), chain, len);
	vq_signal(control_vq(scsi));
}

void vscsi_tmf_poll(struct virtio_scsi *scsi)
{
	struct vscsi_tmf *tmf = &scsi->tmf;
	if (!tmf->active || atomic_load(&tmf->waiting))
		return;
	tmf->active = false;
	finish(scsi, &tmf->chain, &tmf->response, sizeof tmf->response);
}

/* Of the chain only the byte of the response is needed later. */
static void tmf_keep_chain(struct vscsi_tmf *tmf, const struct vq_chain *chain)
{
	tmf->resp = (struct iovec){chain->iov[chain->n_read].iov_base, 1};
	tmf->chain = (struct vq_chain){
		.head = chain->head, .n_write = 1, .write_len = 1, .iov = &tmf->resp};
}

static void tmf_start(struct virtio_scsi *scsi, const struct vq_chain *chain,
		      const struct virtio_scsi_ctrl_tmf_req *req)
{
	struct vscsi_tmf *tmf = &scsi->tmf;
	tmf_keep_chain(tmf, chain);
	atomic_store(&tmf->waiting, 1);
	tmf->active = true;
	tmf->response = tmf_run(scsi, req);
	atomic_fetch_sub(&tmf->waiting, 1);
	vscsi_tmf_poll(scsi);
}

/* ---- the queue --------------------------------------------------------------------------------
 */

static bool has_bytes(struct virtio_scsi *scsi, const struct vq_chain *chain, size_t in, size_t out)
{
	if (chain->read_len >= in && chain->write_len >= out)
		return true;
	vscsi_break(scsi, control_vq(scsi),
		    "control queue: a request of %zu bytes to read and %zu to write",
		    chain->read_len, chain->write_len);
	return false;
}

/* Nothing is notified asynchronously: queries and subscriptions are answered with no events. */
static void notification(struct virtio_scsi *scsi, const struct vq_chain *chain)
{
	struct virtio_scsi_ctrl_an_resp resp = {.response = VIRTIO_SCSI_S_OK};
	if (has_bytes(scsi, chain, sizeof(struct virtio_scsi_ctrl_an_req), sizeof resp))
		finish(scsi, chain, &resp, sizeof resp);
}

static void control_request(struct virtio_scsi *scsi, const struct vq_chain *chain)
{
	struct virtio_scsi_ctrl_tmf_req req;
	if (!has_bytes(scsi, chain, sizeof req.type, 1))
		return;
	iov_copy_out(chain->iov, chain->n_read, 0, &req, sizeof req);
	switch (req.type) {
	case VIRTIO_SCSI_T_TMF:
		if (has_bytes(scsi, chain, sizeof req, sizeof(struct virtio_scsi_ctrl_tmf_resp)))
			tmf_start(scsi, chain, &req);
		break;
	case VIRTIO_SCSI_T_AN_QUERY:
	case VIRTIO_SCSI_T_AN_SUBSCRIBE:
		notification(scsi, chain);
		break;
	default:
		vscsi_break(scsi, control_vq(scsi), "control queue: a request of type %u",
			    req.type);
	}
}

void vscsi_control_service(struct virtio_scsi *scsi)
{
	struct iovec iov[PARTS_MAX];
	struct vq_chain chain;
	int got = 0;
	vscsi_tmf_poll(scsi);
	for (int i = 0; i < CONTROL_QUEUE_SIZE && !scsi->tmf.active; i++) {
		got = vq_next(control_vq(scsi), &chain, iov, PARTS_MAX);
		if (got <= 0)
			break;
		control_request(scsi, &chain);
	}
	if (got == -HV_GUEST)
		virtio_fail_queue(&scsi->dev, control_vq(scsi));
	else if (got == -HV_LIMIT)
		vscsi_break(scsi, control_vq(scsi),
			    "control queue: a request of more than %d parts", PARTS_MAX);
	if (vq_want_kicks(control_vq(scsi), true) && !scsi->tmf.active) {
		ssize_t ignored = write(control_vq(scsi)->kick_fd, &(uint64_t){1}, 8);
		(void)ignored;
	}
}

void vscsi_control_kicked(struct loop_source *source, uint32_t events)
{
	(void)events;
	struct virtio_scsi *scsi =
		(struct virtio_scsi *)((char *)source - offsetof(struct virtio_scsi, control_kick));
	vscsi_drain_doorbell(source->fd);
	if (scsi->queues[0].serving)
		vscsi_control_service(scsi);
}
