/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changing objects: what the tables forbid is refused here, the same for every provider and for
 * --what-if; what only the host can know, the provider checks.
 */
#include "engine/model/model.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "engine/model/hosts.h"
#include "engine/model/text.h"
#include "engine/model/value.h"

static const char *find_string(const struct hv_object *obj, const char *name)
{
	return hv_prop_index(obj->props, name) >= 0 ? hv_get_string(obj, name) : NULL;
}

static struct hv_host *host_of(struct hv_model *model, const struct hv_object *target,
			       const char *host, struct hv_error *err)
{
	if (!host && target)
		host = find_string(target, "host");
	return host ? host_find(model, host, err) : host_only(model, model->current, err);
}

/* "stopped or crashed" */
static void join_words(char *buf, size_t size, const char *const *words)
{
	struct text text;
	text_init_fixed(&text, buf, size);
	for (size_t i = 0; words[i]; i++) {
		text_str(&text, i == 0 ? "" : words[i + 1] ? ", " : " or ");
		text_str(&text, words[i]);
	}
	text_end_fixed(&text);
}

static bool has_word(const char *const *words, const char *word)
{
	for (; words && *words; words++) {
		if (strcmp(*words, word) == 0)
			return true;
	}
	return false;
}

/* The method that leads from state to one of the wanted ones, the gentlest first: a paused VM is
 * resumed, not reset. NULL: none does. */
static const struct hv_method *find_way(const struct hv_kind *kind, const char *state,
					const char *const *wanted)
{
	const struct hv_method *harsh = NULL;
	for (const struct hv_method *m = kind->methods; m && m->name; m++) {
		if (!m->to_state || !has_word(wanted, m->to_state) ||
		    !has_word(m->from_states, state))
			continue;
		if (m->effect != HV_DESTROYS)
			return m;
		harsh = harsh ? harsh : m;
	}
	return harsh;
}

static int hint_way(const struct hv_object *target, const char *state, const char *const *wanted,
		    struct hv_error *err)
{
	char address[128];
	const struct hv_method *way = find_way(target->kind, state, wanted);
	if (!way)
		return -HV_CONFLICT;
	hv_object_address(target, address, sizeof address);
	return hv_hint(err, "first: hvsh %s %s %s", target->kind->name, way->name, address);
}

int hv_method_check(const struct hv_method *method, const struct hv_object *target,
		    struct hv_error *err)
{
	const char *state = target ? find_string(target, "state") : NULL;
	if (!state || !method->from_states || has_word(method->from_states, state))
		return 0;
	if (method->to_state && strcmp(state, method->to_state) == 0)
		return hv_fail(err, HV_CONFLICT, 0, "%s \"%s\" is %s already", target->kind->name,
			       hv_object_name(target), state);
	char states[120];
	join_words(states, sizeof states, method->from_states);
	hv_fail(err, HV_CONFLICT, 0, "%s \"%s\" is %s; %s needs it %s", target->kind->name,
		hv_object_name(target), state, method->name, states);
	return hint_way(target, state, method->from_states, err);
}

static int take_first(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	(void)err;
	struct hv_object **first = ctx;
	if (*first)
		hv_object_free(obj);
	else
		*first = obj;
	return 0;
}

int model_state_of(struct hv_model *model, const struct hv_object *target, const char **word,
		   struct hv_error *err)
{
	const char *own = find_string(target, "state");
	*word = own;
	if (own || !target->kind || !target->kind->owner)
		return 0;
	const struct hv_kind *kind = target->kind;
	const char *name = hv_object_name(target);
	if (strcmp(kind->owner, "host") != 0) {
		name = find_string(target, kind->owner);
		kind = hv_kind_find(kind->owner);
	}
	struct hv_host *host = host_of(model, target, NULL, err);
	int rc = host ? host_open(host, err) : -HV_NOT_FOUND;
	if (rc < 0 || !kind || !name || hv_prop_index(kind->props, "state") < 0)
		return rc;
	struct hv_object *found = NULL;
	struct hv_query query = {.kind = kind, .name = name};
	rc = host->ops->list(host->data, &query, take_first, &found, err);
	if (rc == 0 && !found)
		rc = hv_fail(err, HV_NOT_FOUND, 0, "%s \"%s\" is gone", kind->name, name);
	/* a word is one of the row's constant choices and outlives the object */
	if (found)
		*word = find_string(found, "state");
	hv_object_free(found);
	return rc;
}

