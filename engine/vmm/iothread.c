/* SPDX-License-Identifier: GPL-3.0-or-later */
/* I/O threads: a loop on a small stack, and calls into it from other threads. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "engine/sandbox/sandbox.h"
#include "engine/vmm/exit.h"
#include "engine/vmm/log.h"
#include "engine/vmm/loop.h"

#define STACK_BYTES (64 * 1024)

static void call_ready(struct loop_source *source, uint32_t epoll_events)
{
	(void)epoll_events;
	struct iothread *thread =
		(struct iothread *)((char *)source - offsetof(struct iothread, call_source));
	uint64_t count;
	if (read(thread->call_fd, &count, sizeof count) != sizeof count)
		return;
	pthread_mutex_lock(&thread->call_lock);
	void (*fn)(void *ctx) = thread->call_fn;
	void *ctx = thread->call_ctx;
	thread->call_fn = NULL;
	pthread_mutex_unlock(&thread->call_lock);
	if (!fn)
		return;
	fn(ctx);
	pthread_mutex_lock(&thread->call_lock);
	thread->call_done = true;
	pthread_cond_broadcast(&thread->call_cond);
	pthread_mutex_unlock(&thread->call_lock);
}

static void *iothread_main(void *arg)
{
	struct iothread *thread = arg;
	struct hv_error err;
	/* by the thread itself: for another one libc would open a file of /proc */
	prctl(PR_SET_NAME, thread->name);
	if (sandbox_enter_thread(SANDBOX_IO, &err) < 0) {
		vmm_log("%s: %s", thread->name, err.message);
		_exit(VMM_EXIT_INTERNAL); /* not one byte of a guest's without the filter */
	}
	loop_run(&thread->loop);
	return NULL;
}

/* Signals are the main thread's business, kicks the vCPUs'. */
static int spawn(struct iothread *thread)
{
	pthread_attr_t attr;
	sigset_t all, old;
	sigfillset(&all);
	sigdelset(&all, SIGSYS); /* the sandbox's */
	pthread_attr_init(&attr);
	size_t stack = STACK_BYTES;
	if (stack < (size_t)PTHREAD_STACK_MIN)
		stack = (size_t)PTHREAD_STACK_MIN;
	pthread_attr_setstacksize(&attr, stack);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&thread->thread, &attr, iothread_main, thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc;
}

int iothread_init(struct iothread *thread, const char *name, struct hv_error *err)
{
	memset(thread, 0, sizeof *thread);
	thread->call_fd = -1;
	snprintf(thread->name, sizeof thread->name, "%s", name);
	pthread_mutex_init(&thread->call_lock, NULL);
	pthread_cond_init(&thread->call_cond, NULL);
	int rc = loop_init(&thread->loop, err);
	if (rc < 0)
		goto fail;
	thread->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (thread->call_fd < 0) {
		rc = hv_fail(err, HV_FAILED, errno, "starting I/O thread \"%s\"", name);
		goto fail;
	}
	thread->call_source = (struct loop_source){thread->call_fd, call_ready};
	rc = loop_add(&thread->loop, &thread->call_source, EPOLLIN, err);
	if (rc < 0)
		goto fail;
	thread->ready = true;
	return 0;
fail:
	if (thread->call_fd >= 0)
		close(thread->call_fd);
	loop_fini(&thread->loop);
	pthread_cond_destroy(&thread->call_cond);
	pthread_mutex_destroy(&thread->call_lock);
	return rc;
}

int iothread_start(struct iothread *thread, struct hv_error *err)
{
	int sys = spawn(thread);
	if (sys)
		return hv_fail(err, HV_FAILED, sys, "starting I/O thread \"%s\"", thread->name);
	thread->running = true;
	return 0;
}

void iothread_call(struct iothread *thread, void (*fn)(void *ctx), void *ctx)
{
	uint64_t one = 1;
	pthread_mutex_lock(&thread->call_lock);
	/* another caller's turn ends when it has seen call_done */
	while (thread->calling)
		pthread_cond_wait(&thread->call_cond, &thread->call_lock);
	thread->calling = true;
	thread->call_fn = fn;
	thread->call_ctx = ctx;
	thread->call_done = false;
	ssize_t ignored = write(thread->call_fd, &one, sizeof one);
	(void)ignored;
	while (!thread->call_done)
		pthread_cond_wait(&thread->call_cond, &thread->call_lock);
	thread->calling = false;
	pthread_cond_broadcast(&thread->call_cond);
	pthread_mutex_unlock(&thread->call_lock);
}

void iothread_stop(struct iothread *thread)
{
	if (!thread->ready)
		return;
	if (thread->running) {
		loop_stop(&thread->loop);
		pthread_join(thread->thread, NULL);
	}
	thread->ready = thread->running = false;
	close(thread->call_fd);
	loop_fini(&thread->loop);
	pthread_cond_destroy(&thread->call_cond);
	pthread_mutex_destroy(&thread->call_lock);
}
