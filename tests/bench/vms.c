/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vms: starts VMs of the test guest, ours, QEMU's and the bare program's in turn, and measures them.
 *
 *	vms start  GUEST ROUNDS         microseconds from the spawn to the first byte on the serial line
 *	vms burst  GUEST ROUNDS N       VMs a second from the spawn of N at once until all are ready
 *	vms memory GUEST N              KiB a VM beyond the guest's RAM: PSS, RSS of the VM's process
 *	vms kernel KERNEL ROUNDS INITRD seconds to the line of tests/bench/init, KiB of page tables for
 *	                                guests, page faults that KVM took (of debugfs)
 *
 * Every line it prints is "WHO VALUE..."; the rounds are interleaved. Ours is hv_launch(), as the
 * engine provider does it: its own preparation counts, and the byte counts when the keeper has it in
 * the console's log. BENCH_DIR is a folder for the runtime files, BENCH_BARE the bare program,
 * BENCH_PEERS what else there is to start ("qemu bare").
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/client/client.h"
#include "engine/client/launch.h"
#include "engine/client/status.h"

#define LIMIT_MS 120000
#define SETTLE_US 1500000
#define LOOK_US 300 /* between looks for the ready line, so that not each byte wakes us */
#define MANY 64

extern char **environ;

enum who { OURS, QEMU, BARE, N_WHO };
static const char *const names[N_WHO] = {"ours", "qemu", "bare"};

/* What one VM is known by, sent from the process that started it. */
struct started {
	double first_us,
		ready_us; /* since it was spawned; CLOCK_MONOTONIC is one for all processes */
	double ready_at_us;
	pid_t pids[2]; /* the VM's process; the keeper or 0 */
};

struct plan {
	const char *guest, *initrd, *cmdline, *ready, *dir, *bare;
	int memory_mib;
	enum who who;
	int index;
	bool until_ready; /* else only to the first byte */
};

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- ours ------------------------------------------------------------------------------------- */

struct ours {
	const struct plan *plan;
	char dir[256], name[16];
	double begin_us;
};

static void *launch(void *arg)
{
	struct ours *o = arg;
	struct hv_error error;
	o->begin_us = now_us();
	const struct plan *plan = o->plan;
	int fds[2] = {open(plan->guest, O_RDONLY | O_CLOEXEC),
		      plan->initrd ? open(plan->initrd, O_RDONLY | O_CLOEXEC) : -1};
	if (fds[0] < 0 || (plan->initrd && fds[1] < 0))
		err(1, "%s", plan->guest);
	json_t *spec =
		json_pack("{s:{s:I, s:s}, s:{s:i}, s:{s:i, s:s, s:s}, s:b, s:b, s:b}", "memory",
			  "size", (json_int_t)plan->memory_mib << 20, "backing", "anonymous",
			  "cpus", "count", 1, "boot", "kernel_fd", fds[0], "kernel_name", "kernel",
			  "cmdline", plan->cmdline, "rng", 0, "balloon", 0, "virtio_console", 0);
	if (plan->initrd)
		json_object_set_new(json_object_get(spec, "boot"), "initrd_fd",
				    json_integer(fds[1]));
	struct hv_launch what = {.name = o->name,
				 .dir = o->dir,
				 .spec = spec,
				 .fds = fds,
				 .n_fds = plan->initrd ? 2 : 1};
	if (hv_launch(&what, &error) < 0)
		errx(1, "%s: %s", o->name, error.message);
	json_decref(spec);
	close(fds[0]);
	if (plan->initrd)
		close(fds[1]);
	return NULL;
}

