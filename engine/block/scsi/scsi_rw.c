/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Moving data: READ, WRITE, VERIFY, SYNCHRONIZE CACHE, READ CAPACITY (SBC-3, 5). */
#include <stdlib.h>
#include <string.h>

#include "engine/block/scsi/scsi_cmd.h"
#include "engine/virtio/vq.h"

#define FUA 0x08

static bool in_range(const struct scsi_cmd *cmd)
{
	uint64_t blocks = scsi_blocks(cmd->lun);
	return cmd->lba <= blocks && cmd->n_blocks <= blocks - cmd->lba;
}

/* Parts of a buffer that sum to exactly len; the last may have to be cut, so a copy is made then.
 */
static int cut_parts(struct scsi_cmd *cmd, const struct iovec *iov, int n_iov, uint64_t len)
{
	uint64_t sum = 0;
	int n = 0;
	while (n < n_iov && sum < len)
		sum += iov[n++].iov_len;
	cmd->io.iov = iov;
	cmd->io.n_iov = n;
	if (sum == len)
		return 0;
	if (sum < len)
		return -1; /* scsi_fits() has seen to it that there is enough */
	cmd->parts = calloc(n, sizeof *cmd->parts);
	if (!cmd->parts)
		return -1;
	memcpy(cmd->parts, iov, n * sizeof *iov);
	cmd->parts[n - 1].iov_len -= sum - len;
	cmd->io.iov = cmd->parts;
	return 0;
}

static void move_done(struct scsi_cmd *cmd)
{
	cmd->moved = cmd->io.len;
	scsi_good(cmd);
}

static void move(struct scsi_cmd *cmd, enum block_op op, const struct iovec *iov, int n_iov)
{
	if (!in_range(cmd))
		scsi_fail(cmd, SENSE_LBA_RANGE);
	else if (cut_parts(cmd, iov, n_iov, cmd->xfer_bytes))
		scsi_fail(cmd, SENSE_INTERNAL);
	else
		scsi_submit(cmd, op, cmd->lba, cmd->n_blocks, move_done);
}

void scsi_read(struct scsi_cmd *cmd)
{
	move(cmd, BLOCK_READ, cmd->in, cmd->n_in);
}

void scsi_write(struct scsi_cmd *cmd)
{
	bool fua = cmd->op->cdb_bytes > 6 && cmd->cdb[1] & FUA;
	if (fua || !atomic_load(&cmd->lun->write_cache))
		cmd->io.flags = BLOCK_FUA;
	move(cmd, BLOCK_WRITE, cmd->out, cmd->n_out);
}

/* All of the cache is one: the range is checked, then everything is flushed. */
void scsi_sync_cache(struct scsi_cmd *cmd)
{
	if (!in_range(cmd))
		scsi_fail(cmd, SENSE_LBA_RANGE);
	else
		scsi_submit(cmd, BLOCK_FLUSH, 0, 0, NULL);
}

/* ---- VERIFY -----------------------------------------------------------------------------------
 */

/* The buffer's first half is for the disk's bytes, the second for the initiator's. */
static void compare_next(struct scsi_cmd *cmd);

static void compare_chunk(struct scsi_cmd *cmd)
{
	uint8_t *theirs = cmd->buffer + SCSI_COMPARE_CHUNK;
	size_t n = iov_copy_out(cmd->out, cmd->n_out, cmd->moved, theirs, cmd->io.len);
	if (n != cmd->io.len || memcmp(cmd->buffer, theirs, n) != 0) {
		scsi_fail(cmd, SENSE_MISCOMPARE);
		return;
	}
	cmd->moved += n;
	compare_next(cmd);
}

static void compare_next(struct scsi_cmd *cmd)
{
	uint64_t left = cmd->xfer_bytes - cmd->moved;
	if (!left) {
		scsi_good(cmd);
		return;
	}
	size_t n = left < SCSI_COMPARE_CHUNK ? left : SCSI_COMPARE_CHUNK;
	cmd->parts[0] = (struct iovec){cmd->buffer, n};
	cmd->io.iov = cmd->parts;
	cmd->io.n_iov = 1;
	scsi_submit(cmd, BLOCK_READ, cmd->lba + cmd->moved / cmd->lun->block_bytes,
		    n / cmd->lun->block_bytes, compare_chunk);
}

/* Without BYTCHK there is nothing to compare with, and the medium cannot decay: the range counts.
 */
void scsi_verify(struct scsi_cmd *cmd)
{
	uint8_t bytchk = cmd->cdb[1] & 0x06;
	if (bytchk > 0x02) {
		scsi_fail(cmd, SENSE_INVALID_CDB);
		return;
	}
	if (!in_range(cmd)) {
		scsi_fail(cmd, SENSE_LBA_RANGE);
		return;
	}
	if (!bytchk) {
		scsi_good(cmd);
		return;
	}
	cmd->buffer = malloc(2 * SCSI_COMPARE_CHUNK);
	cmd->parts = calloc(1, sizeof *cmd->parts);
	if (cmd->buffer && cmd->parts)
		compare_next(cmd);
	else
		scsi_fail(cmd, SENSE_INTERNAL);
}

/* ---- READ CAPACITY ----------------------------------------------------------------------------
 */

void scsi_read_capacity_10(struct scsi_cmd *cmd)
{
	uint8_t data[8];
	uint64_t last = scsi_blocks(cmd->lun) - 1;
	scsi_put_be(&data[0], 4, last > UINT32_MAX ? UINT32_MAX : last);
	scsi_put_be(&data[4], 4, cmd->lun->block_bytes);
	scsi_reply(cmd, data, sizeof data);
}

void scsi_read_capacity_16(struct scsi_cmd *cmd)
{
	uint8_t data[32] = {0};
	scsi_put_be(&data[0], 8, scsi_blocks(cmd->lun) - 1);
	scsi_put_be(&data[8], 4, cmd->lun->block_bytes);
	if (cmd->lun->block->can_discard)
		data[14] = 0xc0; /* LBPME, LBPRZ */
	scsi_reply(cmd, data, sizeof data);
}
