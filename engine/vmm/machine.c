/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The machine's life: building it, running, pausing, how it ends. Whoever ends the guest (a vCPU's
 * crash, a power register, the operator) leaves the first cause and rings end_source; the main
 * thread collects the vCPUs and tells.
 */
#include "engine/vmm/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/acpi/acpi.h"
#include "engine/boot/boot.h"
#include "engine/vmm/log.h"
#include "engine/vmm/machine_priv.h"
#include "engine/vmm/spec.h"

static void report(void *ctx, enum vmm_exit how, const char *reason)
{
	struct machine *machine = ctx;
	uint64_t one = 1;
	pthread_mutex_lock(&machine->end_lock);
	if (!machine->end_set) {
		machine->end_set = true;
		machine->end_how = how;
		snprintf(machine->end_reason, sizeof machine->end_reason, "%s", reason);
	}
	pthread_mutex_unlock(&machine->end_lock);
	ssize_t ignored = write(machine->end_source.fd, &one, sizeof one);
	(void)ignored;
}

void machine_end(struct machine *machine, enum vmm_exit how, const char *reason)
{
	report(machine, how, reason);
	vcpus_halt(&machine->vcpus);
}

/* What was given to disks gets there, and the guest's last words to the console. */
static void finish_devices(struct machine *machine)
{
	for (int i = 0; i < machine->n_devices; i++) {
		struct device *dev = machine->devices[i];
		struct hv_error err;
		if (dev->ops->pause && dev->ops->pause(dev, &err) < 0)
			vmm_log("ending \"%s\": %s", dev->id, err.message);
	}
}

static void end_ready(struct loop_source *source, uint32_t epoll_events)
{
	struct machine *machine =
		(struct machine *)((char *)source - offsetof(struct machine, end_source));
	(void)epoll_events;
	loop_remove(machine->config.loop, source);
	vcpus_pause(&machine->vcpus);
	if (machine->state == MACHINE_RUNNING)
		finish_devices(machine);
	machine->state = MACHINE_ENDED;
	const struct machine_events *events = &machine->config.events;
	/* end_set: nobody changes how and reason any more */
	events->ended(events->ctx, machine->end_how, machine->end_reason);
}

static int watch_end(struct machine *machine, struct hv_error *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return hv_fail(err, HV_FAILED, errno, "creating the machine");
	machine->end_source = (struct loop_source){fd, end_ready};
	return loop_add(machine->config.loop, &machine->end_source, EPOLLIN, err);
}

static int make_vcpus(struct machine *machine, struct hv_error *err)
{
	struct vcpus_config config = {
		.vm = &machine->vm,
		.cpus = &machine->config.spec->cpus,
		.mmio = &machine->mmio,
		.pio = &machine->pio,
		.ioapic = machine->ioapic,
		.report = report,
		.ctx = machine,
	};
	return vcpus_init(&machine->vcpus, &config, err);
}

static int put_tables(struct machine *machine, uint64_t *rsdp, struct hv_error *err)
{
	const struct spec_cpus *cpus = &machine->config.spec->cpus;
	struct cpu_topology topology = vcpu_topology(cpus);
	uint8_t apic_ids[SPEC_CPUS_MAX];
	for (int i = 0; i < machine->vcpus.n; i++)
		apic_ids[i] = (uint8_t)vcpu_apic_id(&topology, i);
	struct acpi_config config = {
		.n_cpus = machine->vcpus.n,
		.apic_ids = apic_ids,
		.serial = machine->config.serial_fd >= 0,
		.rtc = true,
	};
	return acpi_build(&machine->mem, &config, rsdp, err);
}

static int load_kernel(struct machine *machine, struct hv_error *err)
{
	const struct spec_boot *boot = &machine->config.spec->boot;
	struct boot_file kernel, initrd;
	struct boot_config config = {.kernel = &kernel,
				     .cmdline = boot->cmdline ? boot->cmdline : ""};
	struct boot_entry entry;
	int rc = boot_file_fd(&kernel, boot->kernel_fd,
			      boot->kernel_name ? boot->kernel_name : "kernel", err);
	if (rc == 0 && boot->initrd_fd >= 0) {
		config.initrd = &initrd;
		rc = boot_file_fd(&initrd, boot->initrd_fd, "initrd", err);
	}
	if (rc == 0)
		rc = put_tables(machine, &config.rsdp, err);
	if (rc == 0)
		rc = boot_load(&machine->mem, &config, &entry, err);
	if (rc == 0)
		rc = vcpus_boot(&machine->vcpus, &entry, err);
	if (rc == 0)
		gmem_loaded(&machine->mem);
	return rc;
}

