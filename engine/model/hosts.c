/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hosts of a model, opened at their first use, and the providers that open them. */
#include "engine/model/hosts.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Grows while plugins load, before any other thread runs; constant afterwards. */
static const struct hv_provider_ops **providers;
static size_t n_providers;

static const struct hv_provider_ops *find_provider(const char *scheme, size_t len)
{
	for (size_t i = 0; i < n_providers; i++) {
		if (strncmp(providers[i]->scheme, scheme, len) == 0 &&
		    providers[i]->scheme[len] == '\0')
			return providers[i];
	}
	return NULL;
}

int hv_provider_add(const struct hv_provider_ops *ops, struct hv_error *err)
{
	if (!ops->scheme || !ops->open || !ops->close || !ops->list)
		return hv_fail(err, HV_USAGE, 0,
			       "provider \"%s\" lacks a scheme, open, close or list",
			       ops->scheme ?: "?");
	if (find_provider(ops->scheme, strlen(ops->scheme)))
		return hv_fail(err, HV_CONFLICT, 0, "provider \"%s\" is there already",
			       ops->scheme);
	const struct hv_provider_ops **grown =
		realloc(providers, (n_providers + 1) * sizeof *grown);
	if (!grown)
		return hv_fail(err, HV_FAILED, 0, "no memory for provider \"%s\"", ops->scheme);
	providers = grown;
	providers[n_providers++] = ops;
	return 0;
}

void hv_provider_remove(const struct hv_provider_ops *ops)
{
	for (size_t i = 0; i < n_providers; i++) {
		if (providers[i] != ops)
			continue;
		memmove(providers + i, providers + i + 1, (--n_providers - i) * sizeof *providers);
		break;
	}
	if (n_providers == 0) {
		free(providers);
		providers = NULL;
	}
}

static void host_close(struct hv_host *host)
{
	if (host->ops)
		host->ops->close(host->data);
	host->ops = NULL;
	host->data = NULL;
}

static void host_free(struct hv_host *host)
{
	if (!host)
		return;
	host_close(host);
	free(host->name);
	free(host->uri);
	free(host);
}

static struct hv_host *host_new(const char *name, const char *uri)
{
	struct hv_host *host = calloc(1, sizeof *host);
	if (!host)
		return NULL;
	host->name = strdup(name);
	host->uri = strdup(uri);
	if (host->name && host->uri)
		return host;
	host_free(host);
	return NULL;
}

int host_open(struct hv_host *host, struct hv_error *err)
{
	if (host->ops)
		return 0;
	const char *colon = strchrnul(host->uri, ':');
	const struct hv_provider_ops *ops = find_provider(host->uri, (size_t)(colon - host->uri));
	if (!ops) {
		hv_fail(err, HV_USAGE, 0, "host \"%s\": no provider for \"%.*s:\"", host->name,
			(int)(colon - host->uri), host->uri);
		return hv_hint(err, "see which ones are loaded: hvsh plugin list");
	}
	int rc = ops->open(&host->data, *colon ? colon + 1 : "", host->name, err);
	if (rc == 0)
		host->ops = ops;
	return rc;
}

struct hv_model *hv_model_new(struct hv_error *err)
{
	struct hv_model *model = calloc(1, sizeof *model);
	const char *local = getenv("HVSH_LOCAL");
	if (model)
		model->current = strdup("local");
	if (!model || !model->current ||
	    hv_model_add_host(model, "local", local && *local ? local : "engine:", NULL) < 0) {
		hv_model_free(model);
		hv_fail(err, HV_FAILED, 0, "no memory for the object model");
		return NULL;
	}
	return model;
}

void hv_model_free(struct hv_model *model)
{
	if (!model)
		return;
	for (size_t i = 0; i < model->n_hosts; i++)
		host_free(model->hosts[i]);
	free(model->hosts);
	free(model->current);
	free(model);
}

static struct hv_host **find_slot(struct hv_model *model, const char *name)
{
	for (size_t i = 0; i < model->n_hosts; i++) {
		if (strcmp(model->hosts[i]->name, name) == 0)
			return &model->hosts[i];
	}
	return NULL;
}

