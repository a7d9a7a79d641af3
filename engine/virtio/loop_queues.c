/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Queues of slow devices on the main loop: see loop_queues.h. */
#include "engine/virtio/loop_queues.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

static void kicked(struct loop_source *source, uint32_t epoll_events)
{
	struct loop_queue *queue = (struct loop_queue *)source;
	struct loop_queues *queues = queue->queues;
	eventfd_t count;
	(void)epoll_events;
	(void)eventfd_read(source->fd, &count);
	pthread_mutex_lock(&queues->lock);
	if (queues->serving && queue->vq->live && !queue->vq->broken)
		queues->serve(queues->dev, queue->vq);
	pthread_mutex_unlock(&queues->lock);
}

int loop_queues_init(struct loop_queues *queues, struct virtio_dev *dev,
		     void (*serve)(struct virtio_dev *dev, struct vq *vq), struct hv_error *err)
{
	if (dev->n_queues > LOOP_QUEUES_MAX)
		return hv_fail(err, HV_LIMIT, 0, "'%s' has too many queues", dev->id);
	queues->dev = dev;
	queues->serve = serve;
	pthread_mutex_init(&queues->lock, NULL);
	for (int i = 0; i < dev->n_queues; i++) {
		struct loop_queue *queue = &queues->queues[i];
		queue->source = (struct loop_source){dev->queues[i].kick_fd, kicked};
		queue->queues = queues;
		queue->vq = &dev->queues[i];
		int ret = loop_add(dev->env->loop, &queue->source, EPOLLIN, err);
		if (ret)
			return ret;
		queues->n = i + 1;
	}
	return 0;
}

void loop_queues_fini(struct loop_queues *queues)
{
	if (!queues->dev)
		return;
	for (int i = 0; i < queues->n; i++)
		loop_remove(queues->dev->env->loop, &queues->queues[i].source);
	pthread_mutex_destroy(&queues->lock);
	queues->dev = NULL;
}

void loop_queues_start(struct loop_queues *queues)
{
	pthread_mutex_lock(&queues->lock);
	queues->serving = true;
	for (int i = 0; i < queues->n; i++)
		loop_queues_again(queues->queues[i].vq);
	pthread_mutex_unlock(&queues->lock);
}

void loop_queues_stop(struct loop_queues *queues)
{
	pthread_mutex_lock(&queues->lock);
	queues->serving = false;
	pthread_mutex_unlock(&queues->lock);
}

void loop_queues_again(struct vq *vq)
{
	(void)eventfd_write(vq->kick_fd, 1);
}

int loop_queues_next(struct virtio_dev *dev, struct vq *vq, struct vq_chain *chain,
		     struct iovec *iov, int n_iov)
{
	int ret = vq_next(vq, chain, iov, n_iov);
	if (ret == -HV_LIMIT)
		virtio_fail(dev, "queue %u: a request of more than %d parts", vq->index, n_iov);
	else if (ret < 0)
		virtio_fail_queue(dev, vq);
	return ret > 0;
}
