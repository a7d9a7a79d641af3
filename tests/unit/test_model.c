/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The model on a host made of memory: addresses, changes, what the tables refuse, events, jobs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plugins/hvsh.h"

extern const struct hv_plugin hvsh_plugin; /* the test provider's */

struct found {
	size_t n;
	char names[4096];
	struct hv_object *last;
};

static int take(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	(void)err;
	struct found *f = ctx;
	char address[128];
	hv_object_address(obj, address, sizeof address);
	if (strlen(f->names) + strlen(address) + 2 < sizeof f->names) {
		strcat(f->names, f->n ? " " : "");
		strcat(f->names, address);
	}
	f->n++;
	hv_object_free(f->last);
	f->last = obj;
	return 0;
}

static struct hv_model *model;
static struct hv_error err;
static struct found found;

static int start_model(void **state)
{
	(void)state;
	model = hv_model_new(&err);
	assert_non_null(model);
	assert_int_equal(hv_model_add_host(model, "local", "test:20", &err), 0);
	assert_int_equal(hv_model_add_host(model, "alpha", "test:12,deny=vm0003", &err), 0);
	assert_int_equal(hv_model_add_host(model, "dead", "test:1,unreachable", &err), 0);
	memset(&err, 0, sizeof err);
	return 0;
}

static int stop_model(void **state)
{
	(void)state;
	hv_model_free(model);
	hv_object_free(found.last);
	memset(&found, 0, sizeof found);
	return 0;
}

static int find(const char *kind, const char *pattern, const char *filter)
{
	hv_object_free(found.last);
	memset(&found, 0, sizeof found);
	const struct hv_kind *k = hv_kind_find(kind);
	struct hv_where *where = filter ? hv_where_parse(k->props, filter, &err) : NULL;
	int rc = hv_select(model, k, &pattern, pattern != NULL, where, NULL, take, &found, &err);
	hv_where_free(where);
	return rc;
}

static void expect(const char *kind, const char *pattern, const char *filter, const char *names)
{
	if (find(kind, pattern, filter) < 0)
		fail_msg("%s: %s", pattern ?: "all", err.message);
	assert_string_equal(found.names, names);
}

static int call_with(const char *address, const char *method, struct hv_object *args,
		     struct hv_job *job)
{
	const struct hv_kind *vm = hv_kind_find("vm");
	int rc = find("vm", address, NULL);
	if (rc == 0)
		rc = hv_model_call(model, vm, NULL, found.last, hv_method_find(vm, method), args,
				   job, &err);
	hv_object_free(args);
	return rc;
}

static int call(const char *address, const char *method)
{
	return call_with(address, method, NULL, NULL);
}

static struct hv_object *new_name(const char *method, const char *name)
{
	struct hv_object *args =
		hv_object_new_for(hv_method_find(hv_kind_find("vm"), method)->args);
	hv_set_string(args, "new_name", name);
	return args;
}

static void addresses_find_objects(void **state)
{
	(void)state;
	expect("vm", "vm0003", NULL, "vm0003");
	expect("vm", "alpha/vm0003", NULL, "alpha/vm0003");
	expect("vm", "alpha/vm001*", NULL, "alpha/vm0010 alpha/vm0011");
	expect("vm", "vm000[12]", NULL, "vm0001 vm0002");
	expect("disk", "vm0002:scsi0.1.0", NULL, "vm0002:scsi0.1.0");
	expect("disk", "vm0001", NULL, "vm0001:scsi0.0.0 vm0001:scsi0.1.0");
	expect("nic", "alpha/vm000[37]:net1", NULL, "alpha/vm0003:net1 alpha/vm0007:net1");
	expect("queue", "vm0002:net0.*", NULL,
	       "vm0002:net0.q0 vm0002:net0.q1 vm0002:net0.q2 vm0002:net0.q3");
	expect("memory", "vm0001", NULL, "vm0001:memory");
	expect("host", "alpha", NULL, "alpha");
	expect("vm", NULL, "state=paused", "vm0005 vm0015");
	expect("vm", "vm000*", "label.env=prod and memory>1G", "vm0003 vm0006");
	assert_int_equal(find("vm", NULL, NULL), 0);
	assert_int_equal(found.n, 20);
}

