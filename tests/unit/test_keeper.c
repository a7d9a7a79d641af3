/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keeper as a real process, with a child that runs no VM but obeys letters typed at its serial
 * console: how children end, what follows, consoles, kill, and what is left afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/client/client.h"
#include "engine/client/status.h"
#include "engine/vmm/exit.h"
#include "engine/vmm/keeper.h"

#define WAIT_MS 5000

struct vm {
	char dir[64];
	pid_t keeper;
	char word[512]; /* what the launcher was told */
};

static void tell(int fd, enum report_kind kind, const char *message)
{
	struct report r = {.kind = kind, .error = {.code = HV_FAILED}};
	snprintf(r.error.message, sizeof r.error.message, "%s", message);
	if (send(fd, &r, sizeof r, MSG_NOSIGNAL) < 0)
		_exit(99);
}

static void flood(int fd)
{
	char block[1024];
	memset(block, 'f', sizeof block);
	for (int i = 0; i < 3072; i++) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		poll(&p, 1, WAIT_MS);
		if (send(fd, block, sizeof block, MSG_NOSIGNAL) < 0 && errno == EAGAIN)
			i--;
	}
}

/* Letters: p power-off, r reset, c crash, s segmentation fault, b bad call, z pause, x exit 77, f
 * flood; anything else comes back. */
static int obedient_child(const struct child_start *start)
{
	const char *cmdline = start->spec->boot.cmdline;
	alarm(60);
	if (strcmp(cmdline, "fail") == 0) {
		tell(start->report_fd, REPORT_FAILED, "the kernel is a teapot");
		return VMM_EXIT_START_FAILED;
	}
	if (strcmp(cmdline, "mute") == 0)
		return VMM_EXIT_INTERNAL;
	tell(start->report_fd, REPORT_RUNNING, "");
	for (;;) {
		struct pollfd p = {.fd = start->serial_fd, .events = POLLIN};
		char c;
		if (poll(&p, 1, -1) < 0 || recv(start->serial_fd, &c, 1, 0) != 1)
			continue;
		struct report bad = {.kind = REPORT_BAD_SYSCALL, .number = 59};
		switch (c) {
		case 'p':
			tell(start->report_fd, REPORT_ENDED, "off\033[2J it went");
			return VMM_EXIT_POWEROFF;
		case 'r':
			return VMM_EXIT_RESET;
		case 'c':
			send(start->serial_fd, "panic!", 6, 0);
			return VMM_EXIT_CRASH;
		case 's':
			signal(SIGSEGV, SIG_DFL);
			raise(SIGSEGV);
			break;
		case 'b':
			send(start->report_fd, &bad, sizeof bad, 0);
			signal(SIGSYS, SIG_DFL);
			raise(SIGSYS);
			break;
		case 'z':
			tell(start->report_fd, REPORT_PAUSED, "");
			break;
		case 'x':
			return 77;
		case 'f':
			flood(start->serial_fd);
			break;
		default:
			send(start->serial_fd, &c, 1, MSG_NOSIGNAL);
		}
	}
}

