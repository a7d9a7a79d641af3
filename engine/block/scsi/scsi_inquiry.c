/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a unit says of itself: INQUIRY and its VPD pages, REPORT LUNS, REQUEST SENSE
 * (SPC-4, 6.6, 6.33, 6.39, 7.8; SBC-3, 6.6). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/block/scsi/scsi_cmd.h"

#define VENDOR "HVSH"
#define REVISION "1.0"
#define ABSENT 0x7f /* peripheral qualifier 3: the target could have such a unit, but has not */

/* Space-padded, never terminated. */
static void put_text(uint8_t *to, size_t len, const char *text)
{
	size_t n = strnlen(text, len);
	memcpy(to, text, n);
	memset(to + n, ' ', len - n);
}

static const char *serial_of(const struct scsi_lun *lun)
{
	return lun->config.serial[0] ? lun->config.serial : lun->config.id;
}

/* ---- VPD pages: each fills page[4…] and returns how much ----------------------------------------
 */

#define VPD_MAX 252

static size_t vpd_serial(const struct scsi_lun *lun, uint8_t *data)
{
	size_t len = strlen(serial_of(lun));
	memcpy(data, serial_of(lun), len);
	return len;
}

/* FNV-1a: the name has to be the same every time, on every host. */
static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325;
	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3;
	return h;
}

static size_t vpd_identification(const struct scsi_lun *lun, uint8_t *data)
{
	size_t len = 8 + strlen(serial_of(lun));
	data[0] = 0x02; /* ASCII */
	data[1] = 0x01; /* T10 vendor identification */
	data[3] = len;
	put_text(&data[4], 8, VENDOR);
	memcpy(&data[12], serial_of(lun), len - 8);
	uint8_t *naa = &data[4 + len];
	naa[0] = 0x01; /* binary */
	naa[1] = 0x03; /* NAA, */
	naa[3] = 8;
	scsi_put_be(&naa[4], 8, hash(serial_of(lun)));
	naa[4] = 0x30 | (naa[4] & 0x0f); /* locally assigned */
	return 4 + len + 12;
}

static size_t vpd_limits(const struct scsi_lun *lun, uint8_t *data)
{
	bool thin = lun->block->can_discard;
	data[0] = 0x01; /* WSNZ: a count of 0 is refused */
	scsi_put_be(&data[2], 2, lun->block->discard_bytes / lun->block_bytes);
	if (thin) {
		scsi_put_be(&data[16], 4, UINT32_MAX); /* blocks in an UNMAP */
		scsi_put_be(&data[20], 4, SCSI_UNMAP_RANGES_MAX);
		scsi_put_be(&data[24], 4, lun->block->discard_bytes / lun->block_bytes);
		data[28] = 0x80; /* alignment is valid, and 0 */
	}
	scsi_put_be(&data[32], 8, SCSI_SAME_BLOCKS_MAX);
	return 60;
}

static size_t vpd_characteristics(const struct scsi_lun *lun, uint8_t *data)
{
	(void)lun;
	scsi_put_be(&data[0], 2, 1); /* does not rotate */
	return 60;
}

static size_t vpd_provisioning(const struct scsi_lun *lun, uint8_t *data)
{
	if (lun->block->can_discard) {
		data[1] = 0xe4; /* LBPU, LBPWS, LBPWS10; LBPRZ: unmapped blocks read as zeroes */
		data[2] = 0x02; /* thin */
	}
	return 4;
}

static size_t vpd_supported(const struct scsi_lun *lun, uint8_t *data);

static const struct {
	uint8_t code;
	size_t (*fill)(const struct scsi_lun *lun, uint8_t *data);
} vpd_pages[] = {
	{0x00, vpd_supported}, {0x80, vpd_serial},          {0x83, vpd_identification},
	{0xb0, vpd_limits},    {0xb1, vpd_characteristics}, {0xb2, vpd_provisioning},
};

#define N_VPD_PAGES (sizeof vpd_pages / sizeof *vpd_pages)

static size_t vpd_supported(const struct scsi_lun *lun, uint8_t *data)
{
	(void)lun;
	for (size_t i = 0; i < N_VPD_PAGES; i++)
		data[i] = vpd_pages[i].code;
	return N_VPD_PAGES;
}

