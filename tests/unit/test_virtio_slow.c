/* SPDX-License-Identifier: GPL-3.0-or-later */
/* virtio-rng, virtio-console and virtio-balloon, without a transport. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>

#include "engine/devices/balloon_discard.h"
#include "engine/devices/virtio_balloon.h"
#include "engine/devices/virtio_console.h"
#include "engine/devices/virtio_rng.h"
#include "tests/unit/fake_machine.h"

struct fixture {
	struct fake_machine m;
	struct fake_transport transport;
	struct virtio_dev *dev;
	struct driver_vq q[5];
	int stream; /* the keeper's end */
	int stream_dev;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	fake_machine_init(&f->m, 0);
	f->stream = f->stream_dev = -1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	if (f->dev)
		f->dev->ops->free(f->dev);
	if (f->stream >= 0)
		close(f->stream);
	if (f->stream_dev >= 0)
		close(f->stream_dev);
	fake_machine_fini(&f->m);
	free(f);
	return 0;
}

static void bring_up(struct fixture *f, uint64_t features, int n_queues)
{
	fake_transport_attach(&f->transport, f->dev);
	driver_negotiate(f->dev, features);
	for (int i = 0; i < n_queues; i++)
		driver_vq_init(&f->q[i], &f->m, f->dev, (unsigned)i, 32);
	driver_ok(f->dev);
}

/* Saves f's paused device, loads it into g's fresh one over a copy of f's memory. */
static void move(struct fixture *f, struct fixture *g)
{
	struct state_out out;
	struct hv_error err;
	assert_int_equal(virtio_pause(f->dev, &err), 0);
	state_out_init(&out);
	assert_int_equal(virtio_save(f->dev, &out, &err), 0);
	memcpy(g->m.mem.regions[0].hva, f->m.mem.regions[0].hva, f->m.mem.size_bytes);
	fake_transport_attach(&g->transport, g->dev);
	struct state_in in = {out.bytes, out.len, 0};
	assert_int_equal(virtio_load(g->dev, &in, &err), 0);
	assert_int_equal(in.pos, in.len);
	for (int i = 0; i < g->dev->n_queues; i++) {
		g->q[i] = f->q[i];
		g->q[i].m = &g->m;
		g->q[i].dev = g->dev;
		g->q[i].vq = &g->dev->queues[i];
	}
	state_out_fini(&out);
}

/* ---- rng ---------------------------------------------------------------------------------------- */

static void rng_init(struct fixture *f)
{
	struct hv_error err;
	assert_int_equal(virtio_rng_new(&f->dev, &f->m.env, "rng0", &err), 0);
}

static void rng_fills_part_of_what_is_asked_for(void **state)
{
	struct fixture *f = *state;
	uint32_t len;
	rng_init(f);
	bring_up(f, 0, 1);
	uint64_t buf = fake_alloc(&f->m, 1 << 20, 4096);
	driver_add(&f->q[0], (struct driver_part[]){{buf, 100, true}, {buf + 4096, 1 << 19, true}},
		   2);
	driver_kick(&f->q[0]);
	assert_true(driver_wait(&f->q[0], NULL, &len));
	assert_int_equal(len, 4096);
	assert_int_equal(f->transport.interrupts[0], 1);
	/* nothing to write to: given back empty */
	driver_add(&f->q[0], &(struct driver_part){buf, 100, false}, 1);
	driver_kick(&f->q[0]);
	assert_true(driver_wait(&f->q[0], NULL, &len));
	assert_int_equal(len, 0);
}

static void rng_serves_all_requests_in_bounded_turns(void **state)
{
	struct fixture *f = *state;
	rng_init(f);
	bring_up(f, 0, 1);
	uint64_t buf = fake_alloc(&f->m, 4096, 4096);
	for (int i = 0; i < 32; i++)
		driver_add(&f->q[0], &(struct driver_part){buf, 64, true}, 1);
	driver_kick(&f->q[0]);
	for (int i = 0; i < 32; i++)
		assert_true(driver_wait(&f->q[0], NULL, NULL));
	assert_int_equal(f->transport.interrupts[0], 2);
}

