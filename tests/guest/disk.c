/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The disk commands. Data is a pattern from a seed, so that a disk can be verified without keeping
 * what was written; its SHA-256 is printed, which the host can compute of the same bytes of the
 * image: `dd if=IMG bs=1M skip=OFF count=LEN | sha256sum`.
 *
 * Up to WINDOW requests of CHUNK bytes are on their way at once, over all request queues.
 */
#include "tests/guest/clock.h"
#include "tests/guest/mem.h"
#include "tests/guest/scsi.h"
#include "tests/guest/sha256.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define WINDOW 8
#define CHUNK (256u << 10)
#define PART (16u << 10)
#define TIMEOUT_MS 30000

struct slot {
	struct scsi_command command;
	uint64_t offset;
	uint32_t len;
	bool busy;
	int queue;
	uint8_t *data;
};

static struct slot slots[WINDOW];

static int slots_init(void)
{
	for (int i = 0; i < WINDOW; i++) {
		if (!slots[i].data && !(slots[i].data = mem_alloc(CHUNK, 4096)))
			return fail("out of memory");
		slots[i].busy = false;
	}
	return 0;
}

/* The bytes of the disk at offset (a multiple of 8), as the seed has them. */
static void fill_pattern(uint8_t *to, uint64_t offset, uint32_t len, uint64_t seed)
{
	uint64_t state = (offset / 8) * 0x9e3779b97f4a7c15 + seed;

	for (uint32_t i = 0; i < len; i += 8)
		*(uint64_t *)(to + i) = random_next(&state);
}

/* READ or WRITE of 16 bytes for every other slot and where 10 do not reach. */
static void build(struct scsi_disk *disk, struct slot *s, bool write, int n)
{
	uint64_t lba = s->offset / disk->block_len;
	uint32_t blocks = s->len / disk->block_len;
	uint8_t *cdb = s->command.request.cdb;

	s->command = (struct scsi_command){
		.data = s->data, .data_len = s->len, .part_len = PART, .in = !write};
	if (n % 2 || lba + blocks > 0xffffffff) {
		cdb[0] = write ? 0x8a : 0x88;
		for (int i = 0; i < 8; i++)
			cdb[2 + i] = (uint8_t)(lba >> (56 - 8 * i));
		for (int i = 0; i < 4; i++)
			cdb[10 + i] = (uint8_t)(blocks >> (24 - 8 * i));
	} else {
		cdb[0] = write ? 0x2a : 0x28;
		for (int i = 0; i < 4; i++)
			cdb[2 + i] = (uint8_t)(lba >> (24 - 8 * i));
		cdb[7] = (uint8_t)(blocks >> 8);
		cdb[8] = (uint8_t)blocks;
	}
}

static int check(struct slot *s, struct scsi_disk *disk)
{
	struct scsi_response *r = &s->command.response;

	if (r->response || r->status)
		return fail("offset %lu: response %u status %u key %x asc %02x/%02x", s->offset,
			    r->response, r->status, r->sense[2] & 15, r->sense[12], r->sense[13]);
	if (r->residual)
		return fail("offset %lu: residual %u", s->offset, r->residual);
	uint32_t expected = sizeof(*r) - SCSI_SENSE_LEN + (s->command.in ? s->len : 0);
	if (s->command.written < expected)
		return fail("offset %lu: device wrote %u of %u bytes (disk %u.%u)", s->offset,
			    s->command.written, expected, disk->target, disk->lun);
	return 0;
}

/* Waits until that slot's command is done; others that finish are noted. */
static int finish(struct scsi_disk *disk, struct slot *s)
{
	struct vring *r = disk->v->rings[s->queue];

	while (s->busy) {
		uint32_t written;
		struct scsi_command *c = vring_wait(r, &written, TIMEOUT_MS);
		if (!c)
			return fail("offset %lu: no answer, status %x", s->offset,
				    virtio_status(disk->v));
		struct slot *done = (struct slot *)c; /* the command is its first member */
		c->written = written;
		done->busy = false;
	}
	return check(s, disk);
}

struct transfer {
	struct scsi_disk *disk;
	uint64_t offset, len, seed;
	bool write, compare;
	struct sha256 sum;
	uint64_t bad; /* first byte that differs, offset + 1; 0: none */
};

static int consume(struct transfer *t, struct slot *s)
{
	static uint8_t *expected;

	if (finish(t->disk, s))
		return -1;
	if (!t->write)
		sha256_add(&t->sum, s->data, s->len);
	if (!t->compare || t->bad)
		return 0;
	if (!expected && !(expected = mem_alloc(CHUNK, 4096)))
		return fail("out of memory");
	fill_pattern(expected, s->offset, s->len, t->seed);
	for (uint32_t i = 0; i < s->len && !t->bad; i++)
		if (s->data[i] != expected[i])
			t->bad = s->offset + i + 1;
	return 0;
}

static int run_transfer(struct transfer *t)
{
	uint64_t next = t->offset, end = t->offset + t->len;
	int n_queues = t->disk->v->n_queues - SCSI_QUEUE_REQUEST;
	int issued = 0, consumed = 0;

	while (consumed < issued || next < end) {
		struct slot *s = &slots[issued % WINDOW];
		if (next < end && issued - consumed < WINDOW) {
			s->offset = next;
			s->len = end - next < CHUNK ? (uint32_t)(end - next) : CHUNK;
			s->queue = SCSI_QUEUE_REQUEST + issued % n_queues;
			if (t->write) {
				fill_pattern(s->data, s->offset, s->len, t->seed);
				sha256_add(&t->sum, s->data, s->len);
			}
			build(t->disk, s, t->write, issued);
			s->busy = true;
			if (!scsi_start(t->disk, &s->command, issued))
				return fail("request queue full");
			next += s->len;
			issued++;
			continue;
		}
		if (consume(t, &slots[consumed++ % WINDOW]))
			return -1;
	}
	return 0;
}