static void inquiry_vpd(struct scsi_cmd *cmd)
{
	uint8_t page[4 + VPD_MAX] = {0};
	for (size_t i = 0; i < N_VPD_PAGES; i++) {
		if (vpd_pages[i].code != cmd->cdb[2])
			continue;
		size_t len = vpd_pages[i].fill(cmd->lun, &page[4]);
		page[1] = cmd->cdb[2];
		scsi_put_be(&page[2], 2, len);
		scsi_reply(cmd, page, 4 + len);
		return;
	}
	scsi_fail(cmd, SENSE_INVALID_CDB);
}

static void inquiry_standard(struct scsi_cmd *cmd)
{
	uint8_t data[96] = {0};
	data[0] = cmd->lun ? 0x00 : ABSENT;
	data[2] = 0x06; /* SPC-4 */
	data[3] = 0x12; /* hierarchical LUNs, response format 2 */
	data[4] = sizeof data - 5;
	data[7] = 0x02; /* command queuing */
	put_text(&data[8], 8, VENDOR);
	put_text(&data[16], 16,
		 cmd->lun && cmd->lun->config.product[0] ? cmd->lun->config.product
							 : "VIRTUAL DISK");
	put_text(&data[32], 4, REVISION);
	scsi_put_be(&data[58], 2, 0x00a0); /* SAM-5 */
	scsi_put_be(&data[60], 2, 0x0460); /* SPC-4 */
	scsi_put_be(&data[62], 2, 0x04c0); /* SBC-3 */
	scsi_reply(cmd, data, sizeof data);
}

void scsi_inquiry(struct scsi_cmd *cmd)
{
	bool vpd = cmd->cdb[1] & 0x01;
	if (cmd->cdb[1] & 0x02 || (!vpd && cmd->cdb[2]) || (vpd && !cmd->lun))
		scsi_fail(cmd, SENSE_INVALID_CDB);
	else if (vpd)
		inquiry_vpd(cmd);
	else
		inquiry_standard(cmd);
}

/* ---- the others -------------------------------------------------------------------------------
 */

/* LUN 0 is always in the list, so that a target is found even when its first unit is another. */
void scsi_report_luns(struct scsi_cmd *cmd)
{
	if (cmd->cdb[2] == 0x01) { /* well-known units: there are none */
		scsi_reply(cmd, (uint8_t[8]){0}, 8);
		return;
	}
	if (cmd->cdb[2] > 0x02) {
		scsi_fail(cmd, SENSE_INVALID_CDB);
		return;
	}
	int extra = cmd->n_peers == 0 || cmd->peers[0]->number != 0;
	size_t len = 8 * (size_t)(cmd->n_peers + extra);
	cmd->buffer = calloc(1, 8 + len);
	if (!cmd->buffer) {
		scsi_fail(cmd, SENSE_INTERNAL);
		return;
	}
	scsi_put_be(cmd->buffer, 4, len);
	for (int i = 0; i < cmd->n_peers; i++) {
		uint16_t number = cmd->peers[i]->number;
		/* flat addressing where the peripheral one does not reach (SAM-5, 4.6.8) */
		scsi_put_be(&cmd->buffer[8 * (1 + extra + i)], 2,
			    number < 256 ? number : 0x4000 | number);
	}
	if (cmd->lun)
		atomic_fetch_and(&cmd->lun->attentions, ~(1u << SCSI_UA_LUNS_CHANGED));
	scsi_reply(cmd, cmd->buffer, 8 + len);
}

/* Sense goes with each command's answer, so nothing is left to tell but attentions. */
void scsi_request_sense(struct scsi_cmd *cmd)
{
	uint8_t sense[SCSI_SENSE_BYTES];
	if (cmd->cdb[1] & 0x01) { /* descriptor format */
		scsi_fail(cmd, SENSE_INVALID_CDB);
		return;
	}
	scsi_sense_fill(sense, cmd->lun ? scsi_take_attention(cmd->lun) : SENSE_NO_LUN);
	scsi_reply(cmd, sense, sizeof sense);
}
