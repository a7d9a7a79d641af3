/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hvsh-vmm: one virtual machine. hvsh starts it with a launch spec on a descriptor; it is not meant
 * to be started by hand.
 *
 *	hvsh-vmm --spec FD [--launch FD]     FD of --launch gets the word that the guest runs, or
 * why not hvsh-vmm --version
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "engine/vmm/child.h"
#include "engine/vmm/keeper.h"

static int parse_fd(const char *text)
{
	char *end;
	errno = 0;
	long fd = strtol(text, &end, 10);
	return errno || *end || end == text || fd < 0 || fd > INT_MAX ? -1 : (int)fd;
}

/* No session, terminal, folder, file mode or signal setting of whoever started us; messages go to
 * the VM's log. */
static void detach(const struct spec *spec)
{
	sigset_t none;
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGHUP, SIG_IGN);
	umask(0077);
	if (chdir("/") < 0)
		_exit(1);
	for (int fd = 0; fd <= 2; fd++)
		dup2(spec->log_fd, fd);
	/* they were inherited; nothing that we start in turn shall have them */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
}

static int refuse(int launch_fd, const struct hv_error *err)
{
	json_t *word = json_pack("{s:o}", "error", wire_error(err));
	struct hv_error ignored;
	if (launch_fd >= 0)
		wire_write(launch_fd, word, &ignored);
	fprintf(stderr, "hvsh-vmm: %s\n", err->message);
	json_decref(word);
	return 2;
}

int main(int argc, char **argv)
{
	int spec_fd = -1, launch_fd = -1;
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("hvsh-vmm %s\n", HV_VERSION);
		return 0;
	}
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--spec") == 0)
			spec_fd = parse_fd(argv[i + 1]);
		else if (strcmp(argv[i], "--launch") == 0)
			launch_fd = parse_fd(argv[i + 1]);
	}
	if (spec_fd < 0) {
		fputs("usage: hvsh-vmm --spec FD [--launch FD] | --version\n"
		      "hvsh starts it; see `hvsh vm start`\n",
		      stderr);
		return 2;
	}
	struct spec spec;
	struct hv_error err;
	if (spec_read(&spec, spec_fd, &err) < 0)
		return refuse(launch_fd, &err);
	detach(&spec);
	return keeper_run(&spec, spec_fd, launch_fd, child_run);
}
