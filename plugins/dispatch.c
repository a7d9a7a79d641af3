/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs one command: resolve, confirm, do, print. See dispatch.h. */
#include "plugins/dispatch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/options.h"

/* A call in progress: what plugins see, and what they do not. */
struct running {
	struct hv_call call; /* first: hv_call_…() come back with its address */
	struct hv_session *session;
	struct command_line line;
	const struct hv_prop *printing; /* table of the rows begun, NULL before */
	size_t capacity;
};

static struct running *running_of(struct hv_call *call)
{
	return (struct running *)call;
}

/* What a signal handler may touch: a process runs one command at a time. */
static volatile sig_atomic_t interrupted;
static struct hv_job *volatile current_job;

void command_interrupt(void)
{
	interrupted = 1;
	if (current_job)
		hv_job_cancel(current_job);
}

bool hv_call_interrupted(const struct hv_call *call)
{
	(void)call;
	return interrupted;
}

static bool option_given(const struct hv_object *options, const char *name)
{
	return hv_prop_find(options->props, name) && hv_has(options, name);
}

static bool option_bool(const struct hv_object *options, const char *name, bool otherwise)
{
	return option_given(options, name) ? hv_get_bool(options, name) : otherwise;
}

/* ---- output ---------------------------------------------------------------------------------- */

static bool prints_one(const struct running *run)
{
	const struct hv_prop *reference = command_reference(run->call.command);
	return strcmp(run->call.command->verb, "show") == 0 &&
	       (!reference || run->line.n_patterns == 1) && run->call.n_targets <= 1;
}

static int begin_rows(struct running *run, const struct hv_prop *props, struct hv_error *err)
{
	if (run->printing)
		return 0;
	int rc = run->session->sink->begin(run->session->sink, props, prints_one(run),
					   run->call.options, err);
	if (rc == 0)
		run->printing = props;
	return rc;
}

int hv_call_emit(struct hv_call *call, const struct hv_object *obj, struct hv_error *err)
{
	struct running *run = running_of(call);
	int rc = begin_rows(run, obj->props, err);
	if (rc == 0 && obj->props != run->printing)
		return hv_fail(err, HV_FAILED, 0, "a command printed objects of two kinds");
	return rc < 0 ? rc : run->session->sink->row(run->session->sink, obj, err);
}

int hv_call_text(struct hv_call *call, const char *text, size_t len, struct hv_error *err)
{
	struct hv_sink *sink = running_of(call)->session->sink;
	return sink->text(sink, text, len, err);
}

void hv_call_flush(struct hv_call *call)
{
	struct hv_sink *sink = running_of(call)->session->sink;
	sink->flush(sink);
}

static int emit_row(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	int rc = hv_call_emit(ctx, obj, err);
	hv_object_free(obj);
	return rc;
}

void hv_call_say(struct hv_call *call, const char *line)
{
	struct hv_sink *sink = running_of(call)->session->sink;
	sink->say(sink, call->what_if, line);
}

/* ---- input ----------------------------------------------------------------------------------- */

static int read_stream(FILE *in, const char *name, char **text, size_t *len, struct hv_error *err)
{
	char chunk[65536];
	size_t got;
	FILE *out = open_memstream(text, len);
	if (!out)
		return hv_fail(err, HV_FAILED, errno, "cannot read \"%s\"", name);
	while ((got = fread(chunk, 1, sizeof chunk, in)) > 0 && ftell(out) < HV_INPUT_MAX)
		fwrite(chunk, 1, got, out);
	int sys = ferror(in) ? errno : 0;
	fclose(out);
	if (sys || *len >= HV_INPUT_MAX) {
		free(*text);
		*text = NULL;
		return sys ? hv_fail(err, HV_FAILED, sys, "cannot read \"%s\"", name)
			   : hv_fail(err, HV_USAGE, 0, "\"%s\" is longer than %d MiB", name,
				     HV_INPUT_MAX >> 20);
	}
	return 0;
}

int hv_call_read(struct hv_call *call, const char *path, char **text, size_t *len,
		 struct hv_error *err)
{
	struct hv_session *session = running_of(call)->session;
	if (strcmp(path, "-") == 0 && session->here) {
		*text = strndup(session->here, session->here_len);
		*len = session->here_len;
		return *text ? 0 : hv_fail(err, HV_FAILED, 0, "out of memory");
	}
	if (strcmp(path, "-") == 0 && session->stdin_is_script) {
		hv_fail(err, HV_USAGE, 0, "standard input is the script itself");
		return hv_hint(err, "give the text by a here-document: -f - <<END");
	}
	if (strcmp(path, "-") == 0)
		return read_stream(stdin, "standard input", text, len, err);
	FILE *in = fopen(path, "re");
	if (!in)
		return hv_fail(err, hv_code_of(errno), errno, "cannot open \"%s\"", path);
	int rc = read_stream(in, path, text, len, err);
	fclose(in);
	return rc;
}

