/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The checks that every backend would have to make, made once. */
#include "engine/block/block.h"

#include <errno.h>
#include <stddef.h>

static int check(const struct block *block, const struct block_req *req)
{
	uint64_t end;
	if (req->op == BLOCK_FLUSH)
		return 0;
	if (__builtin_add_overflow(req->offset, req->len, &end) || end > block->size_bytes)
		return -EINVAL;
	if (req->op != BLOCK_READ && block->read_only)
		return -EROFS;
	return 0;
}

static void answered(struct aio_op *op, ssize_t result)
{
	(void)result;
	struct block_req *req = (struct block_req *)((char *)op - offsetof(struct block_req, file));
	req->done(req, req->early);
}

void block_answer_later(struct block_req *req, int result)
{
	req->early = result;
	req->file = (struct aio_op){.kind = AIO_NOTHING, .done = answered};
	aio_submit(req->aio, &req->file);
}

void block_submit(struct block *block, struct aio *aio, struct block_req *req)
{
	req->block = block;
	req->aio = aio;
	req->moved = 0;
	req->rest = NULL;
	int status = check(block, req);
	if (status || (req->len == 0 && req->op != BLOCK_FLUSH))
		block_answer_later(req, status);
	else
		block->ops->submit(block, req);
}

void block_cancel(struct block_req *req)
{
	if (req->block->ops->cancel)
		req->block->ops->cancel(req->block, req);
}

void block_free(struct block *block)
{
	if (block)
		block->ops->free(block);
}
