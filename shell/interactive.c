/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The shell on a terminal. readline runs by its callback interface inside a poll loop, so that
 * events of VMs can print above the prompt. readline has one caller in a process, hence the one
 * static here.
 */
#include "shell/interactive.h"

#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "engine/host/paths.h"
#include "plugins/config.h"
#include "shell/complete.h"

#define WATCHED_HOSTS 64

static struct {
	struct script_run *run;
	struct completions found;
	char *line; /* what readline handed over */
	bool have_line, eof;
	char history_file[PATH_MAX];
	volatile sig_atomic_t interrupted;
	bool inside;    /* the line belongs to a statement that was begun before */
	bool abandoned; /* Ctrl-C left that statement */
} shell;

/* ---- completion ------------------------------------------------------------------------------ */

static int words_before_cursor(struct words *words, int start, int end)
{
	struct hv_error ignored;
	char *text = strndup(rl_line_buffer, (size_t)start);
	int rc = text ? words_split(words, text, NULL, &ignored) : -HV_FAILED;
	free(text);
	if (rc < 0)
		return rc;
	char **grown = reallocarray(words->v, words->n + 2, sizeof *grown);
	char *last = strndup(rl_line_buffer + start, (size_t)(end - start));
	if (grown)
		words->v = grown;
	if (!grown || !last) {
		free(last);
		words_fini(words);
		return -HV_FAILED;
	}
	words->v[words->n++] = last;
	words->v[words->n] = NULL;
	return 0;
}

static char *candidate(const char *word, int state)
{
	static size_t next;
	static bool in_paths;
	if (state == 0)
		next = 0, in_paths = false;
	const struct completions *found = &shell.found;
	size_t keep = found->value_offset <= strlen(word) ? found->value_offset : 0;
	char *full = NULL;
	if (next < found->n) {
		const char *value = found->v[next++].value;
		return asprintf(&full, "%.*s%s", (int)keep, word, value) < 0 ? NULL : full;
	}
	if (!found->paths)
		return NULL;
	char *path = rl_filename_completion_function(word + keep, in_paths);
	in_paths = true;
	if (path && keep) {
		if (asprintf(&full, "%.*s%s", (int)keep, word, path) < 0)
			full = NULL;
		free(path);
		return full;
	}
	return path;
}

static char **attempt(const char *word, int start, int end)
{
	struct words words;
	rl_attempted_completion_over = 1;
	completions_fini(&shell.found);
	if (words_before_cursor(&words, start, end) < 0)
		return NULL;
	complete_words(&shell.found, shell.run->session->model, words.v, words.n);
	words_fini(&words);
	rl_filename_completion_desired = shell.found.paths && shell.found.n == 0;
	char **matches = rl_completion_matches(word, candidate);
	/* nothing may follow "key=" or a device's ':' yet */
	if (matches && matches[0]) {
		size_t len = strlen(matches[0]);
		bool open = len && strchr("=:/,", matches[0][len - 1]);
		rl_completion_append_character = open ? '\0' : ' ';
	}
	return matches;
}

static const char *description_of(const char *match)
{
	for (size_t i = 0; i < shell.found.n; i++) {
		if (strcmp(shell.found.v[i].value, match) == 0)
			return shell.found.v[i].description;
	}
	return "";
}

/* One a line with its description while that fits a screen; in columns otherwise. */
static void show_matches(char **matches, int n, int longest)
{
	int rows, columns;
	bool described = false;
	rl_get_screen_size(&rows, &columns);
	for (int i = 1; i <= n && !described; i++)
		described = *description_of(matches[i]) != '\0';
	if (!described || n > rows - 3) {
		rl_display_match_list(matches, n, longest);
		rl_forced_update_display();
		return;
	}
	fputc('\n', rl_outstream);
	for (int i = 1; i <= n; i++) {
		int room = columns - longest - 3;
		fprintf(rl_outstream, "%-*s  %.*s\n", longest, matches[i], room > 0 ? room : 0,
			description_of(matches[i]));
	}
	rl_on_new_line();
	rl_forced_update_display();
}

/* ---- history --------------------------------------------------------------------------------- */

static void history_open(void)
{
	struct hv_paths paths;
	struct hv_error ignored;
	using_history();
	stifle_history((int)hv_get_int(hv_config(), "history"));
	if (hv_paths_init(&paths, &ignored) < 0 || hv_paths_make_dir(paths.data, &ignored) < 0)
		return;
	snprintf(shell.history_file, sizeof shell.history_file, "%s/history", paths.data);
	read_history(shell.history_file);
}

static bool has_secret(const char *line)
{
	struct hv_error ignored;
	struct words words;
	struct command_line parsed;
	bool secret = false;
	if (words_split(&words, line, NULL, &ignored) < 0)
		return false;
	if (words.n > 1 && command_parse(&parsed, words.v, words.n, &ignored) == 0) {
		for (size_t i = 0; i < parsed.options->n_values; i++) {
			secret = secret || ((parsed.options->props[i].flags & HV_P_SECRET) &&
					    parsed.options->values[i].presence == HV_SET);
		}
		command_line_fini(&parsed);
	}
	words_fini(&words);
	return secret;
}

static void history_add(const char *line)
{
	HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;
	if (!line[strspn(line, " \t")] || has_secret(line) ||
	    (last && strcmp(last->line, line) == 0))
		return;
	add_history(line);
	if (!shell.history_file[0])
		return;
	if (append_history(1, shell.history_file) != 0)
		write_history(shell.history_file);
}

/* ---- prompt and events ----------------------------------------------------------------------- */

