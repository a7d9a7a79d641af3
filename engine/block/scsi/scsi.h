/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A direct-access SCSI logical unit over a block backend (SPC-4, SBC-3), apart from the transport
 * that brings the commands. The transport fills a command, decodes it, compares its length with the
 * data buffers, and starts it:
 *
 *	scsi_decode() ─► dir, xfer_bytes ─► scsi_start() ─► backend … ─► cmd->done(): status, sense,
 * moved
 *
 * A unit may serve commands on several I/O threads at once; what they share in it is atomic.
 */
#ifndef HV_BLOCK_SCSI_SCSI_H
#define HV_BLOCK_SCSI_SCSI_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "engine/block/block.h"
#include "engine/model/error.h"

#define SCSI_CDB_MAX 32
#define SCSI_SENSE_BYTES 18

#define SCSI_GOOD 0x00
#define SCSI_CHECK_CONDITION 0x02
#define SCSI_TASK_ABORTED 0x40

enum scsi_dir { SCSI_NO_DATA, SCSI_DATA_OUT, SCSI_DATA_IN };

/* Unit attentions, in the order in which they are reported. */
enum scsi_attention {
	SCSI_UA_POWER_ON,     /* 29/00 */
	SCSI_UA_RESET,        /* 29/03: bus device reset function */
	SCSI_UA_LUNS_CHANGED, /* 3f/0e */
	SCSI_UA_CAPACITY,     /* 2a/09 */
	SCSI_UA_MODE_CHANGED, /* 2a/01 */
	SCSI_UA_COUNT,
};

struct scsi_disk_config {
	char id[24];     /* "scsi0.0.0" */
	char serial[32]; /* VPD page 80; id where it is "" */
	char product[17];
	bool write_through; /* start with the write cache off */
};

/* Since the unit was made; all may be read at any time. */
struct scsi_disk_stats {
	uint64_t reads, writes, read_bytes, written_bytes, flushes, unmaps, errors;
};

struct scsi_lun {
	struct block *block; /* owned */
	struct scsi_disk_config config;
	uint16_t target, number;
	uint32_t block_bytes;
	_Atomic uint32_t attentions; /* a bit each */
	/* What MODE SELECT and START STOP UNIT change. */
	atomic_bool write_cache, stopped;
	struct {
		_Atomic uint64_t reads, writes, read_bytes, written_bytes, flushes, unmaps, errors;
	} stats;
};

/* backend is taken over on success. */
int scsi_lun_new(struct scsi_lun **out, uint16_t target, uint16_t number, struct block *backend,
		 const struct scsi_disk_config *config, struct hv_error *err);
void scsi_lun_free(struct scsi_lun *lun); /* accepts NULL */
/* As after power-on: modes of the configuration, and the attention that says so. */
void scsi_lun_reset(struct scsi_lun *lun, enum scsi_attention why);
void scsi_lun_attention(struct scsi_lun *lun, enum scsi_attention what);
void scsi_lun_stats(const struct scsi_lun *lun, struct scsi_disk_stats *stats);

struct scsi_op;

struct scsi_cmd {
	/* Set by the transport; kept until done(). */
	struct scsi_lun *lun;          /* NULL: the target has no such unit */
	struct scsi_lun *const *peers; /* the target's units, ascending: for REPORT LUNS */
	int n_peers;
	struct aio *aio;
	uint8_t cdb[SCSI_CDB_MAX];
	const struct iovec *out, *in;
	int n_out, n_in;
	size_t out_bytes, in_bytes;
	/* Once for each scsi_start(), maybe within it. */
	void (*done)(struct scsi_cmd *cmd);
	bool aborted; /* the transport wants it to end soon: no further step is begun */

	/* By scsi_decode(). */
	enum scsi_dir dir;
	uint64_t xfer_bytes; /* what the CDB asks to move; allocation length for reports */

	/* When done. */
	uint8_t status;
	uint8_t sense_len;
	uint8_t sense[SCSI_SENSE_BYTES];
	size_t moved; /* bytes taken from out or put into in */

	/* The decoder's. */
	const struct scsi_op *op;
	uint64_t lba, n_blocks;
	struct block_req io;
	void (*next)(struct scsi_cmd *cmd); /* the step after io, NULL when that was the last */
	uint8_t *buffer;                    /* owned until done */
	struct iovec *parts;                /* owned until done */
	size_t buffer_bytes, buffer_pos;
};

/* Unknown commands have no data; scsi_start() will refuse them. */
void scsi_decode(struct scsi_cmd *cmd);
/* Whether the buffers hold what the CDB asks to move; what does not fit, scsi_start() refuses. */
bool scsi_fits(const struct scsi_cmd *cmd);
void scsi_start(struct scsi_cmd *cmd);
/* Hastens the end of a command that is in flight on this thread. */
void scsi_abort(struct scsi_cmd *cmd);

/* The table, for tests: NULL past its end. */
const struct scsi_op *scsi_op_at(size_t i);
struct scsi_op_info {
	const char *name;
	uint8_t opcode, cdb_bytes;
	bool has_action;
	uint8_t action;
	enum scsi_dir dir;
};
void scsi_op_describe(const struct scsi_op *op, struct scsi_op_info *info);

#endif
