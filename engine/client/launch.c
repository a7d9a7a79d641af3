/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Starting a VM: see launch.h. The order is what makes it whole: the lock first, then everything
 * that vanishes with us, then one exec; from there on the keeper, which holds the same lock, cleans
 * up.
 */
#include "engine/client/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/client/protocol_wire.h"
#include "engine/host/paths.h"

#define TIMEOUT_MS 10000
#define LOG_MAX (1 << 20)
#define LEAVING_MS 1000

/* Our own descriptors for one launch; all CLOEXEC, -1 when not open. */
struct launching {
	const struct hv_launch *what;
	int dir_fd, lock_fd, log_fd, kvm_fd, control_fd, keeper_fd, spec_fd;
	int word[2]; /* the keeper writes its word into [1] */
	pid_t pid;   /* the keeper */
	int pidfd;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void launching_fini(struct launching *l)
{
	close_fd(&l->control_fd);
	close_fd(&l->keeper_fd);
	close_fd(&l->spec_fd);
	close_fd(&l->kvm_fd);
	close_fd(&l->log_fd);
	close_fd(&l->word[0]);
	close_fd(&l->word[1]);
	close_fd(&l->pidfd);
	close_fd(&l->dir_fd);
	close_fd(&l->lock_fd);
}

/* A keeper that has removed its socket is leaving: its lock is worth a short wait. */
static int take_lock(struct launching *l, struct hv_error *err)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	for (int tries = 0;; tries++) {
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		if (fcntl(l->lock_fd, F_OFD_SETLK, &lock) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return hv_fail(err, HV_FAILED, errno, "vm \"%s\": lock", l->what->name);
		if (tries == LEAVING_MS || faccessat(l->dir_fd, "keeper.sock", F_OK, 0) == 0)
			return hv_fail(err, HV_CONFLICT, 0, "vm \"%s\" is running already",
				       l->what->name);
		nanosleep(&pause, NULL);
	}
}

static int lock_vm(struct launching *l, struct hv_error *err)
{
	const struct hv_launch *what = l->what;
	int ret = hv_paths_make_dir(what->dir, err);
	if (ret < 0)
		return ret;
	l->dir_fd = open(what->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dir_fd < 0)
		return hv_fail(err, HV_FAILED, errno, "folder \"%s\"", what->dir);
	l->lock_fd =
		openat(l->dir_fd, "keeper.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->lock_fd < 0)
		return hv_fail(err, errno == EACCES ? HV_DENIED : HV_FAILED, errno,
			       "vm \"%s\": lock", what->name);
	if ((ret = take_lock(l, err)) < 0)
		return ret;
	/* what a killed keeper left, now that nobody else can be using it; without a status and
	 * with the lock held the VM is starting */
	unlinkat(l->dir_fd, "control.sock", 0);
	unlinkat(l->dir_fd, "keeper.sock", 0);
	unlinkat(l->dir_fd, "status", 0);
	return 0;
}

static int listen_in(const struct launching *l, const char *name, int *out, struct hv_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", l->dir_fd, name);
	*out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* the folder lets only its owner in, whatever our umask makes of the socket's mode */
	if (*out < 0 || bind(*out, (struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(*out, 64) < 0)
		return hv_fail(err, HV_FAILED, errno, "vm \"%s\": socket \"%s\"", l->what->name,
			       name);
	return 0;
}

static int open_log(struct launching *l, struct hv_error *err)
{
	struct stat st;
	l->log_fd = openat(l->dir_fd, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
			   0600);
	if (l->log_fd < 0)
		return hv_fail(err, HV_FAILED, errno, "vm \"%s\": log", l->what->name);
	if (fstat(l->log_fd, &st) == 0 && st.st_size > LOG_MAX) {
		renameat(l->dir_fd, "log", l->dir_fd, "log.old");
		close_fd(&l->log_fd);
		return open_log(l, err);
	}
	return 0;
}

static int open_kvm(struct launching *l, struct hv_error *err)
{
	l->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (l->kvm_fd >= 0)
		return 0;
	hv_fail(err, errno == EACCES ? HV_DENIED : HV_FAILED, errno, "/dev/kvm");
	if (errno == EACCES)
		return hv_hint(err, "join the group that owns it: adduser USER kvm; log in again");
	return hv_hint(err, "see what this host lacks: host check");
}

static int write_spec(struct launching *l, struct hv_error *err)
{
	json_t *spec = json_pack("{s:i, s:s, s:i, s:i, s:i, s:i, s:i, s:i}", "version", 1, "name",
				 l->what->name, "kvm_fd", l->kvm_fd, "control_fd", l->control_fd,
				 "keeper_fd", l->keeper_fd, "dir_fd", l->dir_fd, "lock_fd",
				 l->lock_fd, "log_fd", l->log_fd);
	int ret = 0;
	if (!spec || json_object_update_missing(spec, l->what->spec) < 0) {
		ret = hv_fail(err, HV_FAILED, ENOMEM, "vm \"%s\"", l->what->name);
	} else {
		l->spec_fd = memfd_create("hvsh-spec", MFD_CLOEXEC);
		if (l->spec_fd < 0)
			ret = hv_fail(err, HV_FAILED, errno, "vm \"%s\": launch spec",
				      l->what->name);
		else
			ret = wire_write(l->spec_fd, spec, err);
	}
	json_decref(spec);
	return ret;
}

static int prepare(struct launching *l, struct hv_error *err)
{
	int ret;
	if ((ret = lock_vm(l, err)) < 0 || (ret = open_log(l, err)) < 0 ||
	    (ret = open_kvm(l, err)) < 0 ||
	    (ret = listen_in(l, "control.sock", &l->control_fd, err)) < 0 ||
	    (ret = listen_in(l, "keeper.sock", &l->keeper_fd, err)) < 0 ||
	    (ret = write_spec(l, err)) < 0)
		return ret;
	if (pipe2(l->word, O_CLOEXEC) < 0)
		return hv_fail(err, HV_FAILED, errno, "vm \"%s\"", l->what->name);
	return 0;
}

/* In a process that shares our memory until its exec: only system calls. */
static void pass_descriptors(const struct launching *l)
{
	const int own[] = {l->dir_fd,     l->lock_fd,   l->log_fd,  l->kvm_fd,
			   l->control_fd, l->keeper_fd, l->spec_fd, l->word[1]};
	/* whatever a shell, a plugin or a test harness left open stays out */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		fcntl(own[i], F_SETFD, 0);
	for (int i = 0; i < l->what->n_fds; i++)
		fcntl(l->what->fds[i], F_SETFD, 0);
}

/*
 * A process between us and the keeper, gone at once, so that the keeper is nobody's zombie. Both
 * are vforks: no page table is copied. Signals are off meanwhile, since a handler would run in our
 * memory.
 */
static int spawn(struct launching *l, char *const argv[], struct hv_error *err)
{
	char *const environment[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	volatile pid_t keeper = -1;
	volatile int failed = 0;
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid_t between = vfork();
	if (between == 0) {
		pid_t pid = vfork();
		if (pid == 0) {
			pass_descriptors(l);
			execve(argv[0], argv, environment);
			failed = errno;
			_exit(127);
		}
		keeper = pid;
		if (pid < 0)
			failed = errno;
		_exit(0);
	}
	int sys = errno;
	while (between > 0 && waitpid(between, NULL, 0) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (between < 0 || failed)
		return hv_fail(err, HV_FAILED, between < 0 ? sys : failed,
			       "vm \"%s\": cannot run \"%s\"", l->what->name, argv[0]);
	l->pid = keeper;
	l->pidfd = pidfd_open(keeper, 0);
	return 0;
}

/* The keeper's one line; end of file without one means that it died. */
static int read_word(struct launching *l, char *line, size_t size, struct hv_error *err)
{
	struct timespec start, now;
	int timeout = l->what->timeout_ms > 0 ? l->what->timeout_ms : TIMEOUT_MS;
	size_t len = 0;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		long long spent = (now.tv_sec - start.tv_sec) * 1000ll +
				  (now.tv_nsec - start.tv_nsec) / 1000000;
		struct pollfd p = {.fd = l->word[0], .events = POLLIN};
		int ready = spent >= timeout ? 0 : poll(&p, 1, (int)(timeout - spent));
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0) {
			if (l->pidfd >= 0)
				pidfd_send_signal(l->pidfd, SIGKILL, NULL, 0);
			hv_fail(err, HV_TIMEOUT, 0, "vm \"%s\" did not start within %d s",
				l->what->name, timeout / 1000);
			return hv_hint(err, "see \"%s/log\"", l->what->dir);
		}
		ssize_t n = read(l->word[0], line + len, size - 1 - len);
		len += n > 0 ? (size_t)n : 0;
		line[len] = '\0';
		if (n <= 0 || strchr(line, '\n') || len == size - 1)
			return 0;
	}
}

static int await_word(struct launching *l, struct hv_error *err)
{
	char line[2048] = "";
	int ret = read_word(l, line, sizeof line, err);
	if (ret < 0)
		return ret;
	json_t *word = json_loads(line, 0, NULL);
	const json_t *error = json_object_get(word, "error");
	if (!json_is_object(word)) {
		hv_fail(err, HV_FAILED, 0, "vm \"%s\": its process died while starting",
			l->what->name);
		ret = hv_hint(err, "see \"%s/log\"", l->what->dir);
	} else if (error) {
		struct hv_error told;
		wire_error_parse(error, &told);
		ret = -(int)told.code;
		if (err)
			*err = told;
	}
	json_decref(word);
	return ret;
}

int hv_launch(const struct hv_launch *launch, struct hv_error *err)
{
	struct launching l = {.what = launch,
			      .dir_fd = -1,
			      .lock_fd = -1,
			      .log_fd = -1,
			      .kvm_fd = -1,
			      .control_fd = -1,
			      .keeper_fd = -1,
			      .spec_fd = -1,
			      .word = {-1, -1},
			      .pidfd = -1};
	char binary[PATH_MAX], spec_text[12], word_text[12];
	int ret = 0;
	if (!launch->binary)
		ret = hv_paths_vmm_binary(binary, err);
	else
		snprintf(binary, sizeof binary, "%s", launch->binary);
	if (ret == 0)
		ret = prepare(&l, err);
	if (ret == 0) {
		snprintf(spec_text, sizeof spec_text, "%d", l.spec_fd);
		snprintf(word_text, sizeof word_text, "%d", l.word[1]);
		char *const argv[] = {
			binary, (char *)"--spec", spec_text, (char *)"--launch", word_text, NULL};
		ret = spawn(&l, argv, err);
	}
	if (ret < 0 && l.lock_fd >= 0 &&
	    l.control_fd >= 0) { /* the lock is ours, and no keeper's */
		unlinkat(l.dir_fd, "control.sock", 0);
		unlinkat(l.dir_fd, "keeper.sock", 0);
	}
	close_fd(&l.word[1]);
	if (ret == 0)
		ret = await_word(&l, err);
	launching_fini(&l);
	return ret;
}
