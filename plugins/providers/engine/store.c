/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Definitions on disk: one YAML file a VM, private to its owner, replaced whole by rename. Whoever
 * changes one holds a byte-range lock of its name in one lock file, so that no lock file is left
 * behind and the lock goes with the process that held it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/providers/engine/engine.h"

#define SUFFIX ".yaml"
#define DEFINITION_MAX (1 << 20)

static const struct hv_kind *vm_kind(void)
{
	return hv_kind_find("vm");
}

int store_init(struct engine *engine, struct hv_error *err)
{
	int rc = hv_paths_init(&engine->paths, err);
	if (rc == 0)
		snprintf(engine->definitions, sizeof engine->definitions, "%s/vms",
			 engine->paths.config);
	return rc;
}

void store_path(struct engine *engine, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s" SUFFIX, engine->definitions, name);
}

int store_check_name(const char *name, struct hv_error *err)
{
	size_t len = strlen(name);
	bool good = len > 0 && len < 64 && isalnum((unsigned char)name[0]);
	for (size_t i = 0; good && i < len; i++)
		good = isalnum((unsigned char)name[i]) || strchr("._-", name[i]);
	if (good)
		return 0;
	hv_fail(err, HV_USAGE, 0, "\"%.64s\" cannot be a VM's name", name);
	return hv_hint(err,
		       "letters, digits, '.', '_' and '-', at most 63, a letter or digit first");
}

/* ---- reading --------------------------------------------------------------------------------- */

static int is_definition(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);
	char name[64];
	if (len <= strlen(SUFFIX) || len - strlen(SUFFIX) >= sizeof name ||
	    strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) != 0)
		return 0;
	snprintf(name, sizeof name, "%.*s", (int)(len - strlen(SUFFIX)), entry->d_name);
	return store_check_name(name, NULL) == 0;
}

int store_list(struct engine *engine, char ***names, size_t *n, struct hv_error *err)
{
	struct dirent **entries;
	int count = scandir(engine->definitions, &entries, is_definition, alphasort);
	*names = NULL;
	*n = 0;
	if (count < 0)
		return errno == ENOENT ? 0
				       : hv_fail(err, errno == EACCES ? HV_DENIED : HV_FAILED,
						 errno, "cannot read \"%s\"", engine->definitions);
	size_t row = 64;
	char **list = calloc((size_t)count + 1, sizeof *list + row);
	char *text = list ? (char *)(list + count + 1) : NULL;
	for (int i = 0; i < count; i++) {
		if (list) {
			list[i] = text + (size_t)i * row;
			snprintf(list[i], row, "%.*s",
				 (int)(strlen(entries[i]->d_name) - strlen(SUFFIX)),
				 entries[i]->d_name);
		}
		free(entries[i]);
	}
	free(entries);
	*names = list;
	*n = (size_t)count;
	return list ? 0 : hv_fail(err, HV_FAILED, 0, "out of memory");
}

bool store_has(struct engine *engine, const char *name)
{
	char path[PATH_MAX];
	if (store_check_name(name, NULL) < 0)
		return false;
	store_path(engine, name, path, sizeof path);
	return access(path, F_OK) == 0;
}

static int read_file(const char *path, char **text, size_t *len, struct hv_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0) {
		int sys = errno;
		if (fd >= 0)
			close(fd);
		return hv_fail(err, sys == ENOENT ? HV_NOT_FOUND : HV_FAILED, sys,
			       "cannot read \"%s\"", path);
	}
	bool sane = S_ISREG(st.st_mode) && st.st_size <= DEFINITION_MAX;
	*text = sane ? malloc((size_t)st.st_size + 1) : NULL;
	ssize_t got = *text ? read(fd, *text, (size_t)st.st_size) : -1;
	int sys = errno;
	close(fd);
	if (got >= 0) {
		*len = (size_t)got;
		return 0;
	}
	free(*text);
	return sane ? hv_fail(err, HV_FAILED, sys, "cannot read \"%s\"", path)
		    : hv_fail(err, HV_FAILED, 0, "\"%s\" is no definition", path);
}

int store_load(struct engine *engine, const char *name, struct hv_object **out,
	       struct hv_error *err)
{
	char path[PATH_MAX], *text = NULL;
	size_t len = 0;
	struct stat st;
	*out = NULL;
	int rc = store_check_name(name, err);
	if (rc < 0)
		return rc;
	store_path(engine, name, path, sizeof path);
	rc = read_file(path, &text, &len, err);
	if (rc == -HV_NOT_FOUND)
		return hv_fail(err, HV_NOT_FOUND, 0, "no VM \"%s\"", name);
	if (rc < 0)
		return rc;
	struct hv_object *vm = hv_object_from_yaml(vm_kind(), text, len, path, err);
	free(text);
	/* the file's name is the VM's, whatever stands in it: a rename is one step */
	if (vm &&
	    (hv_set_string(vm, "name", name) < 0 || hv_set_string(vm, "definition", path) < 0))
		rc = hv_fail(err, HV_FAILED, 0, "out of memory");
	if (vm && rc == 0)
		rc = hv_object_preset(vm, err);
	if (vm && rc == 0 && stat(path, &st) == 0)
		rc = hv_set_int(vm, "created", st.st_mtime);
	if (!vm || rc < 0) {
		hv_object_free(vm);
		return vm ? rc : -(int)err->code;
	}
	*out = vm;
	return 0;
}