static int check_settable(struct hv_model *model, const struct hv_object *target,
			  const struct hv_prop *row, struct hv_error *err)
{
	static const char *const at_rest[] = {"stopped", "crashed", NULL};
	const char *state;
	const char *kind = target->kind->name, *name = hv_object_name(target);
	switch (row->set) {
	case HV_SET_ALWAYS:
		return 0;
	case HV_SET_NEVER:
		return hv_fail(err, HV_USAGE, 0, "%s of a %s cannot be set", row->name, kind);
	case HV_SET_AT_CREATE:
		return hv_fail(err, HV_CONFLICT, 0, "%s of %s \"%s\" was fixed when it was created",
			       row->name, kind, name);
	case HV_SET_STOPPED:
		break;
	}
	int rc = model_state_of(model, target, &state, err);
	if (rc < 0 || !state || has_word(at_rest, state))
		return rc;
	hv_fail(err, HV_CONFLICT, 0, "%s \"%s\" is %s; its %s can be set only while it is stopped",
		kind, name, state, row->name);
	return hint_way(target, state, at_rest, err);
}

int hv_model_check_set(struct hv_model *model, const struct hv_object *target,
		       const struct hv_object *changes, struct hv_error *err)
{
	bool any = false;
	for (size_t i = 0; i < changes->n_values; i++) {
		if (changes->values[i].presence != HV_SET)
			continue;
		any = true;
		int rc = check_settable(model, target, &changes->props[i], err);
		if (rc == 0)
			rc = value_check_bounds(&changes->values[i], &changes->props[i], err);
		if (rc < 0)
			return rc;
	}
	return any ? 0 : hv_fail(err, HV_USAGE, 0, "nothing to set");
}

int hv_model_set(struct hv_model *model, const struct hv_object *target,
		 const struct hv_object *changes, struct hv_error *err)
{
	int rc = hv_model_check_set(model, target, changes, err);
	if (rc < 0)
		return rc;
	struct hv_host *host = host_of(model, target, NULL, err);
	rc = host ? host_open(host, err) : -HV_NOT_FOUND;
	if (rc < 0)
		return rc;
	if (!host->ops->set)
		return hv_fail(err, HV_FAILED, 0, "host \"%s\" can only be looked at", host->name);
	return host->ops->set(host->data, target, changes, err);
}

/* What every provider can keep as a file's name, and every address can hold. */
static int check_name(const char *kind, const char *name, struct hv_error *err)
{
	size_t len = name ? strlen(name) : 0;
	bool good = len > 0 && len < 64 && isalnum((unsigned char)name[0]);
	for (size_t i = 0; good && i < len; i++)
		good = isalnum((unsigned char)name[i]) || strchr("._-", name[i]);
	if (good)
		return 0;
	hv_fail(err, HV_USAGE, 0, "\"%.64s\" cannot be the name of a %s", name ?: "", kind);
	return hv_hint(err, "names have letters, digits, '.', '_' and '-', at most 63");
}

/* The definition or arguments as the provider gets them: presets filled in, whole. */
static int prepare_args(const struct hv_kind *kind, const struct hv_method *method,
			const struct hv_object *args, struct hv_object **prepared,
			struct hv_error *err)
{
	bool create = strcmp(method->name, "create") == 0;
	*prepared = NULL;
	if (!args && !method->args && !create)
		return 0;
	/* what was shown may be given back: what cannot be set is left out, not refused */
	*prepared = args     ? hv_object_definition(args)
		    : create ? hv_object_new(kind)
			     : hv_object_new_for(method->args);
	if (!*prepared)
		return hv_fail(err, HV_FAILED, 0, "no memory to %s a %s", method->name, kind->name);
	int rc = hv_object_preset(*prepared, err);
	if (rc == 0)
		rc = hv_object_check(*prepared, err);
	if (rc == 0 && create)
		rc = check_name(kind->name, hv_object_name(*prepared), err);
	const char *new_name = create ? NULL : find_string(*prepared, "new_name");
	if (rc == 0 && new_name)
		rc = check_name(kind->name, new_name, err);
	if (rc == 0)
		return 0;
	hv_object_free(*prepared);
	*prepared = NULL;
	return rc;
}

static int count_object(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	(void)err;
	++*(size_t *)ctx;
	hv_object_free(obj);
	return 0;
}

