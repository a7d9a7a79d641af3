/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attacks on virtio-scsi's requests: malformed frames, random commands. What random commands may
 * write goes to the disk: these are for scratch disks.
 */
#include "tests/guest/clock.h"
#include "tests/guest/hostile.h"
#include "tests/guest/scsi.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

static struct scsi_request request;
static struct scsi_response response;

/* A READ(10) of one block from the first disk's place. */
static void frame(void)
{
	memset(&request, 0, sizeof(request));
	memset(&response, 0xee, sizeof(response));
	request.lun[0] = 1;
	request.lun[2] = 0x40;
	request.cdb[0] = 0x28;
	request.cdb[8] = 1;
}

static int send(struct virtio *v, int queue, const struct vpart *parts, int n_out, int n_in,
		bool answered)
{
	struct vring *r = v->rings[queue];

	if (!vring_add(r, parts, n_out, n_in, &request))
		return fail("queue full");
	vring_kick(r);
	for (int i = 0; answered && i < 2500; i++)
		if (vring_wait(r, NULL, 2) || virtio_status(v) & STATUS_NEEDS_RESET)
			return 0;
	if (answered)
		return fail("neither an answer nor DEVICE_NEEDS_RESET, status %x",
			    virtio_status(v));
	return 0;
}

static int no_response(struct virtio *v, uint64_t seed)
{
	struct vpart parts[] = {{&request, sizeof(request)}};

	(void)seed;
	frame();
	return scsi_attach(v) ? -1 : send(v, SCSI_QUEUE_REQUEST, parts, 1, 0, false);
}

static int short_response(struct virtio *v, uint64_t seed)
{
	struct vpart parts[] = {{&request, sizeof(request)}, {&response, 4}};

	(void)seed;
	frame();
	return scsi_attach(v) ? -1 : send(v, SCSI_QUEUE_REQUEST, parts, 1, 1, false);
}

static int short_request(struct virtio *v, uint64_t seed)
{
	struct vpart parts[] = {{&request, 10}, {&response, sizeof(response)}};

	(void)seed;
	frame();
	return scsi_attach(v) ? -1 : send(v, SCSI_QUEUE_REQUEST, parts, 1, 1, false);
}

/* The frame in pieces of one byte, which is allowed. */
static int in_pieces(struct virtio *v, uint64_t seed)
{
	struct vpart parts[sizeof(request) + 2];
	int n = 0;

	(void)seed;
	frame();
	if (scsi_attach(v))
		return -1;
	for (; n < (int)sizeof(request); n++)
		parts[n] = (struct vpart){(uint8_t *)&request + n, 1};
	parts[n++] = (struct vpart){&response, sizeof(response)};
	parts[n++] = (struct vpart){hostile_page, 512};
	return send(v, SCSI_QUEUE_REQUEST, parts, n - 2, 2, true);
}

/* A CDB that wants more than there is room for. */
static int room_too_small(struct virtio *v, uint64_t seed)
{
	struct vpart parts[] = {
		{&request, sizeof(request)}, {&response, sizeof(response)}, {hostile_page, 512}};

	(void)seed;
	frame();
	request.cdb[7] = 0xff; /* 65281 blocks */
	return scsi_attach(v) ? -1 : send(v, SCSI_QUEUE_REQUEST, parts, 1, 2, true);
}

static int write_without_data(struct virtio *v, uint64_t seed)
{
	struct vpart parts[] = {{&request, sizeof(request)}, {&response, sizeof(response)}};

	(void)seed;
	frame();
	request.cdb[0] = 0x2a;
	return scsi_attach(v) ? -1 : send(v, SCSI_QUEUE_REQUEST, parts, 1, 1, true);
}

static int both_ways(struct virtio *v, uint64_t seed)
{
	struct vpart parts[] = {{&request, sizeof(request)},
				{hostile_page, 4096},
				{&response, sizeof(response)},
				{hostile_page + 8192, 4096}};

	(void)seed;
	frame();
	return scsi_attach(v) ? -1 : send(v, SCSI_QUEUE_REQUEST, parts, 2, 2, true);
}

static int block_beyond(struct virtio *v, uint64_t seed)
{
	struct vpart parts[] = {
		{&request, sizeof(request)}, {&response, sizeof(response)}, {hostile_page, 512}};

	(void)seed;
	if (scsi_attach(v))
		return -1;
	for (int i = 0; i < 4; i++) {
		frame();
		request.cdb[0] = 0x88; /* READ(16) at 2^64 - 1 and thereabouts */
		memset(request.cdb + 2, 0xff, 8);
		request.cdb[9] = (uint8_t)(0xff - i);
		request.cdb[13] = (uint8_t)(1 << i);
		if (send(v, SCSI_QUEUE_REQUEST, parts, 1, 2, true))
			return -1;
		if (response.response == 0 && response.status == 0)
			return fail("a read behind the disk's end was answered with GOOD");
	}
	return 0;
}

