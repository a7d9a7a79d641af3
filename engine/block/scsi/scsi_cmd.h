/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Within the SCSI decoder: table rows, sense codes and what handlers share. */
#ifndef HV_BLOCK_SCSI_CMD_H
#define HV_BLOCK_SCSI_CMD_H

#include "engine/block/scsi/scsi.h"

/* Where a CDB says how much data there is, and in what. */
enum scsi_len_unit {
	SCSI_LEN_NONE,
	SCSI_LEN_FIXED,   /* len_at is the number of bytes itself */
	SCSI_LEN_BYTES,   /* a big-endian field of len_bytes at len_at */
	SCSI_LEN_BLOCKS,  /* the block count of its group */
	SCSI_LEN_COMPARE, /* blocks, if BYTCHK is set */
	SCSI_LEN_SAME,    /* one block, none with NDOB */
};

#define SCSI_OP_NO_LUN 0x01    /* answered for units that do not exist */
#define SCSI_OP_ATTENTION 0x02 /* goes past a unit attention */
#define SCSI_OP_MEDIA 0x04     /* needs a started unit; CDB holds an LBA and a count */
#define SCSI_OP_WRITES 0x08    /* refused on a read-only disk */
#define SCSI_OP_PROTECT 0x10   /* has an RDPROTECT or WRPROTECT field */

#define SCSI_NO_ACTION 0xff

/*
 * A handler checks the CDB and ends in exactly one of: a call of scsi_good(), scsi_fail() or
 * scsi_reply(), or a submitted block request whose end leads to one of them.
 */
struct scsi_op {
	uint8_t opcode, action, cdb_bytes;
	enum scsi_dir dir;
	enum scsi_len_unit len_unit;
	uint8_t len_at, len_bytes;
	uint8_t flags;
	void (*run)(struct scsi_cmd *cmd);
	const char *name;
};

/* Sense key << 16 | additional sense code << 8 | qualifier. SPC-4, 4.5.6 and annex F. */
enum scsi_sense {
	SENSE_NONE = 0,
	SENSE_STOPPED = 0x020402, /* initializing command required */
	SENSE_READ_ERROR = 0x031100,
	SENSE_WRITE_ERROR = 0x030c00,
	SENSE_INTERNAL = 0x044400,
	SENSE_PARAM_LENGTH = 0x051a00,
	SENSE_INVALID_OPCODE = 0x052000,
	SENSE_LBA_RANGE = 0x052100,
	SENSE_INVALID_CDB = 0x052400,
	SENSE_NO_LUN = 0x052500,
	SENSE_INVALID_PARAM = 0x052600,
	SENSE_SAVING = 0x053900, /* saving parameters not supported */
	SENSE_READ_ONLY = 0x072700,
	SENSE_NO_SPACE = 0x072707, /* space allocation failed write protect */
	SENSE_ABORTED = 0x0b0000,
	SENSE_MISCOMPARE = 0x0e1d00,
};

void scsi_sense_fill(uint8_t sense[SCSI_SENSE_BYTES], uint32_t code);
void scsi_good(struct scsi_cmd *cmd);
void scsi_fail(struct scsi_cmd *cmd, enum scsi_sense sense);
/* Puts parameter data into the data-in buffer, cut to the allocation length, and ends the command.
 */
void scsi_reply(struct scsi_cmd *cmd, const void *data, size_t len);
/* Copies the parameter list out of the data-out buffer; false (command ended) without memory. */
bool scsi_take_params(struct scsi_cmd *cmd, size_t len);
/* Submits cmd->io; when it is done well, next() goes on, or the command ends where that is NULL. */
void scsi_submit(struct scsi_cmd *cmd, enum block_op op, uint64_t lba, uint64_t n_blocks,
		 void (*next)(struct scsi_cmd *cmd));
/* The most pending attention: removed from the unit and given as sense, or SENSE_NONE. */
uint32_t scsi_take_attention(struct scsi_lun *lun);

static inline uint64_t scsi_blocks(const struct scsi_lun *lun)
{
	return lun->block->size_bytes / lun->block_bytes;
}

/* SBC-3 limits that we tell in VPD page B0 and keep to. */
#define SCSI_UNMAP_RANGES_MAX 255
#define SCSI_SAME_BLOCKS_MAX 65536 /* with a pattern: that many are written from one buffer */
#define SCSI_COMPARE_CHUNK 65536

static inline uint64_t scsi_be(const uint8_t *p, int bytes)
{
	uint64_t v = 0;
	for (int i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

static inline void scsi_put_be(uint8_t *p, int bytes, uint64_t v)
{
	for (int i = bytes - 1; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

/* scsi_inquiry.c */
void scsi_inquiry(struct scsi_cmd *cmd);
void scsi_report_luns(struct scsi_cmd *cmd);
void scsi_request_sense(struct scsi_cmd *cmd);
/* scsi_mode.c */
void scsi_mode_sense(struct scsi_cmd *cmd);
void scsi_mode_select(struct scsi_cmd *cmd);
/* scsi_rw.c */
void scsi_read(struct scsi_cmd *cmd);
void scsi_write(struct scsi_cmd *cmd);
void scsi_verify(struct scsi_cmd *cmd);
void scsi_sync_cache(struct scsi_cmd *cmd);
void scsi_read_capacity_10(struct scsi_cmd *cmd);
void scsi_read_capacity_16(struct scsi_cmd *cmd);
/* scsi_thin.c */
void scsi_unmap(struct scsi_cmd *cmd);
void scsi_write_same(struct scsi_cmd *cmd);

#endif
