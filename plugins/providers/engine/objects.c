/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VMs and their devices as objects: what the definition says, what the runtime folder tells, and,
 * only where it was asked for, what the VM's process counts. A counter's key on the wire is the
 * property's name, so that nothing is listed here that the tables already say.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/client/client.h"
#include "engine/host/facts.h"
#include "plugins/providers/engine/engine.h"

#define CALL_TIMEOUT_MS 2000

/* One VM while its objects are made. */
struct subject {
	struct engine *engine;
	const char *name;
	struct hv_object *definition;
	char dir[PATH_MAX];
	struct hv_vm_status status;
	const struct hv_query *query;
	hv_emit_fn *emit;
	void *ctx;
	/* replies of the VM's process, fetched once at most */
	json_t *stats, *disks, *queues, *balloon;
	bool asked;
};

static bool wants(const struct hv_query *query, const char *name)
{
	int index = hv_prop_index(query->kind->props, name);
	return index >= 0 && (!query->want || query->want[index]);
}

static bool is_alive(const struct subject *s)
{
	return s->status.keeper && s->status.pid > 0;
}

int objects_status(struct engine *engine, const char *name, char *dir, struct hv_vm_status *status,
		   struct hv_error *err)
{
	int rc = hv_paths_vm_dir(&engine->paths, name, dir, err);
	return rc < 0 ? rc : hv_vm_status_read(dir, status, err);
}

/* ---- asking the process ---------------------------------------------------------------------- */

/* A VM that does not answer is shown without counters; it is no reason to show nothing. */
static void ask(struct subject *s)
{
	struct hv_client *client;
	struct hv_error ignored;
	if (s->asked || !is_alive(s))
		return;
	s->asked = true;
	if (hv_client_open(&client, s->dir, PROTOCOL_CHILD, CALL_TIMEOUT_MS, &ignored) < 0)
		return;
	const char *kind = s->query->kind->name;
	if (strcmp(kind, "cpu") == 0 || strcmp(kind, "memory") == 0)
		hv_client_call(client, "stats", NULL, NULL, 0, &s->stats, CALL_TIMEOUT_MS,
			       &ignored);
	if (strcmp(kind, "memory") == 0)
		hv_client_call(client, "balloon", NULL, NULL, 0, &s->balloon, CALL_TIMEOUT_MS,
			       &ignored);
	if (strcmp(kind, "disk") == 0)
		hv_client_call(client, "disks", NULL, NULL, 0, &s->disks, CALL_TIMEOUT_MS,
			       &ignored);
	if (strcmp(kind, "nic") == 0 || strcmp(kind, "queue") == 0)
		hv_client_call(client, "queues", NULL, NULL, 0, &s->queues, CALL_TIMEOUT_MS,
			       &ignored);
	hv_client_close(client);
}

/* Sets every property that the reply has a key for. */
static void fill_from(struct hv_object *obj, const json_t *reply)
{
	for (const struct hv_prop *prop = obj->props; reply && prop->type != HV_END; prop++) {
		const json_t *value = json_object_get(reply, prop->name);
		if (json_is_integer(value) || json_is_boolean(value))
			hv_set_int(obj, prop->name,
				   json_is_boolean(value) ? json_is_true(value)
							  : json_integer_value(value));
		else if (json_is_string(value) && prop->type != HV_ENUM)
			hv_set_string(obj, prop->name, json_string_value(value));
	}
}

static const json_t *by_id(const json_t *reply, const char *list, const char *id)
{
	size_t index;
	json_t *entry;
	json_array_foreach(json_object_get(reply, list), index, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "id"));
		if (name && strcmp(name, id) == 0)
			return entry;
	}
	return NULL;
}

/* ---- VMs ------------------------------------------------------------------------------------- */

static void set_memory_used(struct hv_object *vm, pid_t pid)
{
	char path[64];
	unsigned long size, resident;
	snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	FILE *in = fopen(path, "re");
	if (!in)
		return;
	if (fscanf(in, "%lu %lu", &size, &resident) == 2)
		hv_set_int(vm, "memory_used", (int64_t)resident * sysconf(_SC_PAGESIZE));
	fclose(in);
}

