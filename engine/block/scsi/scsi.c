/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The SCSI command table and what happens before and after a handler: attentions, LUN and medium
 * checks, sense data, statistics (SAM-5, 5; SPC-4, 4.5).
 */
#include "engine/block/scsi/scsi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/block/scsi/scsi_cmd.h"
#include "engine/virtio/vq.h"

static void test_unit_ready(struct scsi_cmd *cmd)
{
	scsi_good(cmd);
}

/* Nothing spins: only START matters, and power conditions are accepted as they are. */
static void start_stop_unit(struct scsi_cmd *cmd)
{
	if (cmd->cdb[4] >> 4 == 0)
		atomic_store(&cmd->lun->stopped, !(cmd->cdb[4] & 0x01));
	scsi_good(cmd);
}

#define NO_LEN SCSI_LEN_NONE, 0, 0
#define FIXED(n) SCSI_LEN_FIXED, n, 0
#define BYTES(at, n) SCSI_LEN_BYTES, at, n
#define BLOCKS SCSI_LEN_BLOCKS, 0, 0
#define READS (SCSI_OP_MEDIA | SCSI_OP_PROTECT)
#define WRITES (SCSI_OP_MEDIA | SCSI_OP_WRITES | SCSI_OP_PROTECT)
#define ALWAYS (SCSI_OP_NO_LUN | SCSI_OP_ATTENTION)
#define NONE SCSI_NO_ACTION

/* clang-format off */
static const struct scsi_op ops[] = {
	{0x00, NONE, 6, SCSI_NO_DATA, NO_LEN, SCSI_OP_MEDIA, test_unit_ready, "TEST UNIT READY"},
	{0x03, NONE, 6, SCSI_DATA_IN, BYTES(4, 1), ALWAYS, scsi_request_sense, "REQUEST SENSE"},
	{0x08, NONE, 6, SCSI_DATA_IN, BLOCKS, SCSI_OP_MEDIA, scsi_read, "READ(6)"},
	{0x0a, NONE, 6, SCSI_DATA_OUT, BLOCKS, SCSI_OP_MEDIA | SCSI_OP_WRITES, scsi_write, "WRITE(6)"},
	{0x12, NONE, 6, SCSI_DATA_IN, BYTES(3, 2), ALWAYS, scsi_inquiry, "INQUIRY"},
	{0x15, NONE, 6, SCSI_DATA_OUT, BYTES(4, 1), 0, scsi_mode_select, "MODE SELECT(6)"},
	{0x1a, NONE, 6, SCSI_DATA_IN, BYTES(4, 1), 0, scsi_mode_sense, "MODE SENSE(6)"},
	{0x1b, NONE, 6, SCSI_NO_DATA, NO_LEN, 0, start_stop_unit, "START STOP UNIT"},
	{0x25, NONE, 10, SCSI_DATA_IN, FIXED(8), SCSI_OP_MEDIA, scsi_read_capacity_10, "READ CAPACITY(10)"},
	{0x28, NONE, 10, SCSI_DATA_IN, BLOCKS, READS, scsi_read, "READ(10)"},
	{0x2a, NONE, 10, SCSI_DATA_OUT, BLOCKS, WRITES, scsi_write, "WRITE(10)"},
	{0x2f, NONE, 10, SCSI_DATA_OUT, SCSI_LEN_COMPARE, 0, 0, READS, scsi_verify, "VERIFY(10)"},
	{0x35, NONE, 10, SCSI_NO_DATA, NO_LEN, SCSI_OP_MEDIA, scsi_sync_cache, "SYNCHRONIZE CACHE(10)"},
	{0x41, NONE, 10, SCSI_DATA_OUT, SCSI_LEN_SAME, 0, 0, WRITES, scsi_write_same, "WRITE SAME(10)"},
	{0x42, NONE, 10, SCSI_DATA_OUT, BYTES(7, 2), SCSI_OP_MEDIA | SCSI_OP_WRITES, scsi_unmap, "UNMAP"},
	{0x55, NONE, 10, SCSI_DATA_OUT, BYTES(7, 2), 0, scsi_mode_select, "MODE SELECT(10)"},
	{0x5a, NONE, 10, SCSI_DATA_IN, BYTES(7, 2), 0, scsi_mode_sense, "MODE SENSE(10)"},
	{0x88, NONE, 16, SCSI_DATA_IN, BLOCKS, READS, scsi_read, "READ(16)"},
	{0x8a, NONE, 16, SCSI_DATA_OUT, BLOCKS, WRITES, scsi_write, "WRITE(16)"},
	{0x8f, NONE, 16, SCSI_DATA_OUT, SCSI_LEN_COMPARE, 0, 0, READS, scsi_verify, "VERIFY(16)"},
	{0x91, NONE, 16, SCSI_NO_DATA, NO_LEN, SCSI_OP_MEDIA, scsi_sync_cache, "SYNCHRONIZE CACHE(16)"},
	{0x93, NONE, 16, SCSI_DATA_OUT, SCSI_LEN_SAME, 0, 0, WRITES, scsi_write_same, "WRITE SAME(16)"},
	{0x9e, 0x10, 16, SCSI_DATA_IN, BYTES(10, 4), SCSI_OP_MEDIA, scsi_read_capacity_16, "READ CAPACITY(16)"},
	{0xa0, NONE, 12, SCSI_DATA_IN, BYTES(6, 4), ALWAYS, scsi_report_luns, "REPORT LUNS"},
	{0xa8, NONE, 12, SCSI_DATA_IN, BLOCKS, READS, scsi_read, "READ(12)"},
	{0xaa, NONE, 12, SCSI_DATA_OUT, BLOCKS, WRITES, scsi_write, "WRITE(12)"},
	{0xaf, NONE, 12, SCSI_DATA_OUT, SCSI_LEN_COMPARE, 0, 0, READS, scsi_verify, "VERIFY(12)"},
};
/* clang-format on */

