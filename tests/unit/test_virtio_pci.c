/* SPDX-License-Identifier: GPL-3.0-or-later */
/* virtio over PCI as a driver sees it, good or bad; virtio-rng is the device behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "engine/devices/virtio_balloon.h"
#include "engine/devices/virtio_rng.h"
#include "engine/virtio/virtio_pci.h"
#include "engine/vmm/layout.h"
#include "tests/unit/fake_machine.h"

#define REG(name) VIRTIO_PCI_COMMON_##name
#define SIZE 8

struct fixture {
	struct fake_machine m;
	struct pci_bus bus;
	struct device *device;
	struct virtio_pci *vp;
	struct virtio_dev *dev;
	uint64_t bar;
	struct driver_vq q; /* its rings; set up through the BAR */
};

static uint64_t ecam(unsigned slot, unsigned offset)
{
	return LAYOUT_ECAM + (slot << 15) + offset;
}

static uint64_t peek(struct fixture *f, uint64_t gpa, unsigned size)
{
	uint64_t value;
	bus_read(&f->m.mmio, gpa, size, &value);
	return value;
}

static void poke(struct fixture *f, uint64_t gpa, unsigned size, uint64_t value)
{
	bus_write(&f->m.mmio, gpa, size, value);
}

static struct fixture *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct hv_error err;
	fake_machine_init(&f->m, 0);
	assert_int_equal(pci_bus_init(&f->bus, &f->m.env, &err), 0);
	assert_int_equal(virtio_rng_new(&f->dev, &f->m.env, "rng0", &err), 0);
	assert_int_equal(virtio_pci_new(&f->device, &f->bus, f->dev, &err), 0);
	f->vp = (struct virtio_pci *)f->device;
	poke(f, ecam(1, PCI_COMMAND), 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	f->bar = f->vp->fn.bars[0].base;
	return f;
}

static void fixture_free(struct fixture *f)
{
	f->device->ops->free(f->device);
	pci_bus_fini(&f->bus);
	assert_int_equal(f->m.wiring.n_doorbells, 0);
	assert_int_equal(f->m.wiring.n_msis, 0);
	assert_int_equal(f->m.mmio.n_ranges, 0);
	fake_machine_fini(&f->m);
	free(f);
}

static int set_up(void **state)
{
	*state = fixture_new();
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	return 0;
}

static uint64_t common(struct fixture *f, unsigned reg, unsigned size)
{
	return peek(f, f->bar + reg, size);
}

static void set_common(struct fixture *f, unsigned reg, unsigned size, uint64_t value)
{
	poke(f, f->bar + reg, size, value);
}

static uint8_t status(struct fixture *f)
{
	return (uint8_t)common(f, REG(STATUS), 1);
}

static void set_status(struct fixture *f, uint8_t value)
{
	set_common(f, REG(STATUS), 1, value);
}

static void negotiate(struct fixture *f)
{
	set_status(f, 1);
	set_status(f, 3);
	set_common(f, REG(GFSELECT), 4, 1);
	set_common(f, REG(GF), 4, 1); /* VERSION_1 */
	set_status(f, 11);
	assert_int_equal(status(f), 11);
}

static void set_up_queue(struct fixture *f, uint16_t size)
{
	struct vq scratch;
	/* takes the rings' memory; the queue itself is set up below, as a driver does it */
	driver_vq_bind(&f->q, &f->m, &scratch, size);
	f->q.vq = &f->dev->queues[0];
	set_common(f, REG(Q_SELECT), 2, 0);
	set_common(f, REG(Q_SIZE), 2, size);
	set_common(f, REG(Q_MSIX), 2, 1);
	set_common(f, REG(Q_DESCLO), 4, f->q.desc_gpa);
	set_common(f, REG(Q_DESCHI), 4, 0);
	set_common(f, REG(Q_AVAILLO), 8, f->q.avail_gpa);
	set_common(f, REG(Q_USEDLO), 8, f->q.used_gpa);
	set_common(f, REG(Q_ENABLE), 2, 1);
}

static void enable_msix(struct fixture *f)
{
	for (unsigned v = 0; v < 2; v++) {
		poke(f, f->bar + 0x4000 + 16 * v, 8, 0xfee00000);
		poke(f, f->bar + 0x4008 + 16 * v, 8, 0x40 + v);
	}
	poke(f, ecam(1, f->vp->fn.msix_cap + PCI_MSIX_FLAGS), 2, PCI_MSIX_FLAGS_ENABLE);
	set_common(f, REG(MSIX), 2, 0);
}