int hv_model_add_host(struct hv_model *model, const char *name, const char *uri,
		      struct hv_error *err)
{
	if (!*name || strpbrk(name, "/:,*?[] \t\n"))
		return hv_fail(err, HV_USAGE, 0, "\"%.64s\" cannot be the name of a host", name);
	struct hv_host **slot = find_slot(model, name);
	struct hv_host **grown =
		slot ? model->hosts
		     : realloc(model->hosts, (model->n_hosts + 1) * sizeof(struct hv_host *));
	struct hv_host *host = host_new(name, uri);
	if (grown)
		model->hosts = grown;
	if (!grown || !host) {
		host_free(host);
		return hv_fail(err, HV_FAILED, 0, "no memory for host \"%s\"", name);
	}
	if (slot) {
		host_free(*slot);
		*slot = host;
	} else {
		model->hosts[model->n_hosts++] = host;
	}
	return 0;
}

int hv_model_remove_host(struct hv_model *model, const char *name, struct hv_error *err)
{
	struct hv_host *host = host_find(model, name, err);
	if (!host)
		return -HV_NOT_FOUND;
	if (strcmp(name, "local") == 0)
		return hv_fail(err, HV_CONFLICT, 0, "host \"local\" is the one at hand, it stays");
	struct hv_host **slot = find_slot(model, name);
	size_t after = model->n_hosts - (size_t)(slot - model->hosts) - 1;
	host_free(host);
	memmove(slot, slot + 1, after * sizeof *slot);
	model->n_hosts--;
	return 0;
}

struct hv_host *host_find(struct hv_model *model, const char *name, struct hv_error *err)
{
	struct hv_host **slot = find_slot(model, name);
	if (slot)
		return *slot;
	const char *names[64];
	size_t n = 0;
	for (; n < model->n_hosts && n < 64; n++)
		names[n] = model->hosts[n]->name;
	hv_fail(err, HV_NOT_FOUND, 0, "no host \"%s\"", name);
	const char *nearest = hv_nearest(name, names, n);
	if (nearest)
		hv_hint(err, "did you mean \"%s\"?", nearest);
	else
		hv_hint(err, "see which ones there are: hvsh host list");
	return NULL;
}

bool is_glob(const char *text)
{
	return text[strcspn(text, "*?[")] != '\0';
}

bool host_matches(const struct hv_host *host, const char *patterns)
{
	if (strcmp(host->name, patterns) == 0)
		return true;
	char one[128];
	while (*patterns) {
		size_t len = strcspn(patterns, ",");
		if (len < sizeof one) {
			memcpy(one, patterns, len);
			one[len] = '\0';
			if (fnmatch(one, host->name, 0) == 0)
				return true;
		}
		patterns += len + (patterns[len] == ',');
	}
	return false;
}

struct hv_host *host_only(struct hv_model *model, const char *patterns, struct hv_error *err)
{
	struct hv_host *found = NULL;
	if (!is_glob(patterns) && !strchr(patterns, ','))
		return host_find(model, patterns, err);
	for (size_t i = 0; i < model->n_hosts; i++) {
		if (!host_matches(model->hosts[i], patterns))
			continue;
		if (found) {
			hv_fail(err, HV_USAGE, 0, "\"%s\" means several hosts", patterns);
			hv_hint(err, "name the one that is meant: --host HOST");
			return NULL;
		}
		found = model->hosts[i];
	}
	if (!found)
		hv_fail(err, HV_NOT_FOUND, 0, "no host matches \"%s\"", patterns);
	return found;
}

/* "test:1000": a host called test. Fills name. */
static int use_uri(struct hv_model *model, const char *uri, char name[64], struct hv_error *err)
{
	snprintf(name, 64, "%.*s", (int)strcspn(uri, ":"), uri);
	struct hv_host **slot = find_slot(model, name);
	if (slot && strcmp((*slot)->uri, uri) == 0)
		return 0;
	return hv_model_add_host(model, name, uri, err);
}

int hv_model_use(struct hv_model *model, const char *pattern, struct hv_error *err)
{
	char name[64];
	if (strchr(pattern, ':')) {
		int rc = use_uri(model, pattern, name, err);
		if (rc < 0)
			return rc;
		pattern = name;
	}
	bool any = false;
	for (size_t i = 0; i < model->n_hosts; i++)
		any |= host_matches(model->hosts[i], pattern);
	if (!any && !is_glob(pattern) && !strchr(pattern, ','))
		return host_find(model, pattern, err) ? 0 : -HV_NOT_FOUND;
	if (!any)
		return hv_fail(err, HV_NOT_FOUND, 0, "no host matches \"%s\"", pattern);
	char *copy = strdup(pattern);
	if (!copy)
		return hv_fail(err, HV_FAILED, 0, "no memory for \"%s\"", pattern);
	free(model->current);
	model->current = copy;
	return 0;
}

const char *hv_model_current(const struct hv_model *model)
{
	return model->current;
}
