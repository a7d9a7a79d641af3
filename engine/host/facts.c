/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What this host offers, as its /proc, /sys and /dev tell; the judgement on it is in facts_check.c.
 */
#include "engine/host/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The file's first bytes as a string, without the newline at its end; false where it cannot be
 * read. */
static bool read_text(const char *path, char *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);
	if (fd >= 0)
		close(fd);
	to[n > 0 ? n : 0] = '\0';
	to[strcspn(to, "\n")] = '\0';
	return n >= 0;
}

static uint64_t read_number(const char *path)
{
	char text[32];
	return read_text(path, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

/* A module parameter: Y, N, 1, 0. */
static enum hv_answer parameter(const char *module, const char *name)
{
	char path[128], text[16];
	snprintf(path, sizeof path, "/sys/module/%s/parameters/%s", module, name);
	if (!read_text(path, text, sizeof text))
		return HV_NOT_SAID;
	return *text == 'Y' || *text == '1' ? HV_YES : HV_NO;
}

static bool has_module(const char *module)
{
	char path[128];
	snprintf(path, sizeof path, "/sys/module/%s", module);
	return access(path, F_OK) == 0;
}

/* The value of "key : value" in a line of /proc/cpuinfo, NULL for another key. */
static const char *cpuinfo_value(const char *line, const char *key)
{
	size_t len = strlen(key);
	const char *colon = strchr(line, ':');
	if (strncmp(line, key, len) != 0 || !colon || (line[len] != '\t' && line[len] != ' '))
		return NULL;
	return colon[1] == ' ' ? colon + 2 : colon + 1;
}

static bool has_flag(const char *flags, const char *flag)
{
	size_t len = strlen(flag);
	for (const char *at = flags; (at = strstr(at, flag)); at += len) {
		if ((at == flags || at[-1] == ' ') &&
		    (at[len] == ' ' || at[len] == '\n' || !at[len]))
			return true;
	}
	return false;
}

/* Flags of the first CPU; virtualization features that the hypervisor below hides are not among
 * them. */
struct cpu_flags {
	bool hardware; /* vmx or svm */
	bool ept, vpid, npt, flush_by_asid, ept_ad, pages_1g, five_levels;
};

static void read_flags(struct cpu_flags *flags, const char *line)
{
	flags->hardware = has_flag(line, "vmx") || has_flag(line, "svm");
	flags->npt = has_flag(line, "npt");
	flags->flush_by_asid = has_flag(line, "flushbyasid");
	flags->pages_1g = has_flag(line, "pdpe1gb");
	flags->five_levels = has_flag(line, "la57");
	/* before Linux 5.6 these stood here instead of in "vmx flags" */
	flags->ept |= has_flag(line, "ept");
	flags->vpid |= has_flag(line, "vpid");
	flags->ept_ad |= has_flag(line, "ept_ad");
}

static void read_vmx_flags(struct cpu_flags *flags, const char *line)
{
	flags->ept |= has_flag(line, "ept");
	flags->vpid |= has_flag(line, "vpid");
	flags->ept_ad |= has_flag(line, "ept_ad");
}

static void read_cpus(struct hv_host_facts *facts, struct cpu_flags *flags)
{
	char *line = NULL;
	size_t capacity = 0;
	bool first = true;
	FILE *file = fopen("/proc/cpuinfo", "re");
	while (file && getline(&line, &capacity, file) > 0) {
		const char *value;
		if ((value = cpuinfo_value(line, "processor")) != NULL) {
			/* one CPU tells for all; counting them is sysconf()'s, which is cheaper */
			first = facts->cpu_model[0] == '\0';
			if (!first)
				break;
		} else if ((value = cpuinfo_value(line, "model name")) != NULL) {
			snprintf(facts->cpu_model, sizeof facts->cpu_model, "%.*s",
				 (int)strcspn(value, "\n"), value);
		} else if ((value = cpuinfo_value(line, "vendor_id")) != NULL) {
			facts->vendor = strncmp(value, "GenuineIntel", 12) == 0 ? HV_VENDOR_INTEL
					: strncmp(value, "AuthenticAMD", 12) == 0 ||
							strncmp(value, "HygonGenuine", 12) == 0
						? HV_VENDOR_AMD
						: HV_VENDOR_OTHER;
		} else if ((value = cpuinfo_value(line, "flags")) != NULL) {
			read_flags(flags, value);
		} else if ((value = cpuinfo_value(line, "vmx flags")) != NULL) {
			read_vmx_flags(flags, value);
		}
	}
	free(line);
	if (file)
		fclose(file);
	facts->cpus_online = (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static void read_memory(struct hv_host_facts *facts)
{
	char line[128], text[64];
	unsigned long long kib;
	FILE *file = fopen("/proc/meminfo", "re");
	while (file && fgets(line, sizeof line, file)) {
		if (sscanf(line, "MemTotal: %llu", &kib) == 1)
			facts->memory_bytes = kib * 1024;
		else if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			facts->memory_available_bytes = kib * 1024;
	}
	if (file)
		fclose(file);
#define HUGEPAGES "/sys/kernel/mm/hugepages/hugepages-"
	facts->hugepages_2m_total = read_number(HUGEPAGES "2048kB/nr_hugepages");
	facts->hugepages_2m_free = read_number(HUGEPAGES "2048kB/free_hugepages");
	facts->hugepages_1g_total = read_number(HUGEPAGES "1048576kB/nr_hugepages");
	facts->hugepages_1g_free = read_number(HUGEPAGES "1048576kB/free_hugepages");
	/* "always [madvise] never" */
	if (read_text("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text) &&
	    strchr(text, '[')) {
		const char *word = strchr(text, '[') + 1;
		snprintf(facts->transparent_hugepages, sizeof facts->transparent_hugepages, "%.*s",
			 (int)strcspn(word, "]"), word);
	}
}

/* 0 where the file can be opened to read and write, else why not. Opening is the only sure test: an
 * access list or a device group may say otherwise than the mode. */
static int try_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static enum hv_answer both(bool flag, enum hv_answer answer)
{
	return flag ? answer : answer == HV_NOT_SAID ? HV_NOT_SAID : HV_NO;
}

/* A parameter says what the module uses; the CPU's flag is asked too where the module is silent. */
static void read_intel(struct hv_host_facts *facts, const struct cpu_flags *flags)
{
	enum hv_answer ept = parameter("kvm_intel", "ept");
	facts->paging = ept == HV_YES  ? HV_PAGING_EPT
			: ept == HV_NO ? HV_PAGING_SHADOW
				       : HV_PAGING_UNKNOWN;
	facts->vpid = parameter("kvm_intel", "vpid");
	bool nested = facts->paging == HV_PAGING_EPT;
	facts->dirty_bits = both(nested, parameter("kvm_intel", "eptad"));
	facts->page_log = both(nested, parameter("kvm_intel", "pml"));
	/* IA32_VMX_EPT_VPID_CAP, which only root may read, would say; without A/D bits a CPU is too
	 * old for 1 GiB entries, with them it has had them since the same generation */
	facts->pages_1g = !nested ? HV_NO : flags->ept_ad ? HV_YES : HV_NOT_SAID;
	facts->five_levels = !nested ? HV_NO : flags->five_levels ? HV_YES : HV_NO;
}

static void read_amd(struct hv_host_facts *facts, const struct cpu_flags *flags)
{
	enum hv_answer npt = parameter("kvm_amd", "npt");
	facts->paging = npt == HV_YES  ? HV_PAGING_NPT
			: npt == HV_NO ? HV_PAGING_SHADOW
				       : HV_PAGING_UNKNOWN;
	bool nested = facts->paging == HV_PAGING_NPT;
	facts->vpid = HV_YES; /* SVM has had ASIDs from the start */
	/* nested tables are ordinary page tables: accessed and dirty bits come with them, 1 GiB
	 * entries and five levels as the host's own have them; there is no page-modification log */
	facts->dirty_bits = nested ? HV_YES : HV_NO;
	facts->page_log = HV_NO;
	facts->pages_1g = nested && flags->pages_1g ? HV_YES : HV_NO;
	facts->five_levels = nested && flags->five_levels ? HV_YES : HV_NO;
}

static void read_kvm(struct hv_host_facts *facts, const struct cpu_flags *flags)
{
	facts->kvm_error = try_open("/dev/kvm");
	facts->vpid = facts->dirty_bits = facts->page_log = HV_NO;
	facts->pages_1g = facts->five_levels = HV_NO;
	if (facts->kvm_error == ENOENT || facts->kvm_error == ENXIO || facts->kvm_error == ENODEV) {
		facts->paging = HV_PAGING_NONE;
	} else if (has_module("kvm_intel")) {
		read_intel(facts, flags);
	} else if (has_module("kvm_amd")) {
		read_amd(facts, flags);
	} else {
		/* neither of the modules that know second-level tables: KVM shadows the guest's own
		 */
		facts->paging = flags->hardware ? HV_PAGING_UNKNOWN : HV_PAGING_SHADOW;
		facts->vpid = flags->hardware ? HV_NOT_SAID : HV_NO;
	}
}

static void find_passt(struct hv_host_facts *facts)
{
	static const char *const folders[] = {"/usr/local/bin", "/usr/bin", "/bin",
					      "/usr/local/sbin", "/usr/sbin"};
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		snprintf(facts->passt, sizeof facts->passt, "%s/passt", folders[i]);
		if (access(facts->passt, X_OK) == 0)
			return;
	}
	facts->passt[0] = '\0';
}

static void read_identity(struct hv_host_facts *facts)
{
	struct utsname names;
	char text[64];
	if (uname(&names) == 0) {
		snprintf(facts->hostname, sizeof facts->hostname, "%s", names.nodename);
		snprintf(facts->kernel, sizeof facts->kernel, "%s", names.release);
	}
	if (read_text("/proc/uptime", text, sizeof text))
		facts->uptime_s = strtod(text, NULL);
}

void hv_host_facts_read(struct hv_host_facts *facts)
{
	struct cpu_flags flags = {0};
	char text[16];
	memset(facts, 0, sizeof *facts);
	read_identity(facts);
	read_cpus(facts, &flags);
	read_memory(facts);
	read_kvm(facts, &flags);
	facts->tun_error = try_open("/dev/net/tun");
	facts->vhost_net_error = try_open("/dev/vhost-net");
	/* 0: everybody; 1: a group; 2: nobody. Kernels without the switch have it on. */
	facts->io_uring =
		!read_text("/proc/sys/kernel/io_uring_disabled", text, sizeof text) || *text == '0'
			? HV_YES
		: *text == '2' ? HV_NO
			       : HV_NOT_SAID;
	find_passt(facts);
}

const char *hv_paging_name(enum hv_paging paging)
{
	static const char *const names[] = {"none", "shadow", "ept", "npt", "unknown"};
	return names[paging];
}

const char *hv_answer_name(enum hv_answer answer)
{
	static const char *const names[] = {"no", "yes", "unknown"};
	return names[answer];
}
