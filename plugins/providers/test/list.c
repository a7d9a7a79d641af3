/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers to questions: VMs, their parts, the host. Counters are functions of the time that a VM
 * runs, so that they move and need no upkeep.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "plugins/providers/test/world.h"

struct listing {
	struct world *world;
	const struct hv_query *query;
	hv_emit_fn *emit;
	void *ctx;
	struct hv_error *err;
};

static bool is(const struct test_vm *vm, const char *state)
{
	return strcmp(vm->state, state) == 0;
}

/* Has a process, so that there is something to count? */
static bool lives(const struct test_vm *vm)
{
	return !is(vm, "stopped") && !is(vm, "crashed");
}

static double run_time(const struct test_vm *vm)
{
	return lives(vm) ? world_time() - vm->started : 0;
}

/* per_second times the VM's age, a little different for each. */
static int64_t counter(const struct test_vm *vm, unsigned salt, double per_second)
{
	double share = (double)((vm->serial * 7 + salt * 13) % 100 + 1) / 100;
	return (int64_t)(run_time(vm) * per_second * share);
}

static bool wants(const struct hv_query *query, size_t i)
{
	return !query->want || query->want[i];
}

/* ---- VMs ---- */

static void set_integer(struct hv_value *value, int64_t integer)
{
	*value = (struct hv_value){.presence = HV_SET, .integer = integer};
}

static void set_number(struct hv_value *value, double number)
{
	*value = (struct hv_value){.presence = HV_SET, .number = number};
}

static void fill_memory_used(const struct test_vm *vm, struct hv_value *value)
{
	if (lives(vm))
		set_integer(value, serial_memory(vm->serial) / 2);
}

static void fill_cpu_percent(const struct test_vm *vm, struct hv_value *value)
{
	if (is(vm, "running"))
		set_number(value, (double)((vm->serial * 31 + (unsigned)run_time(vm)) % 1000) / 10);
}

static void fill_uptime(const struct test_vm *vm, struct hv_value *value)
{
	if (lives(vm))
		set_number(value, (double)(int64_t)(run_time(vm) * 1000) / 1000);
}

static void fill_started(const struct test_vm *vm, struct hv_value *value)
{
	if (vm->started > 0)
		set_integer(value, (int64_t)vm->started);
}

static void fill_ended(const struct test_vm *vm, struct hv_value *value)
{
	if (vm->ended > 0)
		set_integer(value, (int64_t)vm->ended);
}

static void fill_reboots(const struct test_vm *vm, struct hv_value *value)
{
	set_integer(value, vm->reboots);
}

static void fill_pid(const struct test_vm *vm, struct hv_value *value)
{
	if (lives(vm))
		set_integer(value, 100000 + (int64_t)vm->serial);
}

static void fill_exit_reason(const struct test_vm *vm, struct hv_value *value)
{
	if (vm->exit_reason)
		*value = (struct hv_value){.presence = HV_SET, .string = strdup(vm->exit_reason)};
}

static const struct {
	const char *name;
	void (*fill)(const struct test_vm *vm, struct hv_value *value);
} fillers[] = {
	{"uptime", fill_uptime},
	{"cpu_percent", fill_cpu_percent},
	{"memory_used", fill_memory_used},
	{"started", fill_started},
	{"ended", fill_ended},
	{"exit_reason", fill_exit_reason},
	{"reboots", fill_reboots},
	{"pid", fill_pid},
};

/* The quick ones: known without a definition. true: it was one of them. */
static bool fill_quick(const struct world *world, const struct test_vm *vm, struct hv_object *obj,
		       size_t i)
{
	const char *name = obj->props[i].name;
	struct hv_value *value = &obj->values[i];
	if (strcmp(name, "state") == 0) {
		*value = (struct hv_value){.presence = HV_SET, .word = vm->state};
		return true;
	}
	if (strcmp(name, "host") == 0) {
		*value = (struct hv_value){.presence = HV_SET, .string = strdup(world->host)};
		return true;
	}
	if (!vm->definition && strcmp(name, "memory") == 0) {
		set_integer(value, serial_memory(vm->serial));
		return true;
	}
	if (!vm->definition && strcmp(name, "cpus") == 0) {
		set_integer(value, serial_cpus(vm->serial));
		return true;
	}
	for (size_t k = 0;
	     obj->props[i].set == HV_SET_NEVER && k < sizeof fillers / sizeof *fillers; k++) {
		if (strcmp(fillers[k].name, name) == 0) {
			fillers[k].fill(vm, value);
			return true;
		}
	}
	return obj->props[i].set == HV_SET_NEVER;
}