static double wall_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Processor time of a process since its start, over the time that it has run. */
static void set_cpu_percent(struct hv_object *vm, pid_t pid)
{
	char path[64], line[1024];
	unsigned long long user, system, start;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *in = fopen(path, "re");
	if (!in)
		return;
	char *end = fgets(line, sizeof line, in) ? strrchr(line, ')') : NULL;
	fclose(in);
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	double hertz = (double)sysconf(_SC_CLK_TCK);
	if (!end ||
	    sscanf(end + 2,
		   "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d "
		   "%*d %llu",
		   &user, &system, &start) != 3)
		return;
	double alive = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)start / hertz;
	if (alive > 0)
		hv_set_number(vm, "cpu_percent", 100 * (double)(user + system) / hertz / alive);
}

static void fill_runtime(struct subject *s, struct hv_object *vm)
{
	const struct hv_vm_status *status = &s->status;
	hv_set_string(vm, "state", status->state);
	hv_set_string(vm, "host", s->engine->host_name);
	if (status->started > 0)
		hv_set_int(vm, "started", (int64_t)status->started);
	if (status->resets + status->restarts > 0 || is_alive(s))
		hv_set_int(vm, "reboots", status->resets + status->restarts);
	if (status->ended_kind[0]) {
		char text[256];
		bool same = strcmp(status->ended_kind, status->ended_message) == 0;
		snprintf(text, sizeof text, "%s%s%s", status->ended_kind,
			 status->ended_message[0] && !same ? ": " : "",
			 same ? "" : status->ended_message);
		hv_set_string(vm, "exit_reason", text);
		hv_set_int(vm, "ended", (int64_t)status->ended_at);
	}
	if (!is_alive(s))
		return;
	hv_set_int(vm, "pid", status->pid);
	if (status->started > 0)
		hv_set_number(vm, "uptime", wall_now() - status->started);
	if (wants(s->query, "memory_used"))
		set_memory_used(vm, status->pid);
	if (wants(s->query, "cpu_percent"))
		set_cpu_percent(vm, status->pid);
}

static int emit_vm(struct subject *s, struct hv_error *err)
{
	struct hv_object *vm = s->definition;
	s->definition = NULL;
	fill_runtime(s, vm);
	return s->emit(s->ctx, vm, err);
}

/* ---- devices --------------------------------------------------------------------------------- */

static struct hv_object *device_new(struct subject *s, const char *name)
{
	struct hv_object *obj = hv_object_new(s->query->kind);
	if (obj && (hv_set_string(obj, "name", name) < 0 || hv_set_string(obj, "vm", s->name) < 0 ||
		    hv_set_string(obj, "host", s->engine->host_name) < 0)) {
		hv_object_free(obj);
		return NULL;
	}
	return obj;
}

static int emit_device(struct subject *s, struct hv_object *obj, struct hv_error *err)
{
	if (!obj)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	if (s->query->name && strcmp(s->query->name, hv_object_name(obj)) != 0) {
		hv_object_free(obj);
		return 0;
	}
	return s->emit(s->ctx, obj, err);
}

struct thread {
	int tid, host_cpu;
	double cpu_time;
};

static bool read_thread(pid_t pid, const char *tid, struct thread *thread, char *comm, size_t size)
{
	char path[320], line[1024];
	unsigned long long user, system;
	snprintf(path, sizeof path, "/proc/%d/task/%.32s/stat", (int)pid, tid);
	FILE *in = fopen(path, "re");
	if (!in)
		return false;
	char *open = fgets(line, sizeof line, in) ? strchr(line, '(') : NULL;
	char *end = open ? strrchr(line, ')') : NULL;
	fclose(in);
	if (!end)
		return false;
	snprintf(comm, size, "%.*s", (int)(end - open - 1), open + 1);
	thread->tid = atoi(tid);
	/* the fields after the name: state is the first, processor the 37th */
	if (sscanf(end + 2,
		   "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d "
		   "%*u "
		   "%*u %*d %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %d",
		   &user, &system, &thread->host_cpu) != 3)
		return false;
	thread->cpu_time = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	return true;
}

/* The thread of the VM's process that bears a name. */
static bool find_thread(pid_t pid, const char *name, struct thread *thread)
{
	char path[64], comm[32];
	bool found = false;
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir && !found && (entry = readdir(dir));)
		found = entry->d_name[0] != '.' &&
			read_thread(pid, entry->d_name, thread, comm, sizeof comm) &&
			strcmp(comm, name) == 0;
	if (dir)
		closedir(dir);
	return found;
}