/* ---- changes --------------------------------------------------------------------------------- */

/* A value as far as it says something: what is preset goes without saying. */
static bool describe_value(char *text, size_t size, const struct hv_value *value,
			   const struct hv_prop *prop)
{
	if (prop->flags & HV_P_SECRET) {
		snprintf(text, size, "…");
		return true;
	}
	if (prop->type == HV_LIST && prop->of) {
		snprintf(text, size, "%zu", value->list.n);
		return true;
	}
	hv_value_format(value, prop, HV_HUMAN, text, size);
	return !prop->preset || strcmp(prop->preset, text) != 0;
}

/* obj: a new object, whose name is said already, or a method's arguments, or changes. */
static void describe_values(FILE *out, const struct hv_object *obj, bool is_new)
{
	const char *separator = " (";
	for (size_t i = 0; obj && i < obj->n_values; i++) {
		char text[128];
		if (obj->values[i].presence != HV_SET ||
		    (is_new && (i == 0 || obj->props[i].set == HV_SET_NEVER)) ||
		    !describe_value(text, sizeof text, &obj->values[i], &obj->props[i]))
			continue;
		fprintf(out, "%s%s %s", separator, obj->props[i].name, text);
		separator = ", ";
	}
	if (separator[0] == ',')
		fputc(')', out);
}

static void say_change(struct running *run, const char *verb, const struct hv_kind *kind,
		       const struct hv_object *target, const struct hv_object *args)
{
	char address[256] = "", *line = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&line, &len);
	if (!out)
		return;
	if (target)
		hv_object_address(target, address, sizeof address);
	else if (args)
		snprintf(address, sizeof address, "%s", hv_object_name(args));
	if (run->call.what_if)
		fprintf(out, "would %s %s \"%s\"", verb, kind->name, address);
	else
		fprintf(out, "%s \"%s\": %s", kind->name, address, verb);
	describe_values(out, args, !target);
	if (!run->call.what_if)
		fputs(", done", out);
	fclose(out);
	run->session->sink->say(run->session->sink, run->call.what_if, line);
	free(line);
}

static int call_method(struct running *run, const struct hv_kind *kind, const char *host,
		       const struct hv_object *target, const struct hv_method *method,
		       const struct hv_object *args, struct hv_error *err)
{
	struct hv_call *call = &run->call;
	char address[256] = "";
	if (target)
		hv_object_address(target, address, sizeof address);
	struct hv_job *job = NULL;
	if (!(call->command->flags & HV_C_NO_JOB)) {
		char what[64];
		snprintf(what, sizeof what, "%s %s", kind->name, method->name);
		job = hv_job_start(call->model, what, address, call->wait, call->timeout_s, err);
		if (!job)
			return -(int)err->code;
	}
	current_job = job;
	int rc = hv_model_call(call->model, kind, host, target, method, args, job, err);
	current_job = NULL;
	if (job)
		hv_job_end(job, rc < 0 ? err : NULL);
	return rc;
}

int hv_call_do(struct hv_call *call, const struct hv_kind *kind, const char *host,
	       const struct hv_object *target, const char *method_name,
	       const struct hv_object *args, struct hv_error *err)
{
	struct running *run = running_of(call);
	const struct hv_method *method = hv_method_find(kind, method_name);
	if (!method)
		return hv_fail(err, HV_FAILED, 0, "kind \"%s\" has no method \"%s\"", kind->name,
			       method_name);
	int rc = target ? hv_method_check(method, target, err) : 0;
	if (rc == 0)
		rc = call->what_if ? hv_model_check_call(call->model, kind, host, target, method,
							 args, err)
				   : call_method(run, kind, host, target, method, args, err);
	if (rc == 0)
		say_change(run, method_name, kind, target, args);
	return rc;
}

int hv_call_set(struct hv_call *call, const struct hv_object *target,
		const struct hv_object *changes, struct hv_error *err)
{
	int rc = call->what_if ? hv_model_check_set(call->model, target, changes, err)
			       : hv_model_set(call->model, target, changes, err);
	if (rc == 0)
		say_change(running_of(call), "edit", target->kind, target, changes);
	return rc;
}

/* ---- targets --------------------------------------------------------------------------------- */

