/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A request queue of the controller (VIRTIO 1.2, 5.6.6.1): requests are taken in batches, decoded,
 * given to the backend, and answered as they end. Any layout of the chain is taken: header and data
 * are cut apart by length, not by descriptor.
 *
 *	readable:  header (19 + cdb_size) │ data-out …
 *	writable:  response (12 + sense_size) │ data-in …
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/block/virtio_scsi_priv.h"

void vscsi_drain_doorbell(int kick_fd)
{
	uint64_t count;
	ssize_t ignored = read(kick_fd, &count, sizeof count);
	(void)ignored;
}

/* ---- requests ---------------------------------------------------------------------------------
 */

/* NULL without memory. Small ones are kept for re-use, so that steady load does not allocate. */
static struct vscsi_req *req_get(struct vscsi_queue *queue, int n_parts)
{
	struct vscsi_req *req = queue->kept;
	if (req && n_parts <= SMALL_PARTS) {
		queue->kept = req->next;
		queue->n_kept--;
		return req;
	}
	int max = n_parts <= SMALL_PARTS ? SMALL_PARTS : n_parts;
	req = malloc(sizeof *req + max * sizeof req->iov[0]);
	if (!req)
		return NULL;
	req->queue = queue;
	req->n_parts_max = max;
	return req;
}

static void req_put(struct vscsi_req *req)
{
	struct vscsi_queue *queue = req->queue;
	if (req->n_parts_max != SMALL_PARTS || queue->n_kept == KEPT_REQUESTS) {
		free(req);
		return;
	}
	req->next = queue->kept;
	queue->kept = req;
	queue->n_kept++;
}

void vscsi_queue_forget_kept(struct vscsi_queue *queue)
{
	while (queue->kept) {
		struct vscsi_req *req = queue->kept;
		queue->kept = req->next;
		free(req);
	}
	queue->n_kept = 0;
}

static void req_link(struct vscsi_req *req)
{
	struct vscsi_queue *queue = req->queue;
	req->next = queue->in_flight;
	req->link = &queue->in_flight;
	if (req->next)
		req->next->link = &req->next;
	queue->in_flight = req;
}

static void req_unlink(struct vscsi_req *req)
{
	*req->link = req->next;
	if (req->next)
		req->next->link = req->link;
}