#define N_OPS (sizeof ops / sizeof *ops)

const struct scsi_op *scsi_op_at(size_t i)
{
	return i < N_OPS ? &ops[i] : NULL;
}

void scsi_op_describe(const struct scsi_op *op, struct scsi_op_info *info)
{
	*info = (struct scsi_op_info){
		.name = op->name,
		.opcode = op->opcode,
		.cdb_bytes = op->cdb_bytes,
		.has_action = op->action != SCSI_NO_ACTION,
		.action = op->action,
		.dir = op->dir,
	};
}

/* ---- units ------------------------------------------------------------------------------------
 */

int scsi_lun_new(struct scsi_lun **out, uint16_t target, uint16_t number, struct block *backend,
		 const struct scsi_disk_config *config, struct hv_error *err)
{
	struct scsi_lun *lun = calloc(1, sizeof *lun);
	if (!lun)
		return hv_fail(err, HV_FAILED, ENOMEM, "cannot allocate disk '%s'", config->id);
	lun->block = backend;
	lun->config = *config;
	lun->target = target;
	lun->number = number;
	lun->block_bytes = BLOCK_SECTOR;
	scsi_lun_reset(lun, SCSI_UA_POWER_ON);
	*out = lun;
	return 0;
}

void scsi_lun_free(struct scsi_lun *lun)
{
	if (!lun)
		return;
	block_free(lun->block);
	free(lun);
}

void scsi_lun_reset(struct scsi_lun *lun, enum scsi_attention why)
{
	atomic_store(&lun->write_cache, !lun->config.write_through);
	atomic_store(&lun->stopped, false);
	scsi_lun_attention(lun, why);
}

void scsi_lun_attention(struct scsi_lun *lun, enum scsi_attention what)
{
	atomic_fetch_or(&lun->attentions, 1u << what);
}

uint32_t scsi_take_attention(struct scsi_lun *lun)
{
	static const uint32_t sense[SCSI_UA_COUNT] = {
		[SCSI_UA_POWER_ON] = 0x062900,     [SCSI_UA_RESET] = 0x062903,
		[SCSI_UA_LUNS_CHANGED] = 0x063f0e, [SCSI_UA_CAPACITY] = 0x062a09,
		[SCSI_UA_MODE_CHANGED] = 0x062a01,
	};
	uint32_t pending = atomic_load(&lun->attentions);
	while (pending) {
		unsigned bit = __builtin_ctz(pending);
		if (atomic_compare_exchange_weak(&lun->attentions, &pending,
						 pending & ~(1u << bit)))
			return sense[bit];
	}
	return SENSE_NONE;
}

void scsi_lun_stats(const struct scsi_lun *lun, struct scsi_disk_stats *stats)
{
#define GET(member) stats->member = atomic_load_explicit(&lun->stats.member, memory_order_relaxed)
	GET(reads);
	GET(writes);
	GET(read_bytes);
	GET(written_bytes);
	GET(flushes);
	GET(unmaps);
	GET(errors);
#undef GET
}

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void count_request(struct scsi_lun *lun, const struct block_req *req)
{
	switch (req->op) {
	case BLOCK_READ:
		count(&lun->stats.reads, 1);
		count(&lun->stats.read_bytes, req->len);
		break;
	case BLOCK_WRITE:
		count(&lun->stats.writes, 1);
		count(&lun->stats.written_bytes, req->len);
		break;
	case BLOCK_FLUSH:
		count(&lun->stats.flushes, 1);
		break;
	case BLOCK_DISCARD:
	case BLOCK_ZERO:
		count(&lun->stats.unmaps, 1);
		break;
	}
}

