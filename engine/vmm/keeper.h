/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keeper: one small single-threaded process per VM that starts the child, waits for it, records
 * how it ended, restarts it where the policy says so, and keeps the consoles. It holds every
 * descriptor of the launch spec, so that a new child can begin afresh; the spec itself it reads
 * again from its memfd.
 *
 *	starting ─► running ◄─► paused        (as the child reports)
 *	    │           └─► stopping          (power button)
 *	    ▼           ▼
 *	  child ended: reset ─► starting;  crash ─► crashed, delay ─► starting;  else stopped |
 * crashed: over
 */
#ifndef HV_VMM_KEEPER_H
#define HV_VMM_KEEPER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/client/protocol_wire.h"
#include "engine/vmm/report.h"
#include "engine/vmm/spec.h"

#define KEEPER_CONSOLES 2
#define KEEPER_CLIENTS 16
#define KEEPER_WATCHERS 16
#define KEEPER_POLL_MAX (3 + KEEPER_CONSOLES + KEEPER_CLIENTS + KEEPER_WATCHERS + SPEC_NICS_MAX)

enum keeper_state {
	KEEPER_STARTING,
	KEEPER_RUNNING,
	KEEPER_PAUSED,
	KEEPER_STOPPING,
	KEEPER_CRASHED,
	KEEPER_STOPPED
};

/* What a child process needs; it owns nothing of it but the descriptors. */
struct child_start {
	const struct spec *spec;
	int report_fd;
	int serial_fd, virtio_fd; /* the guest's ends of the consoles; -1: none */
};

/* A console: the guest's bytes go to a bounded file, and from there to whoever watches. */
struct console {
	const char *name; /* "serial0"; NULL: not there */
	int fd;           /* our end of the child's stream; -1 between children */
	int log_fd;
	uint64_t log_base; /* position in the stream of the file's first byte */
	uint64_t end;      /* position after the last byte that the guest wrote */
	bool input_full;   /* the child does not read: wait before typing more */
	double rest_mono;  /* until then the child's output may gather, see keeper_console_poll() */
};

/* A stream of a client attached to a console. */
struct watcher {
	int fd; /* -1: free slot */
	int console, client;
	uint64_t pos; /* next byte of the console to send */
	bool writer;
};

struct keeper_client {
	struct wire wire; /* fd -1: free slot */
	bool events;
	json_int_t kill_id; /* a kill that waits for its reply, -1: none */
};

/* How the last child ended, as the status file tells it. */
struct keeper_end {
	const char *kind; /* NULL: none ended yet */
	int signal;
	char message[160];
	double at, uptime_s;
};

struct keeper_passt {
	pid_t pid;
	int pidfd; /* -1: none */
};

struct keeper {
	char name[64];
	int spec_fd, launch_fd; /* launch_fd: where hvsh waits for the word; -1 once said */
	int keeper_fd, dir_fd, lock_fd;
	enum spec_restart policy;
	int restart_limit, restart_delay_s;
	int (*run_child)(
		const struct child_start *start); /* in the child; returns its exit status */

	enum keeper_state state;
	double since;
	pid_t pid; /* of the child; 0: none */
	int pidfd, report_fd;
	double started_at;   /* wall clock of the present child's first "running" */
	double started_mono; /* the same on CLOCK_MONOTONIC; 0: it never ran */
	int restarts, resets, restarts_in_a_row;
	double restart_at_mono; /* 0: none is due */
	bool stop_asked, kill_asked, over;
	int bad_syscall;        /* reported by the present child; -1 */
	struct hv_error reason; /* reported by the present child */
	struct keeper_end end;

	struct console consoles[KEEPER_CONSOLES];
	struct watcher watchers[KEEPER_WATCHERS];
	struct keeper_client clients[KEEPER_CLIENTS];
	struct keeper_passt passts[SPEC_NICS_MAX];
};

/*
 * Runs the VM to its very end; returns the process's exit status. spec is consumed: freed once the
 * first child has it. launch_fd (-1: none) gets one line of JSON, {} or {"error":{…}}.
 */
int keeper_run(struct spec *spec, int spec_fd, int launch_fd,
	       int (*run_child)(const struct child_start *start));

/* keeper_status.c */
double keeper_wall(void);
double keeper_mono(void);
const char *keeper_state_name(enum keeper_state state);
json_t *keeper_status_json(const struct keeper *k);
void keeper_status_write(struct keeper *k);

/* keeper_console.c */
void keeper_console_init(struct keeper *k);
/* Makes the stream of console i for a new child; returns the child's end, -1 without one. */
int keeper_console_connect(struct keeper *k, int i);
void keeper_console_drain(struct keeper *k, int i); /* what a dead child left in its stream */
int keeper_console_poll(struct keeper *k, struct pollfd *polls);
bool keeper_console_rests(const struct keeper *k); /* look again within a millisecond */
void keeper_console_ready(struct keeper *k, const struct pollfd *p);
/* Attaches; *stream is the client's end. mode: "watch", "write", "take". */
int keeper_console_attach(struct keeper *k, int client, const char *console, const char *mode,
			  uint64_t scrollback, int *stream, bool *writer, struct hv_error *err);
void keeper_console_forget(struct keeper *k, int client); /* the client is gone */

/* keeper_server.c */
void keeper_server_init(struct keeper *k);
int keeper_server_poll(struct keeper *k, struct pollfd *polls);
void keeper_server_ready(struct keeper *k, const struct pollfd *p);
void keeper_server_state(struct keeper *k);     /* tells subscribers of the state */
void keeper_server_kill_done(struct keeper *k); /* answers those that wait for a kill */
void keeper_server_writer(struct keeper *k, int client, const char *console, bool writer);

/* keeper_passt.c: a passt for every NIC of that kind, our end into spec->nics[].fds[0]. */
int keeper_passt_start(struct keeper *k, struct spec *spec, struct hv_error *err);
void keeper_passt_stop(struct keeper *k);
int keeper_passt_poll(struct keeper *k, struct pollfd *polls);
void keeper_passt_ready(struct keeper *k, const struct pollfd *p);

/* In the child: closes what only the keeper may hold. */
void keeper_close(struct keeper *k);

#endif
