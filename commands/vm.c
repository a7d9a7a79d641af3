/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The noun vm. Most verbs are methods of the kind and need only their row; what has a function here
 * takes a definition in or out, waits, or sets one property in a way of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plugins/hvsh.h"

/* ---- arguments and options ------------------------------------------------------------------- */

#define VMS(extra)                                                                                 \
	{                                                                                          \
		.name = "vm", .type = HV_REF, .of = "vm", .flags = HV_P_MANY | (extra),            \
		.help = "a VM's name, an address HOST/VM, or a glob"                               \
	}
#define ONE_VM                                                                                     \
	{                                                                                          \
		.name = "vm", .type = HV_REF, .of = "vm", .flags = HV_P_REQUIRED,                  \
		.help = "a VM's name"                                                              \
	}
#define FILE_OPTION(text)                                                                          \
	{                                                                                          \
		.name = "file", .type = HV_STRING, .flags = HV_P_PATH, .help = text                \
	}
#define END                                                                                        \
	{                                                                                          \
		.type = HV_END                                                                     \
	}

static const struct hv_prop any_vms[] = {VMS(0), END};
static const struct hv_prop vms[] = {VMS(HV_P_REQUIRED), END};
static const struct hv_prop new_vm[] = {
	{.name = "name", .type = HV_STRING, .help = "name of the new VM (or in the file)"}, END};
static const struct hv_prop vm_new_name[] = {
	ONE_VM,
	{.name = "new_name", .type = HV_STRING, .flags = HV_P_REQUIRED, .help = "the new name"},
	END};
static const struct hv_prop vm_labels[] = {ONE_VM,
					   {.name = "labels",
					    .type = HV_LIST,
					    .flags = HV_P_MANY | HV_P_REQUIRED,
					    .help = "KEY=VALUE to set, KEY- to remove"},
					   END};
static const struct hv_prop file_argument[] = {
	{.name = "file",
	 .type = HV_STRING,
	 .flags = HV_P_PATH | HV_P_REQUIRED,
	 .help = "a definition in YAML, - for standard input"},
	END};
static const struct hv_prop create_options[] = {
	FILE_OPTION("take the definition from a YAML file, - for standard input"),
	{.name = "start", .type = HV_BOOL, .flags = HV_P_FLAG, .help = "start it then"},
	END};
static const struct hv_prop edit_options[] = {
	FILE_OPTION("take all settable properties from a YAML file, - for standard input"), END};
static const struct hv_prop export_options[] = {FILE_OPTION("write there, not to standard output"),
						END};
static const struct hv_prop import_options[] = {
	{.name = "name", .type = HV_STRING, .help = "another name than the file's"}, END};
static const struct hv_prop wait_options[] = {
	{.name = "for",
	 .type = HV_STRING,
	 .preset = "state=running",
	 .help = "the filter that the VM has to match"},
	{.name = "timeout", .type = HV_DURATION, .help = "longest time to wait"},
	END};
static const struct hv_prop autostart_options[] = {
	{.name = "off", .type = HV_BOOL, .flags = HV_P_FLAG, .help = "no longer"}, END};

/* ---- definitions ----------------------------------------------------------------------------- */

static const struct hv_kind *vm_kind(void)
{
	return hv_kind_find("vm");
}

/* What belongs to a definition: settable values, without what only a running VM has. */
static void strip_to_definition(struct hv_object *obj)
{
	for (size_t i = 1; i < obj->n_values; i++) {
		const struct hv_prop *prop = &obj->props[i];
		if (prop->set == HV_SET_NEVER || obj->values[i].presence != HV_SET) {
			hv_unset(obj, prop->name);
			continue;
		}
		for (size_t j = 0; prop->type == HV_LIST && prop->of && j < obj->values[i].list.n;
		     j++)
			strip_to_definition(obj->values[i].list.objects[j]);
	}
}

static struct hv_object *definition_of(struct hv_call *call, const struct hv_object *vm,
				       struct hv_error *err);

static int read_definition(struct hv_call *call, const char *file, struct hv_object **out,
			   struct hv_error *err)
{
	char *text;
	size_t len;
	int rc = hv_call_read(call, file, &text, &len, err);
	if (rc < 0)
		return rc;
	const char *source = strcmp(file, "-") == 0 ? "definition" : file;
	*out = hv_object_from_yaml(vm_kind(), text, len, source, err);
	free(text);
	return *out ? 0 : -(int)err->code;
}

