/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where hvsh keeps its files: see paths.h. */
#include "engine/host/paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#define NAME_MAX_BYTES 63

/* Joins into to[size], an absolute path; base may be relative to the working folder. */
static int join(char *to, size_t size, const char *base, const char *name, struct hv_error *err)
{
	char here[PATH_MAX] = "";
	if (*base != '/' && !getcwd(here, sizeof here))
		return hv_fail(err, HV_USAGE, errno, "the working folder cannot be told");
	int n = snprintf(to, size, "%s%s%s%s%s", here, *here ? "/" : "", base, *name ? "/" : "",
			 name);
	if (n < 0 || (size_t)n >= size)
		return hv_fail(err, HV_USAGE, ENAMETOOLONG, "folder \"%.100s\"", base);
	return 0;
}

static const char *home_folder(void)
{
	const char *home = getenv("HOME");
	if (home && *home == '/')
		return home;
	const struct passwd *entry = getpwuid(geteuid());
	return entry && entry->pw_dir && *entry->pw_dir == '/' ? entry->pw_dir : NULL;
}

/* The XDG base folders specification ignores a relative value. */
static int xdg_folder(char *to, size_t size, const char *variable, const char *fallback,
		      struct hv_error *err)
{
	const char *base = getenv(variable);
	char under_home[PATH_MAX];
	if (base && *base == '/')
		return join(to, size, base, "hvsh", err);
	const char *home = home_folder();
	if (!home) {
		hv_fail(err, HV_USAGE, 0, "there is no home folder");
		return hv_hint(err, "set HOME, %s or HVSH_ROOT", variable);
	}
	int ret = join(under_home, sizeof under_home, home, fallback, err);
	return ret < 0 ? ret : join(to, size, under_home, "hvsh", err);
}

static int user_runtime(struct hv_paths *paths, struct hv_error *err)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	char usual[64];
	struct stat st;
	snprintf(usual, sizeof usual, "/run/user/%u", (unsigned)geteuid());
	if (!base || *base != '/')
		base = stat(usual, &st) == 0 && st.st_uid == geteuid() ? usual : NULL;
	/* no session manager: what lives in the home folder is at least private */
	return base ? join(paths->runtime, sizeof paths->runtime, base, "hvsh", err)
		    : join(paths->runtime, sizeof paths->runtime, paths->data, "run", err);
}

static int under_root(struct hv_paths *paths, const char *root, struct hv_error *err)
{
	int ret;
	if ((ret = join(paths->config, sizeof paths->config, root, "config", err)) < 0 ||
	    (ret = join(paths->data, sizeof paths->data, root, "data", err)) < 0)
		return ret;
	return join(paths->runtime, sizeof paths->runtime, root, "run", err);
}

int hv_paths_init(struct hv_paths *paths, struct hv_error *err)
{
	const char *root = getenv("HVSH_ROOT");
	int ret;
	if (root && *root)
		return under_root(paths, root, err);
	if (geteuid() == 0) {
		strcpy(paths->config, "/etc/hvsh");
		strcpy(paths->data, "/var/lib/hvsh");
		strcpy(paths->runtime, "/run/hvsh");
		return 0;
	}
	if ((ret = xdg_folder(paths->config, sizeof paths->config, "XDG_CONFIG_HOME", ".config",
			      err)) < 0 ||
	    (ret = xdg_folder(paths->data, sizeof paths->data, "XDG_DATA_HOME", ".local/share",
			      err)) < 0)
		return ret;
	return user_runtime(paths, err);
}

static int check_dir(const char *path, struct hv_error *err)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return hv_fail(err, errno == EACCES ? HV_DENIED : HV_FAILED, errno, "folder \"%s\"",
			       path);
	if (!S_ISDIR(st.st_mode))
		return hv_fail(err, HV_CONFLICT, 0, "\"%s\" is not a folder", path);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || st.st_mode & S_IWOTH ||
	    (st.st_uid != geteuid() && access(path, W_OK) < 0)) {
		hv_fail(err, HV_DENIED, 0, "folder \"%s\" is not only ours to write", path);
		return hv_hint(err, "it must belong to you, and others must not write to it");
	}
	return 0;
}

int hv_paths_make_dir(const char *path, struct hv_error *err)
{
	char partial[PATH_MAX];
	if (snprintf(partial, sizeof partial, "%s", path) >= (int)sizeof partial)
		return hv_fail(err, HV_USAGE, ENAMETOOLONG, "folder \"%.100s\"", path);
	/* mostly it is there, or its parent is */
	if (mkdir(partial, 0700) == 0)
		return 0;
	if (errno == EEXIST)
		return check_dir(path, err);
	for (char *slash = strchr(partial + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(partial, 0700) < 0 && errno != EEXIST)
			break;
		*slash = '/';
	}
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return check_dir(path, err);
	return hv_fail(err, errno == EACCES || errno == EROFS ? HV_DENIED : HV_FAILED, errno,
		       "cannot make folder \"%s\"", path);
}

int hv_paths_vm_dir(const struct hv_paths *paths, const char *name, char *to, struct hv_error *err)
{
	size_t len = strlen(name);
	if (len == 0 || len > NAME_MAX_BYTES || *name == '.' || strchr(name, '/'))
		return hv_fail(err, HV_USAGE, 0, "\"%.70s\" cannot be the name of a vm", name);
	if (snprintf(to, PATH_MAX, "%s/vms/%s", paths->runtime, name) >= PATH_MAX)
		return hv_fail(err, HV_USAGE, ENAMETOOLONG, "vm \"%s\": runtime folder", name);
	return 0;
}

/* PREFIX/bin/hvsh and PREFIX/libexec/hvsh/hvsh-vmm: so it is in a build tree and where it is
 * installed. */
static bool beside_us(char *to)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n <= 0)
		return false;
	self[n] = '\0';
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(self, '/');
		if (!slash)
			return false;
		*slash = '\0';
	}
	int len = snprintf(to, PATH_MAX, "%s/libexec/hvsh/hvsh-vmm", self);
	return len < PATH_MAX && access(to, X_OK) == 0;
}

int hv_paths_vmm_binary(char *to, struct hv_error *err)
{
	const char *given = getenv("HVSH_VMM");
	if (given && *given)
		return join(to, PATH_MAX, given, "", err);
	if (beside_us(to))
		return 0;
	snprintf(to, PATH_MAX, "%s/hvsh-vmm", HV_LIBEXEC_DIR);
	if (access(to, X_OK) == 0)
		return 0;
	hv_fail(err, HV_FAILED, errno, "hvsh-vmm is not where it was installed, \"%s\"", to);
	return hv_hint(err, "install hvsh again, or set HVSH_VMM to the path of hvsh-vmm");
}