static bool is_production(const char *host)
{
	const struct hv_list *globs = hv_get_list(hv_config(), "production");
	for (size_t i = 0; globs && i < globs->n; i++) {
		if (fnmatch(globs->strings[i], host, 0) == 0)
			return true;
	}
	return false;
}

static const char *prompt(void)
{
	static char text[192];
	bool colour = shell.run->output->colour;
	const char *host = hv_model_current(shell.run->session->model);
	bool warn = is_production(host);
	snprintf(text, sizeof text, "%shvsh %s%s>%s ",
		 !colour ? ""
		 : warn  ? "\001\033[1;31m\002"
			 : "\001\033[1;32m\002",
		 host, warn ? " PRODUCTION" : "", colour ? "\001\033[0m\002" : "");
	return text;
}

static void print_event_value(FILE *out, const struct hv_object *event, const char *name)
{
	char text[320];
	if (!hv_has(event, name))
		return;
	hv_value_format(hv_get(event, name), hv_prop_find(event->props, name), HV_HUMAN, text,
			sizeof text);
	fputc(' ', out);
	output_clean(out, text);
}

static int print_event(void *ctx, struct hv_object *event, struct hv_error *err)
{
	FILE *out = ctx;
	(void)err;
	fputc('*', out);
	print_event_value(out, event, "time");
	print_event_value(out, event, "object");
	print_event_value(out, event, hv_has(event, "state") ? "state" : "type");
	print_event_value(out, event, "message");
	fputc('\n', out);
	hv_object_free(event);
	return 0;
}

static void show_events(void)
{
	char *text = NULL;
	size_t len = 0;
	struct hv_error ignored;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return;
	hv_model_watch_read(shell.run->session->model, print_event, out, &ignored);
	fclose(out);
	if (len) {
		rl_clear_visible_line();
		fputs(text, rl_outstream);
		fflush(rl_outstream);
		rl_on_new_line();
		rl_redisplay();
	}
	free(text);
}

/* ---- reading lines --------------------------------------------------------------------------- */

static void take_line(char *line)
{
	shell.line = line;
	shell.have_line = true;
	shell.eof = !line;
	rl_callback_handler_remove(); /* commands may use the terminal */
}

static void on_interrupt(int signal)
{
	(void)signal;
	shell.interrupted = 1;
	command_interrupt();
}

/* Ctrl-C leaves a block, quote or here-document as a whole, as every shell does. */
static void drop_line(void)
{
	shell.interrupted = 0;
	rl_free_line_state();
	rl_callback_sigcleanup();
	if (shell.inside) {
		fputs("^C\n", rl_outstream);
		shell.abandoned = true;
		take_line(NULL);
		shell.eof = false;
		return;
	}
	rl_replace_line("", 0);
	fputs("^C\n", rl_outstream);
	rl_on_new_line();
	rl_redisplay();
}

static void wait_for_input(void)
{
	struct pollfd fds[1 + WATCHED_HOSTS];
	int watched[WATCHED_HOSTS];
	int n = hv_model_watch_fds(shell.run->session->model, watched, WATCHED_HOSTS);
	fds[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	for (int i = 0; i < n; i++)
		fds[1 + i] = (struct pollfd){.fd = watched[i], .events = POLLIN};
	int ready = poll(fds, (nfds_t)(1 + (n > 0 ? n : 0)), -1);
	if (shell.interrupted) {
		drop_line();
		return;
	}
	if (ready <= 0)
		return;
	for (int i = 0; i < n; i++) {
		if (fds[1 + i].revents) {
			show_events();
			break;
		}
	}
	if (fds[0].revents)
		rl_callback_read_char();
}

/* A line, owned by the caller; NULL at the end of input. */
static char *read_with_prompt(const char *text)
{
	shell.have_line = false;
	shell.line = NULL;
	rl_callback_handler_install(text, take_line);
	while (!shell.have_line)
		wait_for_input();
	if (shell.eof)
		fputc('\n', rl_outstream);
	else if (shell.line)
		history_add(shell.line);
	return shell.line;
}

static char *read_more(void *ctx)
{
	(void)ctx;
	if (shell.abandoned)
		return NULL;
	shell.inside = true;
	char *line = read_with_prompt("> ");
	shell.inside = false;
	return line;
}

static void run_line(char *line)
{
	struct script_run *run = shell.run;
	struct hv_error err = {0};
	struct statement *statement = NULL;
	FILE *in = fmemopen(line, strlen(line) + 1, "r");
	struct script_source source = {.in = in, .name = "line", .more = read_more};
	shell.abandoned = false;
	int rc = in ? script_read(&source, &statement, &err) : 0;
	if (in)
		fclose(in);
	run->status = 0;
	if (rc < 0 && !shell.abandoned)
		output_error(run->output, &err);
	else if (statement && !shell.abandoned)
		script_run_statement(run, statement);
	statement_free(statement);
	fflush(run->output->out);
	shell.interrupted = 0;
}

int interactive_run(struct script_run *run)
{
	shell.run = run;
	rl_readline_name = "hvsh";
	rl_attempted_completion_function = attempt;
	rl_completion_display_matches_hook = show_matches;
	rl_basic_word_break_characters = " \t\n";
	rl_completer_word_break_characters = " \t\n";
	rl_completer_quote_characters = "\"'";
	rl_variable_bind("show-all-if-ambiguous", "on");
	rl_catch_signals = 0;
	struct sigaction interrupt = {.sa_handler =
					      on_interrupt}; /* without SA_RESTART: wakes poll() */
	sigaction(SIGINT, &interrupt, NULL);
	history_open();
	while (!run->quit) {
		char *line = read_with_prompt(prompt());
		if (!line)
			break;
		if (line[0])
			run_line(line);
		free(line);
	}
	completions_fini(&shell.found);
	return run->status;
}