/* All that the definition says, over what is there. */
static int fill_definition(const struct world *world, const struct test_vm *vm,
			   struct hv_object *obj, struct hv_error *err)
{
	bool own;
	struct hv_object *definition = definition_of(world, vm, &own);
	if (!definition)
		return hv_fail(err, HV_FAILED, 0, "no memory for vm \"%s\"", vm->name);
	int rc = hv_object_merge(obj, definition, err);
	if (own)
		hv_object_free(definition);
	return rc;
}

static int emit_vm(struct listing *l, struct test_vm *vm)
{
	struct hv_object *obj = hv_object_new(l->query->kind);
	if (!obj)
		return hv_fail(l->err, HV_FAILED, 0, "no memory for vm \"%s\"", vm->name);
	bool whole = false;
	obj->values[0] = (struct hv_value){.presence = HV_SET, .string = strdup(vm->name)};
	for (size_t i = 1; i < obj->n_values; i++) {
		if (wants(l->query, i) && !fill_quick(l->world, vm, obj, i))
			whole = true;
	}
	if (whole && fill_definition(l->world, vm, obj, l->err) < 0) {
		hv_object_free(obj);
		return -HV_FAILED;
	}
	return l->emit(l->ctx, obj, l->err);
}

/* ---- parts of VMs ---- */

/* An object of the part's kind with its name, VM and host; NULL where another name is asked for. */
static struct hv_object *part_new(struct listing *l, const struct test_vm *vm, const char *name)
{
	if (l->query->name && strcmp(l->query->name, name) != 0)
		return NULL;
	struct hv_object *obj = hv_object_new(l->query->kind);
	if (!obj)
		return NULL;
	hv_set_string(obj, "name", name);
	hv_set_string(obj, "vm", vm->name);
	hv_set_string(obj, "host", l->world->host);
	return obj;
}

static int emit_cpus(struct listing *l, const struct test_vm *vm, const struct hv_object *def)
{
	int rc = 0;
	for (unsigned i = 0; rc == 0 && i < (unsigned)hv_get_int(def, "cpus"); i++) {
		char name[16];
		snprintf(name, sizeof name, "cpu%u", i);
		struct hv_object *cpu = part_new(l, vm, name);
		if (!cpu)
			continue;
		hv_set_int(cpu, "index", i);
		hv_set_string(cpu, "state",
			      is(vm, "running")  ? (i % 2 ? "halted" : "running")
			      : is(vm, "paused") ? "paused"
						 : "off");
		if (lives(vm)) {
			hv_set_int(cpu, "host_cpu", (vm->serial + i) % 64);
			hv_set_int(cpu, "thread", 100001 + vm->serial + i);
			hv_set_number(cpu, "cpu_time", (double)counter(vm, i, 0.5));
			hv_set_int(cpu, "exits", counter(vm, i, 8200));
			hv_set_int(cpu, "exits_mmio", counter(vm, i, 300));
			hv_set_int(cpu, "exits_io", counter(vm, i, 4000));
			hv_set_int(cpu, "exits_halt", counter(vm, i, 2000));
			hv_set_unknown(cpu, "exits_page_fault");
		}
		rc = l->emit(l->ctx, cpu, l->err);
	}
	return rc;
}

static int emit_memory(struct listing *l, const struct test_vm *vm, const struct hv_object *def)
{
	struct hv_object *m = part_new(l, vm, "memory");
	if (!m)
		return 0;
	int64_t size = hv_get_int(def, "memory");
	hv_set_int(m, "size", size);
	hv_set_string(m, "backing", hv_get_string(def, "memory_backing") ?: "anonymous");
	hv_set_string(m, "paging", "npt");
	if (lives(vm)) {
		hv_set_int(m, "resident", size / 2);
		hv_set_int(m, "huge", size / 4);
		hv_set_int(m, "pages_4k", size / 16384);
		hv_set_int(m, "pages_2m", size >> 22);
		hv_set_int(m, "pages_1g", size >> 31);
		hv_set_int(m, "page_tables", size / 512);
		hv_set_int(m, "balloon", 0);
		hv_set_int(m, "page_faults", counter(vm, 1, 12));
		hv_set_int(m, "exits", counter(vm, 2, 8200));
		hv_set_unknown(m, "tlb_flushes");
	}
	return l->emit(l->ctx, m, l->err);
}

