/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The machine itself as a host, and the checks of what it offers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/host/facts.h"
#include "plugins/providers/engine/engine.h"

static void count_vms(struct engine *engine, struct hv_object *host)
{
	char **names;
	size_t n;
	int64_t running = 0;
	if (store_list(engine, &names, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		char dir[PATH_MAX];
		struct hv_vm_status status;
		if (objects_status(engine, names[i], dir, &status, NULL) == 0)
			running += strcmp(status.state, "running") == 0;
	}
	free(names);
	hv_set_int(host, "vms", (int64_t)n);
	hv_set_int(host, "running", running);
}

static void set_answer(struct hv_object *host, const char *feature, enum hv_answer answer)
{
	if (answer == HV_YES)
		hv_list_add_string(host, "features", feature);
}

static void set_features(struct hv_object *host, const struct hv_host_facts *facts)
{
	hv_set_empty_list(host, "features");
	set_answer(host, facts->vendor == HV_VENDOR_AMD ? "asid" : "vpid", facts->vpid);
	set_answer(host, "dirty-bits", facts->dirty_bits);
	set_answer(host, "page-log", facts->page_log);
	set_answer(host, "pages-1g", facts->pages_1g);
	set_answer(host, "five-levels", facts->five_levels);
}

static void set_paging(struct hv_object *host, const struct hv_host_facts *facts)
{
	if (facts->paging == HV_PAGING_UNKNOWN)
		hv_set_unknown(host, "nested_paging");
	else
		hv_set_string(host, "nested_paging", hv_paging_name(facts->paging));
}

static void set_machine(struct hv_object *host, const struct hv_host_facts *facts)
{
	hv_set_string(host, "hostname", facts->hostname);
	hv_set_string(host, "kernel", facts->kernel);
	hv_set_string(host, "cpu_model", facts->cpu_model);
	hv_set_int(host, "cpus", facts->cpus_online);
	hv_set_int(host, "memory", (int64_t)facts->memory_bytes);
	hv_set_int(host, "memory_free", (int64_t)facts->memory_available_bytes);
	hv_set_int(host, "hugepages_2m", (int64_t)facts->hugepages_2m_total);
	hv_set_int(host, "hugepages_2m_free", (int64_t)facts->hugepages_2m_free);
	hv_set_int(host, "hugepages_1g", (int64_t)facts->hugepages_1g_total);
	hv_set_int(host, "hugepages_1g_free", (int64_t)facts->hugepages_1g_free);
	hv_set_string(host, "transparent_hugepages", facts->transparent_hugepages);
	hv_set_number(host, "uptime", facts->uptime_s);
	hv_set_string(host, "architecture", "x86_64");
}

static void set_kvm(struct hv_object *host, const struct hv_host_facts *facts)
{
	hv_set_string(host, "state", facts->kvm_error ? "unusable" : "up");
	if (facts->kvm_error) {
		char reason[128];
		snprintf(reason, sizeof reason, "/dev/kvm: %s", strerror(facts->kvm_error));
		hv_set_string(host, "reason", reason);
	}
}

int host_list(struct engine *engine, const struct hv_query *query, hv_emit_fn *emit, void *ctx,
	      struct hv_error *err)
{
	struct hv_host_facts facts;
	if (query->name && strcmp(query->name, engine->host_name) != 0)
		return 0;
	struct hv_object *host = hv_object_new(query->kind);
	if (!host)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	hv_host_facts_read(&facts);
	hv_set_string(host, "name", engine->host_name);
	hv_set_string(host, "uri", "engine:");
	set_machine(host, &facts);
	set_paging(host, &facts);
	set_features(host, &facts);
	set_kvm(host, &facts);
	count_vms(engine, host);
	return emit(ctx, host, err);
}

int host_list_checks(struct engine *engine, const struct hv_query *query, hv_emit_fn *emit,
		     void *ctx, struct hv_error *err)
{
	struct hv_host_facts facts;
	struct hv_check checks[HV_CHECKS_MAX];
	hv_host_facts_read(&facts);
	int n = hv_host_check(&facts, checks), rc = 0;
	for (int i = 0; rc == 0 && i < n; i++) {
		struct hv_object *obj = hv_object_new(query->kind);
		if (!obj)
			return hv_fail(err, HV_FAILED, 0, "out of memory");
		hv_set_string(obj, "name", checks[i].name);
		hv_set_string(obj, "host", engine->host_name);
		hv_set_string(obj, "result", hv_check_level_name(checks[i].level));
		hv_set_string(obj, "found", checks[i].found);
		if (checks[i].remedy[0])
			hv_set_string(obj, "remedy", checks[i].remedy);
		rc = emit(ctx, obj, err);
	}
	return rc;
}
