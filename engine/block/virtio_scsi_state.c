/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The controller's state: it is small, since a paused controller has nothing in flight. Disks are
 * not part of it; those of the definition must be the same ones, at the same addresses. */
#include <stdio.h>

#include "engine/block/virtio_scsi_priv.h"
#include "engine/vmm/state.h"

struct controller_state {
	uint32_t sense_size, cdb_size, n_luns;
	uint8_t events_missed;
};

static int check_controller(void *object, struct hv_error *err);

static const struct state_section controller_section = {
	.name = "virtio-scsi",
	.version = 1,
	.min_version = 1,
	.fields =
		(const struct state_field[]){
			STATE(struct controller_state, sense_size, 1),
			STATE(struct controller_state, cdb_size, 1),
			STATE(struct controller_state, n_luns, 1),
			STATE(struct controller_state, events_missed, 1),
			STATE_END,
		},
	.check = check_controller,
};

struct lun_state {
	uint32_t attentions;
	uint8_t write_cache, stopped;
	uint64_t size_bytes;
};

static int check_lun(void *object, struct hv_error *err);

static const struct state_section lun_section = {
	.name = "scsi-disk",
	.version = 1,
	.min_version = 1,
	.fields =
		(const struct state_field[]){
			STATE(struct lun_state, attentions, 1),
			STATE(struct lun_state, write_cache, 1),
			STATE(struct lun_state, stopped, 1),
			STATE(struct lun_state, size_bytes, 1),
			STATE_END,
		},
	.check = check_lun,
};

static int check_controller(void *object, struct hv_error *err)
{
	const struct controller_state *state = object;
	if (!vscsi_sizes_fit(state->sense_size, state->cdb_size) || state->events_missed > 1)
		return hv_fail(err, HV_FAILED, 0, "impossible state of a virtio-scsi controller");
	return 0;
}

static int check_lun(void *object, struct hv_error *err)
{
	const struct lun_state *state = object;
	if (state->attentions >> SCSI_UA_COUNT || state->write_cache > 1 || state->stopped > 1)
		return hv_fail(err, HV_FAILED, 0, "impossible state of a SCSI disk");
	return 0;
}

static void lun_id(char id[40], const struct virtio_scsi *scsi, const struct scsi_lun *lun)
{
	snprintf(id, 40, "%s.%u.%u", scsi->dev.id, lun->target, lun->number);
}

int vscsi_save(struct virtio_dev *dev, struct state_out *out, struct hv_error *err)
{
	struct virtio_scsi *scsi = vscsi_of(dev);
	const struct vscsi_table *table = atomic_load(&scsi->table);
	struct controller_state state = {
		.sense_size = scsi->config.sense_size,
		.cdb_size = scsi->config.cdb_size,
		.n_luns = table->n,
		.events_missed = scsi->events_missed,
	};
	int status = state_save(out, &controller_section, dev->id, &state, err);
	for (int i = 0; !status && i < table->n; i++) {
		const struct scsi_lun *lun = table->luns[i];
		struct lun_state disk = {
			.attentions = atomic_load(&lun->attentions),
			.write_cache = atomic_load(&lun->write_cache),
			.stopped = atomic_load(&lun->stopped),
			.size_bytes = lun->block->size_bytes,
		};
		char id[40];
		lun_id(id, scsi, lun);
		status = state_save(out, &lun_section, id, &disk, err);
	}
	return status;
}

static int load_lun(struct virtio_scsi *scsi, struct scsi_lun *lun, struct state_in *in,
		    struct hv_error *err)
{
	struct lun_state disk = {0};
	char id[40];
	lun_id(id, scsi, lun);
	int status = state_load(in, &lun_section, id, &disk, err);
	if (status)
		return status;
	if (disk.size_bytes != lun->block->size_bytes)
		return hv_fail(err, HV_CONFLICT, 0,
			       "disk '%s' has %llu bytes here and had %llu where it was saved", id,
			       (unsigned long long)lun->block->size_bytes,
			       (unsigned long long)disk.size_bytes);
	atomic_store(&lun->attentions, disk.attentions);
	atomic_store(&lun->write_cache, disk.write_cache);
	atomic_store(&lun->stopped, disk.stopped);
	return 0;
}

int vscsi_load(struct virtio_dev *dev, struct state_in *in, struct hv_error *err)
{
	struct virtio_scsi *scsi = vscsi_of(dev);
	const struct vscsi_table *table = atomic_load(&scsi->table);
	struct controller_state state = {0};
	int status = state_load(in, &controller_section, dev->id, &state, err);
	if (status)
		return status;
	if (state.n_luns != (uint32_t)table->n)
		return hv_fail(err, HV_CONFLICT, 0,
			       "'%s' has %d disks here and had %u where it was saved", dev->id,
			       table->n, state.n_luns);
	scsi->config.sense_size = state.sense_size;
	scsi->config.cdb_size = state.cdb_size;
	scsi->events_missed = state.events_missed;
	for (int i = 0; !status && i < table->n; i++)
		status = load_lun(scsi, table->luns[i], in, err);
	return status;
}
