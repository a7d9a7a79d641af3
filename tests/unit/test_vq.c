/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The split virtqueue against good drivers and bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_ring.h>

#include "tests/unit/fake_machine.h"

#define SIZE 16

struct fixture {
	struct fake_machine m;
	struct driver_vq q;
	struct vq vq;
	struct vq_chain chain;
	struct iovec iov[64];
	unsigned interrupts;
	uint64_t buf;
};

static void count(void *transport, struct vq *vq)
{
	(void)vq;
	((struct fixture *)transport)->interrupts++;
}

static int set_up(void **state)
{
	static struct fixture f;
	memset(&f, 0, sizeof f);
	fake_machine_init(&f.m, 0);
	driver_vq_bind(&f.q, &f.m, &f.vq, SIZE);
	f.vq.interrupt = count;
	f.vq.transport = &f;
	f.vq.indirect = true;
	f.buf = fake_alloc(&f.m, 65536, 4096);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	fake_machine_fini(&f->m);
	return 0;
}

static int next(struct fixture *f)
{
	return vq_next(&f->vq, &f->chain, f->iov, 64);
}

static void add_one(struct fixture *f)
{
	driver_add(&f->q, &(struct driver_part){f->buf, 64, true}, 1);
}

/* A bad ring or chain: said once with its reason, and for ever after. */
static void breaks(struct fixture *f)
{
	assert_int_equal(next(f), -HV_GUEST);
	assert_true(f->vq.broken);
	assert_non_null(f->vq.fault);
	assert_int_equal(next(f), -HV_GUEST);
	assert_true(vq_empty(&f->vq));
	assert_false(vq_want_kicks(&f->vq, true));
}

/* ---- good drivers ------------------------------------------------------------------------------- */

static void vq_takes_a_chain_and_gives_it_back(void **state)
{
	struct fixture *f = *state;
	uint32_t id, len;
	assert_int_equal(next(f), 0);
	assert_true(vq_empty(&f->vq));
	uint16_t head = driver_add(&f->q,
				   (struct driver_part[]){{f->buf, 10, false},
							  {f->buf + 100, 20, false},
							  {f->buf + 200, 30, true}},
				   3);
	assert_false(vq_empty(&f->vq));
	assert_int_equal(next(f), 1);
	assert_int_equal(f->chain.head, head);
	assert_int_equal(f->chain.n_read, 2);
	assert_int_equal(f->chain.n_write, 1);
	assert_int_equal(f->chain.read_len, 30);
	assert_int_equal(f->chain.write_len, 30);
	assert_ptr_equal(f->iov[1].iov_base, fake_ptr(&f->m, f->buf + 100, 20));
	assert_int_equal(next(f), 0);
	vq_complete(&f->vq, &f->chain, 7);
	assert_true(driver_take(&f->q, &id, &len));
	assert_int_equal(id, head);
	assert_int_equal(len, 7);
	assert_false(driver_take(&f->q, NULL, NULL));
}

static void vq_serves_more_than_65536_requests(void **state)
{
	struct fixture *f = *state;
	uint32_t id;
	for (int i = 0; i < 70000; i++) {
		uint16_t head = driver_add(&f->q, &(struct driver_part){f->buf, 1, true}, 1);
		assert_int_equal(next(f), 1);
		vq_complete(&f->vq, &f->chain, 1);
		assert_true(driver_take(&f->q, &id, NULL));
		assert_int_equal(id, head);
	}
}

static void vq_walks_indirect_tables(void **state)
{
	struct fixture *f = *state;
	struct driver_part parts[40];
	for (unsigned i = 0; i < 40; i++)
		parts[i] = (struct driver_part){f->buf + 16 * i, 16, i >= 20};
	driver_add_indirect(&f->q, parts, 40);
	assert_int_equal(next(f), 1);
	assert_int_equal(f->chain.n_read, 20);
	assert_int_equal(f->chain.n_write, 20);
	assert_int_equal(f->chain.write_len, 320);
}

