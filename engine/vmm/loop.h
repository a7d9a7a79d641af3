/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An event loop on epoll: the main thread has one for control and slow devices, each I/O thread has
 * one for its queues. Sources are embedded in their owner. All calls except loop_stop() belong to
 * the thread that runs the loop (or happen before it runs).
 */
#ifndef HV_VMM_LOOP_H
#define HV_VMM_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/model/error.h"

struct epoll_event;

struct loop_source {
	int fd; /* borrowed */
	void (*ready)(struct loop_source *source, uint32_t epoll_events);
};

struct loop {
	int epoll_fd;
	int stop_fd; /* eventfd */
	bool stopping;
	struct epoll_event *batch; /* events fetched and not yet handed out, for loop_remove() */
	int n_batch;
};

int loop_init(struct loop *loop, struct hv_error *err);
void loop_fini(struct loop *loop);
int loop_add(struct loop *loop, struct loop_source *source, uint32_t epoll_events,
	     struct hv_error *err);
int loop_change(struct loop *loop, struct loop_source *source, uint32_t epoll_events);
/* After this, ready() is not called again for the source, even for events already fetched. */
void loop_remove(struct loop *loop, struct loop_source *source);
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop); /* from any thread, and from a signal handler */

/*
 * A thread with a loop, on a small stack (64 KiB). iothread_call() runs fn(ctx) on it and waits,
 * which is how queues are started, quiesced and stopped without locks on the data path. It must not
 * be called from the thread itself, nor with a lock held that the thread may want.
 */
struct iothread {
	struct loop loop;
	pthread_t thread;
	char name[16];
	bool ready, running;
	int call_fd; /* eventfd */
	struct loop_source call_source;
	void (*call_fn)(void *ctx);
	void *call_ctx;
	pthread_mutex_t call_lock; /* protects call_fn, call_ctx, calling, call_done */
	pthread_cond_t call_cond;
	bool calling; /* one caller at a time */
	bool call_done;
};

/* name: at most 15 bytes, as the kernel shows it. */
int iothread_init(struct iothread *thread, const char *name, struct hv_error *err);
/* Sources may be added from init to start, by whoever makes the thread: no wait for its first turn. */
int iothread_start(struct iothread *thread, struct hv_error *err);
void iothread_call(struct iothread *thread, void (*fn)(void *ctx), void *ctx);
void iothread_stop(struct iothread *thread); /* joins; undoes init; harmless without either */

#endif