static int add_target(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	struct running *run = ctx;
	if (run->call.n_targets == run->capacity) {
		size_t capacity = run->capacity ? run->capacity * 2 : 16;
		void *grown = reallocarray(run->call.targets, capacity, sizeof(void *));
		if (!grown) {
			hv_object_free(obj);
			return hv_fail(err, HV_FAILED, 0, "out of memory");
		}
		run->call.targets = grown;
		run->capacity = capacity;
	}
	run->call.targets[run->call.n_targets++] = obj;
	return 0;
}

static int select_objects(struct running *run, const struct hv_kind *kind, const bool *want,
			  const struct hv_where *where, hv_emit_fn *emit, struct hv_error *err)
{
	return hv_select(run->call.model, kind, run->line.patterns, run->line.n_patterns, where,
			 want, emit, run, err);
}

static int parse_where(struct running *run, const struct hv_kind *kind, struct hv_where **where,
		       struct hv_error *err)
{
	*where = NULL;
	if (!option_given(run->call.options, "where"))
		return 0;
	*where = hv_where_parse(kind->props, hv_get_string(run->call.options, "where"), err);
	return *where ? 0 : -(int)err->code;
}

/* "HOST/" means all of the host to who looks, but a name that came out empty to who changes. */
static int check_patterns(const struct running *run, const char *kind, struct hv_error *err)
{
	for (size_t i = 0; i < run->line.n_patterns; i++) {
		const char *pattern = run->line.patterns[i];
		size_t len = strlen(pattern);
		if (run->call.command->effect == HV_READS || len == 0 || pattern[len - 1] != '/')
			continue;
		hv_fail(err, HV_USAGE, 0, "\"%s\" names no %s", pattern, kind);
		return hv_hint(err, "for all of that host write %s*", pattern);
	}
	return 0;
}

static int resolve_targets(struct running *run, struct hv_error *err)
{
	const struct hv_prop *reference = command_reference(run->call.command);
	if (!reference)
		return 0;
	if (check_patterns(run, reference->of, err) < 0)
		return -HV_USAGE;
	struct hv_where *where;
	const struct hv_kind *kind = hv_kind_find(reference->of);
	if (run->line.n_patterns == 0 && !option_given(run->call.options, "where"))
		return 0; /* an optional argument that was not given */
	int rc = parse_where(run, kind, &where, err);
	if (rc == 0)
		rc = select_objects(run, kind, NULL, where, add_target, err);
	hv_where_free(where);
	if (rc == 0 && run->call.n_targets > 1 && !(reference->flags & HV_P_MANY)) {
		hv_fail(err, HV_USAGE, 0, "\"%s\" is %zu objects, but \"%s %s\" takes one",
			run->line.patterns[0], run->call.n_targets, run->call.command->noun,
			run->call.command->verb);
		return hv_hint(err, "name one of them");
	}
	return rc;
}

/* ---- commands without a run of their own ------------------------------------------------------
 */

static void collect_wants(struct running *run, const struct hv_kind *kind,
			  const struct hv_where *where, bool *want)
{
	struct hv_sink *sink = run->session->sink;
	if (where)
		hv_where_wants(where, want);
	if (sink->wants)
		sink->wants(sink, kind->props, prints_one(run), run->call.options, want);
	else
		memset(want, true, hv_prop_count(kind->props) * sizeof *want);
}

static int print_objects(struct running *run, struct hv_error *err)
{
	const struct hv_kind *kind = hv_command_kind(run->call.command);
	struct hv_where *where;
	int rc = parse_where(run, kind, &where, err);
	if (rc < 0)
		return rc;
	bool *want = calloc(hv_prop_count(kind->props) + 1, sizeof *want);
	if (!want) {
		hv_where_free(where);
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	}
	collect_wants(run, kind, where, want);
	rc = select_objects(run, kind, want, where, emit_row, err);
	if (rc == 0)
		rc = begin_rows(run, kind->props, err); /* an empty list still has its frame */
	free(want);
	hv_where_free(where);
	return rc;
}

int hv_call_each(struct hv_call *call,
		 int (*act)(struct hv_call *, const struct hv_object *, struct hv_error *),
		 struct hv_error *err)
{
	struct running *run = running_of(call);
	size_t failed = 0;
	int first = 0;
	bool same = true;
	if (call->n_targets == 1)
		return act(call, call->targets[0], err);
	for (size_t i = 0; i < call->n_targets; i++) {
		struct hv_error one = {0};
		if (interrupted)
			return hv_fail(err, HV_FAILED, 0, "interrupted after %zu of %zu", i,
				       call->n_targets);
		int rc = act(call, call->targets[i], &one);
		if (rc == 0)
			continue;
		run->session->sink->complain(run->session->sink, &one);
		same = same && (failed == 0 || rc == first);
		first = failed++ ? first : rc;
	}
	if (failed == 0)
		return 0;
	enum hv_code code = failed == call->n_targets && same ? (enum hv_code) - first : HV_PARTIAL;
	return hv_fail(err, code, 0, "%s %s failed for %zu of %zu", call->command->noun,
		       call->command->verb, failed, call->n_targets);
}

