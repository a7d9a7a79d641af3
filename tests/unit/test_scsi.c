/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SCSI decoder: each command over a raw image in memory, and over a backend that fails on
 * demand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/block/scsi/scsi.h"

#define BLOCKS 4096u /* of 512 bytes */

/* ---- a backend that fails with what it is told
 * ------------------------------------------------------ */

struct broken {
	struct block block;
	int result;
	int n_requests;
	unsigned last_flags;
	enum block_op last_op;
};

static void broken_submit(struct block *block, struct block_req *req)
{
	struct broken *broken = (struct broken *)block;
	broken->n_requests++;
	broken->last_flags = req->flags;
	broken->last_op = req->op;
	block_answer_later(req, broken->result);
}

static void broken_free(struct block *block)
{
	free(block);
}

static const struct block_ops broken_ops = {broken_submit, NULL, broken_free};

/* ---- a unit and one command at a time
 * ----------------------------------------------------------------- */

struct rig {
	struct scsi_lun *lun;
	struct scsi_lun *peers[3];
	int n_peers;
	struct aio *aio;
	struct broken *broken;
	int fd;
	struct scsi_cmd cmd;
	int n_done;
	uint8_t out[65536], in[65536];
	struct iovec out_iov[2], in_iov[2];
};

static struct rig rig;

static void on_done(struct scsi_cmd *cmd)
{
	(void)cmd;
	rig.n_done++;
}

static void rig_lun(struct block *block)
{
	struct hv_error err;
	struct scsi_disk_config config = {.id = "scsi0.3.1", .serial = "SER-1"};
	assert_int_equal(scsi_lun_new(&rig.lun, 3, 1, block, &config, &err), 0);
	assert_int_equal(aio_new(&rig.aio, NULL, AIO_SYNCHRONOUS, &err), 0);
	rig.peers[0] = rig.lun;
	rig.n_peers = 1;
	atomic_store(&rig.lun->attentions, 0);
}

static int set_up_sized(uint64_t bytes, bool read_only)
{
	struct hv_error err;
	struct block *block;
	memset(&rig, 0, sizeof rig);
	rig.fd = memfd_create("image", MFD_CLOEXEC);
	assert_int_equal(ftruncate(rig.fd, bytes), 0);
	assert_int_equal(block_raw_new(&block, dup(rig.fd), read_only, &err), 0);
	rig_lun(block);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_sized(BLOCKS * 512, false);
}

static int set_up_read_only(void **state)
{
	(void)state;
	return set_up_sized(BLOCKS * 512, true);
}

static int set_up_huge(void **state)
{
	(void)state;
	return set_up_sized(3ull << 40, false);
}

static int set_up_broken(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof rig);
	rig.fd = -1;
	rig.broken = calloc(1, sizeof *rig.broken);
	rig.broken->block = (struct block){.ops = &broken_ops,
					   .size_bytes = BLOCKS * 512,
					   .can_discard = true,
					   .discard_bytes = 4096};
	rig_lun(&rig.broken->block);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_true(aio_is_idle(rig.aio));
	aio_free(rig.aio);
	scsi_lun_free(rig.lun);
	if (rig.fd >= 0)
		close(rig.fd);
	return 0;
}

/* Buffers come in two parts, split at an odd place. */
static void run_on(struct scsi_lun *lun, const uint8_t *cdb, size_t cdb_len, size_t out_len,
		   size_t in_len)
{
	struct scsi_cmd *cmd = &rig.cmd;
	size_t out_cut = out_len > 700 ? 700 : out_len, in_cut = in_len > 5 ? 5 : in_len;
	rig.out_iov[0] = (struct iovec){rig.out, out_cut};
	rig.out_iov[1] = (struct iovec){rig.out + out_cut, out_len - out_cut};
	rig.in_iov[0] = (struct iovec){rig.in, in_cut};
	rig.in_iov[1] = (struct iovec){rig.in + in_cut, in_len - in_cut};
	memset(cmd, 0xa5, sizeof *cmd);
	memset(cmd->cdb, 0, sizeof cmd->cdb);
	memcpy(cmd->cdb, cdb, cdb_len);
	cmd->lun = lun;
	cmd->peers = rig.peers;
	cmd->n_peers = rig.n_peers;
	cmd->aio = rig.aio;
	cmd->out = rig.out_iov;
	cmd->in = rig.in_iov;
	cmd->n_out = cmd->n_in = 2;
	cmd->out_bytes = out_len;
	cmd->in_bytes = in_len;
	cmd->done = on_done;
	rig.n_done = 0;
	scsi_decode(cmd);
	scsi_start(cmd);
	aio_drain(rig.aio);
	assert_int_equal(rig.n_done, 1);
}

