/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The VMs of a host made of memory, found by name through a hash, and the events that they cause.
 */
#include "plugins/providers/test/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static double clock_seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double world_now(void)
{
	return clock_seconds(CLOCK_MONOTONIC);
}

double world_time(void)
{
	return clock_seconds(CLOCK_REALTIME);
}

const char *world_state(const struct world *world, const char *word)
{
	const char *const *choice = hv_prop_find(world->vm_kind->props, "state")->choices;
	while (*choice && strcmp(*choice, word) != 0)
		choice++;
	return *choice;
}

static size_t bucket_of(const struct world *world, const char *name)
{
	size_t h = 5381;
	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return (h ^ h >> 15) & (world->n_buckets - 1);
}

struct test_vm *world_find(struct world *world, const char *name)
{
	struct test_vm *vm = world->buckets[bucket_of(world, name)];
	while (vm && strcmp(vm->name, name) != 0)
		vm = vm->next;
	return vm;
}

static void link_vm(struct world *world, struct test_vm *vm)
{
	struct test_vm **bucket = &world->buckets[bucket_of(world, vm->name)];
	vm->next = *bucket;
	*bucket = vm;
}

static void unlink_vm(struct world *world, struct test_vm *vm)
{
	struct test_vm **at = &world->buckets[bucket_of(world, vm->name)];
	while (*at != vm)
		at = &(*at)->next;
	*at = vm->next;
}

/* Room for n VMs in list and hash. */
static bool make_room(struct world *world, size_t n)
{
	if (n <= world->room)
		return true;
	size_t room = n > 2 * world->room ? n : 2 * world->room;
	size_t n_buckets = 64;
	while (n_buckets < room)
		n_buckets *= 2;
	struct test_vm **vms = realloc(world->vms, room * sizeof(struct test_vm *));
	if (vms)
		world->vms = vms;
	struct test_vm **buckets = calloc(n_buckets, sizeof(struct test_vm *));
	if (!vms || !buckets) {
		free(buckets);
		return false;
	}
	free(world->buckets);
	world->buckets = buckets;
	world->n_buckets = n_buckets;
	world->room = room;
	for (size_t i = 0; i < world->n_vms; i++)
		link_vm(world, world->vms[i]);
	return true;
}

struct test_vm *world_add(struct world *world, const char *name, struct hv_object *definition)
{
	struct test_vm *vm = make_room(world, world->n_vms + 1) ? calloc(1, sizeof *vm) : NULL;
	if (!vm) {
		hv_object_free(definition);
		return NULL;
	}
	snprintf(vm->name, sizeof vm->name, "%s", name);
	vm->serial = world->next_serial++;
	vm->state = world_state(world, "stopped");
	vm->definition = definition;
	world->vms[world->n_vms++] = vm;
	link_vm(world, vm);
	return vm;
}

static void vm_free(struct test_vm *vm)
{
	hv_object_free(vm->definition);
	free(vm);
}

void world_remove(struct world *world, struct test_vm *vm)
{
	size_t i = 0;
	while (world->vms[i] != vm)
		i++;
	unlink_vm(world, vm);
	memmove(world->vms + i, world->vms + i + 1, (--world->n_vms - i) * sizeof *world->vms);
	vm_free(vm);
}

int world_rename(struct world *world, struct test_vm *vm, const char *name, struct hv_error *err)
{
	struct hv_object *definition = definition_keep(world, vm);
	if (!definition || hv_set_string(definition, "name", name) < 0)
		return hv_fail(err, HV_FAILED, 0, "no memory to rename vm \"%s\"", vm->name);
	unlink_vm(world, vm);
	snprintf(vm->name, sizeof vm->name, "%s", name);
	link_vm(world, vm);
	return 0;
}

void world_settle(struct world *world, struct test_vm *vm)
{
	if (vm->due == 0 || world_now() < vm->due)
		return;
	vm->due = 0;
	vm->state = vm->next_state;
	world_event(world, vm, "state", NULL);
}

