/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The launch spec: what is taken, what is refused and under which name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/vmm/spec.h"

#define IDENTITY                                                                                   \
	"\"version\":1,\"name\":\"web1\",\"uuid\":\"u\",\"kvm_fd\":3,\"control_fd\":4,"            \
	"\"keeper_fd\":5,\"dir_fd\":6,\"lock_fd\":7,\"log_fd\":8"
#define MEMORY "\"memory\":{\"size\":134217728}"
#define BOOT "\"boot\":{\"kernel_fd\":9,\"kernel_name\":\"vmlinuz\",\"cmdline\":\"quiet\"}"
#define BASE IDENTITY "," MEMORY "," BOOT

static int parse(struct spec *spec, const char *json, struct hv_error *err)
{
	memset(err, 0, sizeof *err);
	return spec_parse(spec, json, strlen(json), err);
}

static void refuses(const char *json, const char *named)
{
	struct spec spec;
	struct hv_error err;
	if (parse(&spec, json, &err) == 0)
		fail_msg("taken: %s", json);
	if (!strstr(err.message, named))
		fail_msg("\"%s\" does not name \"%s\"", err.message, named);
	assert_int_equal(err.code, HV_USAGE);
}

static void the_least_spec_has_defaults(void **state)
{
	struct spec spec;
	struct hv_error err;
	(void)state;
	assert_int_equal(parse(&spec, "{" BASE ",\"unknown\":[1]}", &err), 0);
	assert_string_equal(spec.name, "web1");
	assert_int_equal(spec.kvm_fd, 3);
	assert_int_equal(spec.memory.size_bytes, 134217728);
	assert_int_equal(spec.memory.backing, GMEM_ANONYMOUS);
	assert_int_equal(spec.cpus.count, 1);
	assert_int_equal(spec.cpus.cores, 1);
	assert_int_equal(spec.cpus.pin[0], -1);
	assert_int_equal(spec.boot.kernel_fd, 9);
	assert_int_equal(spec.boot.initrd_fd, -1);
	assert_string_equal(spec.boot.cmdline, "quiet");
	assert_int_equal(spec.restart, SPEC_RESTART_NEVER);
	assert_int_equal(spec.sandbox, SPEC_SANDBOX_ENFORCE);
	spec_fini(&spec);
	assert_null(spec.boot.cmdline);
}

static void a_full_spec_is_read_whole(void **state)
{
	struct spec spec;
	struct hv_error err;
	(void)state;
	const char *json =
		"{" IDENTITY ",\"memory\":{\"size\":2147483648,\"backing\":\"hugetlb\","
		"\"page_size\":1073741824,\"prefault\":true},"
		"\"cpus\":{\"count\":4,\"sockets\":2,\"cores\":1,\"threads\":2,\"pin\":[0,-1,3]}"
		"," BOOT ",\"disks\":[{\"id\":\"scsi0.0.0\",\"target\":0,\"lun\":0,\"fd\":11},"
		"{\"id\":\"scsi0.1.0\",\"target\":1,\"lun\":0,\"fd\":12,\"format\":\"raw\","
		"\"read_only\":true,\"serial\":\"d1\"}],"
		"\"nics\":[{\"id\":\"net0\",\"mac\":\"52:54:00:12:34:aB\",\"backend\":\"tap\","
		"\"fds\":[13,14],\"queues\":2,\"mtu\":9000},"
		"{\"id\":\"net1\",\"mac\":\"52:54:00:12:34:57\",\"backend\":\"passt\","
		"\"passt\":[\"/usr/bin/passt\",\"--mtu\",\"1500\"]}],"
		"\"rng\":true,\"balloon\":true,\"virtio_console\":true,"
		"\"restart\":{\"policy\":\"on-crash\",\"limit\":3,\"delay\":2},\"sandbox\":"
		"\"errno\"}";
	assert_int_equal(parse(&spec, json, &err), 0);
	assert_int_equal(spec.memory.page_bytes, 1 << 30);
	assert_true(spec.memory.prefault);
	assert_int_equal(spec.cpus.pin[2], 3);
	assert_int_equal(spec.cpus.pin[3], -1);
	assert_int_equal(spec.n_disks, 2);
	assert_true(spec.disks[1].read_only);
	assert_string_equal(spec.disks[1].serial, "d1");
	assert_int_equal(spec.n_nics, 2);
	assert_int_equal(spec.nics[0].fds[1], 14);
	assert_int_equal(spec.nics[0].mac[5], 0xab);
	assert_int_equal(spec.nics[0].mtu, 9000);
	assert_string_equal(spec.nics[1].passt[1], "--mtu");
	assert_null(spec.nics[1].passt[3]);
	assert_int_equal(spec.nics[1].fds[0], -1);
	assert_int_equal(spec.restart, SPEC_RESTART_ON_CRASH);
	assert_int_equal(spec.restart_limit, 3);
	assert_int_equal(spec.sandbox, SPEC_SANDBOX_ERRNO);
	spec_fini(&spec);
}