/* Whether the log has what is waited for; *first_us is set once it has anything. */
static bool log_has(const struct ours *o, double *first_us)
{
	char path[320], text[16384];
	snprintf(path, sizeof path, "%s/console-serial0.log", o->dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	if (*first_us == 0)
		*first_us = now_us();
	return !o->plan->until_ready || strstr(text, o->plan->ready);
}

static void start_ours(const struct plan *plan, struct started *s)
{
	struct ours o = {.plan = plan};
	struct hv_vm_status status;
	struct hv_error error;
	char events[4096], old[320];
	pthread_t thread;
	double first = 0;
	snprintf(o.name, sizeof o.name, "b%d", plan->index);
	snprintf(o.dir, sizeof o.dir, "%s/%s", plan->dir, o.name);
	mkdir(o.dir, 0700);
	snprintf(old, sizeof old, "%s/console-serial0.log", o.dir);
	unlink(old); /* of the round before, which would count as the first byte */
	int watch = inotify_init1(IN_CLOEXEC);
	if (watch < 0 || inotify_add_watch(watch, o.dir, IN_MODIFY) < 0)
		err(1, "%s", o.dir);
	if (pthread_create(&thread, NULL, launch, &o))
		err(1, "thread");
	struct pollfd p = {.fd = watch, .events = POLLIN};
	while (!log_has(&o, &first)) {
		if (first > 0)
			usleep(LOOK_US);
		if (poll(&p, 1, LIMIT_MS) != 1 || read(watch, events, sizeof events) < 0)
			errx(1, "%s: nothing on its serial line", o.name);
	}
	s->ready_at_us = now_us();
	pthread_join(thread, NULL);
	s->first_us = first - o.begin_us;
	s->ready_us = s->ready_at_us - o.begin_us;
	if (hv_vm_status_read(o.dir, &status, &error) < 0)
		errx(1, "%s", error.message);
	s->pids[0] = status.pid;
	s->pids[1] = status.keeper_pid;
}

static void end_ours(const struct plan *plan)
{
	struct hv_client *keeper;
	struct hv_error error;
	char dir[256];
	snprintf(dir, sizeof dir, "%s/b%d", plan->dir, plan->index);
	if (hv_client_open(&keeper, dir, PROTOCOL_KEEPER, 5000, &error) < 0 ||
	    hv_client_call(keeper, "kill", NULL, NULL, 0, NULL, 5000, &error) < 0)
		errx(1, "%s", error.message);
	hv_client_close(keeper);
}

/* ---- programs with the serial line on their output ---------------------------------------------- */

static void spawn_peer(const struct plan *plan, int out, pid_t *pid)
{
	char memory[16];
	snprintf(memory, sizeof memory, "%d", plan->memory_mib);
	char *qemu[] = {
		(char *)"qemu-system-x86_64",
		(char *)"-M",
		(char *)"microvm",
		(char *)"-accel",
		(char *)"kvm",
		(char *)"-nodefaults",
		(char *)"-no-user-config",
		(char *)"-display",
		(char *)"none",
		(char *)"-m",
		memory,
		(char *)"-serial",
		(char *)"stdio",
		(char *)"-kernel",
		(char *)(uintptr_t)plan->guest,
		(char *)"-append",
		(char *)(uintptr_t)plan->cmdline,
		plan->initrd ? (char *)"-initrd" : NULL,
		(char *)(uintptr_t)plan->initrd,
		(char *)"-cpu", /* the lab's KVM is whole, see there; elsewhere its default runs */
		(char *)"host",
		NULL};
	char *bare[] = {
		(char *)(uintptr_t)plan->bare,  (char *)"-i", (char *)"-k", (char *)"-m", memory,
		(char *)(uintptr_t)plan->guest, NULL};
	char **argv = plan->who == QEMU ? qemu : bare;
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	*pid = fork();
	if (*pid < 0)
		err(1, "fork");
	if (*pid > 0) {
		close(nowhere);
		return;
	}
	/* whatever becomes of us, no VM stays behind */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, 1);
	if (plan->who == QEMU)
		dup2(nowhere, 2);
	execvp(argv[0], argv);
	_exit(127);
}

static void start_peer(const struct plan *plan, struct started *s)
{
	char text[16384];
	size_t len = 0;
	int out[2];
	if (pipe2(out, O_CLOEXEC))
		err(1, "pipe");
	double begin = now_us(), first = 0;
	spawn_peer(plan, out[1], &s->pids[0]);
	close(out[1]);
	for (bool done = false; !done;) {
		struct pollfd p = {.fd = out[0], .events = POLLIN};
		ssize_t n = poll(&p, 1, LIMIT_MS) == 1
				    ? read(out[0], text + len, sizeof text - 1 - len)
				    : 0;
		if (n <= 0)
			errx(1, "%s: nothing on its serial line", names[plan->who]);
		if (first == 0)
			first = now_us();
		len += (size_t)n;
		text[len] = '\0';
		done = !plan->until_ready || strstr(text, plan->ready);
		if (!done)
			usleep(LOOK_US);
	}
	s->ready_at_us = now_us();
	s->first_us = first - begin;
	s->ready_us = s->ready_at_us - begin;
}