static int start_it(struct hv_call *call, const char *name, struct hv_error *err);

static int create(struct hv_call *call, struct hv_object *definition, const char *name,
		  struct hv_error *err)
{
	if (name && hv_set_string(definition, "name", name) < 0)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	if (!hv_has(definition, "name")) {
		hv_fail(err, HV_USAGE, 0, "the new VM needs a name");
		return hv_hint(err, "usage: vm create NAME [OPTIONS], or name: in the file");
	}
	return hv_call_do(call, vm_kind(), NULL, NULL, "create", definition, err);
}

/* Under --what-if there is no VM yet that could be asked. */
static void say_start(struct hv_call *call, const char *name)
{
	char line[160];
	snprintf(line, sizeof line, "would start vm \"%s\"", name);
	hv_call_say(call, line);
}

static int run_create(struct hv_call *call, struct hv_error *err)
{
	struct hv_object *definition = NULL;
	int rc = 0;
	if (hv_has(call->options, "file"))
		rc = read_definition(call, hv_get_string(call->options, "file"), &definition, err);
	else if (!(definition = hv_object_new(vm_kind())))
		rc = hv_fail(err, HV_FAILED, 0, "out of memory");
	if (rc == 0)
		rc = hv_object_project(definition, call->options, err);
	if (rc == 0)
		rc = create(call, definition, hv_get_string(call->args, "name"), err);
	bool start = rc == 0 && hv_get_bool(call->options, "start");
	if (start && call->what_if)
		say_start(call, hv_get_string(definition, "name"));
	else if (start)
		rc = start_it(call, hv_get_string(definition, "name"), err);
	hv_object_free(definition);
	return rc;
}

static int run_import(struct hv_call *call, struct hv_error *err)
{
	struct hv_object *definition;
	int rc = read_definition(call, hv_get_string(call->args, "file"), &definition, err);
	if (rc < 0)
		return rc;
	/* an identity is unique: what comes from elsewhere gets its own */
	if (hv_has(call->options, "name"))
		hv_unset(definition, "uuid");
	rc = create(call, definition, hv_get_string(call->options, "name"), err);
	hv_object_free(definition);
	return rc;
}

static int keep_one(void *ctx, struct hv_object *obj, struct hv_error *err)
{
	struct hv_object **out = ctx;
	(void)err;
	hv_object_free(*out);
	*out = obj;
	return 0;
}

static int fetch(struct hv_call *call, const char *address, struct hv_object **out,
		 struct hv_error *err)
{
	*out = NULL;
	return hv_select(call->model, vm_kind(), &address, 1, NULL, NULL, keep_one, out, err);
}

static int start_it(struct hv_call *call, const char *name, struct hv_error *err)
{
	struct hv_object *vm;
	int rc = fetch(call, name, &vm, err);
	if (rc == 0)
		rc = hv_call_do(call, vm_kind(), NULL, vm, "start", NULL, err);
	hv_object_free(vm);
	return rc;
}

static struct hv_object *definition_of(struct hv_call *call, const struct hv_object *vm,
				       struct hv_error *err)
{
	char address[512];
	struct hv_object *whole;
	hv_object_address(vm, address, sizeof address);
	if (fetch(call, address, &whole, err) < 0)
		return NULL;
	strip_to_definition(whole);
	return whole;
}

static int write_file(const char *path, const char *text, struct hv_error *err)
{
	FILE *out = fopen(path, "wxe");
	if (!out) {
		hv_fail(err, HV_FAILED, errno, "cannot write \"%s\"", path);
		return hv_hint(err, "give the name of a new file in a folder that can be written");
	}
	size_t len = strlen(text);
	bool whole = fwrite(text, 1, len, out) == len && fflush(out) == 0;
	int sys = errno;
	fclose(out);
	if (whole)
		return 0;
	unlink(path);
	return hv_fail(err, HV_FAILED, sys, "cannot write \"%s\"", path);
}