#define RUN(out_len, in_len, ...)                                                                  \
	run_on(rig.lun, (const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}), out_len, \
	       in_len)

static uint32_t sense(void)
{
	const uint8_t *s = rig.cmd.sense;
	return rig.cmd.sense_len < 18 ? 0 : (uint32_t)s[2] << 16 | s[12] << 8 | s[13];
}

#define GOOD()                                                                                     \
	do {                                                                                       \
		assert_int_equal(rig.cmd.status, SCSI_GOOD);                                       \
		assert_int_equal(rig.cmd.sense_len, 0);                                            \
	} while (0)
#define CHECK(code)                                                                                \
	do {                                                                                       \
		assert_int_equal(rig.cmd.status, SCSI_CHECK_CONDITION);                            \
		assert_int_equal(sense(), code);                                                   \
		assert_int_equal(rig.cmd.moved, 0);                                                \
	} while (0)

static uint64_t be(const uint8_t *p, int n)
{
	uint64_t v = 0;
	while (n--)
		v = v << 8 | *p++;
	return v;
}

/* ---- the table
 * ------------------------------------------------------------------------------------- */

static void table_is_sorted_and_lengths_fit_the_groups(void **state)
{
	static const uint8_t group_bytes[8] = {6, 10, 10, 0, 16, 12, 0, 0};
	struct scsi_op_info info, before = {0};
	(void)state;
	for (size_t i = 0; scsi_op_at(i); i++, before = info) {
		scsi_op_describe(scsi_op_at(i), &info);
		assert_int_equal(info.cdb_bytes, group_bytes[info.opcode >> 5]);
		assert_true(!i || info.opcode > before.opcode ||
			    (info.opcode == before.opcode && info.action > before.action));
		assert_true(info.name[0]);
	}
}

static void unknown_commands_are_refused(void **state)
{
	(void)state;
	RUN(0, 0, 0x04);
	CHECK(0x052000);
	RUN(0, 32, 0x9e, 0x12); /* a service action that is not there */
	CHECK(0x052000);
	RUN(0, 0, 0xff);
	CHECK(0x052000);
}

/* ---- attentions, units, states
 * -------------------------------------------------------------------------- */

static void attention_is_told_once_before_anything_else(void **state)
{
	(void)state;
	scsi_lun_reset(rig.lun, SCSI_UA_POWER_ON);
	scsi_lun_attention(rig.lun, SCSI_UA_CAPACITY);
	RUN(0, 96, 0x12, 0, 0, 0, 96); /* INQUIRY goes past it */
	GOOD();
	RUN(0, 0, 0x00, 0, 0, 0, 0, 0);
	CHECK(0x062900);
	RUN(0, 18, 0x03, 0, 0, 0, 18); /* REQUEST SENSE takes the next */
	GOOD();
	assert_int_equal(rig.in[2], 0x06);
	assert_int_equal(be(&rig.in[12], 2), 0x2a09);
	RUN(0, 0, 0x00, 0, 0, 0, 0, 0);
	GOOD();
	RUN(0, 18, 0x03, 0, 0, 0, 18);
	assert_int_equal(rig.in[2] | rig.in[12], 0);
}

