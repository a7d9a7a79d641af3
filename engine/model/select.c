/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From address patterns `[HOST/]VM[:DEVICE]` to objects. What a pattern names exactly is asked for
 * exactly, so that one VM of 10,000 costs one look-up; globs list and filter.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/model/hosts.h"

/* One pattern taken apart, on storage of its own. NULL: everything. */
struct address {
	char text[512];
	const char *host, *owner, *name;
};

/* What has been emitted, so that overlapping patterns give an object once. */
struct seen {
	char **slots;
	size_t n, size;
};

struct selection {
	struct hv_model *model;
	const struct hv_kind *kind;
	const struct hv_where *where;
	const bool *want;
	hv_emit_fn *emit;
	void *ctx;
	struct seen *seen; /* NULL: there is but one pattern */

	/* for the pattern at hand */
	const struct address *address;
	struct hv_host *host;
	int owner_index; /* the owner's row, -1 where the kind has no owner but its host */
	size_t found;
	int ended; /* what emit returned to end the listing */
};

static size_t hash(const char *text)
{
	size_t h = 5381;
	for (; *text; text++)
		h = h * 33 + (unsigned char)*text;
	return h;
}

static bool seen_grow(struct seen *seen)
{
	struct seen grown = {.size = seen->size ? 2 * seen->size : 64, .n = seen->n};
	grown.slots = calloc(grown.size, sizeof *grown.slots);
	if (!grown.slots)
		return false;
	for (size_t i = 0; i < seen->size; i++) {
		if (!seen->slots[i])
			continue;
		size_t at = hash(seen->slots[i]);
		while (grown.slots[at & (grown.size - 1)])
			at++;
		grown.slots[at & (grown.size - 1)] = seen->slots[i];
	}
	free(seen->slots);
	*seen = grown;
	return true;
}

/* Notes the object; was it there before? Without memory an object may come twice. */
static bool seen_before(struct seen *seen, const struct hv_object *obj)
{
	char text[512];
	hv_object_address(obj, text, sizeof text);
	if (2 * seen->n >= seen->size && !seen_grow(seen))
		return false;
	size_t at = hash(text);
	for (;; at++) {
		char **slot = &seen->slots[at & (seen->size - 1)];
		if (!*slot) {
			*slot = strdup(text);
			seen->n += *slot != NULL;
			return false;
		}
		if (strcmp(*slot, text) == 0)
			return true;
	}
}

static void seen_fini(struct seen *seen)
{
	for (size_t i = 0; i < seen->size; i++)
		free(seen->slots[i]);
	free(seen->slots);
}

/* Do objects of the kind belong to something on a host, so that addresses have a ':'? */
static bool is_part(const struct hv_kind *kind)
{
	return kind->owner && strcmp(kind->owner, "host") != 0;
}

static bool is_host_kind(const struct hv_kind *kind)
{
	return strcmp(kind->name, "host") == 0;
}

static bool is_job_kind(const struct hv_kind *kind)
{
	return strcmp(kind->name, "job") == 0;
}

static int parse_address(struct address *a, const struct hv_kind *kind, const char *pattern,
			 struct hv_error *err)
{
	*a = (struct address){0};
	if (!pattern)
		return 0;
	size_t len = strlen(pattern);
	if (len >= sizeof a->text || len == 0)
		return hv_fail(err, HV_USAGE, 0, "\"%.64s\" is not an address", pattern);
	char *rest = memcpy(a->text, pattern, len + 1);
	char *slash = strchr(rest, '/');
	if (slash && !is_host_kind(kind) && !is_job_kind(kind)) {
		*slash = '\0';
		a->host = rest;
		rest = slash + 1;
	}
	char *colon = strchr(rest, ':');
	if (colon && !is_part(kind)) {
		hv_fail(err, HV_USAGE, 0, "\"%s\" is not the address of a %s", pattern, kind->name);
		return hv_hint(err, "it has the form %s",
			       is_host_kind(kind) ? "HOST" : "[HOST/]NAME");
	}
	if (colon)
		*colon = '\0';
	if (is_part(kind)) {
		a->owner = *rest ? rest : NULL;
		a->name = colon && colon[1] ? colon + 1 : NULL;
	} else {
		a->name = *rest ? rest : NULL;
	}
	return 0;
}

