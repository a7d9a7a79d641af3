/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-pci 1.x: the capability walk, the status state machine, features, queues, MSI-X. Each
 * device has one vector for configuration changes and one per queue, as far as vectors reach.
 */
#include "tests/guest/virtio.h"
#include "engine/vmm/layout.h"
#include "tests/guest/acpi.h"
#include "tests/guest/boot.h"
#include "tests/guest/clock.h"
#include "tests/guest/cpu.h"
#include "tests/guest/io.h"
#include "tests/guest/mem.h"
#include "tests/guest/shell.h"
#include "tests/guest/text.h"

#define VENDOR_VIRTIO 0x1af4
#define DEVICE_MODERN 0x1040
#define CAP_COMMON 1
#define CAP_NOTIFY 2
#define CAP_ISR 3
#define CAP_DEVICE 4
#define NO_VECTOR 0xffff
#define LAST_VECTOR 0xef
#define RESET_WAIT_NS 2000000000ull

static struct virtio devices[VIRTIO_DEVICES_MAX];
static int n_devices;
static bool probed;
static unsigned next_vector = VECTOR_DEVICE;

const char *virtio_type_name(uint16_t type)
{
	static const char *const names[] = {
		[VIRTIO_NET] = "net",         [VIRTIO_CONSOLE] = "console", [VIRTIO_RNG] = "rng",
		[VIRTIO_BALLOON] = "balloon", [VIRTIO_SCSI] = "scsi",
	};

	return type < sizeof(names) / sizeof(names[0]) && names[type] ? names[type] : "other";
}

static uint64_t bar_address(const struct virtio *v, uint8_t bar, uint32_t offset)
{
	return v->pci->bars[bar].base + offset;
}

uint64_t virtio_common(const struct virtio *v)
{
	return bar_address(v, v->common.bar, v->common.offset);
}

uint64_t virtio_config(const struct virtio *v)
{
	return bar_address(v, v->config.bar, v->config.offset);
}

static void find_structures(struct virtio *v)
{
	for (unsigned at = 0; (at = pci_find_cap(v->pci, PCI_CAP_VENDOR, at));) {
		uint8_t bar = (uint8_t)pci_read(v->pci, at + 4, 1);
		uint32_t offset = pci_read(v->pci, at + 8, 4), len = pci_read(v->pci, at + 12, 4);
		if (bar >= PCI_BARS)
			continue;
		switch (pci_read(v->pci, at + 3, 1)) {
		case CAP_COMMON:
			v->common.bar = bar, v->common.offset = offset, v->common.len = len;
			break;
		case CAP_NOTIFY:
			v->notify.bar = bar, v->notify.offset = offset, v->notify.len = len;
			v->notify_multiplier = pci_read(v->pci, at + 16, 4);
			break;
		case CAP_ISR:
			v->isr.bar = bar, v->isr.offset = offset, v->isr.len = len;
			break;
		case CAP_DEVICE:
			v->config.bar = bar, v->config.offset = offset, v->config.len = len;
			break;
		}
	}
	unsigned msix = pci_find_cap(v->pci, PCI_CAP_MSIX, 0);
	if (!msix)
		return;
	uint32_t table = pci_read(v->pci, msix + 4, 4);
	v->n_msix = (uint16_t)((pci_read(v->pci, msix + 2, 2) & 0x7ff) + 1);
	v->msix_table.bar = table & 7;
	v->msix_table.offset = table & ~7u;
}

/* Some devices count anew when features are agreed on. */
static void count_queues(struct virtio *v)
{
	v->n_queues = mmio_read16(virtio_common(v) + COMMON_NUM_QUEUES);
	if (v->n_queues > VIRTIO_QUEUES_MAX)
		v->n_queues = VIRTIO_QUEUES_MAX;
}

static void take_vectors(struct virtio *v)
{
	unsigned n = v->n_msix;

	if (next_vector + n > LAST_VECTOR + 1)
		n = LAST_VECTOR + 1 - next_vector; /* the rest share the last */
	v->vector = (uint8_t)(n ? next_vector : LAST_VECTOR);
	v->n_vectors = (uint8_t)(n ? n : 1);
	next_vector += n;
}

