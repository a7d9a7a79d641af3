/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk's backend, apart from the file format behind it and the device in front. Requests are
 * asynchronous: each is submitted on some I/O thread with that thread's aio, and its done() is
 * called there. Reads and writes of one request are not ordered against others; a flush covers the
 * writes that were done when it was submitted.
 */
#ifndef HV_BLOCK_BLOCK_H
#define HV_BLOCK_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "engine/block/aio.h"
#include "engine/model/error.h"

#define BLOCK_SECTOR 512 /* sizes of backends are multiples of it */

enum block_op {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,   /* what was written is durable */
	BLOCK_DISCARD, /* contents may go; a hint */
	BLOCK_ZERO,    /* reads as zeroes afterwards */
};

#define BLOCK_FUA 1   /* writes and zeroes: durable when done */
#define BLOCK_UNMAP 2 /* zeroes: as a hole where that is possible */

struct block;

/* Set by the caller and kept until done(); the backend changes nothing in the first part. */
struct block_req {
	enum block_op op;
	unsigned flags;
	uint64_t offset, len;    /* bytes; len is iov's sum for reads and writes */
	const struct iovec *iov; /* reads and writes; any number of parts up to IOV_MAX */
	int n_iov;
	/* 0, or -errno: -EIO, -ENOSPC, -EROFS, -EINVAL (outside of the disk), -ECANCELED. Never
	 * called within block_submit(). */
	void (*done)(struct block_req *req, int result);

	/* The backend's, while in flight. */
	struct block *block;
	struct aio *aio;
	struct aio_op file;
	uint64_t moved;     /* bytes done by earlier parts */
	struct iovec *rest; /* what a short transfer left; owned */
	int early;          /* a result known at once, on its way through the aio */
};

/* A request is always behind some aio operation, so that aio_drain() brings its end. */
struct block_ops {
	void (*submit)(struct block *block, struct block_req *req);
	/* optional: hastens a request's end; done() comes all the same, but not within */
	void (*cancel)(struct block *block, struct block_req *req);
	void (*free)(struct block *block);
};

struct block {
	const struct block_ops *ops;
	uint64_t size_bytes; /* read and changed on the main thread while no I/O thread runs
				requests */
	bool read_only;
	bool can_discard;
	uint32_t discard_bytes; /* granularity */
};

/* Takes a request on the thread that owns aio; what is out of bounds or not permitted is refused.
 * The caller runs aio_flush(aio) when it has no more. */
void block_submit(struct block *block, struct aio *aio, struct block_req *req);
void block_cancel(struct block_req *req);
/* For backends: the result is known, but done() must not run within block_submit(). */
void block_answer_later(struct block_req *req, int result);
/* Accepts NULL; nothing may be in flight. */
void block_free(struct block *block);

/*
 * A raw image or a block device. fd is taken over on success and never re-opened, so that the locks
 * which hvsh put on its open file description hold. A size that is no multiple of 512 is rounded
 * up: the missing bytes read as zeroes, and a write to them extends the file. HV_FAILED for what is
 * neither file nor block device or is empty, HV_DENIED where it is to be written but fd is open for
 * reading.
 */
int block_raw_new(struct block **out, int fd, bool read_only, struct hv_error *err);

#endif