static int emit_disks(struct listing *l, const struct test_vm *vm, const struct hv_object *def)
{
	const struct hv_list *disks = hv_get_list(def, "disks");
	int rc = 0;
	for (unsigned i = 0; disks && i < disks->n && rc == 0; i++) {
		const struct hv_object *own = disks->objects[i];
		struct hv_object *disk = part_new(l, vm, hv_object_name(own));
		if (!disk)
			continue;
		rc = hv_object_merge(disk, own, l->err);
		hv_set_int(disk, "size", (int64_t)(vm->serial % 8 + i + 1) * 5 << 30);
		hv_set_int(disk, "allocated", (int64_t)(vm->serial % 8 + i + 1) << 30);
		if (lives(vm)) {
			hv_set_int(disk, "read_bytes", counter(vm, i, 12e6));
			hv_set_int(disk, "written_bytes", counter(vm, i + 1, 3e6));
			hv_set_int(disk, "reads", counter(vm, i, 3000));
			hv_set_int(disk, "writes", counter(vm, i + 1, 700));
			hv_set_int(disk, "flushes", counter(vm, i, 5));
			hv_set_int(disk, "errors", 0);
		}
		if (rc < 0)
			hv_object_free(disk);
		else
			rc = l->emit(l->ctx, disk, l->err);
	}
	return rc;
}

static int emit_nics(struct listing *l, const struct test_vm *vm, const struct hv_object *def)
{
	const struct hv_list *nics = hv_get_list(def, "nics");
	int rc = 0;
	for (unsigned i = 0; nics && i < nics->n && rc == 0; i++) {
		const struct hv_object *own = nics->objects[i];
		struct hv_object *nic = part_new(l, vm, hv_object_name(own));
		if (!nic)
			continue;
		rc = hv_object_merge(nic, own, l->err);
		const char *network = hv_get_string(nic, "network") ?: "";
		hv_set_string(nic, "backend", strcmp(network, "passt") == 0 ? "passt" : "tap");
		if (lives(vm)) {
			hv_set_int(nic, "rx_bytes", counter(vm, i, 80e6));
			hv_set_int(nic, "tx_bytes", counter(vm, i + 1, 40e6));
			hv_set_int(nic, "rx_packets", counter(vm, i, 60e3));
			hv_set_int(nic, "tx_packets", counter(vm, i + 1, 30e3));
			hv_set_int(nic, "rx_dropped", counter(vm, i, 0.1));
			hv_set_int(nic, "tx_dropped", 0);
		}
		if (rc < 0)
			hv_object_free(nic);
		else
			rc = l->emit(l->ctx, nic, l->err);
	}
	return rc;
}

static int emit_queue(struct listing *l, const struct test_vm *vm, const char *device, bool net,
		      unsigned i)
{
	char name[64];
	snprintf(name, sizeof name, "%s.q%u", device, i);
	struct hv_object *queue = part_new(l, vm, name);
	if (!queue)
		return 0;
	hv_set_string(queue, "device", device);
	hv_set_string(queue, "type", net ? "net" : "disk");
	hv_set_int(queue, "index", i);
	hv_set_int(queue, "vector", net ? 2 * i : i + 2);
	hv_set_int(queue, "thread", 100100 + vm->serial + i);
	hv_set_int(queue, "host_cpu", (vm->serial + i) % 64);
	hv_set_int(queue, "kicks", counter(vm, i, 9000));
	hv_set_int(queue, "interrupts", counter(vm, i, 7000));
	if (net) {
		hv_set_int(queue, "rx_packets", counter(vm, i, 60e3));
		hv_set_int(queue, "tx_packets", counter(vm, i + 1, 30e3));
		hv_set_int(queue, "rx_bytes", counter(vm, i, 80e6));
		hv_set_int(queue, "tx_bytes", counter(vm, i + 1, 40e6));
		hv_set_int(queue, "rx_dropped", 0);
	} else {
		hv_set_int(queue, "requests", counter(vm, i, 3700));
	}
	return l->emit(l->ctx, queue, l->err);
}

/* Queues are of running VMs only. */
static int emit_queues(struct listing *l, const struct test_vm *vm, const struct hv_object *def)
{
	const struct hv_list *nics = hv_get_list(def, "nics");
	int rc = 0;
	for (unsigned i = 0; lives(vm) && nics && i < nics->n && rc == 0; i++) {
		const char *name = hv_object_name(nics->objects[i]);
		unsigned n = (unsigned)hv_get_int(nics->objects[i], "queues");
		for (unsigned q = 0; q < n && rc == 0; q++)
			rc = emit_queue(l, vm, name, true, q);
	}
	if (lives(vm) && hv_has(def, "disks") && rc == 0)
		rc = emit_queue(l, vm, "scsi0", false, 0);
	return rc;
}

static const struct {
	const char *kind;
	int (*emit)(struct listing *l, const struct test_vm *vm, const struct hv_object *def);
} parts[] = {
	{"cpu", emit_cpus}, {"memory", emit_memory}, {"disk", emit_disks},
	{"nic", emit_nics}, {"queue", emit_queues},
};

static int emit_parts(struct listing *l, const struct test_vm *vm)
{
	bool own;
	struct hv_object *def = definition_of(l->world, vm, &own);
	if (!def)
		return hv_fail(l->err, HV_FAILED, 0, "no memory for vm \"%s\"", vm->name);
	int rc = 0;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (strcmp(parts[i].kind, l->query->kind->name) == 0)
			rc = parts[i].emit(l, vm, def);
	}
	if (own)
		hv_object_free(def);
	return rc;
}

