/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes to the VMs of a test host, and the faults that its URI asks for. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "plugins/providers/test/world.h"

struct change {
	struct world *world;
	struct test_vm *vm;
	const struct hv_method *method;
	const struct hv_object *args;
	struct hv_job *job;
	struct hv_error *err;
};

static bool matches(const char *glob, const char *name)
{
	return glob && fnmatch(glob, name, 0) == 0;
}

/* Stands still for a while, as work would; an end before it is the job's wish. */
static int work(struct change *c, double seconds)
{
	double end = world_now() + seconds;
	for (double left; (left = end - world_now()) > 0;) {
		if (hv_job_cancelled(c->job))
			return hv_fail(c->err, HV_FAILED, 0, "vm \"%s\": %s was cancelled",
				       c->vm->name, c->method->name);
		if (hv_job_time_left(c->job) <= 0)
			return hv_fail(c->err, HV_TIMEOUT, 0,
				       "vm \"%s\": %s took longer than allowed", c->vm->name,
				       c->method->name);
		hv_job_progress(c->job, 1 - left / seconds, NULL);
		long slice = left > 0.02 ? 20000000 : (long)(left * 1e9) + 1;
		nanosleep(&(struct timespec){.tv_nsec = slice}, NULL);
	}
	return 0;
}

static int check_faults(const struct world *world, const char *name, const char *what,
			struct hv_error *err)
{
	if (matches(world->fail, name))
		return hv_fail(err, HV_FAILED, EIO, "vm \"%s\": %s", name, what);
	if (matches(world->deny, name)) {
		hv_fail(err, HV_DENIED, EACCES, "vm \"%s\": %s", name, what);
		return hv_hint(err, "ask the owner of the host for the right to do so");
	}
	if (matches(world->full, name)) {
		hv_fail(err, HV_FAILED, ENOSPC, "vm \"%s\": %s", name, what);
		return hv_hint(err, "make room, then try again");
	}
	return 0;
}

static struct test_vm *find(struct world *world, const struct hv_object *target,
			    struct hv_error *err)
{
	const char *name = target->kind == world->vm_kind ? hv_object_name(target)
							  : hv_get_string(target, "vm");
	struct test_vm *vm = world_find(world, name ?: "");
	if (!vm)
		hv_fail(err, HV_NOT_FOUND, 0, "vm \"%s\" is gone", name ?: "?");
	else
		world_settle(world, vm);
	return vm;
}

static int check_free(struct world *world, const char *name, struct hv_error *err)
{
	if (!world_find(world, name))
		return 0;
	hv_fail(err, HV_CONFLICT, 0, "vm \"%s\" is there already", name);
	return hv_hint(err, "choose another name, or delete that one: hvsh vm delete %s", name);
}

static void come_into(struct change *c, const char *word)
{
	c->vm->state = world_state(c->world, word);
	world_event(c->world, c->vm, "state", NULL);
}

/* Through a state on the way, at once where nobody waits, to the state that the method leads to. */
static int go_through(struct change *c, const char *way)
{
	const char *before = c->vm->state, *to = world_state(c->world, c->method->to_state);
	if (c->world->delay > 0 && !hv_job_wait(c->job)) {
		come_into(c, way);
		c->vm->next_state = to;
		c->vm->due = world_now() + c->world->delay;
		return 0;
	}
	if (c->world->delay > 0)
		come_into(c, way);
	int rc = work(c, c->world->delay);
	come_into(c, rc == 0 ? to : before);
	return rc;
}

static int verb_start(struct change *c)
{
	double now = world_time();
	int rc = go_through(c, "starting");
	if (rc < 0)
		return rc;
	c->vm->started = now;
	c->vm->reboots = 0;
	if (hv_get_bool(c->args, "paused") && c->vm->due == 0)
		come_into(c, "paused");
	return 0;
}

static void note_end(struct change *c, const char *reason)
{
	c->vm->ended = world_time();
	c->vm->exit_reason = reason;
}