static int build(struct machine *machine, struct hv_error *err)
{
	const struct spec *spec = machine->config.spec;
	int rc;
	if ((rc = watch_end(machine, err)) < 0 ||
	    (rc = gmem_init(&machine->mem, &spec->memory, err)) < 0 ||
	    (rc = kvm_vm_init(&machine->vm, spec->kvm_fd, &machine->mem, err)) < 0 ||
	    (rc = kvm_wiring_init(&machine->wiring, &machine->vm, err)) < 0)
		return rc;
	machine->env = (struct device_env){
		.mem = &machine->mem,
		.mmio = &machine->mmio,
		.pio = &machine->pio,
		.wiring = &machine->wiring.wiring,
		.loop = machine->config.loop,
	};
	if ((rc = machine_add_devices(machine, err)) < 0)
		return rc;
	machine->wiring.ioapic = machine->ioapic;
	if ((rc = make_vcpus(machine, err)) < 0)
		return rc;
	return load_kernel(machine, err);
}

int machine_new(struct machine **out, const struct machine_config *config, struct hv_error *err)
{
	struct machine *machine = calloc(1, sizeof *machine);
	if (!machine)
		return hv_fail(err, HV_FAILED, ENOMEM, "creating the machine");
	machine->config = *config;
	machine->end_source.fd = -1;
	machine->mem.fd = -1;
	machine->vm.vm_fd = machine->vm.stats_fd = -1;
	pthread_mutex_init(&machine->end_lock, NULL);
	bus_init(&machine->mmio);
	bus_init(&machine->pio);
	int rc = build(machine, err);
	if (rc < 0) {
		machine_free(machine);
		return rc;
	}
	*out = machine;
	return 0;
}

int machine_run(struct machine *machine, struct hv_error *err)
{
	if (machine->state != MACHINE_NEW)
		return hv_fail(err, HV_CONFLICT, 0, "the machine runs already");
	int rc = vcpus_start(&machine->vcpus, err);
	if (rc == 0)
		machine->state = MACHINE_RUNNING;
	return rc;
}

static int check_alive(const struct machine *machine, struct hv_error *err)
{
	if (machine->state == MACHINE_NEW)
		return hv_fail(err, HV_CONFLICT, 0, "the machine does not run yet");
	if (machine->state == MACHINE_ENDED || machine->end_set)
		return hv_fail(err, HV_CONFLICT, 0, "the machine has ended");
	return 0;
}

static void resume_devices(struct machine *machine, int n)
{
	while (n-- > 0) {
		struct device *dev = machine->devices[n];
		if (dev->ops->resume)
			dev->ops->resume(dev);
	}
}

int machine_pause(struct machine *machine, struct hv_error *err)
{
	int rc = check_alive(machine, err);
	if (rc < 0 || machine->state == MACHINE_PAUSED)
		return rc;
	vcpus_pause(&machine->vcpus);
	for (int i = 0; i < machine->n_devices; i++) {
		struct device *dev = machine->devices[i];
		rc = dev->ops->pause ? dev->ops->pause(dev, err) : 0;
		if (rc < 0) {
			hv_within(err, "pausing \"%s\"", dev->id);
			resume_devices(machine, i);
			vcpus_resume(&machine->vcpus);
			return rc;
		}
	}
	machine->state = MACHINE_PAUSED;
	return 0;
}

int machine_resume(struct machine *machine, struct hv_error *err)
{
	int rc = check_alive(machine, err);
	if (rc < 0 || machine->state == MACHINE_RUNNING)
		return rc;
	resume_devices(machine, machine->n_devices);
	machine->state = MACHINE_RUNNING;
	vcpus_resume(&machine->vcpus);
	return 0;
}

enum machine_state machine_state(const struct machine *machine)
{
	return machine->state;
}

int machine_n_vcpus(const struct machine *machine)
{
	return machine->vcpus.n;
}

void machine_free(struct machine *machine)
{
	if (!machine)
		return;
	vcpus_fini(&machine->vcpus);
	machine_free_devices(machine);
	kvm_wiring_fini(&machine->wiring);
	kvm_vm_fini(&machine->vm);
	gmem_fini(&machine->mem);
	bus_fini(&machine->pio);
	bus_fini(&machine->mmio);
	if (machine->end_source.fd >= 0) {
		loop_remove(machine->config.loop, &machine->end_source);
		close(machine->end_source.fd);
	}
	pthread_mutex_destroy(&machine->end_lock);
	free(machine);
}
