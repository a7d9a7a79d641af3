/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pairs: runs two commands in turn and prints, a round a line, the microseconds that each took.
 *
 *	pairs ROUNDS INPUT COMMAND... --- INPUT COMMAND...
 *
 * INPUT is the file on standard input; what the commands write is thrown away.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double run(const char *input, char **argv)
{
	posix_spawn_file_actions_t files;
	pid_t pid;
	int status;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, input, O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	double begin = now_us();
	errno = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
	if (errno)
		err(1, "%s", argv[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	double took = now_us() - begin;
	posix_spawn_file_actions_destroy(&files);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		errx(1, "%s: status 0x%x", argv[0], (unsigned)status);
	return took;
}

int main(int argc, char **argv)
{
	int second = 0;
	for (int i = 4; i < argc && !second; i++) {
		if (strcmp(argv[i], "---") == 0)
			second = i + 1;
	}
	if (!second || second + 1 >= argc) {
		fputs("usage: pairs ROUNDS INPUT COMMAND... --- INPUT COMMAND...\n", stderr);
		return 2;
	}
	argv[second - 1] = NULL;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < atoi(argv[1]); i++) {
		double a = run(argv[2], argv + 3), b = run(argv[second], argv + second + 1);
		printf("%.1f %.1f\n", a, b);
	}
	return 0;
}
