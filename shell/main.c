/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hvsh: one command given as words, a batch on standard input or in a file, or the shell on a
 * terminal; all of them the same commands on the same model.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "engine/host/paths.h"
#include "plugins/config.h"
#include "shell/complete.h"
#include "shell/help.h"
#include "shell/interactive.h"
#include "shell/script.h"

struct invocation {
	const char *host;
	const char *batch; /* a file, "-" for standard input */
	const char *format;
	bool check, keep_going, quiet, help, version;
	char **words;
	size_t n_words;
};

static const char usage[] =
	"usage: hvsh [OPTIONS] [NOUN VERB [ADDRESS]... [--option VALUE]...]\n"
	"\n"
	"  without a command: the shell on a terminal, a batch from standard input elsewhere\n"
	"\n"
	"  --host HOST[,HOST]   act on these hosts (a name, a glob, or a URI such as test:100)\n"
	"  --batch FILE         run the commands of FILE (- for standard input)\n"
	"  --check              with --batch or FILE: parse and resolve all of it, run nothing\n"
	"  --keep-going, -k     a batch goes on after a failure; the status is the first "
	"failure's\n"
	"  --output, -o FORMAT  table, wide, json, yaml, csv or name, where a command does not "
	"say\n"
	"  --quiet, -q          do not tell what was done\n"
	"  --version, --help\n"
	"\n"
	"\"hvsh help\" lists the commands.\n";

static bool takes(char **argv, int argc, int *i, const char *name, const char **value)
{
	size_t len = strlen(name);
	if (strncmp(argv[*i], name, len) != 0)
		return false;
	if (argv[*i][len] == '=') {
		*value = argv[*i] + len + 1;
		return true;
	}
	if (argv[*i][len] != '\0')
		return false;
	*value = *i + 1 < argc ? argv[++*i] : NULL;
	return true;
}

static int parse_flag(struct invocation *inv, const char *word, struct hv_error *err)
{
	if (strcmp(word, "--check") == 0)
		inv->check = true;
	else if (strcmp(word, "--keep-going") == 0 || strcmp(word, "-k") == 0)
		inv->keep_going = true;
	else if (strcmp(word, "--quiet") == 0 || strcmp(word, "-q") == 0)
		inv->quiet = true;
	else if (strcmp(word, "--version") == 0)
		inv->version = true;
	else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		inv->help = true;
	else {
		hv_fail(err, HV_USAGE, 0, "no option \"%s\"", word);
		return hv_hint(err, "\"hvsh --help\" lists the options");
	}
	return 0;
}

static int parse(struct invocation *inv, int argc, char **argv, struct hv_error *err)
{
	int i = 1;
	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		const char *name = argv[i], *value = "";
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (takes(argv, argc, &i, "--host", &value))
			inv->host = value;
		else if (takes(argv, argc, &i, "--batch", &value))
			inv->batch = value;
		else if (takes(argv, argc, &i, "--output", &value) ||
			 takes(argv, argc, &i, "-o", &value))
			inv->format = value;
		else {
			int rc = parse_flag(inv, argv[i], err);
			if (rc < 0)
				return rc;
		}
		if (!value)
			return hv_fail(err, HV_USAGE, 0, "option \"%s\" needs a value", name);
	}
	inv->words = argv + i;
	inv->n_words = (size_t)(argc - i);
	if (inv->check && !inv->batch && inv->n_words == 1) {
		inv->batch = inv->words[0];
		inv->n_words = 0;
	}
	if (inv->batch && inv->n_words)
		return hv_fail(err, HV_USAGE, 0, "--batch and a command cannot stand together");
	return 0;
}

/* ---- the session ----------------------------------------------------------------------------- */

static void report_refused(struct output *output)
{
	for (size_t i = 0; i < hv_plugin_count(); i++) {
		const struct hv_plugin_record *record = hv_plugin_at(i);
		if (!record->reason)
			continue;
		fprintf(output->err, "hvsh: plugin \"%s\" was refused: ", record->path);
		output_clean(output->err, record->reason);
		fputc('\n', output->err);
	}
}

/* The position of the word in force among the choices of a setting. */
static size_t setting_index(const char *name)
{
	const struct hv_prop *row = hv_prop_find(hv_config_table(), name);
	size_t i = 0;
	while (row->choices[i] && strcmp(row->choices[i], hv_get_string(hv_config(), name)) != 0)
		i++;
	return i;
}

static int apply_settings(const struct invocation *inv, struct output *output, struct hv_error *err)
{
	enum colour { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };
	int rc = config_load(err);
	if (rc == 0 && inv->format)
		rc = config_override("output", inv->format, err);
	if (rc == 0 && inv->host)
		rc = config_override("host", inv->host, err);
	if (rc < 0)
		return rc;
	output->preset = (enum output_format)setting_index("output");
	if (setting_index("color") != COLOUR_AUTO)
		output->colour = setting_index("color") == COLOUR_ALWAYS;
	return 0;
}

