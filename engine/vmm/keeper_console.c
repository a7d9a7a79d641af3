/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keeper's consoles. The guest's bytes go to a bounded log file first, and each watcher is sent
 * the file from its own position: a slow one lags, and skips what the file has dropped; it costs no
 * memory and never holds the guest up. What the one writer types goes to the child when the child
 * takes it.
 *
 *	child ── stream ──► console-serial0.log ──► watcher, watcher, …
 *	      ◄── stream ── writer
 */
#include "engine/vmm/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/vmm/log.h"

/* The file is cut back to its last LOG_KEEP bytes when it reaches LOG_MAX. */
#define REST_S 0.001
#define LOG_MAX (1 << 20)
#define LOG_KEEP (LOG_MAX / 2)

static int open_log(struct keeper *k, const char *name, const char *suffix)
{
	char path[64];
	snprintf(path, sizeof path, "console-%s.log%s", name, suffix);
	return openat(k->dir_fd, path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void rename_log(struct keeper *k, const char *name, const char *from, const char *to)
{
	char old_path[64], new_path[64];
	snprintf(old_path, sizeof old_path, "console-%s.log%s", name, from);
	snprintf(new_path, sizeof new_path, "console-%s.log%s", name, to);
	renameat(k->dir_fd, old_path, k->dir_fd, new_path);
}

/* The log of the run before stays readable as console-NAME.log.old. */
void keeper_console_init(struct keeper *k)
{
	for (int i = 0; i < KEEPER_WATCHERS; i++)
		k->watchers[i].fd = -1;
	for (int i = 0; i < KEEPER_CONSOLES; i++) {
		struct console *c = &k->consoles[i];
		if (!c->name)
			continue;
		rename_log(k, c->name, "", ".old");
		c->log_fd = open_log(k, c->name, "");
		if (c->log_fd < 0)
			vmm_log("keeper: console %s: cannot make its log file: %s", c->name,
				strerror(errno));
	}
}

int keeper_console_connect(struct keeper *k, int i)
{
	struct console *c = &k->consoles[i];
	int pair[2];
	if (!c->name) /* NULL for a console that the VM does not have */
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		vmm_log("keeper: console %s: %s", c->name, strerror(errno));
		return -1;
	}
	c->fd = pair[0];
	c->input_full = false;
	return pair[1];
}

static void detach(struct watcher *w)
{
	close(w->fd);
	w->fd = -1;
	w->writer = false;
}

/* Cuts the file back when it has grown to its bound; a failure leaves it growing until the next
 * byte. */
static void trim_log(struct keeper *k, struct console *c)
{
	uint64_t size = c->end - c->log_base;
	if (size < LOG_MAX)
		return;
	off_t from = (off_t)(size - LOG_KEEP);
	int fd = open_log(k, c->name, ".new");
	bool copied = fd >= 0;
	for (size_t left = LOG_KEEP; copied && left;) {
		ssize_t n = copy_file_range(c->log_fd, &from, fd, NULL, left, 0);
		copied = n > 0;
		left -= copied ? (size_t)n : 0;
	}
	if (!copied) { /* a full disk: begin anew */
		if (fd >= 0)
			close(fd);
		if (ftruncate(c->log_fd, 0) == 0)
			c->log_base = c->end;
		return;
	}
	rename_log(k, c->name, ".new", "");
	close(c->log_fd);
	c->log_fd = fd;
	c->log_base = c->end - LOG_KEEP;
}

/* Sends what the watcher lacks, as far as its socket takes it. */
static void feed(struct keeper *k, struct watcher *w)
{
	struct console *c = &k->consoles[w->console];
	if (w->pos < c->log_base) {
		char note[64];
		int len = snprintf(note, sizeof note, "\r\n[%llu bytes skipped]\r\n",
				   (unsigned long long)(c->log_base - w->pos));
		if (send(w->fd, note, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return;
		w->pos = c->log_base;
	}
	while (w->pos < c->end) {
		off_t offset = (off_t)(w->pos - c->log_base);
		ssize_t n = sendfile(w->fd, c->log_fd, &offset, (size_t)(c->end - w->pos));
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			detach(w);
			return;
		}
		if (n <= 0)
			return;
		w->pos += (uint64_t)n;
	}
}

static void feed_all(struct keeper *k, int console)
{
	for (int i = 0; i < KEEPER_WATCHERS; i++) {
		if (k->watchers[i].fd >= 0 && k->watchers[i].console == console)
			feed(k, &k->watchers[i]);
	}
}

/* Where the file takes nothing (a full disk), those who are up to date get the bytes directly. */
static void without_log(struct keeper *k, int console, const char *bytes, size_t len)
{
	struct console *c = &k->consoles[console];
	for (int i = 0; i < KEEPER_WATCHERS; i++) {
		struct watcher *w = &k->watchers[i];
		if (w->fd < 0 || w->console != console)
			continue;
		if (w->pos == c->end)
			send(w->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		w->pos = c->end + len;
	}
	c->end += len;
	c->log_base = c->end;
	if (c->log_fd >= 0 && ftruncate(c->log_fd, 0) < 0)
		vmm_log("keeper: console %s: cannot empty its log file", c->name);
}

/* One bounded read; returns whether there may be more. */
static bool take_output(struct keeper *k, int i)
{
	struct console *c = &k->consoles[i];
	char bytes[4096];
	ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
	/* a reset comes once, before the last output, when the child died with input unread */
	if (n < 0)
		return errno == EINTR || errno == ECONNRESET;
	if (n == 0) {
		close(c->fd);
		c->fd = -1;
		return false;
	}
	off_t at = (off_t)(c->end - c->log_base);
	if (c->log_fd < 0 || pwrite(c->log_fd, bytes, (size_t)n, at) != n) {
		without_log(k, i, bytes, (size_t)n);
		return true;
	}
	c->end += (uint64_t)n;
	feed_all(k, i);
	trim_log(k, c);
	return true;
}

void keeper_console_drain(struct keeper *k, int i)
{
	struct console *c = &k->consoles[i];
	/* the child is dead: what its socket holds is bounded */
	while (c->fd >= 0 && take_output(k, i))
		;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* Types at the guest; bytes leave the writer's socket only once the child's has taken them. */
static void take_input(struct keeper *k, struct watcher *w)
{
	struct console *c = &k->consoles[w->console];
	char bytes[1024];
	ssize_t n = recv(w->fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_PEEK);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		detach(w);
		return;
	}
	if (n < 0)
		return;
	if (w->writer && c->fd >= 0) {
		ssize_t sent = send(c->fd, bytes, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
		c->input_full = sent < n;
		n = sent < 0 ? 0 : sent;
	}
	if (n > 0)
		recv(w->fd, bytes, (size_t)n, MSG_DONTWAIT);
}

bool keeper_console_rests(const struct keeper *k)
{
	double now = keeper_mono();
	for (int i = 0; i < KEEPER_CONSOLES; i++) {
		if (k->consoles[i].fd >= 0 && k->consoles[i].rest_mono > now)
			return true;
	}
	return false;
}

/*
 * A guest writes byte by byte: the first is taken at once, what follows within REST_S together, or
 * each would wake us.
 */
int keeper_console_poll(struct keeper *k, struct pollfd *polls)
{
	double now = keeper_mono();
	int n = 0;
	for (int i = 0; i < KEEPER_CONSOLES; i++) {
		struct console *c = &k->consoles[i];
		if (c->name && c->fd >= 0)
			polls[n++] = (struct pollfd){
				.fd = c->fd,
				.events = (short)((c->rest_mono > now ? 0 : POLLIN) |
						  (c->input_full ? POLLOUT : 0))};
	}
	for (int i = 0; i < KEEPER_WATCHERS; i++) {
		struct watcher *w = &k->watchers[i];
		if (w->fd < 0)
			continue;
		const struct console *c = &k->consoles[w->console];
		short events = w->pos < c->end ? POLLOUT : 0;
		if (!w->writer || !c->input_full)
			events |= POLLIN;
		polls[n++] = (struct pollfd){.fd = w->fd, .events = events};
	}
	return n;
}

void keeper_console_ready(struct keeper *k, const struct pollfd *p)
{
	for (int i = 0; i < KEEPER_CONSOLES; i++) {
		struct console *c = &k->consoles[i];
		if (!c->name || c->fd != p->fd)
			continue;
		if (p->revents & POLLOUT)
			c->input_full = false;
		if (p->revents & (POLLIN | POLLHUP | POLLERR)) {
			take_output(k, i);
			c->rest_mono = keeper_mono() + REST_S;
		}
		return;
	}
	for (int i = 0; i < KEEPER_WATCHERS; i++) {
		struct watcher *w = &k->watchers[i];
		if (w->fd != p->fd)
			continue;
		if (p->revents & POLLOUT)
			feed(k, w);
		/* gone, and what it typed last cannot be delivered: poll() would not let go of it
		 */
		if (w->fd >= 0 && p->revents & POLLHUP && k->consoles[w->console].input_full)
			detach(w);
		if (w->fd >= 0 && p->revents & (POLLIN | POLLHUP | POLLERR))
			take_input(k, w);
		return;
	}
}

static struct watcher *find_writer(struct keeper *k, int console)
{
	for (int i = 0; i < KEEPER_WATCHERS; i++) {
		struct watcher *w = &k->watchers[i];
		if (w->fd >= 0 && w->console == console && w->writer)
			return w;
	}
	return NULL;
}

static int find_console(struct keeper *k, const char *name)
{
	for (int i = 0; i < KEEPER_CONSOLES; i++) {
		if (k->consoles[i].name && strcmp(k->consoles[i].name, name) == 0)
			return i;
	}
	return -1;
}

int keeper_console_attach(struct keeper *k, int client, const char *console, const char *mode,
			  uint64_t scrollback, int *stream, bool *writer, struct hv_error *err)
{
	int index = find_console(k, console), pair[2];
	struct watcher *w = NULL;
	for (int i = 0; i < KEEPER_WATCHERS && !w; i++)
		w = k->watchers[i].fd < 0 ? &k->watchers[i] : NULL;
	if (index < 0)
		return hv_fail(err, HV_NOT_FOUND, 0, "vm \"%s\" has no console \"%s\"", k->name,
			       console);
	if (!w)
		return hv_fail(err, HV_CONFLICT, 0, "vm \"%s\": too many consoles are attached",
			       k->name);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return hv_fail(err, HV_FAILED, errno, "vm \"%s\": console", k->name);
	struct watcher *present = find_writer(k, index);
	bool take = strcmp(mode, "take") == 0;
	if (present && take) {
		present->writer = false;
		keeper_server_writer(k, present->client, console, false);
	}
	const struct console *c = &k->consoles[index];
	uint64_t kept = c->end - c->log_base;
	*w = (struct watcher){.fd = pair[0],
			      .console = index,
			      .client = client,
			      .pos = c->end - (scrollback < kept ? scrollback : kept),
			      .writer = take || (strcmp(mode, "write") == 0 && !present)};
	*writer = w->writer;
	*stream = pair[1];
	feed(k, w);
	return 0;
}

void keeper_console_forget(struct keeper *k, int client)
{
	for (int i = 0; i < KEEPER_WATCHERS; i++) {
		if (k->watchers[i].fd >= 0 && k->watchers[i].client == client)
			detach(&k->watchers[i]);
	}
}
