/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The event queue (VIRTIO 1.2, 5.6.6.3): the driver leaves buffers there, and an event takes one.
 * Where none is left, the next event says that some were missed, and the driver looks for itself.
 */
#include "engine/block/virtio_scsi_priv.h"

static struct vq *event_vq(struct virtio_scsi *scsi)
{
	return &scsi->vqs[EVENT_QUEUE];
}

/* As vq_next(). With event indices the driver rings only where it is asked to, so an empty ring is asked
 * about, and looked at once more after that. */
static int take_buffer(struct virtio_scsi *scsi, struct vq_chain *chain, struct iovec *iov)
{
	struct vq *vq = event_vq(scsi);
	if (!scsi->queues[0].serving)
		return 0;
	int got = vq_next(vq, chain, iov, PARTS_MAX);
	if (got == 0 && vq_want_kicks(vq, true))
		got = vq_next(vq, chain, iov, PARTS_MAX);
	return got;
}

/* False where no buffer is left, or the queue is broken. */
static bool put(struct virtio_scsi *scsi, struct virtio_scsi_event *event)
{
	struct iovec iov[PARTS_MAX];
	struct vq_chain chain;
	struct vq *vq = event_vq(scsi);
	int got = take_buffer(scsi, &chain, iov);
	if (got == 0)
		return false;
	if (got == -HV_GUEST) {
		virtio_fail_queue(&scsi->dev, vq);
		return false;
	}
	if (got == -HV_LIMIT || chain.write_len < sizeof *event) {
		vscsi_break(scsi, vq, "event queue: a buffer that holds no event");
		return false;
	}
	if (scsi->events_missed)
		event->event |= VIRTIO_SCSI_T_EVENTS_MISSED;
	iov_copy_in(chain.iov + chain.n_read, chain.n_write, 0, event, sizeof *event);
	vq_complete(vq, &chain, sizeof *event);
	vq_signal(vq);
	scsi->events_missed = false;
	return true;
}

void vscsi_event_post(struct virtio_scsi *scsi, uint32_t event, uint32_t reason,
		      struct vscsi_addr addr)
{
	struct virtio_scsi_event what = {.event = event, .reason = reason};
	vscsi_put_addr(what.lun, addr);
	if (!put(scsi, &what))
		scsi->events_missed = true;
}

/* New buffers matter only to what could not be told. */
void vscsi_event_service(struct virtio_scsi *scsi)
{
	struct virtio_scsi_event nothing = {.event = VIRTIO_SCSI_T_NO_EVENT};
	if (scsi->events_missed)
		put(scsi, &nothing);
}

void vscsi_event_kicked(struct loop_source *source, uint32_t events)
{
	(void)events;
	struct virtio_scsi *scsi =
		(struct virtio_scsi *)((char *)source - offsetof(struct virtio_scsi, event_kick));
	vscsi_drain_doorbell(source->fd);
	vscsi_event_service(scsi);
}