/* A host may be given by its URI, and is then called by its scheme. */
static int choose_host(struct hv_model *model, const char *host, struct hv_error *err)
{
	char name[64];
	size_t len = strcspn(host, ":");
	if (!host[len])
		return hv_model_use(model, host, err);
	snprintf(name, sizeof name, "%.*s", (int)len, host);
	int rc = hv_model_add_host(model, name, host, err);
	return rc < 0 ? rc : hv_model_use(model, name, err);
}

static int run_batch(struct script_run *run, const struct invocation *inv, struct hv_error *err)
{
	bool from_stdin = !inv->batch || strcmp(inv->batch, "-") == 0;
	FILE *in = from_stdin ? stdin : fopen(inv->batch, "re");
	if (!in) {
		hv_fail(err, hv_code_of(errno), errno, "cannot open \"%s\"", inv->batch);
		return -(int)err->code;
	}
	run->name = from_stdin ? "stdin" : inv->batch;
	run->session->stdin_is_script = from_stdin;
	struct script_source source = {.in = in, .name = run->name};
	run->status =
		inv->check ? script_check_source(run, &source) : script_run_source(run, &source);
	if (!from_stdin)
		fclose(in);
	return 0;
}

static int run_complete(struct script_run *run, const struct invocation *inv)
{
	struct completions found;
	char *none[] = {(char *)"", NULL};
	size_t skip = inv->n_words > 1 && strcmp(inv->words[1], "--") == 0 ? 2 : 1;
	size_t n = inv->n_words - (skip < inv->n_words ? skip : inv->n_words);
	complete_words(&found, run->session->model, n ? inv->words + skip : none, n ? n : 1);
	const char *word = n ? inv->words[inv->n_words - 1] : "";
	for (size_t i = 0; i < found.n; i++) {
		fprintf(run->output->out, "%.*s", (int)found.value_offset, word);
		output_clean(run->output->out, found.v[i].value);
		fputc('\t', run->output->out);
		output_clean(run->output->out, found.v[i].description);
		fputc('\n', run->output->out);
	}
	if (found.paths)
		fputs(":paths\n", run->output->out);
	completions_fini(&found);
	return 0;
}

static int run_words(struct script_run *run, const struct invocation *inv, struct hv_error *err)
{
	bool handled = false;
	if (strcmp(inv->words[0], "complete") == 0)
		return run_complete(run, inv);
	int rc = builtin_run(run, inv->words, inv->n_words, &handled, err);
	return handled ? rc : command_run(run->session, inv->words, inv->n_words, err);
}

static int run_session(struct script_run *run, const struct invocation *inv, struct hv_error *err)
{
	int rc = choose_host(run->session->model, hv_get_string(hv_config(), "host"), err);
	if (rc < 0)
		return rc;
	if (inv->n_words)
		return run_words(run, inv, err);
	if (inv->batch || !isatty(STDIN_FILENO))
		return run_batch(run, inv, err);
	run->interactive = true;
	interactive_run(run);
	return 0;
}

/* Where every hvsh of the user finds them; without such a place there are no records. */
static void record_jobs(void)
{
	struct hv_paths paths;
	char folder[PATH_MAX];
	if (hv_paths_init(&paths, NULL) < 0)
		return;
	snprintf(folder, sizeof folder, "%s/jobs", paths.runtime);
	hv_jobs_use_folder(folder, NULL);
}

static int run_invocation(const struct invocation *inv, struct output *output, struct hv_error *err)
{
	int rc = apply_settings(inv, output, err);
	if (rc < 0)
		return rc;
	plugin_load_all();
	report_refused(output);
	struct hv_session session = {.sink = &output->sink};
	session.model = hv_model_new(err);
	record_jobs();
	struct script_run run = {.session = &session,
				 .output = output,
				 .vars = variables_new(),
				 .keep_going = inv->keep_going,
				 .name = "hvsh"};
	rc = session.model && run.vars ? run_session(&run, inv, err) : -(int)err->code;
	hv_model_free(session.model);
	variables_free(run.vars);
	return rc < 0 ? rc : run.status;
}

/*
 * Somebody may start us with a standard stream closed. The next file that we open would take its
 * number: what we print would go into it, and a VM's keeper would lose it to its log.
 */
static bool hold_standard_streams(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && close(fd) == 0;
}

int main(int argc, char **argv)
{
	if (!hold_standard_streams())
		return HV_FAILED;
	struct invocation inv = {0};
	struct hv_error err = {0};
	struct output output;
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	int status = parse(&inv, argc, argv, &err);
	bool terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	output_init(&output, stdout, stderr, terminal && !inv.batch);
	output.quiet = inv.quiet;
	if (status == 0 && inv.version)
		puts("hvsh " HV_VERSION);
	else if (status == 0 && inv.help)
		fputs(usage, stdout);
	else if (status == 0)
		status = run_invocation(&inv, &output, &err);
	if (status < 0) {
		output_error(&output, &err);
		status = -status;
	}
	if (fflush(stdout) != 0 && status == 0)
		status = HV_FAILED;
	output_fini(&output);
	config_free();
	plugin_unload_all();
	return status;
}