static int verb_stop(struct change *c)
{
	double grace = hv_get_number(c->args, "grace");
	bool force = hv_get_bool(c->args, "force");
	if (matches(c->world->deaf, c->vm->name)) {
		int rc = work(c, grace);
		if (rc == 0 && !force) {
			hv_fail(c->err, HV_TIMEOUT, 0, "vm \"%s\" did not shut down within %.0f s",
				c->vm->name, grace);
			return hv_hint(c->err, "kill it: hvsh vm stop --force, or hvsh vm kill %s",
				       c->vm->name);
		}
		if (rc < 0)
			return rc;
		note_end(c, "killed after its grace");
		come_into(c, "stopped");
		return 0;
	}
	int rc = go_through(c, "stopping");
	if (rc == 0)
		note_end(c, "power-off");
	return rc;
}

static int verb_kill(struct change *c)
{
	note_end(c, "killed by operator");
	c->vm->due = 0;
	come_into(c, "stopped");
	return 0;
}

static int verb_reset(struct change *c)
{
	c->vm->started = world_time();
	c->vm->reboots++;
	come_into(c, "running");
	return 0;
}

static int verb_shift(struct change *c)
{
	int rc = work(c, c->world->delay);
	if (rc == 0)
		come_into(c, c->method->to_state);
	return rc;
}

static int verb_delete(struct change *c)
{
	int rc = work(c, c->world->delay);
	if (rc < 0)
		return rc;
	world_event(c->world, c->vm, "deleted", NULL);
	world_remove(c->world, c->vm);
	return 0;
}

static int verb_rename(struct change *c)
{
	char message[160];
	const char *name = hv_get_string(c->args, "new_name");
	int rc = check_free(c->world, name, c->err);
	if (rc < 0)
		return rc;
	snprintf(message, sizeof message, "was %s", c->vm->name);
	rc = world_rename(c->world, c->vm, name, c->err);
	if (rc == 0)
		world_event(c->world, c->vm, "renamed", message);
	return rc;
}

static int add(struct world *world, struct hv_object *definition, struct hv_error *err)
{
	const char *name = hv_object_name(definition);
	unsigned serial = world->next_serial;
	if (definition_complete(definition, serial) < 0) {
		hv_object_free(definition);
		return hv_fail(err, HV_FAILED, 0, "no memory for a vm");
	}
	struct test_vm *vm = world_add(world, name, definition);
	if (!vm)
		return hv_fail(err, HV_FAILED, 0, "no memory for a vm");
	world_event(world, vm, "created", NULL);
	return 0;
}

/* Images of the copy lie beside those of the original. */
static void copy_disks(struct hv_object *definition, const char *name)
{
	const struct hv_list *disks = hv_get_list(definition, "disks");
	for (size_t i = 0; disks && i < disks->n; i++) {
		char image[128];
		snprintf(image, sizeof image, "/images/%s-%zu.raw", name, i);
		hv_set_string(disks->objects[i], "image", image);
	}
}

static int verb_clone(struct change *c)
{
	const char *name = hv_get_string(c->args, "new_name");
	int rc = check_free(c->world, name, c->err);
	if (rc == 0)
		rc = check_faults(c->world, name, "clone", c->err);
	if (rc == 0)
		rc = work(c, c->world->delay);
	if (rc < 0)
		return rc;
	bool own;
	struct hv_object *source = definition_of(c->world, c->vm, &own);
	struct hv_object *copy = source ? hv_object_clone(source) : NULL;
	if (own)
		hv_object_free(source);
	if (!copy)
		return hv_fail(c->err, HV_FAILED, 0, "no memory for a vm");
	hv_set_string(copy, "name", name);
	hv_unset(copy, "uuid");
	const struct hv_list *nics = hv_get_list(copy, "nics");
	for (size_t i = 0; nics && i < nics->n; i++)
		hv_unset(nics->objects[i], "mac");
	if (strcmp(hv_get_string(c->args, "images") ?: "copy", "skip") == 0)
		hv_unset(copy, "disks");
	else
		copy_disks(copy, name);
	return add(c->world, copy, c->err);
}

