/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Asynchronous file I/O of one I/O thread, on an io_uring of its own. The ring is made at the first
 * operation, so that an idle queue costs nothing; where io_uring is forbidden (ENOSYS, EPERM) the
 * same operations run synchronously on the thread. All calls but aio_new() and aio_free() belong to
 * the thread whose loop it is.
 *
 *	aio_submit() … aio_submit() ─► aio_flush() ─► kernel ─► loop ─► op->done() … ─►
 * after_batch()
 */
#ifndef HV_BLOCK_AIO_H
#define HV_BLOCK_AIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "engine/model/error.h"

struct aio;
struct loop;

enum aio_kind {
	AIO_NOTHING, /* for an answer that is known, but may not come at once */
	AIO_READ,
	AIO_WRITE,    /* flags: RWF_… */
	AIO_SYNC,     /* data durable, as fdatasync() */
	AIO_ALLOCATE, /* fallocate(): flags are FALLOC_FL_…, offset and len say where */
};

/* One operation, embedded in its owner; it and what it points to stay until done(). */
struct aio_op {
	enum aio_kind kind;
	int fd;
	int flags;
	uint64_t offset, len; /* len: AIO_ALLOCATE only */
	const struct iovec *iov;
	int n_iov;
	/* As the system call: bytes, or -errno; may be short. Never called within aio_submit(). It
	 * may submit more; what it submits is flushed after it. */
	void (*done)(struct aio_op *op, ssize_t result);
	struct aio_op *next; /* aio's own */
	bool in_kernel;      /* aio's own */
};

enum aio_mode {
	AIO_AUTO, /* io_uring, or without where it is forbidden */
	AIO_SYNCHRONOUS,
};

/* loop: where completions are waited for; NULL for callers that only aio_drain(). */
int aio_new(struct aio **out, struct loop *loop, enum aio_mode mode, struct hv_error *err);
/* Accepts NULL. Nothing may be in flight. On the loop's thread, or after it ended. */
void aio_free(struct aio *aio);

/* Called after each batch of done() calls that the loop or aio_drain() brought. */
void aio_set_after_batch(struct aio *aio, void (*after_batch)(void *ctx), void *ctx);

void aio_submit(struct aio *aio, struct aio_op *op);
/* Hands over what was submitted and finishes what is ready. Not to be called from done(). */
void aio_flush(struct aio *aio);
/* Until nothing is submitted or in flight. */
void aio_drain(struct aio *aio);
/* Asks the kernel to give the operation up; done() comes all the same, with -ECANCELED or not. */
void aio_cancel(struct aio *aio, struct aio_op *op);

bool aio_is_idle(const struct aio *aio);
/* Whether operations go through io_uring; known after the first flush. */
bool aio_is_async(const struct aio *aio);

#endif