static void bring_up(struct fixture *f)
{
	negotiate(f);
	enable_msix(f);
	set_up_queue(f, SIZE);
	set_status(f, 15);
	assert_int_equal(status(f), 15);
}

static bool fired(struct fixture *f, unsigned vector)
{
	eventfd_t count;
	int fd = f->vp->fn.vectors[vector].msi.fd;
	return fd >= 0 && eventfd_read(fd, &count) == 0;
}

static uint64_t add_buffer(struct fixture *f, uint32_t len)
{
	uint64_t gpa = fake_alloc(&f->m, len, 64);
	driver_add(&f->q, &(struct driver_part){gpa, len, true}, 1);
	return gpa;
}

static bool is_random(struct fixture *f, uint64_t gpa, size_t len)
{
	const uint8_t *bytes = fake_ptr(&f->m, gpa, len);
	size_t zeros = 0;
	for (size_t i = 0; i < len; i++)
		zeros += bytes[i] == 0;
	return zeros < len / 4;
}

/* ---- a good driver ------------------------------------------------------------------------------ */

/* Finds a capability of virtio's; 0 if it is not there. */
static unsigned find_cap(struct fixture *f, uint8_t type)
{
	unsigned at = (unsigned)peek(f, ecam(1, PCI_CAPABILITY_LIST), 1);
	while (at &&
	       !(peek(f, ecam(1, at), 1) == PCI_CAP_ID_VNDR && peek(f, ecam(1, at + 3), 1) == type))
		at = (unsigned)peek(f, ecam(1, at + 1), 1);
	return at;
}

static void virtio_pci_describes_itself(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(peek(f, ecam(1, 0), 4), 0x10441af4);
	assert_int_equal(peek(f, ecam(1, PCI_REVISION_ID), 1), 1);
	unsigned cap = find_cap(f, VIRTIO_PCI_CAP_NOTIFY_CFG);
	assert_int_equal(peek(f, ecam(1, cap + 2), 1), 20);
	assert_int_equal(peek(f, ecam(1, cap + 8), 4), 0x3000);
	assert_int_equal(peek(f, ecam(1, cap + 16), 4), 4);
	assert_int_not_equal(find_cap(f, VIRTIO_PCI_CAP_COMMON_CFG), 0);
	assert_int_not_equal(find_cap(f, VIRTIO_PCI_CAP_ISR_CFG), 0);
	assert_int_not_equal(find_cap(f, VIRTIO_PCI_CAP_PCI_CFG), 0);
	assert_int_equal(find_cap(f, VIRTIO_PCI_CAP_DEVICE_CFG), 0); /* rng has none */
	assert_int_equal(common(f, REG(NUMQ), 2), 1);
	assert_int_equal(common(f, REG(Q_SIZE), 2), 64);
	set_common(f, REG(Q_SELECT), 2, 1);
	assert_int_equal(common(f, REG(Q_SIZE), 2), 0);
}

static void virtio_pci_offers_features_by_words(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(common(f, REG(DF), 4), 1u << 28 | 1u << 29);
	set_common(f, REG(DFSELECT), 4, 1);
	assert_int_equal(common(f, REG(DF), 4), 1);
	set_common(f, REG(DFSELECT), 4, 2);
	assert_int_equal(common(f, REG(DF), 4), 0);
	set_common(f, REG(DFSELECT), 4, 0xffffffff);
	assert_int_equal(common(f, REG(DF), 4), 0);
}

static void virtio_pci_serves_a_request_from_doorbell_to_vector(void **state)
{
	struct fixture *f = *state;
	uint32_t id, len;
	bring_up(f);
	uint64_t gpa = add_buffer(f, 256);
	assert_true(fake_doorbell(&f->m, f->bar + 0x3000));
	assert_true(driver_wait(&f->q, &id, &len));
	assert_int_equal(len, 256);
	assert_true(is_random(f, gpa, 256));
	assert_true(fired(f, 1));
	assert_false(fired(f, 0));
}

static void virtio_pci_takes_kicks_by_exits_too(void **state)
{
	struct fixture *f = *state;
	bring_up(f);
	add_buffer(f, 16);
	poke(f, f->bar + 0x3000, 2, 0);
	assert_true(driver_wait(&f->q, NULL, NULL));
	poke(f, f->bar + 0x3004, 2, 1); /* no such queue */
}

