/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The inside of a model: its hosts. Within engine/model only. */
#ifndef HV_MODEL_HOSTS_H
#define HV_MODEL_HOSTS_H

#include "engine/model/model.h"

struct hv_host {
	char *name, *uri;
	const struct hv_provider_ops *ops; /* NULL until it is opened */
	void *data;
};

struct hv_model {
	struct hv_host **hosts;
	size_t n_hosts;
	char *current; /* patterns, separated by commas */
};

/* The host of that exact name; HV_NOT_FOUND with the nearest as hint. */
struct hv_host *host_find(struct hv_model *model, const char *name, struct hv_error *err);
/* Opens it where it is not open yet. */
int host_open(struct hv_host *host, struct hv_error *err);
/* Does its name match one of the patterns, separated by commas? */
bool host_matches(const struct hv_host *host, const char *patterns);
/* The one host that patterns mean; HV_USAGE where it could be several. */
struct hv_host *host_only(struct hv_model *model, const char *patterns, struct hv_error *err);

/* Has text any of the glob characters * ? [ ? */
bool is_glob(const char *text);

/* Jobs are the model's own; the same contracts as in struct hv_provider_ops. */
int jobs_list(const char *name, hv_emit_fn *emit, void *ctx, struct hv_error *err);
int jobs_call(const struct hv_object *target, const struct hv_method *method, struct hv_error *err);

/* The state of target's VM (or its own) as it is now; NULL where there is no such thing. word: one
 * of the choices. */
int model_state_of(struct hv_model *model, const struct hv_object *target, const char **word,
		   struct hv_error *err);

#endif
