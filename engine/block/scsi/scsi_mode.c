/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MODE SENSE and MODE SELECT: the caching and control pages, of which the write cache alone can be
 * changed (SPC-4, 6.11, 6.13, 7.5; SBC-3, 6.5.5). */
#include <string.h>

#include "engine/block/scsi/scsi_cmd.h"

#define PAGE_CACHING 0x08
#define PAGE_CONTROL 0x0a
#define PAGE_ALL 0x3f
#define WCE 0x04

enum { CURRENT, CHANGEABLE, DEFAULT, SAVED };

static size_t caching(const struct scsi_lun *lun, int control, uint8_t *page)
{
	memset(page, 0, 20);
	page[0] = PAGE_CACHING;
	page[1] = 18;
	bool on = control == CHANGEABLE || (control == DEFAULT && !lun->config.write_through) ||
		  (control == CURRENT && atomic_load(&lun->write_cache));
	page[2] = on ? WCE : 0;
	return 20;
}

static size_t control_page(const struct scsi_lun *lun, int control, uint8_t *page)
{
	(void)lun;
	memset(page, 0, 12);
	page[0] = PAGE_CONTROL;
	page[1] = 10;
	if (control != CHANGEABLE)
		page[3] = 0x10; /* queued commands run in any order */
	return 12;
}

static const struct {
	uint8_t code;
	size_t (*fill)(const struct scsi_lun *lun, int control, uint8_t *page);
} pages[] = {{PAGE_CACHING, caching}, {PAGE_CONTROL, control_page}};

#define N_PAGES (sizeof pages / sizeof *pages)

static size_t put_pages(const struct scsi_cmd *cmd, uint8_t *to)
{
	size_t len = 0;
	for (size_t i = 0; i < N_PAGES; i++)
		if ((cmd->cdb[2] & 0x3f) == pages[i].code || (cmd->cdb[2] & 0x3f) == PAGE_ALL)
			len += pages[i].fill(cmd->lun, cmd->cdb[2] >> 6, to + len);
	return len;
}

static size_t put_block_descriptor(const struct scsi_cmd *cmd, uint8_t *to)
{
	uint64_t blocks = scsi_blocks(cmd->lun);
	if (cmd->cdb[1] & 0x08) /* DBD */
		return 0;
	memset(to, 0, 8);
	scsi_put_be(to, 4, blocks > UINT32_MAX ? UINT32_MAX : blocks);
	scsi_put_be(&to[5], 3, cmd->lun->block_bytes);
	return 8;
}

void scsi_mode_sense(struct scsi_cmd *cmd)
{
	uint8_t data[8 + 8 + 64] = {0};
	bool six = cmd->cdb[0] == 0x1a;
	size_t head = six ? 4 : 8;
	if (cmd->cdb[2] >> 6 == SAVED) {
		scsi_fail(cmd, SENSE_SAVING);
		return;
	}
	size_t descriptor = put_block_descriptor(cmd, &data[head]);
	size_t n = put_pages(cmd, &data[head + descriptor]);
	if (!n || (cmd->cdb[3] && cmd->cdb[3] != 0xff)) { /* no such page, no sub-pages */
		scsi_fail(cmd, SENSE_INVALID_CDB);
		return;
	}
	size_t len = head + descriptor + n;
	/* write protection; DPOFUA: FUA is honoured */
	uint8_t specific = (cmd->lun->block->read_only ? 0x80 : 0) | 0x10;
	if (six) {
		data[0] = len - 1;
		data[2] = specific;
		data[3] = descriptor;
	} else {
		scsi_put_be(&data[0], 2, len - 2);
		data[3] = specific;
		scsi_put_be(&data[6], 2, descriptor);
	}
	scsi_reply(cmd, data, len);
}

/* A page may come as it is, or with the write cache switched; anything else is refused. */
static enum scsi_sense check_page(const struct scsi_lun *lun, const uint8_t *page, size_t len)
{
	uint8_t now[64], may[64];
	for (size_t i = 0; i < N_PAGES; i++) {
		if (pages[i].code != (page[0] & 0x3f))
			continue;
		size_t size = pages[i].fill(lun, CURRENT, now);
		pages[i].fill(lun, CHANGEABLE, may);
		if (len < size || page[0] & 0x40)
			return len < size ? SENSE_PARAM_LENGTH : SENSE_INVALID_PARAM;
		if (page[1] != now[1])
			return SENSE_INVALID_PARAM;
		for (size_t b = 2; b < size; b++)
			if ((page[b] ^ now[b]) & ~may[b])
				return SENSE_INVALID_PARAM;
		return SENSE_NONE;
	}
	return SENSE_INVALID_PARAM;
}

/* Switching the cache off makes durable what is in it. */
static void apply(struct scsi_cmd *cmd, bool write_cache)
{
	bool before = atomic_exchange(&cmd->lun->write_cache, write_cache);
	if (before && !write_cache)
		scsi_submit(cmd, BLOCK_FLUSH, 0, 0, NULL);
	else
		scsi_good(cmd);
}

static size_t skip_header(const struct scsi_cmd *cmd)
{
	bool six = cmd->cdb[0] == 0x15;
	const uint8_t *list = cmd->buffer;
	size_t head = six ? 4 : 8;
	if (cmd->buffer_bytes < head)
		return SIZE_MAX;
	size_t descriptor = six ? list[3] : scsi_be(&list[6], 2);
	return head + descriptor <= cmd->buffer_bytes ? head + descriptor : SIZE_MAX;
}

void scsi_mode_select(struct scsi_cmd *cmd)
{
	if ((cmd->cdb[1] & 0x11) != 0x10) { /* only PF; saving is not supported */
		scsi_fail(cmd, SENSE_INVALID_CDB);
		return;
	}
	if (cmd->xfer_bytes == 0) {
		scsi_good(cmd);
		return;
	}
	if (!scsi_take_params(cmd, cmd->xfer_bytes))
		return;
	size_t pos = skip_header(cmd);
	if (pos == SIZE_MAX) {
		scsi_fail(cmd, SENSE_PARAM_LENGTH);
		return;
	}
	/* all pages are checked before the first takes effect */
	bool write_cache = atomic_load(&cmd->lun->write_cache);
	while (pos < cmd->buffer_bytes) {
		const uint8_t *page = &cmd->buffer[pos];
		size_t left = cmd->buffer_bytes - pos;
		enum scsi_sense sense =
			left < 2 ? SENSE_PARAM_LENGTH : check_page(cmd->lun, page, left);
		if (sense) {
			scsi_fail(cmd, sense);
			return;
		}
		if ((page[0] & 0x3f) == PAGE_CACHING)
			write_cache = page[2] & WCE;
		pos += 2 + page[1];
	}
	apply(cmd, write_cache);
}
