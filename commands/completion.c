/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The noun completion: scripts by which bash, zsh and fish complete hvsh. Each asks hvsh itself
 * (`hvsh complete -- WORDS`), so that what it offers comes from the descriptors and the live model.
 */
#include <string.h>

#include "plugins/hvsh.h"

static const char *const shells[] = {"bash", "zsh", "fish", NULL};
static const struct hv_prop args[] = {{.name = "shell",
				       .type = HV_ENUM,
				       .choices = shells,
				       .flags = HV_P_REQUIRED,
				       .help = "the shell to complete in"},
				      {.type = HV_END}};

/* The files of completions/, ended by a NUL each. */
#define SCRIPT(name, file)                                                                         \
	extern const char name[] __attribute__((visibility("hidden")));                            \
	__asm__(".pushsection .rodata\n" #name ":\n.incbin \"" file "\"\n.byte 0\n.popsection")

SCRIPT(bash_script, "completions/hvsh.bash");
SCRIPT(zsh_script, "completions/hvsh.zsh");
SCRIPT(fish_script, "completions/hvsh.fish");

static int run_generate(struct hv_call *call, struct hv_error *err)
{
	static const char *const scripts[] = {bash_script, zsh_script, fish_script};
	const char *shell = hv_get_string(call->args, "shell");
	for (size_t i = 0; shells[i]; i++) {
		if (strcmp(shells[i], shell) == 0)
			return hv_call_text(call, scripts[i], strlen(scripts[i]), err);
	}
	return hv_fail(err, HV_USAGE, 0, "no completion for \"%s\"", shell);
}

static const char *const examples[] = {
	"completion generate bash", "write it to /etc/bash_completion.d/hvsh, or source it", NULL};

static const struct hv_command commands[] = {
	{.noun = "completion",
	 .verb = "generate",
	 .summary = "print the completion script of a shell",
	 .args = args,
	 .flags = HV_C_TEXT,
	 .examples = examples,
	 .run = run_generate},
	{.noun = NULL},
};

HVSH_PLUGIN("completion", "1", "completion in other shells", .commands = commands);
