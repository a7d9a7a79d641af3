/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What this host offers to virtual machines, read from /proc, /sys and /dev; nothing is changed.
 * Each fact carries what to do about what is missing, for `host check`.
 */
#ifndef HV_HOST_FACTS_H
#define HV_HOST_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/model/error.h"

/* HV_PAGING_UNKNOWN: there is a KVM, but its module does not say. */
enum hv_paging {
	HV_PAGING_NONE,
	HV_PAGING_SHADOW,
	HV_PAGING_EPT,
	HV_PAGING_NPT,
	HV_PAGING_UNKNOWN
};
enum hv_vendor { HV_VENDOR_OTHER, HV_VENDOR_INTEL, HV_VENDOR_AMD };
/* What a kernel does not report is HV_NOT_SAID. */
enum hv_answer { HV_NO = 0, HV_YES = 1, HV_NOT_SAID = 2 };

struct hv_host_facts {
	char hostname[65];
	char kernel[65]; /* release */
	char cpu_model[64];
	enum hv_vendor vendor;
	int cpus_online;
	uint64_t memory_bytes, memory_available_bytes;
	uint64_t hugepages_2m_total, hugepages_2m_free; /* pages */
	uint64_t hugepages_1g_total, hugepages_1g_free;
	char transparent_hugepages[16]; /* "always", "madvise", "never", or "" */
	double uptime_s;

	enum hv_paging paging;
	enum hv_answer vpid;        /* VPID (Intel) or ASID (AMD): TLB entries tagged by guest */
	enum hv_answer dirty_bits;  /* accessed and dirty bits in second-level tables */
	enum hv_answer page_log;    /* page-modification logging */
	enum hv_answer pages_1g;    /* 1 GiB second-level entries */
	enum hv_answer five_levels; /* 5-level second-level tables */

	int kvm_error; /* errno of opening /dev/kvm, 0: usable */
	int tun_error; /* of /dev/net/tun */
	int vhost_net_error;
	enum hv_answer io_uring; /* kernel.io_uring_disabled */
	char passt[256];         /* path of passt, "" when not installed */
};

/* Cannot fail: what cannot be read stays empty or unknown. */
HV_PUBLIC void hv_host_facts_read(struct hv_host_facts *facts);
HV_PUBLIC const char *
hv_paging_name(enum hv_paging paging); /* "none" "shadow" "ept" "npt" "unknown" */
HV_PUBLIC const char *hv_answer_name(enum hv_answer answer); /* "no" "yes" "unknown" */

enum hv_check_level { HV_CHECK_OK, HV_CHECK_NOTE, HV_CHECK_WARN, HV_CHECK_FAIL };

struct hv_check {
	const char *name; /* "kvm", "nested-paging", … */
	enum hv_check_level
		level; /* FAIL: no VM can run; WARN: some kind of VM cannot, or slowly */
	char found[128];
	char remedy[200]; /* "" where nothing is to be done */
};

#define HV_CHECKS_MAX 16
/* Judges the facts; returns how many checks were filled. */
HV_PUBLIC int hv_host_check(const struct hv_host_facts *facts,
			    struct hv_check checks[HV_CHECKS_MAX]);
HV_PUBLIC const char *
hv_check_level_name(enum hv_check_level level); /* "ok" "note" "warn" "fail" */

#endif