static void vq_walks_direct_parts_before_an_indirect_table(void **state)
{
	struct fixture *f = *state;
	driver_add_indirect(
		&f->q, (struct driver_part[]){{f->buf, 16, false}, {f->buf + 64, 16, true}}, 2);
	*driver_desc(&f->q, 5) = (struct vring_desc){f->buf + 128, 8, VRING_DESC_F_NEXT, 0};
	driver_push_head(&f->q, 5);
	assert_int_equal(next(f), 1);
	assert_int_equal(next(f), 1);
	assert_int_equal(f->chain.head, 5);
	assert_int_equal(f->chain.n_read, 2);
	assert_int_equal(f->chain.read_len, 24);
}

static void vq_ignores_the_write_flag_of_an_indirect_descriptor(void **state)
{
	struct fixture *f = *state;
	driver_add_indirect(&f->q, &(struct driver_part){f->buf, 16, false}, 1);
	driver_desc(&f->q, 0)->flags |= VRING_DESC_F_WRITE;
	assert_int_equal(next(f), 1);
	assert_int_equal(f->chain.n_read, 1);
}

static void vq_leaves_empty_descriptors_out(void **state)
{
	struct fixture *f = *state;
	driver_add(&f->q, (struct driver_part[]){{f->buf, 0, false}, {f->buf, 8, true}}, 2);
	assert_int_equal(next(f), 1);
	assert_int_equal(f->chain.n_read, 0);
	assert_int_equal(f->chain.n_write, 1);
}

static void vq_unget_gives_the_same_request_again(void **state)
{
	struct fixture *f = *state;
	add_one(f);
	assert_int_equal(next(f), 1);
	vq_unget(&f->vq);
	assert_false(vq_empty(&f->vq));
	assert_int_equal(next(f), 1);
	assert_int_equal(f->chain.head, 0);
}

static void vq_does_not_take_what_does_not_fit(void **state)
{
	struct fixture *f = *state;
	driver_add(&f->q, (struct driver_part[]){{f->buf, 1, true}, {f->buf, 1, true}}, 2);
	assert_int_equal(vq_next(&f->vq, &f->chain, f->iov, 1), -HV_LIMIT);
	assert_false(f->vq.broken);
	assert_int_equal(next(f), 1);
}

static void vq_publishes_staged_entries_together(void **state)
{
	struct fixture *f = *state;
	uint32_t id, len;
	for (unsigned i = 0; i < 3; i++) {
		add_one(f);
		assert_int_equal(next(f), 1);
		vq_stage(&f->vq, &f->chain, 10 + i, i);
		assert_false(driver_take(&f->q, NULL, NULL));
	}
	vq_publish(&f->vq, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(driver_take(&f->q, &id, &len));
		assert_int_equal(id, i);
		assert_int_equal(len, 10 + i);
	}
}

static void vq_says_no_more_written_than_there_was_room(void **state)
{
	struct fixture *f = *state;
	uint32_t len;
	add_one(f);
	assert_int_equal(next(f), 1);
	vq_complete(&f->vq, &f->chain, 100000);
	assert_true(driver_take(&f->q, NULL, &len));
	assert_int_equal(len, 64);
}

static void vq_marks_what_it_writes(void **state)
{
	struct fixture *f = *state;
	fake_dirty_start(&f->m);
	driver_add(&f->q,
		   (struct driver_part[]){{f->buf, 16, false},
					  {f->buf + 4096, 4096, true},
					  {f->buf + 8192, 4096, true},
					  {f->buf + 12288, 4096, true}},
		   4);
	assert_int_equal(next(f), 1);
	assert_false(fake_is_dirty(&f->m, f->q.used_gpa));
	vq_complete(&f->vq, &f->chain, 4097);
	assert_true(fake_is_dirty(&f->m, f->q.used_gpa));
	assert_false(fake_is_dirty(&f->m, f->q.desc_gpa));
	assert_false(fake_is_dirty(&f->m, f->buf));
	assert_true(fake_is_dirty(&f->m, f->buf + 4096));
	assert_true(fake_is_dirty(&f->m, f->buf + 8192));
	assert_false(fake_is_dirty(&f->m, f->buf + 12288));
}