static void absent_units_answer_inquiry_and_little_else(void **state)
{
	(void)state;
	static const uint8_t inquiry[] = {0x12, 0, 0, 0, 36, 0}, ready[6] = {0},
			     request_sense[] = {0x03, 0, 0, 0, 18, 0},
			     report[12] = {0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 24};
	run_on(NULL, inquiry, 6, 0, 36);
	GOOD();
	assert_int_equal(rig.in[0], 0x7f);
	run_on(NULL, ready, 6, 0, 0);
	CHECK(0x052500);
	run_on(NULL, request_sense, 6, 0, 18);
	assert_int_equal(be(&rig.in[12], 2), 0x2500);
	run_on(NULL, report, 12, 0, 24);
	GOOD();
	assert_int_equal(be(rig.in, 4), 16); /* 0 and 1 */
	assert_int_equal(rig.in[9], 0);
	assert_int_equal(rig.in[17], 1);
}

static void stopped_units_do_not_serve_the_medium(void **state)
{
	(void)state;
	RUN(0, 0, 0x1b, 0, 0, 0, 0, 0);
	GOOD();
	RUN(0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	CHECK(0x020402);
	RUN(0, 0, 0x00, 0, 0, 0, 0, 0);
	CHECK(0x020402);
	RUN(0, 36, 0x12, 0, 0, 0, 36, 0);
	GOOD();
	RUN(0, 0, 0x1b, 0, 0, 0, 1, 0);
	RUN(0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	GOOD();
}

/* ---- inquiry
 * -------------------------------------------------------------------------------------------- */

static void inquiry_names_a_disk_and_its_standards(void **state)
{
	(void)state;
	RUN(0, 255, 0x12, 0, 0, 0, 255, 0);
	GOOD();
	assert_int_equal(rig.cmd.moved, 96);
	assert_int_equal(rig.in[0], 0);
	assert_int_equal(rig.in[2], 6);
	assert_int_equal(rig.in[4], 91);
	assert_memory_equal(&rig.in[8], "HVSH    VIRTUAL DISK    ", 24);
	RUN(0, 255, 0x12, 0, 0, 0, 5, 0); /* allocation length cuts */
	assert_int_equal(rig.cmd.moved, 5);
	RUN(0, 255, 0x12, 0, 0x80, 0, 255, 0); /* a page without EVPD */
	CHECK(0x052400);
}

static void vpd_pages_are_listed_and_each_is_there(void **state)
{
	(void)state;
	RUN(0, 255, 0x12, 1, 0x00, 0, 255, 0);
	GOOD();
	static const uint8_t expected[] = {0, 0, 0, 6, 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2};
	assert_memory_equal(rig.in, expected, sizeof expected);
	for (size_t i = 4; i < sizeof expected; i++) {
		RUN(0, 255, 0x12, 1, expected[i], 0, 255, 0);
		GOOD();
		assert_int_equal(rig.in[1], expected[i]);
		assert_int_equal(rig.cmd.moved, 4 + be(&rig.in[2], 2));
	}
	RUN(0, 255, 0x12, 1, 0xb3, 0, 255, 0);
	CHECK(0x052400);
}

static void vpd_identifies_by_serial(void **state)
{
	(void)state;
	RUN(0, 255, 0x12, 1, 0x80, 0, 255, 0);
	assert_memory_equal(&rig.in[4], "SER-1", 5);
	RUN(0, 255, 0x12, 1, 0x83, 0, 255, 0);
	assert_int_equal(be(&rig.in[4], 4), 0x0201000d);
	assert_memory_equal(&rig.in[8], "HVSH    SER-1", 13);
	assert_int_equal(be(&rig.in[21], 4), 0x01030008);
	assert_int_equal(rig.in[25] >> 4, 3);
	uint8_t first[8];
	memcpy(first, &rig.in[25], 8);
	strcpy(rig.lun->config.serial, "SER-2");
	RUN(0, 255, 0x12, 1, 0x83, 0, 255, 0);
	assert_memory_not_equal(first, &rig.in[25], 8);
}

static void vpd_tells_thin_provisioning(void **state)
{
	(void)state;
	RUN(0, 255, 0x12, 1, 0xb0, 0, 255, 0);
	assert_int_equal(rig.in[3], 60);
	assert_int_equal(be(&rig.in[20], 4), UINT32_MAX);
	assert_int_equal(be(&rig.in[24], 4), 255);
	assert_int_equal(be(&rig.in[36], 8), 65536);
	RUN(0, 255, 0x12, 1, 0xb1, 0, 255, 0);
	assert_int_equal(be(&rig.in[4], 2), 1);
	RUN(0, 255, 0x12, 1, 0xb2, 0, 255, 0);
	assert_int_equal(rig.in[5], 0xe4);
	assert_int_equal(rig.in[6], 2);
}

static void report_luns_lists_the_targets_units(void **state)
{
	(void)state;
	struct scsi_lun other = {.number = 300};
	rig.peers[1] = &other;
	rig.n_peers = 2;
	scsi_lun_attention(rig.lun, SCSI_UA_LUNS_CHANGED);
	RUN(0, 64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0);
	GOOD();
	assert_int_equal(rig.cmd.moved, 32);
	assert_int_equal(be(&rig.in[0], 4), 24);
	assert_int_equal(be(&rig.in[16], 2), 1);
	assert_int_equal(be(&rig.in[24], 2), 0x4000 | 300);
	RUN(0, 0, 0x00, 0, 0, 0, 0, 0); /* the attention is answered by the list */
	GOOD();
	RUN(0, 64, 0xa0, 0, 0x03, 0, 0, 0, 0, 0, 0, 64, 0, 0);
	CHECK(0x052400);
	RUN(0, 64, 0xa0, 0, 0x01, 0, 0, 0, 0, 0, 0, 64, 0, 0);
	assert_int_equal(be(&rig.in[0], 4), 0);
}

/* ---- capacity, modes
 * --------------------------------------------------------------------------------------- */

static void capacity_is_the_last_block(void **state)
{
	(void)state;
	RUN(0, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	GOOD();
	assert_int_equal(be(rig.in, 4), BLOCKS - 1);
	assert_int_equal(be(&rig.in[4], 4), 512);
	RUN(0, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0);
	GOOD();
	assert_int_equal(be(rig.in, 8), BLOCKS - 1);
	assert_int_equal(rig.in[14], 0xc0);
}

static void capacity_10_has_a_ceiling(void **state)
{
	(void)state;
	RUN(0, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(be(rig.in, 4), UINT32_MAX);
	RUN(0, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0);
	assert_int_equal(be(rig.in, 8), (3ull << 40) / 512 - 1);
	memset(rig.out, 0x31, 512);
	RUN(512, 0, 0x8a, 0, 0, 0, 0, 1, 0x7f, 0, 0, 1, 0, 0, 0, 1, 0, 0);
	GOOD();
	RUN(0, 512, 0x88, 0, 0, 0, 0, 1, 0x7f, 0, 0, 1, 0, 0, 0, 1, 0, 0);
	GOOD();
	assert_int_equal(rig.in[511], 0x31);
}

static void mode_sense_gives_caching_and_control(void **state)
{
	(void)state;
	RUN(0, 255, 0x1a, 0, 0x08, 0, 255, 0);
	GOOD();
	assert_int_equal(rig.cmd.moved, 4 + 8 + 20);
	assert_int_equal(rig.in[0], 31);
	assert_int_equal(rig.in[2], 0x10); /* DPOFUA, not write-protected */
	assert_int_equal(be(&rig.in[9], 3), 512);
	assert_int_equal(rig.in[12], 0x08);
	assert_int_equal(rig.in[14], 0x04); /* WCE */
	RUN(0, 255, 0x5a, 0x08, 0x3f, 0, 0, 0, 0, 0, 255, 0);
	GOOD();
	assert_int_equal(rig.cmd.moved, 8 + 20 + 12);
	assert_int_equal(be(rig.in, 2), 38);
	assert_int_equal(rig.in[28], 0x0a);
	RUN(0, 255, 0x1a, 8, 0x48, 0, 255, 0); /* changeable values */
	assert_int_equal(rig.in[6], 0x04);
	RUN(0, 255, 0x1a, 8, 0xc8, 0, 255, 0); /* saved values */
	CHECK(0x053900);
	RUN(0, 255, 0x1a, 8, 0x1c, 0, 255, 0);
	CHECK(0x052400);
	RUN(0, 255, 0x1a, 8, 0x08, 1, 255, 0);
	CHECK(0x052400);
}

static size_t caching_list(uint8_t wce)
{
	memset(rig.out, 0, 24);
	rig.out[4] = 0x08;
	rig.out[5] = 18;
	rig.out[6] = wce;
	return 24;
}

static void mode_select_switches_the_write_cache_only(void **state)
{
	(void)state;
	size_t n = caching_list(0);
	RUN(n, 0, 0x15, 0x10, 0, 0, (uint8_t)n, 0);
	GOOD();
	assert_int_equal(rig.cmd.moved, n);
	assert_false(atomic_load(&rig.lun->write_cache));
	RUN(0, 255, 0x1a, 8, 0x08, 0, 255, 0);
	assert_int_equal(rig.in[6], 0);
	caching_list(0x04);
	RUN(n, 0, 0x15, 0x10, 0, 0, (uint8_t)n, 0);
	assert_true(atomic_load(&rig.lun->write_cache));
	caching_list(0x05); /* RCD cannot be set, and nothing of the list takes effect */
	rig.out[6] = 0x01;
	RUN(n, 0, 0x15, 0x10, 0, 0, (uint8_t)n, 0);
	CHECK(0x052600);
	assert_true(atomic_load(&rig.lun->write_cache));
	caching_list(0x04);
	RUN(n, 0, 0x15, 0x11, 0, 0, (uint8_t)n, 0); /* to be saved */
	CHECK(0x052400);
	RUN(n, 0, 0x15, 0x10, 0, 0, (uint8_t)(n - 3), 0);
	CHECK(0x051a00);
	rig.out[3] = 255; /* block descriptors beyond the list */
	RUN(n, 0, 0x15, 0x10, 0, 0, (uint8_t)n, 0);
	CHECK(0x051a00);
	RUN(0, 0, 0x15, 0x10, 0, 0, 0, 0);
	GOOD();
}

/* ---- reading and writing
 * ---------------------------------------------------------------------------------------- */

static void every_length_of_read_and_write_moves_the_same_blocks(void **state)
{
	(void)state;
	static const uint8_t writes[][16] = {
		{0x0a, 0, 0, 8, 2},
		{0x2a, 0, 0, 0, 0, 8, 0, 0, 2},
		{0xaa, 0, 0, 0, 0, 8, 0, 0, 0, 2},
		{0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 2},
	};
	for (int w = 0; w < 4; w++) {
		memset(rig.out, 0x10 + w, 1024);
		run_on(rig.lun, writes[w], 16, 1024, 0);
		GOOD();
		assert_int_equal(rig.cmd.moved, 1024);
		for (int r = 0; r < 4; r++) {
			uint8_t cdb[16];
			memcpy(cdb, writes[r], 16);
			cdb[0] -= 2;
			memset(rig.in, 0, 1024);
			run_on(rig.lun, cdb, 16, 0, 1024);
			GOOD();
			assert_int_equal(rig.cmd.xfer_bytes, 1024);
			assert_memory_equal(rig.in, rig.out, 1024);
		}
	}
	struct scsi_disk_stats stats;
	scsi_lun_stats(rig.lun, &stats);
	assert_int_equal(stats.writes, 4);
	assert_int_equal(stats.reads, 16);
	assert_int_equal(stats.read_bytes, 16 * 1024);
	assert_int_equal(stats.errors, 0);
}

static void read_6_of_zero_means_256(void **state)
{
	(void)state;
	RUN(0, 512, 0x08, 0, 0, 0, 0, 0);
	assert_int_equal(rig.cmd.xfer_bytes, 256 * 512);
	assert_false(scsi_fits(&rig.cmd));
	CHECK(0x052400);
}

static void larger_buffers_leave_a_residual(void **state)
{
	(void)state;
	memset(rig.in, 0xee, sizeof rig.in);
	RUN(0, 4096, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	GOOD();
	assert_int_equal(rig.cmd.moved, 512);
	assert_int_equal(rig.in[511], 0);
	assert_int_equal(rig.in[512], 0xee);
	RUN(4096, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	assert_int_equal(rig.cmd.moved, 512);
	RUN(0, 4096, 0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0); /* no blocks at all is no error */
	GOOD();
	assert_int_equal(rig.cmd.moved, 0);
}

static void blocks_beyond_the_end_are_out_of_range(void **state)
{
	(void)state;
	RUN(0, 1024, 0x28, 0, 0, 0, 0x0f, 0xff, 0, 0, 2, 0);
	CHECK(0x052100);
	RUN(0, 512, 0x28, 0, 0, 0, 0x0f, 0xff, 0, 0, 1, 0);
	GOOD();
	RUN(1024, 0, 0x8a, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 2, 0, 0);
	CHECK(0x052100);
	RUN(0, 0, 0x28, 0, 0, 0, 0x10, 0, 0, 0, 0, 0); /* none, at the very end */
	GOOD();
	RUN(0, 0, 0x28, 0, 0, 0, 0x10, 1, 0, 0, 0, 0);
	CHECK(0x052100);
	RUN(0, 0, 0x35, 0, 0, 0, 0x10, 1, 0, 0, 0, 0);
	CHECK(0x052100);
	RUN(0, 0, 0x2f, 0, 0, 0, 0x0f, 0xff, 0, 0, 2, 0);
	CHECK(0x052100);
	RUN(512, 0, 0x41, 0, 0, 0, 0x0f, 0xff, 0, 0, 2, 0);
	CHECK(0x052100);
}

static void protection_information_is_refused(void **state)
{
	(void)state;
	RUN(0, 512, 0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0);
	CHECK(0x052400);
	RUN(512, 0, 0x8a, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0);
	CHECK(0x052400);
}

static void read_only_disks_refuse_what_writes(void **state)
{
	(void)state;
	RUN(512, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	CHECK(0x072700);
	RUN(24, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0);
	CHECK(0x072700);
	RUN(512, 0, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0);
	CHECK(0x072700);
	RUN(0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	GOOD();
	RUN(0, 255, 0x1a, 0, 0x3f, 0, 255, 0);
	assert_int_equal(rig.in[2], 0x90);
	RUN(0, 255, 0x12, 1, 0xb2, 0, 255, 0);
	assert_int_equal(rig.in[5], 0);
}

static void verify_compares_when_asked(void **state)
{
	(void)state;
	memset(rig.out, 0x44, 2048);
	RUN(2048, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 4, 0);
	RUN(0, 0, 0x2f, 0, 0, 0, 0, 0, 0, 0, 4, 0);
	GOOD();
	assert_int_equal(rig.cmd.xfer_bytes, 0);
	RUN(2048, 0, 0x2f, 0x02, 0, 0, 0, 0, 0, 0, 4, 0);
	GOOD();
	assert_int_equal(rig.cmd.xfer_bytes, 2048);
	assert_int_equal(rig.cmd.moved, 2048);
	rig.out[2047] = 0;
	RUN(2048, 0, 0x8f, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0);
	CHECK(0x0e1d00);
	RUN(2048, 0, 0x2f, 0x06, 0, 0, 0, 0, 0, 0, 4, 0);
	CHECK(0x052400);
}

/* ---- unmap, write same
 * ------------------------------------------------------------------------------------------- */

static void put_range(int i, uint64_t lba, uint32_t n)
{
	uint8_t *range = &rig.out[8 + 16 * i];
	memset(range, 0, 16);
	for (int b = 0; b < 8; b++)
		range[b] = lba >> (56 - 8 * b);
	for (int b = 0; b < 4; b++)
		range[8 + b] = n >> (24 - 8 * b);
}

static void unmap_header(unsigned ranges)
{
	memset(rig.out, 0, 8);
	rig.out[0] = (ranges * 16 + 6) >> 8;
	rig.out[1] = ranges * 16 + 6;
	rig.out[2] = (ranges * 16) >> 8;
	rig.out[3] = ranges * 16;
}

static uint8_t byte_at(uint64_t block)
{
	uint8_t byte;
	assert_int_equal(pread(rig.fd, &byte, 1, block * 512), 1);
	return byte;
}

static void fill_all(uint8_t value)
{
	uint8_t sector[512];
	memset(sector, value, sizeof sector);
	for (unsigned i = 0; i < BLOCKS; i++)
		assert_int_equal(pwrite(rig.fd, sector, 512, i * 512), 512);
}

static void unmap_takes_several_ranges(void **state)
{
	(void)state;
	fill_all(0x99);
	unmap_header(3);
	put_range(0, 8, 8);
	put_range(1, 0, 0);
	put_range(2, BLOCKS - 16, 16);
	RUN(56, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 56, 0);
	GOOD();
	assert_int_equal(byte_at(7), 0x99);
	assert_int_equal(byte_at(8), 0);
	assert_int_equal(byte_at(16), 0x99);
	assert_int_equal(byte_at(BLOCKS - 1), 0);
}

static void unmap_does_nothing_when_one_range_is_bad(void **state)
{
	(void)state;
	fill_all(0x99);
	unmap_header(2);
	put_range(0, 8, 8);
	put_range(1, BLOCKS - 1, 2);
	RUN(40, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0);
	CHECK(0x052100);
	assert_int_equal(byte_at(8), 0x99);
	RUN(40, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 7, 0); /* cut in the header */
	CHECK(0x051a00);
	unmap_header(3); /* promises more than there is */
	RUN(40, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0);
	CHECK(0x051a00);
	RUN(40, 0, 0x42, 1, 0, 0, 0, 0, 0, 0, 40, 0);
	CHECK(0x052400);
	unmap_header(256);
	memset(rig.out + 8, 0, 256 * 16);
	RUN(8 + 256 * 16, 0, 0x42, 0, 0, 0, 0, 0, 0, 0x10, 8, 0); /* 256 ranges */
	CHECK(0x052600);
	RUN(0, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	GOOD();
}

static void write_same_repeats_a_block(void **state)
{
	(void)state;
	memset(rig.out, 0x3c, 512);
	rig.out[5] = 1;
	RUN(512, 0, 0x41, 0, 0, 0, 0, 10, 0, 1, 0x2c, 0); /* 300 blocks */
	GOOD();
	assert_int_equal(rig.cmd.xfer_bytes, 512);
	assert_int_equal(rig.cmd.moved, 512);
	assert_int_equal(byte_at(9), 0);
	assert_int_equal(byte_at(10), 0x3c);
	assert_int_equal(byte_at(309), 0x3c);
	assert_int_equal(byte_at(310), 0);
}

static void write_same_of_zeroes_makes_holes(void **state)
{
	(void)state;
	fill_all(0x99);
	memset(rig.out, 0, 512);
	RUN(512, 0, 0x93, 0x08, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0);
	GOOD();
	assert_int_equal(byte_at(8), 0);
	assert_int_equal(byte_at(23), 0);
	assert_int_equal(byte_at(24), 0x99);
	RUN(0, 0, 0x93, 0x01, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0, 3, 0, 0); /* NDOB */
	GOOD();
	assert_int_equal(byte_at(34), 0);
	assert_int_equal(byte_at(35), 0x99);
	RUN(512, 0, 0x93, 0x00, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0); /* WSNZ */
	CHECK(0x052400);
	RUN(512, 0, 0x93, 0x10, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0); /* ANCHOR */
	CHECK(0x052400);
	RUN(512, 0, 0x93, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0); /* too long */
	CHECK(0x052400);
}

/* ---- failures of the backend
 * ------------------------------------------------------------------------------------- */

static void backend_errors_become_sense_data(void **state)
{
	(void)state;
	rig.broken->result = -EIO;
	RUN(0, 512, 0x28, 0, 0, 0, 0, 7, 0, 0, 1, 0);
	CHECK(0x031100);
	assert_int_equal(rig.cmd.sense[0], 0xf0); /* INFORMATION is valid: */
	assert_int_equal(be(&rig.cmd.sense[3], 4), 7);
	RUN(512, 0, 0x2a, 0, 0, 0, 0, 7, 0, 0, 1, 0);
	CHECK(0x030c00);
	RUN(0, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	CHECK(0x030c00);
	rig.broken->result = -ENOSPC;
	RUN(512, 0, 0x2a, 0, 0, 0, 0, 7, 0, 0, 1, 0);
	CHECK(0x072707);
	rig.broken->result = -ECANCELED;
	RUN(512, 0, 0x2a, 0, 0, 0, 0, 7, 0, 0, 1, 0);
	CHECK(0x0b0000);
	struct scsi_disk_stats stats;
	scsi_lun_stats(rig.lun, &stats);
	assert_int_equal(stats.errors, 5);
	assert_int_equal(stats.writes, 0);
}

static void unmap_stops_at_the_first_failure(void **state)
{
	(void)state;
	rig.broken->result = -EIO;
	unmap_header(2);
	put_range(0, 8, 8);
	put_range(1, 16, 8);
	RUN(40, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0);
	CHECK(0x030c00);
	assert_int_equal(rig.broken->n_requests, 1);
}

static void fua_is_passed_down_and_so_is_a_cache_that_is_off(void **state)
{
	(void)state;
	RUN(512, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	assert_int_equal(rig.broken->last_flags, 0);
	RUN(512, 0, 0x2a, 0x08, 0, 0, 0, 0, 0, 0, 1, 0);
	assert_int_equal(rig.broken->last_flags, BLOCK_FUA);
	size_t n = caching_list(0);
	RUN(n, 0, 0x15, 0x10, 0, 0, (uint8_t)n, 0);
	GOOD();
	assert_int_equal(rig.broken->last_op, BLOCK_FLUSH);
	RUN(512, 0, 0x0a, 0, 0, 0, 1, 0);
	assert_int_equal(rig.broken->last_flags, BLOCK_FUA);
	RUN(512, 0, 0x93, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0);
	assert_int_equal(rig.broken->last_op, BLOCK_WRITE); /* out is not all zero */
	memset(rig.out, 0, 512);
	RUN(512, 0, 0x93, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0);
	assert_int_equal(rig.broken->last_op, BLOCK_ZERO);
	assert_int_equal(rig.broken->last_flags, BLOCK_FUA | BLOCK_UNMAP);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_sorted_and_lengths_fit_the_groups),
		CASE(unknown_commands_are_refused),
		CASE(attention_is_told_once_before_anything_else),
		CASE(absent_units_answer_inquiry_and_little_else),
		CASE(stopped_units_do_not_serve_the_medium),
		CASE(inquiry_names_a_disk_and_its_standards),
		CASE(vpd_pages_are_listed_and_each_is_there),
		CASE(vpd_identifies_by_serial),
		CASE(vpd_tells_thin_provisioning),
		CASE(report_luns_lists_the_targets_units),
		CASE(capacity_is_the_last_block),
		cmocka_unit_test_setup_teardown(capacity_10_has_a_ceiling, set_up_huge, tear_down),
		CASE(mode_sense_gives_caching_and_control),
		CASE(mode_select_switches_the_write_cache_only),
		CASE(every_length_of_read_and_write_moves_the_same_blocks),
		CASE(read_6_of_zero_means_256),
		CASE(larger_buffers_leave_a_residual),
		CASE(blocks_beyond_the_end_are_out_of_range),
		CASE(protection_information_is_refused),
		cmocka_unit_test_setup_teardown(read_only_disks_refuse_what_writes,
						set_up_read_only, tear_down),
		CASE(verify_compares_when_asked),
		CASE(unmap_takes_several_ranges),
		CASE(unmap_does_nothing_when_one_range_is_bad),
		CASE(write_same_repeats_a_block),
		CASE(write_same_of_zeroes_makes_holes),
		cmocka_unit_test_setup_teardown(backend_errors_become_sense_data, set_up_broken,
						tear_down),
		cmocka_unit_test_setup_teardown(unmap_stops_at_the_first_failure, set_up_broken,
						tear_down),
		cmocka_unit_test_setup_teardown(fua_is_passed_down_and_so_is_a_cache_that_is_off,
						set_up_broken, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
