/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the control protocol's methods do in the child; their shapes are in
 * engine/client/protocol.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "engine/vmm/control.h"
#include "engine/vmm/control_devices.h"
#include "engine/vmm/machine.h"
#include "engine/vmm/spec.h"

static double mono_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static json_t *info(struct control *control, struct control_client *client, const json_t *args,
		    struct wire *wire, struct hv_error *err)
{
	const struct spec *spec = control->spec;
	(void)client, (void)args, (void)wire, (void)err;
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:f}", "name", spec->name, "uuid",
			 spec->uuid, "version", HV_VERSION, "pid", (int)getpid(), "cpus",
			 spec->cpus.count, "memory", (json_int_t)spec->memory.size_bytes, "uptime",
			 control->started_mono > 0 ? mono_now() - control->started_mono : 0.0);
}

static json_t *state_result(struct control *control)
{
	return json_pack("{s:s}", "state", control_state(control));
}

static json_t *state(struct control *control, struct control_client *client, const json_t *args,
		     struct wire *wire, struct hv_error *err)
{
	(void)client, (void)args, (void)wire, (void)err;
	return state_result(control);
}

static json_t *pause_vm(struct control *control, struct control_client *client, const json_t *args,
			struct wire *wire, struct hv_error *err)
{
	(void)client, (void)args, (void)wire;
	if (machine_state(control->machine) != MACHINE_NEW &&
	    machine_pause(control->machine, err) < 0)
		return NULL;
	control->state_changed(control);
	return state_result(control);
}

static json_t *resume(struct control *control, struct control_client *client, const json_t *args,
		      struct wire *wire, struct hv_error *err)
{
	(void)client, (void)args, (void)wire;
	bool first = machine_state(control->machine) == MACHINE_NEW; /* it was started paused */
	if ((first ? machine_run(control->machine, err) : machine_resume(control->machine, err)) <
	    0)
		return NULL;
	control->state_changed(control);
	return state_result(control);
}

static json_t *power_button(struct control *control, struct control_client *client,
			    const json_t *args, struct wire *wire, struct hv_error *err)
{
	(void)client, (void)args, (void)wire;
	if (machine_power_button(control->machine, err) < 0)
		return NULL;
	control->stopping = true;
	control->state_changed(control);
	return state_result(control);
}

static json_t *reset(struct control *control, struct control_client *client, const json_t *args,
		     struct wire *wire, struct hv_error *err)
{
	(void)client, (void)args, (void)wire, (void)err;
	machine_end(control->machine, VMM_EXIT_RESET, "reset by the operator");
	return json_object();
}

static json_t *quit(struct control *control, struct control_client *client, const json_t *args,
		    struct wire *wire, struct hv_error *err)
{
	(void)client, (void)args, (void)wire, (void)err;
	control->stopping = true;
	control->state_changed(control); /* so that no restart policy brings it back */
	machine_end(control->machine, VMM_EXIT_POWEROFF, "switched off by the operator");
	return json_object();
}

/* vcpu -1: the VM. */
static json_t *counters(struct control *control, int vcpu, struct hv_error *err)
{
	struct machine_stat *stats = calloc(MACHINE_STATS_MAX, sizeof *stats);
	int n = stats ? machine_stats(control->machine, vcpu, stats, MACHINE_STATS_MAX, err) : -1;
	json_t *object = n >= 0 ? json_object() : NULL;
	for (int i = 0; object && i < n; i++)
		json_object_set_new(object, stats[i].name,
				    json_integer((json_int_t)stats[i].value));
	free(stats);
	return object;
}

static json_t *stats(struct control *control, struct control_client *client, const json_t *args,
		     struct wire *wire, struct hv_error *err)
{
	(void)client, (void)args, (void)wire;
	json_t *vm = counters(control, -1, err);
	json_t *vcpus = json_array();
	for (int i = 0; vm && i < machine_n_vcpus(control->machine); i++) {
		json_t *one = counters(control, i, err);
		if (!one || json_array_append_new(vcpus, one) < 0) {
			json_decref(vm);
			vm = NULL;
		}
	}
	if (!vm) {
		json_decref(vcpus);
		return NULL;
	}
	return json_pack("{s:o, s:o}", "vm", vm, "vcpus", vcpus);
}

static json_t *events(struct control *control, struct control_client *client, const json_t *args,
		      struct wire *wire, struct hv_error *err)
{
	(void)control, (void)args, (void)wire, (void)err;
	if (client)
		client->events = true;
	return json_object();
}

const struct control_method control_methods[] = {
	{"info", info},
	{"state", state},
	{"pause", pause_vm},
	{"resume", resume},
	{"power-button", power_button},
	{"reset", reset},
	{"quit", quit},
	{"stats", stats},
	{"disks", control_disks},
	{"queues", control_queues},
	{"balloon", control_balloon},
	{"events", events},
	{NULL, NULL},
};
