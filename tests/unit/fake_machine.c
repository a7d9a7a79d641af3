/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine without KVM: see fake_machine.h. Its wiring keeps what it was told and signals nothing. */
#include "tests/unit/fake_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- wiring ------------------------------------------------------------------------------------- */

static struct fake_wiring *fake_of(struct wiring *wiring)
{
	return (struct fake_wiring *)wiring;
}

static int fake_msi_bind(struct wiring *wiring, struct wiring_msi *msi, uint64_t address,
			 uint32_t data, struct hv_error *err)
{
	struct fake_wiring *fake = fake_of(wiring);
	(void)address;
	(void)data;
	int ret = 0;
	pthread_mutex_lock(&fake->lock);
	if (fake->fail_binds) {
		fake->fail_binds--;
		ret = hv_fail(err, HV_LIMIT, 0, "the fake machine has no more interrupts");
	} else {
		if (msi->fd < 0)
			msi->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (msi->gsi < 0)
			msi->gsi = 24 + fake->n_msis++;
		if (!msi->bound)
			fake->n_bound++;
		msi->bound = true;
	}
	pthread_mutex_unlock(&fake->lock);
	return ret;
}

static void fake_msi_unbind(struct wiring *wiring, struct wiring_msi *msi)
{
	struct fake_wiring *fake = fake_of(wiring);
	pthread_mutex_lock(&fake->lock);
	if (msi->bound)
		fake->n_bound--;
	msi->bound = false;
	pthread_mutex_unlock(&fake->lock);
}

static void fake_msi_free(struct wiring *wiring, struct wiring_msi *msi)
{
	struct fake_wiring *fake = fake_of(wiring);
	fake_msi_unbind(wiring, msi);
	pthread_mutex_lock(&fake->lock);
	if (msi->gsi >= 0)
		fake->n_msis--;
	pthread_mutex_unlock(&fake->lock);
	if (msi->fd >= 0)
		close(msi->fd);
	msi->fd = msi->gsi = -1;
}

static int fake_doorbell_add(struct wiring *wiring, uint64_t gpa, int fd, struct hv_error *err)
{
	struct fake_wiring *fake = fake_of(wiring);
	int ret = 0;
	pthread_mutex_lock(&fake->lock);
	for (int i = 0; i < fake->n_doorbells; i++) {
		if (fake->doorbells[i].gpa == gpa)
			ret = hv_fail(err, HV_CONFLICT, 0, "a doorbell is there already");
	}
	if (ret == 0 && fake->n_doorbells == FAKE_DOORBELLS)
		ret = hv_fail(err, HV_LIMIT, 0, "too many doorbells");
	if (ret == 0) {
		fake->doorbells[fake->n_doorbells].gpa = gpa;
		fake->doorbells[fake->n_doorbells++].fd = fd;
	}
	pthread_mutex_unlock(&fake->lock);
	return ret;
}

static void fake_doorbell_remove(struct wiring *wiring, uint64_t gpa, int fd)
{
	struct fake_wiring *fake = fake_of(wiring);
	pthread_mutex_lock(&fake->lock);
	for (int i = 0; i < fake->n_doorbells; i++) {
		if (fake->doorbells[i].gpa == gpa && fake->doorbells[i].fd == fd) {
			fake->doorbells[i] = fake->doorbells[--fake->n_doorbells];
			break;
		}
	}
	pthread_mutex_unlock(&fake->lock);
}

static void fake_line_set(struct wiring *wiring, unsigned pin, bool level)
{
	struct fake_wiring *fake = fake_of(wiring);
	pthread_mutex_lock(&fake->lock);
	if (pin < FAKE_PINS) {
		fake->raised[pin] += level && !fake->lines[pin];
		fake->lines[pin] = level;
	}
	pthread_mutex_unlock(&fake->lock);
}

static const struct wiring_ops fake_wiring_ops = {
	.msi_bind = fake_msi_bind,
	.msi_unbind = fake_msi_unbind,
	.msi_free = fake_msi_free,
	.doorbell_add = fake_doorbell_add,
	.doorbell_remove = fake_doorbell_remove,
	.line_set = fake_line_set,
};

