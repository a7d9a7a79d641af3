/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The model: hosts, each filled by a provider, and what can be asked of and done to their objects.
 * The model knows no provider by name; they arrive through plugins.
 *
 * One thread uses a model. Providers may have threads of their own, but call back only from the
 * calls made to them.
 */
#ifndef HV_MODEL_MODEL_H
#define HV_MODEL_MODEL_H

#include "engine/model/object.h"

struct hv_model;
struct hv_host; /* a host of the model; the provider's own data hangs on it */
struct hv_job;

/* What a list wants. Strings are borrowed. */
struct hv_query {
	const struct hv_kind *kind;
	const char *owner; /* the owning VM's exact name, NULL: all */
	const char *name;  /* exact name, NULL: all */
	const bool *want;  /* one a property, NULL: all; the provider may fill more */
};

/* Takes obj over; a non-zero return ends the listing and is handed on. */
typedef int hv_emit_fn(void *ctx, struct hv_object *obj, struct hv_error *err);

struct hv_provider_ops {
	const char *scheme; /* of URIs: "engine", "test", "libvirt" */
	const char *help;
	/* uri is what follows "scheme:"; fills *data. */
	int (*open)(void **data, const char *uri, const char *host_name, struct hv_error *err);
	void (*close)(void *data);
	/* Emits matching objects of query->kind, `host` and owner properties filled. A kind that it
	 * does not have is an empty list. query->name given and not there: an empty list too. */
	int (*list)(void *data, const struct hv_query *query, hv_emit_fn *emit, void *ctx,
		    struct hv_error *err);
	/* changes: an object of target's kind with just the new values set. The model has checked
	 * types and hv_settable against the target's state. */
	int (*set)(void *data, const struct hv_object *target, const struct hv_object *changes,
		   struct hv_error *err);
	/* Does method to target and waits for its end unless the job says not to (hv_job_wait()).
	 * "create" has target NULL-able owner and args = the definition, an object of the kind. */
	int (*call)(void *data, const struct hv_kind *kind, const struct hv_object *target,
		    const struct hv_method *method, const struct hv_object *args,
		    struct hv_job *job, struct hv_error *err);
	/* optional: a bidirectional stream, *fd being the caller's to close. channel: a console's
	 * name
	 * ("serial0"); behind it ":take" takes the keyboard from whoever has it, ":now" leaves out
	 * what was written before, ":log" gives just that, and ends. */
	int (*stream)(void *data, const struct hv_object *target, const char *channel,
		      bool read_only, int *fd, struct hv_error *err);
	/* optional: a descriptor that polls readable when events wait, and their reading as objects
	 * of kind event. */
	int (*watch_fd)(void *data, struct hv_error *err);
	int (*watch_read)(void *data, hv_emit_fn *emit, void *ctx, struct hv_error *err);
};

/* Makes a provider known, while plugins load; constant afterwards. HV_CONFLICT for a scheme taken.
 */
HV_PUBLIC int hv_provider_add(const struct hv_provider_ops *ops, struct hv_error *err);
void hv_provider_remove(const struct hv_provider_ops *ops);

HV_PUBLIC struct hv_model *hv_model_new(struct hv_error *err);
HV_PUBLIC void hv_model_free(struct hv_model *model);

/* Hosts. "local" is there from the start as HVSH_LOCAL says ("engine:"), and like every host it is
 * opened at its first use. uri: "engine:", "test:1000". A name that is there gets the new URI. */
HV_PUBLIC int hv_model_add_host(struct hv_model *model, const char *name, const char *uri,
				struct hv_error *err);
HV_PUBLIC int hv_model_remove_host(struct hv_model *model, const char *name, struct hv_error *err);
/* The host that addresses without HOST/ mean; "local" at first. Patterns ("alpha,beta", "*")
 * allowed, and a URI, which adds a host called by its scheme ("test:1000" is then test). */
HV_PUBLIC int hv_model_use(struct hv_model *model, const char *pattern, struct hv_error *err);
HV_PUBLIC const char *hv_model_current(const struct hv_model *model);