static void overlapping_patterns_give_an_object_once(void **state)
{
	(void)state;
	static const char *const patterns[] = {"vm0001", "vm000[12]", "vm0001"};
	assert_int_equal(
		hv_select(model, hv_kind_find("vm"), patterns, 3, NULL, NULL, take, &found, &err),
		0);
	assert_string_equal(found.names, "vm0001 vm0002");
}

static void what_is_not_there_gets_a_hint(void **state)
{
	(void)state;
	assert_int_equal(find("vm", "vm003", NULL), -HV_NOT_FOUND);
	assert_string_equal(err.message, "no vm \"vm003\" on host \"local\"");
	assert_string_equal(err.hint, "did you mean \"vm0003\"?");
	assert_int_equal(find("vm", "zebra", NULL), -HV_NOT_FOUND);
	assert_string_equal(err.hint, "see which ones there are: hvsh vm list");
	assert_int_equal(find("vm", "zz*", NULL), -HV_NOT_FOUND);
	assert_int_equal(find("vm", "alpah/vm0001", NULL), -HV_NOT_FOUND);
	assert_string_equal(err.hint, "did you mean \"alpha\"?");
	assert_int_equal(find("disk", "vm0001:scsi0.7.0", NULL), -HV_NOT_FOUND);
	assert_string_equal(err.message, "no disk \"scsi0.7.0\" at vm \"vm0001\"");
	assert_int_equal(find("disk", "vm0O01", NULL), -HV_NOT_FOUND);
	assert_string_equal(err.message, "no vm \"vm0O01\" on host \"local\"");
	assert_int_equal(find("queue", "vm0003", NULL), 0); /* stopped: it has none */
	assert_int_equal(found.n, 0);
	assert_int_equal(find("vm", "vm0001:net0", NULL), -HV_USAGE);
	assert_int_equal(find("host", "beta", NULL), -HV_NOT_FOUND);
}

static void dead_host_is_a_row_and_no_end(void **state)
{
	(void)state;
	assert_int_equal(find("host", NULL, NULL), 0);
	assert_int_equal(found.n, 3);
	assert_string_equal(hv_get_string(found.last, "state"), "unreachable");
	assert_string_equal(hv_get_string(found.last, "reason"), "host \"dead\" does not answer");
	assert_int_equal(find("vm", "dead/vm0000", NULL), -HV_UNREACHABLE);
	assert_int_equal(find("vm", "*/vm0001", NULL), -HV_PARTIAL);
	assert_string_equal(found.names, "vm0001 alpha/vm0001");
	assert_int_equal(hv_model_use(model, "alpha,local", &err), 0);
	assert_int_equal(find("vm", NULL, NULL), 0);
	assert_int_equal(found.n, 32);
	assert_int_equal(hv_model_use(model, "test:3", &err), 0);
	assert_string_equal(hv_model_current(model), "test");
	assert_int_equal(find("vm", NULL, NULL), 0);
	assert_int_equal(found.n, 3);
	assert_int_equal(hv_model_use(model, "nowhere", &err), -HV_NOT_FOUND);
	assert_int_equal(hv_model_use(model, "foo:1", &err), 0);
	assert_int_equal(find("vm", "vm0001", NULL), -HV_USAGE);
	assert_string_equal(err.message, "host \"foo\": no provider for \"foo:\"");
	assert_int_equal(hv_model_remove_host(model, "local", &err), -HV_CONFLICT);
	assert_int_equal(hv_model_remove_host(model, "dead", &err), 0);
}

