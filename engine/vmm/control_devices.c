/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The control protocol's methods about devices: counters of disks and queues, the balloon. */
#include "engine/vmm/control_devices.h"

#include <stdio.h>
#include <string.h>

#include "engine/block/virtio_scsi.h"
#include "engine/devices/virtio_balloon.h"
#include "engine/net/virtio_net.h"
#include "engine/vmm/machine.h"
#include "engine/vmm/spec.h"

static struct virtio_dev *controller(struct control *control, const struct spec_disk *disk)
{
	char id[16];
	snprintf(id, sizeof id, "scsi%d", disk->controller);
	return machine_virtio(control->machine, id);
}

static json_t *one_disk(const struct spec_disk *disk, const struct scsi_disk_stats *stats)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id", disk->id, "reads",
			 (json_int_t)stats->reads, "writes", (json_int_t)stats->writes,
			 "read_bytes", (json_int_t)stats->read_bytes, "written_bytes",
			 (json_int_t)stats->written_bytes, "flushes", (json_int_t)stats->flushes,
			 "unmaps", (json_int_t)stats->unmaps, "errors", (json_int_t)stats->errors);
}

json_t *control_disks(struct control *control, struct control_client *client, const json_t *args,
		      struct wire *wire, struct hv_error *err)
{
	json_t *list = json_array();
	(void)client, (void)args, (void)wire, (void)err;
	for (int i = 0; i < control->spec->n_disks; i++) {
		const struct spec_disk *disk = &control->spec->disks[i];
		struct virtio_dev *dev = controller(control, disk);
		struct scsi_disk_stats stats;
		if (dev && virtio_scsi_disk_stats(dev, disk->target, disk->lun, &stats) == 0)
			json_array_append_new(list, one_disk(disk, &stats));
	}
	return json_pack("{s:o}", "disks", list);
}

static json_t *one_queue(struct virtio_dev *dev, const char *nic, int pair)
{
	struct net_queue_stats rx, tx;
	virtio_net_queue_stats(dev, pair, &rx, &tx);
	return json_pack("{s:s, s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "nic", nic, "index",
			 pair, "active", pair < virtio_net_pairs_active(dev), "rx_packets",
			 (json_int_t)rx.packets, "rx_bytes", (json_int_t)rx.bytes, "rx_dropped",
			 (json_int_t)rx.drops, "tx_packets", (json_int_t)tx.packets, "tx_bytes",
			 (json_int_t)tx.bytes, "tx_dropped", (json_int_t)tx.drops, "interrupts",
			 (json_int_t)(rx.signals + tx.signals));
}

json_t *control_queues(struct control *control, struct control_client *client, const json_t *args,
		       struct wire *wire, struct hv_error *err)
{
	json_t *list = json_array();
	(void)client, (void)args, (void)wire, (void)err;
	for (int i = 0; i < control->spec->n_nics; i++) {
		const char *id = control->spec->nics[i].id;
		struct virtio_dev *dev = machine_virtio(control->machine, id);
		for (int pair = 0; dev && pair < virtio_net_pairs(dev); pair++)
			json_array_append_new(list, one_queue(dev, id, pair));
	}
	return json_pack("{s:o}", "queues", list);
}

/* What the guest tells of its memory, VIRTIO 1.2, 5.5.6.3. */
static void add_guest_figures(json_t *result, const struct balloon_stats *stats)
{
	static const char *const names[] = {
		"swap_in", "swap_out",  "major_faults", "minor_faults",   "free",
		"total",   "available", "disk_caches",  "hugetlb_allocs", "hugetlb_failures",
	};
	json_t *guest = json_object();
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (stats->has[i])
			json_object_set_new(guest, names[i],
					    json_integer((json_int_t)stats->guest[i]));
	}
	if (stats->guest_age_ms != UINT64_MAX)
		json_object_set_new(result, "guest_age_ms",
				    json_integer((json_int_t)stats->guest_age_ms));
	json_object_set_new(result, "guest", guest);
}

json_t *control_balloon(struct control *control, struct control_client *client, const json_t *args,
			struct wire *wire, struct hv_error *err)
{
	struct virtio_dev *dev = machine_virtio(control->machine, "balloon0");
	const json_t *target = json_object_get(args, "target");
	struct balloon_stats stats;
	(void)client, (void)wire;
	if (!dev) {
		hv_fail(err, HV_NOT_FOUND, 0, "vm \"%s\" has no balloon", control->spec->name);
		hv_hint(err, "stop it and set balloon=yes");
		return NULL;
	}
	if (target &&
	    virtio_balloon_set_target(dev, (uint64_t)json_integer_value(target), err) < 0) {
		err->code = err->code == HV_LIMIT ? HV_USAGE : err->code;
		return NULL;
	}
	virtio_balloon_stats(dev, &stats);
	json_t *result = json_pack("{s:I, s:I, s:I}", "target", (json_int_t)stats.target_bytes,
				   "actual", (json_int_t)stats.actual_bytes, "free_reported",
				   (json_int_t)stats.reported_bytes);
	if (result)
		add_guest_figures(result, &stats);
	return result;
}
