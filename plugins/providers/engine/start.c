/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a definition to a running VM: everything that it names is opened here, with the operator's
 * rights, and handed over as descriptors with the launch spec. A start that fails leaves nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/client/client.h"
#include "engine/client/launch.h"
#include "engine/host/network.h"
#include "engine/host/passt.h"
#include "engine/host/tap.h"
#include "plugins/providers/engine/engine.h"
#include "plugins/providers/engine/image_lock.h"

#define DISKS_MAX 255
#define NICS_MAX 16
#define FDS_MAX (2 + DISKS_MAX + NICS_MAX * HV_TAP_QUEUES_MAX)

/* ---- what a definition leaves open ------------------------------------------------------------
 */

static int make_uuid(char uuid[37], struct hv_error *err)
{
	unsigned char b[16];
	if (getrandom(b, sizeof b, 0) != sizeof b)
		return hv_fail(err, HV_FAILED, errno, "cannot make a UUID");
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* RFC 4122: version 4, at random */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(uuid, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		 b[13], b[14], b[15]);
	return 0;
}

static int make_absolute(struct hv_object *obj, const char *property, struct hv_error *err)
{
	char cwd[PATH_MAX], *path = NULL;
	const char *given = hv_get_string(obj, property);
	if (!given || given[0] == '/')
		return 0;
	if (!getcwd(cwd, sizeof cwd) || asprintf(&path, "%s/%s", cwd, given) < 0)
		return hv_fail(err, HV_FAILED, errno, "cannot tell where \"%s\" is", given);
	int rc = hv_set_string(obj, property, path);
	free(path);
	return rc < 0 ? hv_fail(err, HV_FAILED, 0, "out of memory") : 0;
}

static bool name_taken(const struct hv_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++) {
		const char *other = hv_object_name(list->objects[i]);
		if (other && strcmp(other, name) == 0)
			return true;
	}
	return false;
}

static int parse_place(const char *name, int *controller, int *target, int *lun)
{
	int used = 0;
	bool form = sscanf(name, "scsi%d.%d.%d%n", controller, target, lun, &used) == 3 &&
		    name[used] == '\0';
	bool sane = form && *controller == 0 && *target >= 0 && *target < 256 && *lun >= 0 &&
		    *lun < 256;
	return sane ? 0 : -HV_USAGE;
}

static int complete_disk(struct hv_object *disk, const struct hv_list *disks, struct hv_error *err)
{
	char name[32];
	int controller, target, lun;
	if (!hv_object_name(disk)) {
		for (int i = 0; i < DISKS_MAX; i++) {
			snprintf(name, sizeof name, "scsi0.%d.0", i);
			if (!name_taken(disks, name))
				break;
		}
		if (hv_set_string(disk, "name", name) < 0)
			return hv_fail(err, HV_FAILED, 0, "out of memory");
	}
	if (parse_place(hv_object_name(disk), &controller, &target, &lun) < 0) {
		hv_fail(err, HV_USAGE, 0, "\"%s\" is no place for a disk", hv_object_name(disk));
		return hv_hint(err, "scsi0.TARGET.UNIT, both 0 to 255, or leave the name out");
	}
	if (strcmp(hv_get_string(disk, "format"), "raw") != 0) {
		hv_fail(err, HV_USAGE, 0,
			"disk \"%s\" has format %s, which the engine does not read yet",
			hv_object_name(disk), hv_get_string(disk, "format"));
		return hv_hint(err, "convert it: qemu-img convert -O raw FROM TO");
	}
	return make_absolute(disk, "image", err);
}