static int act_by_method(struct hv_call *call, const struct hv_object *target, struct hv_error *err)
{
	const struct hv_method *method = command_method(call->command);
	struct hv_object *args = NULL;
	int rc = 0;
	if (method->args) {
		args = hv_object_new_for(method->args);
		rc = args ? hv_object_project(args, call->options, err)
			  : hv_fail(err, HV_FAILED, 0, "out of memory");
		/* positional arguments of the method besides the target */
		if (rc == 0)
			rc = hv_object_project(args, call->args, err);
	}
	if (rc == 0)
		rc = hv_call_do(call, target->kind, NULL, target, method->name, args, err);
	hv_object_free(args);
	return rc;
}

static int act_by_set(struct hv_call *call, const struct hv_object *target, struct hv_error *err)
{
	struct hv_object *changes = hv_object_new(target->kind);
	if (!changes)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	int rc = hv_object_project(changes, call->options, err);
	if (rc == 0)
		rc = hv_call_set(call, target, changes, err);
	hv_object_free(changes);
	return rc;
}

static int run_generic(struct running *run, struct hv_error *err)
{
	const char *verb = run->call.command->verb;
	if (strcmp(verb, "list") == 0 || strcmp(verb, "show") == 0)
		return print_objects(run, err);
	if (strcmp(verb, "edit") == 0)
		return hv_call_each(&run->call, act_by_set, err);
	return hv_call_each(&run->call, act_by_method, err);
}

/* ---- confirmation ---------------------------------------------------------------------------- */

static bool is_generic_read(const struct hv_command *command)
{
	return !command->run && command->effect == HV_READS;
}

static int confirm(struct running *run, struct hv_error *err)
{
	struct hv_call *call = &run->call;
	char question[320], word[160] = "yes", address[160] = "";
	if (call->command->effect != HV_DESTROYS || call->yes || call->what_if)
		return 0;
	if (call->n_targets == 1) {
		hv_object_address(call->targets[0], address, sizeof address);
		snprintf(word, sizeof word, "%s", address);
		snprintf(question, sizeof question, "%s %s \"%s\": type its name to go on",
			 call->command->verb, call->command->noun, address);
	} else {
		snprintf(word, sizeof word, "%zu", call->n_targets);
		snprintf(question, sizeof question, "%s %zu objects: type their number to go on",
			 call->command->verb, call->n_targets);
	}
	struct hv_sink *sink = run->session->sink;
	if (!sink->confirm) {
		hv_fail(err, HV_USAGE, 0,
			"\"%s %s\" asks for confirmation, and there is no terminal",
			call->command->noun, call->command->verb);
		return hv_hint(err, "--yes answers it");
	}
	if (sink->confirm(sink, question, word))
		return 0;
	return hv_fail(err, HV_USAGE, 0, "not confirmed, nothing was changed");
}

static int run_parsed(struct running *run, struct hv_error *err)
{
	int rc = 0;
	if (!is_generic_read(run->call.command))
		rc = resolve_targets(run, err);
	if (rc == 0)
		rc = confirm(run, err);
	if (rc == 0)
		rc = run->call.command->run ? run->call.command->run(&run->call, err)
					    : run_generic(run, err);
	if (run->printing) {
		struct hv_error ending = {0};
		int end = run->session->sink->end(run->session->sink, &ending);
		if (rc == 0 && end < 0) {
			*err = ending;
			rc = end;
		}
	}
	return rc;
}

int command_run(struct hv_session *session, char *const *words, size_t n, struct hv_error *err)
{
	struct running run = {.session = session};
	interrupted = 0;
	int rc = command_parse(&run.line, words, n, err);
	if (rc < 0)
		return rc;
	run.call = (struct hv_call){
		.model = session->model,
		.command = run.line.command,
		.args = run.line.args,
		.options = run.line.options,
		.what_if = option_bool(run.line.options, "what_if", false),
		.wait = option_bool(run.line.options, "wait", true),
		.yes = option_bool(run.line.options, "yes", false),
		.timeout_s = option_given(run.line.options, "timeout")
				     ? hv_get_number(run.line.options, "timeout")
				     : 0,
		.shell = session->shell,
	};
	rc = run_parsed(&run, err);
	for (size_t i = 0; i < run.call.n_targets; i++)
		hv_object_free(run.call.targets[i]);
	free(run.call.targets);
	command_line_fini(&run.line);
	return rc;
}
