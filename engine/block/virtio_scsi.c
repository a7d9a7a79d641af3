/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The virtio-scsi controller as a device (VIRTIO 1.2, 5.6): life, configuration space, and the
 * table of disks. Doorbells are watched for life; whether they are heeded is a flag of each queue's
 * thread.
 */
#include "engine/block/virtio_scsi.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "engine/block/virtio_scsi_priv.h"

#define PCI_CLASS_SCSI 0x010000

/* ---- the table of disks -------------------------------------------------------------------------
 */

struct vscsi_addr vscsi_parse_addr(const uint8_t lun[8])
{
	struct vscsi_addr addr = {.target = lun[1]};
	uint8_t method = lun[2] >> 6;
	addr.lun = (uint16_t)(lun[2] & 0x3f) << 8 | lun[3];
	/* peripheral addressing of bus 0, or flat (SAM-5, 4.6.8); one level */
	addr.valid = lun[0] == 1 && (method == 1 || (method == 0 && lun[2] == 0)) &&
		     !(lun[4] | lun[5] | lun[6] | lun[7]);
	return addr;
}

void vscsi_put_addr(uint8_t lun[8], struct vscsi_addr addr)
{
	memset(lun, 0, 8);
	if (!addr.valid)
		return;
	lun[0] = 1;
	lun[1] = addr.target;
	lun[2] = 0x40 | addr.lun >> 8;
	lun[3] = (uint8_t)addr.lun;
}

