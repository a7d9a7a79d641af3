/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finds and loads plugins. A plugin runs with the operator's rights, so it is loaded only from a
 * file, in folders, that nobody but root and the operator can write; the check needs no race to
 * win, since whoever passes it owns the path.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/registry.h"
#include <config.h> /* the generated one: plugins/ has its own */

static struct {
	struct hv_plugin_record *records;
	size_t n, capacity;
} loaded;

size_t hv_plugin_count(void)
{
	return loaded.n;
}

const struct hv_plugin_record *hv_plugin_at(size_t index)
{
	return index < loaded.n ? &loaded.records[index] : NULL;
}

static struct hv_plugin_record *record_new(const char *path)
{
	if (loaded.n == loaded.capacity) {
		size_t capacity = loaded.capacity ? loaded.capacity * 2 : 32;
		void *grown = reallocarray(loaded.records, capacity, sizeof *loaded.records);
		if (!grown)
			return NULL;
		loaded.records = grown;
		loaded.capacity = capacity;
	}
	char *copy = strdup(path);
	if (!copy)
		return NULL;
	struct hv_plugin_record *record = &loaded.records[loaded.n++];
	*record = (struct hv_plugin_record){.path = copy};
	return record;
}

/* Others cannot change what stands at path, nor put something else in its place. */
static int check_owner(const char *path, struct hv_error *err)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return hv_fail(err, HV_FAILED, errno, "cannot read \"%s\"", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return hv_fail(err, HV_DENIED, 0, "\"%s\" belongs to user %u", path,
			       (unsigned)st.st_uid);
	bool sticky_dir = S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !sticky_dir) {
		hv_fail(err, HV_DENIED, 0, "\"%s\" can be written by others", path);
		return hv_hint(err, "chmod go-w '%s'", path);
	}
	return 0;
}

static int check_path(const char *path, struct hv_error *err)
{
	char part[PATH_MAX];
	if (!realpath(path, part))
		return hv_fail(err, HV_FAILED, errno, "cannot read \"%s\"", path);
	for (;;) {
		int rc = check_owner(part, err);
		if (rc < 0)
			return rc;
		char *slash = strrchr(part, '/');
		if (!slash || part[1] == '\0')
			return 0;
		slash[slash == part] = '\0';
	}
}

static int check_abi(const struct hv_plugin *plugin, struct hv_error *err)
{
	if (plugin->abi_version != HV_ABI_VERSION)
		return hv_fail(err, HV_CONFLICT, 0, "ABI version %u where this hvsh has %u",
			       plugin->abi_version, HV_ABI_VERSION);
	if (plugin->struct_size != sizeof *plugin)
		return hv_fail(err, HV_CONFLICT, 0,
			       "plugin struct of %u bytes where this hvsh has %zu",
			       plugin->struct_size, sizeof *plugin);
	if (!plugin->name || !plugin->version || !plugin->summary)
		return hv_fail(err, HV_CONFLICT, 0, "it has no name, version or summary");
	return 0;
}

static int load_file(struct hv_plugin_record *record, struct hv_error *err)
{
	int rc = check_path(record->path, err);
	if (rc < 0)
		return rc;
	void *handle = dlopen(record->path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return hv_fail(err, HV_FAILED, 0, "%s", dlerror());
	const struct hv_plugin *plugin = dlsym(handle, "hvsh_plugin");
	if (!plugin)
		rc = hv_fail(err, HV_FAILED, 0, "it has no symbol \"hvsh_plugin\"");
	else
		rc = check_abi(plugin, err);
	if (rc == 0)
		rc = registry_add_plugin(plugin, err);
	if (rc < 0) {
		dlclose(handle);
		return rc;
	}
	record->handle = handle;
	record->plugin = plugin;
	return 0;
}

static int is_plugin(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');
	return dot && strcmp(dot, ".so") == 0;
}

static void load_folder(const char *folder)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, is_plugin, alphasort);
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];
		struct hv_error err = {0};
		snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
		struct hv_plugin_record *record = record_new(path);
		if (record && load_file(record, &err) < 0)
			record->reason = strdup(err.message);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static void load_user_folder(void)
{
	char path[PATH_MAX];
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	if (data && data[0] == '/')
		snprintf(path, sizeof path, "%s/hvsh/plugins", data);
	else if (home)
		snprintf(path, sizeof path, "%s/.local/share/hvsh/plugins", home);
	else
		return;
	load_folder(path);
}

static void load_builtin_folder(void)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
	char *slash = NULL;
	if (len > 0) {
		path[len] = '\0';
		slash = strrchr(path, '/');
	}
	if (slash) {
		snprintf(slash, sizeof path - (size_t)(slash - path), "/../lib/hvsh/plugins");
		if (access(path, F_OK) == 0) {
			load_folder(path);
			return;
		}
	}
	load_folder(HV_PLUGIN_DIR);
}

void plugin_load_all(void)
{
	const char *list = getenv("HVSH_PLUGIN_PATH");
	char *copy = list ? strdup(list) : NULL, *rest = copy, *folder;
	while (rest && (folder = strsep(&rest, ":"))) {
		if (*folder)
			load_folder(folder);
	}
	free(copy);
	load_user_folder();
	load_builtin_folder();
}

void plugin_unload_all(void)
{
	registry_clear();
	for (size_t i = 0; i < loaded.n; i++) {
		free(loaded.records[i].path);
		free(loaded.records[i].reason);
		if (loaded.records[i].handle)
			dlclose(loaded.records[i].handle);
	}
	free(loaded.records);
	memset(&loaded, 0, sizeof loaded);
}
