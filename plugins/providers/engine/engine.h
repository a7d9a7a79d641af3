/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine provider: VMs of the machine at hand, run by hvsh-vmm. Definitions are files, running
 *VMs are processes found by their runtime folder; nothing is kept in this process.
 *
 *	store.c    definitions on disk         state.c    what a VM does now
 *	start.c    definition → launch         verbs.c    what can be done to a VM
 *	objects.c  VMs and devices as objects  host.c     the machine    events.c  what happens
 */
#ifndef HV_PROVIDER_ENGINE_H
#define HV_PROVIDER_ENGINE_H

#include <jansson.h>

#include "engine/client/status.h"
#include "engine/host/paths.h"
#include "plugins/hvsh.h"

struct engine {
	struct hv_paths paths;
	char definitions[PATH_MAX - 256]; /* folder of NAME.yaml */
	char host_name[64];
	int watch_fd;                  /* inotify, -1 before the first watch */
	struct engine_watch *watch;    /* events.c */
	struct engine_stream *streams; /* verbs.c: consoles that are attached */
};

/* A VM's definition while it is being changed: others get HV_CONFLICT. fd -1: none held. */
struct engine_lock {
	int fd;
};

/* ---- store.c ---- */
int store_init(struct engine *engine, struct hv_error *err);
/* Letters, digits, '.', '_', '-'; at most 63; begins with a letter or digit. */
int store_check_name(const char *name, struct hv_error *err);
/* Sorted names of all definitions; *names is one block of the caller's. */
int store_list(struct engine *engine, char ***names, size_t *n, struct hv_error *err);
bool store_has(struct engine *engine, const char *name);
/* The definition with presets filled in. HV_NOT_FOUND; HV_FAILED with LINE:COLUMN for a broken
 * file. */
int store_load(struct engine *engine, const char *name, struct hv_object **out,
	       struct hv_error *err);
/* Atomic: the file is the old one or the new one, whole. Call with the VM's lock held. */
int store_save(struct engine *engine, const char *name, const struct hv_object *definition,
	       struct hv_error *err);
int store_remove(struct engine *engine, const char *name, struct hv_error *err);
int store_rename(struct engine *engine, const char *from, const char *to, struct hv_error *err);
int store_lock(struct engine *engine, const char *name, struct engine_lock *lock,
	       struct hv_error *err);
void store_unlock(struct engine_lock *lock);
void store_path(struct engine *engine, const char *name, char *path, size_t size);

/* ---- objects.c ---- */
int objects_list(struct engine *engine, const struct hv_query *query, hv_emit_fn *emit, void *ctx,
		 struct hv_error *err);
/* The runtime folder and status of a VM. */
int objects_status(struct engine *engine, const char *name, char *dir, struct hv_vm_status *status,
		   struct hv_error *err);

/* ---- host.c ---- */
int host_list(struct engine *engine, const struct hv_query *query, hv_emit_fn *emit, void *ctx,
	      struct hv_error *err);
int host_list_checks(struct engine *engine, const struct hv_query *query, hv_emit_fn *emit,
		     void *ctx, struct hv_error *err);

/* ---- start.c ---- */
int start_vm(struct engine *engine, const struct hv_object *definition, bool paused,
	     struct hv_job *job, struct hv_error *err);
/* Fills in what a definition leaves open: UUID, device names, MAC addresses; paths made absolute.
 * Checks what the tables cannot. */
int start_complete(struct hv_object *definition, struct hv_error *err);

/* ---- verbs.c ---- */
int verbs_call(struct engine *engine, const struct hv_kind *kind, const struct hv_object *target,
	       const struct hv_method *method, const struct hv_object *args, struct hv_job *job,
	       struct hv_error *err);
int verbs_set(struct engine *engine, const struct hv_object *target,
	      const struct hv_object *changes, struct hv_error *err);
int verbs_stream(struct engine *engine, const struct hv_object *target, const char *channel,
		 bool read_only, int *fd, struct hv_error *err);
void verbs_fini(struct engine *engine);

/* ---- events.c ---- */
int events_fd(struct engine *engine, struct hv_error *err);
int events_read(struct engine *engine, hv_emit_fn *emit, void *ctx, struct hv_error *err);
int events_list(struct engine *engine, const struct hv_query *query, hv_emit_fn *emit, void *ctx,
		struct hv_error *err);
void events_fini(struct engine *engine);

#endif
