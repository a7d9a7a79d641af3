/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The launch spec's only reader: JSON into struct spec, every value checked, the wrong key named by
 * its path ("disks[2].lun"). Absent keys keep their defaults, unknown ones are ignored.
 */
#include "engine/vmm/spec.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define SPEC_VERSION 1
#define SPEC_BYTES_MAX (1 << 20)
#define SPEC_FD_MAX (1 << 20)
#define CMDLINE_MAX 4096
#define MIB (1024ull * 1024)
#define MEMORY_MIN (16 * MIB)
#define MEMORY_MAX (16ull << 40)

/* An object of the spec under its path, "" for the whole. */
struct scope {
	json_t *object;
	char path[48];
	struct hv_error *err;
};

static int refuse(const struct scope *scope, const char *key, const char *why)
{
	return hv_fail(scope->err, HV_USAGE, 0, "launch spec: %s%s%s: %s", scope->path,
		       *scope->path ? "." : "", key, why);
}

static int get_int(const struct scope *scope, const char *key, json_int_t min, json_int_t max,
		   json_int_t *value)
{
	const json_t *item = json_object_get(scope->object, key);
	if (!item)
		return 0;
	if (!json_is_integer(item))
		return refuse(scope, key, "not an integer");
	json_int_t got = json_integer_value(item);
	if (got < min || got > max)
		return refuse(scope, key, "out of range");
	*value = got;
	return 0;
}

static int get_small(const struct scope *scope, const char *key, int min, int max, int *value)
{
	json_int_t wide = *value;
	int ret = get_int(scope, key, min, max, &wide);
	if (ret == 0)
		*value = (int)wide;
	return ret;
}

static int get_fd(const struct scope *scope, const char *key, bool required, int *fd)
{
	if (required && !json_object_get(scope->object, key))
		return refuse(scope, key, "missing");
	return get_small(scope, key, 0, SPEC_FD_MAX, fd);
}

static int get_bool(const struct scope *scope, const char *key, bool *value)
{
	const json_t *item = json_object_get(scope->object, key);
	if (!item)
		return 0;
	if (!json_is_boolean(item))
		return refuse(scope, key, "not a boolean");
	*value = json_boolean_value(item);
	return 0;
}

/* NULL in *text where the key is absent; refuses more than max bytes. */
static int get_text(const struct scope *scope, const char *key, size_t max, const char **text)
{
	const json_t *item = json_object_get(scope->object, key);
	*text = NULL;
	if (!item)
		return 0;
	if (!json_is_string(item))
		return refuse(scope, key, "not a string");
	/* jansson lets no zero byte into a string */
	if (json_string_length(item) > max)
		return refuse(scope, key, "too long");
	*text = json_string_value(item);
	return 0;
}

static int copy_text(const struct scope *scope, const char *key, bool required, char *to,
		     size_t size)
{
	const char *text;
	int ret = get_text(scope, key, size - 1, &text);
	if (ret < 0)
		return ret;
	if (!text || !*text)
		return required ? refuse(scope, key, "missing") : 0;
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

static int dup_text(const struct scope *scope, const char *key, size_t max, char **to)
{
	const char *text;
	int ret = get_text(scope, key, max, &text);
	if (ret < 0 || !text)
		return ret;
	*to = strdup(text);
	return *to ? 0 : hv_fail(scope->err, HV_FAILED, ENOMEM, "launch spec");
}

/* words: NULL-terminated; *value becomes the index of the word. */
static int get_word(const struct scope *scope, const char *key, const char *const *words,
		    int *value)
{
	const char *text;
	int ret = get_text(scope, key, 32, &text);
	if (ret < 0 || !text)
		return ret;
	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], text) == 0) {
			*value = i;
			return 0;
		}
	}
	return refuse(scope, key, "unknown word");
}

static int get_array(const struct scope *scope, const char *key, size_t max, json_t **array)
{
	*array = json_object_get(scope->object, key);
	if (!*array)
		return 0;
	if (!json_is_array(*array))
		return refuse(scope, key, "not an array");
	if (json_array_size(*array) > max)
		return refuse(scope, key, "too many");
	return 0;
}