static void what_is_wrong_is_named_by_its_path(void **state)
{
	(void)state;
	refuses("", "launch spec");
	refuses("[]", "not an object");
	refuses("{\"version\":2}", "version");
	refuses("{\"version\":1,\"version\":1}", "launch spec");
	refuses("{\"version\":1,\"name\":\"\"}", "name");
	refuses("{\"version\":1,\"name\":\"a\\u0000b\"}", "launch spec");
	refuses("{\"version\":1,\"name\":\"a\"}", "kvm_fd");
	refuses("{" IDENTITY "}", "memory.size");
	refuses("{" IDENTITY ",\"memory\":7}", "memory");
	refuses("{" IDENTITY ",\"memory\":{\"size\":1048576}}", "memory.size");
	refuses("{" IDENTITY ",\"memory\":{\"size\":134217729}}", "memory.size");
	refuses("{" IDENTITY ",\"memory\":{\"size\":134217728,\"backing\":\"tape\"}}",
		"memory.backing");
	refuses("{" IDENTITY ",\"memory\":{\"size\":134217728,\"backing\":\"hugetlb\"}}",
		"memory.page_size");
	refuses("{" IDENTITY "," MEMORY "}", "boot.kernel_fd");
	refuses("{" BASE ",\"cpus\":{\"count\":65}}", "cpus.count");
	refuses("{" BASE ",\"cpus\":{\"count\":4,\"cores\":3}}", "cpus.count");
	refuses("{" BASE ",\"cpus\":{\"count\":1,\"pin\":[\"x\"]}}", "cpus.pin");
	refuses("{" BASE ",\"disks\":{}}", "disks");
	refuses("{" BASE ",\"disks\":[{\"id\":\"a\"}]}", "disks[0].fd");
	refuses("{" BASE ",\"disks\":[{\"id\":\"a/b\",\"fd\":1}]}", "disks[0].id");
	refuses("{" BASE ",\"disks\":[{\"id\":\"a\",\"fd\":1},{\"id\":\"b\",\"fd\":2}]}",
		"disks[1].lun");
	refuses("{" BASE ",\"disks\":[{\"id\":\"a\",\"fd\":1},{\"id\":\"a\",\"fd\":2,\"lun\":1}]}",
		"disks[1].id");
	refuses("{" BASE ",\"nics\":[{\"id\":\"n\",\"mac\":\"52:54:00:00:00\"}]}", "nics[0].mac");
	refuses("{" BASE ",\"nics\":[{\"id\":\"n\",\"mac\":\"53:54:00:00:00:00\"}]}",
		"nics[0].mac");
	refuses("{" BASE ",\"nics\":[{\"id\":\"n\",\"mac\":\"52:54:00:00:00:00\"}]}",
		"nics[0].backend");
	refuses("{" BASE ",\"nics\":[{\"id\":\"n\",\"mac\":\"52:54:00:00:00:00\","
		"\"backend\":\"tap\",\"queues\":2,\"fds\":[1]}]}",
		"nics[0].fds");
	refuses("{" BASE ",\"nics\":[{\"id\":\"n\",\"mac\":\"52:54:00:00:00:00\","
		"\"backend\":\"passt\"}]}",
		"nics[0].passt");
	refuses("{" BASE ",\"restart\":{\"policy\":\"maybe\"}}", "restart.policy");
	refuses("{" BASE ",\"sandbox\":true}", "sandbox");
}

static void it_is_read_again_from_the_same_descriptor(void **state)
{
	struct spec spec;
	struct hv_error err;
	const char *json = "{" BASE "}";
	(void)state;
	int fd = memfd_create("spec", MFD_CLOEXEC);
	assert_int_equal(write(fd, json, strlen(json)), strlen(json));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(spec_read(&spec, fd, &err), 0);
		assert_string_equal(spec.boot.kernel_name, "vmlinuz");
		spec_fini(&spec);
	}
	close(fd);
	assert_true(spec_read(&spec, fd, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_spec_has_defaults),
		cmocka_unit_test(a_full_spec_is_read_whole),
		cmocka_unit_test(what_is_wrong_is_named_by_its_path),
		cmocka_unit_test(it_is_read_again_from_the_same_descriptor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
