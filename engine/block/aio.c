/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Asynchronous file I/O: a queue of operations, drained into an io_uring or run one by one. No more
 * is given to the kernel than the completion ring holds, so completions are never lost or refused;
 * the rest waits in the queue.
 */
#include "engine/block/aio.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "engine/vmm/loop.h"

/* One page for both rings, half a page of entries: what an active thread pays. */
#define SQ_ENTRIES 32
#define CQ_ENTRIES 128

struct aio {
	struct loop *loop;
	struct loop_source source;
	struct io_uring ring;
	bool tried, uring, watched;
	unsigned n_kernel; /* submitted or prepared, completion not seen */
	struct aio_op *queue, **queue_end;
	void (*after_batch)(void *ctx);
	void *after_ctx;
};

static void ring_ready(struct loop_source *source, uint32_t events);

int aio_new(struct aio **out, struct loop *loop, enum aio_mode mode, struct hv_error *err)
{
	struct aio *aio = calloc(1, sizeof *aio);
	if (!aio)
		return hv_fail(err, HV_FAILED, ENOMEM, "cannot allocate an I/O queue");
	aio->loop = loop;
	aio->queue_end = &aio->queue;
	aio->source = (struct loop_source){.fd = -1, .ready = ring_ready};
	aio->tried = mode == AIO_SYNCHRONOUS;
	*out = aio;
	return 0;
}

static void ring_close(struct aio *aio)
{
	if (!aio->uring)
		return;
	if (aio->watched)
		loop_remove(aio->loop, &aio->source);
	io_uring_queue_exit(&aio->ring);
	aio->uring = aio->watched = false;
}

void aio_free(struct aio *aio)
{
	if (!aio)
		return;
	ring_close(aio);
	free(aio);
}

void aio_set_after_batch(struct aio *aio, void (*after_batch)(void *ctx), void *ctx)
{
	aio->after_batch = after_batch;
	aio->after_ctx = ctx;
}

bool aio_is_idle(const struct aio *aio)
{
	return !aio->queue && !aio->n_kernel;
}

bool aio_is_async(const struct aio *aio)
{
	return aio->uring;
}

/* ---- the ring ---------------------------------------------------------------------------------
 */

static int ring_init(struct io_uring *ring)
{
	/* Kernels before 6.0 know neither flag; the ring is made on the one thread that uses it. */
	static const unsigned flags[] = {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER, 0};
	int status = -EINVAL;
	for (unsigned i = 0; i < 2 && status == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = flags[i] | IORING_SETUP_CQSIZE,
			.cq_entries = CQ_ENTRIES,
		};
		status = io_uring_queue_init_params(SQ_ENTRIES, ring, &params);
	}
	return status;
}

/* A filter may allow making a ring but not entering it: one round trip shows. */
static bool ring_works(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	io_uring_prep_nop(sqe);
	if (io_uring_submit_and_wait(ring, 1) < 0 || io_uring_peek_cqe(ring, &cqe))
		return false;
	io_uring_cqe_seen(ring, cqe);
	return true;
}

static void ring_open(struct aio *aio)
{
	aio->tried = true;
	if (ring_init(&aio->ring))
		return;
	aio->uring = true;
	if (!ring_works(&aio->ring)) {
		ring_close(aio);
		return;
	}
	if (!aio->loop)
		return;
	aio->source.fd = aio->ring.ring_fd;
	if (loop_add(aio->loop, &aio->source, EPOLLIN, NULL))
		ring_close(aio);
	else
		aio->watched = true;
}

static void prepare(struct io_uring_sqe *sqe, struct aio_op *op)
{
	switch (op->kind) {
	case AIO_NOTHING:
		io_uring_prep_nop(sqe);
		break;
	case AIO_READ:
		io_uring_prep_readv(sqe, op->fd, op->iov, op->n_iov, op->offset);
		break;
	case AIO_WRITE:
		io_uring_prep_writev2(sqe, op->fd, op->iov, op->n_iov, op->offset, op->flags);
		break;
	case AIO_SYNC:
		io_uring_prep_fsync(sqe, op->fd, IORING_FSYNC_DATASYNC);
		break;
	case AIO_ALLOCATE:
		io_uring_prep_fallocate(sqe, op->fd, op->flags, op->offset, op->len);
		break;
	}
	io_uring_sqe_set_data(sqe, op);
}

static struct aio_op *queue_pop(struct aio *aio)
{
	struct aio_op *op = aio->queue;
	aio->queue = op->next;
	if (!aio->queue)
		aio->queue_end = &aio->queue;
	return op;
}