/* KVM's name of what a property counts; where the kernel does not report it, it is unknown. */
static const struct counter {
	const char *property, *kvm;
} counters[] = {
	{"exits", "exits"},
	{"exits_mmio", "mmio_exits"},
	{"exits_io", "io_exits"},
	{"exits_halt", "halt_exits"},
	{"exits_interrupt", "irq_exits"},
	{"exits_page_fault", "pf_taken"},
	{"exits_signal", "signal_exits"},
	{"injected_interrupts", "irq_injections"},
	{"page_faults", "pf_fixed"},
	{"tlb_flushes", "tlb_flush"},
};

static void set_counters(struct hv_object *obj, const json_t *stats)
{
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
		const json_t *value = json_object_get(stats, counters[i].kvm);
		if (!hv_prop_find(obj->props, counters[i].property))
			continue;
		if (json_is_integer(value))
			hv_set_int(obj, counters[i].property, json_integer_value(value));
		else
			hv_set_unknown(obj, counters[i].property);
	}
}

static void fill_cpu(struct subject *s, struct hv_object *cpu, int index)
{
	struct thread thread;
	char comm[16];
	hv_set_int(cpu, "index", index);
	hv_set_string(cpu, "state", "off");
	const struct hv_list *pins = hv_get_list(s->definition, "pin");
	if (pins && (size_t)index < pins->n && strcmp(pins->strings[index], "-") != 0)
		hv_set_int(cpu, "pinned", atoi(pins->strings[index]));
	if (!is_alive(s))
		return;
	hv_set_string(cpu, "state", strcmp(s->status.state, "paused") == 0 ? "paused" : "running");
	snprintf(comm, sizeof comm, "vcpu%d", index);
	if (find_thread(s->status.pid, comm, &thread)) {
		hv_set_int(cpu, "thread", thread.tid);
		hv_set_int(cpu, "host_cpu", thread.host_cpu);
		hv_set_number(cpu, "cpu_time", thread.cpu_time);
		double uptime = s->status.started > 0 ? wall_now() - s->status.started : 0;
		if (uptime > 0)
			hv_set_number(cpu, "cpu_percent", 100 * thread.cpu_time / uptime);
	}
	ask(s);
	set_counters(cpu, json_array_get(json_object_get(s->stats, "vcpus"), (size_t)index));
}

static int list_cpus(struct subject *s, struct hv_error *err)
{
	int rc = 0;
	int64_t n = hv_get_int(s->definition, "cpus");
	for (int i = 0; rc == 0 && i < n; i++) {
		char name[16];
		snprintf(name, sizeof name, "cpu%d", i);
		struct hv_object *cpu = device_new(s, name);
		if (cpu)
			fill_cpu(s, cpu, i);
		rc = emit_device(s, cpu, err);
	}
	return rc;
}

/* Resident and huge pages of the guest's memory: of the mappings that are as large as it can be,
 * which nothing else in the process is. */
static void set_resident(struct hv_object *memory, pid_t pid)
{
	char path[64], line[256];
	unsigned long from, to, kib;
	int64_t resident = 0, huge = 0;
	bool counts = false;
	snprintf(path, sizeof path, "/proc/%d/smaps", (int)pid);
	FILE *in = fopen(path, "re");
	if (!in) {
		hv_set_unknown(memory, "resident");
		hv_set_unknown(memory, "huge");
		return;
	}
	while (fgets(line, sizeof line, in)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			counts = to - from >= 8UL << 20;
		else if (counts && sscanf(line, "Rss: %lu", &kib) == 1)
			resident += (int64_t)kib << 10;
		else if (counts && (sscanf(line, "AnonHugePages: %lu", &kib) == 1 ||
				    sscanf(line, "ShmemPmdMapped: %lu", &kib) == 1 ||
				    sscanf(line, "Private_Hugetlb: %lu", &kib) == 1))
			huge += (int64_t)kib << 10;
	}
	fclose(in);
	hv_set_int(memory, "resident", resident);
	hv_set_int(memory, "huge", huge);
}

static const char *paging_of_host(void)
{
	struct hv_host_facts facts;
	hv_host_facts_read(&facts);
	return hv_paging_name(facts.paging);
}

