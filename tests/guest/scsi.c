/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-scsi (VIRTIO 1.2, 5.6): requests to logical units, scanning of targets (INQUIRY, REPORT
 * LUNS, READ CAPACITY of SPC-4 and SBC-3), hot-plug events. disk.c has the commands.
 */
#include "tests/guest/scsi.h"
#include "tests/guest/io.h"
#include "tests/guest/mem.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define F_HOTPLUG (1ull << 1)
#define F_CHANGE (1ull << 2)
#define CONFIG_NUM_QUEUES 0x00
#define CONFIG_MAX_TARGET 0x1e
#define QUEUE_EVENT 1
#define EVENTS 8
#define PARTS_MAX 66
#define TIMEOUT_MS 30000
#define CHECK_CONDITION 2
#define TRIES 4 /* unit attentions are reported once each */

struct event {
	uint32_t event;
	uint8_t lun[8];
	uint32_t reason;
};

static struct scsi_disk disks[SCSI_DISKS_MAX];
static int n_disks;
static bool scanned;
static struct event *events[2];
static struct virtio *attached[2];

static void post_event(struct virtio *v, struct event *event)
{
	struct vpart part = {event, sizeof(*event)};

	vring_add(v->rings[QUEUE_EVENT], &part, 0, 1, event);
}

static int attach_events(struct virtio *v)
{
	if (!events[v->index] && !(events[v->index] = mem_alloc(EVENTS * sizeof(struct event), 64)))
		return fail("out of memory");
	for (int i = 0; i < EVENTS; i++)
		post_event(v, &events[v->index][i]);
	return 0;
}

int scsi_attach(struct virtio *v)
{
	if (v->index >= 2)
		return fail("more than two controllers");
	if (virtio_begin(v, F_INDIRECT_DESC | F_EVENT_IDX | F_HOTPLUG | F_CHANGE) ||
	    virtio_queue(v, 0, 64, 4, 0) || virtio_queue(v, QUEUE_EVENT, 64, 1, 0))
		return -1;
	for (int q = SCSI_QUEUE_REQUEST; q < v->n_queues; q++)
		if (virtio_queue(v, q, 128, PARTS_MAX, 0))
			return -1;
	if (attach_events(v) || virtio_go(v))
		return -1;
	attached[v->index] = v;
	vring_arm(v->rings[QUEUE_EVENT]);
	vring_kick(v->rings[QUEUE_EVENT]);
	return 0;
}

static void set_lun(uint8_t field[8], uint8_t target, uint16_t lun)
{
	memset(field, 0, 8);
	field[0] = 1;
	field[1] = target;
	field[2] = (uint8_t)(0x40 | lun >> 8);
	field[3] = (uint8_t)lun;
}

bool scsi_start(struct scsi_disk *disk, struct scsi_command *c, int n)
{
	struct vring *r =
		disk->v->rings[SCSI_QUEUE_REQUEST + n % (disk->v->n_queues - SCSI_QUEUE_REQUEST)];
	struct vpart parts[PARTS_MAX];
	int count = 0;
	uint32_t step = c->part_len ? c->part_len : c->data_len;

	set_lun(c->request.lun, disk->target, disk->lun);
	c->request.tag = (uint64_t)c;
	memset(&c->response, 0xee, sizeof(c->response));
	parts[count++] = (struct vpart){&c->request, sizeof(c->request)};
	if (c->in)
		parts[count++] = (struct vpart){&c->response, sizeof(c->response)};
	for (uint32_t at = 0; at < c->data_len && count < PARTS_MAX - 1; at += step)
		parts[count++] = (struct vpart){(uint8_t *)c->data + at,
						c->data_len - at < step ? c->data_len - at : step};
	if (!c->in)
		parts[count++] = (struct vpart){&c->response, sizeof(c->response)};
	int n_out = c->in ? 1 : count - 1;
	if (!vring_add(r, parts, n_out, count - n_out, c))
		return false;
	vring_kick(r);
	return true;
}

static int wait_for(struct scsi_disk *disk, struct scsi_command *c)
{
	struct vring *r = disk->v->rings[SCSI_QUEUE_REQUEST];
	void *done = vring_wait(r, &c->written, TIMEOUT_MS);

	if (!done)
		return fail("scsi%d: no answer, status %x", disk->v->index, virtio_status(disk->v));
	if (done != c)
		return fail("scsi%d: another request was answered", disk->v->index);
	return 0;
}

int scsi_execute(struct scsi_disk *disk, struct scsi_command *c)
{
	for (int try = 0; try < TRIES; try++) {
		if (!scsi_start(disk, c, 0))
			return fail("scsi%d: queue full", disk->v->index);
		if (wait_for(disk, c))
			return -1;
		if (c->response.response)
			return fail("target %u lun %u: response %u", disk->target, disk->lun,
				    c->response.response);
		if (!c->response.status)
			return 0;
		bool attention =
			c->response.status == CHECK_CONDITION && (c->response.sense[2] & 15) == 6;
		if (!attention)
			break;
	}
	return fail("target %u lun %u: status %u key %x asc %02x/%02x", disk->target, disk->lun,
		    c->response.status, c->response.sense[2] & 15, c->response.sense[12],
		    c->response.sense[13]);
}

