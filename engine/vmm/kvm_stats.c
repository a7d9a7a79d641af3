/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * KVM's statistics descriptors (Linux virt/kvm/api.rst, 4.133): header, descriptors with names, and
 * the values. Histograms are left out; what a kernel does not report is simply not there.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/vmm/kvm.h"
#include "engine/vmm/machine.h"

#define NAME_MAX_BYTES 256
#define DESCRIPTORS_MAX 1024

static int failed(struct hv_error *err)
{
	return hv_fail(err, HV_FAILED, errno, "reading KVM's statistics");
}

static bool is_plain(const struct kvm_stats_desc *desc)
{
	unsigned type = desc->flags & KVM_STATS_TYPE_MASK;
	return desc->size == 1 && (type == KVM_STATS_TYPE_CUMULATIVE ||
				   type == KVM_STATS_TYPE_INSTANT || type == KVM_STATS_TYPE_PEAK);
}

static int collect(int fd, const struct kvm_stats_header *header, const uint8_t *descs,
		   struct machine_stat *stats, int n_max, struct hv_error *err)
{
	size_t step = sizeof(struct kvm_stats_desc) + header->name_size;
	int n = 0;
	for (uint32_t i = 0; i < header->num_desc && n < n_max; i++) {
		struct kvm_stats_desc desc;
		const char *name = (const char *)descs + i * step + sizeof desc;
		memcpy(&desc, descs + i * step, sizeof desc);
		size_t name_len = strnlen(name, header->name_size);
		if (!is_plain(&desc) || name_len >= sizeof stats->name)
			continue;
		struct machine_stat *stat = &stats[n];
		if (pread(fd, &stat->value, sizeof stat->value,
			  header->data_offset + desc.offset) != sizeof stat->value)
			return failed(err);
		memcpy(stat->name, name, name_len);
		stat->name[name_len] = '\0';
		n++;
	}
	return n;
}

int kvm_stats_read(int fd, struct machine_stat *stats, int n_max, struct hv_error *err)
{
	struct kvm_stats_header header;
	if (fd < 0)
		return 0;
	if (pread(fd, &header, sizeof header, 0) != sizeof header ||
	    header.num_desc > DESCRIPTORS_MAX || header.name_size > NAME_MAX_BYTES)
		return failed(err);
	size_t len = header.num_desc * (sizeof(struct kvm_stats_desc) + header.name_size);
	uint8_t *descs = malloc(len);
	if (!descs)
		return hv_fail(err, HV_FAILED, ENOMEM, "reading KVM's statistics");
	int n = pread(fd, descs, len, header.desc_offset) == (ssize_t)len
			? collect(fd, &header, descs, stats, n_max, err)
			: failed(err);
	free(descs);
	return n;
}