static void virtio_pci_serves_what_was_there_before_driver_ok(void **state)
{
	struct fixture *f = *state;
	negotiate(f);
	set_up_queue(f, SIZE);
	add_buffer(f, 16);
	poke(f, f->bar + 0x3000, 2, 0);
	fake_run(&f->m, 5);
	assert_false(driver_take(&f->q, NULL, NULL));
	set_status(f, 15);
	assert_true(driver_wait(&f->q, NULL, NULL));
}

static void virtio_pci_without_msix_tells_by_isr(void **state)
{
	struct fixture *f = *state;
	negotiate(f);
	set_up_queue(f, SIZE);
	set_status(f, 15);
	add_buffer(f, 16);
	driver_kick(&f->q);
	assert_true(driver_wait(&f->q, NULL, NULL));
	assert_int_equal(peek(f, f->bar + 0x1000, 1), 1);
	assert_int_equal(peek(f, f->bar + 0x1000, 1), 0);
	virtio_config_changed(f->dev);
	assert_int_equal(common(f, REG(CFGGENERATION), 1), 1);
	assert_int_equal(peek(f, f->bar + 0x1000, 1), 2);
}

static void virtio_pci_doorbells_follow_the_bar(void **state)
{
	struct fixture *f = *state;
	uint64_t old = f->bar, new = LAYOUT_PCI_WINDOW + 0x4000000;
	bring_up(f);
	poke(f, ecam(1, PCI_BASE_ADDRESS_0), 4, new);
	assert_false(fake_doorbell(&f->m, old + 0x3000));
	f->bar = new;
	assert_int_equal(status(f), 15);
	add_buffer(f, 16);
	assert_true(fake_doorbell(&f->m, new + 0x3000));
	assert_true(driver_wait(&f->q, NULL, NULL));
	poke(f, ecam(1, PCI_COMMAND), 2, 0);
	assert_int_equal(f->m.wiring.n_doorbells, 0);
}

static void virtio_pci_window_reaches_the_registers(void **state)
{
	struct fixture *f = *state;
	unsigned cap = find_cap(f, VIRTIO_PCI_CAP_PCI_CFG);
	poke(f, ecam(1, cap + 8), 4, REG(NUMQ));
	poke(f, ecam(1, cap + 12), 4, 2);
	assert_int_equal(peek(f, ecam(1, cap + 16), 2), 1);
	poke(f, ecam(1, cap + 8), 4, REG(STATUS));
	poke(f, ecam(1, cap + 12), 4, 1);
	poke(f, ecam(1, cap + 16), 1, 1);
	assert_int_equal(status(f), 1);
	poke(f, ecam(1, cap + 16), 1, 0);
	assert_int_equal(status(f), 0);
	/* aimed elsewhere it does nothing */
	static const uint32_t offsets[] = {0x8000, 0x7ffe, 0xffffffff, 2};
	for (unsigned i = 0; i < 4; i++) {
		poke(f, ecam(1, cap + 8), 4, offsets[i]);
		poke(f, ecam(1, cap + 12), 4, 4);
		poke(f, ecam(1, cap + 16), 4, 0xffffffff);
		peek(f, ecam(1, cap + 16), 4);
	}
	poke(f, ecam(1, cap + 8), 4, 0);
	poke(f, ecam(1, cap + 12), 4, 3);
	poke(f, ecam(1, cap + 4), 1, 1);
	poke(f, ecam(1, cap + 16), 4, 0xffffffff);
	assert_int_equal(status(f), 0);
}

static void virtio_pci_reset_forgets_everything(void **state)
{
	struct fixture *f = *state;
	bring_up(f);
	add_buffer(f, 16);
	set_status(f, 0);
	assert_int_equal(status(f), 0);
	fake_run(&f->m, 5);
	assert_false(driver_take(&f->q, NULL, NULL));
	set_common(f, REG(Q_SELECT), 2, 0);
	assert_int_equal(common(f, REG(Q_ENABLE), 2), 0);
	assert_int_equal(common(f, REG(Q_SIZE), 2), 64);
	assert_int_equal(common(f, REG(Q_DESCLO), 4), 0);
	assert_int_equal(common(f, REG(Q_MSIX), 2), 0xffff);
	assert_int_equal(common(f, REG(MSIX), 2), 0xffff);
	set_common(f, REG(GFSELECT), 4, 1);
	assert_int_equal(common(f, REG(GF), 4), 0);
	bring_up(f);
	add_buffer(f, 16);
	driver_kick(&f->q);
	assert_true(driver_wait(&f->q, NULL, NULL));
}