static void states_decide_what_can_be_done(void **state)
{
	(void)state;
	assert_int_equal(call("vm0000", "start"), -HV_CONFLICT);
	assert_string_equal(err.message, "vm \"vm0000\" is running already");
	assert_int_equal(call("vm0000", "delete"), -HV_CONFLICT);
	assert_string_equal(err.message,
			    "vm \"vm0000\" is running; delete needs it stopped or crashed");
	assert_string_equal(err.hint, "first: hvsh vm stop vm0000");
	assert_int_equal(call("vm0000", "pause"), 0);
	expect("vm", "vm0000", "state=paused", "vm0000");
	assert_int_equal(call("vm0000", "resume"), 0);
	assert_int_equal(call("vm0000", "stop"), 0);
	expect("vm", "vm0000", "state=stopped and exit_reason='power-off'", "vm0000");
	assert_int_equal(call("vm0000", "start"), 0);
	assert_int_equal(call("vm0000", "reset"), 0);
	expect("vm", "vm0000", "state=running and reboots=1", "vm0000");
	assert_int_equal(call("vm0000", "kill"), 0);
	assert_int_equal(call("vm0000", "delete"), 0);
	assert_int_equal(find("vm", "vm0000", NULL), -HV_NOT_FOUND);
	assert_int_equal(call("alpha/vm0003", "start"), -HV_DENIED);
}

static void vms_are_made_renamed_and_cloned(void **state)
{
	(void)state;
	const struct hv_kind *vm = hv_kind_find("vm");
	const struct hv_method *create = hv_method_find(vm, "create");
	struct hv_object *def = hv_object_new(vm);
	struct hv_value *nics = &def->values[hv_prop_index(vm->props, "nics")];
	assert_int_equal(hv_model_call(model, vm, NULL, NULL, create, def, NULL, &err), -HV_USAGE);
	hv_set_string(def, "name", "../web");
	assert_int_equal(hv_model_call(model, vm, NULL, NULL, create, def, NULL, &err), -HV_USAGE);
	hv_set_string(def, "name", "web1");
	hv_value_parse(nics, hv_prop_find(vm->props, "nics"), "br0,queues=4", NULL);
	assert_int_equal(hv_model_call(model, vm, NULL, NULL, create, def, NULL, &err), 0);
	assert_int_equal(hv_model_call(model, vm, NULL, NULL, create, def, NULL, &err),
			 -HV_CONFLICT);
	hv_object_free(def);
	expect("vm", "web1", "state=stopped and memory=512M and cpus=1", "web1");
	expect("nic", "web1:net0", "queues=4 and mtu=1500 and mac~52:54:00:*", "web1:net0");
	assert_int_equal(call_with("web1", "rename", new_name("rename", "web2"), NULL), 0);
	assert_int_equal(find("vm", "web1", NULL), -HV_NOT_FOUND);
	assert_int_equal(call_with("web2", "clone", new_name("clone", "web3"), NULL), 0);
	assert_int_equal(call_with("web2", "clone", new_name("clone", "a/b"), NULL), -HV_USAGE);
	assert_int_equal(call_with("web2", "rename", new_name("rename", "web3"), NULL),
			 -HV_CONFLICT);
	expect("vm", "web?", NULL, "web2 web3");
	assert_int_equal(call("web2", "start"), 0);
}

static void settings_follow_their_rows(void **state)
{
	(void)state;
	const struct hv_kind *vm = hv_kind_find("vm");
	struct hv_object *change = hv_object_new(vm);
	assert_int_equal(find("vm", "vm0003", NULL), 0);
	assert_int_equal(hv_model_set(model, found.last, change, &err), -HV_USAGE);
	hv_set_int(change, "memory", 8LL << 30);
	assert_int_equal(hv_model_set(model, found.last, change, &err), 0);
	expect("vm", "vm0003", "memory=8G and cpus=1", "vm0003");
	assert_int_equal(find("vm", "vm0000", NULL), 0);
	assert_int_equal(hv_model_set(model, found.last, change, &err), -HV_CONFLICT);
	assert_string_equal(err.hint, "first: hvsh vm stop vm0000");
	hv_unset(change, "memory");
	hv_set_int(change, "autostart", 0);
	assert_int_equal(hv_model_set(model, found.last, change, &err), 0);
	hv_set_int(change, "pid", 1);
	assert_int_equal(hv_model_set(model, found.last, change, &err), -HV_USAGE);
	hv_unset(change, "pid");
	hv_set_int(change, "restart_limit", -1);
	assert_int_equal(hv_model_set(model, found.last, change, &err), -HV_USAGE);
	hv_object_free(change);

	struct hv_object *mtu = hv_object_new(hv_kind_find("nic"));
	hv_set_int(mtu, "mtu", 9000);
	assert_int_equal(find("nic", "vm0000:net0", NULL), 0);
	assert_int_equal(hv_model_set(model, found.last, mtu, &err), -HV_CONFLICT);
	assert_int_equal(find("nic", "vm0007:net0", NULL), 0);
	assert_int_equal(hv_model_set(model, found.last, mtu, &err), 0);
	expect("nic", "vm0007:net0", "mtu=9000", "vm0007:net0");
	hv_object_free(mtu);
}