static bool ring_reap(struct aio *aio)
{
	struct io_uring_cqe *cqe;
	bool any = false;
	while (!io_uring_peek_cqe(&aio->ring, &cqe)) {
		struct aio_op *op = io_uring_cqe_get_data(cqe);
		int result = cqe->res;
		io_uring_cqe_seen(&aio->ring, cqe);
		aio->n_kernel--;
		if (!op) /* the answer to a cancellation */
			continue;
		op->in_kernel = false;
		op->done(op, result);
		any = true;
	}
	return any;
}

/* EAGAIN and EBUSY pass: completions have to be taken first, or the kernel is short of memory. */
static void ring_submit(struct aio *aio, unsigned wait_for)
{
	static const struct timespec pause = {.tv_nsec = 1000000};
	while (io_uring_sq_ready(&aio->ring) || wait_for) {
		int n = io_uring_submit_and_wait(&aio->ring, wait_for);
		wait_for = 0;
		if (n < 0 && n != -EINTR && !io_uring_cq_ready(&aio->ring))
			nanosleep(&pause, NULL);
		if (n < 0 && io_uring_cq_ready(&aio->ring))
			return; /* the caller reaps and comes back */
	}
}

static struct io_uring_sqe *ring_slot(struct aio *aio)
{
	if (aio->n_kernel >= CQ_ENTRIES)
		return NULL;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&aio->ring);
	if (sqe)
		return sqe;
	ring_submit(aio, 0);
	return io_uring_get_sqe(&aio->ring);
}

static void ring_fill(struct aio *aio)
{
	struct io_uring_sqe *sqe;
	while (aio->queue && (sqe = ring_slot(aio))) {
		struct aio_op *op = queue_pop(aio);
		prepare(sqe, op);
		op->in_kernel = true;
		aio->n_kernel++;
	}
}

static bool ring_flush(struct aio *aio, bool wait)
{
	ring_fill(aio);
	ring_submit(aio, wait && aio->n_kernel && !io_uring_cq_ready(&aio->ring) ? 1 : 0);
	return ring_reap(aio);
}

/* ---- without io_uring -------------------------------------------------------------------------
 */

static ssize_t run_now(const struct aio_op *op)
{
	switch (op->kind) {
	case AIO_NOTHING:
		return 0;
	case AIO_READ:
		return preadv2(op->fd, op->iov, op->n_iov, op->offset, 0);
	case AIO_WRITE:
		return pwritev2(op->fd, op->iov, op->n_iov, op->offset, op->flags);
	case AIO_SYNC:
		return fdatasync(op->fd);
	case AIO_ALLOCATE:
		return fallocate(op->fd, op->flags, op->offset, op->len);
	}
	return -1;
}

static bool sync_flush(struct aio *aio)
{
	bool any = false;
	while (aio->queue) {
		struct aio_op *op = queue_pop(aio);
		ssize_t result = run_now(op);
		op->done(op, result < 0 ? -errno : result);
		any = true;
	}
	return any;
}

/* ---- both -------------------------------------------------------------------------------------
 */

void aio_submit(struct aio *aio, struct aio_op *op)
{
	op->next = NULL;
	op->in_kernel = false;
	*aio->queue_end = op;
	aio->queue_end = &op->next;
}

static bool flush_once(struct aio *aio, bool wait)
{
	if (aio->queue && !aio->tried)
		ring_open(aio);
	return aio->uring ? ring_flush(aio, wait) : sync_flush(aio);
}

static bool has_unsubmitted(const struct aio *aio)
{
	return aio->queue || (aio->uring && io_uring_sq_ready(&aio->ring));
}

void aio_flush(struct aio *aio)
{
	/* Again only where completions made room or brought more: otherwise the loop will call. */
	while (flush_once(aio, false) && has_unsubmitted(aio))
		;
}

static void ring_ready(struct loop_source *source, uint32_t events)
{
	(void)events;
	struct aio *aio = (struct aio *)((char *)source - offsetof(struct aio, source));
	ring_reap(aio);
	aio_flush(aio);
	if (aio->after_batch)
		aio->after_batch(aio->after_ctx);
}

void aio_drain(struct aio *aio)
{
	while (!aio_is_idle(aio))
		flush_once(aio, true);
	if (aio->after_batch)
		aio->after_batch(aio->after_ctx);
}

void aio_cancel(struct aio *aio, struct aio_op *op)
{
	if (!op->in_kernel || !aio->uring)
		return;
	struct io_uring_sqe *sqe = ring_slot(aio);
	if (!sqe)
		return;
	io_uring_prep_cancel(sqe, op, 0);
	io_uring_sqe_set_data(sqe, NULL);
	aio->n_kernel++;
	ring_submit(aio, 0);
}