static int listen_at(const char *dir, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", dir, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static _Noreturn void be_keeper(const struct vm *vm, const char *cmdline, const char *restart,
				int launch_fd)
{
	char json[1024];
	struct spec spec;
	struct hv_error err;
	int dir = open(vm->dir, O_RDONLY | O_DIRECTORY);
	int lock = openat(dir, "keeper.lock", O_RDWR | O_CREAT, 0600);
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int null = open("/dev/null", O_RDWR);
	int spec_fd = memfd_create("spec", 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fcntl(lock, F_OFD_SETLK, &whole);
	snprintf(json, sizeof json,
		 "{\"version\":1,\"name\":\"k1\",\"kvm_fd\":%d,\"control_fd\":%d,\"keeper_fd\":%d,"
		 "\"dir_fd\":%d,\"lock_fd\":%d,\"log_fd\":%d,\"memory\":{\"size\":16777216},"
		 "\"boot\":{\"kernel_fd\":%d,\"cmdline\":\"%s\"},\"virtio_console\":true,"
		 "\"restart\":%s}",
		 null, listen_at(vm->dir, "control.sock"), listen_at(vm->dir, "keeper.sock"), dir,
		 lock, null, null, cmdline, restart);
	if (write(spec_fd, json, strlen(json)) < 0 || spec_read(&spec, spec_fd, &err) < 0)
		_exit(98);
	int log = openat(dir, "log", O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(log, 2);
	_exit(keeper_run(&spec, spec_fd, launch_fd, obedient_child));
}

static void start(struct vm *vm, const char *cmdline, const char *restart)
{
	int word[2];
	size_t len = 0;
	ssize_t n;
	strcpy(vm->dir, "/tmp/hvsh-keeper-XXXXXX");
	assert_non_null(mkdtemp(vm->dir));
	assert_int_equal(pipe(word), 0);
	vm->keeper = fork();
	if (vm->keeper == 0) {
		close(word[0]);
		be_keeper(vm, cmdline, restart, word[1]);
	}
	close(word[1]);
	while ((n = read(word[0], vm->word + len, sizeof vm->word - 1 - len)) > 0)
		len += (size_t)n;
	vm->word[len] = '\0';
	close(word[0]);
}

static void await_end(const struct vm *vm)
{
	struct timespec pause = {.tv_nsec = 1000000};
	for (int i = 0; i < WAIT_MS; i++) {
		if (waitpid(vm->keeper, NULL, WNOHANG) == vm->keeper)
			return;
		nanosleep(&pause, NULL);
	}
	kill(vm->keeper, SIGKILL);
	fail_msg("the keeper did not end");
}

static void remove_dir(const struct vm *vm)
{
	char command[128];
	snprintf(command, sizeof command, "rm -r %s", vm->dir);
	assert_int_equal(system(command), 0);
}

static struct hv_vm_status status_of(const struct vm *vm)
{
	struct hv_vm_status status;
	struct hv_error err;
	assert_int_equal(hv_vm_status_read(vm->dir, &status, &err), 0);
	return status;
}

static void await_state(const struct vm *vm, const char *state, int resets, int restarts)
{
	struct timespec pause = {.tv_nsec = 1000000};
	struct hv_vm_status s = {0};
	for (int i = 0; i < WAIT_MS; i++) {
		s = status_of(vm);
		if (strcmp(s.state, state) == 0 && s.resets == resets && s.restarts == restarts)
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("still %s, %d resets, %d restarts", s.state, s.resets, s.restarts);
}

static struct hv_client *connect_to(const struct vm *vm)
{
	struct hv_client *client;
	struct hv_error err;
	if (hv_client_open(&client, vm->dir, PROTOCOL_KEEPER, WAIT_MS, &err) < 0)
		fail_msg("%s", err.message);
	return client;
}

static int attach(struct hv_client *client, enum hv_console_mode mode, long long scrollback,
		  bool *writer)
{
	struct hv_error err;
	int stream;
	if (hv_console_attach(client, "serial0", mode, scrollback, &stream, writer, &err) < 0)
		fail_msg("%s", err.message);
	return stream;
}

static void type(const struct vm *vm, const char *text)
{
	struct hv_client *client = connect_to(vm);
	bool writer;
	int stream = attach(client, HV_CONSOLE_TAKE, 0, &writer);
	assert_true(writer);
	assert_int_equal(write(stream, text, strlen(text)), strlen(text));
	/* leaving at once must not lose what was typed */
	close(stream);
	hv_client_close(client);
}

/* Reads exactly len bytes, or what there is until the end or the time is up. */
static size_t read_stream(int stream, char *to, size_t len)
{
	size_t got = 0;
	while (got < len) {
		struct pollfd p = {.fd = stream, .events = POLLIN};
		if (poll(&p, 1, 1000) != 1)
			break;
		ssize_t n = read(stream, to + got, len - got);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

static bool is_there(const struct vm *vm, const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", vm->dir, name);
	return access(path, F_OK) == 0;
}

#define NEVER "{\"policy\":\"never\"}"

static void a_power_off_leaves_a_stopped_vm_and_no_sockets(void **state)
{
	struct vm vm;
	(void)state;
	start(&vm, "run", NEVER);
	assert_string_equal(vm.word, "{}\n");
	struct hv_vm_status s = status_of(&vm);
	assert_string_equal(s.state, "running");
	assert_true(s.keeper);
	assert_int_equal(s.keeper_pid, vm.keeper);
	assert_true(s.pid > 0 && s.started > 1e9);
	type(&vm, "p");
	await_end(&vm);
	s = status_of(&vm);
	assert_string_equal(s.state, "stopped");
	assert_string_equal(s.ended_kind, "poweroff");
	assert_string_equal(s.ended_message, "off [2J it went"); /* without its escape */
	assert_false(s.keeper);
	assert_false(is_there(&vm, "control.sock"));
	assert_false(is_there(&vm, "keeper.sock"));
	remove_dir(&vm);
}

static void a_failed_start_is_told_in_the_childs_words(void **state)
{
	struct vm vm;
	(void)state;
	start(&vm, "fail", "{\"policy\":\"always\"}");
	assert_non_null(strstr(vm.word, "the kernel is a teapot"));
	await_end(&vm);
	struct hv_vm_status s = status_of(&vm);
	assert_string_equal(s.state, "stopped");
	assert_string_equal(s.ended_kind, "start-failed");
	remove_dir(&vm);
	start(&vm, "mute", NEVER);
	assert_non_null(strstr(vm.word, "internal error"));
	await_end(&vm);
	remove_dir(&vm);
}

static void ends_are_told_apart(void **state)
{
	static const struct {
		const char *type, *kind, *message;
	} ends[] = {
		{"c", "crash", "crashed"},
		{"s", "signal", "signal 11"},
		{"b", "bad-system-call", "bad system call 59"},
		{"x", "error", "exit status 77"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		struct vm vm;
		start(&vm, "run", NEVER);
		type(&vm, ends[i].type);
		await_end(&vm);
		struct hv_vm_status s = status_of(&vm);
		assert_string_equal(s.state, "crashed");
		assert_string_equal(s.ended_kind, ends[i].kind);
		assert_non_null(strstr(s.ended_message, ends[i].message));
		remove_dir(&vm);
	}
}

static void a_reset_is_a_new_child_under_the_same_keeper(void **state)
{
	struct vm vm;
	(void)state;
	start(&vm, "run", NEVER);
	pid_t first = status_of(&vm).pid;
	type(&vm, "r");
	await_state(&vm, "running", 1, 0);
	struct hv_vm_status s = status_of(&vm);
	assert_int_equal(s.keeper_pid, vm.keeper);
	assert_int_not_equal(s.pid, first);
	type(&vm, "p");
	await_end(&vm);
	remove_dir(&vm);
}

static void crashes_are_restarted_up_to_the_limit(void **state)
{
	struct vm vm;
	(void)state;
	start(&vm, "run", "{\"policy\":\"on-crash\",\"limit\":2,\"delay\":0}");
	type(&vm, "c");
	await_state(&vm, "running", 0, 1);
	type(&vm, "s");
	await_state(&vm, "running", 0, 2);
	type(&vm, "c");
	await_end(&vm);
	struct hv_vm_status s = status_of(&vm);
	assert_string_equal(s.state, "crashed");
	assert_int_equal(s.restarts, 2);
	remove_dir(&vm);
}

static void a_power_off_is_restarted_only_by_always(void **state)
{
	struct vm vm;
	(void)state;
	start(&vm, "run", "{\"policy\":\"always\",\"delay\":0}");
	type(&vm, "p");
	await_state(&vm, "running", 0, 1);
	struct hv_client *client = connect_to(&vm);
	struct hv_error err;
	assert_int_equal(hv_client_call(client, "kill", NULL, NULL, 0, NULL, WAIT_MS, &err), 0);
	hv_client_close(client);
	await_end(&vm);
	assert_string_equal(status_of(&vm).ended_kind, "killed");
	remove_dir(&vm);
}

static void a_kill_is_answered_when_its_end_is_recorded(void **state)
{
	struct vm vm;
	struct hv_error err;
	(void)state;
	start(&vm, "run", "{\"policy\":\"always\"}");
	struct hv_client *client = connect_to(&vm);
	assert_int_equal(hv_client_call(client, "kill", NULL, NULL, 0, NULL, WAIT_MS, &err), 0);
	struct hv_vm_status s = status_of(&vm);
	assert_string_equal(s.state, "stopped");
	assert_string_equal(s.ended_kind, "killed");
	assert_false(is_there(&vm, "keeper.sock"));
	hv_client_close(client);
	await_end(&vm);
	remove_dir(&vm);
}

static void a_kill_ends_the_wait_for_a_restart(void **state)
{
	struct vm vm;
	struct hv_error err;
	(void)state;
	start(&vm, "run", "{\"policy\":\"on-crash\",\"delay\":3600}");
	type(&vm, "c");
	await_state(&vm, "crashed", 0, 1);
	struct hv_client *client = connect_to(&vm);
	assert_int_equal(hv_client_call(client, "kill", NULL, NULL, 0, NULL, WAIT_MS, &err), 0);
	hv_client_close(client);
	await_end(&vm);
	assert_string_equal(status_of(&vm).state, "stopped");
	remove_dir(&vm);
}

static void a_killed_keeper_takes_its_child_along_and_reads_as_crashed(void **state)
{
	struct vm vm;
	(void)state;
	start(&vm, "run", NEVER);
	pid_t child = status_of(&vm).pid;
	kill(vm.keeper, SIGKILL);
	await_end(&vm);
	struct timespec pause = {.tv_nsec = 1000000};
	for (int i = 0; i < WAIT_MS && kill(child, 0) == 0; i++)
		nanosleep(&pause, NULL);
	assert_int_equal(kill(child, 0), -1);
	struct hv_vm_status s = status_of(&vm);
	assert_string_equal(s.state, "crashed");
	assert_string_equal(s.ended_kind, "lost");
	struct hv_client *client;
	struct hv_error err;
	assert_int_equal(hv_client_open(&client, vm.dir, PROTOCOL_KEEPER, WAIT_MS, &err),
			 -HV_CONFLICT);
	assert_non_null(strstr(err.message, "is not running"));
	remove_dir(&vm);
}

static void several_watch_one_types_and_the_keyboard_can_be_taken(void **state)
{
	struct vm vm;
	struct hv_error err;
	bool writer;
	char got[16];
	(void)state;
	start(&vm, "run", NEVER);
	struct hv_client *a = connect_to(&vm), *b = connect_to(&vm), *c = connect_to(&vm);
	int sa = attach(a, HV_CONSOLE_WRITE, 0, &writer);
	assert_true(writer);
	int sb = attach(b, HV_CONSOLE_WRITE, 0, &writer);
	assert_false(writer);
	assert_int_equal(write(sb, "NO", 2), 2); /* a watcher's keys go nowhere */
	assert_int_equal(write(sa, "Hey", 3), 3);
	assert_int_equal(read_stream(sa, got, 3), 3);
	assert_memory_equal(got, "Hey", 3);
	assert_int_equal(read_stream(sb, got, 3), 3);
	assert_memory_equal(got, "Hey", 3);
	int sc = attach(c, HV_CONSOLE_TAKE, 2, &writer);
	assert_true(writer);
	json_t *event;
	assert_int_equal(hv_client_event(a, &event, WAIT_MS, &err), 1);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "console");
	json_decref(event);
	assert_int_equal(read_stream(sc, got, 2), 2); /* scrollback */
	assert_memory_equal(got, "ey", 2);
	assert_int_equal(write(sa, "NO", 2), 2);
	assert_int_equal(write(sc, "u", 1), 1);
	assert_int_equal(read_stream(sb, got, 1), 1);
	assert_int_equal(got[0], 'u');
	assert_int_equal(write(sc, "c", 1), 1);
	assert_int_equal(read_stream(sb, got, sizeof got), 6); /* and the end of file */
	assert_memory_equal(got, "panic!", 6);
	await_end(&vm);
	close(sa), close(sb), close(sc);
	hv_client_close(a), hv_client_close(b), hv_client_close(c);
	remove_dir(&vm);
}

static void a_watcher_that_sleeps_holds_nobody_up_and_skips(void **state)
{
	struct vm vm;
	bool writer;
	char *got = malloc(4 << 20);
	struct stat st;
	char path[128];
	(void)state;
	start(&vm, "run", NEVER);
	struct hv_client *lazy = connect_to(&vm), *awake = connect_to(&vm);
	int sleeping = attach(lazy, HV_CONSOLE_WATCH, 0, &writer);
	type(&vm, "f");
	int stream = attach(awake, HV_CONSOLE_TAKE, 1 << 20, &writer);
	assert_int_equal(write(stream, "!", 1), 1);
	size_t n = 0;
	do {
		size_t more = read_stream(stream, got + n, 1);
		n += more;
		if (!more)
			break;
		struct pollfd p = {.fd = stream, .events = POLLIN};
		ssize_t rest = poll(&p, 1, 0) == 1 ? read(stream, got + n, (4 << 20) - n) : 0;
		n += rest > 0 ? (size_t)rest : 0;
	} while (got[n - 1] != '!');
	assert_int_equal(got[n - 1], '!'); /* three MiB on, the guest is alive */
	snprintf(path, sizeof path, "%s/console-serial0.log", vm.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= 1 << 20 && st.st_size >= 1 << 19);
	n = 0;
	for (size_t more; (more = read_stream(sleeping, got + n, 1024)) > 0;) {
		n += more;
		if (got[n - 1] == '!')
			break;
	}
	got[n] = '\0';
	assert_int_equal(got[n - 1], '!');
	assert_true(n < 3 << 20);
	assert_non_null(strstr(got, "bytes skipped]"));
	type(&vm, "p");
	await_end(&vm);
	close(sleeping), close(stream);
	hv_client_close(lazy), hv_client_close(awake);
	free(got);
	remove_dir(&vm);
}

static void states_are_pushed_to_those_who_asked(void **state)
{
	struct vm vm;
	struct hv_error err;
	static const char *const expected[] = {"paused", "starting", "running", "stopped"};
	(void)state;
	start(&vm, "run", NEVER);
	struct hv_client *client = connect_to(&vm);
	assert_int_equal(hv_client_call(client, "events", NULL, NULL, 0, NULL, WAIT_MS, &err), 0);
	type(&vm, "zr");
	for (size_t i = 0; i < 4; i++) {
		json_t *event;
		assert_int_equal(hv_client_event(client, &event, WAIT_MS, &err), 1);
		const char *now =
			json_string_value(json_object_get(json_object_get(event, "data"), "state"));
		assert_string_equal(now, expected[i]);
		json_decref(event);
		if (i == 2)
			type(&vm, "p");
	}
	await_end(&vm);
	json_t *event;
	assert_int_equal(hv_client_event(client, &event, WAIT_MS, &err), -HV_UNREACHABLE);
	hv_client_close(client);
	remove_dir(&vm);
}

static void bad_requests_are_answered_with_errors(void **state)
{
	struct vm vm;
	struct hv_error err;
	json_t *result;
	(void)state;
	start(&vm, "run", NEVER);
	struct hv_client *client = connect_to(&vm);
	assert_int_equal(hv_client_call(client, "dance", NULL, NULL, 0, NULL, WAIT_MS, &err),
			 -HV_USAGE);
	assert_int_equal(hv_client_call(client, "console", NULL, NULL, 0, NULL, WAIT_MS, &err),
			 -HV_USAGE);
	json_t *args = json_pack("{s:s}", "console", "serial7");
	assert_int_equal(hv_client_call(client, "console", args, NULL, 0, NULL, WAIT_MS, &err),
			 -HV_NOT_FOUND);
	json_decref(args);
	assert_int_equal(hv_client_call(client, "status", NULL, NULL, 0, &result, WAIT_MS, &err),
			 0);
	const json_t *status = json_object_get(result, "status");
	assert_string_equal(json_string_value(json_object_get(status, "state")), "running");
	json_decref(result);
	hv_client_close(client);

	client =
		connect_to(&vm); /* a line of garbage, and the connection is gone, not the keeper */
	assert_int_equal(write(hv_client_fd(client), "}{\n", 3), 3);
	assert_int_equal(hv_client_call(client, "status", NULL, NULL, 0, NULL, WAIT_MS, &err),
			 -HV_UNREACHABLE);
	hv_client_close(client);
	type(&vm, "p");
	await_end(&vm);
	remove_dir(&vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_power_off_leaves_a_stopped_vm_and_no_sockets),
		cmocka_unit_test(a_failed_start_is_told_in_the_childs_words),
		cmocka_unit_test(ends_are_told_apart),
		cmocka_unit_test(a_reset_is_a_new_child_under_the_same_keeper),
		cmocka_unit_test(crashes_are_restarted_up_to_the_limit),
		cmocka_unit_test(a_power_off_is_restarted_only_by_always),
		cmocka_unit_test(a_kill_is_answered_when_its_end_is_recorded),
		cmocka_unit_test(a_kill_ends_the_wait_for_a_restart),
		cmocka_unit_test(a_killed_keeper_takes_its_child_along_and_reads_as_crashed),
		cmocka_unit_test(several_watch_one_types_and_the_keyboard_can_be_taken),
		cmocka_unit_test(a_watcher_that_sleeps_holds_nobody_up_and_skips),
		cmocka_unit_test(states_are_pushed_to_those_who_asked),
		cmocka_unit_test(bad_requests_are_answered_with_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