static void rng_marks_what_it_wrote(void **state)
{
	struct fixture *f = *state;
	rng_init(f);
	bring_up(f, 0, 1);
	uint64_t buf = fake_alloc(&f->m, 8192, 4096);
	fake_dirty_start(&f->m);
	driver_add(&f->q[0], &(struct driver_part){buf, 64, true}, 1);
	driver_kick(&f->q[0]);
	assert_true(driver_wait(&f->q[0], NULL, NULL));
	assert_true(fake_is_dirty(&f->m, buf));
	assert_false(fake_is_dirty(&f->m, buf + 4096));
	assert_true(fake_is_dirty(&f->m, f->q[0].used_gpa));
}

static void rng_fails_on_bad_chains_until_reset(void **state)
{
	struct fixture *f = *state;
	rng_init(f);
	bring_up(f, 0, 1);
	driver_push_head(&f->q[0], 99);
	driver_kick(&f->q[0]);
	fake_run(&f->m, 5);
	assert_true(virtio_status(f->dev) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(f->transport.config_interrupts, 1);
	driver_kick(&f->q[0]);
	fake_run(&f->m, 5);
	assert_int_equal(f->transport.config_interrupts, 1);
	virtio_write_status(f->dev, 0);
	bring_up(f, 0, 1);
	driver_add(&f->q[0], &(struct driver_part){fake_alloc(&f->m, 64, 64), 64, true}, 1);
	driver_kick(&f->q[0]);
	assert_true(driver_wait(&f->q[0], NULL, NULL));
}

/* ---- console ------------------------------------------------------------------------------------ */

static void console_init(struct fixture *f)
{
	struct hv_error err;
	int pair[2], small = 4096;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	f->stream_dev = pair[0];
	f->stream = pair[1];
	assert_int_equal(virtio_console_new(&f->dev, &f->m.env, "console0", pair[0], &err), 0);
}

static uint64_t put_text(struct fixture *f, const void *text, size_t len)
{
	uint64_t gpa = fake_alloc(&f->m, len, 16);
	memcpy(fake_ptr(&f->m, gpa, len), text, len);
	return gpa;
}

static void console_carries_bytes_both_ways(void **state)
{
	struct fixture *f = *state;
	char got[32];
	uint32_t len;
	console_init(f);
	bring_up(f, 0, 2);
	driver_add(&f->q[1],
		   (struct driver_part[]){{put_text(f, "hello ", 6), 6, false},
					  {put_text(f, "world", 5), 5, false}},
		   2);
	driver_kick(&f->q[1]);
	assert_true(driver_wait(&f->q[1], NULL, NULL));
	assert_int_equal(read(f->stream, got, sizeof got), 11);
	assert_memory_equal(got, "hello world", 11);

	uint64_t buf = fake_alloc(&f->m, 64, 16);
	driver_add(&f->q[0], &(struct driver_part){buf, 64, true}, 1);
	driver_kick(&f->q[0]);
	fake_run(&f->m, 5);
	assert_false(driver_take(&f->q[0], NULL, NULL));
	assert_int_equal(write(f->stream, "typed", 5), 5);
	assert_true(driver_wait(&f->q[0], NULL, &len));
	assert_int_equal(len, 5);
	assert_memory_equal(fake_ptr(&f->m, buf, 5), "typed", 5);
}

static void console_keeps_input_until_there_is_room(void **state)
{
	struct fixture *f = *state;
	uint32_t len;
	console_init(f);
	assert_int_equal(write(f->stream, "early", 5), 5);
	fake_run(&f->m, 5);
	bring_up(f, 0, 2);
	fake_run(&f->m, 5);
	uint64_t buf = fake_alloc(&f->m, 64, 16);
	driver_add(&f->q[0], &(struct driver_part){buf, 3, true}, 1);
	driver_add(&f->q[0], &(struct driver_part){buf + 16, 9, true}, 1);
	driver_kick(&f->q[0]);
	assert_true(driver_wait(&f->q[0], NULL, &len));
	assert_int_equal(len, 3);
	assert_true(driver_wait(&f->q[0], NULL, &len));
	assert_int_equal(len, 2);
	assert_memory_equal(fake_ptr(&f->m, buf, 3), "ear", 3);
	assert_memory_equal(fake_ptr(&f->m, buf + 16, 2), "ly", 2);
}

#define FLOOD (256 * 1024)

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

/* One request of FLOOD bytes, more than the stream holds. */
static void flood(struct fixture *f)
{
	uint64_t gpa = fake_alloc(&f->m, FLOOD, 4096);
	uint8_t *bytes = fake_ptr(&f->m, gpa, FLOOD);
	for (size_t i = 0; i < FLOOD; i++)
		bytes[i] = pattern(i);
	driver_add(&f->q[1],
		   (struct driver_part[]){{gpa, 1000, false}, {gpa + 1000, FLOOD - 1000, false}},
		   2);
	driver_kick(&f->q[1]);
	fake_run(&f->m, 5);
	assert_false(driver_take(&f->q[1], NULL, NULL));
}

/* Reads what the stream holds now; checks it against the pattern from *at on. */
static void drain(struct fixture *f, size_t *at)
{
	uint8_t got[5000];
	ssize_t n;
	while ((n = read(f->stream, got, sizeof got)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(got[i], pattern((*at)++));
	}
}

static void console_waits_for_a_slow_watcher_and_loses_nothing(void **state)
{
	struct fixture *f = *state;
	size_t at = 0;
	console_init(f);
	bring_up(f, 0, 2);
	flood(f);
	for (int i = 0; i < 5000 && at < FLOOD; i++) {
		drain(f, &at);
		fake_run(&f->m, 1);
	}
	assert_int_equal(at, FLOOD);
	assert_true(driver_wait(&f->q[1], NULL, NULL));
}

static void console_goes_on_in_the_middle_of_a_request_after_a_move(void **state)
{
	struct fixture *f = *state, *g;
	void *other;
	size_t at = 0;
	set_up(&other);
	g = other;
	console_init(f);
	console_init(g);
	bring_up(f, 0, 2);
	flood(f);
	virtio_console_set_size(f->dev, 132, 43);
	move(f, g);
	fake_run(&f->m, 2);
	drain(f, &at);
	assert_in_range(at, 1, FLOOD - 1);
	virtio_resume(g->dev);
	for (int i = 0; i < 5000 && at < FLOOD; i++) {
		fake_run(&g->m, 1);
		drain(g, &at);
	}
	assert_int_equal(at, FLOOD);
	assert_true(driver_wait(&g->q[1], NULL, NULL));
	uint16_t size[2];
	virtio_read_config(g->dev, 0, size, sizeof size);
	assert_int_equal(size[0], 132);
	assert_int_equal(size[1], 43);
	tear_down(&other);
}

static void console_tells_its_size(void **state)
{
	struct fixture *f = *state;
	struct virtio_console_config config;
	console_init(f);
	bring_up(f, 1ull << VIRTIO_CONSOLE_F_SIZE, 2);
	virtio_console_set_size(f->dev, 80, 25);
	assert_int_equal(f->transport.config_interrupts, 1);
	virtio_console_set_size(f->dev, 80, 25);
	assert_int_equal(f->transport.config_interrupts, 1);
	virtio_read_config(f->dev, 0, &config, sizeof config);
	assert_int_equal(config.cols, 80);
	assert_int_equal(config.rows, 25);
}

static void console_without_a_peer_swallows_output(void **state)
{
	struct fixture *f = *state;
	console_init(f);
	bring_up(f, 0, 2);
	flood(f);
	close(f->stream);
	f->stream = -1;
	assert_true(driver_wait(&f->q[1], NULL, NULL));
	driver_add(&f->q[1], &(struct driver_part){put_text(f, "x", 1), 1, false}, 1);
	driver_kick(&f->q[1]);
	assert_true(driver_wait(&f->q[1], NULL, NULL));
	/* and does not spin on the hang-up: an idle loop ends by its timer alone */
	fake_run(&f->m, 20);
}

static void console_reset_forgets_a_request_half_sent(void **state)
{
	struct fixture *f = *state;
	char got[FLOOD > 65536 ? 65536 : FLOOD];
	console_init(f);
	bring_up(f, 0, 2);
	flood(f);
	virtio_write_status(f->dev, 0);
	while (read(f->stream, got, sizeof got) > 0)
		fake_run(&f->m, 1);
	bring_up(f, 0, 2);
	driver_add(&f->q[1], &(struct driver_part){put_text(f, "abc", 3), 3, false}, 1);
	driver_kick(&f->q[1]);
	assert_true(driver_wait(&f->q[1], NULL, NULL));
	assert_int_equal(read(f->stream, got, sizeof got), 3);
	assert_memory_equal(got, "abc", 3);
}

/* ---- balloon ------------------------------------------------------------------------------------ */

#define ALL_BALLOON                                                                                \
	(1ull << VIRTIO_BALLOON_F_STATS_VQ | 1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM |             \
	 1ull << VIRTIO_BALLOON_F_PAGE_POISON | 1ull << VIRTIO_BALLOON_F_REPORTING)

static void balloon_init(struct fixture *f)
{
	struct hv_error err;
	assert_int_equal(virtio_balloon_new(&f->dev, &f->m.env, "balloon0", &err), 0);
}

static bool is_zero(struct fixture *f, uint64_t gpa, size_t len)
{
	const uint8_t *bytes = fake_ptr(&f->m, gpa, len);
	for (size_t i = 0; i < len; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

static uint64_t filled(struct fixture *f, size_t len)
{
	uint64_t gpa = fake_alloc(&f->m, len, 4096);
	memset(fake_ptr(&f->m, gpa, len), 0xaa, len);
	return gpa;
}

static void inflate(struct fixture *f, const uint32_t *pfns, size_t n)
{
	driver_add(&f->q[0],
		   &(struct driver_part){put_text(f, pfns, n * 4), (uint32_t)n * 4, false}, 1);
	driver_kick(&f->q[0]);
	assert_true(driver_wait(&f->q[0], NULL, NULL));
}

static void balloon_gives_inflated_pages_back(void **state)
{
	struct fixture *f = *state;
	struct balloon_stats stats;
	balloon_init(f);
	bring_up(f, ALL_BALLOON, 5);
	uint64_t gpa = filled(f, 16 * 4096);
	uint32_t first = (uint32_t)(gpa >> 12);
	fake_dirty_start(&f->m);
	/* out of order, with a gap, twice, and numbers that are no memory */
	inflate(f,
		(uint32_t[]){first + 2, first + 1, first, first + 5, first + 5, 0xffffffff, 4096,
			     5000},
		8);
	assert_true(is_zero(f, gpa, 3 * 4096));
	assert_false(is_zero(f, gpa + 3 * 4096, 1));
	assert_false(is_zero(f, gpa + 4 * 4096, 1));
	assert_true(is_zero(f, gpa + 5 * 4096, 4096));
	assert_false(is_zero(f, gpa + 6 * 4096, 1));
	assert_true(fake_is_dirty(&f->m, gpa));
	virtio_balloon_stats(f->dev, &stats);
	assert_int_equal(stats.inflated_bytes, 8 * 4096);
}

static void balloon_takes_long_lists_in_turns(void **state)
{
	struct fixture *f = *state;
	static uint32_t pfns[100000];
	balloon_init(f);
	bring_up(f, ALL_BALLOON, 5);
	uint64_t gpa = filled(f, 4096);
	for (size_t i = 0; i < 99999; i++)
		pfns[i] = 0x10000000;
	pfns[99999] = (uint32_t)(gpa >> 12);
	inflate(f, pfns, 100000);
	assert_true(is_zero(f, gpa, 4096));
}

static void balloon_target_and_actual_go_by_configuration(void **state)
{
	struct fixture *f = *state;
	struct balloon_stats stats;
	struct hv_error err;
	uint32_t value = 0;
	balloon_init(f);
	bring_up(f, ALL_BALLOON, 5);
	assert_int_equal(virtio_balloon_set_target(f->dev, 8 << 20, &err), 0);
	assert_int_equal(f->transport.config_interrupts, 1);
	virtio_read_config(f->dev, 0, &value, 4);
	assert_int_equal(value, 2048);
	value = 1000;
	virtio_write_config(f->dev, 4, &value, 4);
	value = 7;
	virtio_write_config(f->dev, 0, &value, 4); /* not the driver's to write */
	virtio_balloon_stats(f->dev, &stats);
	assert_int_equal(stats.target_bytes, 8 << 20);
	assert_int_equal(stats.actual_bytes, 1000 * 4096);
	assert_int_equal(virtio_balloon_set_target(f->dev, 17 << 20, &err), -HV_LIMIT);
}

static void report(struct fixture *f, unsigned queue, uint64_t gpa, uint32_t len)
{
	driver_add(&f->q[queue], &(struct driver_part){gpa, len, true}, 1);
	driver_kick(&f->q[queue]);
	assert_true(driver_wait(&f->q[queue], NULL, NULL));
}

static void balloon_gives_reported_pages_back(void **state)
{
	struct fixture *f = *state;
	struct balloon_stats stats;
	balloon_init(f);
	bring_up(f, ALL_BALLOON, 5);
	uint64_t gpa = filled(f, 64 * 4096);
	report(f, 3, gpa, 8 * 4096);                     /* as Linux before 6.11 does */
	report(f, 4, gpa + 8 * 4096, 8 * 4096);          /* as the standard says */
	report(f, 4, gpa + 16 * 4096 + 1, 2 * 4096 - 1); /* only whole pages */
	assert_true(is_zero(f, gpa, 16 * 4096));
	assert_false(is_zero(f, gpa + 16 * 4096, 1));
	assert_true(is_zero(f, gpa + 17 * 4096, 4096));
	virtio_balloon_stats(f->dev, &stats);
	assert_int_equal(stats.reported_bytes, 17 * 4096);
}

static void balloon_leaves_poisoned_pages_alone(void **state)
{
	struct fixture *f = *state;
	uint32_t poison = 0xaaaaaaaa;
	balloon_init(f);
	bring_up(f, ALL_BALLOON, 5);
	virtio_write_config(f->dev, offsetof(struct virtio_balloon_config, poison_val), &poison, 4);
	uint64_t gpa = filled(f, 4096);
	report(f, 4, gpa, 4096);
	assert_false(is_zero(f, gpa, 4096));
}

static void balloon_without_reporting_touches_nothing(void **state)
{
	struct fixture *f = *state;
	balloon_init(f);
	bring_up(f, 0, 5);
	uint64_t gpa = filled(f, 4096);
	report(f, 2, gpa, 4096);
	report(f, 4, gpa, 4096);
	assert_false(is_zero(f, gpa, 4096));
}

static void tell_stats(struct fixture *f, uint64_t free_bytes)
{
	struct virtio_balloon_stat stat[3] = {{VIRTIO_BALLOON_S_MEMFREE, free_bytes},
					      {VIRTIO_BALLOON_S_MEMTOT, 16 << 20},
					      {777, 1}};
	driver_add(&f->q[2],
		   &(struct driver_part){put_text(f, stat, sizeof stat), sizeof stat, false}, 1);
	driver_kick(&f->q[2]);
	fake_run(&f->m, 5);
}

static void balloon_asks_for_statistics_when_somebody_looks(void **state)
{
	struct fixture *f = *state;
	struct balloon_stats stats;
	balloon_init(f);
	bring_up(f, ALL_BALLOON, 5);
	virtio_balloon_stats(f->dev, &stats);
	assert_true(stats.guest_age_ms == UINT64_MAX);
	tell_stats(f, 1000);
	assert_false(driver_take(&f->q[2], NULL, NULL)); /* held */
	virtio_balloon_stats(f->dev, &stats);
	assert_true(stats.has[VIRTIO_BALLOON_S_MEMFREE]);
	assert_false(stats.has[VIRTIO_BALLOON_S_SWAP_IN]);
	assert_int_equal(stats.guest[VIRTIO_BALLOON_S_MEMFREE], 1000);
	assert_in_range(stats.guest_age_ms, 0, 1000);
	assert_true(driver_take(&f->q[2], NULL, NULL)); /* the guest is asked again */
	tell_stats(f, 2000);
	virtio_balloon_stats(f->dev, &stats);
	assert_int_equal(stats.guest[VIRTIO_BALLOON_S_MEMFREE], 2000);
}

static void balloon_survives_a_move_with_statistics_held(void **state)
{
	struct fixture *f = *state, *g;
	struct balloon_stats stats;
	struct hv_error err;
	void *other;
	set_up(&other);
	g = other;
	balloon_init(f);
	balloon_init(g);
	bring_up(f, ALL_BALLOON, 5);
	assert_int_equal(virtio_balloon_set_target(f->dev, 1 << 20, &err), 0);
	tell_stats(f, 1234);
	move(f, g);
	virtio_balloon_stats(f->dev, &stats); /* while paused: asks nobody */
	virtio_resume(g->dev);
	fake_run(&g->m, 5);
	virtio_balloon_stats(g->dev, &stats);
	assert_int_equal(stats.target_bytes, 1 << 20);
	assert_int_equal(stats.guest[VIRTIO_BALLOON_S_MEMFREE], 1234);
	assert_true(driver_take(&g->q[2], NULL, NULL));
	tear_down(&other);
}

static void balloon_survives_inflating_its_own_rings(void **state)
{
	struct fixture *f = *state;
	balloon_init(f);
	bring_up(f, ALL_BALLOON, 5);
	uint32_t pfns[] = {(uint32_t)(f->q[0].desc_gpa >> 12), (uint32_t)(f->q[0].used_gpa >> 12)};
	driver_add(&f->q[0], &(struct driver_part){put_text(f, pfns, 8), 8, false}, 1);
	driver_kick(&f->q[0]);
	fake_run(&f->m, 10);
	virtio_write_status(f->dev, 0);
	bring_up(f, ALL_BALLOON, 5);
	uint64_t gpa = filled(f, 4096);
	report(f, 4, gpa, 4096);
	assert_true(is_zero(f, gpa, 4096));
}

static void discard_gives_memfd_pages_back_to_the_host(void **state)
{
	struct gmem mem;
	struct hv_error err;
	struct gmem_config config = {.size_bytes = 16 << 20, .backing = GMEM_MEMFD};
	(void)state;
	assert_int_equal(gmem_init(&mem, &config, &err), 0);
	size_t page = balloon_page_bytes(&mem);
	assert_int_equal(page, 4096);
	uint8_t *hva = gmem_ptr(&mem, 0x100000, 0x100000);
	memset(hva, 0xaa, 0x100000);
	assert_int_equal(balloon_discard(&mem, hva + 1, 0x100000 - 1, page), 0x100000 - 4096);
	assert_int_equal(hva[0], 0xaa);
	assert_int_equal(hva[4096], 0);
	uint8_t through[1] = {0xff};
	assert_int_equal(pread(mem.fd, through, 1, 0x180000), 1);
	assert_int_equal(through[0], 0);
	assert_int_equal(balloon_discard(&mem, hva + 1, 4096, page), 0);
	/* as with huge pages: nothing less than a whole one */
	assert_int_equal(balloon_discard(&mem, hva, 0x100000 - 1, 0x100000), 0);
	gmem_fini(&mem);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(rng_fills_part_of_what_is_asked_for),
		T(rng_serves_all_requests_in_bounded_turns),
		T(rng_marks_what_it_wrote),
		T(rng_fails_on_bad_chains_until_reset),
		T(console_carries_bytes_both_ways),
		T(console_keeps_input_until_there_is_room),
		T(console_waits_for_a_slow_watcher_and_loses_nothing),
		T(console_goes_on_in_the_middle_of_a_request_after_a_move),
		T(console_tells_its_size),
		T(console_without_a_peer_swallows_output),
		T(console_reset_forgets_a_request_half_sent),
		T(balloon_gives_inflated_pages_back),
		T(balloon_takes_long_lists_in_turns),
		T(balloon_target_and_actual_go_by_configuration),
		T(balloon_gives_reported_pages_back),
		T(balloon_leaves_poisoned_pages_alone),
		T(balloon_without_reporting_touches_nothing),
		T(balloon_asks_for_statistics_when_somebody_looks),
		T(balloon_survives_a_move_with_statistics_held),
		T(balloon_survives_inflating_its_own_rings),
		T(discard_gives_memfd_pages_back_to_the_host),
	};
	return cmocka_run_group_tests_name("virtio-slow", tests, NULL, NULL);
}