static uint32_t get_be32(const uint8_t *p)
{
	uint32_t v;

	__builtin_memcpy(&v, p, 4);
	return __builtin_bswap32(v);
}

static void copy_text(char *to, const uint8_t *from, int len)
{
	memcpy(to, from, len);
	while (len && (to[len - 1] == ' ' || !to[len - 1]))
		len--;
	to[len] = 0;
}

static int identify(struct scsi_disk *disk, uint8_t *buffer)
{
	static struct scsi_command c;

	c = (struct scsi_command){.data = buffer, .data_len = 96, .in = true};
	c.request.cdb[0] = 0x12; /* INQUIRY */
	c.request.cdb[4] = 96;
	if (scsi_execute(disk, &c))
		return -1;
	if (buffer[0] & 0xff)
		return fail("lun %u is no disk", disk->lun); /* or not there */
	copy_text(disk->vendor, buffer + 8, 8);
	copy_text(disk->product, buffer + 16, 16);
	c = (struct scsi_command){.data = buffer, .data_len = 32, .in = true};
	c.request.cdb[0] = 0x9e; /* READ CAPACITY(16) */
	c.request.cdb[1] = 0x10;
	c.request.cdb[13] = 32;
	if (scsi_execute(disk, &c))
		return -1;
	disk->blocks = ((uint64_t)get_be32(buffer) << 32 | get_be32(buffer + 4)) + 1;
	disk->block_len = get_be32(buffer + 8);
	return 0;
}

static void scan_target(struct virtio *v, uint8_t target, uint8_t *buffer)
{
	static struct scsi_command c;
	struct scsi_disk probe = {.v = v, .target = target};

	c = (struct scsi_command){.data = buffer, .data_len = 2048, .in = true};
	c.request.cdb[0] = 0xa0; /* REPORT LUNS */
	c.request.cdb[8] = 2048 >> 8;
	if (scsi_execute(&probe, &c))
		return;
	uint32_t n = get_be32(buffer) / 8;
	uint8_t luns[255][8];
	memcpy(luns, buffer + 8, sizeof(luns));
	for (uint32_t i = 0; i < n && i < 255 && n_disks < SCSI_DISKS_MAX; i++) {
		probe.lun = (uint16_t)((luns[i][0] & 0x3f) << 8 | luns[i][1]);
		if (!identify(&probe, buffer))
			disks[n_disks++] = probe;
	}
}

int scsi_scan(bool again)
{
	static uint8_t *buffer;
	struct virtio *v;

	if (scanned && !again)
		return 0;
	if (!buffer && !(buffer = mem_alloc(4096, 4096)))
		return fail("out of memory");
	n_disks = 0;
	for (int i = 0; (v = virtio_find(VIRTIO_SCSI, i)); i++) {
		if (!(virtio_status(v) & STATUS_DRIVER_OK) && scsi_attach(v))
			return -1;
		unsigned last = mmio_read16(virtio_config(v) + CONFIG_MAX_TARGET);
		for (unsigned target = 0; target <= last && target < 256; target++)
			scan_target(v, (uint8_t)target, buffer);
	}
	scanned = true;
	return 0;
}

struct scsi_disk *scsi_disk(int n)
{
	if (scsi_scan(false))
		return NULL;
	if (n >= 0 && n < n_disks)
		return &disks[n];
	if (n >= 0)
		fail("no disk %d", n);
	return NULL;
}

int scsi_read_block(struct scsi_disk *disk, uint64_t lba, void *to)
{
	static struct scsi_command c;

	c = (struct scsi_command){.data = to, .data_len = disk->block_len, .in = true};
	c.request.cdb[0] = 0x28;
	for (int i = 0; i < 4; i++)
		c.request.cdb[2 + i] = (uint8_t)(lba >> (24 - 8 * i));
	c.request.cdb[8] = 1;
	return scsi_execute(disk, &c);
}

void scsi_serve(void)
{
	struct event *e;

	for (int i = 0; i < 2; i++) {
		struct virtio *v = attached[i];
		if (!v || !(v->features & F_HOTPLUG))
			continue;
		struct vring *r = v->rings[QUEUE_EVENT];
		while ((e = vring_take(r, NULL))) {
			print("disk event=%x target=%u lun=%u reason=%x\n", e->event, e->lun[1],
			      (e->lun[2] & 0x3f) << 8 | e->lun[3], e->reason);
			post_event(v, e);
			vring_kick(r);
			scanned = false;
		}
		vring_arm(r);
	}
}