/* ---- telling one another ------------------------------------------------------------------------ */

static void vq_signals_unless_the_driver_says_no(void **state)
{
	struct fixture *f = *state;
	vq_signal(&f->vq);
	assert_int_equal(f->interrupts, 1);
	driver_set_avail_flags(&f->q, VRING_AVAIL_F_NO_INTERRUPT);
	vq_signal(&f->vq);
	assert_int_equal(f->interrupts, 1);
}

static void vq_tells_the_driver_when_to_kick(void **state)
{
	struct fixture *f = *state;
	assert_false(vq_want_kicks(&f->vq, false));
	assert_int_equal(driver_used_flags(&f->q), VRING_USED_F_NO_NOTIFY);
	add_one(f);
	assert_true(vq_want_kicks(&f->vq, true));
	assert_int_equal(driver_used_flags(&f->q), 0);
}

static void vq_with_event_index_asks_for_the_next_kick(void **state)
{
	struct fixture *f = *state;
	f->vq.event_idx = true;
	add_one(f);
	assert_int_equal(next(f), 1);
	assert_false(vq_want_kicks(&f->vq, true));
	assert_int_equal(driver_avail_event(&f->q), 1);
	assert_int_equal(driver_used_flags(&f->q), 0);
	assert_false(vq_want_kicks(&f->vq, false));
	assert_int_equal(driver_avail_event(&f->q), 1);
}

static void complete_n(struct fixture *f, int n)
{
	for (int i = 0; i < n; i++) {
		add_one(f);
		assert_int_equal(next(f), 1);
		vq_complete(&f->vq, &f->chain, 0);
	}
}

static void vq_with_event_index_signals_when_it_is_passed(void **state)
{
	struct fixture *f = *state;
	f->vq.event_idx = true;
	complete_n(f, 1);
	vq_signal(&f->vq); /* the first always */
	assert_int_equal(f->interrupts, 1);
	driver_set_used_event(&f->q, 3); /* when the fourth is used */
	complete_n(f, 1);
	vq_signal(&f->vq);
	complete_n(f, 1);
	vq_signal(&f->vq);
	assert_int_equal(f->interrupts, 1);
	complete_n(f, 1);
	vq_signal(&f->vq);
	assert_int_equal(f->interrupts, 2);
	vq_signal(&f->vq); /* nothing new */
	assert_int_equal(f->interrupts, 2);
	complete_n(f, 5);
	vq_signal(&f->vq);
	assert_int_equal(f->interrupts, 2);
}

static void vq_with_event_index_signals_after_the_indices_wrapped(void **state)
{
	struct fixture *f = *state;
	f->vq.event_idx = true;
	complete_n(f, 1);
	vq_signal(&f->vq);
	driver_set_used_event(&f->q, 2);
	complete_n(f, 65536); /* the difference to the last signal is 0 again */
	vq_signal(&f->vq);
	assert_int_equal(f->interrupts, 2);
}

/* ---- hostile drivers ---------------------------------------------------------------------------- */

static void vq_rejects_looping_chain(void **state)
{
	struct fixture *f = *state;
	driver_add(&f->q, (struct driver_part[]){{f->buf, 8, true}, {f->buf, 8, true}}, 2);
	*driver_desc(&f->q, 1) =
		(struct vring_desc){f->buf, 8, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 0};
	breaks(f);
}

static void vq_rejects_chain_linked_to_itself(void **state)
{
	struct fixture *f = *state;
	*driver_desc(&f->q, 3) = (struct vring_desc){f->buf, 0, VRING_DESC_F_NEXT, 3};
	driver_push_head(&f->q, 3);
	breaks(f);
}