static bool matches(const char *pattern, const char *name)
{
	if (!pattern)
		return true;
	return name && (strcmp(pattern, name) == 0 || fnmatch(pattern, name, 0) == 0);
}

static const char *owner_of(const struct selection *s, const struct hv_object *obj)
{
	const struct hv_value *value = &obj->values[s->owner_index];
	return value->presence == HV_SET ? value->string : NULL;
}

/* Stands between the provider and the caller: filters, counts, hands on. */
static int take(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	struct selection *s = ctx;
	const struct address *a = s->address;
	if (!matches(a->name, hv_object_name(obj)) ||
	    (s->owner_index >= 0 && !matches(a->owner, owner_of(s, obj)))) {
		hv_object_free(obj);
		return 0;
	}
	s->found++;
	if ((s->where && !hv_where_match(s->where, obj)) ||
	    (s->seen && seen_before(s->seen, obj))) {
		hv_object_free(obj);
		return 0;
	}
	s->ended = s->emit(s->ctx, obj, err);
	return s->ended;
}

static const char *exactly(const char *pattern)
{
	return pattern && !is_glob(pattern) ? pattern : NULL;
}

static int list_host(struct selection *s, struct hv_host *host, struct hv_error *err)
{
	s->host = host;
	int rc = host_open(host, err);
	if (rc < 0)
		return rc;
	struct hv_query query = {.kind = s->kind,
				 .owner = exactly(s->address->owner),
				 .name = exactly(s->address->name),
				 .want = s->want};
	return host->ops->list(host->data, &query, take, s, err);
}

/* A host that cannot be opened is a row too: it says why. */
static int emit_dead_host(struct selection *s, const struct hv_host *host,
			  const struct hv_error *why, struct hv_error *err)
{
	struct hv_object *obj = hv_object_new(s->kind);
	if (!obj)
		return hv_fail(err, HV_FAILED, 0, "no memory for host \"%s\"", host->name);
	hv_set_string(obj, "name", host->name);
	hv_set_string(obj, "uri", host->uri);
	hv_set_string(obj, "state", why->code == HV_UNREACHABLE ? "unreachable" : "unusable");
	hv_set_string(obj, "reason", why->message);
	return take(s, obj, err);
}

/* The provider's row gets the name and URI that the model knows the host by. */
static int take_host(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	struct selection *s = ctx;
	hv_set_string(obj, "name", s->host->name);
	hv_set_string(obj, "uri", s->host->uri);
	return take(s, obj, err);
}

static int select_hosts(struct selection *s, struct hv_error *err)
{
	int rc = 0;
	for (size_t i = 0; i < s->model->n_hosts && rc == 0; i++) {
		struct hv_host *host = s->model->hosts[i];
		struct hv_query query = {.kind = s->kind, .want = s->want};
		struct hv_error why = {0};
		if (s->address->name && !host_matches(host, s->address->name))
			continue;
		s->host = host;
		rc = host_open(host, &why);
		if (rc == 0)
			rc = host->ops->list(host->data, &query, take_host, s, &why);
		if (rc < 0 && !s->ended)
			rc = emit_dead_host(s, host, &why, err);
		else if (rc < 0 && err)
			*err = why;
	}
	return rc;
}