/* ---- the host ---- */

static int emit_host(struct listing *l)
{
	struct hv_object *host = hv_object_new(l->query->kind);
	if (!host)
		return hv_fail(l->err, HV_FAILED, 0, "no memory for host \"%s\"", l->world->host);
	int64_t running = 0, used = 0;
	for (size_t i = 0; i < l->world->n_vms; i++) {
		const struct test_vm *vm = l->world->vms[i];
		running += is(vm, "running");
		used += lives(vm) ? serial_memory(vm->serial) : 0;
	}
	const int64_t memory = 64LL << 40;
	hv_set_string(host, "name", l->world->host);
	hv_set_string(host, "state", "up");
	hv_set_int(host, "cpus", 64);
	hv_set_number(host, "cpu_percent", (double)(running % 100));
	hv_set_int(host, "memory", memory);
	hv_set_int(host, "memory_free", used < memory ? memory - used : 0);
	hv_set_int(host, "vms", (int64_t)l->world->n_vms);
	hv_set_int(host, "running", running);
	hv_set_string(host, "nested_paging", "npt");
	hv_list_add_string(host, "features", "asid");
	hv_list_add_string(host, "features", "pages-1g");
	hv_set_string(host, "hostname", "test");
	hv_set_string(host, "kernel", "6.1.0-test");
	hv_set_string(host, "architecture", "x86_64");
	hv_set_string(host, "cpu_model", "made of memory");
	hv_set_int(host, "kvm_version", 12);
	hv_set_number(host, "uptime", 86400);
	return l->emit(l->ctx, host, l->err);
}

static int emit_checks(struct listing *l)
{
	static const char *const checks[][4] = {
		{"kvm", "ok", "nothing needed: VMs are made of memory", NULL},
		{"nested-paging", "ok", "npt", NULL},
		{"hugepages", "note", "no reserved pages",
		 "reserve some: sysctl vm.nr_hugepages=512"},
		{"tap", "warn", "there are no real networks", "use a real host for these"},
	};
	int rc = 0;
	for (size_t i = 0; i < sizeof checks / sizeof *checks && rc == 0; i++) {
		if (l->query->name && strcmp(l->query->name, checks[i][0]) != 0)
			continue;
		struct hv_object *check = hv_object_new(l->query->kind);
		if (!check)
			return hv_fail(l->err, HV_FAILED, 0, "no memory for a check");
		hv_set_string(check, "name", checks[i][0]);
		hv_set_string(check, "host", l->world->host);
		hv_set_string(check, "result", checks[i][1]);
		hv_set_string(check, "found", checks[i][2]);
		if (checks[i][3])
			hv_set_string(check, "remedy", checks[i][3]);
		rc = l->emit(l->ctx, check, l->err);
	}
	return rc;
}

/* ---- questions ---- */

static void wait_latency(const struct world *world)
{
	if (world->latency <= 0)
		return;
	struct timespec t = {.tv_sec = (time_t)world->latency};
	t.tv_nsec = (long)((world->latency - (double)t.tv_sec) * 1e9);
	nanosleep(&t, NULL);
}

static bool is_part(const struct hv_kind *kind)
{
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (strcmp(parts[i].kind, kind->name) == 0)
			return true;
	}
	return false;
}

static int emit_one(struct listing *l, struct test_vm *vm, bool part)
{
	world_settle(l->world, vm);
	return part ? emit_parts(l, vm) : emit_vm(l, vm);
}

static int list_vms(struct listing *l, bool part)
{
	const char *name = part ? l->query->owner : l->query->name;
	if (name) {
		struct test_vm *vm = world_find(l->world, name);
		return vm ? emit_one(l, vm, part) : 0;
	}
	int rc = 0;
	for (size_t i = 0; i < l->world->n_vms && rc == 0; i++)
		rc = emit_one(l, l->world->vms[i], part);
	return rc;
}

int world_list(void *data, const struct hv_query *query, hv_emit_fn *emit, void *ctx,
	       struct hv_error *err)
{
	struct listing l = {.world = data, .query = query, .emit = emit, .ctx = ctx, .err = err};
	const char *kind = query->kind->name;
	wait_latency(l.world);
	if (query->kind == l.world->vm_kind)
		return list_vms(&l, false);
	if (is_part(query->kind))
		return list_vms(&l, true);
	if (strcmp(kind, "host") == 0)
		return emit_host(&l);
	if (strcmp(kind, "check") == 0)
		return emit_checks(&l);
	if (strcmp(kind, "event") == 0)
		return world_list_events(l.world, query, emit, ctx, err);
	return 0;
}