static void vq_rejects_head_out_of_range(void **state)
{
	struct fixture *f = *state;
	driver_push_head(&f->q, SIZE);
	breaks(f);
}

static void vq_rejects_next_out_of_range(void **state)
{
	struct fixture *f = *state;
	*driver_desc(&f->q, 0) = (struct vring_desc){f->buf, 8, VRING_DESC_F_NEXT, 0xffff};
	driver_push_head(&f->q, 0);
	breaks(f);
}

static void rejects_address(struct fixture *f, uint64_t gpa, uint32_t len)
{
	driver_add(&f->q, &(struct driver_part){gpa, len, true}, 1);
	breaks(f);
	/* a queue that broke is whole again after reset and set-up */
	driver_vq_bind(&f->q, &f->m, &f->vq, SIZE);
	f->vq.indirect = true;
}

static void vq_rejects_descriptors_outside_of_memory(void **state)
{
	struct fixture *f = *state;
	rejects_address(f, 16 << 20, 1);
	rejects_address(f, (16 << 20) - 1, 2);
	rejects_address(f, UINT64_MAX, 1);
	rejects_address(f, UINT64_MAX - 3, 8);
	rejects_address(f, f->buf, UINT32_MAX);
	rejects_address(f, 0xfee00000, 4);
	add_one(f);
	assert_int_equal(next(f), 1);
}

static void vq_rejects_readable_after_writable(void **state)
{
	struct fixture *f = *state;
	driver_add(&f->q, (struct driver_part[]){{f->buf, 8, true}, {f->buf, 8, false}}, 2);
	breaks(f);
}

static void vq_rejects_a_jump_of_the_available_index(void **state)
{
	struct fixture *f = *state;
	driver_set_avail_idx(&f->q, SIZE + 1);
	breaks(f);
}

static void vq_rejects_an_available_index_that_goes_back(void **state)
{
	struct fixture *f = *state;
	add_one(f);
	assert_int_equal(next(f), 1);
	driver_set_avail_idx(&f->q, 0);
	breaks(f);
}

static void vq_rejects_more_requests_in_flight_than_descriptors(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < SIZE; i++) {
		driver_add(&f->q, &(struct driver_part){f->buf, 8, true}, 1);
		assert_int_equal(next(f), 1);
	}
	driver_push_head(&f->q, 0);
	breaks(f);
}

static struct vring_desc *add_table(struct fixture *f, int n)
{
	struct driver_part parts[8];
	for (unsigned i = 0; i < 8; i++)
		parts[i] = (struct driver_part){f->buf + 16 * i, 16, true};
	driver_add_indirect(&f->q, parts, n);
	return fake_ptr(&f->m, driver_desc(&f->q, 0)->addr, 16);
}

static void vq_rejects_indirect_not_negotiated(void **state)
{
	struct fixture *f = *state;
	f->vq.indirect = false;
	add_table(f, 2);
	breaks(f);
}

static void vq_rejects_nested_indirect(void **state)
{
	struct fixture *f = *state;
	add_table(f, 3)[1].flags |= VRING_DESC_F_INDIRECT;
	breaks(f);
}

static void vq_rejects_looping_indirect(void **state)
{
	struct fixture *f = *state;
	struct vring_desc *table = add_table(f, 3);
	table[2].flags |= VRING_DESC_F_NEXT;
	table[2].next = 0;
	breaks(f);
}

static void vq_rejects_indirect_next_out_of_range(void **state)
{
	struct fixture *f = *state;
	add_table(f, 3)[1].next = 3;
	breaks(f);
}

static void rejects_table_len(struct fixture *f, uint32_t len)
{
	add_table(f, 3);
	driver_desc(&f->q, 0)->len = len;
	breaks(f);
	driver_vq_bind(&f->q, &f->m, &f->vq, SIZE);
	f->vq.indirect = true;
}

static void vq_rejects_indirect_of_odd_length(void **state)
{
	struct fixture *f = *state;
	rejects_table_len(f, 0);
	rejects_table_len(f, 15);
	rejects_table_len(f, 33);
	rejects_table_len(f, 16 * (VQ_SIZE_MAX + 1));
	rejects_table_len(f, 0xfffffff0);
}

