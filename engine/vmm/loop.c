/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The event loop. Events are fetched in batches; loop_remove() takes its source out of the batch at
 * hand too, so that its owner may be freed at once.
 */
#include "engine/vmm/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOP_BATCH 16

int loop_init(struct loop *loop, struct hv_error *err)
{
	memset(loop, 0, sizeof *loop);
	loop->stop_fd = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return hv_fail(err, HV_FAILED, errno, "creating an event loop");
	loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	if (loop->stop_fd < 0 ||
	    epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->stop_fd, &event) < 0) {
		hv_fail(err, HV_FAILED, errno, "creating an event loop");
		loop_fini(loop);
		return -HV_FAILED;
	}
	return 0;
}

void loop_fini(struct loop *loop)
{
	if (loop->stop_fd > 0)
		close(loop->stop_fd);
	if (loop->epoll_fd > 0)
		close(loop->epoll_fd);
	loop->stop_fd = loop->epoll_fd = -1;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t epoll_events,
	     struct hv_error *err)
{
	struct epoll_event event = {.events = epoll_events, .data.ptr = source};
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0)
		return hv_fail(err, HV_FAILED, errno, "watching descriptor %d", source->fd);
	return 0;
}

int loop_change(struct loop *loop, struct loop_source *source, uint32_t epoll_events)
{
	struct epoll_event event = {.events = epoll_events, .data.ptr = source};
	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0 ? -HV_FAILED : 0;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	/* one that is not watched is left alone, so that owners need not remember */
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	for (int i = 0; i < loop->n_batch; i++) {
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].events = 0;
	}
}

static void dispatch(struct loop *loop, struct epoll_event *events, int n)
{
	loop->batch = events;
	loop->n_batch = n;
	for (int i = 0; i < n && !loop->stopping; i++) {
		struct loop_source *source = events[i].data.ptr;
		if (!source) {
			uint64_t count;
			if (read(loop->stop_fd, &count, sizeof count) == sizeof count)
				loop->stopping = true;
		} else if (events[i].events) {
			source->ready(source, events[i].events);
		}
	}
	loop->n_batch = 0;
	loop->batch = NULL;
}

void loop_run(struct loop *loop)
{
	loop->stopping = false;
	while (!loop->stopping) {
		struct epoll_event events[LOOP_BATCH];
		int n = epoll_wait(loop->epoll_fd, events, LOOP_BATCH, -1);
		if (n < 0 && errno != EINTR)
			return;
		if (n > 0)
			dispatch(loop, events, n);
	}
}

void loop_stop(struct loop *loop)
{
	uint64_t one = 1;
	ssize_t ignored = write(loop->stop_fd, &one, sizeof one);
	(void)ignored;
}
