/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where files are, by environment; folders made privately; the judgement on a host's facts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/host/facts.h"
#include "engine/host/paths.h"

static void hvsh_root_holds_everything(void **state)
{
	struct hv_paths paths;
	struct hv_error err;
	char dir[PATH_MAX];
	(void)state;
	setenv("HVSH_ROOT", "/srv/x", 1);
	assert_int_equal(hv_paths_init(&paths, &err), 0);
	assert_string_equal(paths.config, "/srv/x/config");
	assert_string_equal(paths.data, "/srv/x/data");
	assert_string_equal(paths.runtime, "/srv/x/run");
	assert_int_equal(hv_paths_vm_dir(&paths, "web1", dir, &err), 0);
	assert_string_equal(dir, "/srv/x/run/vms/web1");
	assert_int_equal(hv_paths_vm_dir(&paths, "../web1", dir, &err), -HV_USAGE);
	assert_int_equal(hv_paths_vm_dir(&paths, "", dir, &err), -HV_USAGE);
	setenv("HVSH_ROOT", "below", 1);
	assert_int_equal(hv_paths_init(&paths, &err), 0);
	assert_int_equal(paths.config[0], '/');
	assert_non_null(strstr(paths.config, "/below/config"));
	unsetenv("HVSH_ROOT");
}

static void others_than_root_have_the_xdg_folders(void **state)
{
	struct hv_paths paths;
	struct hv_error err;
	(void)state;
	if (geteuid() == 0 && seteuid(65534) < 0)
		skip();
	unsetenv("HVSH_ROOT");
	setenv("HOME", "/home/u", 1);
	setenv("XDG_CONFIG_HOME", "relative is ignored", 1);
	setenv("XDG_DATA_HOME", "/data", 1);
	setenv("XDG_RUNTIME_DIR", "/run/u", 1);
	assert_int_equal(hv_paths_init(&paths, &err), 0);
	assert_string_equal(paths.config, "/home/u/.config/hvsh");
	assert_string_equal(paths.data, "/data/hvsh");
	assert_string_equal(paths.runtime, "/run/u/hvsh");
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(hv_paths_init(&paths, &err), 0);
	assert_string_equal(paths.runtime, "/data/hvsh/run");
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

static void folders_are_made_with_those_above_and_private(void **state)
{
	char root[] = "/tmp/hvsh-paths-XXXXXX", path[128];
	struct hv_error err;
	struct stat st;
	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof path, "%s/a/b/c", root);
	assert_int_equal(hv_paths_make_dir(path, &err), 0);
	assert_int_equal(hv_paths_make_dir(path, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(hv_paths_make_dir(path, &err), -HV_DENIED);
	rmdir(path);
	fclose(fopen(path, "w"));
	assert_int_equal(hv_paths_make_dir(path, &err), -HV_CONFLICT);
	snprintf(path, sizeof path, "rm -r %s", root);
	assert_int_equal(system(path), 0);
}

static const struct hv_check *find(const struct hv_check *checks, int n, const char *name)
{
	for (int i = 0; i < n; i++) {
		if (strcmp(checks[i].name, name) == 0)
			return &checks[i];
	}
	fail_msg("no check %s", name);
	return checks;
}

static void this_host_is_read_without_a_gap(void **state)
{
	struct hv_host_facts facts;
	struct hv_check checks[HV_CHECKS_MAX];
	(void)state;
	hv_host_facts_read(&facts);
	assert_true(facts.hostname[0] && facts.kernel[0] && facts.cpus_online > 0);
	assert_true(facts.memory_bytes >= facts.memory_available_bytes);
	assert_true(facts.memory_available_bytes > 0);
	assert_in_range(hv_host_check(&facts, checks), 1, HV_CHECKS_MAX);
}

static void what_is_missing_comes_with_a_remedy(void **state)
{
	struct hv_host_facts facts = {.vendor = HV_VENDOR_AMD,
				      .kvm_error = EACCES,
				      .tun_error = EPERM,
				      .vhost_net_error = ENOENT,
				      .paging = HV_PAGING_SHADOW,
				      .memory_available_bytes = 1 << 30};
	struct hv_check checks[HV_CHECKS_MAX];
	(void)state;
	int n = hv_host_check(&facts, checks);
	assert_int_equal(find(checks, n, "kvm")->level, HV_CHECK_FAIL);
	assert_non_null(strstr(find(checks, n, "kvm")->remedy, "group"));
	assert_int_equal(find(checks, n, "nested-paging")->level, HV_CHECK_WARN);
	assert_non_null(strstr(find(checks, n, "nested-paging")->remedy, "npt=1"));
	assert_int_equal(find(checks, n, "passt")->level, HV_CHECK_WARN);
	assert_int_equal(find(checks, n, "memory")->level, HV_CHECK_OK);
	facts.kvm_error = ENOENT;
	n = hv_host_check(&facts, checks);
	assert_non_null(strstr(find(checks, n, "kvm")->remedy, "kvm_amd"));
	for (int i = 0; i < n; i++)
		assert_true(checks[i].level < HV_CHECK_WARN || checks[i].remedy[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hvsh_root_holds_everything),
		cmocka_unit_test(others_than_root_have_the_xdg_folders),
		cmocka_unit_test(folders_are_made_with_those_above_and_private),
		cmocka_unit_test(this_host_is_read_without_a_gap),
		cmocka_unit_test(what_is_missing_comes_with_a_remedy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