static void events_tell_of_changes(void **state)
{
	(void)state;
	int fds[4];
	assert_int_equal(hv_model_watch_fds(model, fds, 4), 0);
	assert_int_equal(call("vm0000", "pause"), 0);
	assert_int_equal(hv_model_watch_fds(model, fds, 4), 1);
	hv_object_free(found.last);
	memset(&found, 0, sizeof found);
	assert_int_equal(hv_model_watch_read(model, take, &found, &err), 0);
	assert_int_equal(found.n, 1);
	assert_string_equal(hv_get_string(found.last, "object"), "vm0000");
	assert_string_equal(hv_get_string(found.last, "state"), "paused");
	for (int i = 0; i < 600; i++) {
		assert_int_equal(call("vm0000", "resume"), 0);
		assert_int_equal(call("vm0000", "pause"), 0);
	}
	assert_int_equal(find("event", NULL, NULL), 0);
	assert_in_range(found.n, 500, 1000);
	assert_string_equal(hv_get_string(found.last, "name"), "1201");
}

static void slow_work_obeys_its_job(void **state)
{
	(void)state;
	assert_int_equal(hv_model_add_host(model, "slow", "test:10,delay=60ms,hang=vm0001", &err),
			 0);
	struct hv_job *job = hv_job_start(model, "vm pause", "slow/vm0001", true, 0.05, &err);
	assert_int_equal(call_with("slow/vm0001", "pause", NULL, job), -HV_TIMEOUT);
	hv_job_end(job, &err);
	job = hv_job_start(model, "vm pause", "slow/vm0001", true, 0, &err);
	hv_job_cancel(job);
	assert_int_equal(call_with("slow/vm0001", "pause", NULL, job), -HV_FAILED);
	hv_job_end(job, &err);
	job = hv_job_start(model, "vm start", "slow/vm0003", false, 0, &err);
	assert_int_equal(call_with("slow/vm0003", "start", NULL, job), 0);
	hv_job_end(job, NULL);
	expect("vm", "slow/vm0003", "state=starting", "slow/vm0003");
	nanosleep(&(struct timespec){.tv_nsec = 80000000}, NULL);
	expect("vm", "slow/vm0003", "state=running", "slow/vm0003");
}

