/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-console (VIRTIO 1.2, 5.3) with one port. Neither side loses bytes: a stream that is full leaves
 * the guest's request on its ring until it drains, a guest without buffers leaves bytes in the stream.
 *
 * A request half sent is not held but looked at again later, tx_sent bytes in: so there is nothing in
 * flight to save, and a reset has nothing to wait for.
 */
#include "engine/devices/virtio_console.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "engine/virtio/loop_queues.h"
#include "engine/vmm/state.h"

#define QUEUE_SIZE 64
#define PARTS_MAX 64
#define REQUESTS_A_TURN 32

enum { RX, TX, N_QUEUES };

struct virtio_console {
	struct virtio_dev dev; /* first */
	struct vq vqs[N_QUEUES];
	struct loop_queues queues;
	/* The main thread's alone: what epoll looks for now, 0 once the peer has gone. */
	struct loop_source stream;
	uint32_t stream_events;
	/* Under queues.lock. */
	uint64_t tx_sent; /* bytes of the first request on the ring that are out */
	uint16_t columns, rows;
};

static struct virtio_console *console_of(struct virtio_dev *dev)
{
	return (struct virtio_console *)dev;
}

static void watch_stream(struct virtio_console *console, uint32_t events)
{
	if (console->stream.fd < 0 || events == console->stream_events)
		return;
	console->stream_events = events;
	loop_change(console->dev.env->loop, &console->stream, events);
}

static void close_stream(struct virtio_console *console)
{
	if (console->stream.fd < 0)
		return;
	loop_remove(console->dev.env->loop, &console->stream);
	console->stream.fd = -1;
	console->stream_events = 0;
	/* what waited for the stream vanishes like all that follows */
	loop_queues_again(&console->vqs[TX]);
}

/* ---- guest to stream ---------------------------------------------------------------------------- */

/* Sends the rest of a request; false where the stream takes no more now. */
static bool send_rest(struct virtio_console *console, struct vq_chain *chain)
{
	struct iovec *iov = chain->iov;
	int n = chain->n_read;
	uint64_t skip = console->tx_sent;
	if (skip >= chain->read_len || console->stream.fd < 0)
		return true;
	while (skip >= iov->iov_len) {
		skip -= iov->iov_len;
		iov++;
		n--;
	}
	iov->iov_base = (char *)iov->iov_base + skip;
	iov->iov_len -= skip;
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)n};
	ssize_t sent = sendmsg(console->stream.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return false;
		close_stream(console);
		return true;
	}
	console->tx_sent += (uint64_t)sent;
	return console->tx_sent >= chain->read_len;
}

static void serve_tx(struct virtio_console *console, struct vq *vq)
{
	struct iovec iov[PARTS_MAX];
	struct vq_chain chain;
	int n = 0;
	while (n < REQUESTS_A_TURN && loop_queues_next(&console->dev, vq, &chain, iov, PARTS_MAX)) {
		if (!send_rest(console, &chain)) {
			vq_unget(vq);
			watch_stream(console, console->stream_events | EPOLLOUT);
			break;
		}
		console->tx_sent = 0;
		vq_complete(vq, &chain, 0);
		n++;
	}
	if (n)
		vq_signal(vq);
	/* a request that waits for the stream needs no kick: the stream says when */
	if (!(console->stream_events & EPOLLOUT) &&
	    (n == REQUESTS_A_TURN || vq_want_kicks(vq, true)))
		loop_queues_again(vq);
}

/* ---- stream to guest ---------------------------------------------------------------------------- */

/* Fills one request from the stream; false where it gives nothing now. */
static bool receive_one(struct virtio_console *console, struct vq *vq, struct vq_chain *chain)
{
	struct msghdr message = {.msg_iov = chain->iov + chain->n_read,
				 .msg_iovlen = chain->n_write};
	ssize_t got = recvmsg(console->stream.fd, &message, MSG_DONTWAIT);
	if (got <= 0) {
		vq_unget(vq);
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			close_stream(console);
		return false;
	}
	vq_complete(vq, chain, (size_t)got);
	return true;
}

static void serve_rx(struct virtio_console *console, struct vq *vq)
{
	struct iovec iov[PARTS_MAX];
	struct vq_chain chain;
	bool any = false, more = true;
	for (int n = 0; n < REQUESTS_A_TURN && more && console->stream.fd >= 0; n++) {
		if (!loop_queues_next(&console->dev, vq, &chain, iov, PARTS_MAX))
			break;
		if (chain.write_len == 0) {
			vq_complete(vq, &chain, 0);
			any = true;
			continue;
		}
		more = receive_one(console, vq, &chain);
		any |= more;
	}
	if (any)
		vq_signal(vq);
	/* with buffers on the ring the stream wakes us, without any the driver does */
	bool has_room = vq_want_kicks(vq, true);
	uint32_t others = console->stream_events & ~(uint32_t)EPOLLIN;
	watch_stream(console, has_room ? others | EPOLLIN : others);
}

static void serve(struct virtio_dev *dev, struct vq *vq)
{
	struct virtio_console *console = console_of(dev);
	if (vq->index == RX)
		serve_rx(console, vq);
	else
		serve_tx(console, vq);
}