/* The name that the call would give an object; NULL: none. */
static const char *name_to_take(const struct hv_method *method, const struct hv_object *args)
{
	if (!args)
		return NULL;
	return strcmp(method->name, "create") == 0 ? hv_object_name(args)
						   : find_string(args, "new_name");
}

static int check_name_free(struct hv_host *host, const struct hv_kind *kind, const char *name,
			   struct hv_error *err)
{
	size_t n = 0;
	struct hv_query query = {.kind = kind, .name = name};
	int rc = host_open(host, err);
	if (rc == 0)
		rc = host->ops->list(host->data, &query, count_object, &n, err);
	if (rc < 0 || n == 0)
		return rc;
	hv_fail(err, HV_CONFLICT, 0, "%s \"%s\" is there already", kind->name, name);
	return hv_hint(err, "\"%s edit %s\" changes it", kind->name, name);
}

int hv_model_check_call(struct hv_model *model, const struct hv_kind *kind, const char *host_name,
			const struct hv_object *target, const struct hv_method *method,
			const struct hv_object *args, struct hv_error *err)
{
	int rc = hv_method_check(method, target, err);
	if (rc < 0 || strcmp(kind->name, "job") == 0)
		return rc;
	struct hv_host *host = host_of(model, target, host_name, err);
	if (!host)
		return err ? -(int)err->code : -HV_NOT_FOUND;
	struct hv_object *prepared;
	rc = prepare_args(kind, method, args, &prepared, err);
	const char *name = rc == 0 ? name_to_take(method, prepared) : NULL;
	if (name)
		rc = check_name_free(host, kind, name, err);
	hv_object_free(prepared);
	return rc;
}

static int call_host(struct hv_host *host, const struct hv_kind *kind,
		     const struct hv_object *target, const struct hv_method *method,
		     const struct hv_object *args, struct hv_job *job, struct hv_error *err)
{
	int rc = host_open(host, err);
	if (rc < 0)
		return rc;
	if (!host->ops->call)
		return hv_fail(err, HV_FAILED, 0, "host \"%s\" can only be looked at", host->name);
	return host->ops->call(host->data, kind, target, method, args, job, err);
}

int hv_model_call(struct hv_model *model, const struct hv_kind *kind, const char *host_name,
		  const struct hv_object *target, const struct hv_method *method,
		  const struct hv_object *args, struct hv_job *job, struct hv_error *err)
{
	int rc = hv_method_check(method, target, err);
	if (rc < 0)
		return rc;
	if (strcmp(kind->name, "job") == 0)
		return jobs_call(target, method, err);
	struct hv_host *host = host_of(model, target, host_name, err);
	if (!host)
		return err ? -(int)err->code : -HV_NOT_FOUND;
	struct hv_object *prepared;
	rc = prepare_args(kind, method, args, &prepared, err);
	if (rc < 0)
		return rc;
	rc = call_host(host, kind, target, method, prepared, job, err);
	hv_object_free(prepared);
	return rc;
}

int hv_model_stream(struct hv_model *model, const struct hv_object *target, const char *channel,
		    bool read_only, int *fd, struct hv_error *err)
{
	*fd = -1;
	struct hv_host *host = host_of(model, target, NULL, err);
	int rc = host ? host_open(host, err) : -HV_NOT_FOUND;
	if (rc < 0)
		return rc;
	if (!host->ops->stream)
		return hv_fail(err, HV_FAILED, 0, "host \"%s\" gives no access to consoles",
			       host->name);
	return host->ops->stream(host->data, target, channel, read_only, fd, err);
}

int hv_model_watch_fds(struct hv_model *model, int *fds, size_t max)
{
	size_t n = 0;
	for (size_t i = 0; i < model->n_hosts && n < max; i++) {
		struct hv_host *host = model->hosts[i];
		int fd = host->ops && host->ops->watch_fd ? host->ops->watch_fd(host->data, NULL)
							  : -1;
		if (fd >= 0)
			fds[n++] = fd;
	}
	return (int)n;
}

int hv_model_watch_read(struct hv_model *model, hv_emit_fn *emit, void *ctx, struct hv_error *err)
{
	for (size_t i = 0; i < model->n_hosts; i++) {
		struct hv_host *host = model->hosts[i];
		if (!host->ops || !host->ops->watch_read)
			continue;
		int rc = host->ops->watch_read(host->data, emit, ctx, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}
