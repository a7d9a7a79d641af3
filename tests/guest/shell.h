/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command interpreter; see shell.c for the commands. */
#ifndef GUEST_SHELL_H
#define GUEST_SHELL_H

#include <stdint.h>

struct command {
	const char *name, *args, *help;
	int (*run)(int argc, char **argv); /* 0, or the value of fail() */
};

extern char shell_reason[200]; /* why the last command failed */

_Noreturn void shell_main(uint32_t start_info);

#endif