/* Every host that the address means. One that fails does not keep the others from answering. */
static int select_on_hosts(struct selection *s, struct hv_error *err)
{
	const char *patterns = s->address->host ?: s->model->current;
	if (!is_glob(patterns) && !strchr(patterns, ',')) {
		struct hv_host *host = host_find(s->model, patterns, err);
		return host ? list_host(s, host, err) : -HV_NOT_FOUND;
	}
	size_t good = 0, bad = 0;
	struct hv_error first = {0};
	for (size_t i = 0; i < s->model->n_hosts; i++) {
		struct hv_error fault = {0};
		if (!host_matches(s->model->hosts[i], patterns))
			continue;
		int rc = list_host(s, s->model->hosts[i], &fault);
		if (rc != 0 && s->ended) {
			if (err)
				*err = fault;
			return rc;
		}
		if (rc < 0 && bad++ == 0)
			first = fault;
		good += rc == 0;
	}
	if (good + bad == 0)
		return hv_fail(err, HV_NOT_FOUND, 0, "no host matches \"%s\"", patterns);
	if (bad == 0)
		return 0;
	if (err) {
		*err = first;
		err->code = good > 0 ? HV_PARTIAL : first.code;
	}
	return good > 0 ? -HV_PARTIAL : -(int)first.code;
}

struct names {
	char **list;
	size_t n;
};

#define NAMES_MAX 20000

static int take_name(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	(void)err;
	struct names *names = ctx;
	const char *name = hv_object_name(obj);
	if (names->n < NAMES_MAX && name && (names->list[names->n] = strdup(name)))
		names->n++;
	hv_object_free(obj);
	return 0;
}

/* Adds the nearest of the kind's names on the host as hint. */
static int hint_nearest(struct hv_host *host, const struct hv_kind *kind, const char *owner,
			const char *name, struct hv_error *err)
{
	struct names names = {.list = calloc(NAMES_MAX, sizeof(char *))};
	bool *want = calloc(hv_prop_count(kind->props), sizeof *want);
	int code = err ? (int)err->code : HV_NOT_FOUND;
	if (names.list && want && host && host->ops) {
		struct hv_query query = {.kind = kind, .owner = owner, .want = want};
		want[0] = true;
		host->ops->list(host->data, &query, take_name, &names, NULL);
		const char *nearest = hv_nearest(name, (const char *const *)names.list, names.n);
		if (nearest)
			hv_hint(err, "did you mean \"%s\"?", nearest);
		else
			hv_hint(err, "see which ones there are: hvsh %s list", kind->name);
	}
	for (size_t i = 0; i < names.n; i++)
		free(names.list[i]);
	free(names.list);
	free(want);
	return -code;
}

static int count_one(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	(void)err;
	(*(size_t *)ctx)++;
	hv_object_free(obj);
	return 0;
}

/* No device was found: because there is none, or no such VM? */
static int fail_part(struct selection *s, const char *pattern, struct hv_error *err)
{
	const struct hv_kind *owner = hv_kind_find(s->kind->owner);
	const char *name = exactly(s->address->owner);
	size_t n = 0;
	if (!owner || !name)
		return hv_fail(err, HV_NOT_FOUND, 0, "no %s matches \"%s\"", s->kind->name,
			       pattern);
	struct hv_query query = {.kind = owner, .name = name};
	int rc = s->host->ops->list(s->host->data, &query, count_one, &n, err);
	if (rc < 0)
		return rc;
	if (n == 0) {
		hv_fail(err, HV_NOT_FOUND, 0, "no %s \"%s\" on host \"%s\"", owner->name, name,
			s->host->name);
		return hint_nearest(s->host, owner, NULL, name, err);
	}
	if (!s->address->name)
		return 0; /* a VM without any is not a mistake */
	if (is_glob(s->address->name))
		return hv_fail(err, HV_NOT_FOUND, 0, "no %s matches \"%s\"", s->kind->name,
			       pattern);
	hv_fail(err, HV_NOT_FOUND, 0, "no %s \"%s\" at %s \"%s\"", s->kind->name, s->address->name,
		owner->name, name);
	return hint_nearest(s->host, s->kind, name, s->address->name, err);
}