static int export_one(struct hv_call *call, const struct hv_object *vm, bool first,
		      struct hv_error *err)
{
	struct hv_object *definition = definition_of(call, vm, err);
	char *yaml = definition ? hv_object_to_yaml(definition) : NULL;
	int rc = definition ? 0 : -(int)err->code;
	if (rc == 0 && !yaml)
		rc = hv_fail(err, HV_FAILED, 0, "out of memory");
	if (rc == 0 && hv_has(call->options, "file"))
		rc = write_file(hv_get_string(call->options, "file"), yaml, err);
	else if (rc == 0 && !first)
		rc = hv_call_text(call, "---\n", 4, err);
	if (rc == 0 && !hv_has(call->options, "file"))
		rc = hv_call_text(call, yaml, strlen(yaml), err);
	free(yaml);
	hv_object_free(definition);
	return rc;
}

static int run_export(struct hv_call *call, struct hv_error *err)
{
	int rc = 0;
	if (hv_has(call->options, "file") && call->n_targets > 1)
		return hv_fail(err, HV_USAGE, 0,
			       "--file takes the definition of one VM, not of %zu",
			       call->n_targets);
	for (size_t i = 0; rc == 0 && i < call->n_targets; i++)
		rc = export_one(call, call->targets[i], i == 0, err);
	return rc;
}

/* ---- editing --------------------------------------------------------------------------------- */

/* Only what differs is a change: the rest may not be settable now. */
static void unset_equal(struct hv_object *changes, const struct hv_object *now)
{
	for (size_t i = 0; i < changes->n_values; i++) {
		char *was, *is;
		if (changes->values[i].presence != HV_SET || now->values[i].presence != HV_SET)
			continue;
		bool children = changes->props[i].type == HV_LIST;
		struct hv_object *left = hv_object_new(changes->kind), *right = NULL;
		if (!children &&
		    hv_value_compare(&changes->values[i], &now->values[i], &changes->props[i]) == 0)
			hv_unset(changes, changes->props[i].name);
		if (children && left && (right = hv_object_new(changes->kind))) {
			hv_object_copy_value(left, changes, i);
			hv_object_copy_value(right, now, i);
			is = hv_object_to_json(left);
			was = hv_object_to_json(right);
			if (is && was && strcmp(is, was) == 0)
				hv_unset(changes, changes->props[i].name);
			free(is);
			free(was);
		}
		hv_object_free(left);
		hv_object_free(right);
	}
}

static bool has_values(const struct hv_object *obj)
{
	for (size_t i = 0; i < obj->n_values; i++) {
		if (obj->values[i].presence == HV_SET)
			return true;
	}
	return false;
}

static int set_definition(struct hv_call *call, const struct hv_object *vm,
			  struct hv_object *changes, const struct hv_object *now,
			  struct hv_error *err)
{
	unset_equal(changes, now);
	return has_values(changes) ? hv_call_set(call, vm, changes, err) : 0;
}

#define EDITOR_WORDS 16

/* In the child: $VISUAL or $EDITOR, which may have options ("code --wait"). No shell takes part. */
static void exec_editor(char *path)
{
	const char *visual = getenv("VISUAL"), *plain = getenv("EDITOR");
	const char *given = visual && *visual ? visual : plain && *plain ? plain : "editor";
	char *text = strdup(given), *save = NULL, *words[EDITOR_WORDS + 2];
	size_t n = 0;
	for (char *word = text ? strtok_r(text, " \t", &save) : NULL; word && n < EDITOR_WORDS;
	     word = strtok_r(NULL, " \t", &save))
		words[n++] = word;
	words[n] = path;
	words[n + 1] = NULL;
	if (n > 0)
		execvp(words[0], words);
	_exit(127);
}

static int run_editor(char *path, struct hv_error *err)
{
	int status;
	if (!isatty(STDIN_FILENO)) {
		hv_fail(err, HV_USAGE, 0,
			"no property was given, and there is no terminal to edit on");
		return hv_hint(err, "give options (--memory 2G) or -f FILE");
	}
	pid_t pid = fork();
	if (pid == 0)
		exec_editor(path);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return hv_fail(err, HV_FAILED, errno, "cannot run the editor");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		hv_fail(err, HV_FAILED, 0, "the editor did not end well, nothing was changed");
		return hv_hint(err, "VISUAL or EDITOR names it");
	}
	return 0;
}

