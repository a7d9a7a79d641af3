/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The virtio-scsi controller over a machine without KVM: requests of every layout, hostile ones,
 * task management over a backend that holds its requests, events, pause, state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_scsi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "engine/block/virtio_scsi.h"
#include "engine/block/virtio_scsi_priv.h"
#include "tests/unit/fake_machine.h"

#define IMAGE_BYTES (1u << 20)
#define QUEUES 2
#define REQ_BYTES 51
#define RESP_BYTES 108

/* ---- a backend that holds requests until it is told
 * ------------------------------------------------ */

struct holding {
	struct block block;
	pthread_mutex_t lock; /* protects the rest */
	struct block_req *held[64];
	int n_held, n_cancelled;
	bool deaf; /* to cancellation */
};

static void holding_submit(struct block *block, struct block_req *req)
{
	struct holding *h = (struct holding *)block;
	pthread_mutex_lock(&h->lock);
	h->held[h->n_held++] = req;
	pthread_mutex_unlock(&h->lock);
}

static void holding_cancel(struct block *block, struct block_req *req)
{
	struct holding *h = (struct holding *)block;
	pthread_mutex_lock(&h->lock);
	for (int i = 0; i < h->n_held && !h->deaf; i++) {
		if (h->held[i] != req)
			continue;
		h->held[i] = h->held[--h->n_held];
		h->n_cancelled++;
		block_answer_later(req, -ECANCELED);
	}
	pthread_mutex_unlock(&h->lock);
}

static void holding_free(struct block *block)
{
	free(block);
}

static const struct block_ops holding_ops = {holding_submit, holding_cancel, holding_free};

static struct holding *holding_new(void)
{
	struct holding *h = calloc(1, sizeof *h);
	h->block = (struct block){.ops = &holding_ops, .size_bytes = IMAGE_BYTES};
	pthread_mutex_init(&h->lock, NULL);
	return h;
}

static int held(struct holding *h)
{
	pthread_mutex_lock(&h->lock);
	int n = h->n_held;
	pthread_mutex_unlock(&h->lock);
	return n;
}