static int enter(const struct scope *outer, const char *key, struct scope *inner)
{
	inner->err = outer->err;
	inner->object = json_object_get(outer->object, key);
	snprintf(inner->path, sizeof inner->path, "%s", key);
	if (inner->object && !json_is_object(inner->object))
		return refuse(outer, key, "not an object");
	return 0;
}

static int enter_item(const struct scope *outer, json_t *array, size_t index, const char *key,
		      struct scope *inner)
{
	inner->err = outer->err;
	inner->object = json_array_get(array, index);
	snprintf(inner->path, sizeof inner->path, "%s[%zu]", key, index);
	if (!json_is_object(inner->object))
		return hv_fail(outer->err, HV_USAGE, 0, "launch spec: %s: not an object",
			       inner->path);
	return 0;
}

/* What ends up as a name in logs, sockets and sections: no slash, no control character. */
static bool is_plain(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text <= ' ' || *text == '/' || *text == 0x7f)
			return false;
	}
	return true;
}

static int parse_memory(struct gmem_config *memory, const struct scope *top)
{
	static const char *const backings[] = {"anonymous", "memfd", "hugetlb", NULL};
	struct scope in;
	int ret = enter(top, "memory", &in);
	if (ret < 0)
		return ret;
	json_int_t size = 0, page = 0;
	int backing = GMEM_ANONYMOUS;
	if ((ret = get_int(&in, "size", MEMORY_MIN, MEMORY_MAX, &size)) < 0 ||
	    (ret = get_int(&in, "page_size", 0, 1 << 30, &page)) < 0 ||
	    (ret = get_word(&in, "backing", backings, &backing)) < 0 ||
	    (ret = get_bool(&in, "prefault", &memory->prefault)) < 0)
		return ret;
	if (!size)
		return refuse(&in, "size", "missing");
	if (size % (2 * MIB))
		return refuse(&in, "size", "not a multiple of 2 MiB");
	if (backing == GMEM_HUGETLB && page != (json_int_t)(2 * MIB) && page != 1 << 30)
		return refuse(&in, "page_size", "neither 2 MiB nor 1 GiB");
	if (backing == GMEM_HUGETLB && size % page)
		return refuse(&in, "size", "not a multiple of the page size");
	memory->size_bytes = (uint64_t)size;
	memory->page_bytes = (uint64_t)page;
	memory->backing = (enum gmem_backing)backing;
	return 0;
}

static int parse_cpus(struct spec_cpus *cpus, const struct scope *top)
{
	struct scope in;
	json_t *pins;
	int ret = enter(top, "cpus", &in);
	cpus->count = 1;
	cpus->sockets = cpus->threads = 1;
	if (ret < 0 || (ret = get_small(&in, "count", 1, SPEC_CPUS_MAX, &cpus->count)) < 0)
		return ret;
	cpus->cores = cpus->count;
	if ((ret = get_small(&in, "sockets", 1, SPEC_CPUS_MAX, &cpus->sockets)) < 0 ||
	    (ret = get_small(&in, "cores", 1, SPEC_CPUS_MAX, &cpus->cores)) < 0 ||
	    (ret = get_small(&in, "threads", 1, SPEC_CPUS_MAX, &cpus->threads)) < 0 ||
	    (ret = get_array(&in, "pin", (size_t)cpus->count, &pins)) < 0)
		return ret;
	if (cpus->sockets * cpus->cores * cpus->threads != cpus->count)
		return refuse(&in, "count", "not sockets times cores times threads");
	for (int i = 0; i < SPEC_CPUS_MAX; i++)
		cpus->pin[i] = -1;
	for (size_t i = 0; i < json_array_size(pins); i++) {
		json_int_t pin = json_integer_value(json_array_get(pins, i));
		if (!json_is_integer(json_array_get(pins, i)) || pin < -1 || pin > 8191)
			return refuse(&in, "pin", "not a list of host CPU numbers");
		cpus->pin[i] = (int)pin;
	}
	return 0;
}

static int parse_boot(struct spec_boot *boot, const struct scope *top)
{
	struct scope in;
	int ret = enter(top, "boot", &in);
	if (ret < 0 || (ret = get_fd(&in, "kernel_fd", true, &boot->kernel_fd)) < 0 ||
	    (ret = get_fd(&in, "initrd_fd", false, &boot->initrd_fd)) < 0 ||
	    (ret = dup_text(&in, "kernel_name", 4096, &boot->kernel_name)) < 0)
		return ret;
	return dup_text(&in, "cmdline", CMDLINE_MAX, &boot->cmdline);
}

