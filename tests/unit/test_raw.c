/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Raw images on both ways of doing I/O: by io_uring, and without it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/block/aio.h"
#include "engine/block/block.h"
#include "engine/vmm/loop.h"

#define MIB (1u << 20)

struct disk {
	int fd; /* a second descriptor of the image, to look at it from outside */
	struct block *block;
	struct aio *aio;
};

struct request {
	struct block_req req;
	int result, n_done;
};

static void on_done(struct block_req *req, int result)
{
	struct request *request = (struct request *)req;
	request->result = result;
	request->n_done++;
}

static int memory_file(uint64_t bytes)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	return fd;
}

static void disk_open(struct disk *disk, uint64_t bytes, bool read_only, enum aio_mode mode)
{
	struct hv_error err;
	disk->fd = memory_file(bytes);
	int fd = dup(disk->fd);
	assert_int_equal(block_raw_new(&disk->block, fd, read_only, &err), 0);
	assert_int_equal(aio_new(&disk->aio, NULL, mode, &err), 0);
}

static void disk_close(struct disk *disk)
{
	assert_true(aio_is_idle(disk->aio));
	aio_free(disk->aio);
	block_free(disk->block);
	close(disk->fd);
}

static int run(struct disk *disk, enum block_op op, unsigned flags, uint64_t offset, uint64_t len,
	       const struct iovec *iov, int n_iov)
{
	struct request r = {.req = {.op = op,
				    .flags = flags,
				    .offset = offset,
				    .len = len,
				    .iov = iov,
				    .n_iov = n_iov,
				    .done = on_done}};
	block_submit(disk->block, disk->aio, &r.req);
	assert_int_equal(r.n_done, 0);
	aio_drain(disk->aio);
	assert_int_equal(r.n_done, 1);
	return r.result;
}

static int rw(struct disk *disk, enum block_op op, uint64_t offset, void *data, size_t len)
{
	struct iovec iov = {data, len};
	return run(disk, op, 0, offset, len, &iov, 1);
}

static enum aio_mode mode_of(void **state)
{
	return *(enum aio_mode *)*state;
}

/* ---- cases, each run in both modes
 * ---------------------------------------------------------------- */

static void raw_reads_what_was_written(void **state)
{
	struct disk disk;
	disk_open(&disk, MIB, false, mode_of(state));
	uint8_t a[4096], b[4096], c[512];
	memset(a, 0x5a, sizeof a);
	assert_int_equal(rw(&disk, BLOCK_WRITE, 8192, a, sizeof a), 0);
	struct iovec parts[] = {{b, 1000}, {b + 1000, 3096}};
	assert_int_equal(run(&disk, BLOCK_READ, 0, 8192, 4096, parts, 2), 0);
	assert_memory_equal(a, b, sizeof a);
	assert_int_equal(pread(disk.fd, c, 512, 8192 + 4096 - 512), 512);
	assert_memory_equal(a, c, 512);
	assert_int_equal(run(&disk, BLOCK_FLUSH, 0, 0, 0, NULL, 0), 0);
	assert_int_equal(run(&disk, BLOCK_WRITE, BLOCK_FUA, 0, 4096, &(struct iovec){a, 4096}, 1),
			 0);
	if (mode_of(state) == AIO_SYNCHRONOUS)
		assert_false(aio_is_async(disk.aio));
	disk_close(&disk);
}

static void raw_refuses_what_lies_outside(void **state)
{
	struct disk disk;
	disk_open(&disk, MIB, false, mode_of(state));
	uint8_t a[1024] = {0};
	assert_int_equal(rw(&disk, BLOCK_READ, MIB - 512, a, 1024), -EINVAL);
	assert_int_equal(rw(&disk, BLOCK_WRITE, UINT64_MAX - 511, a, 1024), -EINVAL);
	assert_int_equal(run(&disk, BLOCK_DISCARD, 0, MIB, 512, NULL, 0), -EINVAL);
	assert_int_equal(rw(&disk, BLOCK_READ, MIB - 1024, a, 1024), 0);
	assert_int_equal(run(&disk, BLOCK_READ, 0, 0, 0, NULL, 0), 0);
	disk_close(&disk);
}

static void raw_refuses_writes_to_a_read_only_disk(void **state)
{
	struct disk disk;
	disk_open(&disk, MIB, true, mode_of(state));
	uint8_t a[512] = {0};
	assert_int_equal(rw(&disk, BLOCK_WRITE, 0, a, 512), -EROFS);
	assert_int_equal(run(&disk, BLOCK_ZERO, 0, 0, 512, NULL, 0), -EROFS);
	assert_int_equal(rw(&disk, BLOCK_READ, 0, a, 512), 0);
	assert_false(disk.block->can_discard);
	disk_close(&disk);
}