static int random_commands(struct virtio *v, uint64_t seed)
{
	struct vpart parts[] = {
		{&request, sizeof(request)}, {&response, sizeof(response)}, {hostile_page, 4096}};

	if (scsi_attach(v))
		return -1;
	for (int i = 0; i < 1000; i++) {
		frame();
		for (int b = 0; b < SCSI_CDB_LEN; b++)
			request.cdb[b] = (uint8_t)random_next(&seed);
		if (i % 2) /* small numbers reach further */
			for (int b = 2; b < 12; b++)
				request.cdb[b] &= 3;
		parts[2].len = (uint32_t)(random_next(&seed) % 4096) + 1;
		if (send(v, SCSI_QUEUE_REQUEST, parts, 1, 2, true))
			return -1;
		if (virtio_status(v) & STATUS_NEEDS_RESET && scsi_attach(v))
			return -1;
	}
	return 0;
}

static int random_luns(struct virtio *v, uint64_t seed)
{
	struct vpart parts[] = {
		{&request, sizeof(request)}, {&response, sizeof(response)}, {hostile_page, 512}};

	if (scsi_attach(v))
		return -1;
	for (int i = 0; i < 500; i++) {
		frame();
		for (int b = i % 3; b < 8; b++)
			request.lun[b] = (uint8_t)random_next(&seed);
		request.task_attr = (uint8_t)random_next(&seed);
		request.prio = (uint8_t)random_next(&seed);
		if (send(v, SCSI_QUEUE_REQUEST, parts, 1, 2, true))
			return -1;
	}
	return 0;
}

static int control_random(struct virtio *v, uint64_t seed)
{
	struct vpart parts[] = {{hostile_page, 24}, {hostile_page + 4096, 16}};

	if (scsi_attach(v))
		return -1;
	for (int i = 0; i < 500; i++) {
		for (int b = 0; b < 64; b++)
			hostile_page[b] = (uint8_t)random_next(&seed);
		if (i % 2)
			*(uint32_t *)hostile_page = random_next(&seed) % 4;
		if (i % 4 > 1)
			*(uint32_t *)(hostile_page + 4) = random_next(&seed) % 9;
		parts[0].len = i % 5 ? 24 : (uint32_t)(random_next(&seed) % 40) + 1;
		parts[1].len = i % 7 ? 16 : (uint32_t)(random_next(&seed) % 20) + 1;
		if (send(v, 0, parts, 1, 1, true))
			return -1;
		if (virtio_status(v) & STATUS_NEEDS_RESET && scsi_attach(v))
			return -1;
	}
	return 0;
}

/* Resets while requests are with the disk. */
static int reset_in_flight(struct virtio *v, uint64_t seed)
{
	static struct scsi_request requests[16];
	static struct scsi_response responses[16];

	(void)seed;
	frame();
	for (int round = 0; round < 30; round++) {
		if (scsi_attach(v))
			return -1;
		for (int i = 0; i < 16; i++) {
			requests[i] = request;
			requests[i].cdb[5] = (uint8_t)(8 * i);
			requests[i].cdb[8] = 8;
			struct vpart parts[] = {{&requests[i], sizeof(request)},
						{&responses[i], sizeof(response)},
						{hostile_page + 4096 * i, 4096}};
			vring_add(v->rings[SCSI_QUEUE_REQUEST], parts, 1, 2, &requests[i]);
		}
		vring_kick(v->rings[SCSI_QUEUE_REQUEST]);
		if (!virtio_reset(v))
			return fail("status stays %x after a reset", virtio_status(v));
		memset(hostile_page, 0x5a, HOSTILE_PAGE);
		clock_sleep(1000000);
		for (int i = 0; i < HOSTILE_PAGE; i++)
			if (hostile_page[i] != 0x5a)
				return fail("memory was written after the reset was done");
	}
	return 0;
}

const struct attack scsi_attacks[] = {
	{"scsi-no-response", "a request without room for a response", EXPECT_ANYTHING, VIRTIO_SCSI,
	 no_response},
	{"scsi-short-response", "room for 4 bytes of response", EXPECT_ANYTHING, VIRTIO_SCSI,
	 short_response},
	{"scsi-short-request", "a request of 10 bytes", EXPECT_ANYTHING, VIRTIO_SCSI,
	 short_request},
	{"scsi-in-pieces", "a request in pieces of one byte", EXPECT_HEALTHY, VIRTIO_SCSI,
	 in_pieces},
	{"scsi-room", "a read of 32 MiB with room for 512 bytes", EXPECT_ANYTHING, VIRTIO_SCSI,
	 room_too_small},
	{"scsi-no-data", "a write without data", EXPECT_ANYTHING, VIRTIO_SCSI, write_without_data},
	{"scsi-both-ways", "data out and in at once", EXPECT_ANYTHING, VIRTIO_SCSI, both_ways},
	{"scsi-beyond", "reads at block 2^64 - 1", EXPECT_HEALTHY, VIRTIO_SCSI, block_beyond},
	{"scsi-random", "1000 random commands", EXPECT_ANYTHING, VIRTIO_SCSI, random_commands},
	{"scsi-luns", "500 random addresses of logical units", EXPECT_ANYTHING, VIRTIO_SCSI,
	 random_luns},
	{"scsi-control", "500 random task management requests", EXPECT_ANYTHING, VIRTIO_SCSI,
	 control_random},
	{"scsi-reset-in-flight", "resets while requests are with the disk", EXPECT_HEALTHY,
	 VIRTIO_SCSI, reset_in_flight},
	{0},
};