static void vq_rejects_indirect_with_next(void **state)
{
	struct fixture *f = *state;
	add_table(f, 3);
	driver_desc(&f->q, 0)->flags |= VRING_DESC_F_NEXT;
	breaks(f);
}

static void vq_rejects_indirect_outside_of_memory(void **state)
{
	struct fixture *f = *state;
	add_table(f, 3);
	driver_desc(&f->q, 0)->addr = (16 << 20) - 16;
	breaks(f);
}

static void vq_rejects_more_than_4_gib(void **state)
{
	struct fixture *f = *state;
	/* in 16 MiB of memory the sum needs an indirect table with many entries over the same bytes */
	uint64_t table_gpa = fake_alloc(&f->m, 16 * 1024, 16);
	struct vring_desc *table = fake_ptr(&f->m, table_gpa, 16 * 1024);
	for (int i = 0; i < 1024; i++)
		table[i] = (struct vring_desc){0, 15 << 20, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT,
					       (uint16_t)(i + 1)};
	table[1023].flags = VRING_DESC_F_WRITE;
	*driver_desc(&f->q, 0) =
		(struct vring_desc){table_gpa, 16 * 1024, VRING_DESC_F_INDIRECT, 0};
	driver_push_head(&f->q, 0);
	static struct iovec iov[1024];
	assert_int_equal(vq_next(&f->vq, &f->chain, iov, 1024), -HV_GUEST);
}

static void vq_survives_rings_that_overlap(void **state)
{
	struct fixture *f = *state;
	/* all three rings and the buffers on one page: whatever comes of it, it comes in bounds */
	vq_reset(&f->vq);
	f->vq.desc_gpa = f->vq.avail_gpa = f->vq.used_gpa = f->buf;
	assert_int_equal(vq_start(&f->vq), 0);
	uint8_t *page = fake_ptr(&f->m, f->buf, 4096);
	for (unsigned seed = 0; seed < 1000; seed++) {
		for (unsigned i = 0; i < 256; i++)
			page[i] = (uint8_t)((seed * 2654435761u + i * 40503u) >> 7);
		f->vq.broken = false;
		f->vq.next_avail = f->vq.next_used = *(uint16_t *)(page + 2) - 1;
		if (next(f) == 1)
			vq_complete(&f->vq, &f->chain, 64);
		vq_signal(&f->vq);
	}
}

static int start_with(struct fixture *f, uint16_t size, uint64_t desc, uint64_t avail,
		      uint64_t used)
{
	vq_reset(&f->vq);
	f->vq.size = size;
	f->vq.desc_gpa = desc;
	f->vq.avail_gpa = avail;
	f->vq.used_gpa = used;
	int ret = vq_start(&f->vq);
	assert_int_equal(f->vq.live, ret == 0);
	return ret;
}

static void vq_start_refuses_impossible_rings(void **state)
{
	struct fixture *f = *state;
	uint64_t end = 16 << 20, b = f->buf;
	assert_int_equal(start_with(f, SIZE, b, b, b), 0);
	assert_int_equal(start_with(f, 0, b, b, b), -HV_GUEST);
	assert_int_equal(start_with(f, 12, b, b, b), -HV_GUEST);
	assert_int_equal(start_with(f, 2 * SIZE, b, b, b), -HV_GUEST);
	assert_int_equal(start_with(f, 0x8000, b, b, b), -HV_GUEST);
	assert_int_equal(start_with(f, SIZE, b + 8, b, b), -HV_GUEST);
	assert_int_equal(start_with(f, SIZE, b, b + 1, b), -HV_GUEST);
	assert_int_equal(start_with(f, SIZE, b, b, b + 2), -HV_GUEST);
	assert_int_equal(start_with(f, SIZE, end, b, b), -HV_GUEST);
	assert_int_equal(start_with(f, SIZE, end - 16 * SIZE + 16, b, b), -HV_GUEST);
	assert_int_equal(start_with(f, SIZE, b, end - 2 * SIZE, b), -HV_GUEST);
	assert_int_equal(start_with(f, SIZE, b, b, end - 8 * SIZE), -HV_GUEST);
	assert_int_equal(start_with(f, SIZE, b, b, UINT64_MAX - 3), -HV_GUEST);
}