static void raw_rounds_an_odd_size_up(void **state)
{
	struct disk disk;
	disk_open(&disk, 1000, false, mode_of(state));
	assert_int_equal(disk.block->size_bytes, 1024);
	uint8_t a[1024], x = 7;
	assert_int_equal(pwrite(disk.fd, &x, 1, 999), 1);
	memset(a, 0xff, sizeof a);
	assert_int_equal(rw(&disk, BLOCK_READ, 0, a, 1024), 0);
	assert_int_equal(a[999], 7);
	for (int i = 1000; i < 1024; i++)
		assert_int_equal(a[i], 0);
	memset(a, 0x11, sizeof a);
	assert_int_equal(rw(&disk, BLOCK_WRITE, 512, a, 512), 0);
	assert_int_equal(lseek(disk.fd, 0, SEEK_END), 1024);
	disk_close(&disk);
}

static void raw_says_so_when_the_file_was_cut(void **state)
{
	struct disk disk;
	disk_open(&disk, MIB, false, mode_of(state));
	uint8_t a[2048];
	assert_int_equal(ftruncate(disk.fd, 5000), 0);
	assert_int_equal(rw(&disk, BLOCK_READ, 4096, a, 2048), -EIO);
	assert_int_equal(rw(&disk, BLOCK_READ, 2048, a, 2048), 0);
	disk_close(&disk);
}

static bool all_are(const uint8_t *p, size_t n, uint8_t value)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != value)
			return false;
	return true;
}

static void raw_makes_holes_and_zeroes(void **state)
{
	struct disk disk;
	struct stat before, after;
	disk_open(&disk, MIB, false, mode_of(state));
	uint8_t *a = malloc(MIB);
	memset(a, 0x77, MIB);
	assert_int_equal(rw(&disk, BLOCK_WRITE, 0, a, MIB), 0);
	assert_true(disk.block->can_discard);
	fstat(disk.fd, &before);
	assert_int_equal(run(&disk, BLOCK_DISCARD, 0, 0, MIB / 2, NULL, 0), 0);
	fstat(disk.fd, &after);
	assert_true(after.st_blocks < before.st_blocks);
	/* tmpfs cannot ZERO_RANGE: this one is written */
	assert_int_equal(run(&disk, BLOCK_ZERO, BLOCK_FUA, MIB / 2, 300 * 512, NULL, 0), 0);
	assert_int_equal(run(&disk, BLOCK_ZERO, BLOCK_UNMAP, MIB - 8192, 4096, NULL, 0), 0);
	assert_int_equal(rw(&disk, BLOCK_READ, 0, a, MIB), 0);
	assert_true(all_are(a, MIB / 2 + 300 * 512, 0));
	assert_int_equal(a[MIB / 2 + 300 * 512], 0x77);
	assert_true(all_are(a + MIB - 8192, 4096, 0));
	assert_int_equal(a[MIB - 1], 0x77);
	free(a);
	disk_close(&disk);
}

/* A file size limit makes the kernel write a part, and refuse the rest. */
static void raw_resumes_a_short_write_and_tells_its_end(void **state)
{
	struct rlimit old, limit;
	struct disk disk;
	disk_open(&disk, 64 * 1024, false, mode_of(state));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_IGN);
	limit = (struct rlimit){6000, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	uint8_t a[8192];
	memset(a, 0x42, sizeof a);
	struct iovec parts[] = {{a, 100}, {a + 100, 0}, {a + 100, 8092}};
	int result = run(&disk, BLOCK_WRITE, 0, 0, sizeof a, parts, 3);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(result, -EFBIG);
	uint8_t b[6000];
	assert_int_equal(pread(disk.fd, b, sizeof b, 0), sizeof b);
	assert_true(all_are(b, sizeof b, 0x42));
	disk_close(&disk);
}

static void raw_runs_more_requests_than_rings_hold(void **state)
{
	enum { N = 500 };
	struct disk disk;
	static struct request r[N];
	static uint8_t data[N][512];
	struct iovec iov[N];
	disk_open(&disk, N * 512, false, mode_of(state));
	for (int i = 0; i < N; i++) {
		memset(data[i], i, 512);
		iov[i] = (struct iovec){data[i], 512};
		r[i] = (struct request){.req = {.op = BLOCK_WRITE,
						.offset = i * 512,
						.len = 512,
						.iov = &iov[i],
						.n_iov = 1,
						.done = on_done}};
		block_submit(disk.block, disk.aio, &r[i].req);
	}
	aio_drain(disk.aio);
	for (int i = 0; i < N; i++) {
		uint8_t byte;
		assert_int_equal(r[i].n_done, 1);
		assert_int_equal(r[i].result, 0);
		assert_int_equal(pread(disk.fd, &byte, 1, i * 512 + 511), 1);
		assert_int_equal(byte, (uint8_t)i);
	}
	disk_close(&disk);
}