static const char *first_state(unsigned serial)
{
	static const char *const states[] = {"running", "running", "running", "stopped", "running",
					     "paused",  "running", "stopped", "running", "crashed"};
	return states[serial % 10];
}

static int populate(struct world *world, size_t n, struct hv_error *err)
{
	double now = world_time();
	if (!make_room(world, n + 16))
		return hv_fail(err, HV_FAILED, ENOMEM, "test host \"%s\"", world->host);
	for (size_t i = 0; i < n; i++) {
		char name[32];
		snprintf(name, sizeof name, "vm%04zu", i);
		struct test_vm *vm = world_add(world, name, NULL);
		if (!vm)
			return hv_fail(err, HV_FAILED, ENOMEM, "test host \"%s\"", world->host);
		vm->state = world_state(world, first_state(vm->serial));
		vm->started = now - (double)(vm->serial * 37UL % 864000) - 60;
		if (strcmp(vm->state, "crashed") == 0)
			vm->exit_reason = "triple fault";
		if (vm->state != world_state(world, "running") &&
		    vm->state != world_state(world, "paused"))
			vm->ended = vm->started + 30;
	}
	return 0;
}

static int parse_time(double *seconds, const char *text, struct hv_error *err)
{
	static const struct hv_prop row = {.name = "time", .type = HV_DURATION};
	struct hv_value value = {0};
	int rc = hv_value_parse(&value, &row, text, err);
	*seconds = value.number;
	return rc;
}

static int parse_glob(char **glob, const char *text, struct hv_error *err)
{
	free(*glob);
	*glob = strdup(text);
	return *glob ? 0 : hv_fail(err, HV_FAILED, 0, "no memory for a test host");
}

static int parse_option(struct world *world, char *option, struct hv_error *err)
{
	char *equals = strchr(option, '=');
	if (strcmp(option, "unreachable") == 0) {
		hv_fail(err, HV_UNREACHABLE, 0, "host \"%s\" does not answer", world->host);
		return hv_hint(err, "it was made so: take \"unreachable\" out of its URI");
	}
	if (equals) {
		*equals = '\0';
		struct {
			const char *name;
			char **glob;
		} globs[] = {{"fail", &world->fail},
			     {"deny", &world->deny},
			     {"full", &world->full},
			     {"hang", &world->hang},
			     {"deaf", &world->deaf}};
		for (size_t i = 0; i < sizeof globs / sizeof *globs; i++) {
			if (strcmp(option, globs[i].name) == 0)
				return parse_glob(globs[i].glob, equals + 1, err);
		}
		if (strcmp(option, "delay") == 0)
			return parse_time(&world->delay, equals + 1, err);
		if (strcmp(option, "latency") == 0)
			return parse_time(&world->latency, equals + 1, err);
	}
	hv_fail(err, HV_USAGE, 0, "a test host has no option \"%.64s\"", option);
	return hv_hint(err, "it has delay, latency, fail, deny, full, hang, deaf, unreachable");
}

static int parse_uri(struct world *world, const char *uri, size_t *n, struct hv_error *err)
{
	char *end;
	errno = 0;
	unsigned long count = *uri ? strtoul(uri, &end, 10) : 0;
	const char *rest = *uri ? end : uri;
	if (*uri == '-' || errno || (*rest && *rest != ',') || count > WORLD_VMS_MAX) {
		hv_fail(err, HV_USAGE, 0, "\"test:%.64s\" is not the URI of a test host", uri);
		return hv_hint(err, "write test:N for N VMs, at most %d", WORLD_VMS_MAX);
	}
	*n = count;
	char *options = strdup(*rest ? rest + 1 : "");
	int rc = options ? 0 : hv_fail(err, HV_FAILED, 0, "no memory for a test host");
	char *save = NULL;
	for (char *o = options ? strtok_r(options, ",", &save) : NULL; o && rc == 0;
	     o = strtok_r(NULL, ",", &save))
		rc = parse_option(world, o, err);
	free(options);
	return rc;
}