static void vq_that_is_not_live_does_nothing(void **state)
{
	struct fixture *f = *state;
	add_one(f);
	vq_stop(&f->vq);
	assert_int_equal(next(f), 0);
	assert_true(vq_empty(&f->vq));
	assert_false(vq_want_kicks(&f->vq, true));
	vq_complete(&f->vq, &f->chain, 0);
	vq_signal(&f->vq);
	assert_int_equal(f->interrupts, 0);
}

static void iov_copies_across_parts(void **state)
{
	(void)state;
	char a[4] = "abcd", b[3] = "efg", c[5] = "hijkl", out[16] = "";
	struct iovec iov[] = {{a, 4}, {b, 3}, {NULL, 0}, {c, 5}};
	assert_int_equal(iov_copy_out(iov, 4, 2, out, 7), 7);
	assert_memory_equal(out, "cdefghi", 7);
	assert_int_equal(iov_copy_out(iov, 4, 10, out, 16), 2);
	assert_int_equal(iov_copy_out(iov, 4, 12, out, 1), 0);
	assert_int_equal(iov_copy_out(iov, 4, (size_t)-1, out, 1), 0);
	assert_int_equal(iov_copy_in(iov, 4, 3, "XYZWV", 5), 5);
	assert_memory_equal(a, "abcX", 4);
	assert_memory_equal(b, "YZW", 3);
	assert_memory_equal(c, "Vijkl", 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(vq_takes_a_chain_and_gives_it_back),
		T(vq_serves_more_than_65536_requests),
		T(vq_walks_indirect_tables),
		T(vq_walks_direct_parts_before_an_indirect_table),
		T(vq_ignores_the_write_flag_of_an_indirect_descriptor),
		T(vq_leaves_empty_descriptors_out),
		T(vq_unget_gives_the_same_request_again),
		T(vq_does_not_take_what_does_not_fit),
		T(vq_publishes_staged_entries_together),
		T(vq_says_no_more_written_than_there_was_room),
		T(vq_marks_what_it_writes),
		T(vq_signals_unless_the_driver_says_no),
		T(vq_tells_the_driver_when_to_kick),
		T(vq_with_event_index_asks_for_the_next_kick),
		T(vq_with_event_index_signals_when_it_is_passed),
		T(vq_with_event_index_signals_after_the_indices_wrapped),
		T(vq_rejects_looping_chain),
		T(vq_rejects_chain_linked_to_itself),
		T(vq_rejects_head_out_of_range),
		T(vq_rejects_next_out_of_range),
		T(vq_rejects_descriptors_outside_of_memory),
		T(vq_rejects_readable_after_writable),
		T(vq_rejects_a_jump_of_the_available_index),
		T(vq_rejects_an_available_index_that_goes_back),
		T(vq_rejects_more_requests_in_flight_than_descriptors),
		T(vq_rejects_indirect_not_negotiated),
		T(vq_rejects_nested_indirect),
		T(vq_rejects_looping_indirect),
		T(vq_rejects_indirect_next_out_of_range),
		T(vq_rejects_indirect_of_odd_length),
		T(vq_rejects_indirect_with_next),
		T(vq_rejects_indirect_outside_of_memory),
		T(vq_rejects_more_than_4_gib),
		T(vq_survives_rings_that_overlap),
		T(vq_start_refuses_impossible_rings),
		T(vq_that_is_not_live_does_nothing),
		T(iov_copies_across_parts),
	};
	return cmocka_run_group_tests_name("vq", tests, NULL, NULL);
}
