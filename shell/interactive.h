/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The shell on a terminal: readline, history, completion, events above the prompt. */
#ifndef HV_SHELL_INTERACTIVE_H
#define HV_SHELL_INTERACTIVE_H

#include "shell/script.h"

/* Runs until `exit` or end of file; returns the exit status. */
int interactive_run(struct script_run *run);

#endif