/* ---- one process for each VM --------------------------------------------------------------------- */

struct worker {
	struct plan plan;
	pid_t pid;
	int go, told, end; /* pipes: closing go starts the VM, closing end ends it */
};

static _Noreturn void work(const struct plan *plan, int go, int tell, int end)
{
	struct started s = {0};
	char byte;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	/* QEMU's serial line reads its standard input and makes it non-blocking: one of its own that
	 * is never ready, as nobody types at ours */
	int typed[2];
	if (pipe2(typed, O_CLOEXEC) || dup2(typed[0], 0) < 0)
		_exit(1);
	if (read(go, &byte, 1) != 0)
		_exit(1);
	if (plan->who == OURS)
		start_ours(plan, &s);
	else
		start_peer(plan, &s);
	if (write(tell, &s, sizeof s) != sizeof s || read(end, &byte, 1) != 0)
		_exit(1);
	if (plan->who == OURS) {
		end_ours(plan);
	} else {
		kill(s.pids[0], SIGKILL);
		waitpid(s.pids[0], NULL, 0);
	}
	_exit(0);
}

static void worker_start(struct worker *w)
{
	int go[2], told[2], end[2];
	if (pipe2(go, O_CLOEXEC) || pipe2(told, O_CLOEXEC) || pipe2(end, O_CLOEXEC))
		err(1, "pipe");
	w->pid = fork();
	if (w->pid == 0) {
		close(go[1]);
		close(told[0]);
		close(end[1]);
		/* those of the workers before us would keep them waiting: we are forked from a parent
		 * that holds them */
		for (struct worker *other = w - w->plan.index; other < w; other++) {
			close(other->go);
			close(other->end);
		}
		work(&w->plan, go[0], told[1], end[0]);
	}
	close(go[0]);
	close(told[1]);
	close(end[0]);
	w->go = go[1];
	w->told = told[0];
	w->end = end[1];
}

/* N VMs at once, all up on return: how each did, and when the first was let go. */
static double start_many(struct worker *workers, struct started *all, const struct plan *plan,
			 int n)
{
	for (int i = 0; i < n; i++) {
		workers[i] = (struct worker){.plan = *plan};
		workers[i].plan.index = i;
		worker_start(&workers[i]);
	}
	usleep(20000); /* all are at their read() */
	double begin = now_us();
	for (int i = 0; i < n; i++)
		close(workers[i].go);
	for (int i = 0; i < n; i++) {
		if (read(workers[i].told, &all[i], sizeof all[i]) != sizeof all[i])
			errx(1, "%s: a VM did not start", names[plan->who]);
		close(workers[i].told);
	}
	return begin;
}

static void end_many(struct worker *workers, int n)
{
	for (int i = 0; i < n; i++)
		close(workers[i].end);
	for (int i = 0; i < n; i++)
		waitpid(workers[i].pid, NULL, 0);
}

/* ---- what is measured ------------------------------------------------------------------------------ */

static void measure_start(const struct plan *plan, int n)
{
	struct worker workers[MANY];
	struct started all[MANY];
	(void)n;
	start_many(workers, all, plan, 1);
	printf("%s %.1f\n", names[plan->who], all[0].first_us);
	end_many(workers, 1);
}

static void measure_burst(const struct plan *plan, int n)
{
	struct worker workers[MANY];
	struct started all[MANY];
	double begin = start_many(workers, all, plan, n), last = 0;
	for (int i = 0; i < n; i++)
		last = all[i].ready_at_us > last ? all[i].ready_at_us : last;
	printf("%s %.2f\n", names[plan->who], n / ((last - begin) / 1e6));
	end_many(workers, n);
}

/*
 * Adds up a process's mappings but the guest's RAM: one mapping, or two that touch, of just its size
 * (the first may have pages of another kind).
 */