int virtio_probe(void)
{
	if (probed)
		return n_devices;
	probed = true;
	pci_probe();
	for (int i = 0; i < pci_n_devices && n_devices < VIRTIO_DEVICES_MAX; i++) {
		struct pci_device *pci = &pci_devices[i];
		if (pci->vendor != VENDOR_VIRTIO || pci->device < DEVICE_MODERN ||
		    pci->device > DEVICE_MODERN + 63)
			continue;
		struct virtio *v = &devices[n_devices];
		v->pci = pci;
		v->type = pci->device - DEVICE_MODERN;
		for (int j = 0; j < n_devices; j++)
			v->index += devices[j].type == v->type;
		find_structures(v);
		if (v->common.len < COMMON_LEN)
			continue;
		count_queues(v);
		take_vectors(v);
		n_devices++;
	}
	return n_devices;
}

struct virtio *virtio_device(int n)
{
	return n >= 0 && n < virtio_probe() ? &devices[n] : NULL;
}

struct virtio *virtio_find(uint16_t type, int index)
{
	virtio_probe();
	for (int i = 0; i < n_devices; i++)
		if (devices[i].type == type && devices[i].index == index)
			return &devices[i];
	return NULL;
}

uint8_t virtio_status(const struct virtio *v)
{
	return mmio_read8(virtio_common(v) + COMMON_STATUS);
}

void virtio_set_status(const struct virtio *v, uint8_t status)
{
	mmio_write8(virtio_common(v) + COMMON_STATUS, status);
}

bool virtio_reset(struct virtio *v)
{
	uint64_t until = clock_ns() + RESET_WAIT_NS;

	virtio_set_status(v, 0);
	while (virtio_status(v) != 0)
		if (clock_ns() > until)
			return false;
	return true;
}

static uint64_t read_features(const struct virtio *v)
{
	uint64_t c = virtio_common(v), features;

	mmio_write32(c + COMMON_DEVICE_FEATURE_SELECT, 0);
	features = mmio_read32(c + COMMON_DEVICE_FEATURE);
	mmio_write32(c + COMMON_DEVICE_FEATURE_SELECT, 1);
	return features | (uint64_t)mmio_read32(c + COMMON_DEVICE_FEATURE) << 32;
}

static void write_features(const struct virtio *v, uint64_t features)
{
	uint64_t c = virtio_common(v);

	mmio_write32(c + COMMON_DRIVER_FEATURE_SELECT, 0);
	mmio_write32(c + COMMON_DRIVER_FEATURE, (uint32_t)features);
	mmio_write32(c + COMMON_DRIVER_FEATURE_SELECT, 1);
	mmio_write32(c + COMMON_DRIVER_FEATURE, (uint32_t)(features >> 32));
}

/* The message (SDM 3, 11.11): to that CPU's APIC, edge, vector. */
static void program_msix(struct virtio *v, unsigned entry, uint8_t vector, int cpu)
{
	uint64_t at = bar_address(v, v->msix_table.bar, v->msix_table.offset) + 16 * entry;

	mmio_write32(at, LAYOUT_LAPIC | (uint32_t)acpi.apic_ids[cpu] << 12);
	mmio_write32(at + 4, 0);
	mmio_write32(at + 8, vector);
	mmio_write32(at + 12, 0);
}

static void enable_msix(struct virtio *v)
{
	unsigned cap = pci_find_cap(v->pci, PCI_CAP_MSIX, 0);

	if (!cap)
		return;
	pci_write(v->pci, cap + 2, 2, 0x8000);
	program_msix(v, 0, v->vector, 0);
	mmio_write16(virtio_common(v) + COMMON_MSIX_CONFIG, 0);
	v->config_seen = irq_count[v->vector];
}

int virtio_begin(struct virtio *v, uint64_t wanted)
{
	if (!virtio_reset(v))
		return fail("%s%d: status stays %x after a reset", virtio_type_name(v->type),
			    v->index, virtio_status(v));
	virtio_set_status(v, STATUS_ACKNOWLEDGE);
	virtio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	v->offered = read_features(v);
	if (!(v->offered & F_VERSION_1))
		return fail("%s%d: no VERSION_1", virtio_type_name(v->type), v->index);
	v->features = v->offered & (wanted | F_VERSION_1);
	write_features(v, v->features);
	virtio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	if (!(virtio_status(v) & STATUS_FEATURES_OK))
		return fail("%s%d: refuses features %lx", virtio_type_name(v->type), v->index,
			    v->features);
	count_queues(v);
	enable_msix(v);
	return 0;
}