static int complete_nic(struct hv_object *nic, const struct hv_list *nics, const char *uuid,
			struct hv_error *err)
{
	struct hv_network network;
	char name[32], text[HV_MAC_TEXT_LEN];
	uint8_t mac[6];
	for (int i = 0; !hv_object_name(nic); i++) {
		snprintf(name, sizeof name, "net%d", i);
		if (!name_taken(nics, name) && hv_set_string(nic, "name", name) < 0)
			return hv_fail(err, HV_FAILED, 0, "out of memory");
	}
	int rc = hv_network_parse(&network, hv_get_string(nic, "network"), err);
	if (rc == 0 && !hv_has(nic, "mac")) {
		hv_mac_derive(mac, uuid, hv_object_name(nic));
		hv_mac_format(text, mac);
		if (hv_set_string(nic, "mac", text) < 0)
			rc = hv_fail(err, HV_FAILED, 0, "out of memory");
	}
	return rc < 0 ? rc : hv_mac_parse(mac, hv_get_string(nic, "mac"), err);
}

static int check_twice(const struct hv_list *list, struct hv_error *err)
{
	for (size_t i = 0; list && i < list->n; i++) {
		const struct hv_list before = {.n = i, .objects = list->objects};
		if (name_taken(&before, hv_object_name(list->objects[i])))
			return hv_fail(err, HV_USAGE, 0, "two devices are called \"%s\"",
				       hv_object_name(list->objects[i]));
	}
	return 0;
}

static int check_topology(const struct hv_object *vm, struct hv_error *err)
{
	static const char *const parts[] = {"sockets", "cores", "threads"};
	int64_t cpus = hv_get_int(vm, "cpus"), product = 1;
	int given = 0;
	for (int i = 0; i < 3; i++) {
		product *= hv_has(vm, parts[i]) ? hv_get_int(vm, parts[i]) : 1;
		given += hv_has(vm, parts[i]);
	}
	if (given == 3 ? product == cpus : cpus % product == 0)
		return 0;
	hv_fail(err, HV_USAGE, 0, "%lld CPUs cannot be %lld a socket, core and thread together",
		(long long)cpus, (long long)product);
	return hv_hint(err, "sockets x cores x threads is the number of CPUs");
}

/* One image twice in a VM would be corrupted by it. */
static int check_images_differ(const struct hv_list *disks, struct hv_error *err)
{
	for (size_t i = 0; disks && i < disks->n; i++) {
		const char *image = hv_get_string(disks->objects[i], "image");
		for (size_t j = 0; image && j < i; j++) {
			const char *other = hv_get_string(disks->objects[j], "image");
			if (!other || strcmp(other, image) != 0 ||
			    (hv_get_bool(disks->objects[i], "read_only") &&
			     hv_get_bool(disks->objects[j], "read_only")))
				continue;
			return hv_fail(err, HV_USAGE, 0, "image \"%s\" is given twice", image);
		}
	}
	return 0;
}

/* What is given as '' is taken away: the only way that options have to say it. */
static void drop_empty(struct hv_object *vm)
{
	static const char *const names[] = {"kernel", "initrd", "cmdline", "description"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *text = hv_get_string(vm, names[i]);
		if (text && !text[0])
			hv_unset(vm, names[i]);
	}
}

static int check_balloon(const struct hv_object *vm, struct hv_error *err)
{
	if (hv_get_int(vm, "balloon_target") <= hv_get_int(vm, "memory"))
		return 0;
	hv_fail(err, HV_USAGE, 0, "balloon_target leaves the guest more than its memory");
	return hv_hint(err, "at most what memory says, or leave it out");
}

int start_complete(struct hv_object *vm, struct hv_error *err)
{
	char uuid[37];
	const struct hv_list *disks = hv_get_list(vm, "disks"), *nics = hv_get_list(vm, "nics");
	int rc = 0;
	drop_empty(vm);
	if (!hv_has(vm, "uuid")) {
		rc = make_uuid(uuid, err);
		if (rc == 0 && hv_set_string(vm, "uuid", uuid) < 0)
			rc = hv_fail(err, HV_FAILED, 0, "out of memory");
	}
	if (rc == 0)
		rc = make_absolute(vm, "kernel", err);
	if (rc == 0)
		rc = make_absolute(vm, "initrd", err);
	if (rc == 0)
		rc = check_topology(vm, err);
	if (rc == 0)
		rc = check_balloon(vm, err);
	for (size_t i = 0; disks && rc == 0 && i < disks->n; i++)
		rc = complete_disk(disks->objects[i], disks, err);
	for (size_t i = 0; nics && rc == 0 && i < nics->n; i++)
		rc = complete_nic(nics->objects[i], nics, hv_get_string(vm, "uuid"), err);
	if (rc == 0 && nics && nics->n > NICS_MAX)
		rc = hv_fail(err, HV_USAGE, 0, "%zu NICs, where a VM has at most %d", nics->n,
			     NICS_MAX);
	if (rc == 0)
		rc = check_images_differ(disks, err);
	if (rc == 0)
		rc = check_twice(disks, err);
	return rc < 0 ? rc : check_twice(nics, err);
}

