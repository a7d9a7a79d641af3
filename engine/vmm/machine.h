/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One virtual machine: memory, vCPUs, buses and the list of devices, built from the launch spec.
 * All calls belong to the main thread, the one that runs the loop.
 *
 *	(sandbox_enter_process) ─► machine_new() ─► machine_run() ─► running ◄─pause/resume─► paused
 *	                                         └─ events.ended(): how it ended, from the loop
 */
#ifndef HV_VMM_MACHINE_H
#define HV_VMM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/model/error.h"
#include "engine/vmm/exit.h"

struct loop;
struct machine;
struct spec;
struct virtio_dev;

enum machine_state { MACHINE_NEW, MACHINE_RUNNING, MACHINE_PAUSED, MACHINE_ENDED };

/* Called on the main thread, out of the loop. */
struct machine_events {
	/* Once: the guest is off, asks for a reset, or crashed. vCPUs have stopped. reason is one
	 * line for a person. */
	void (*ended)(void *ctx, enum vmm_exit how, const char *reason);
	void *ctx;
};

struct machine_config {
	/* Borrowed, outlives the machine; the descriptors of disks and NICs are taken over. */
	const struct spec *spec;
	struct loop *loop;     /* the main thread's; likewise */
	int serial_fd;         /* non-blocking stream to the keeper, -1 for none; taken over */
	int virtio_console_fd; /* likewise */
	struct machine_events events;
};

/*
 * Builds the VM and loads kernel and initrd; no guest instruction runs yet and no thread but the
 * devices' I/O threads exists, which is why the process takes its sandbox before. All descriptors that the machine needs are open on return.
 */
int machine_new(struct machine **out, const struct machine_config *config, struct hv_error *err);
/* Starts the vCPU threads. */
int machine_run(struct machine *machine, struct hv_error *err);
/* Both are harmless in the state asked for; HV_CONFLICT before machine_run() and after the end. */
int machine_pause(struct machine *machine, struct hv_error *err);
int machine_resume(struct machine *machine, struct hv_error *err);
/* Presses the power button; what the guest makes of it shows by events.ended(). */
int machine_power_button(struct machine *machine, struct hv_error *err);
/* Ends the guest as if it had done so itself: ended(how) follows from the loop. */
void machine_end(struct machine *machine, enum vmm_exit how, const char *reason);
enum machine_state machine_state(const struct machine *machine);
/* Stops and joins every thread; accepts NULL. */
void machine_free(struct machine *machine);

/* A virtio device by its id ("scsi0", "net0", "balloon0", "rng0", "console0"), NULL if not there.
 */
struct virtio_dev *machine_virtio(struct machine *machine, const char *id);

/*
 * Counters by name, as KVM's statistics descriptors give them (pages_4k, pages_2m, pages_1g,
 * nx_lpage_splits, … for the VM; exits, io_exits, mmio_exits, halt_exits, pf_taken, … for a vCPU)
 * and, for vCPUs, our own count of returns to user space by kind (user_io, user_mmio, user_eoi,
 * user_signal, user_other). A name that a kernel does not report is not there: show it as unknown.
 */
struct machine_stat {
	char name[48];
	uint64_t value;
};
#define MACHINE_STATS_MAX 128
/* vcpu -1: the VM. Returns how many stats[n_max] were filled, or a negative code. */
int machine_stats(struct machine *machine, int vcpu, struct machine_stat *stats, int n_max,
		  struct hv_error *err);
int machine_n_vcpus(const struct machine *machine);

#endif