static void stream_ready(struct loop_source *source, uint32_t events)
{
	struct virtio_console *console =
		(struct virtio_console *)((char *)source - offsetof(struct virtio_console, stream));
	pthread_mutex_lock(&console->queues.lock);
	/* Whatever it was is answered by serving; a queue that still cares asks for it again. When the
	 * device is stopped nobody does until it starts, else this would come at once again. */
	watch_stream(console, console->stream_events & ~(events & (EPOLLIN | EPOLLOUT)));
	if (console->queues.serving && console->vqs[TX].live && (events & EPOLLOUT))
		serve_tx(console, &console->vqs[TX]);
	if (console->queues.serving && console->vqs[RX].live && (events & EPOLLIN))
		serve_rx(console, &console->vqs[RX]);
	if (events & (EPOLLHUP | EPOLLERR) && !(events & EPOLLIN))
		close_stream(console);
	pthread_mutex_unlock(&console->queues.lock);
}

/* ---- configuration ------------------------------------------------------------------------------ */

static void console_read_config(struct virtio_dev *dev, size_t offset, void *to, size_t len)
{
	struct virtio_console *console = console_of(dev);
	pthread_mutex_lock(&console->queues.lock);
	struct virtio_console_config config = {
		.cols = htole16(console->columns),
		.rows = htole16(console->rows),
		.max_nr_ports = htole32(1),
	};
	pthread_mutex_unlock(&console->queues.lock);
	virtio_config_copy(&config, sizeof config, offset, to, len);
}

void virtio_console_set_size(struct virtio_dev *dev, uint16_t columns, uint16_t rows)
{
	struct virtio_console *console = console_of(dev);
	pthread_mutex_lock(&console->queues.lock);
	bool changed = columns != console->columns || rows != console->rows;
	console->columns = columns;
	console->rows = rows;
	pthread_mutex_unlock(&console->queues.lock);
	if (changed)
		virtio_config_changed(dev);
}

/* ---- life --------------------------------------------------------------------------------------- */

static int console_activate(struct virtio_dev *dev, struct hv_error *err)
{
	(void)err;
	if (!dev->paused)
		loop_queues_start(&console_of(dev)->queues);
	return 0;
}

static void console_deactivate(struct virtio_dev *dev)
{
	struct virtio_console *console = console_of(dev);
	loop_queues_stop(&console->queues);
	pthread_mutex_lock(&console->queues.lock);
	console->tx_sent = 0;
	pthread_mutex_unlock(&console->queues.lock);
}

static int console_pause(struct virtio_dev *dev, struct hv_error *err)
{
	(void)err;
	loop_queues_stop(&console_of(dev)->queues);
	return 0;
}

static void console_resume(struct virtio_dev *dev)
{
	loop_queues_start(&console_of(dev)->queues);
}

static const struct state_field fields[] = {
	STATE(struct virtio_console, tx_sent, 1),
	STATE(struct virtio_console, columns, 1),
	STATE(struct virtio_console, rows, 1),
	STATE_END,
};
static const struct state_section section = {"virtio-console", 1, 1, fields, NULL};

static int console_save(struct virtio_dev *dev, struct state_out *out, struct hv_error *err)
{
	return state_save(out, &section, dev->id, dev, err);
}

static int console_load(struct virtio_dev *dev, struct state_in *in, struct hv_error *err)
{
	return state_load(in, &section, dev->id, dev, err);
}

static void console_free(struct virtio_dev *dev)
{
	if (!dev)
		return;
	struct virtio_console *console = console_of(dev);
	close_stream(console);
	loop_queues_fini(&console->queues);
	virtio_dev_fini(dev);
	free(console);
}

static const struct virtio_ops console_ops = {
	.device_id = VIRTIO_ID_CONSOLE,
	.pci_class = 0x078000,
	.read_config = console_read_config,
	.activate = console_activate,
	.deactivate = console_deactivate,
	.pause = console_pause,
	.resume = console_resume,
	.save = console_save,
	.load = console_load,
	.free = console_free,
};

int virtio_console_new(struct virtio_dev **out, const struct device_env *env, const char *id,
		       int stream_fd, struct hv_error *err)
{
	struct virtio_console *console = calloc(1, sizeof *console);
	if (!console)
		return hv_fail(err, HV_FAILED, ENOMEM, "making '%s'", id);
	console->vqs[RX].size_max = console->vqs[TX].size_max = QUEUE_SIZE;
	console->stream = (struct loop_source){-1, stream_ready};
	console->dev.offered = 1ull << VIRTIO_CONSOLE_F_SIZE;
	console->dev.config_len = sizeof(struct virtio_console_config);
	int ret =
		virtio_dev_init(&console->dev, &console_ops, env, id, console->vqs, N_QUEUES, err);
	if (ret == 0)
		ret = loop_queues_init(&console->queues, &console->dev, serve, err);
	if (ret == 0 && stream_fd >= 0) {
		console->stream.fd = stream_fd;
		ret = loop_add(env->loop, &console->stream, 0, err);
	}
	if (ret) {
		console_free(&console->dev);
		return ret;
	}
	*out = &console->dev;
	return 0;
}