/* ---- opening --------------------------------------------------------------------------------- */

struct start {
	const struct hv_object *vm;
	const char *name;
	json_t *spec;
	int fds[FDS_MAX];
	int n_fds;
};

static void start_fini(struct start *start)
{
	for (int i = 0; i < start->n_fds; i++)
		close(start->fds[i]);
	json_decref(start->spec);
}

static int keep_fd(struct start *start, int fd, struct hv_error *err)
{
	if (start->n_fds == FDS_MAX) {
		close(fd);
		return hv_fail(err, HV_LIMIT, 0, "vm \"%s\" needs too many files", start->name);
	}
	start->fds[start->n_fds++] = fd;
	return 0;
}

/* A file or a block device. A pipe of that name must not make us wait for its other end. */
static int open_storage(const char *path, bool read_only)
{
	struct stat st;
	int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) &&
		       fcntl(fd, F_SETFL, 0) == 0))
		return fd;
	close(fd);
	errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	return -1;
}

static int open_file(struct start *start, const char *path, bool read_only, const char *what,
		     struct hv_error *err)
{
	int fd = open_storage(path, read_only);
	if (fd < 0) {
		hv_fail(err, hv_code_of(errno), errno, "cannot open the %s \"%s\" of vm \"%s\"",
			what, path, start->name);
		return hv_hint(err, "\"vm edit %s\" changes it", start->name);
	}
	int rc = keep_fd(start, fd, err);
	return rc < 0 ? rc : fd;
}

static int add_boot(struct start *start, struct hv_error *err)
{
	const char *kernel = hv_get_string(start->vm, "kernel");
	const char *initrd = hv_get_string(start->vm, "initrd");
	const char *cmdline = hv_get_string(start->vm, "cmdline");
	if (!kernel) {
		hv_fail(err, HV_USAGE, 0, "vm \"%s\" has no kernel to boot", start->name);
		return hv_hint(err, "vm edit %s --kernel FILE", start->name);
	}
	int kernel_fd = open_file(start, kernel, true, "kernel", err);
	if (kernel_fd < 0)
		return kernel_fd;
	int initrd_fd = initrd ? open_file(start, initrd, true, "initrd", err) : -1;
	if (initrd && initrd_fd < 0)
		return initrd_fd;
	json_t *boot = json_pack("{s:i, s:s, s:s}", "kernel_fd", kernel_fd, "kernel_name", kernel,
				 "cmdline", cmdline ? cmdline : "");
	if (initrd)
		json_object_set_new(boot, "initrd_fd", json_integer(initrd_fd));
	json_object_set_new(start->spec, "boot", boot);
	return 0;
}

static void add_cpus(struct start *start)
{
	int cpus = (int)hv_get_int(start->vm, "cpus");
	int threads = hv_has(start->vm, "threads") ? (int)hv_get_int(start->vm, "threads") : 1;
	int sockets = hv_has(start->vm, "sockets") ? (int)hv_get_int(start->vm, "sockets") : 1;
	int cores = hv_has(start->vm, "cores") ? (int)hv_get_int(start->vm, "cores")
					       : cpus / (threads * sockets);
	if (!hv_has(start->vm, "sockets"))
		sockets = cpus / (cores * threads);
	json_t *pins = json_array();
	const struct hv_list *list = hv_get_list(start->vm, "pin");
	for (int i = 0; i < cpus; i++) {
		const char *pin = list && (size_t)i < list->n ? list->strings[i] : "-";
		json_array_append_new(pins, json_integer(strcmp(pin, "-") == 0 ? -1 : atoi(pin)));
	}
	json_object_set_new(start->spec, "cpus",
			    json_pack("{s:i, s:i, s:i, s:i, s:o}", "count", cpus, "sockets",
				      sockets, "cores", cores, "threads", threads, "pin", pins));
}