/* Copies parts, cutting after len bytes: *n_head parts before the cut; returns all. */
static int cut(const struct iovec *from, int n, size_t len, struct iovec *to, int *n_head)
{
	int k = 0;
	*n_head = 0;
	for (int i = 0; i < n; i++) {
		struct iovec part = from[i];
		if (len && part.iov_len > len) {
			to[k++] = (struct iovec){part.iov_base, len};
			part.iov_base = (uint8_t *)part.iov_base + len;
			part.iov_len -= len;
			len = 0;
			*n_head = k;
		} else if (len) {
			len -= part.iov_len;
			*n_head = k + 1;
		}
		to[k++] = part;
	}
	return k;
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static size_t resp_bytes(const struct vscsi_queue *queue)
{
	return RESP_HEADER + queue->scsi->config.sense_size;
}

static void answer(struct vscsi_req *req, uint8_t response)
{
	struct vscsi_queue *queue = req->queue;
	struct scsi_cmd *cmd = &req->cmd;
	struct virtio_scsi_cmd_resp resp = {.response = response};
	size_t moved = response == VIRTIO_SCSI_S_OK ? cmd->moved : 0;
	size_t len = RESP_HEADER, written = resp_bytes(queue);
	if (response == VIRTIO_SCSI_S_OK) {
		size_t sense = cmd->sense_len < queue->scsi->config.sense_size
				       ? cmd->sense_len
				       : queue->scsi->config.sense_size;
		resp.status = cmd->status;
		resp.sense_len = (uint32_t)sense;
		memcpy(resp.sense, cmd->sense, sense);
		len += sense;
	}
	/* what was offered in the direction of the data, less what moved */
	resp.resid = (uint32_t)((cmd->in_bytes ? cmd->in_bytes : cmd->out_bytes) - moved);
	if (cmd->in_bytes)
		written += moved;
	iov_copy_in(req->iov + req->chain.n_read, req->n_resp, 0, &resp, len);
	vq_complete(queue->vq, &req->chain, written);
	queue->completed = true;
	req_put(req);
}

static void command_done(struct scsi_cmd *cmd)
{
	struct vscsi_req *req = (struct vscsi_req *)cmd;
	struct virtio_scsi *scsi = req->queue->scsi;
	bool purged = req->purged;
	req_unlink(req);
	answer(req, purged ? req->purge_response : VIRTIO_SCSI_S_OK);
	if (purged)
		vscsi_tmf_one_less(scsi);
}

/* ---- taking -----------------------------------------------------------------------------------
 */

static void start(struct vscsi_req *req)
{
	struct scsi_cmd *cmd = &req->cmd;
	struct virtio_scsi *scsi = req->queue->scsi;
	cmd->peers = vscsi_find_target(scsi, req->addr.target, &cmd->n_peers);
	if (!req->addr.valid || !cmd->n_peers) {
		answer(req, VIRTIO_SCSI_S_BAD_TARGET);
		return;
	}
	if (cmd->out_bytes && cmd->in_bytes) { /* INOUT is not offered */
		answer(req, VIRTIO_SCSI_S_FAILURE);
		return;
	}
	cmd->lun = vscsi_find(scsi, req->addr);
	cmd->aio = req->queue->aio;
	cmd->done = command_done;
	scsi_decode(cmd);
	if (!scsi_fits(cmd)) {
		answer(req, VIRTIO_SCSI_S_OVERRUN);
		return;
	}
	req->purged = false;
	req_link(req);
	scsi_start(cmd);
}

static void parse_header(struct vscsi_req *req, const struct vq_chain *chain)
{
	struct virtio_scsi_cmd_req header;
	size_t cdb = req->queue->scsi->config.cdb_size;
	memset(&header, 0, sizeof header);
	iov_copy_out(chain->iov, chain->n_read, 0, &header,
		     REQ_HEADER + (cdb < sizeof header.cdb ? cdb : sizeof header.cdb));
	req->addr = vscsi_parse_addr(header.lun);
	req->tag = header.tag;
	memcpy(req->cmd.cdb, header.cdb, sizeof req->cmd.cdb);
}

static void lay_out(struct vscsi_req *req, const struct vq_chain *chain)
{
	struct scsi_cmd *cmd = &req->cmd;
	size_t req_bytes = REQ_HEADER + req->queue->scsi->config.cdb_size;
	int n_head;
	req->chain = *chain;
	req->chain.iov = req->iov;
	req->chain.n_read = cut(chain->iov, chain->n_read, req_bytes, req->iov, &n_head);
	cmd->out = req->iov + n_head;
	cmd->n_out = req->chain.n_read - n_head;
	cmd->out_bytes = chain->read_len - req_bytes;
	struct iovec *writable = req->iov + req->chain.n_read;
	req->chain.n_write = cut(chain->iov + chain->n_read, chain->n_write, resp_bytes(req->queue),
				 writable, &req->n_resp);
	cmd->in = writable + req->n_resp;
	cmd->n_in = req->chain.n_write - req->n_resp;
	cmd->in_bytes = chain->write_len - resp_bytes(req->queue);
}

/* Without memory for it: the driver may try again. */
static void refuse_busy(struct vscsi_queue *queue, const struct vq_chain *chain)
{
	struct virtio_scsi_cmd_resp resp = {.response = VIRTIO_SCSI_S_BUSY};
	iov_copy_in(chain->iov + chain->n_read, chain->n_write, 0, &resp, RESP_HEADER);
	vq_complete(queue->vq, chain, resp_bytes(queue));
	queue->completed = true;
}

static void take(struct vscsi_queue *queue, const struct vq_chain *chain)
{
	size_t req_bytes = REQ_HEADER + queue->scsi->config.cdb_size;
	if (chain->read_len < req_bytes || chain->write_len < resp_bytes(queue)) {
		vscsi_break(queue->scsi, queue->vq,
			    "queue %u: a request of %zu bytes to read and %zu to write",
			    queue->vq->index, chain->read_len, chain->write_len);
		return;
	}
	/* each cut may make one part more */
	struct vscsi_req *req = req_get(queue, chain->n_read + chain->n_write + 2);
	if (!req) {
		refuse_busy(queue, chain);
		return;
	}
	parse_header(req, chain);
	lay_out(req, chain);
	start(req);
}

/* True where the driver may have more: it is not let go on for ever, others use the thread too. */
static bool take_all(struct vscsi_queue *queue)
{
	struct iovec iov[PARTS_MAX];
	struct vq_chain chain;
	int got = 0;
	for (int i = 0; i < 2 * REQUEST_QUEUE_SIZE; i++) {
		got = vq_next(queue->vq, &chain, iov, PARTS_MAX);
		if (got <= 0)
			break;
		take(queue, &chain);
	}
	if (got == -HV_GUEST)
		virtio_fail_queue(&queue->scsi->dev, queue->vq);
	else if (got == -HV_LIMIT)
		vscsi_break(queue->scsi, queue->vq, "queue %u: a request of more than %d parts",
			    queue->vq->index, PARTS_MAX);
	return got > 0;
}

void vscsi_queue_after_batch(void *ctx)
{
	struct vscsi_queue *queue = ctx;
	if (!queue->completed)
		return;
	queue->completed = false;
	vq_signal(queue->vq);
}

void vscsi_queue_service(struct vscsi_queue *queue)
{
	bool more;
	int rounds = 0;
	do {
		vq_want_kicks(queue->vq, false);
		more = take_all(queue);
		aio_flush(queue->aio);
		vscsi_queue_after_batch(queue);
		more |= vq_want_kicks(queue->vq, true);
	} while (more && ++rounds < 16);
	if (more) { /* come back through the loop */
		ssize_t ignored = write(queue->vq->kick_fd, &(uint64_t){1}, 8);
		(void)ignored;
	}
}

void vscsi_queue_kicked(struct loop_source *source, uint32_t events)
{
	(void)events;
	struct vscsi_queue *queue =
		(struct vscsi_queue *)((char *)source - offsetof(struct vscsi_queue, kick));
	vscsi_drain_doorbell(source->fd);
	if (queue->serving)
		vscsi_queue_service(queue);
}

/* ---- purging ----------------------------------------------------------------------------------
 */

static bool matches(const struct vscsi_req *req, const struct vscsi_match *match)
{
	return req->addr.target == match->addr.target &&
	       (match->whole_target || req->addr.lun == match->addr.lun) &&
	       (match->any_tag || req->tag == match->tag);
}

unsigned vscsi_queue_count(const struct vscsi_queue *queue, const struct vscsi_match *match)
{
	unsigned n = 0;
	for (const struct vscsi_req *req = queue->in_flight; req; req = req->next)
		n += matches(req, match);
	return n;
}

unsigned vscsi_queue_purge(struct vscsi_queue *queue, const struct vscsi_match *match,
			   uint8_t response)
{
	unsigned n = 0;
	for (struct vscsi_req *req = queue->in_flight; req; req = req->next) {
		if (!matches(req, match))
			continue;
		n++;
		req->purged = true;
		req->purge_response = response;
		atomic_fetch_add(&queue->scsi->tmf.waiting, 1);
		scsi_abort(&req->cmd);
	}
	/* a backend may have put an answer into the aio */
	aio_flush(queue->aio);
	vscsi_queue_after_batch(queue);
	return n;
}

void vscsi_queue_drain(struct vscsi_queue *queue, bool abort)
{
	if (abort)
		for (struct vscsi_req *req = queue->in_flight; req; req = req->next)
			scsi_abort(&req->cmd);
	if (queue->aio)
		aio_drain(queue->aio);
}