/* ---- without a mode
 * ------------------------------------------------------------------------------- */

static void raw_refuses_what_is_no_image(void **state)
{
	(void)state;
	struct block *block = NULL;
	struct hv_error err;
	int pipe_fd[2], empty = memory_file(0);
	assert_int_equal(pipe(pipe_fd), 0);
	assert_int_equal(block_raw_new(&block, pipe_fd[0], true, &err), -HV_FAILED);
	assert_string_equal(err.message, "image is neither a file nor a block device");
	assert_int_equal(block_raw_new(&block, empty, false, &err), -HV_FAILED);
	assert_string_equal(err.message, "image is empty");
	int fd = memory_file(4096);
	char path[32];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int reader = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(block_raw_new(&block, reader, false, &err), -HV_DENIED);
	assert_true(err.hint[0]);
	assert_null(block);
	close(reader);
	close(fd);
	close(empty);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* As container run-times and some distributions do: the call fails, wherever it comes from. */
static void forbid(int number)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(2);
}

/* In a process of its own, since a filter stays for life. */
static int write_where_forbidden(int number)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct disk disk;
		uint8_t a[512] = {0x61}, b[512];
		disk_open(&disk, MIB, false, AIO_AUTO);
		forbid(number);
		bool ok = rw(&disk, BLOCK_WRITE, 512, a, 512) == 0 &&
			  rw(&disk, BLOCK_READ, 512, b, 512) == 0 && !aio_is_async(disk.aio);
		_exit(ok && memcmp(a, b, 512) == 0 ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void aio_does_without_io_uring_where_it_is_forbidden(void **state)
{
	(void)state;
	assert_int_equal(write_where_forbidden(SYS_io_uring_setup), 0);
	assert_int_equal(write_where_forbidden(SYS_io_uring_enter), 0);
}

struct on_thread {
	struct iothread thread;
	struct disk disk;
	struct request r;
	uint8_t data[4096];
	struct iovec iov;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int batches;
};

static void batch_ended(void *ctx)
{
	struct on_thread *t = ctx;
	pthread_mutex_lock(&t->lock);
	t->batches += t->r.n_done;
	pthread_cond_signal(&t->cond);
	pthread_mutex_unlock(&t->lock);
}

static void start_request(void *ctx)
{
	struct on_thread *t = ctx;
	t->iov = (struct iovec){t->data, sizeof t->data};
	t->r = (struct request){.req = {.op = BLOCK_FLUSH, .done = on_done}};
	block_submit(t->disk.block, t->disk.aio, &t->r.req);
	aio_flush(t->disk.aio);
	if (t->r.n_done) /* it needed no waiting */
		batch_ended(t);
}

static void aio_finishes_by_the_loop_of_its_thread(void **state)
{
	(void)state;
	struct on_thread t = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
	struct hv_error err;
	assert_int_equal(iothread_init(&t.thread, "aio", &err), 0);
	assert_int_equal(iothread_start(&t.thread, &err), 0);
	t.disk.fd = memory_file(MIB);
	assert_int_equal(block_raw_new(&t.disk.block, dup(t.disk.fd), false, &err), 0);
	assert_int_equal(aio_new(&t.disk.aio, &t.thread.loop, AIO_AUTO, &err), 0);
	aio_set_after_batch(t.disk.aio, batch_ended, &t);
	iothread_call(&t.thread, start_request, &t);
	pthread_mutex_lock(&t.lock);
	while (!t.batches)
		pthread_cond_wait(&t.cond, &t.lock);
	pthread_mutex_unlock(&t.lock);
	assert_int_equal(t.r.result, 0);
	iothread_stop(&t.thread);
	disk_close(&t.disk);
}

static enum aio_mode modes[] = {AIO_AUTO, AIO_SYNCHRONOUS};
#define BOTH(f)                                                                                    \
	{#f " (io_uring)", f, NULL, NULL, &modes[0]},                                              \
	{                                                                                          \
#f " (synchronous)", f, NULL, NULL, &modes[1]                                      \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(raw_reads_what_was_written),
		BOTH(raw_refuses_what_lies_outside),
		BOTH(raw_refuses_writes_to_a_read_only_disk),
		BOTH(raw_rounds_an_odd_size_up),
		BOTH(raw_says_so_when_the_file_was_cut),
		BOTH(raw_makes_holes_and_zeroes),
		BOTH(raw_resumes_a_short_write_and_tells_its_end),
		BOTH(raw_runs_more_requests_than_rings_hold),
		cmocka_unit_test(raw_refuses_what_is_no_image),
		cmocka_unit_test(aio_does_without_io_uring_where_it_is_forbidden),
		cmocka_unit_test(aio_finishes_by_the_loop_of_its_thread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