static void jobs_leave_records(void **state)
{
	(void)state;
	char folder[] = "/tmp/hvsh-jobs-XXXXXX", jobs[64];
	assert_non_null(mkdtemp(folder));
	snprintf(jobs, sizeof jobs, "%s/jobs", folder);
	assert_int_equal(hv_jobs_use_folder(jobs, &err), 0);
	struct hv_job *quick = hv_job_start(model, "vm start", "a", true, 0, &err);
	hv_job_end(quick, NULL);
	expect("job", NULL, NULL, "");

	struct hv_job *job = hv_job_start(model, "vm clone", "web1", false, 0, &err);
	hv_job_progress(job, 0.5, "half way");
	expect("job", hv_job_name(job), "state=running and progress=50%", hv_job_name(job));
	const struct hv_kind *kind = hv_kind_find("job");
	assert_int_equal(hv_model_call(model, kind, NULL, found.last,
				       hv_method_find(kind, "cancel"), NULL, NULL, &err),
			 0);
	assert_true(hv_job_cancelled(job));
	hv_fail(&err, HV_FAILED, 0, "was cancelled");
	hv_job_end(job, &err);
	assert_int_equal(find("job", NULL, "state=cancelled"), 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(hv_model_call(model, kind, NULL, found.last,
				       hv_method_find(kind, "delete"), NULL, NULL, &err),
			 0);

	pid_t child = fork();
	if (child == 0) {
		hv_job_start(model, "vm export", "web1", false, 0, &err);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	assert_int_equal(find("job", NULL, NULL), 0);
	assert_string_equal(hv_get_string(found.last, "state"), "interrupted");
	hv_model_call(model, kind, NULL, found.last, hv_method_find(kind, "delete"), NULL, NULL,
		      &err);
	assert_int_equal(find("job", "1.1", NULL), -HV_NOT_FOUND);
	assert_int_equal(rmdir(jobs), 0);
	rmdir(folder);
	hv_jobs_use_folder("", NULL);
}

static void consoles_echo(void **state)
{
	(void)state;
	int fd;
	char text[256];
	assert_int_equal(find("vm", "vm0003", NULL), 0);
	assert_int_equal(hv_model_stream(model, found.last, "serial0", false, &fd, &err),
			 -HV_CONFLICT);
	assert_int_equal(hv_model_stream(model, found.last, "log", true, &fd, &err), 0);
	ssize_t n = read(fd, text, sizeof text - 1);
	assert_true(n > 0);
	assert_int_equal(read(fd, text, sizeof text), 0);
	close(fd);
	assert_int_equal(find("vm", "vm0000", NULL), 0);
	assert_int_equal(hv_model_stream(model, found.last, "serial0", false, &fd, &err), 0);
	assert_true(read(fd, text, sizeof text) > 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(fd, text, sizeof text), 1);
	assert_int_equal(text[0], 'x');
	close(fd);
}

static void test_hosts_refuse_bad_uris(void **state)
{
	(void)state;
	static const char *const uris[] = {
		"test:x",        "test:-1",           "test:5;",
		"test:99999999", "test:5,colour=red", "test:5,delay=soon"};
	for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
		assert_int_equal(hv_model_add_host(model, "bad", uris[i], &err), 0);
		assert_int_equal(find("vm", "bad/*", NULL), -HV_USAGE);
	}
	hv_model_add_host(model, "empty", "test:", &err);
	expect("vm", "empty/", NULL, "");
}

static void ten_thousand_vms_are_found_at_once(void **state)
{
	(void)state;
	assert_int_equal(hv_model_add_host(model, "big", "test:10000", &err), 0);
	const struct hv_kind *vm = hv_kind_find("vm");
	bool want[128] = {false};
	want[hv_prop_index(vm->props, "state")] = true;
	for (int i = 0; i < 10000; i++) {
		char name[32];
		const char *pattern = name;
		snprintf(name, sizeof name, "big/vm%04d", i);
		assert_int_equal(hv_select(model, vm, &pattern, 1, NULL, want, take, &found, &err),
				 0);
	}
	assert_int_equal(found.n, 10000);
	assert_false(hv_has(found.last, "disks"));
	assert_true(hv_has(found.last, "state"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define MODEL_TEST(name) cmocka_unit_test_setup_teardown(name, start_model, stop_model)
		MODEL_TEST(addresses_find_objects),
		MODEL_TEST(overlapping_patterns_give_an_object_once),
		MODEL_TEST(what_is_not_there_gets_a_hint),
		MODEL_TEST(dead_host_is_a_row_and_no_end),
		MODEL_TEST(states_decide_what_can_be_done),
		MODEL_TEST(vms_are_made_renamed_and_cloned),
		MODEL_TEST(settings_follow_their_rows),
		MODEL_TEST(events_tell_of_changes),
		MODEL_TEST(slow_work_obeys_its_job),
		MODEL_TEST(jobs_leave_records),
		MODEL_TEST(consoles_echo),
		MODEL_TEST(test_hosts_refuse_bad_uris),
		MODEL_TEST(ten_thousand_vms_are_found_at_once),
	};
	hv_provider_add(hvsh_plugin.providers[0], NULL);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	hv_provider_remove(hvsh_plugin.providers[0]);
	return failed;
}