/* ---- changing -------------------------------------------------------------------------------- */

/* FNV-1a, cut to what a file offset holds. Two names that share a value only wait for each other.
 */
static off_t lock_offset(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325;
	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
	return (off_t)(hash & 0x3fffffffffffffff);
}

int store_lock(struct engine *engine, const char *name, struct engine_lock *lock,
	       struct hv_error *err)
{
	char path[PATH_MAX];
	lock->fd = -1;
	int rc = hv_paths_make_dir(engine->definitions, err);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof path, "%s/.lock", engine->definitions);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return hv_fail(err, errno == EACCES ? HV_DENIED : HV_FAILED, errno,
			       "cannot open \"%s\"", path);
	struct flock range = {.l_type = F_WRLCK, .l_start = lock_offset(name), .l_len = 1};
	if (fcntl(fd, F_OFD_SETLK, &range) == 0) {
		lock->fd = fd;
		return 0;
	}
	bool busy = errno == EAGAIN || errno == EACCES;
	rc = hv_fail(err, busy ? HV_CONFLICT : HV_FAILED, busy ? 0 : errno,
		     busy ? "vm \"%s\" is being changed by another hvsh" : "cannot lock vm \"%s\"",
		     name);
	if (busy)
		hv_hint(err, "try again when it is done");
	close(fd);
	return rc;
}

void store_unlock(struct engine_lock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	lock->fd = -1;
}

static int write_all(int fd, const char *text)
{
	size_t len = strlen(text);
	while (len > 0) {
		ssize_t put = write(fd, text, len);
		if (put < 0 && errno != EINTR)
			return -errno;
		text += put > 0 ? put : 0;
		len -= put > 0 ? (size_t)put : 0;
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

static int sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 || fsync(fd) != 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

static int replace_file(struct engine *engine, const char *name, const char *text,
			struct hv_error *err)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	store_path(engine, name, path, sizeof path);
	/* always the same name: what a killed hvsh left is overwritten by the next */
	snprintf(fresh, sizeof fresh, "%s/.%s.new", engine->definitions, name);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc = fd < 0 ? -errno : write_all(fd, text);
	if (fd >= 0 && close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(fresh, path) != 0)
		rc = -errno;
	if (rc == 0)
		rc = sync_folder(engine->definitions);
	if (rc == 0)
		return 0;
	unlink(fresh);
	hv_fail(err, rc == -EACCES || rc == -EROFS ? HV_DENIED : HV_FAILED, -rc,
		"cannot write the definition of vm \"%s\"", name);
	if (rc == -ENOSPC || rc == -EDQUOT)
		return hv_hint(err, "make room under \"%.100s\"; the old definition stands",
			       engine->definitions);
	return hv_hint(err, "\"%.120s\" must be writable", engine->definitions);
}

int store_save(struct engine *engine, const char *name, const struct hv_object *definition,
	       struct hv_error *err)
{
	struct hv_object *plain = hv_object_definition(definition);
	char *yaml = plain ? hv_object_to_yaml(plain) : NULL;
	int rc = yaml ? replace_file(engine, name, yaml, err)
		      : hv_fail(err, HV_FAILED, 0, "out of memory");
	free(yaml);
	hv_object_free(plain);
	return rc;
}

int store_remove(struct engine *engine, const char *name, struct hv_error *err)
{
	char path[PATH_MAX];
	store_path(engine, name, path, sizeof path);
	if (unlink(path) != 0)
		return hv_fail(err, errno == ENOENT ? HV_NOT_FOUND : HV_FAILED, errno,
			       "cannot delete the definition of vm \"%s\"", name);
	sync_folder(engine->definitions);
	return 0;
}

int store_rename(struct engine *engine, const char *from, const char *to, struct hv_error *err)
{
	char old[PATH_MAX], new[PATH_MAX];
	store_path(engine, from, old, sizeof old);
	store_path(engine, to, new, sizeof new);
	if (renameat2(AT_FDCWD, old, AT_FDCWD, new, RENAME_NOREPLACE) == 0) {
		sync_folder(engine->definitions);
		return 0;
	}
	if (errno == EEXIST)
		return hv_fail(err, HV_CONFLICT, 0, "vm \"%s\" is there already", to);
	return hv_fail(err, HV_FAILED, errno, "cannot rename vm \"%s\"", from);
}