/* The first unit that is not below the address. */
static int lower_bound(const struct vscsi_table *table, uint16_t target, uint16_t number)
{
	int low = 0, high = table->n;
	while (low < high) {
		int mid = (low + high) / 2;
		const struct scsi_lun *lun = table->luns[mid];
		if (lun->target < target || (lun->target == target && lun->number < number))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct scsi_lun *const *vscsi_find_target(struct virtio_scsi *scsi, uint8_t target, int *n)
{
	struct vscsi_table *table = atomic_load_explicit(&scsi->table, memory_order_acquire);
	int first = lower_bound(table, target, 0), end = first;
	while (end < table->n && table->luns[end]->target == target)
		end++;
	*n = end - first;
	return &table->luns[first];
}

struct scsi_lun *vscsi_find(struct virtio_scsi *scsi, struct vscsi_addr addr)
{
	struct vscsi_table *table = atomic_load_explicit(&scsi->table, memory_order_acquire);
	int at = lower_bound(table, addr.target, addr.lun);
	if (at == table->n || table->luns[at]->target != addr.target ||
	    table->luns[at]->number != addr.lun)
		return NULL;
	return table->luns[at];
}

static struct vscsi_table *table_new(int n)
{
	struct vscsi_table *table = calloc(1, sizeof *table + n * sizeof table->luns[0]);
	if (table)
		table->n = n;
	return table;
}

static struct vscsi_table *table_with(const struct vscsi_table *old, struct scsi_lun *lun)
{
	struct vscsi_table *table = table_new(old->n + 1);
	if (!table)
		return NULL;
	int at = lower_bound(old, lun->target, lun->number);
	memcpy(table->luns, old->luns, at * sizeof lun);
	table->luns[at] = lun;
	memcpy(&table->luns[at + 1], &old->luns[at], (old->n - at) * sizeof lun);
	return table;
}

static void pass_by(void *ctx)
{
	(void)ctx;
}

/* After the calls no thread holds on to the old table. */
static void table_replace(struct virtio_scsi *scsi, struct vscsi_table *table)
{
	struct vscsi_table *old = atomic_exchange(&scsi->table, table);
	for (int i = 0; i < scsi->n_started; i++)
		iothread_call(&scsi->queues[i].thread, pass_by, NULL);
	free(old);
}

struct announcement {
	struct virtio_scsi *scsi;
	struct vscsi_addr addr;
};

static void announce(void *ctx)
{
	struct announcement *a = ctx;
	vscsi_event_post(a->scsi, VIRTIO_SCSI_T_TRANSPORT_RESET, VIRTIO_SCSI_EVT_RESET_RESCAN,
			 a->addr);
}

static void announce_disk(struct virtio_scsi *scsi, int target, int lun)
{
	struct announcement a = {scsi, {true, target, lun}};
	pthread_mutex_lock(&scsi->dev.lock);
	if (scsi->dev.active && virtio_has(&scsi->dev, VIRTIO_SCSI_F_HOTPLUG))
		iothread_call(&scsi->queues[0].thread, announce, &a);
	pthread_mutex_unlock(&scsi->dev.lock);
}

int virtio_scsi_add(struct virtio_dev *dev, int target, int lun, struct block *backend,
		    const struct scsi_disk_config *config, struct hv_error *err)
{
	struct virtio_scsi *scsi = vscsi_of(dev);
	struct scsi_lun *disk;
	if (target < 0 || target >= VIRTIO_SCSI_TARGETS || lun < 0 || lun >= VIRTIO_SCSI_LUNS)
		return hv_fail(err, HV_USAGE, 0, "'%s' has no address %d.%d", dev->id, target, lun);
	if (vscsi_find(scsi, (struct vscsi_addr){true, target, lun}))
		return hv_fail(err, HV_CONFLICT, 0, "'%s.%d.%d' is taken", dev->id, target, lun);
	int status = scsi_lun_new(&disk, target, lun, backend, config, err);
	if (status)
		return status;
	struct vscsi_table *table = table_with(atomic_load(&scsi->table), disk);
	if (!table) {
		disk->block = NULL; /* stays the caller's */
		scsi_lun_free(disk);
		return hv_fail(err, HV_FAILED, ENOMEM, "cannot add a disk to '%s'", dev->id);
	}
	table_replace(scsi, table);
	announce_disk(scsi, target, lun);
	return 0;
}

int virtio_scsi_disk_stats(struct virtio_dev *dev, int target, int lun,
			   struct scsi_disk_stats *stats)
{
	const struct scsi_lun *disk =
		vscsi_find(vscsi_of(dev), (struct vscsi_addr){true, target, lun});
	if (!disk)
		return -HV_NOT_FOUND;
	scsi_lun_stats(disk, stats);
	return 0;
}

/* ---- configuration space ------------------------------------------------------------------------
 */

static void vscsi_read_config(struct virtio_dev *dev, size_t offset, void *to, size_t len)
{
	struct virtio_scsi *scsi = vscsi_of(dev);
	virtio_config_copy(&scsi->config, sizeof scsi->config, offset, to, len);
}

bool vscsi_sizes_fit(uint32_t sense_size, uint32_t cdb_size)
{
	return sense_size <= VIRTIO_SCSI_SENSE_SIZE_MAX && cdb_size &&
	       cdb_size <= VIRTIO_SCSI_CDB_SIZE_MAX;
}

/* Two fields are the driver's, and only before DRIVER_OK: requests are laid out by them. */
static void vscsi_write_config(struct virtio_dev *dev, size_t offset, const void *from, size_t len)
{
	struct virtio_scsi *scsi = vscsi_of(dev);
	uint32_t sense_size = scsi->config.sense_size, cdb_size = scsi->config.cdb_size, value;
	if (len != sizeof value)
		return;
	memcpy(&value, from, sizeof value);
	if (offset == offsetof(struct virtio_scsi_config, sense_size))
		sense_size = value;
	else if (offset == offsetof(struct virtio_scsi_config, cdb_size))
		cdb_size = value;
	else
		return;
	if (dev->active || !vscsi_sizes_fit(sense_size, cdb_size)) {
		virtio_fail(dev, "sense size %u, CDB size %u written%s", sense_size, cdb_size,
			    dev->active ? " while running" : "");
		return;
	}
	scsi->config.sense_size = sense_size;
	scsi->config.cdb_size = cdb_size;
}

static void config_reset(struct virtio_scsi *scsi)
{
	scsi->config.sense_size = VIRTIO_SCSI_SENSE_DEFAULT_SIZE;
	scsi->config.cdb_size = VIRTIO_SCSI_CDB_DEFAULT_SIZE;
}

static void config_init(struct virtio_scsi *scsi)
{
	scsi->config = (struct virtio_scsi_config){
		.num_queues = scsi->n_queues,
		.seg_max = PARTS_MAX - 2,
		.max_sectors = 0xffff,
		.cmd_per_lun = 128,
		.event_info_size = sizeof(struct virtio_scsi_event),
		.max_target = VIRTIO_SCSI_TARGETS - 1,
		.max_lun = VIRTIO_SCSI_LUNS - 1,
	};
	config_reset(scsi);
	scsi->dev.config_len = sizeof scsi->config;
}

/* ---- serving: on each queue's thread
 * ------------------------------------------------------------- */

static bool is_first(const struct vscsi_queue *queue)
{
	return queue == queue->scsi->queues;
}

static void serve(void *ctx)
{
	struct vscsi_queue *queue = ctx;
	queue->serving = true;
	if (is_first(queue)) {
		vscsi_event_service(queue->scsi);
		vscsi_control_service(queue->scsi);
	}
	vscsi_queue_service(queue);
}

static void quiesce(struct vscsi_queue *queue, bool abort)
{
	vscsi_queue_drain(queue, abort);
	/* the others have drained before: what task management waits for has ended */
	if (is_first(queue))
		vscsi_tmf_poll(queue->scsi);
	queue->serving = false;
}

static void pause_queue(void *ctx)
{
	quiesce(ctx, false);
}

static void stop_queue(void *ctx)
{
	struct vscsi_queue *queue = ctx;
	quiesce(queue, true);
	aio_free(queue->aio);
	queue->aio = NULL;
	vscsi_queue_forget_kept(queue);
}

static void on_each_thread(struct virtio_scsi *scsi, void (*fn)(void *ctx))
{
	/* the first one last: it waits for the others */
	for (int i = scsi->n_started - 1; i >= 0; i--)
		iothread_call(&scsi->queues[i].thread, fn, &scsi->queues[i]);
}

static int vscsi_activate(struct virtio_dev *dev, struct hv_error *err)
{
	struct virtio_scsi *scsi = vscsi_of(dev);
	for (int i = 0; i < scsi->n_queues; i++) {
		struct vscsi_queue *queue = &scsi->queues[i];
		int status = aio_new(&queue->aio, &queue->thread.loop, AIO_AUTO, err);
		if (status)
			return status;
		aio_set_after_batch(queue->aio, vscsi_queue_after_batch, queue);
	}
	if (!dev->paused)
		on_each_thread(scsi, serve);
	return 0;
}

/* A reset of the controller is a hard reset of its units. */
static void vscsi_deactivate(struct virtio_dev *dev)
{
	struct virtio_scsi *scsi = vscsi_of(dev);
	struct vscsi_table *table = atomic_load(&scsi->table);
	on_each_thread(scsi, stop_queue);
	for (int i = 0; table && i < table->n; i++)
		scsi_lun_reset(table->luns[i], SCSI_UA_POWER_ON);
	scsi->events_missed = false;
	config_reset(scsi);
}

static int vscsi_pause(struct virtio_dev *dev, struct hv_error *err)
{
	(void)err;
	on_each_thread(vscsi_of(dev), pause_queue);
	return 0;
}

static void vscsi_resume(struct virtio_dev *dev)
{
	on_each_thread(vscsi_of(dev), serve);
}

/* ---- life ---------------------------------------------------------------------------------------
 */

static void vscsi_free(struct virtio_dev *dev)
{
	struct virtio_scsi *scsi = vscsi_of(dev);
	vscsi_deactivate(dev);
	for (int i = 0; i < scsi->n_started; i++)
		iothread_stop(&scsi->queues[i].thread);
	struct vscsi_table *table = atomic_load(&scsi->table);
	for (int i = 0; table && i < table->n; i++)
		scsi_lun_free(table->luns[i]);
	free(table);
	virtio_dev_fini(dev);
	free(scsi->queues);
	free(scsi);
}

static const struct virtio_ops vscsi_ops = {
	.device_id = VIRTIO_ID_SCSI,
	.pci_class = PCI_CLASS_SCSI,
	.read_config = vscsi_read_config,
	.write_config = vscsi_write_config,
	.activate = vscsi_activate,
	.deactivate = vscsi_deactivate,
	.pause = vscsi_pause,
	.resume = vscsi_resume,
	.save = vscsi_save,
	.load = vscsi_load,
	.free = vscsi_free,
};

static int watch(struct vscsi_queue *queue, struct loop_source *source, int index,
		 void (*ready)(struct loop_source *, uint32_t), struct hv_error *err)
{
	source->fd = queue->scsi->vqs[index].kick_fd;
	source->ready = ready;
	return loop_add(&queue->thread.loop, source, EPOLLIN, err);
}

static int watch_doorbells(struct vscsi_queue *queue, struct hv_error *err)
{
	struct virtio_scsi *scsi = queue->scsi;
	int status = watch(queue, &queue->kick, queue->vq->index, vscsi_queue_kicked, err);
	if (!status && is_first(queue))
		status =
			watch(queue, &scsi->control_kick, CONTROL_QUEUE, vscsi_control_kicked, err);
	if (!status && is_first(queue))
		status = watch(queue, &scsi->event_kick, EVENT_QUEUE, vscsi_event_kicked, err);
	return status;
}

static int start_queue(struct virtio_scsi *scsi, int i, struct hv_error *err)
{
	struct vscsi_queue *queue = &scsi->queues[i];
	char name[40];
	queue->scsi = scsi;
	queue->vq = &scsi->vqs[FIRST_REQUEST_QUEUE + i];
	snprintf(name, sizeof name, "%s.q%d", scsi->dev.id, i);
	name[15] = '\0';
	int status = iothread_init(&queue->thread, name, err);
	if (status)
		return status;
	scsi->n_started++;
	status = watch_doorbells(queue, err);
	return status ? status : iothread_start(&queue->thread, err);
}

static int build(struct virtio_scsi *scsi, const struct device_env *env, const char *id,
		 struct hv_error *err)
{
	int n_vqs = FIRST_REQUEST_QUEUE + scsi->n_queues;
	for (int i = 0; i < n_vqs; i++)
		scsi->vqs[i].size_max =
			i < FIRST_REQUEST_QUEUE ? CONTROL_QUEUE_SIZE : REQUEST_QUEUE_SIZE;
	int status = virtio_dev_init(&scsi->dev, &vscsi_ops, env, id, scsi->vqs, n_vqs, err);
	if (status)
		return status;
	scsi->dev.offered = 1ull << VIRTIO_SCSI_F_HOTPLUG | 1ull << VIRTIO_SCSI_F_CHANGE;
	config_init(scsi);
	scsi->queues = calloc(scsi->n_queues, sizeof *scsi->queues);
	atomic_store(&scsi->table, table_new(0));
	if (!scsi->queues || !atomic_load(&scsi->table))
		return hv_fail(err, HV_FAILED, ENOMEM, "cannot allocate '%s'", id);
	for (int i = 0; i < scsi->n_queues && !status; i++)
		status = start_queue(scsi, i, err);
	return status;
}

int virtio_scsi_new(struct virtio_dev **out, const struct device_env *env, const char *id,
		    int n_queues, struct hv_error *err)
{
	if (n_queues < 1 || n_queues > VIRTIO_SCSI_QUEUES_MAX)
		return hv_fail(err, HV_USAGE, 0, "'%s' cannot have %d queues", id, n_queues);
	struct virtio_scsi *scsi =
		calloc(1, sizeof *scsi + (FIRST_REQUEST_QUEUE + n_queues) * sizeof scsi->vqs[0]);
	if (!scsi)
		return hv_fail(err, HV_FAILED, ENOMEM, "cannot allocate '%s'", id);
	scsi->n_queues = n_queues;
	int status = build(scsi, env, id, err);
	if (status)
		vscsi_free(&scsi->dev);
	else
		*out = &scsi->dev;
	return status;
}