int world_open(void **data, const char *uri, const char *host_name, struct hv_error *err)
{
	struct world *world = calloc(1, sizeof *world);
	if (!world)
		return hv_fail(err, HV_FAILED, 0, "no memory for a test host");
	snprintf(world->host, sizeof world->host, "%s", host_name);
	world->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	world->vm_kind = hv_kind_find("vm");
	world->events = calloc(WORLD_EVENTS_MAX, sizeof(struct hv_object *));
	size_t n = 0;
	int rc = world->events && world->event_fd >= 0
			 ? parse_uri(world, uri, &n, err)
			 : hv_fail(err, HV_FAILED, errno, "test host \"%s\"", host_name);
	if (rc == 0)
		rc = populate(world, n, err);
	if (rc == 0)
		*data = world;
	else
		world_close(world);
	return rc;
}

void world_close(void *data)
{
	struct world *world = data;
	if (!world)
		return;
	world_close_streams(world);
	for (size_t i = 0; i < world->n_vms; i++)
		vm_free(world->vms[i]);
	for (size_t i = 0; i < world->n_events; i++)
		hv_object_free(world->events[i]);
	if (world->event_fd >= 0)
		close(world->event_fd);
	free(world->events);
	free(world->vms);
	free(world->buckets);
	free(world->fail);
	free(world->deny);
	free(world->full);
	free(world->hang);
	free(world->deaf);
	free(world);
}

/* Drops the oldest half, so that adding stays cheap. */
static void trim_events(struct world *world)
{
	size_t half = WORLD_EVENTS_MAX / 2;
	for (size_t i = 0; i < half; i++)
		hv_object_free(world->events[i]);
	memmove(world->events, world->events + half, half * sizeof *world->events);
	world->n_events = half;
	world->n_read = world->n_read > half ? world->n_read - half : 0;
}

void world_event(struct world *world, const struct test_vm *vm, const char *type,
		 const char *message)
{
	struct hv_object *event = hv_object_new(hv_kind_find("event"));
	if (!event)
		return;
	char number[16];
	snprintf(number, sizeof number, "%u", ++world->event_number);
	hv_set_string(event, "name", number);
	hv_set_int(event, "time", (int64_t)world_time());
	hv_set_string(event, "host", world->host);
	hv_set_string(event, "type", type);
	hv_set_string(event, "kind", "vm");
	hv_set_string(event, "object", vm->name);
	hv_set_string(event, "state", vm->state);
	if (message)
		hv_set_string(event, "message", message);
	if (world->n_events == WORLD_EVENTS_MAX)
		trim_events(world);
	world->events[world->n_events++] = event;
	(void)!write(world->event_fd, &(uint64_t){1}, sizeof(uint64_t));
}

int world_list_events(struct world *world, const struct hv_query *query, hv_emit_fn *emit,
		      void *ctx, struct hv_error *err)
{
	int rc = 0;
	for (size_t i = 0; i < world->n_events && rc == 0; i++) {
		const char *name = hv_object_name(world->events[i]);
		if (query->name && strcmp(query->name, name) != 0)
			continue;
		struct hv_object *copy = hv_object_clone(world->events[i]);
		rc = copy ? emit(ctx, copy, err) : hv_fail(err, HV_FAILED, 0, "no memory");
	}
	return rc;
}

int world_watch_fd(void *data, struct hv_error *err)
{
	(void)err;
	struct world *world = data;
	return world->event_fd;
}

int world_watch_read(void *data, hv_emit_fn *emit, void *ctx, struct hv_error *err)
{
	struct world *world = data;
	uint64_t count;
	int rc = 0;
	(void)!read(world->event_fd, &count, sizeof count);
	while (world->n_read < world->n_events && rc == 0) {
		struct hv_object *copy = hv_object_clone(world->events[world->n_read++]);
		rc = copy ? emit(ctx, copy, err) : hv_fail(err, HV_FAILED, 0, "no memory");
	}
	return rc;
}