static const struct {
	const char *name;
	int (*run)(struct change *c);
} verbs[] = {
	{"start", verb_start},   {"stop", verb_stop},     {"kill", verb_kill},
	{"reset", verb_reset},   {"pause", verb_shift},   {"resume", verb_shift},
	{"delete", verb_delete}, {"rename", verb_rename}, {"clone", verb_clone},
};

static int create(struct world *world, const struct hv_object *args, struct hv_error *err)
{
	const char *name = hv_object_name(args);
	int rc = check_free(world, name, err);
	if (rc == 0)
		rc = check_faults(world, name, "create", err);
	if (rc < 0)
		return rc;
	struct hv_object *definition = hv_object_definition(args);
	return definition ? add(world, definition, err)
			  : hv_fail(err, HV_FAILED, 0, "no memory for a vm");
}

/* The state may have changed since the caller looked. */
static int check_state(const struct change *c)
{
	struct hv_object *fresh = hv_object_new(c->world->vm_kind);
	if (!fresh)
		return hv_fail(c->err, HV_FAILED, 0, "no memory for a vm");
	hv_set_string(fresh, "name", c->vm->name);
	hv_set_string(fresh, "state", c->vm->state);
	int rc = hv_method_check(c->method, fresh, c->err);
	hv_object_free(fresh);
	return rc;
}

static int run(struct change *c)
{
	int rc = check_state(c);
	if (rc == 0)
		rc = check_faults(c->world, c->vm->name, c->method->name, c->err);
	if (rc == 0 && matches(c->world->hang, c->vm->name))
		rc = work(c, 1e9);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(verbs[i].name, c->method->name) == 0)
			return verbs[i].run(c);
	}
	return hv_fail(c->err, HV_FAILED, 0, "a test host cannot %s a vm", c->method->name);
}

int world_call(void *data, const struct hv_kind *kind, const struct hv_object *target,
	       const struct hv_method *method, const struct hv_object *args, struct hv_job *job,
	       struct hv_error *err)
{
	struct world *world = data;
	if (kind != world->vm_kind)
		return hv_fail(err, HV_FAILED, 0, "a test host cannot %s a %s", method->name,
			       kind->name);
	if (strcmp(method->name, "create") == 0)
		return create(world, args, err);
	struct change c = {.world = world,
			   .vm = find(world, target, err),
			   .method = method,
			   .args = args,
			   .job = job,
			   .err = err};
	return c.vm ? run(&c) : -HV_NOT_FOUND;
}

/* The part's own object within the VM's definition. */
static struct hv_object *find_part(struct hv_object *definition, const struct hv_object *target)
{
	const struct hv_list *list = NULL;
	if (hv_prop_index(definition->props, target->kind->plural) >= 0)
		list = hv_get_list(definition, target->kind->plural);
	for (size_t i = 0; list && i < list->n; i++) {
		if (strcmp(hv_object_name(list->objects[i]), hv_object_name(target)) == 0)
			return list->objects[i];
	}
	return NULL;
}

int world_set(void *data, const struct hv_object *target, const struct hv_object *changes,
	      struct hv_error *err)
{
	struct world *world = data;
	struct test_vm *vm = find(world, target, err);
	int rc = vm ? check_faults(world, vm->name, "edit", err) : -HV_NOT_FOUND;
	if (rc < 0)
		return rc;
	struct hv_object *definition = definition_keep(world, vm);
	if (!definition)
		return hv_fail(err, HV_FAILED, 0, "no memory for vm \"%s\"", vm->name);
	struct hv_object *changed =
		target->kind == world->vm_kind ? definition : find_part(definition, target);
	if (!changed)
		return hv_fail(err, HV_NOT_FOUND, 0, "%s \"%s\" of vm \"%s\" is gone",
			       target->kind->name, hv_object_name(target), vm->name);
	rc = hv_object_merge(changed, changes, err);
	if (rc == 0)
		rc = definition_complete(definition, vm->serial);
	if (rc == 0)
		world_event(world, vm, "changed", NULL);
	return rc;
}
