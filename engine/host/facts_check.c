/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The judgement on a host's facts: what is there, how bad its absence is, and what to do about it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/host/facts.h"

struct list {
	struct hv_check *checks;
	int n;
};

static struct hv_check *add(struct list *list, const char *name, enum hv_check_level level)
{
	struct hv_check *check = &list->checks[list->n++];
	*check = (struct hv_check){.name = name, .level = level};
	return check;
}

#define FOUND(check, ...) snprintf((check)->found, sizeof(check)->found, __VA_ARGS__)
#define REMEDY(check, ...) snprintf((check)->remedy, sizeof(check)->remedy, __VA_ARGS__)

static void check_kvm(struct list *list, const struct hv_host_facts *f)
{
	struct hv_check *c = add(list, "kvm", f->kvm_error ? HV_CHECK_FAIL : HV_CHECK_OK);
	if (!f->kvm_error) {
		FOUND(c, "/dev/kvm can be used");
		return;
	}
	FOUND(c, "/dev/kvm: %s", strerror(f->kvm_error));
	if (f->kvm_error == EACCES || f->kvm_error == EPERM)
		REMEDY(c, "join the group that owns it (adduser USER kvm) and log in again");
	else if (f->vendor == HV_VENDOR_OTHER)
		REMEDY(c, "this CPU offers no virtualization to this system");
	else
		REMEDY(c,
		       "load the module (modprobe %s); if that fails, switch virtualization on in "
		       "the "
		       "firmware, or nested virtualization in the hypervisor below",
		       f->vendor == HV_VENDOR_INTEL ? "kvm_intel" : "kvm_amd");
}

static void check_paging(struct list *list, const struct hv_host_facts *f)
{
	bool nested = f->paging == HV_PAGING_EPT || f->paging == HV_PAGING_NPT;
	struct hv_check *c = add(list, "nested-paging",
				 nested                        ? HV_CHECK_OK
				 : f->paging == HV_PAGING_NONE ? HV_CHECK_NOTE
							       : HV_CHECK_WARN);
	FOUND(c, "%s; tagged TLB %s, accessed/dirty bits %s, 1G pages %s, 5 levels %s",
	      hv_paging_name(f->paging), hv_answer_name(f->vpid), hv_answer_name(f->dirty_bits),
	      hv_answer_name(f->pages_1g), hv_answer_name(f->five_levels));
	if (f->paging == HV_PAGING_SHADOW && f->vendor == HV_VENDOR_INTEL)
		REMEDY(c, "guests run slower: load kvm_intel with ept=1, if this CPU has EPT");
	else if (f->paging == HV_PAGING_SHADOW && f->vendor == HV_VENDOR_AMD)
		REMEDY(c, "guests run slower: load kvm_amd with npt=1, if this CPU has NPT");
	else if (f->paging == HV_PAGING_SHADOW)
		REMEDY(c, "guests run slower: this KVM has no second-level page tables");
}

static void check_memory(struct list *list, const struct hv_host_facts *f)
{
	bool low = f->memory_available_bytes < 64ull << 20;
	struct hv_check *c = add(list, "memory", low ? HV_CHECK_WARN : HV_CHECK_OK);
	FOUND(c, "%llu MiB, %llu MiB available", (unsigned long long)(f->memory_bytes >> 20),
	      (unsigned long long)(f->memory_available_bytes >> 20));
	if (low)
		REMEDY(c, "there is hardly room for a VM: stop something");
}

static void check_huge_pages(struct list *list, const struct hv_host_facts *f)
{
	bool never = strcmp(f->transparent_hugepages, "never") == 0 || !*f->transparent_hugepages;
	bool any = f->hugepages_2m_total || f->hugepages_1g_total;
	struct hv_check *c = add(list, "huge-pages", never && !any ? HV_CHECK_WARN : HV_CHECK_OK);
	FOUND(c, "transparent %s; reserved 2M %llu (%llu free), 1G %llu (%llu free)",
	      *f->transparent_hugepages ? f->transparent_hugepages : "not there",
	      (unsigned long long)f->hugepages_2m_total, (unsigned long long)f->hugepages_2m_free,
	      (unsigned long long)f->hugepages_1g_total, (unsigned long long)f->hugepages_1g_free);
	if (c->level == HV_CHECK_WARN)
		REMEDY(c, "guests take more faults without: "
			  "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
	else if (!any)
		REMEDY(c, "for hugetlb memory reserve some: sysctl vm.nr_hugepages=N");
}

static void check_tun(struct list *list, const struct hv_host_facts *f)
{
	struct hv_check *c = add(list, "tap", f->tun_error ? HV_CHECK_WARN : HV_CHECK_OK);
	if (!f->tun_error) {
		FOUND(c, "/dev/net/tun can be opened");
		return;
	}
	FOUND(c, "/dev/net/tun: %s", strerror(f->tun_error));
	if (f->tun_error == EACCES || f->tun_error == EPERM)
		REMEDY(c, "NICs on a bridge need root; use network=user (passt)");
	else
		REMEDY(c, "NICs on a bridge need it: modprobe tun");
}

static void check_passt(struct list *list, const struct hv_host_facts *f)
{
	struct hv_check *c = add(list, "passt", *f->passt ? HV_CHECK_OK : HV_CHECK_WARN);
	FOUND(c, "%.100s", *f->passt ? f->passt : "not installed");
	if (!*f->passt)
		REMEDY(c, "NICs without root need it: apt-get install passt");
}

static void check_vhost(struct list *list, const struct hv_host_facts *f)
{
	struct hv_check *c =
		add(list, "vhost-net", f->vhost_net_error ? HV_CHECK_NOTE : HV_CHECK_OK);
	if (!f->vhost_net_error)
		FOUND(c, "/dev/vhost-net can be opened");
	else
		FOUND(c, "/dev/vhost-net: %s", strerror(f->vhost_net_error));
}

static void check_io_uring(struct list *list, const struct hv_host_facts *f)
{
	struct hv_check *c = add(list, "io_uring",
				 f->io_uring == HV_YES  ? HV_CHECK_OK
				 : f->io_uring == HV_NO ? HV_CHECK_WARN
							: HV_CHECK_NOTE);
	FOUND(c, "%s",
	      f->io_uring == HV_YES  ? "allowed"
	      : f->io_uring == HV_NO ? "forbidden"
				     : "allowed to a group only");
	if (f->io_uring != HV_YES)
		REMEDY(c, "disks are slower without: sysctl kernel.io_uring_disabled=0");
}

int hv_host_check(const struct hv_host_facts *facts, struct hv_check checks[HV_CHECKS_MAX])
{
	struct list list = {checks, 0};
	check_kvm(&list, facts);
	check_paging(&list, facts);
	check_memory(&list, facts);
	check_huge_pages(&list, facts);
	check_tun(&list, facts);
	check_passt(&list, facts);
	check_vhost(&list, facts);
	check_io_uring(&list, facts);
	return list.n;
}

const char *hv_check_level_name(enum hv_check_level level)
{
	static const char *const names[] = {"ok", "note", "warn", "fail"};
	return names[level];
}