static int write_temporary(char *path, const char *text, struct hv_error *err)
{
	int fd = mkostemps(path, 5, O_CLOEXEC);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out)
		return hv_fail(err, HV_FAILED, errno, "cannot write a temporary file");
	fputs(text, out);
	return fclose(out) == 0 ? 0 : hv_fail(err, HV_FAILED, errno, "cannot write \"%s\"", path);
}

static int edit_text(struct hv_call *call, const struct hv_object *now, struct hv_object **changes,
		     struct hv_error *err)
{
	char path[] = "/tmp/hvsh-XXXXXX.yaml";
	char *yaml = hv_object_to_yaml(now);
	int rc = yaml ? write_temporary(path, yaml, err)
		      : hv_fail(err, HV_FAILED, 0, "out of memory");
	free(yaml);
	if (rc == 0)
		rc = run_editor(path, err);
	if (rc == 0)
		rc = read_definition(call, path, changes, err);
	unlink(path);
	return rc;
}

static int edit_one(struct hv_call *call, const struct hv_object *vm, struct hv_error *err)
{
	struct hv_object *changes = hv_object_new(vm_kind());
	struct hv_object *now = changes ? definition_of(call, vm, err) : NULL;
	int rc = now ? hv_object_project(changes, call->options, err) : -(int)err->code;
	bool from_file = rc == 0 && hv_has(call->options, "file");
	if (rc == 0 && (from_file || !has_values(changes))) {
		hv_object_free(changes);
		changes = NULL;
		rc = from_file ? read_definition(call, hv_get_string(call->options, "file"),
						 &changes, err)
			       : edit_text(call, now, &changes, err);
	}
	if (rc == 0)
		rc = set_definition(call, vm, changes, now, err);
	hv_object_free(now);
	hv_object_free(changes);
	return rc;
}

static int run_edit(struct hv_call *call, struct hv_error *err)
{
	return hv_call_each(call, edit_one, err);
}

/* ---- labels, autostart ----------------------------------------------------------------------- */

static bool same_key(const char *label, const char *word)
{
	size_t len = strcspn(label, "=");
	size_t word_len = strcspn(word, "=");
	if (word[word_len] == '\0' && word_len && word[word_len - 1] == '-')
		word_len--;
	return len == word_len && strncmp(label, word, len) == 0;
}

static int check_label(const char *word, struct hv_error *err)
{
	size_t len = strlen(word);
	const char *equals = strchr(word, '=');
	if ((equals && equals != word) || (!equals && len > 1 && word[len - 1] == '-'))
		return 0;
	hv_fail(err, HV_USAGE, 0, "\"%s\" is no label", word);
	return hv_hint(err, "KEY=VALUE sets one, KEY- removes it");
}

static int run_label(struct hv_call *call, struct hv_error *err)
{
	const struct hv_list *words = hv_get_list(call->args, "labels");
	const struct hv_list *old = hv_get_list(call->targets[0], "labels");
	struct hv_object *changes = hv_object_new(vm_kind());
	int rc = changes ? 0 : hv_fail(err, HV_FAILED, 0, "out of memory");
	for (size_t i = 0; rc == 0 && i < words->n; i++)
		rc = check_label(words->strings[i], err);
	for (size_t i = 0; rc == 0 && old && i < old->n; i++) {
		bool touched = false;
		for (size_t j = 0; j < words->n; j++)
			touched = touched || same_key(old->strings[i], words->strings[j]);
		if (!touched)
			rc = hv_list_add_string(changes, "labels", old->strings[i]);
	}
	for (size_t i = 0; rc == 0 && i < words->n; i++) {
		if (strchr(words->strings[i], '='))
			rc = hv_list_add_string(changes, "labels", words->strings[i]);
	}
	if (rc == 0)
		rc = hv_set_empty_list(changes, "labels");
	if (rc == 0)
		rc = hv_call_set(call, call->targets[0], changes, err);
	hv_object_free(changes);
	return rc;
}

