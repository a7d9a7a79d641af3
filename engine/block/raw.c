/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Raw images and block devices. Short transfers are resumed; holes are punched where the file
 * system can, and zeroes written where it cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/block/block.h"

struct raw {
	struct block block;
	int fd;
	uint64_t file_bytes; /* as it was opened; from there to size_bytes reads give zeroes */
	/* Learned from the file system's refusals, by any I/O thread. */
	atomic_bool no_punch, no_zero_range;
};

#define ZERO_CHUNK 65536
#define ZERO_PARTS 64
/* Never written: all of it is the kernel's zero page. */
static const uint8_t zeroes[ZERO_CHUNK];

static void submit_zeroes(struct block_req *req);

static struct raw *raw_of(struct block_req *req)
{
	return (struct raw *)req->block;
}

static struct block_req *req_of(struct aio_op *op)
{
	return (struct block_req *)((char *)op - offsetof(struct block_req, file));
}

static void finish(struct block_req *req, int result)
{
	free(req->rest);
	req->rest = NULL;
	req->done(req, result);
}

static bool try_again(ssize_t result)
{
	return result == -EINTR || result == -EAGAIN;
}

/* ---- reads and writes -------------------------------------------------------------------------
 */

static void zero_tail(const struct block_req *req)
{
	uint64_t skip = req->moved;
	for (int i = 0; i < req->n_iov; i++) {
		uint64_t part = skip < req->iov[i].iov_len ? skip : req->iov[i].iov_len;
		memset((uint8_t *)req->iov[i].iov_base + part, 0, req->iov[i].iov_len - part);
		skip -= part;
	}
}

/* The file ended. Fine within the last, incomplete sector; otherwise it was cut under us. */
static int end_of_file(struct block_req *req)
{
	if (req->op == BLOCK_WRITE || req->offset + req->moved < raw_of(req)->file_bytes)
		return -EIO;
	zero_tail(req);
	return 0;
}

/* Leaves in req->rest what is still to be moved. */
static int set_rest(struct block_req *req)
{
	if (!req->rest)
		req->rest = calloc(req->n_iov, sizeof *req->rest);
	if (!req->rest)
		return -ENOMEM;
	uint64_t skip = req->moved;
	int n = 0;
	for (int i = 0; i < req->n_iov; i++) {
		uint64_t part = skip < req->iov[i].iov_len ? skip : req->iov[i].iov_len;
		skip -= part;
		if (part == req->iov[i].iov_len)
			continue;
		req->rest[n].iov_base = (uint8_t *)req->iov[i].iov_base + part;
		req->rest[n++].iov_len = req->iov[i].iov_len - part;
	}
	req->file.iov = req->rest;
	req->file.n_iov = n;
	req->file.offset = req->offset + req->moved;
	return 0;
}

static void transfer_done(struct aio_op *op, ssize_t result)
{
	struct block_req *req = req_of(op);
	if (result < 0 && !try_again(result)) {
		finish(req, (int)result);
		return;
	}
	if (result == 0) {
		finish(req, end_of_file(req));
		return;
	}
	if (result > 0)
		req->moved += result;
	if (req->moved >= req->len) {
		finish(req, 0);
		return;
	}
	int status = result > 0 ? set_rest(req) : 0;
	if (status)
		finish(req, status);
	else
		aio_submit(req->aio, op);
}

static void submit_transfer(struct block_req *req)
{
	req->file = (struct aio_op){
		.kind = req->op == BLOCK_READ ? AIO_READ : AIO_WRITE,
		.fd = raw_of(req)->fd,
		.flags = req->op == BLOCK_WRITE && req->flags & BLOCK_FUA ? RWF_DSYNC : 0,
		.offset = req->offset,
		.iov = req->iov,
		.n_iov = req->n_iov,
		.done = transfer_done,
	};
	aio_submit(req->aio, &req->file);
}

/* ---- flush ------------------------------------------------------------------------------------
 */

static void sync_done(struct aio_op *op, ssize_t result)
{
	if (try_again(result))
		aio_submit(req_of(op)->aio, op);
	else
		finish(req_of(op), result < 0 ? (int)result : 0);
}

static void submit_sync(struct block_req *req)
{
	req->file = (struct aio_op){.kind = AIO_SYNC, .fd = raw_of(req)->fd, .done = sync_done};
	aio_submit(req->aio, &req->file);
}

/* ---- discard and zeroes -----------------------------------------------------------------------
 */

static void zeroed(struct block_req *req)
{
	if (req->op == BLOCK_ZERO && req->flags & BLOCK_FUA)
		submit_sync(req);
	else
		finish(req, 0);
}

static void allocate_done(struct aio_op *op, ssize_t result)
{
	struct block_req *req = req_of(op);
	struct raw *raw = raw_of(req);
	if (try_again(result)) {
		aio_submit(req->aio, op);
	} else if (result == -EOPNOTSUPP || result == -ENOSYS) {
		atomic_bool *known =
			op->flags & FALLOC_FL_PUNCH_HOLE ? &raw->no_punch : &raw->no_zero_range;
		atomic_store(known, true);
		submit_zeroes(req);
	} else if (result < 0) {
		finish(req, (int)result);
	} else {
		zeroed(req);
	}
}

static void submit_allocate(struct block_req *req, int mode)
{
	req->file = (struct aio_op){
		.kind = AIO_ALLOCATE,
		.fd = raw_of(req)->fd,
		.flags = mode | FALLOC_FL_KEEP_SIZE,
		.offset = req->offset,
		.len = req->len,
		.done = allocate_done,
	};
	aio_submit(req->aio, &req->file);
}