bool fake_doorbell(struct fake_machine *m, uint64_t gpa)
{
	int fd = -1;
	pthread_mutex_lock(&m->wiring.lock);
	for (int i = 0; i < m->wiring.n_doorbells; i++) {
		if (m->wiring.doorbells[i].gpa == gpa)
			fd = m->wiring.doorbells[i].fd;
	}
	pthread_mutex_unlock(&m->wiring.lock);
	return fd >= 0 && eventfd_write(fd, 1) == 0;
}

/* ---- the machine -------------------------------------------------------------------------------- */

static void timer_ready(struct loop_source *source, uint32_t epoll_events)
{
	struct fake_machine *m =
		(struct fake_machine *)((char *)source - offsetof(struct fake_machine, timer));
	uint64_t ticks;
	(void)epoll_events;
	if (read(source->fd, &ticks, sizeof ticks) == sizeof ticks)
		loop_stop(&m->loop);
}

void fake_machine_init(struct fake_machine *m, uint64_t mem_bytes)
{
	struct hv_error err = {0};
	struct gmem_config config = {.size_bytes = mem_bytes ? mem_bytes : 16 << 20};
	memset(m, 0, sizeof *m);
	assert_int_equal(gmem_init(&m->mem, &config, &err), 0);
	bus_init(&m->mmio);
	bus_init(&m->pio);
	assert_int_equal(loop_init(&m->loop, &err), 0);
	m->wiring.wiring.ops = &fake_wiring_ops;
	pthread_mutex_init(&m->wiring.lock, NULL);
	m->env = (struct device_env){&m->mem, &m->mmio, &m->pio, &m->wiring.wiring, &m->loop};
	m->next_gpa = 0x100000;
	m->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	m->timer = (struct loop_source){m->timer_fd, timer_ready};
	assert_int_equal(loop_add(&m->loop, &m->timer, EPOLLIN, &err), 0);
}

void fake_machine_fini(struct fake_machine *m)
{
	for (int i = 0; i < m->mem.n_regions; i++) {
		free(m->mem.dirty[i]);
		m->mem.dirty[i] = NULL;
	}
	loop_remove(&m->loop, &m->timer);
	close(m->timer_fd);
	loop_fini(&m->loop);
	bus_fini(&m->mmio);
	bus_fini(&m->pio);
	pthread_mutex_destroy(&m->wiring.lock);
	gmem_fini(&m->mem);
}

uint64_t fake_alloc(struct fake_machine *m, uint64_t len, uint64_t align)
{
	uint64_t gpa = (m->next_gpa + align - 1) / align * align;
	assert_non_null(gmem_ptr(&m->mem, gpa, len));
	m->next_gpa = gpa + len;
	return gpa;
}

void *fake_ptr(struct fake_machine *m, uint64_t gpa, size_t len)
{
	void *hva = gmem_ptr(&m->mem, gpa, len);
	assert_non_null(hva);
	return hva;
}

void fake_run(struct fake_machine *m, unsigned ms)
{
	struct itimerspec when = {.it_value = {ms / 1000, ms % 1000 * 1000000L + 1}};
	timerfd_settime(m->timer_fd, 0, &when, NULL);
	loop_run(&m->loop);
}

void fake_dirty_start(struct fake_machine *m)
{
	for (int i = 0; i < m->mem.n_regions; i++) {
		free(m->mem.dirty[i]);
		m->mem.dirty[i] = calloc(m->mem.regions[i].len / 4096 / 64 + 1, 8);
		assert_non_null(m->mem.dirty[i]);
	}
}

bool fake_is_dirty(struct fake_machine *m, uint64_t gpa)
{
	for (int i = 0; i < m->mem.n_regions; i++) {
		uint64_t page = (gpa - m->mem.regions[i].gpa) / 4096;
		if (gpa >= m->mem.regions[i].gpa && page < m->mem.regions[i].len / 4096)
			return m->mem.dirty[i][page / 64] >> page % 64 & 1;
	}
	return false;
}