/* The sum over the vCPUs; unknown where none reports it. */
static json_t *sum_vcpus(const json_t *stats)
{
	size_t index;
	json_t *vcpu, *sum = json_object();
	json_array_foreach(json_object_get(stats, "vcpus"), index, vcpu)
	{
		for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
			const json_t *value = json_object_get(vcpu, counters[i].kvm);
			const json_t *old = json_object_get(sum, counters[i].kvm);
			if (json_is_integer(value))
				json_object_set_new(sum, counters[i].kvm,
						    json_integer(json_integer_value(value) +
								 json_integer_value(old)));
		}
	}
	return sum;
}

static void fill_memory(struct subject *s, struct hv_object *memory)
{
	static const char *const from_kvm[] = {"pages_4k", "pages_2m", "pages_1g", "page_tables"};
	hv_set_int(memory, "size", hv_get_int(s->definition, "memory"));
	hv_set_string(memory, "backing", hv_get_string(s->definition, "memory_backing"));
	if (hv_has(s->definition, "page_size"))
		hv_set_int(memory, "page_size", hv_get_int(s->definition, "page_size"));
	if (hv_has(s->definition, "balloon_target"))
		hv_set_int(memory, "balloon_target", hv_get_int(s->definition, "balloon_target"));
	if (!is_alive(s))
		return;
	hv_set_string(memory, "paging", paging_of_host());
	if (wants(s->query, "resident") || wants(s->query, "huge"))
		set_resident(memory, s->status.pid);
	ask(s);
	json_t *sum = sum_vcpus(s->stats);
	set_counters(memory, sum);
	json_decref(sum);
	for (size_t i = 0; i < sizeof from_kvm / sizeof *from_kvm; i++)
		hv_set_unknown(memory, from_kvm[i]);
	fill_from(memory, json_object_get(s->stats, "vm"));
	if (json_is_integer(json_object_get(s->balloon, "actual")))
		hv_set_int(memory, "balloon",
			   json_integer_value(json_object_get(s->balloon, "actual")));
	if (json_is_integer(json_object_get(s->balloon, "free_reported")))
		hv_set_int(memory, "free_reported",
			   json_integer_value(json_object_get(s->balloon, "free_reported")));
}

static int list_memory(struct subject *s, struct hv_error *err)
{
	struct hv_object *memory = device_new(s, "memory");
	if (memory)
		fill_memory(s, memory);
	return emit_device(s, memory, err);
}

static void fill_disk(struct subject *s, struct hv_object *disk)
{
	struct stat st;
	const char *image = hv_get_string(disk, "image");
	if (image && stat(image, &st) == 0) {
		int64_t size = st.st_size;
		if (!S_ISBLK(st.st_mode))
			hv_set_int(disk, "size", size);
		hv_set_int(disk, "allocated", (int64_t)st.st_blocks * 512);
	}
	ask(s);
	fill_from(disk, by_id(s->disks, "disks", hv_object_name(disk)));
}

static void fill_nic(struct subject *s, struct hv_object *nic)
{
	static const char *const sums[] = {"rx_bytes",   "tx_bytes",   "rx_packets",
					   "tx_packets", "rx_dropped", "tx_dropped"};
	size_t index;
	json_t *queue;
	ask(s);
	json_array_foreach(json_object_get(s->queues, "queues"), index, queue)
	{
		const char *id = json_string_value(json_object_get(queue, "nic"));
		if (!id || strcmp(id, hv_object_name(nic)) != 0)
			continue;
		for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
			hv_set_int(nic, sums[i],
				   hv_get_int(nic, sums[i]) +
					   json_integer_value(json_object_get(queue, sums[i])));
	}
}

/* Disks and NICs stand in the definition as objects of their kind. */
static int list_defined(struct subject *s, const char *property,
			void (*fill)(struct subject *, struct hv_object *), struct hv_error *err)
{
	const struct hv_list *list = hv_get_list(s->definition, property);
	int rc = 0;
	for (size_t i = 0; list && rc == 0 && i < list->n; i++) {
		struct hv_object *obj = hv_object_clone(list->objects[i]);
		if (obj) {
			hv_set_string(obj, "vm", s->name);
			hv_set_string(obj, "host", s->engine->host_name);
			fill(s, obj);
		}
		rc = emit_device(s, obj, err);
	}
	return rc;
}