static void virtio_pci_refuses_vectors_that_are_not_there(void **state)
{
	struct fixture *f = *state;
	set_common(f, REG(MSIX), 2, 2);
	assert_int_equal(common(f, REG(MSIX), 2), 0xffff);
	set_common(f, REG(MSIX), 2, 1);
	assert_int_equal(common(f, REG(MSIX), 2), 1);
	set_common(f, REG(Q_MSIX), 2, 77);
	assert_int_equal(common(f, REG(Q_MSIX), 2), 0xffff);
}

/* ---- bad drivers -------------------------------------------------------------------------------- */

static void virtio_pci_refuses_features_not_offered(void **state)
{
	struct fixture *f = *state;
	set_status(f, 3);
	set_common(f, REG(GFSELECT), 4, 0);
	set_common(f, REG(GF), 4, 1u << 5);
	set_common(f, REG(GFSELECT), 4, 1);
	set_common(f, REG(GF), 4, 1);
	set_status(f, 11);
	assert_int_equal(status(f), 3);
	set_common(f, REG(GFSELECT), 4, 0);
	set_common(f, REG(GF), 4, 0);
	set_status(f, 11);
	assert_int_equal(status(f), 11);
}

static void virtio_pci_refuses_drivers_without_version_1(void **state)
{
	struct fixture *f = *state;
	set_status(f, 3);
	set_status(f, 11);
	assert_int_equal(status(f), 3);
}

static void needs_reset(struct fixture *f)
{
	assert_true(status(f) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_false(f->dev->active && f->dev->queues[0].live && !f->dev->queues[0].broken &&
		     !(f->dev->status & VIRTIO_CONFIG_S_DRIVER_OK));
	set_status(f, 0);
	assert_int_equal(status(f), 0);
}

static void virtio_pci_answers_bad_status_writes(void **state)
{
	struct fixture *f = *state;
	static const uint8_t bad[][2] = {{0, 4},  {0, 8},  {0, 2},           {0, 0x10}, {0, 0x20},
					 {3, 1},  {3, 7},  {11, 3},          {11, 13},  {1, 0xff},
					 {3, 15}, {0, 15}, {11, 0x8b | 0x10}};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (bad[i][0] == 11)
			negotiate(f);
		else if (bad[i][0])
			set_status(f, bad[i][0]);
		set_status(f, bad[i][1]);
		needs_reset(f);
	}
}

static void virtio_pci_answers_bad_queue_sizes(void **state)
{
	struct fixture *f = *state;
	static const uint16_t bad[] = {0, 3, 65, 128, 0x8000, 0xffff};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		negotiate(f);
		set_common(f, REG(Q_SIZE), 2, bad[i]);
		assert_int_equal(common(f, REG(Q_SIZE), 2), 64);
		needs_reset(f);
	}
}

static void virtio_pci_answers_rings_outside_of_memory(void **state)
{
	struct fixture *f = *state;
	negotiate(f);
	enable_msix(f);
	set_up_queue(f, SIZE);
	set_status(f, 0);
	negotiate(f);
	enable_msix(f);
	set_common(f, REG(Q_DESCLO), 8, 0xfffffffffffff000);
	set_common(f, REG(Q_AVAILLO), 8, 0x1000);
	set_common(f, REG(Q_USEDLO), 8, 0x2000);
	set_common(f, REG(Q_ENABLE), 2, 1);
	set_status(f, 15);
	assert_false(f->dev->active);
	assert_true(fired(f, 0)); /* the configuration interrupt */
	needs_reset(f);
}

static void virtio_pci_answers_a_queue_changed_in_use(void **state)
{
	struct fixture *f = *state;
	bring_up(f);
	set_common(f, REG(Q_SIZE), 2, 16);
	assert_int_equal(common(f, REG(Q_SIZE), 2), SIZE);
	needs_reset(f);
	bring_up(f);
	set_common(f, REG(Q_DESCLO), 4, 0x1000);
	assert_int_equal(common(f, REG(Q_DESCLO), 4), f->q.desc_gpa);
	needs_reset(f);
	set_common(f, REG(Q_ENABLE), 2, 1); /* before FEATURES_OK */
	needs_reset(f);
	bring_up(f);
	set_common(f, REG(GF), 4, 0);
	needs_reset(f);
}

