/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Event loops and I/O threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/vmm/log.h"
#include "engine/vmm/loop.h"

struct pair {
	struct loop_source source;
	struct loop *loop;
	struct pair *other;
	int runs;
};

/* Takes the other out of the loop, though both are in the same batch. */
static void ready_removes_other(struct loop_source *source, uint32_t epoll_events)
{
	struct pair *pair = (struct pair *)source;
	(void)epoll_events;
	pair->runs++;
	loop_remove(pair->loop, &pair->other->source);
	loop_stop(pair->loop);
}

static void loop_forgets_a_removed_source_at_once(void **state)
{
	(void)state;
	struct loop loop;
	struct pair pairs[2] = {{.loop = &loop, .other = &pairs[1]},
				{.loop = &loop, .other = &pairs[0]}};
	assert_int_equal(loop_init(&loop, NULL), 0);
	for (int i = 0; i < 2; i++) {
		pairs[i].source =
			(struct loop_source){eventfd(1, EFD_CLOEXEC), ready_removes_other};
		assert_int_equal(loop_add(&loop, &pairs[i].source, EPOLLIN, NULL), 0);
	}
	loop_run(&loop);
	assert_true((pairs[0].runs > 0) != (pairs[1].runs > 0));
	loop_fini(&loop);
	close(pairs[0].source.fd);
	close(pairs[1].source.fd);
}

static void loop_stops_when_told_before_it_runs(void **state)
{
	(void)state;
	struct loop loop;
	assert_int_equal(loop_init(&loop, NULL), 0);
	loop_stop(&loop);
	loop_run(&loop);
	loop_stop(&loop);
	loop_run(&loop);
	loop_fini(&loop);
}

static void loop_names_a_descriptor_it_cannot_watch(void **state)
{
	(void)state;
	struct loop loop;
	struct hv_error err;
	struct loop_source source = {.fd = 9999, .ready = ready_removes_other};
	assert_int_equal(loop_init(&loop, NULL), 0);
	assert_int_equal(loop_add(&loop, &source, EPOLLIN, &err), -HV_FAILED);
	loop_fini(&loop);
}

struct counted {
	pthread_t ran_on;
	int n;
};

static void count(void *ctx)
{
	struct counted *counted = ctx;
	counted->ran_on = pthread_self();
	counted->n++;
}

struct caller {
	struct iothread *thread;
	struct counted *counted;
};

static void *call_many(void *arg)
{
	struct caller *caller = arg;
	for (int i = 0; i < 100; i++)
		iothread_call(caller->thread, count, caller->counted);
	return NULL;
}

static void iothread_runs_each_call_once_on_itself(void **state)
{
	(void)state;
	struct iothread thread;
	struct counted counted = {.n = 0};
	struct caller caller = {&thread, &counted};
	pthread_t callers[3];
	assert_int_equal(iothread_init(&thread, "test", NULL), 0);
	assert_int_equal(iothread_start(&thread, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&callers[i], NULL, call_many, &caller), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(callers[i], NULL);
	assert_int_equal(counted.n, 300);
	assert_true(pthread_equal(counted.ran_on, thread.thread));
	iothread_stop(&thread);
	iothread_stop(&thread);
}

/* Runs one log call with standard error in a pipe. */
static ssize_t captured(char *to, size_t len, void (*fn)(void))
{
	int fds[2], saved = dup(STDERR_FILENO);
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	fn();
	dup2(saved, STDERR_FILENO);
	close(saved);
	ssize_t got = read(fds[0], to, len - 1);
	close(fds[0]);
	to[got < 0 ? 0 : got] = '\0';
	return got;
}

static void log_hostile(void)
{
	vmm_log("a\033[2Jb\nc\302\233d %s", "\303\251");
}

static void log_line_keeps_text_and_loses_controls(void **state)
{
	(void)state;
	char line[256];
	assert_true(captured(line, sizeof line, log_hostile) > 0);
	assert_string_equal(line + sizeof "2026-11-23T04:51:25.000Z", "a?[2Jb?c??d \303\251\n");
}

static void log_flood(void)
{
	struct log_limit limit = {0};
	for (int i = 0; i < 1000; i++)
		vmm_log_limited(&limit, "x");
	limit.last_s -= 5;
	vmm_log_limited(&limit, "y");
}

static void log_limit_counts_what_it_drops(void **state)
{
	(void)state;
	char text[4096];
	assert_true(captured(text, sizeof text, log_flood) > 0);
	int lines = 0;
	for (char *at = text; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, 9);
	assert_non_null(strstr(text, "y (992 like it left out)\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loop_forgets_a_removed_source_at_once),
		cmocka_unit_test(loop_stops_when_told_before_it_runs),
		cmocka_unit_test(loop_names_a_descriptor_it_cannot_watch),
		cmocka_unit_test(iothread_runs_each_call_once_on_itself),
		cmocka_unit_test(log_line_keeps_text_and_loses_controls),
		cmocka_unit_test(log_limit_counts_what_it_drops),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
