/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SCSI commands of any content over a small image in memory. Input: commands one after another,
 * each 16 bytes of CDB, a byte of flags (unit absent, how data is split), two bytes of buffer
 * length, and the data-out bytes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/block/scsi/scsi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define IMAGE_BYTES (64 * 512 + 100)
#define HEADER 19

static struct scsi_lun *lun;
static struct aio *aio;
static int n_done;

static void on_done(struct scsi_cmd *cmd)
{
	n_done++;
	if (cmd->moved > cmd->out_bytes && cmd->moved > cmd->in_bytes)
		abort();
	if ((cmd->status == SCSI_CHECK_CONDITION) != (cmd->sense_len == SCSI_SENSE_BYTES))
		abort();
}

static void set_up(void)
{
	struct block *block;
	struct scsi_disk_config config = {.id = "scsi0.0.0"};
	int fd = memfd_create("image", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, IMAGE_BYTES) || block_raw_new(&block, fd, false, NULL) ||
	    scsi_lun_new(&lun, 0, 0, block, &config, NULL) ||
	    aio_new(&aio, NULL, AIO_SYNCHRONOUS, NULL))
		abort();
}

/* Exact allocations, so that ASan sees a byte too many. */
static void run(const uint8_t *head, const uint8_t *out, size_t out_len)
{
	struct scsi_cmd cmd = {0};
	size_t len = head[17] << 8 | head[18], cut = out_len && head[16] & 2 ? 1 : 0;
	uint8_t *in_buffer = malloc(len + 1), *out_buffer = malloc(out_len + 1);
	if (!in_buffer || !out_buffer)
		abort();
	if (out_len)
		memcpy(out_buffer, out, out_len);
	struct iovec in_iov[2] = {{in_buffer, len / 2}, {in_buffer + len / 2, len - len / 2}};
	struct iovec out_iov[2] = {{out_buffer, cut}, {out_buffer + cut, out_len - cut}};
	memcpy(cmd.cdb, head, 16);
	cmd.lun = head[16] & 1 ? NULL : lun;
	cmd.peers = &lun;
	cmd.n_peers = 1;
	cmd.aio = aio;
	cmd.in = in_iov;
	cmd.out = out_iov;
	cmd.n_in = cmd.n_out = 2;
	cmd.in_bytes = len;
	cmd.out_bytes = out_len;
	cmd.done = on_done;
	n_done = 0;
	scsi_decode(&cmd);
	scsi_start(&cmd);
	if (head[16] & 4 && !n_done)
		scsi_abort(&cmd);
	aio_drain(aio);
	if (n_done != 1)
		abort();
	free(in_buffer);
	free(out_buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!lun)
		set_up();
	scsi_lun_reset(lun, SCSI_UA_POWER_ON);
	atomic_store(&lun->attentions, 0);
	for (int commands = 0; size >= HEADER && commands < 32; commands++) {
		const uint8_t *head = data;
		size_t out_len = head[17] << 8 | head[18];
		data += HEADER;
		size -= HEADER;
		if (out_len > size)
			out_len = size;
		run(head, data, out_len);
		data += out_len;
		size -= out_len;
	}
	return 0;
}
