/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The test provider: a host made of memory, by which shell and scale are tested with no KVM. What
 * it holds lives as long as the process; the next hvsh begins anew.
 *
 *	test:N[,OPTION…]       VMs vm0000 … of varied state, size, labels, disks and NICs
 *	  delay=TIME           every change of state takes that long, and shows progress
 *	  latency=TIME         so does every question
 *	  fail=GLOB            changes to these VMs fail
 *	  deny=GLOB            … are not permitted
 *	  full=GLOB            … find the disk full
 *	  hang=GLOB            … never end: until the job's timeout, or its cancellation
 *	  deaf=GLOB            guests that ignore the power button
 *	  unreachable          the host does not answer
 */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include "plugins/hvsh.h"

#define WORLD_VMS_MAX 1000000
#define WORLD_EVENTS_MAX 1000

struct test_stream;

struct test_vm {
	char name[64];
	unsigned serial;        /* decides all that its definition does not say */
	const char *state;      /* one of the kind's choices */
	const char *next_state; /* what it comes into at due, of CLOCK_MONOTONIC; due 0: nothing */
	double due;
	double started, ended; /* since 1970; 0: never */
	const char *exit_reason;
	int reboots;
	struct hv_object *definition; /* NULL: still as the serial number has it */
	struct test_vm *next;         /* of the same hash */
};

struct world {
	char host[64];
	struct test_vm **vms; /* in order of creation */
	size_t n_vms, room;
	struct test_vm **buckets;
	size_t n_buckets; /* a power of two */
	unsigned next_serial;

	double delay, latency;
	char *fail, *deny, *full, *hang, *deaf; /* globs or NULL */

	struct hv_object **events; /* the newest WORLD_EVENTS_MAX */
	size_t n_events, n_read;   /* n_read: how many watch_read() gave out */
	unsigned event_number;
	int event_fd; /* readable while n_read < n_events */

	struct test_stream *streams;
	const struct hv_kind *vm_kind;
};

double world_now(void);  /* CLOCK_MONOTONIC */
double world_time(void); /* since 1970 */
const char *world_state(const struct world *world, const char *word);

int world_open(void **data, const char *uri, const char *host_name, struct hv_error *err);
void world_close(void *data);
/* What of its change is due happens. */
void world_settle(struct world *world, struct test_vm *vm);

struct test_vm *world_find(struct world *world, const char *name);
/* Takes definition over, also on failure. NULL without memory. */
struct test_vm *world_add(struct world *world, const char *name, struct hv_object *definition);
void world_remove(struct world *world, struct test_vm *vm);
int world_rename(struct world *world, struct test_vm *vm, const char *name, struct hv_error *err);
void world_event(struct world *world, const struct test_vm *vm, const char *type,
		 const char *message);
int world_list_events(struct world *world, const struct hv_query *query, hv_emit_fn *emit,
		      void *ctx, struct hv_error *err);
int world_watch_fd(void *data, struct hv_error *err);
int world_watch_read(void *data, hv_emit_fn *emit, void *ctx, struct hv_error *err);

/* definition.c. The VM's definition; *own says that the caller frees it. NULL without memory. */
struct hv_object *definition_of(const struct world *world, const struct test_vm *vm, bool *own);
/* Makes the VM's definition its own, so that it can be changed. */
struct hv_object *definition_keep(const struct world *world, struct test_vm *vm);
/* Gives disks, NICs and the VM the names and addresses that were left to the host. */
int definition_complete(struct hv_object *definition, unsigned serial);
int64_t serial_memory(unsigned serial);
int serial_cpus(unsigned serial);

/* list.c */
int world_list(void *data, const struct hv_query *query, hv_emit_fn *emit, void *ctx,
	       struct hv_error *err);

/* verbs.c */
int world_set(void *data, const struct hv_object *target, const struct hv_object *changes,
	      struct hv_error *err);
int world_call(void *data, const struct hv_kind *kind, const struct hv_object *target,
	       const struct hv_method *method, const struct hv_object *args, struct hv_job *job,
	       struct hv_error *err);

/* stream.c */
int world_stream(void *data, const struct hv_object *target, const char *channel, bool read_only,
		 int *fd, struct hv_error *err);
void world_close_streams(struct world *world);

#endif