static int parse_disk(struct spec_disk *disk, const struct scope *in)
{
	int ret;
	disk->fd = -1;
	memcpy(disk->format, "raw", 4);
	if ((ret = copy_text(in, "id", true, disk->id, sizeof disk->id)) < 0 ||
	    (ret = get_small(in, "controller", 0, 0, &disk->controller)) < 0 ||
	    (ret = get_small(in, "target", 0, 254, &disk->target)) < 0 ||
	    (ret = get_small(in, "lun", 0, 16383, &disk->lun)) < 0 ||
	    (ret = get_fd(in, "fd", true, &disk->fd)) < 0 ||
	    (ret = copy_text(in, "format", false, disk->format, sizeof disk->format)) < 0 ||
	    (ret = copy_text(in, "serial", false, disk->serial, sizeof disk->serial)) < 0 ||
	    (ret = get_bool(in, "read_only", &disk->read_only)) < 0)
		return ret;
	return is_plain(disk->id) ? 0 : refuse(in, "id", "not a plain name");
}

static int parse_disks(struct spec *spec, const struct scope *top)
{
	json_t *array;
	int ret = get_array(top, "disks", SPEC_DISKS_MAX, &array);
	if (ret < 0 || json_array_size(array) == 0)
		return ret;
	spec->disks = calloc(json_array_size(array), sizeof *spec->disks);
	if (!spec->disks)
		return hv_fail(top->err, HV_FAILED, ENOMEM, "launch spec");
	for (size_t i = 0; i < json_array_size(array); i++) {
		struct scope in;
		struct spec_disk *disk = &spec->disks[spec->n_disks];
		if ((ret = enter_item(top, array, i, "disks", &in)) < 0 ||
		    (ret = parse_disk(disk, &in)) < 0)
			return ret;
		for (int other = 0; other < spec->n_disks; other++) {
			const struct spec_disk *d = &spec->disks[other];
			if (strcmp(d->id, disk->id) == 0)
				return refuse(&in, "id", "used twice");
			if (d->controller == disk->controller && d->target == disk->target &&
			    d->lun == disk->lun)
				return refuse(&in, "lun", "place taken by another disk");
		}
		spec->n_disks++;
	}
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* "52:54:00:12:34:56", a station's own address: not a group's. */
static int parse_mac(const struct scope *in, uint8_t mac[6])
{
	char text[18] = "";
	int ret = copy_text(in, "mac", true, text, sizeof text);
	if (ret < 0)
		return ret;
	if (strlen(text) != 17)
		return refuse(in, "mac", "not a MAC address");
	for (int i = 0; i < 6; i++) {
		int high = hex_digit(text[i * 3]), low = hex_digit(text[i * 3 + 1]);
		if (high < 0 || low < 0 || (i < 5 && text[i * 3 + 2] != ':'))
			return refuse(in, "mac", "not a MAC address");
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return mac[0] & 1 ? refuse(in, "mac", "a group address") : 0;
}

static int parse_passt(struct spec_nic *nic, const struct scope *in)
{
	json_t *array;
	int ret = get_array(in, "passt", 128, &array);
	if (ret < 0)
		return ret;
	size_t n = json_array_size(array);
	if (n == 0)
		return refuse(in, "passt", "missing");
	nic->passt = calloc(n + 1, sizeof *nic->passt);
	for (size_t i = 0; nic->passt && i < n; i++) {
		const json_t *item = json_array_get(array, i);
		if (!json_is_string(item))
			return refuse(in, "passt", "not a list of strings");
		nic->passt[i] = strdup(json_string_value(item));
		if (!nic->passt[i])
			break;
	}
	if (!nic->passt || !nic->passt[n - 1])
		return hv_fail(in->err, HV_FAILED, ENOMEM, "launch spec");
	return 0;
}

static int parse_tap(struct spec_nic *nic, const struct scope *in)
{
	json_t *array;
	int ret = get_array(in, "fds", SPEC_NIC_QUEUES_MAX, &array);
	if (ret < 0)
		return ret;
	if (json_array_size(array) != (size_t)nic->queues)
		return refuse(in, "fds", "not one a queue");
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *item = json_array_get(array, i);
		json_int_t fd = json_integer_value(item);
		if (!json_is_integer(item) || fd < 0 || fd > SPEC_FD_MAX)
			return refuse(in, "fds", "not a list of descriptors");
		nic->fds[nic->n_fds++] = (int)fd;
	}
	return 0;
}

static int parse_nic(struct spec_nic *nic, const struct scope *in)
{
	static const char *const backends[] = {"tap", "passt", "none", NULL};
	int ret, backend = -1;
	for (int i = 0; i < SPEC_NIC_QUEUES_MAX; i++)
		nic->fds[i] = -1;
	nic->queues = 1;
	nic->mtu = 1500;
	nic->link = true;
	if ((ret = copy_text(in, "id", true, nic->id, sizeof nic->id)) < 0 ||
	    (ret = parse_mac(in, nic->mac)) < 0 ||
	    (ret = get_word(in, "backend", backends, &backend)) < 0 ||
	    (ret = get_small(in, "queues", 1, SPEC_NIC_QUEUES_MAX, &nic->queues)) < 0 ||
	    (ret = get_small(in, "mtu", 68, 65535, &nic->mtu)) < 0 ||
	    (ret = get_bool(in, "link", &nic->link)) < 0)
		return ret;
	if (backend < 0)
		return refuse(in, "backend", "missing");
	if (!is_plain(nic->id))
		return refuse(in, "id", "not a plain name");
	nic->backend = (enum spec_net_backend)backend;
	if (nic->backend == SPEC_NET_NONE)
		return 0;
	return nic->backend == SPEC_NET_TAP ? parse_tap(nic, in) : parse_passt(nic, in);
}

static int parse_nics(struct spec *spec, const struct scope *top)
{
	json_t *array;
	int ret = get_array(top, "nics", SPEC_NICS_MAX, &array);
	if (ret < 0 || json_array_size(array) == 0)
		return ret;
	spec->nics = calloc(json_array_size(array), sizeof *spec->nics);
	if (!spec->nics)
		return hv_fail(top->err, HV_FAILED, ENOMEM, "launch spec");
	for (size_t i = 0; i < json_array_size(array); i++) {
		struct scope in;
		struct spec_nic *nic = &spec->nics[spec->n_nics++];
		if ((ret = enter_item(top, array, i, "nics", &in)) < 0 ||
		    (ret = parse_nic(nic, &in)) < 0)
			return ret;
		for (int other = 0; other < spec->n_nics - 1; other++) {
			if (strcmp(spec->nics[other].id, nic->id) == 0)
				return refuse(&in, "id", "used twice");
		}
	}
	return 0;
}

static int parse_restart(struct spec *spec, const struct scope *top)
{
	static const char *const policies[] = {"never", "on-crash", "always", NULL};
	struct scope in;
	int policy = SPEC_RESTART_NEVER;
	int ret = enter(top, "restart", &in);
	spec->restart_limit = 5;
	spec->restart_delay_s = 1;
	if (ret < 0 || (ret = get_word(&in, "policy", policies, &policy)) < 0 ||
	    (ret = get_small(&in, "limit", 0, 1000000, &spec->restart_limit)) < 0 ||
	    (ret = get_small(&in, "delay", 0, 86400, &spec->restart_delay_s)) < 0)
		return ret;
	spec->restart = (enum spec_restart)policy;
	return 0;
}

static int parse_identity(struct spec *spec, const struct scope *top)
{
	static const char *const modes[] = {"enforce", "errno", "off", NULL};
	json_int_t version = 0;
	int sandbox = SPEC_SANDBOX_ENFORCE;
	int ret;
	if ((ret = get_int(top, "version", 0, INT32_MAX, &version)) < 0)
		return ret;
	if (version != SPEC_VERSION)
		return refuse(top, "version", "hvsh and hvsh-vmm are not of one build");
	if ((ret = copy_text(top, "name", true, spec->name, sizeof spec->name)) < 0 ||
	    (ret = copy_text(top, "uuid", false, spec->uuid, sizeof spec->uuid)) < 0 ||
	    (ret = get_fd(top, "kvm_fd", true, &spec->kvm_fd)) < 0 ||
	    (ret = get_fd(top, "control_fd", true, &spec->control_fd)) < 0 ||
	    (ret = get_fd(top, "keeper_fd", true, &spec->keeper_fd)) < 0 ||
	    (ret = get_fd(top, "dir_fd", true, &spec->dir_fd)) < 0 ||
	    (ret = get_fd(top, "lock_fd", true, &spec->lock_fd)) < 0 ||
	    (ret = get_fd(top, "log_fd", true, &spec->log_fd)) < 0 ||
	    (ret = get_bool(top, "paused", &spec->paused)) < 0 ||
	    (ret = get_bool(top, "rng", &spec->rng)) < 0 ||
	    (ret = get_bool(top, "balloon", &spec->balloon)) < 0 ||
	    (ret = get_bool(top, "virtio_console", &spec->virtio_console)) < 0 ||
	    (ret = get_word(top, "sandbox", modes, &sandbox)) < 0)
		return ret;
	spec->sandbox = (enum spec_sandbox)sandbox;
	return is_plain(spec->name) ? 0 : refuse(top, "name", "not a plain name");
}

static void spec_init(struct spec *spec)
{
	memset(spec, 0, sizeof *spec);
	spec->kvm_fd = spec->control_fd = spec->keeper_fd = -1;
	spec->dir_fd = spec->lock_fd = spec->log_fd = -1;
	spec->boot.kernel_fd = spec->boot.initrd_fd = -1;
}

int spec_parse(struct spec *spec, const char *json, size_t len, struct hv_error *err)
{
	spec_init(spec);
	/* jansson would open /dev/urandom for its hash seed; the kernel gave us random bytes
	 * already */
	const void *random = (const void *)getauxval(AT_RANDOM); /* NOLINT: an address, unaligned */
	size_t seed = 0;
	if (random)
		memcpy(&seed, random, sizeof seed);
	json_object_seed(seed | 1);
	json_error_t why;
	json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return hv_fail(err, HV_USAGE, 0, "launch spec: %s", why.text);
	struct scope top = {.object = root, .path = "", .err = err};
	int ret;
	if (!json_is_object(root)) {
		ret = hv_fail(err, HV_USAGE, 0, "launch spec: not an object");
	} else if ((ret = parse_identity(spec, &top)) == 0 &&
		   (ret = parse_memory(&spec->memory, &top)) == 0 &&
		   (ret = parse_cpus(&spec->cpus, &top)) == 0 &&
		   (ret = parse_boot(&spec->boot, &top)) == 0 &&
		   (ret = parse_disks(spec, &top)) == 0 && (ret = parse_nics(spec, &top)) == 0) {
		ret = parse_restart(spec, &top);
	}
	json_decref(root);
	if (ret < 0)
		spec_fini(spec);
	return ret;
}

int spec_read(struct spec *spec, int fd, struct hv_error *err)
{
	spec_init(spec);
	char *bytes = NULL;
	size_t len = 0, capacity = 0;
	for (;;) {
		if (len == capacity) {
			capacity = capacity ? capacity * 2 : 4096;
			char *grown = capacity > SPEC_BYTES_MAX ? NULL : realloc(bytes, capacity);
			if (!grown) {
				free(bytes);
				return hv_fail(err, HV_USAGE, 0, "launch spec: too long");
			}
			bytes = grown;
		}
		/* by position: the keeper reads it again for every new child */
		ssize_t got = pread(fd, bytes + len, capacity - len, (off_t)len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int sys = errno;
			free(bytes);
			return hv_fail(err, HV_FAILED, sys, "launch spec: cannot read it");
		}
		if (got == 0)
			break;
		len += (size_t)got;
	}
	int ret = spec_parse(spec, bytes, len, err);
	free(bytes);
	return ret;
}

void spec_fini(struct spec *spec)
{
	free(spec->boot.kernel_name);
	free(spec->boot.cmdline);
	for (int i = 0; i < spec->n_nics; i++) {
		for (char **arg = spec->nics[i].passt; arg && *arg; arg++)
			free(*arg);
		free(spec->nics[i].passt);
	}
	free(spec->disks);
	free(spec->nics);
	spec_init(spec);
}