static void zero_write_next(struct block_req *req)
{
	uint64_t left = req->len - req->moved;
	int n = 0;
	for (; n < ZERO_PARTS && left; n++) {
		uint64_t part = left < ZERO_CHUNK ? left : ZERO_CHUNK;
		req->rest[n] = (struct iovec){(void *)(uintptr_t)zeroes, part};
		left -= part;
	}
	req->file.n_iov = n;
	req->file.offset = req->offset + req->moved;
	aio_submit(req->aio, &req->file);
}

static void zero_write_done(struct aio_op *op, ssize_t result)
{
	struct block_req *req = req_of(op);
	if (result > 0)
		req->moved += result;
	if (result == 0 || (result < 0 && !try_again(result)))
		finish(req, result ? (int)result : -EIO);
	else if (req->moved < req->len)
		zero_write_next(req);
	else
		zeroed(req);
}

static void submit_zero_writes(struct block_req *req)
{
	req->rest = calloc(ZERO_PARTS, sizeof *req->rest);
	req->file = (struct aio_op){
		.kind = AIO_WRITE,
		.fd = raw_of(req)->fd,
		.iov = req->rest,
		.done = zero_write_done,
	};
	if (req->rest)
		zero_write_next(req);
	else
		zero_write_done(&req->file, -ENOMEM);
}

/* The best way that the file system has not refused yet. A discard is a hint: it may do nothing. */
static void submit_zeroes(struct block_req *req)
{
	struct raw *raw = raw_of(req);
	bool hole = req->op == BLOCK_DISCARD || req->flags & BLOCK_UNMAP;
	if (hole && !atomic_load(&raw->no_punch))
		submit_allocate(req, FALLOC_FL_PUNCH_HOLE);
	else if (req->op == BLOCK_ZERO && !atomic_load(&raw->no_zero_range))
		submit_allocate(req, FALLOC_FL_ZERO_RANGE);
	else if (req->op == BLOCK_ZERO)
		submit_zero_writes(req);
	else
		block_answer_later(req, 0);
}

/* ---- the backend ------------------------------------------------------------------------------
 */

static void raw_submit(struct block *block, struct block_req *req)
{
	(void)block;
	switch (req->op) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		submit_transfer(req);
		break;
	case BLOCK_FLUSH:
		submit_sync(req);
		break;
	case BLOCK_DISCARD:
	case BLOCK_ZERO:
		submit_zeroes(req);
		break;
	}
}

static void raw_cancel(struct block *block, struct block_req *req)
{
	(void)block;
	aio_cancel(req->aio, &req->file);
}

static void raw_free(struct block *block)
{
	struct raw *raw = (struct raw *)block;
	close(raw->fd);
	free(raw);
}

static const struct block_ops raw_ops = {raw_submit, raw_cancel, raw_free};

/* A hole beyond the end changes nothing and tells whether there can be holes. On a block device it
 * is always outside, so the first real one has to tell. */
static bool can_punch(int fd, uint64_t end, bool is_device)
{
	const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	end = (end + 65535) & ~65535ULL;
	return is_device || fallocate(fd, mode, end, 65536) == 0;
}

/* What holes are made of. Network file systems tell their preferred transfer size instead, which
 * may be anything. */
static uint32_t granularity(const struct stat *st)
{
	uint64_t size = (uint64_t)st->st_blksize;
	bool plausible = size >= BLOCK_SECTOR && size <= 65536 && !(size & (size - 1));
	return plausible ? (uint32_t)size : 4096;
}

static int check_file(int fd, bool read_only, struct stat *st, struct hv_error *err)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, st))
		return hv_fail(err, HV_FAILED, errno, "cannot examine the image");
	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
		return hv_fail(err, HV_FAILED, 0, "image is neither a file nor a block device");
	if ((flags & O_ACCMODE) == O_WRONLY || (!read_only && (flags & O_ACCMODE) != O_RDWR)) {
		hv_fail(err, HV_DENIED, 0, "image is open %s",
			flags & O_ACCMODE ? "for writing only" : "for reading only");
		return hv_hint(err, "attach the disk read-only, or make the image writable");
	}
	return 0;
}

int block_raw_new(struct block **out, int fd, bool read_only, struct hv_error *err)
{
	struct stat st = {0};
	int status = check_file(fd, read_only, &st, err);
	if (status)
		return status;
	off_t end = lseek(fd, 0, SEEK_END); /* st_size says nothing of a device */
	if (end < 0)
		return hv_fail(err, HV_FAILED, errno, "cannot find the size of the image");
	if (end == 0 || end > INT64_MAX - 65536 * 2)
		return hv_fail(err, HV_FAILED, 0, "image is %s", end ? "too large" : "empty");
	struct raw *raw = calloc(1, sizeof *raw);
	if (!raw)
		return hv_fail(err, HV_FAILED, ENOMEM, "cannot allocate a disk");
	raw->fd = fd;
	raw->file_bytes = end;
	raw->block = (struct block){
		.ops = &raw_ops,
		.size_bytes = ((uint64_t)end + BLOCK_SECTOR - 1) & ~(uint64_t)(BLOCK_SECTOR - 1),
		.read_only = read_only,
		.can_discard = !read_only && can_punch(fd, end, S_ISBLK(st.st_mode)),
		.discard_bytes = granularity(&st),
	};
	atomic_store(&raw->no_punch, !raw->block.can_discard);
	*out = &raw->block;
	return 0;
}