static void add_memory(pid_t pid, int memory_mib, long *pss, long *rss)
{
	struct {
		unsigned long start, end;
		long pss, rss;
	} maps[512] = {{0}};
	const unsigned long ram = (unsigned long)memory_mib << 20;
	char path[64], line[512];
	unsigned long start, end;
	int n = 0;
	snprintf(path, sizeof path, "/proc/%d/smaps", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		err(1, "%s", path);
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2 && n < 511) {
			maps[++n - 1].start = start;
			maps[n - 1].end = end;
		} else if (n && !sscanf(line, "Rss: %ld kB", &maps[n - 1].rss)) {
			sscanf(line, "Pss: %ld kB", &maps[n - 1].pss);
		}
	}
	fclose(f);
	for (int i = 0; i < n; i++) {
		bool pair =
			maps[i].end == maps[i + 1].start && maps[i + 1].end - maps[i].start == ram;
		if (pair || maps[i].end - maps[i].start == ram) {
			i += pair;
			continue;
		}
		*rss += maps[i].rss;
		*pss += maps[i].pss;
	}
}

static void measure_memory(const struct plan *plan, int n)
{
	struct worker workers[MANY];
	struct started all[MANY];
	long pss = 0, rss = 0, ignored = 0;
	start_many(workers, all, plan, n);
	usleep(SETTLE_US);
	for (int i = 0; i < n; i++) {
		add_memory(all[i].pids[0], plan->memory_mib, &pss, &rss);
		if (all[i].pids[1])
			add_memory(all[i].pids[1], plan->memory_mib, &pss, &ignored);
	}
	printf("%s %.1f %.1f\n", names[plan->who], (double)pss / n, (double)rss / n);
	end_many(workers, n);
}

static long number_in(const char *path, const char *key)
{
	char line[256];
	long value = 0;
	size_t len = strlen(key);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		if (strncmp(line, key, len) == 0)
			value = atol(line + len);
	}
	if (f)
		fclose(f);
	return value;
}

/* Each CPU counts for itself, and tells now and then or when asked. */
static long table_kib(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		warn("stat_refresh");
	if (fd >= 0)
		close(fd);
	return number_in("/proc/meminfo", "SecPageTables:");
}

static void measure_kernel(const struct plan *plan, int n)
{
	struct worker workers[MANY];
	struct started all[MANY];
	glob_t vms;
	long faults = 0, tables = table_kib();
	(void)n;
	start_many(workers, all, plan, 1);
	/* of the one VM that there is */
	if (glob("/sys/kernel/debug/kvm/*-*/pf_taken", 0, NULL, &vms) == 0) {
		for (size_t i = 0; i < vms.gl_pathc; i++)
			faults += number_in(vms.gl_pathv[i], "");
		globfree(&vms);
	}
	tables = table_kib() - tables;
	printf("%s %.3f %ld %ld\n", names[plan->who], all[0].ready_us / 1e6, tables, faults);
	end_many(workers, 1);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(const struct plan *plan, int n);
		bool until_ready;
		int n_args;
	} modes[] = {{"start", measure_start, false, 4},
		     {"burst", measure_burst, true, 5},
		     {"memory", measure_memory, true, 4},
		     {"kernel", measure_kernel, true, 5}};
	const char *peers = getenv("BENCH_PEERS");
	struct plan plan = {.cmdline = "nodevices",
			    .ready = "hvsh-guest: ready",
			    .memory_mib = 128,
			    .dir = getenv("BENCH_DIR"),
			    .bare = getenv("BENCH_BARE")};
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t m = 0; argc > 3 && plan.dir && m < sizeof modes / sizeof *modes; m++) {
		if (strcmp(argv[1], modes[m].name) || argc != modes[m].n_args)
			continue;
		bool is_memory = modes[m].run == measure_memory;
		int rounds = is_memory ? 1 : atoi(argv[3]), n = 1;
		if (modes[m].run == measure_kernel) {
			plan.initrd = argv[4];
			plan.cmdline = "console=ttyS0 quiet";
			plan.ready = "bench: init";
			plan.memory_mib = 512;
		} else if (is_memory || argc == 5) {
			n = atoi(argv[argc - 1]);
		}
		if (n < 1 || n > MANY)
			errx(2, "1 to %d VMs", MANY);
		plan.guest = argv[2];
		plan.until_ready = modes[m].until_ready;
		for (int i = 0; i < rounds; i++) {
			for (plan.who = OURS; plan.who < N_WHO; plan.who++) {
				if (plan.who == OURS || (peers && strstr(peers, names[plan.who])))
					modes[m].run(&plan, n);
			}
		}
		return 0;
	}
	fputs("usage: vms start GUEST ROUNDS | burst GUEST ROUNDS N | memory GUEST N\n"
	      "       vms kernel KERNEL ROUNDS INITRD\n",
	      stderr);
	return 2;
}