static void wait_held(struct holding *h, int n)
{
	for (int i = 0; i < 2000 && held(h) != n; i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	assert_int_equal(held(h), n);
}

/* ---- a controller, a driver
 * ------------------------------------------------------------------------ */

struct rig {
	struct fake_machine m;
	struct fake_transport transport;
	struct virtio_dev *dev;
	struct driver_vq control, event, queue[QUEUES];
	struct holding *holding; /* at 5.0 */
	int fd;                  /* of the image at 0.0 */
	uint64_t req, resp, data;
};

static void add_raw(struct virtio_dev *dev, int fd, int target, int lun)
{
	struct hv_error err;
	struct block *block;
	struct scsi_disk_config config = {.serial = "S"};
	assert_int_equal(block_raw_new(&block, dup(fd), false, &err), 0);
	assert_int_equal(virtio_scsi_add(dev, target, lun, block, &config, &err), 0);
}

static void rig_make(struct rig *r)
{
	struct hv_error err;
	struct scsi_disk_config config = {.serial = "H"};
	memset(r, 0, sizeof *r);
	fake_machine_init(&r->m, 0);
	assert_int_equal(virtio_scsi_new(&r->dev, &r->m.env, "scsi0", QUEUES, &err), 0);
	fake_transport_attach(&r->transport, r->dev);
	r->fd = memfd_create("image", MFD_CLOEXEC);
	assert_int_equal(ftruncate(r->fd, IMAGE_BYTES), 0);
	add_raw(r->dev, r->fd, 0, 0);
	r->holding = holding_new();
	assert_int_equal(virtio_scsi_add(r->dev, 5, 0, &r->holding->block, &config, &err), 0);
	r->req = fake_alloc(&r->m, 4096, 4096);
	r->resp = fake_alloc(&r->m, 4096, 4096);
	r->data = fake_alloc(&r->m, 65536, 4096);
}

static void clear_attentions(struct rig *r)
{
	struct vscsi_table *table = atomic_load(&vscsi_of(r->dev)->table);
	for (int i = 0; i < table->n; i++)
		atomic_store(&table->luns[i]->attentions, 0);
}

static void rig_start_queues(struct rig *r, uint16_t size)
{
	driver_negotiate(r->dev, 1ull << VIRTIO_SCSI_F_HOTPLUG | 1ull << VIRTIO_RING_F_EVENT_IDX |
					 1ull << VIRTIO_RING_F_INDIRECT_DESC);
	driver_vq_init(&r->control, &r->m, r->dev, 0, 16);
	driver_vq_init(&r->event, &r->m, r->dev, 1, 16);
	for (int i = 0; i < QUEUES; i++)
		driver_vq_init(&r->queue[i], &r->m, r->dev, 2 + i, size);
	driver_ok(r->dev);
	clear_attentions(r);
}

static int set_up(void **state)
{
	struct rig *r = malloc(sizeof *r);
	rig_make(r);
	rig_start_queues(r, 64);
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *r = *state;
	r->dev->ops->free(r->dev);
	fake_machine_fini(&r->m);
	close(r->fd);
	free(r);
	return 0;
}

static struct virtio_scsi_cmd_req *put_req(struct rig *r, uint64_t gpa, int target, int lun,
					   uint64_t tag, const uint8_t *cdb, size_t cdb_len)
{
	struct virtio_scsi_cmd_req *req = fake_ptr(&r->m, gpa, sizeof *req);
	memset(req, 0, sizeof *req);
	req->lun[0] = 1;
	req->lun[1] = target;
	req->lun[2] = 0x40;
	req->lun[3] = lun;
	req->tag = tag;
	memcpy(req->cdb, cdb, cdb_len);
	return req;
}

static struct virtio_scsi_cmd_resp *resp_at(struct rig *r, uint64_t gpa)
{
	return fake_ptr(&r->m, gpa, sizeof(struct virtio_scsi_cmd_resp));
}

static const uint8_t read_10[10] = {0x28, 0, 0, 0, 0, 1, 0, 0, 2, 0}; /* blocks 1, 2 */
static const uint8_t write_10[10] = {0x2a, 0, 0, 0, 0, 1, 0, 0, 2, 0};
static const uint8_t inquiry[6] = {0x12, 0, 0, 0, 36, 0};

/* One command on a queue, to its end; returns the used length. */
static uint32_t run(struct rig *r, int queue, int target, int lun, const uint8_t *cdb,
		    size_t cdb_len, uint32_t out_len, uint32_t in_len)
{
	uint32_t len = 0;
	put_req(r, r->req, target, lun, 1, cdb, cdb_len);
	memset(resp_at(r, r->resp), 0xee, RESP_BYTES);
	struct driver_part parts[4] = {{r->req, REQ_BYTES, false}};
	int n = 1;
	if (out_len)
		parts[n++] = (struct driver_part){r->data, out_len, false};
	parts[n++] = (struct driver_part){r->resp, RESP_BYTES, true};
	if (in_len)
		parts[n++] = (struct driver_part){r->data, in_len, true};
	driver_add(&r->queue[queue], parts, n);
	driver_kick(&r->queue[queue]);
	assert_true(driver_wait(&r->queue[queue], NULL, &len));
	return len;
}

/* Starts a read of the disk that holds; its parts lie at slot. */
static void start_held(struct rig *r, int queue, int slot, uint64_t tag)
{
	uint64_t req = r->req + 64 * slot, resp = r->resp + 128 * slot;
	put_req(r, req, 5, 0, tag, read_10, 10);
	memset(resp_at(r, resp), 0xee, RESP_BYTES);
	driver_add(&r->queue[queue],
		   (struct driver_part[]){{req, REQ_BYTES, false},
					  {resp, RESP_BYTES, true},
					  {r->data + 1024 * slot, 1024, true}},
		   3);
	driver_kick(&r->queue[queue]);
}

static uint8_t response_of(struct rig *r, int slot)
{
	return resp_at(r, r->resp + 128 * slot)->response;
}

static bool needs_reset(struct rig *r)
{
	for (int i = 0; i < 2000; i++) {
		if (virtio_status(r->dev) & VIRTIO_CONFIG_S_NEEDS_RESET)
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return false;
}

/* ---- requests
 * --------------------------------------------------------------------------------------- */

static void scsi_tells_its_queues_and_limits(void **state)
{
	struct rig *r = *state;
	struct virtio_scsi_config config;
	virtio_read_config(r->dev, 0, &config, sizeof config);
	assert_int_equal(config.num_queues, QUEUES);
	assert_int_equal(config.seg_max, 254);
	assert_int_equal(config.sense_size, 96);
	assert_int_equal(config.cdb_size, 32);
	assert_int_equal(config.max_target, 255);
	assert_int_equal(config.max_lun, 16383);
	assert_int_equal(config.event_info_size, 16);
	uint64_t features = virtio_features_offered(r->dev);
	assert_true(features >> VIRTIO_SCSI_F_HOTPLUG & 1);
	assert_true(features >> VIRTIO_SCSI_F_CHANGE & 1);
}

static void scsi_writes_and_reads_on_every_queue(void **state)
{
	struct rig *r = *state;
	struct scsi_disk_stats stats;
	uint8_t block[512];
	for (int q = 0; q < QUEUES; q++) {
		uint8_t *data = fake_ptr(&r->m, r->data, 1024);
		memset(data, 0x70 + q, 1024);
		assert_int_equal(run(r, q, 0, 0, write_10, 10, 1024, 0), RESP_BYTES);
		assert_int_equal(resp_at(r, r->resp)->response, VIRTIO_SCSI_S_OK);
		assert_int_equal(resp_at(r, r->resp)->status, 0);
		assert_int_equal(resp_at(r, r->resp)->resid, 0);
		assert_int_equal(pread(r->fd, block, 512, 1024), 512);
		assert_int_equal(block[511], 0x70 + q);
		memset(data, 0, 1024);
		assert_int_equal(run(r, q, 0, 0, read_10, 10, 0, 1024), RESP_BYTES + 1024);
		assert_int_equal(data[1023], 0x70 + q);
		assert_true(r->transport.interrupts[2 + q] >= 1);
	}
	assert_int_equal(virtio_scsi_disk_stats(r->dev, 0, 0, &stats), 0);
	assert_int_equal(stats.reads, QUEUES);
	assert_int_equal(stats.written_bytes, QUEUES * 1024);
	assert_int_equal(virtio_scsi_disk_stats(r->dev, 1, 0, &stats), -HV_NOT_FOUND);
}

static void scsi_takes_any_layout(void **state)
{
	struct rig *r = *state;
	uint8_t pattern[1024];
	for (int i = 0; i < 1024; i++)
		pattern[i] = i * 7;
	/* header and data-out in one place, cut elsewhere; then response and data-in likewise */
	put_req(r, r->req, 0, 0, 1, write_10, 10);
	memcpy(fake_ptr(&r->m, r->req + REQ_BYTES, 1024), pattern, 1024);
	driver_add_indirect(&r->queue[0],
			    (struct driver_part[]){{r->req, 10, false},
						   {r->req + 10, 41 + 500, false},
						   {r->req + 551, 524, false},
						   {r->resp, 5, true},
						   {r->resp + 5, RESP_BYTES - 5, true}},
			    5);
	driver_kick(&r->queue[0]);
	assert_true(driver_wait(&r->queue[0], NULL, NULL));
	assert_int_equal(resp_at(r, r->resp)->response, VIRTIO_SCSI_S_OK);
	put_req(r, r->req, 0, 0, 1, read_10, 10);
	driver_add(&r->queue[0],
		   (struct driver_part[]){{r->req, REQ_BYTES, false},
					  {r->resp, RESP_BYTES + 300, true},
					  {r->data, 724, true}},
		   3);
	driver_kick(&r->queue[0]);
	uint32_t len;
	assert_true(driver_wait(&r->queue[0], NULL, &len));
	assert_int_equal(len, RESP_BYTES + 1024);
	assert_memory_equal(fake_ptr(&r->m, r->resp + RESP_BYTES, 300), pattern, 300);
	assert_memory_equal(fake_ptr(&r->m, r->data, 724), pattern + 300, 724);
}

static void scsi_reports_what_was_left_over(void **state)
{
	struct rig *r = *state;
	assert_int_equal(run(r, 0, 0, 0, inquiry, 6, 0, 36), RESP_BYTES + 36);
	assert_int_equal(run(r, 0, 0, 0, read_10, 10, 0, 4096), RESP_BYTES + 1024);
	assert_int_equal(resp_at(r, r->resp)->resid, 3072);
	assert_int_equal(run(r, 0, 0, 0, write_10, 10, 4096, 0), RESP_BYTES);
	assert_int_equal(resp_at(r, r->resp)->resid, 3072);
}

static void scsi_refuses_buffers_that_are_too_small(void **state)
{
	struct rig *r = *state;
	run(r, 0, 0, 0, read_10, 10, 0, 1023);
	assert_int_equal(resp_at(r, r->resp)->response, VIRTIO_SCSI_S_OVERRUN);
	assert_int_equal(resp_at(r, r->resp)->resid, 1023);
	run(r, 0, 0, 0, write_10, 10, 0, 1024); /* the wrong way round */
	assert_int_equal(resp_at(r, r->resp)->response, VIRTIO_SCSI_S_OVERRUN);
	run(r, 0, 0, 0, write_10, 10, 1024, 16); /* both ways */
	assert_int_equal(resp_at(r, r->resp)->response, VIRTIO_SCSI_S_FAILURE);
}

static void scsi_knows_who_is_not_there(void **state)
{
	struct rig *r = *state;
	run(r, 0, 9, 0, inquiry, 6, 0, 36);
	assert_int_equal(resp_at(r, r->resp)->response, VIRTIO_SCSI_S_BAD_TARGET);
	run(r, 0, 0, 3, inquiry, 6, 0, 36); /* no such unit of a target that is there */
	assert_int_equal(resp_at(r, r->resp)->response, VIRTIO_SCSI_S_OK);
	assert_int_equal(*(uint8_t *)fake_ptr(&r->m, r->data, 1), 0x7f);
	struct virtio_scsi_cmd_req *req = put_req(r, r->req, 0, 0, 1, inquiry, 6);
	req->lun[0] = 0xc1; /* well-known units */
	driver_add(&r->queue[0],
		   (struct driver_part[]){{r->req, REQ_BYTES, false}, {r->resp, RESP_BYTES, true}},
		   2);
	driver_kick(&r->queue[0]);
	assert_true(driver_wait(&r->queue[0], NULL, NULL));
	assert_int_equal(resp_at(r, r->resp)->response, VIRTIO_SCSI_S_BAD_TARGET);
}

static void scsi_gives_sense_data_with_the_answer(void **state)
{
	struct rig *r = *state;
	static const uint8_t far[10] = {0x28, 0, 0x7f, 0, 0, 1, 0, 0, 2, 0};
	run(r, 1, 0, 0, far, 10, 0, 1024);
	struct virtio_scsi_cmd_resp *resp = resp_at(r, r->resp);
	assert_int_equal(resp->response, VIRTIO_SCSI_S_OK);
	assert_int_equal(resp->status, SCSI_CHECK_CONDITION);
	assert_int_equal(resp->sense_len, 18);
	assert_int_equal(resp->sense[2], 5);
	assert_int_equal(resp->sense[12], 0x21);
	assert_int_equal(resp->resid, 1024);
}

static void scsi_keeps_to_the_sizes_that_the_driver_wrote(void **state)
{
	struct rig *r = malloc(sizeof *r);
	(void)state;
	rig_make(r);
	uint32_t sense = 8, cdb = 16;
	virtio_write_config(r->dev, offsetof(struct virtio_scsi_config, sense_size), &sense, 4);
	virtio_write_config(r->dev, offsetof(struct virtio_scsi_config, cdb_size), &cdb, 4);
	rig_start_queues(r, 16);
	static const uint8_t far[10] = {0x28, 0, 0x7f, 0, 0, 1, 0, 0, 2, 0};
	put_req(r, r->req, 0, 0, 1, far, 10);
	driver_add(&r->queue[0],
		   (struct driver_part[]){{r->req, 19 + 16, false}, {r->resp, 12 + 8 + 1024, true}},
		   2);
	driver_kick(&r->queue[0]);
	uint32_t len;
	assert_true(driver_wait(&r->queue[0], NULL, &len));
	assert_int_equal(len, 12 + 8);
	assert_int_equal(resp_at(r, r->resp)->sense_len, 8);
	assert_int_equal(resp_at(r, r->resp)->sense[2], 5);
	virtio_write_config(r->dev, offsetof(struct virtio_scsi_config, cdb_size), &cdb, 4);
	assert_true(needs_reset(r));
	tear_down((void *[]){r});
}

/* ---- hostile drivers
 * ---------------------------------------------------------------------------------- */

static void scsi_refuses_absurd_sizes(void **state)
{
	struct rig *r = malloc(sizeof *r);
	(void)state;
	rig_make(r);
	uint32_t cdb = 0x10000;
	virtio_write_config(r->dev, offsetof(struct virtio_scsi_config, cdb_size), &cdb, 4);
	assert_true(needs_reset(r));
	virtio_write_config(r->dev, 3, &cdb, 4);
	virtio_write_config(r->dev, 0, &cdb, 4);
	struct virtio_scsi_config config;
	virtio_read_config(r->dev, 0, &config, sizeof config);
	assert_int_equal(config.cdb_size, 32);
	assert_int_equal(config.num_queues, QUEUES);
	tear_down((void *[]){r});
}

static void scsi_fails_on_a_request_without_room_for_the_response(void **state)
{
	struct rig *r = *state;
	put_req(r, r->req, 0, 0, 1, inquiry, 6);
	driver_add(
		&r->queue[0],
		(struct driver_part[]){{r->req, REQ_BYTES, false}, {r->resp, RESP_BYTES - 1, true}},
		2);
	driver_kick(&r->queue[0]);
	assert_true(needs_reset(r));
	virtio_write_status(r->dev, 0);
	rig_start_queues(r, 16); /* and is as new after the reset */
	run(r, 0, 0, 0, inquiry, 6, 0, 36);
	assert_int_equal(resp_at(r, r->resp)->response, VIRTIO_SCSI_S_OK);
}

static void scsi_fails_on_a_short_header_and_on_loops(void **state)
{
	struct rig *r = *state;
	driver_add(
		&r->queue[1],
		(struct driver_part[]){{r->req, REQ_BYTES - 1, false}, {r->resp, RESP_BYTES, true}},
		2);
	driver_kick(&r->queue[1]);
	assert_true(needs_reset(r));
	driver_push_head(&r->queue[0], 60000);
	driver_kick(&r->queue[0]);
	driver_push_head(&r->control, 0xffff);
	driver_kick(&r->control);
	virtio_write_status(r->dev, 0);
	assert_int_equal(virtio_status(r->dev), 0);
}

static void scsi_fails_on_unknown_control_requests(void **state)
{
	struct rig *r = *state;
	uint32_t *type = fake_ptr(&r->m, r->req, 4);
	*type = 77;
	driver_add(&r->control, (struct driver_part[]){{r->req, 24, false}, {r->resp, 1, true}}, 2);
	driver_kick(&r->control);
	assert_true(needs_reset(r));
}

/* ---- task management
 * --------------------------------------------------------------------------------- */

static void start_tmf(struct rig *r, uint32_t subtype, int target, int lun, uint64_t tag)
{
	struct virtio_scsi_ctrl_tmf_req *req = fake_ptr(&r->m, r->req + 2048, sizeof *req);
	memset(req, 0, sizeof *req);
	req->type = VIRTIO_SCSI_T_TMF;
	req->subtype = subtype;
	req->lun[0] = 1;
	req->lun[1] = target;
	req->lun[2] = 0x40;
	req->lun[3] = lun;
	req->tag = tag;
	driver_add(&r->control,
		   (struct driver_part[]){{r->req + 2048, 24, false}, {r->resp + 2048, 1, true}},
		   2);
	driver_kick(&r->control);
}

static uint8_t tmf(struct rig *r, uint32_t subtype, int target, int lun, uint64_t tag)
{
	uint8_t *response = fake_ptr(&r->m, r->resp + 2048, 1);
	*response = 0xee;
	start_tmf(r, subtype, target, lun, tag);
	assert_true(driver_wait(&r->control, NULL, NULL));
	return *response;
}

static void abort_task_ends_one_request_before_it_answers(void **state)
{
	struct rig *r = *state;
	start_held(r, 0, 0, 100);
	start_held(r, 1, 1, 101);
	wait_held(r->holding, 2);
	assert_int_equal(tmf(r, VIRTIO_SCSI_T_TMF_QUERY_TASK, 5, 0, 101),
			 VIRTIO_SCSI_S_FUNCTION_SUCCEEDED);
	assert_int_equal(tmf(r, VIRTIO_SCSI_T_TMF_QUERY_TASK, 5, 0, 102), VIRTIO_SCSI_S_OK);
	assert_int_equal(tmf(r, VIRTIO_SCSI_T_TMF_ABORT_TASK, 5, 0, 101), VIRTIO_SCSI_S_OK);
	assert_true(driver_take(&r->queue[1], NULL, NULL));
	assert_int_equal(response_of(r, 1), VIRTIO_SCSI_S_ABORTED);
	assert_int_equal(held(r->holding), 1);
	assert_false(driver_take(&r->queue[0], NULL, NULL));
	assert_int_equal(tmf(r, VIRTIO_SCSI_T_TMF_ABORT_TASK, 5, 0, 4711), VIRTIO_SCSI_S_OK);
}

static void unit_reset_ends_all_of_the_unit_and_tells_it(void **state)
{
	struct rig *r = *state;
	static const uint8_t ready[6] = {0};
	for (int i = 0; i < 6; i++)
		start_held(r, i % 2, i, 100 + i);
	wait_held(r->holding, 6);
	assert_int_equal(tmf(r, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 5, 0, 0), VIRTIO_SCSI_S_OK);
	assert_int_equal(r->holding->n_cancelled, 6);
	for (int i = 0; i < 6; i++) {
		assert_true(driver_take(&r->queue[i % 2], NULL, NULL));
		assert_int_equal(response_of(r, i), VIRTIO_SCSI_S_RESET);
	}
	run(r, 0, 5, 0, ready, 6, 0, 0);
	assert_int_equal(resp_at(r, r->resp)->sense[12], 0x29);
	assert_int_equal(resp_at(r, r->resp)->sense[13], 0x03);
	run(r, 0, 0, 0, ready, 6, 0, 0); /* the other disk is not concerned */
	assert_int_equal(resp_at(r, r->resp)->status, 0);
}

struct release {
	struct holding *holding;
	struct vscsi_queue *queue;
};

static void release_on_thread(void *ctx)
{
	struct release *release = ctx;
	struct holding *h = release->holding;
	pthread_mutex_lock(&h->lock);
	while (h->n_held)
		block_answer_later(h->held[--h->n_held], 0);
	pthread_mutex_unlock(&h->lock);
	aio_flush(release->queue->aio);
	vscsi_queue_after_batch(release->queue);
}

static void task_management_waits_for_what_cannot_be_cancelled(void **state)
{
	struct rig *r = *state;
	r->holding->deaf = true;
	start_held(r, 1, 0, 100);
	wait_held(r->holding, 1);
	start_tmf(r, VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, 5, 0, 0);
	fake_run(&r->m, 30);
	assert_false(driver_take(&r->control, NULL, NULL));
	struct release release = {r->holding, &vscsi_of(r->dev)->queues[1]};
	iothread_call(&release.queue->thread, release_on_thread, &release);
	assert_true(driver_wait(&r->control, NULL, NULL));
	assert_true(driver_take(&r->queue[1], NULL, NULL));
	assert_int_equal(response_of(r, 0), VIRTIO_SCSI_S_ABORTED);
	assert_int_equal(*(uint8_t *)fake_ptr(&r->m, r->resp + 2048, 1), VIRTIO_SCSI_S_OK);
}

static void task_management_knows_who_is_not_there(void **state)
{
	struct rig *r = *state;
	assert_int_equal(tmf(r, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 9, 0, 0),
			 VIRTIO_SCSI_S_BAD_TARGET);
	assert_int_equal(tmf(r, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 5, 1, 0),
			 VIRTIO_SCSI_S_INCORRECT_LUN);
	assert_int_equal(tmf(r, VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET, 5, 1, 0), VIRTIO_SCSI_S_OK);
	assert_int_equal(tmf(r, VIRTIO_SCSI_T_TMF_CLEAR_ACA, 5, 0, 0),
			 VIRTIO_SCSI_S_FUNCTION_REJECTED);
}

/* ---- reset and pause
 * ----------------------------------------------------------------------------------- */

static void reset_leaves_nothing_in_flight(void **state)
{
	struct rig *r = *state;
	for (int i = 0; i < 4; i++)
		start_held(r, i % 2, i, i);
	wait_held(r->holding, 4);
	virtio_write_status(r->dev, 0);
	assert_int_equal(held(r->holding), 0);
	assert_int_equal(r->holding->n_cancelled, 4);
	for (int i = 0; i < QUEUES; i++)
		assert_null(vscsi_of(r->dev)->queues[i].in_flight);
	rig_start_queues(r, 32);
	assert_int_equal(run(r, 1, 0, 0, read_10, 10, 0, 1024), RESP_BYTES + 1024);
}

static void pause_finishes_what_is_in_flight_and_resume_what_came_meanwhile(void **state)
{
	struct rig *r = *state;
	struct hv_error err;
	uint32_t len;
	for (int i = 0; i < 8; i++) {
		put_req(r, r->req + 64 * i, 0, 0, i, read_10, 10);
		driver_add(&r->queue[0],
			   (struct driver_part[]){{r->req + 64 * i, REQ_BYTES, false},
						  {r->resp + 128 * i, RESP_BYTES, true},
						  {r->data + 1024 * i, 1024, true}},
			   3);
	}
	driver_kick(&r->queue[0]);
	assert_int_equal(virtio_pause(r->dev, &err), 0);
	int done = 0;
	while (driver_take(&r->queue[0], NULL, NULL))
		done++;
	assert_true(done == 0 || done == 8);
	put_req(r, r->req, 0, 0, 1, read_10, 10);
	driver_add(&r->queue[0],
		   (struct driver_part[]){{r->req, REQ_BYTES, false},
					  {r->resp, RESP_BYTES, true},
					  {r->data, 1024, true}},
		   3);
	driver_kick(&r->queue[0]);
	fake_run(&r->m, 20);
	assert_false(driver_take(&r->queue[0], NULL, NULL));
	virtio_resume(r->dev);
	for (int i = done; i < 9; i++)
		assert_true(driver_wait(&r->queue[0], NULL, &len));
	assert_int_equal(len, RESP_BYTES + 1024);
}

/* ---- events
 * -------------------------------------------------------------------------------------------- */

static void a_disk_added_while_running_is_announced(void **state)
{
	struct rig *r = *state;
	struct virtio_scsi_event *event = fake_ptr(&r->m, r->data, 64);
	driver_add(&r->event, (struct driver_part[]){{r->data, sizeof *event, true}}, 1);
	driver_kick(&r->event);
	add_raw(r->dev, r->fd, 7, 2);
	assert_true(driver_wait(&r->event, NULL, NULL));
	assert_int_equal(event->event, VIRTIO_SCSI_T_TRANSPORT_RESET);
	assert_int_equal(event->reason, VIRTIO_SCSI_EVT_RESET_RESCAN);
	assert_memory_equal(event->lun, ((uint8_t[]){1, 7, 0x40, 2, 0, 0, 0, 0}), 8);
	run(r, 0, 7, 2, inquiry, 6, 0, 36);
	assert_int_equal(resp_at(r, r->resp)->response, VIRTIO_SCSI_S_OK);
	assert_int_equal(*(uint8_t *)fake_ptr(&r->m, r->data, 1), 0);
}

static void events_without_a_buffer_are_told_as_missed(void **state)
{
	struct rig *r = *state;
	struct virtio_scsi_event *event = fake_ptr(&r->m, r->data, 64);
	add_raw(r->dev, r->fd, 7, 0);
	add_raw(r->dev, r->fd, 8, 0);
	driver_add(&r->event, (struct driver_part[]){{r->data, sizeof *event, true}}, 1);
	driver_kick(&r->event);
	assert_true(driver_wait(&r->event, NULL, NULL));
	assert_int_equal(event->event, VIRTIO_SCSI_T_EVENTS_MISSED | VIRTIO_SCSI_T_NO_EVENT);
	struct hv_error err;
	assert_int_equal(virtio_pause(r->dev, &err), 0);
	assert_false(vscsi_of(r->dev)->events_missed);
}

/* A driver with event indices rings when its index passes ours: without asking for it after the first
 * buffer, what was missed would be told with the next event only. */
static void a_missed_event_asks_for_the_next_kick(void **state)
{
	struct rig *r = *state;
	for (int target = 7; target < 10; target++) {
		driver_add(&r->event, (struct driver_part[]){{r->data, 16, true}}, 1);
		add_raw(r->dev, r->fd, target, 0);
		assert_true(driver_wait(&r->event, NULL, NULL));
	}
	assert_int_equal(driver_avail_event(&r->event), 0);
	add_raw(r->dev, r->fd, 10, 0);
	assert_true(vscsi_of(r->dev)->events_missed);
	assert_int_equal(driver_avail_event(&r->event), 3);
}

static void addresses_are_taken_once(void **state)
{
	struct rig *r = *state;
	struct hv_error err;
	struct scsi_disk_config config = {0};
	struct holding *h = holding_new();
	assert_int_equal(virtio_scsi_add(r->dev, 5, 0, &h->block, &config, &err), -HV_CONFLICT);
	assert_string_equal(err.message, "'scsi0.5.0' is taken");
	assert_int_equal(virtio_scsi_add(r->dev, 256, 0, &h->block, &config, &err), -HV_USAGE);
	assert_int_equal(virtio_scsi_add(r->dev, 0, -1, &h->block, &config, &err), -HV_USAGE);
	free(h);
}

static void the_table_holds_many_disks_in_order(void **state)
{
	struct rig *r = *state;
	for (int i = 255; i >= 0; i -= 3)
		if (i != 0)
			add_raw(r->dev, r->fd, i, i % 7);
	struct vscsi_table *table = atomic_load(&vscsi_of(r->dev)->table);
	for (int i = 1; i < table->n; i++)
		assert_true(table->luns[i - 1]->target < table->luns[i]->target);
	run(r, 0, 252, 0, inquiry, 6, 0, 36);
	assert_int_equal(resp_at(r, r->resp)->response, VIRTIO_SCSI_S_OK);
}

/* ---- state
 * --------------------------------------------------------------------------------------------- */

static void set_modes(struct rig *r)
{
	struct scsi_lun *lun = vscsi_find(vscsi_of(r->dev), (struct vscsi_addr){true, 0, 0});
	atomic_store(&lun->write_cache, false);
	atomic_store(&lun->stopped, true);
	scsi_lun_attention(lun, SCSI_UA_CAPACITY);
	vscsi_of(r->dev)->events_missed = true;
}

static void state_survives_a_round_trip_and_goes_on(void **state)
{
	struct rig *a = *state;
	struct hv_error err;
	struct state_out out;
	struct rig *b = malloc(sizeof *b);
	set_modes(a);
	assert_int_equal(virtio_pause(a->dev, &err), 0);
	state_out_init(&out);
	assert_int_equal(virtio_save(a->dev, &out, &err), 0);
	rig_make(b);
	memcpy(b->m.mem.regions[0].hva, a->m.mem.regions[0].hva, a->m.mem.regions[0].len);
	struct state_in in = {out.bytes, out.len, 0};
	assert_int_equal(virtio_load(b->dev, &in, &err), 0);
	assert_int_equal(in.pos, in.len);
	struct scsi_lun *lun = vscsi_find(vscsi_of(b->dev), (struct vscsi_addr){true, 0, 0});
	assert_false(atomic_load(&lun->write_cache));
	assert_true(atomic_load(&lun->stopped));
	assert_int_equal(atomic_load(&lun->attentions), 1u << SCSI_UA_CAPACITY);
	assert_true(vscsi_of(b->dev)->events_missed);
	/* the driver goes on where it was, on the other machine's memory */
	b->control = a->control;
	b->event = a->event;
	for (int i = 0; i < QUEUES; i++) {
		b->queue[i] = a->queue[i];
		b->queue[i].m = &b->m;
		b->queue[i].dev = b->dev;
		b->queue[i].vq = &b->dev->queues[2 + i];
	}
	atomic_store(&lun->attentions, 0);
	atomic_store(&lun->stopped, false);
	virtio_resume(b->dev);
	assert_int_equal(run(b, 1, 0, 0, read_10, 10, 0, 1024), RESP_BYTES + 1024);
	state_out_fini(&out);
	tear_down((void *[]){b});
	virtio_resume(a->dev);
}

static void state_of_other_disks_is_refused(void **state)
{
	struct rig *a = *state;
	struct hv_error err;
	struct state_out out;
	struct rig *b = malloc(sizeof *b);
	assert_int_equal(virtio_pause(a->dev, &err), 0);
	state_out_init(&out);
	assert_int_equal(virtio_save(a->dev, &out, &err), 0);
	rig_make(b);
	add_raw(b->dev, b->fd, 1, 0);
	struct state_in in = {out.bytes, out.len, 0};
	assert_int_equal(virtio_load(b->dev, &in, &err), -HV_CONFLICT);
	assert_string_equal(err.message, "'scsi0' has 3 disks here and had 2 where it was saved");
	for (size_t len = 0; len < out.len; len++) {
		in = (struct state_in){out.bytes, len, 0};
		assert_int_not_equal(virtio_load(b->dev, &in, &err), 0);
	}
	state_out_fini(&out);
	tear_down((void *[]){b});
}

static void what_is_written_to_memory_is_marked_dirty(void **state)
{
	struct rig *r = *state;
	fake_dirty_start(&r->m);
	run(r, 0, 0, 0, read_10, 10, 0, 1024);
	assert_true(fake_is_dirty(&r->m, r->data));
	assert_true(fake_is_dirty(&r->m, r->resp));
	assert_false(fake_is_dirty(&r->m, r->req));
	assert_false(fake_is_dirty(&r->m, r->data + 4096));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(scsi_tells_its_queues_and_limits),
		CASE(scsi_writes_and_reads_on_every_queue),
		CASE(scsi_takes_any_layout),
		CASE(scsi_reports_what_was_left_over),
		CASE(scsi_refuses_buffers_that_are_too_small),
		CASE(scsi_knows_who_is_not_there),
		CASE(scsi_gives_sense_data_with_the_answer),
		cmocka_unit_test(scsi_keeps_to_the_sizes_that_the_driver_wrote),
		cmocka_unit_test(scsi_refuses_absurd_sizes),
		CASE(scsi_fails_on_a_request_without_room_for_the_response),
		CASE(scsi_fails_on_a_short_header_and_on_loops),
		CASE(scsi_fails_on_unknown_control_requests),
		CASE(abort_task_ends_one_request_before_it_answers),
		CASE(unit_reset_ends_all_of_the_unit_and_tells_it),
		CASE(task_management_waits_for_what_cannot_be_cancelled),
		CASE(task_management_knows_who_is_not_there),
		CASE(reset_leaves_nothing_in_flight),
		CASE(pause_finishes_what_is_in_flight_and_resume_what_came_meanwhile),
		CASE(a_disk_added_while_running_is_announced),
		CASE(events_without_a_buffer_are_told_as_missed),
		CASE(a_missed_event_asks_for_the_next_kick),
		CASE(addresses_are_taken_once),
		CASE(the_table_holds_many_disks_in_order),
		CASE(state_survives_a_round_trip_and_goes_on),
		CASE(state_of_other_disks_is_refused),
		CASE(what_is_written_to_memory_is_marked_dirty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