/* ---- ends -------------------------------------------------------------------------------------
 */

void scsi_sense_fill(uint8_t sense[SCSI_SENSE_BYTES], uint32_t code)
{
	memset(sense, 0, SCSI_SENSE_BYTES);
	sense[0] = 0x70; /* current, fixed format */
	sense[2] = code >> 16;
	sense[7] = SCSI_SENSE_BYTES - 8;
	sense[12] = code >> 8;
	sense[13] = code;
}

static void end(struct scsi_cmd *cmd)
{
	free(cmd->buffer);
	free(cmd->parts);
	cmd->buffer = NULL;
	cmd->parts = NULL;
	cmd->done(cmd);
}

void scsi_good(struct scsi_cmd *cmd)
{
	cmd->status = SCSI_GOOD;
	end(cmd);
}

static void check_condition(struct scsi_cmd *cmd, uint32_t sense)
{
	cmd->status = SCSI_CHECK_CONDITION;
	cmd->sense_len = SCSI_SENSE_BYTES;
	cmd->moved = 0;
	scsi_sense_fill(cmd->sense, sense);
	/* INFORMATION: the first block concerned */
	if (sense >> 16 == 0x03 && cmd->lba <= UINT32_MAX) {
		cmd->sense[0] |= 0x80;
		scsi_put_be(&cmd->sense[3], 4, cmd->lba);
	}
	end(cmd);
}

void scsi_fail(struct scsi_cmd *cmd, enum scsi_sense sense)
{
	check_condition(cmd, sense);
}

void scsi_reply(struct scsi_cmd *cmd, const void *data, size_t len)
{
	if (len > cmd->xfer_bytes)
		len = cmd->xfer_bytes;
	cmd->moved = iov_copy_in(cmd->in, cmd->n_in, 0, data, len);
	scsi_good(cmd);
}

bool scsi_take_params(struct scsi_cmd *cmd, size_t len)
{
	cmd->buffer = malloc(len ? len : 1);
	if (!cmd->buffer) {
		scsi_fail(cmd, SENSE_INTERNAL);
		return false;
	}
	cmd->buffer_bytes = iov_copy_out(cmd->out, cmd->n_out, 0, cmd->buffer, len);
	cmd->moved = cmd->buffer_bytes;
	return true;
}

/* ---- backend requests -------------------------------------------------------------------------
 */

static enum scsi_sense sense_of(const struct block_req *req, int error)
{
	switch (error) {
	case -ENOSPC:
	case -EDQUOT:
		return SENSE_NO_SPACE;
	case -EROFS:
		return SENSE_READ_ONLY;
	case -EINVAL:
		return SENSE_LBA_RANGE;
	case -ENOMEM:
		return SENSE_INTERNAL;
	case -ECANCELED:
		return SENSE_ABORTED;
	default:
		return req->op == BLOCK_READ ? SENSE_READ_ERROR : SENSE_WRITE_ERROR;
	}
}

static void request_done(struct block_req *req, int result)
{
	struct scsi_cmd *cmd = (struct scsi_cmd *)((char *)req - offsetof(struct scsi_cmd, io));
	if (result) {
		count(&cmd->lun->stats.errors, 1);
		scsi_fail(cmd, sense_of(req, result));
		return;
	}
	count_request(cmd->lun, req);
	if (!cmd->next)
		scsi_good(cmd);
	else if (cmd->aborted)
		scsi_fail(cmd, SENSE_ABORTED);
	else
		cmd->next(cmd);
}

void scsi_submit(struct scsi_cmd *cmd, enum block_op op, uint64_t lba, uint64_t n_blocks,
		 void (*next)(struct scsi_cmd *cmd))
{
	cmd->next = next;
	cmd->io.op = op;
	cmd->io.offset = lba * cmd->lun->block_bytes;
	cmd->io.len = n_blocks * cmd->lun->block_bytes;
	cmd->io.done = request_done;
	block_submit(cmd->lun->block, cmd->aio, &cmd->io);
}

void scsi_abort(struct scsi_cmd *cmd)
{
	cmd->aborted = true;
	if (cmd->io.block)
		block_cancel(&cmd->io);
}

/* ---- decoding ---------------------------------------------------------------------------------
 */

