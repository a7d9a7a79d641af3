/* SPDX-License-Identifier: GPL-3.0-or-later */
/* UNMAP and WRITE SAME (SBC-3, 5.28, 5.43). */
#include <stdlib.h>
#include <string.h>

#include "engine/block/scsi/scsi_cmd.h"
#include "engine/virtio/vq.h"

/* ---- UNMAP: the list's ranges are checked together, then discarded one after another
 * ------------- */

#define UNMAP_HEADER 8
#define UNMAP_RANGE 16

static void unmap_next(struct scsi_cmd *cmd)
{
	while (cmd->buffer_pos < cmd->buffer_bytes) {
		const uint8_t *range = &cmd->buffer[cmd->buffer_pos];
		uint64_t lba = scsi_be(range, 8), n = scsi_be(range + 8, 4);
		cmd->buffer_pos += UNMAP_RANGE;
		if (!n)
			continue;
		scsi_submit(cmd, BLOCK_DISCARD, lba, n, unmap_next);
		return;
	}
	scsi_good(cmd);
}

static enum scsi_sense unmap_check(struct scsi_cmd *cmd)
{
	uint64_t blocks = scsi_blocks(cmd->lun);
	if (cmd->buffer_bytes < UNMAP_HEADER)
		return SENSE_PARAM_LENGTH;
	size_t ranges = scsi_be(&cmd->buffer[2], 2) / UNMAP_RANGE;
	if (ranges > (cmd->buffer_bytes - UNMAP_HEADER) / UNMAP_RANGE)
		return SENSE_PARAM_LENGTH;
	if (ranges > SCSI_UNMAP_RANGES_MAX)
		return SENSE_INVALID_PARAM;
	for (size_t i = 0; i < ranges; i++) {
		const uint8_t *range = &cmd->buffer[UNMAP_HEADER + i * UNMAP_RANGE];
		uint64_t lba = scsi_be(range, 8), n = scsi_be(range + 8, 4);
		if (lba > blocks || n > blocks - lba)
			return SENSE_LBA_RANGE;
	}
	cmd->buffer_bytes = UNMAP_HEADER + ranges * UNMAP_RANGE;
	return SENSE_NONE;
}

void scsi_unmap(struct scsi_cmd *cmd)
{
	if (!cmd->lun->block->can_discard) {
		scsi_fail(cmd, SENSE_INVALID_OPCODE);
		return;
	}
	if (cmd->cdb[1] & 0x01) { /* ANCHOR */
		scsi_fail(cmd, SENSE_INVALID_CDB);
		return;
	}
	if (!cmd->xfer_bytes) { /* no list is no error */
		scsi_good(cmd);
		return;
	}
	if (!scsi_take_params(cmd, cmd->xfer_bytes))
		return;
	enum scsi_sense sense = unmap_check(cmd);
	if (sense) {
		scsi_fail(cmd, sense);
		return;
	}
	cmd->buffer_pos = UNMAP_HEADER;
	unmap_next(cmd);
}

/* ---- WRITE SAME -------------------------------------------------------------------------------
 */

#define PATTERN_BYTES 65536

static bool all_zero(const uint8_t *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

static void same_done(struct scsi_cmd *cmd)
{
	cmd->moved = cmd->xfer_bytes;
	scsi_good(cmd);
}

/* One buffer of repeated blocks, pointed at as often as it takes. */
static void write_pattern(struct scsi_cmd *cmd, const uint8_t *block)
{
	size_t block_bytes = cmd->lun->block_bytes;
	uint64_t left = cmd->n_blocks * block_bytes;
	size_t n = (left + PATTERN_BYTES - 1) / PATTERN_BYTES, i;
	cmd->buffer = malloc(PATTERN_BYTES);
	cmd->parts = calloc(n, sizeof *cmd->parts);
	if (!cmd->buffer || !cmd->parts) {
		scsi_fail(cmd, SENSE_INTERNAL);
		return;
	}
	for (i = 0; i < PATTERN_BYTES; i += block_bytes)
		memcpy(cmd->buffer + i, block, block_bytes);
	for (i = 0; i < n; i++, left -= cmd->parts[i - 1].iov_len) {
		cmd->parts[i].iov_base = cmd->buffer;
		cmd->parts[i].iov_len = left < PATTERN_BYTES ? left : PATTERN_BYTES;
	}
	cmd->io.iov = cmd->parts;
	cmd->io.n_iov = (int)n;
	scsi_submit(cmd, BLOCK_WRITE, cmd->lba, cmd->n_blocks, same_done);
}

static enum scsi_sense same_check(const struct scsi_cmd *cmd)
{
	uint64_t blocks = scsi_blocks(cmd->lun);
	bool unmap = cmd->cdb[1] & 0x08;
	if (cmd->cdb[1] & 0x16) /* ANCHOR, PBDATA, LBDATA */
		return SENSE_INVALID_CDB;
	if (unmap && !cmd->lun->block->can_discard)
		return SENSE_INVALID_CDB;
	/* WSNZ, MAXIMUM WRITE SAME LENGTH */
	if (cmd->n_blocks == 0 || cmd->n_blocks > SCSI_SAME_BLOCKS_MAX)
		return SENSE_INVALID_CDB;
	if (cmd->lba > blocks || cmd->n_blocks > blocks - cmd->lba)
		return SENSE_LBA_RANGE;
	return SENSE_NONE;
}

void scsi_write_same(struct scsi_cmd *cmd)
{
	uint8_t block[4096] = {0};
	enum scsi_sense sense = same_check(cmd);
	if (sense || cmd->lun->block_bytes > sizeof block) {
		scsi_fail(cmd, sense ? sense : SENSE_INTERNAL);
		return;
	}
	iov_copy_out(cmd->out, cmd->n_out, 0, block, cmd->xfer_bytes);
	cmd->io.flags = atomic_load(&cmd->lun->write_cache) ? 0 : BLOCK_FUA;
	if (cmd->cdb[1] & 0x08)
		cmd->io.flags |= BLOCK_UNMAP;
	if (all_zero(block, cmd->lun->block_bytes))
		scsi_submit(cmd, BLOCK_ZERO, cmd->lba, cmd->n_blocks, same_done);
	else
		write_pattern(cmd, block);
}