static void add_memory(struct start *start)
{
	const struct hv_object *vm = start->vm;
	int64_t page_size = hv_get_int(vm, "page_size");
	if (!hv_has(vm, "page_size") && strcmp(hv_get_string(vm, "memory_backing"), "hugetlb") == 0)
		page_size = 2 << 20; /* what every host with hugetlb memory has */
	json_object_set_new(
		start->spec, "memory",
		json_pack("{s:I, s:s, s:I, s:b}", "size", (json_int_t)hv_get_int(vm, "memory"),
			  "backing", hv_get_string(vm, "memory_backing"), "page_size",
			  (json_int_t)page_size, "prefault", (int)hv_get_bool(vm, "prefault")));
}

static int add_disk(struct start *start, const struct hv_object *disk, json_t *list,
		    struct hv_error *err)
{
	int controller, target, lun;
	bool read_only = hv_get_bool(disk, "read_only");
	const char *image = hv_get_string(disk, "image"), *serial = hv_get_string(disk, "serial");
	if (parse_place(hv_object_name(disk), &controller, &target, &lun) < 0)
		return hv_fail(err, HV_USAGE, 0, "\"%s\" is no place for a disk",
			       hv_object_name(disk));
	int fd = open_file(start, image, read_only, "image", err);
	if (fd < 0)
		return fd;
	int rc = image_lock(fd, image, read_only, err);
	if (rc < 0)
		return rc;
	json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:i, s:i, s:s, s:b, s:s}", "id",
					      hv_object_name(disk), "controller", controller,
					      "target", target, "lun", lun, "fd", fd, "format",
					      hv_get_string(disk, "format"), "read_only",
					      (int)read_only, "serial", serial ? serial : ""));
	return 0;
}

static int add_tap(struct start *start, const struct hv_network *network,
		   const struct hv_object *nic, json_t *entry, struct hv_error *err)
{
	struct hv_tap tap = {0};
	uint8_t mac[6];
	int queues = (int)hv_get_int(nic, "queues"), mtu = (int)hv_get_int(nic, "mtu");
	int rc = hv_mac_parse(mac, hv_get_string(nic, "mac"), err);
	if (rc == 0 && network->type == HV_NETWORK_MACVTAP)
		rc = hv_macvtap_open(&tap, network->ifname, mac, queues, mtu, err);
	else if (rc == 0)
		rc = hv_tap_open(&tap, network->ifname, queues, mtu, err);
	if (rc < 0)
		return rc;
	json_t *fds = json_array();
	for (int i = 0; i < tap.n_fds; i++) {
		if (rc == 0)
			rc = keep_fd(start, tap.fds[i], err);
		else
			close(tap.fds[i]);
		json_array_append_new(fds, json_integer(tap.fds[i]));
	}
	json_object_set_new(entry, "backend", json_string("tap"));
	json_object_set_new(entry, "fds", fds);
	return rc;
}

static int add_passt(const struct hv_object *nic, json_t *entry, struct hv_error *err)
{
	const struct hv_list *forward = hv_get_list(nic, "forward");
	struct hv_passt_options options = {
		.mtu = (int)hv_get_int(nic, "mtu"),
		.forwards = forward ? (const char *const *)forward->strings : NULL,
		.n_forwards = forward ? forward->n : 0,
	};
	char **argv;
	int rc = hv_passt_args(&argv, &options, err);
	if (rc < 0)
		return rc;
	json_t *words = json_array();
	for (int i = 0; argv[i]; i++)
		json_array_append_new(words, json_string(argv[i]));
	hv_passt_args_free(argv);
	json_object_set_new(entry, "backend", json_string("passt"));
	json_object_set_new(entry, "passt", words);
	return 0;
}