static int autostart_one(struct hv_call *call, const struct hv_object *vm, struct hv_error *err)
{
	struct hv_object *changes = hv_object_new(vm_kind());
	int rc = changes ? hv_set_int(changes, "autostart", !hv_get_bool(call->options, "off"))
			 : hv_fail(err, HV_FAILED, 0, "out of memory");
	if (rc == 0)
		rc = hv_call_set(call, vm, changes, err);
	hv_object_free(changes);
	return rc;
}

static int run_autostart(struct hv_call *call, struct hv_error *err)
{
	return hv_call_each(call, autostart_one, err);
}

/* ---- waiting --------------------------------------------------------------------------------- */

#define WATCHED_HOSTS 64
#define LOOK_AGAIN_MS 200 /* providers without events, and changes between a look and its watch */

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int drop_event(void *ctx, struct hv_object *event, struct hv_error *err)
{
	(void)ctx, (void)err;
	hv_object_free(event);
	return 0;
}

static void wait_for_event(struct hv_call *call, double left_s)
{
	int watched[WATCHED_HOSTS];
	struct pollfd fds[WATCHED_HOSTS];
	struct hv_error ignored;
	int n = hv_model_watch_fds(call->model, watched, WATCHED_HOSTS);
	int timeout = left_s * 1000 < LOOK_AGAIN_MS ? (int)(left_s * 1000) + 1 : LOOK_AGAIN_MS;
	for (int i = 0; i < n; i++)
		fds[i] = (struct pollfd){.fd = watched[i], .events = POLLIN};
	if (poll(fds, n > 0 ? (nfds_t)n : 0, timeout) > 0)
		hv_model_watch_read(call->model, drop_event, NULL, &ignored);
}

static int wait_one(struct hv_call *call, const struct hv_object *vm, struct hv_error *err)
{
	char address[512];
	const char *filter = hv_get_string(call->options, "for");
	double limit =
		hv_has(call->options, "timeout") ? hv_get_number(call->options, "timeout") : 1e12;
	double start = now_s();
	struct hv_where *where = hv_where_parse(vm_kind()->props, filter, err);
	int rc = where ? 0 : -(int)err->code;
	hv_object_address(vm, address, sizeof address);
	while (rc == 0) {
		struct hv_object *now;
		rc = fetch(call, address, &now, err);
		bool matches = rc == 0 && hv_where_match(where, now);
		hv_object_free(now);
		double left = start + limit - now_s();
		if (matches || rc < 0)
			break;
		if (hv_call_interrupted(call)) {
			rc = hv_fail(err, HV_FAILED, 0, "interrupted");
		} else if (left <= 0) {
			rc = hv_fail(err, HV_TIMEOUT, 0, "vm \"%s\" did not come to %s in time",
				     address, filter);
			hv_hint(err, "\"vm show %s\" tells its state", address);
		} else {
			wait_for_event(call, left);
		}
	}
	hv_where_free(where);
	return rc;
}