void virtio_program_queue(struct virtio *v, int index, uint16_t size, uint64_t desc,
			  uint64_t driver, uint64_t device, int enable)
{
	uint64_t c = virtio_common(v);

	mmio_write16(c + COMMON_QUEUE_SELECT, (uint16_t)index);
	mmio_write16(c + COMMON_QUEUE_SIZE, size);
	mmio_write32(c + COMMON_QUEUE_DESC, (uint32_t)desc);
	mmio_write32(c + COMMON_QUEUE_DESC + 4, (uint32_t)(desc >> 32));
	mmio_write32(c + COMMON_QUEUE_DRIVER, (uint32_t)driver);
	mmio_write32(c + COMMON_QUEUE_DRIVER + 4, (uint32_t)(driver >> 32));
	mmio_write32(c + COMMON_QUEUE_DEVICE, (uint32_t)device);
	mmio_write32(c + COMMON_QUEUE_DEVICE + 4, (uint32_t)(device >> 32));
	if (enable)
		mmio_write16(c + COMMON_QUEUE_ENABLE, 1);
}

static struct vring *ring_for(struct virtio *v, int index, unsigned size, unsigned max_parts)
{
	struct vring *r = v->rings[index];

	if (!r || r->size_max < size || r->max_parts < max_parts)
		r = v->rings[index] = vring_new((uint16_t)size, max_parts);
	return r;
}

void virtio_moved(struct virtio *v)
{
	for (int i = 0; i < v->n_queues; i++)
		if (v->rings[i])
			v->rings[i]->notify = bar_address(v, v->notify.bar, v->notify.offset) +
					      v->rings[i]->notify_offset;
}

int virtio_queue(struct virtio *v, int index, unsigned size, unsigned max_parts, int cpu)
{
	uint64_t c = virtio_common(v);
	unsigned slot = index + 1 < v->n_vectors ? index + 1 : v->n_vectors - 1;

	mmio_write16(c + COMMON_QUEUE_SELECT, (uint16_t)index);
	unsigned offered = mmio_read16(c + COMMON_QUEUE_SIZE);
	if (!offered)
		return fail("%s%d: no queue %d", virtio_type_name(v->type), v->index, index);
	if (size > offered)
		size = offered;
	struct vring *r = ring_for(v, index, size, max_parts);
	if (!r)
		return fail("out of memory for queue %d", index);
	vring_reset(r, (uint16_t)size);
	r->index = (uint16_t)index;
	r->indirect = v->features & F_INDIRECT_DESC;
	r->event_idx = v->features & F_EVENT_IDX;
	r->vector = (uint8_t)(v->vector + slot);
	r->notify_offset = mmio_read16(c + COMMON_QUEUE_NOTIFY_OFF) * v->notify_multiplier;
	virtio_moved(v);
	if (slot < v->n_msix) {
		program_msix(v, slot, r->vector, cpu);
		mmio_write16(c + COMMON_QUEUE_VECTOR, (uint16_t)slot);
		if (mmio_read16(c + COMMON_QUEUE_VECTOR) == NO_VECTOR)
			return fail("queue %d: the device takes no vector", index);
	}
	virtio_program_queue(v, index, (uint16_t)size, (uint64_t)r->desc, (uint64_t)r->avail,
			     (uint64_t)r->used, 1);
	return 0;
}

int virtio_go(struct virtio *v)
{
	virtio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK |
				     STATUS_DRIVER_OK);
	uint8_t status = virtio_status(v);
	if (!(status & STATUS_DRIVER_OK) || status & (STATUS_NEEDS_RESET | STATUS_FAILED))
		return fail("%s%d: status %x after DRIVER_OK", virtio_type_name(v->type), v->index,
			    status);
	return 0;
}

bool virtio_config_changed(struct virtio *v)
{
	uint32_t count = irq_count[v->vector];

	if (count == v->config_seen)
		return false;
	v->config_seen = count;
	return true;
}

static int run_virtio(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (!virtio_probe())
		return fail("no virtio devices");
	for (int i = 0; i < n_devices; i++) {
		struct virtio *v = &devices[i];
		print("virtio %d type=%s%d slot=%02x queues=%d vectors=%u status=%x offered=%lx "
		      "features=%lx\n",
		      i, virtio_type_name(v->type), v->index, v->pci->devfn >> 3, v->n_queues,
		      v->n_msix, virtio_status(v), read_features(v), v->features);
		for (int q = 0; q < v->n_queues; q++)
			if (v->rings[q])
				print("virtio %d queue=%d size=%u irqs=%u kicks=%u spared=%u\n", i,
				      q, v->rings[q]->size, irq_count[v->rings[q]->vector],
				      v->rings[q]->kicks, v->rings[q]->kicks_spared);
	}
	return 0;
}

const struct command virtio_commands[] = {
	{"virtio", "", "virtio devices, their queues and interrupts", run_virtio},
	{0},
};