/*
 * Objects of a kind by address patterns `[HOST/]VM[:DEVICE]` with globs, in the providers' order.
 *
 * patterns[n]: n 0 takes all of the current hosts. where: NULL or a filter. want: as in hv_query.
 * A pattern without glob characters that matches nothing is HV_NOT_FOUND with the nearest name as
 * hint; a glob that matches nothing is HV_NOT_FOUND as well unless n is 0.
 */
HV_PUBLIC int hv_select(struct hv_model *model, const struct hv_kind *kind,
			const char *const *patterns, size_t n, const struct hv_where *where,
			const bool *want, hv_emit_fn *emit, void *ctx, struct hv_error *err);

/* Checks state and settability by the tables, then asks the provider. */
HV_PUBLIC int hv_model_set(struct hv_model *model, const struct hv_object *target,
			   const struct hv_object *changes, struct hv_error *err);
/* The checks of hv_model_set() alone. */
HV_PUBLIC int hv_model_check_set(struct hv_model *model, const struct hv_object *target,
				 const struct hv_object *changes, struct hv_error *err);
/* job NULL: wait for the end, without a limit. host: where to create, NULL for the current one. */
HV_PUBLIC int hv_model_call(struct hv_model *model, const struct hv_kind *kind, const char *host,
			    const struct hv_object *target, const struct hv_method *method,
			    const struct hv_object *args, struct hv_job *job, struct hv_error *err);
/* The checks of hv_model_call() that need no change: state, arguments, is the new name free. */
HV_PUBLIC int hv_model_check_call(struct hv_model *model, const struct hv_kind *kind,
				  const char *host, const struct hv_object *target,
				  const struct hv_method *method, const struct hv_object *args,
				  struct hv_error *err);
HV_PUBLIC int hv_model_stream(struct hv_model *model, const struct hv_object *target,
			      const char *channel, bool read_only, int *fd, struct hv_error *err);
/* Would hv_model_call() be refused by the tables (state, arguments)? For --what-if and menus. */
HV_PUBLIC int hv_method_check(const struct hv_method *method, const struct hv_object *target,
			      struct hv_error *err);
/* The full address, "alpha/web1:scsi0.3"; without "local/". */
HV_PUBLIC size_t hv_object_address(const struct hv_object *obj, char *buf, size_t size);

/* Events of every open host: descriptors to poll, then read. */
HV_PUBLIC int hv_model_watch_fds(struct hv_model *model, int *fds, size_t max);
HV_PUBLIC int hv_model_watch_read(struct hv_model *model, hv_emit_fn *emit, void *ctx,
				  struct hv_error *err);

/* Jobs: long work with progress, cancel, result, log; recorded in the state folder so that another
 * hvsh lists them. A provider reports; the front-end decides on waiting and cancels. */
/* Where records go; the front-end says it once at start (RUNTIME/jobs). Until then none are kept.
 * The folder is made at need. */
HV_PUBLIC int hv_jobs_use_folder(const char *path, struct hv_error *err);
/* A job that nobody waits for, or that takes longer than a moment, is recorded. Providers may be
 * given NULL: all but hv_job_name() and hv_job_cancel() accept it. */
HV_PUBLIC struct hv_job *hv_job_start(struct hv_model *model, const char *what, const char *address,
				      bool wait, double timeout_s, struct hv_error *err);
HV_PUBLIC void hv_job_end(struct hv_job *job,
			  const struct hv_error *err); /* err NULL: done; frees */
HV_PUBLIC const char *hv_job_name(const struct hv_job *job);
HV_PUBLIC void hv_job_cancel(struct hv_job *job);            /* safe in a signal handler */
HV_PUBLIC bool hv_job_wait(const struct hv_job *job);        /* wait for the work's end? */
HV_PUBLIC double hv_job_time_left(const struct hv_job *job); /* seconds; infinity without a limit */
HV_PUBLIC bool hv_job_cancelled(const struct hv_job *job);
HV_PUBLIC void hv_job_progress(struct hv_job *job, double fraction, const char *message);

#endif