static int run_wait(struct hv_call *call, struct hv_error *err)
{
	return hv_call_each(call, wait_one, err);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define EXAMPLES(...)                                                                              \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

static const struct hv_command commands[] = {
	{"vm", "list", "ls", "list VMs", NULL, any_vms, NULL, HV_READS, 0,
	 EXAMPLES("vm list", "all VMs of the current hosts",
		  "vm list 'web*' --where 'state=running'",
		  "running VMs whose name begins with web", "vm list -o json --columns name,state",
		  "two properties of each, for a program"),
	 NULL},
	{"vm", "show", "info", "show all of a VM", NULL, vms, NULL, HV_READS, 0,
	 EXAMPLES("vm show web1", "its properties, disks and NICs"), NULL},
	{"vm", "create", "define", "define a VM",
	 "The definition comes from options, from a YAML file (-f), or from a file with options "
	 "over "
	 "it. Nothing runs until \"vm start\", unless --start is given.",
	 new_vm, create_options, HV_CHANGES_DATA, 0,
	 EXAMPLES("vm create web1 --memory 1G --cpus 2 --kernel vmlinuz --initrd initrd.img "
		  "--cmdline "
		  "console=ttyS0 --disk disk.raw --nic network=br0,queues=4",
		  "a VM with a disk and a NIC of four queue pairs", "vm create -f web1.yaml",
		  "from a definition", "vm create web2 -f web1.yaml --memory 2G",
		  "from a definition, with another name and more memory"),
	 run_create},
	{"vm", "edit", "set", "change a VM's definition",
	 "Options change single properties; without any the definition opens in $VISUAL or "
	 "$EDITOR. "
	 "Options that are lists (--disk, --nic, --labels) replace the whole list.",
	 vms, edit_options, HV_CHANGES_DATA, HV_C_NO_JOB,
	 EXAMPLES("vm edit web1 --memory 2G --cpus 4", "change two properties", "vm edit web1",
		  "open its definition in an editor"),
	 run_edit},
	{"vm", "delete", "rm undefine", "delete a VM's definition", NULL, vms, NULL, HV_DESTROYS, 0,
	 EXAMPLES("vm delete web1", "delete it; its disk images stay",
		  "vm delete web1 --images --yes", "delete it and its images without a question"),
	 NULL},
	{"vm", "rename", "mv", "give a VM another name", NULL, vm_new_name, NULL, HV_CHANGES_DATA,
	 0, EXAMPLES("vm rename web1 web-old", "web1 is called web-old from now on"), NULL},
	{"vm", "clone", "copy", "define a VM like another one", NULL, vm_new_name, NULL,
	 HV_CHANGES_DATA, 0,
	 EXAMPLES("vm clone web1 web2",
		  "web2 has copies of web1's disks and its own MAC addresses"),
	 NULL},
	{"vm", "start", NULL, "start VMs", NULL, vms, NULL, HV_CHANGES_STATE, 0,
	 EXAMPLES("vm start web1", "boot it", "vm start --where 'autostart=yes' '*'",
		  "boot all that start with the host"),
	 NULL},
	{"vm", "stop", "shutdown", "shut VMs down by their power button", NULL, vms, NULL,
	 HV_CHANGES_STATE, 0,
	 EXAMPLES("vm stop web1", "press its power button and wait",
		  "vm stop web1 --grace 10s --force",
		  "kill it if it does not shut down within 10 seconds"),
	 NULL},
	{"vm", "kill", "destroy", "end VMs at once", NULL, vms, NULL, HV_DESTROYS, 0,
	 EXAMPLES("vm kill web1 --yes", "like pulling the plug"), NULL},
	{"vm", "reset", NULL, "restart VMs at once", NULL, vms, NULL, HV_DESTROYS, 0,
	 EXAMPLES("vm reset web1 --yes", "like the reset button"), NULL},
	{"vm", "pause", "suspend", "make VMs stand still", NULL, vms, NULL, HV_CHANGES_STATE, 0,
	 EXAMPLES("vm pause web1", "its memory stays, its clock goes on"), NULL},
	{"vm", "resume", NULL, "let paused VMs go on", NULL, vms, NULL, HV_CHANGES_STATE, 0,
	 EXAMPLES("vm resume web1", "it goes on where it stood"), NULL},
	{"vm", "wait", NULL, "wait until VMs match a filter", NULL, vms, wait_options, HV_READS,
	 HV_C_TEXT,
	 EXAMPLES("vm wait web1 --for state=stopped --timeout 1m", "until it has shut down"),
	 run_wait},
	{"vm", "label", NULL, "set and remove labels", NULL, vm_labels, NULL, HV_CHANGES_DATA,
	 HV_C_NO_JOB, EXAMPLES("vm label web1 env=prod owner-", "set env, remove owner"),
	 run_label},
	{"vm", "export", "dump", "print a VM's definition as YAML", NULL, vms, export_options,
	 HV_READS, HV_C_TEXT,
	 EXAMPLES("vm export web1 --file web1.yaml", "for \"vm import\" elsewhere"), run_export},
	{"vm", "import", NULL, "define a VM from an exported definition", NULL, file_argument,
	 import_options, HV_CHANGES_DATA, 0,
	 EXAMPLES("vm import web1.yaml --name web3", "under another name, with its own identity"),
	 run_import},
	{"vm", "autostart", NULL, "start VMs when the host starts", NULL, vms, autostart_options,
	 HV_CHANGES_DATA, HV_C_NO_JOB, EXAMPLES("vm autostart web1 --off", "no longer"),
	 run_autostart},
	{.noun = NULL},
};

HVSH_PLUGIN("vm", "1", "virtual machines", .commands = commands);