static int add_nic(struct start *start, const struct hv_object *nic, json_t *list,
		   struct hv_error *err)
{
	struct hv_network network;
	int rc = hv_network_parse(&network, hv_get_string(nic, "network"), err);
	if (rc < 0)
		return rc;
	const char *link = hv_get_string(nic, "link");
	json_t *entry = json_pack(
		"{s:s, s:s, s:i, s:i, s:b}", "id", hv_object_name(nic), "mac",
		hv_get_string(nic, "mac"), "queues", (int)hv_get_int(nic, "queues"), "mtu",
		(int)hv_get_int(nic, "mtu"), "link", !link || strcmp(link, "down") != 0);
	if (network.type == HV_NETWORK_PASST)
		rc = add_passt(nic, entry, err);
	else if (network.type == HV_NETWORK_NONE)
		json_object_set_new(entry, "backend", json_string("none"));
	else
		rc = add_tap(start, &network, nic, entry, err);
	json_array_append_new(list, entry);
	return rc < 0 ? hv_within(err, "%s", hv_object_name(nic)) : 0;
}

static int add_devices(struct start *start, struct hv_error *err)
{
	const struct hv_list *disks = hv_get_list(start->vm, "disks");
	const struct hv_list *nics = hv_get_list(start->vm, "nics");
	json_t *disk_list = json_array(), *nic_list = json_array();
	int rc = 0;
	json_object_set_new(start->spec, "disks", disk_list);
	json_object_set_new(start->spec, "nics", nic_list);
	for (size_t i = 0; disks && rc == 0 && i < disks->n; i++)
		rc = add_disk(start, disks->objects[i], disk_list, err);
	for (size_t i = 0; nics && rc == 0 && i < nics->n; i++)
		rc = add_nic(start, nics->objects[i], nic_list, err);
	return rc;
}

static void add_policy(struct start *start)
{
	const struct hv_object *vm = start->vm;
	static const char *const flags[] = {"rng", "balloon", "virtio_console"};
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		json_object_set_new(start->spec, flags[i], json_boolean(hv_get_bool(vm, flags[i])));
	json_object_set_new(start->spec, "uuid", json_string(hv_get_string(vm, "uuid")));
	json_object_set_new(start->spec, "sandbox", json_string(hv_get_string(vm, "sandbox")));
	json_object_set_new(start->spec, "restart",
			    json_pack("{s:s, s:i, s:i}", "policy", hv_get_string(vm, "restart"),
				      "limit", (int)hv_get_int(vm, "restart_limit"), "delay",
				      (int)hv_get_number(vm, "restart_delay")));
}

int start_vm(struct engine *engine, const struct hv_object *vm, bool paused, struct hv_job *job,
	     struct hv_error *err)
{
	struct start start = {.vm = vm, .name = hv_object_name(vm), .spec = json_object()};
	char dir[PATH_MAX];
	double left = job ? hv_job_time_left(job) : 0;
	int rc = hv_paths_vm_dir(&engine->paths, start.name, dir, err);
	if (rc == 0)
		rc = add_boot(&start, err);
	if (rc == 0) {
		add_cpus(&start);
		add_memory(&start);
		add_policy(&start);
		rc = add_devices(&start, err);
	}
	if (rc == 0) {
		json_object_set_new(start.spec, "paused", json_boolean(paused));
		struct hv_launch launch = {.name = start.name,
					   .dir = dir,
					   .spec = start.spec,
					   .fds = start.fds,
					   .n_fds = start.n_fds,
					   .timeout_ms =
						   left > 0 && left < 1e6 ? (int)(left * 1000) : 0};
		rc = hv_launch(&launch, err);
	}
	start_fini(&start);
	return rc;
}