static int fail_empty(struct selection *s, const char *pattern, struct hv_error *err)
{
	const struct address *a = s->address;
	if (is_host_kind(s->kind) && !is_glob(pattern))
		return host_find(s->model, pattern, err) ? 0 : -HV_NOT_FOUND;
	if (is_part(s->kind) && s->host && s->host->ops)
		return fail_part(s, pattern, err);
	if (!a->name && !a->owner)
		return 0; /* HOST/ alone */
	if (is_glob(pattern))
		return hv_fail(err, HV_NOT_FOUND, 0, "no %s matches \"%s\"", s->kind->name,
			       pattern);
	if (is_job_kind(s->kind)) {
		hv_fail(err, HV_NOT_FOUND, 0, "no job \"%s\"", pattern);
		return hv_hint(err, "see which ones there are: hvsh job list");
	}
	hv_fail(err, HV_NOT_FOUND, 0, "no %s \"%s\" on host \"%s\"", s->kind->name, a->name,
		s->host ? s->host->name : s->model->current);
	return hint_nearest(s->host, s->kind, NULL, a->name, err);
}

static int select_pattern(struct selection *s, const char *pattern, struct hv_error *err)
{
	struct address address;
	int rc = parse_address(&address, s->kind, pattern, err);
	if (rc < 0)
		return rc;
	s->address = &address;
	s->found = 0;
	s->host = NULL;
	if (is_host_kind(s->kind))
		rc = select_hosts(s, err);
	else if (is_job_kind(s->kind))
		rc = jobs_list(exactly(address.name), take, s, err);
	else
		rc = select_on_hosts(s, err);
	if (rc == 0 && s->found == 0 && pattern)
		rc = fail_empty(s, pattern, err);
	s->address = NULL;
	return rc;
}

/* The caller's wish and what the selection itself reads; NULL: all. Owned by the caller. */
static int widen_want(const struct selection *s, const bool *want, bool **wide,
		      struct hv_error *err)
{
	*wide = NULL;
	if (!want)
		return 0;
	size_t n = hv_prop_count(s->kind->props);
	*wide = calloc(n, sizeof **wide);
	if (!*wide)
		return hv_fail(err, HV_FAILED, 0, "no memory for a selection");
	memcpy(*wide, want, n * sizeof *want);
	(*wide)[0] = true;
	if (s->owner_index >= 0)
		(*wide)[s->owner_index] = true;
	int host = hv_prop_index(s->kind->props, "host");
	if (host >= 0)
		(*wide)[host] = true;
	if (s->where)
		hv_where_wants(s->where, *wide);
	return 0;
}

int hv_select(struct hv_model *model, const struct hv_kind *kind, const char *const *patterns,
	      size_t n, const struct hv_where *where, const bool *want, hv_emit_fn *emit, void *ctx,
	      struct hv_error *err)
{
	struct seen seen = {0};
	struct selection s = {.model = model,
			      .kind = kind,
			      .where = where,
			      .emit = emit,
			      .ctx = ctx,
			      .seen = n > 1 ? &seen : NULL,
			      .owner_index =
				      is_part(kind) ? hv_prop_index(kind->props, kind->owner) : -1};
	bool *wide;
	int rc = widen_want(&s, want, &wide, err);
	if (rc < 0)
		return rc;
	s.want = wide;
	if (n == 0)
		rc = select_pattern(&s, NULL, err);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = select_pattern(&s, patterns[i], err);
	free(wide);
	seen_fini(&seen);
	return rc;
}

size_t hv_object_address(const struct hv_object *obj, char *buf, size_t size)
{
	const struct hv_kind *kind = obj->kind;
	const char *name = hv_object_name(obj) ?: "?";
	const char *host = NULL, *owner = NULL;
	if (kind && hv_prop_index(kind->props, "host") >= 0)
		host = hv_get_string(obj, "host");
	if (kind && is_part(kind) && hv_prop_index(kind->props, kind->owner) >= 0)
		owner = hv_get_string(obj, kind->owner);
	if (host && strcmp(host, "local") == 0)
		host = NULL;
	int len = snprintf(buf, size, "%s%s%s%s%s", host ?: "", host ? "/" : "", owner ?: "",
			   owner ? ":" : "", name);
	return len > 0 ? (size_t)len : 0;
}