static int emit_queue(struct subject *s, const char *device, const char *type, int64_t index,
		      const char *comm, const json_t *counts, struct hv_error *err)
{
	char name[64];
	struct thread thread;
	snprintf(name, sizeof name, "%s.q%lld", device, (long long)index);
	struct hv_object *queue = device_new(s, name);
	if (queue) {
		hv_set_string(queue, "type", type);
		hv_set_string(queue, "device", device);
		hv_set_int(queue, "index", index);
		if (is_alive(s) && find_thread(s->status.pid, comm, &thread)) {
			hv_set_int(queue, "thread", thread.tid);
			hv_set_int(queue, "host_cpu", thread.host_cpu);
		}
		fill_from(queue, counts);
	}
	return emit_device(s, queue, err);
}

static const json_t *queue_counts(const json_t *reply, const char *nic, int64_t number)
{
	size_t index;
	json_t *queue;
	json_array_foreach(json_object_get(reply, "queues"), index, queue)
	{
		const char *id = json_string_value(json_object_get(queue, "nic"));
		if (id && strcmp(id, nic) == 0 &&
		    json_integer_value(json_object_get(queue, "index")) == number)
			return queue;
	}
	return NULL;
}

static int list_queues(struct subject *s, struct hv_error *err)
{
	const struct hv_list *nics = hv_get_list(s->definition, "nics");
	const struct hv_list *disks = hv_get_list(s->definition, "disks");
	char comm[64];
	int rc = 0;
	if (!is_alive(s))
		return 0;
	ask(s);
	for (size_t i = 0; nics && rc == 0 && i < nics->n; i++) {
		const char *name = hv_object_name(nics->objects[i]);
		int64_t queues = hv_get_int(nics->objects[i], "queues");
		for (int64_t q = 0; rc == 0 && q < queues; q++) {
			snprintf(comm, sizeof comm, "%.10s-q%lld", name, (long long)q);
			rc = emit_queue(s, name, "network", q, comm,
					queue_counts(s->queues, name, q), err);
		}
	}
	int64_t cpus = disks && disks->n ? hv_get_int(s->definition, "cpus") : 0;
	for (int64_t q = 0; rc == 0 && q < cpus; q++) {
		snprintf(comm, sizeof comm, "scsi0.q%lld", (long long)q);
		rc = emit_queue(s, "scsi0", "disk", q, comm, NULL, err);
	}
	return rc;
}

/* ---- the walk over VMs ----------------------------------------------------------------------- */

static int emit_objects(struct subject *s, struct hv_error *err)
{
	const char *kind = s->query->kind->name;
	if (strcmp(kind, "vm") == 0)
		return emit_vm(s, err);
	if (strcmp(kind, "cpu") == 0)
		return list_cpus(s, err);
	if (strcmp(kind, "memory") == 0)
		return list_memory(s, err);
	if (strcmp(kind, "disk") == 0)
		return list_defined(s, "disks", fill_disk, err);
	if (strcmp(kind, "nic") == 0)
		return list_defined(s, "nics", fill_nic, err);
	if (strcmp(kind, "queue") == 0)
		return list_queues(s, err);
	return 0;
}

static int list_vm(struct engine *engine, const char *name, const struct hv_query *query,
		   hv_emit_fn *emit, void *ctx, struct hv_error *err)
{
	struct subject s = {
		.engine = engine, .name = name, .query = query, .emit = emit, .ctx = ctx};
	int rc = store_load(engine, name, &s.definition, err);
	if (rc == -HV_NOT_FOUND)
		return 0; /* deleted meanwhile */
	if (rc == 0)
		rc = objects_status(engine, name, s.dir, &s.status, err);
	if (rc == 0)
		rc = emit_objects(&s, err);
	hv_object_free(s.definition);
	json_decref(s.stats);
	json_decref(s.disks);
	json_decref(s.queues);
	json_decref(s.balloon);
	return rc;
}

int objects_list(struct engine *engine, const struct hv_query *query, hv_emit_fn *emit, void *ctx,
		 struct hv_error *err)
{
	bool vms = strcmp(query->kind->name, "vm") == 0;
	const char *one = vms ? query->name : query->owner;
	char **names;
	size_t n;
	if (one)
		return store_has(engine, one) ? list_vm(engine, one, query, emit, ctx, err) : 0;
	int rc = store_list(engine, &names, &n, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = list_vm(engine, names[i], query, emit, ctx, err);
	free(names);
	return rc;
}