static const struct scsi_op *find(const uint8_t *cdb)
{
	for (size_t i = 0; i < N_OPS; i++)
		if (ops[i].opcode == cdb[0] &&
		    (ops[i].action == SCSI_NO_ACTION || ops[i].action == (cdb[1] & 0x1f)))
			return &ops[i];
	return NULL;
}

/* LBA and count stand at the same place in all commands of one length. */
static void decode_range(struct scsi_cmd *cmd)
{
	const uint8_t *cdb = cmd->cdb;
	switch (cmd->op->cdb_bytes) {
	case 6:
		cmd->lba = scsi_be(&cdb[1], 3) & 0x1fffff;
		cmd->n_blocks = cdb[4] ? cdb[4] : 256;
		break;
	case 10:
		cmd->lba = scsi_be(&cdb[2], 4);
		cmd->n_blocks = scsi_be(&cdb[7], 2);
		break;
	case 12:
		cmd->lba = scsi_be(&cdb[2], 4);
		cmd->n_blocks = scsi_be(&cdb[6], 4);
		break;
	default:
		cmd->lba = scsi_be(&cdb[2], 8);
		cmd->n_blocks = scsi_be(&cdb[10], 4);
		break;
	}
}

static uint64_t xfer_bytes(const struct scsi_cmd *cmd)
{
	const struct scsi_op *op = cmd->op;
	uint64_t block = cmd->lun ? cmd->lun->block_bytes : BLOCK_SECTOR;
	bool ndob = cmd->cdb[0] == 0x93 && cmd->cdb[1] & 0x01;
	switch (op->len_unit) {
	case SCSI_LEN_NONE:
		return 0;
	case SCSI_LEN_FIXED:
		return op->len_at;
	case SCSI_LEN_BYTES:
		return scsi_be(&cmd->cdb[op->len_at], op->len_bytes);
	case SCSI_LEN_BLOCKS:
		return cmd->n_blocks * block;
	case SCSI_LEN_COMPARE:
		return (cmd->cdb[1] & 0x06) == 0x02 ? cmd->n_blocks * block : 0;
	case SCSI_LEN_SAME:
		return ndob ? 0 : block;
	}
	return 0;
}

void scsi_decode(struct scsi_cmd *cmd)
{
	cmd->op = find(cmd->cdb);
	cmd->dir = SCSI_NO_DATA;
	cmd->xfer_bytes = 0;
	cmd->sense_len = 0;
	cmd->moved = 0;
	cmd->aborted = false;
	cmd->buffer = NULL;
	cmd->parts = NULL;
	cmd->io.block = NULL;
	cmd->io.flags = 0;
	if (!cmd->op)
		return;
	decode_range(cmd);
	cmd->xfer_bytes = xfer_bytes(cmd);
	if (cmd->xfer_bytes)
		cmd->dir = cmd->op->dir;
}

bool scsi_fits(const struct scsi_cmd *cmd)
{
	switch (cmd->dir) {
	case SCSI_NO_DATA:
		return true;
	case SCSI_DATA_OUT:
		return cmd->xfer_bytes <= cmd->out_bytes;
	case SCSI_DATA_IN:
		return cmd->xfer_bytes <= cmd->in_bytes;
	}
	return false;
}

/* Why the command cannot run, in the order of SPC-4, 5.x: unit, attention, medium, protection. */
static uint32_t refusal(struct scsi_cmd *cmd)
{
	const struct scsi_op *op = cmd->op;
	if (!op)
		return cmd->lun ? SENSE_INVALID_OPCODE : SENSE_NO_LUN;
	if (!cmd->lun)
		return op->flags & SCSI_OP_NO_LUN ? SENSE_NONE : SENSE_NO_LUN;
	if (!(op->flags & SCSI_OP_ATTENTION)) {
		uint32_t attention = scsi_take_attention(cmd->lun);
		if (attention)
			return attention;
	}
	if (op->flags & SCSI_OP_MEDIA && atomic_load(&cmd->lun->stopped))
		return SENSE_STOPPED;
	if (op->flags & SCSI_OP_PROTECT && cmd->cdb[1] >> 5)
		return SENSE_INVALID_CDB; /* no protection information is kept */
	if (op->flags & SCSI_OP_WRITES && cmd->lun->block->read_only)
		return SENSE_READ_ONLY;
	return scsi_fits(cmd) ? SENSE_NONE : SENSE_INVALID_CDB;
}

void scsi_start(struct scsi_cmd *cmd)
{
	uint32_t sense = refusal(cmd);
	if (sense)
		check_condition(cmd, sense);
	else
		cmd->op->run(cmd);
}