static int transfer(const char *name, struct transfer *t)
{
	char sum[65];

	if (slots_init())
		return -1;

	sha256_init(&t->sum);
	uint64_t start = clock_ns();
	if (run_transfer(t))
		return -1;
	uint64_t us = (clock_ns() - start) / 1000;
	sha256_text(&t->sum, sum);
	print("disk %s offset=%lu bytes=%lu sha256=%s us=%lu\n", name, t->offset, t->len, sum, us);
	return t->bad ? fail("differs at byte %lu", t->bad - 1) : 0;
}

static int flush(struct scsi_disk *disk)
{
	static struct scsi_command c;

	c = (struct scsi_command){0};
	c.request.cdb[0] = 0x35; /* SYNCHRONIZE CACHE(10) */
	return scsi_execute(disk, &c);
}

static int list(void)
{
	if (!virtio_find(VIRTIO_SCSI, 0))
		return fail("no virtio-scsi");
	if (scsi_scan(true))
		return -1;
	struct scsi_disk *d;
	int n = 0;
	for (; (d = scsi_disk(n)); n++)
		print("disk %d controller=%d target=%u lun=%u vendor=%s product=%s blocks=%lu "
		      "block_size=%u bytes=%lu\n",
		      n, d->v->index, d->target, d->lun, d->vendor, d->product, d->blocks,
		      d->block_len, d->blocks * d->block_len);
	print("disk count=%d request_queues=%d\n", n,
	      virtio_find(VIRTIO_SCSI, 0)->n_queues - SCSI_QUEUE_REQUEST);
	return 0;
}

static bool parse_cdb(const char *hex, uint8_t cdb[SCSI_CDB_LEN])
{
	for (int i = 0; hex[0] && hex[1] && i < SCSI_CDB_LEN; i++, hex += 2) {
		char digits[5] = {'0', 'x', hex[0], hex[1], 0};
		uint64_t byte;
		if (!parse_number(digits, &byte))
			return false;
		cdb[i] = (uint8_t)byte;
	}
	return !hex[0];
}

/* disk cdb N HEX [LEN]: any command that reads LEN bytes. */
static int run_cdb(struct scsi_disk *disk, int argc, char **argv)
{
	static struct scsi_command c;
	uint64_t len = 0;

	if (slots_init())
		return -1;
	c = (struct scsi_command){.data = slots[0].data, .in = true};
	if (argc < 4 || !parse_cdb(argv[3], c.request.cdb) ||
	    (argc > 4 && (!parse_number(argv[4], &len) || len > CHUNK)))
		return fail("disk cdb N HEX [LEN]");
	c.data_len = (uint32_t)len;
	memset(c.data, 0, CHUNK);
	bool good = !scsi_execute(disk, &c);
	print("disk cdb response=%u status=%u residual=%u key=%x asc=%02x ascq=%02x data=",
	      c.response.response, c.response.status, c.response.residual,
	      good ? 0 : c.response.sense[2] & 15, good ? 0 : c.response.sense[12],
	      good ? 0 : c.response.sense[13]);
	for (uint64_t i = 0; i < len && i < 64; i++)
		print("%02x", slots[0].data[i]);
	print("\n");
	return 0;
}

static int run_on(struct scsi_disk *disk, int argc, char **argv)
{
	struct transfer t = {.disk = disk, .len = disk->blocks * disk->block_len};
	const char *verb = argv[1];

	if (!strcmp(verb, "flush"))
		return flush(disk);
	if (!strcmp(verb, "cdb"))
		return run_cdb(disk, argc, argv);
	if ((argc > 3 && !parse_number(argv[3], &t.offset)) ||
	    (argc > 4 && !parse_number(argv[4], &t.len)) ||
	    (argc > 5 && !parse_number(argv[5], &t.seed)))
		return fail("numbers expected");
	if ((t.offset | t.len) % disk->block_len)
		return fail("offset and length must be multiples of %u", disk->block_len);
	if (!strcmp(verb, "read"))
		return transfer("read", &t);
	if (!strcmp(verb, "verify")) {
		t.compare = true;
		return transfer("verify", &t);
	}
	t.write = true;
	if (!strcmp(verb, "write"))
		return transfer("write", &t);
	if (strcmp(verb, "test"))
		return fail("no such disk command");
	if (transfer("write", &t) || flush(disk))
		return -1;
	t.write = false;
	t.compare = true;
	return transfer("verify", &t);
}

static int run_disk(int argc, char **argv)
{
	uint64_t n;

	if (argc < 2)
		return list();
	if (argc < 3 || !parse_number(argv[2], &n))
		return fail("disk [read|write|verify|test|flush|cdb N ...]");
	struct scsi_disk *disk = scsi_disk((int)n);
	return disk ? run_on(disk, argc, argv) : -1;
}

const struct command disk_commands[] = {
	{"disk", "[read|write|verify|test N [OFFSET [LEN [SEED]]] | flush N | cdb N HEX [LEN]]",
	 "disks of virtio-scsi; SHA-256 of what was moved", run_disk},
	{0},
};