static void virtio_pci_answers_bad_chains(void **state)
{
	struct fixture *f = *state;
	bring_up(f);
	driver_add(&f->q, &(struct driver_part){UINT64_MAX - 15, 16, true}, 1);
	driver_kick(&f->q);
	for (int i = 0; i < 1000 && !(status(f) & VIRTIO_CONFIG_S_NEEDS_RESET); i++)
		fake_run(&f->m, 1);
	assert_int_equal(status(f), 15 | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_true(fired(f, 0));
	/* drivers add bits to what they read */
	set_status(f, status(f) | VIRTIO_CONFIG_S_FAILED);
	assert_int_equal(status(f), 0x80 | 15 | VIRTIO_CONFIG_S_NEEDS_RESET);
	set_status(f, 0);
	bring_up(f);
	add_buffer(f, 16);
	driver_kick(&f->q);
	assert_true(driver_wait(&f->q, NULL, NULL));
}

static void virtio_pci_serves_reads_of_any_width(void **state)
{
	struct fixture *f = *state;
	for (unsigned offset = 0; offset < 0x1000; offset++) {
		for (unsigned size = 1; size <= 8; size *= 2)
			peek(f, f->bar + offset, size);
	}
	assert_int_equal(common(f, REG(NUMQ) + 1, 1), 0);
	assert_int_equal(common(f, 0x38, 4), 0);
}

/* Several vCPUs at once, each poking at random; the main loop serves meanwhile. */
struct poker {
	pthread_t thread;
	struct fixture *f;
	unsigned seed;
};

static void *poke_around(void *ctx)
{
	struct poker *poker = ctx;
	struct fixture *f = poker->f;
	for (int i = 0; i < 3000; i++) {
		unsigned r = (unsigned)rand_r(&poker->seed);
		unsigned size = 1u << (r >> 3 & 3);
		uint64_t value = (unsigned)rand_r(&poker->seed);
		switch (r & 7) {
		case 0:
			poke(f, ecam(1, r >> 8 & 0xff), size, value);
			break;
		case 1:
			poke(f, f->bar + (r >> 8 & 0x3f), size, value);
			break;
		case 2:
			set_status(f, value & 15);
			break;
		case 3:
			poke(f, f->bar + 0x4000 + (r >> 8 & 0x3f), size, value);
			break;
		case 4:
			peek(f, f->bar + (r >> 8 & 0x7fff), size);
			break;
		case 5:
			set_common(f, REG(Q_ENABLE), 2, 1);
			poke(f, f->bar + 0x3000, 2, 0);
			break;
		case 6:
			poke(f, ecam(1, PCI_BASE_ADDRESS_0), 4, f->bar);
			poke(f, ecam(1, PCI_COMMAND), 2, 6);
			break;
		default:
			set_status(f, 0);
			set_status(f, 3);
			set_common(f, REG(GFSELECT), 4, 1);
			set_common(f, REG(GF), 4, 1);
			set_status(f, 11);
			set_status(f, 15);
		}
	}
	return NULL;
}

static void virtio_pci_survives_vcpus_that_race(void **state)
{
	struct fixture *f = *state;
	struct poker pokers[3];
	for (unsigned i = 0; i < 3; i++) {
		pokers[i] = (struct poker){.f = f, .seed = i + 1};
		assert_int_equal(pthread_create(&pokers[i].thread, NULL, poke_around, &pokers[i]),
				 0);
	}
	for (int i = 0; i < 20; i++) {
		virtio_config_changed(f->dev);
		fake_run(&f->m, 2);
	}
	for (unsigned i = 0; i < 3; i++)
		pthread_join(pokers[i].thread, NULL);
	poke(f, ecam(1, PCI_BASE_ADDRESS_0), 4, f->bar);
	poke(f, ecam(1, PCI_COMMAND), 2, 6);
	set_status(f, 0);
	bring_up(f);
	add_buffer(f, 16);
	driver_kick(&f->q);
	assert_true(driver_wait(&f->q, NULL, NULL));
}

/* ---- state -------------------------------------------------------------------------------------- */

static void virtio_pci_goes_on_from_its_saved_state(void **state)
{
	struct fixture *f = *state, *g = fixture_new();
	struct state_out out;
	struct hv_error err;
	uint32_t id;
	bring_up(f);
	for (int i = 0; i < 3; i++) {
		add_buffer(f, 16);
		driver_kick(&f->q);
		assert_true(driver_wait(&f->q, NULL, NULL));
	}
	assert_int_equal(f->device->ops->pause(f->device, &err), 0);
	/* made available while paused: served by the other side */
	uint64_t gpa = add_buffer(f, 64);
	driver_kick(&f->q);
	fake_run(&f->m, 5);
	assert_false(driver_take(&f->q, NULL, NULL));
	state_out_init(&out);
	assert_int_equal(f->device->ops->save(f->device, &out, &err), 0);

	memcpy(g->m.mem.regions[0].hva, f->m.mem.regions[0].hva, f->m.mem.size_bytes);
	struct state_in in = {out.bytes, out.len, 0};
	assert_int_equal(g->device->ops->load(g->device, &in, &err), 0);
	assert_int_equal(in.pos, in.len);
	g->q = f->q;
	g->q.m = &g->m;
	g->q.vq = &g->dev->queues[0];
	assert_int_equal(status(g), 15);
	fake_run(&g->m, 5);
	assert_false(driver_take(&g->q, NULL, NULL));
	g->device->ops->resume(g->device);
	assert_true(driver_wait(&g->q, &id, NULL));
	assert_int_equal(id, 3);
	assert_true(is_random(g, gpa, 64));
	assert_true(fired(g, 1));
	assert_true(fake_doorbell(&g->m, g->bar + 0x3000));

	/* and what was saved is what would be saved now */
	struct state_out again;
	state_out_init(&again);
	f->device->ops->resume(f->device);
	assert_int_equal(f->device->ops->save(f->device, &again, &err), 0);
	assert_int_equal(again.len, out.len);
	state_out_fini(&again);
	state_out_fini(&out);
	fixture_free(g);
}

static void virtio_pci_refuses_states_it_could_not_reach(void **state)
{
	struct fixture *f = *state;
	struct state_out out;
	struct hv_error err;
	bring_up(f);
	assert_int_equal(f->device->ops->pause(f->device, &err), 0);
	state_out_init(&out);
	assert_int_equal(f->device->ops->save(f->device, &out, &err), 0);
	unsigned refused = 0;
	for (size_t i = 0; i < out.len; i++) {
		struct fixture *g = fixture_new();
		uint8_t was = out.bytes[i];
		out.bytes[i] ^= 0xff;
		struct state_in in = {out.bytes, out.len, 0};
		/* taken or refused: it runs on, and goes away cleanly */
		if (g->device->ops->load(g->device, &in, &err))
			refused++;
		else
			g->device->ops->resume(g->device);
		fake_run(&g->m, 0);
		out.bytes[i] = was;
		fixture_free(g);
	}
	assert_in_range(refused, out.len / 3, out.len);
	state_out_fini(&out);
}

static void virtio_pci_takes_many_devices(void **state)
{
	struct fixture *f = *state;
	struct device *devices[32];
	struct virtio_dev *dev;
	struct hv_error err;
	int n = 0;
	for (;; n++) {
		assert_int_equal(virtio_balloon_new(&dev, &f->m.env, "balloon0", &err), 0);
		if (virtio_pci_new(&devices[n], &f->bus, dev, &err))
			break;
	}
	dev->ops->free(dev);
	assert_int_equal(n, 30);
	while (n--)
		devices[n]->ops->free(devices[n]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(virtio_pci_describes_itself),
		T(virtio_pci_offers_features_by_words),
		T(virtio_pci_serves_a_request_from_doorbell_to_vector),
		T(virtio_pci_takes_kicks_by_exits_too),
		T(virtio_pci_serves_what_was_there_before_driver_ok),
		T(virtio_pci_without_msix_tells_by_isr),
		T(virtio_pci_doorbells_follow_the_bar),
		T(virtio_pci_window_reaches_the_registers),
		T(virtio_pci_reset_forgets_everything),
		T(virtio_pci_refuses_vectors_that_are_not_there),
		T(virtio_pci_refuses_features_not_offered),
		T(virtio_pci_refuses_drivers_without_version_1),
		T(virtio_pci_answers_bad_status_writes),
		T(virtio_pci_answers_bad_queue_sizes),
		T(virtio_pci_answers_rings_outside_of_memory),
		T(virtio_pci_answers_a_queue_changed_in_use),
		T(virtio_pci_answers_bad_chains),
		T(virtio_pci_serves_reads_of_any_width),
		T(virtio_pci_survives_vcpus_that_race),
		T(virtio_pci_goes_on_from_its_saved_state),
		T(virtio_pci_refuses_states_it_could_not_reach),
		T(virtio_pci_takes_many_devices),
	};
	return cmocka_run_group_tests_name("virtio-pci", tests, NULL, NULL);
}
