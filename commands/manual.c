/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The noun manual: hvsh(1), hvsh-NOUN(1), hvsh.yaml(5) and hvsh-plugin(7), written in roff's man
 * macros from the tables that hvsh runs by.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "plugins/registry.h"

/* Text as roff would have it: backslashes and leading dots and quotes are its own. */
static void put(FILE *out, const char *text)
{
	bool line_start = true;
	for (; text && *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
		line_start = *text == '\n';
	}
}

static void put_upper(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc(toupper((unsigned char)*text), out);
}

static FILE *open_page(const char *folder, const char *name, int section, const char *summary,
		       struct hv_error *err)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/man%d", folder, section);
	if (mkdir(path, 0755) != 0 && errno != EEXIST) {
		hv_fail(err, HV_FAILED, errno, "cannot make \"%s\"", path);
		return NULL;
	}
	snprintf(path, sizeof path, "%s/man%d/%s.%d", folder, section, name, section);
	FILE *out = fopen(path, "we");
	if (!out) {
		hv_fail(err, HV_FAILED, errno, "cannot write \"%s\"", path);
		return NULL;
	}
	fputs(".TH ", out);
	put_upper(out, name);
	fprintf(out, " %d \"\" \"hvsh\" \"hvsh manual\"\n.SH NAME\n", section);
	put(out, name);
	fputs(" \\- ", out);
	put(out, summary);
	fputc('\n', out);
	return out;
}

static int close_page(FILE *out, struct hv_error *err)
{
	bool bad = ferror(out);
	return fclose(out) == 0 && !bad ? 0 : hv_fail(err, HV_FAILED, errno, "cannot write a page");
}

static void put_type(FILE *out, const struct hv_prop *row)
{
	if (row->type == HV_ENUM) {
		for (size_t i = 0; row->choices[i]; i++) {
			fputs(i ? " | " : "", out);
			put(out, row->choices[i]);
		}
		return;
	}
	put(out, hv_type_name(row->type));
	if (row->of) {
		fputs(" of ", out);
		put(out, row->of);
	}
}

static void put_row(FILE *out, const struct hv_prop *row, bool option)
{
	char name[80];
	snprintf(name, sizeof name, "%s%s", option ? "--" : "", row->name);
	for (char *c = name; option && *c; c++)
		*c = *c == '_' ? '-' : *c;
	fputs(".TP\n\\fB", out);
	char letter = option ? hv_option_letter(row->name) : 0;
	if (letter)
		fprintf(out, "\\-%c\\fR, \\fB", letter);
	put(out, name);
	fputs("\\fR ", out);
	if (!(option && (row->flags & HV_P_FLAG)))
		put_type(out, row);
	fputc('\n', out);
	put(out, row->help);
	if (row->preset) {
		fputs("; ", out);
		put(out, row->preset);
		fputs(" where none is given", out);
	}
	fputs(".\n", out);
}

static void put_rows(FILE *out, const char *title, const struct hv_prop *rows, bool option)
{
	if (!rows || rows->type == HV_END)
		return;
	fprintf(out, ".PP\n%s:\n", title);
	for (; rows->type != HV_END; rows++)
		put_row(out, rows, option);
}

static void put_synopsis(FILE *out, const struct hv_command *command)
{
	fputs(".B ", out);
	put(out, command->noun);
	fputc(' ', out);
	put(out, command->verb);
	fputc('\n', out);
	for (const struct hv_prop *row = command->args; row && row->type != HV_END; row++) {
		bool required = row->flags & HV_P_REQUIRED;
		fputs(required ? ".I " : ".RI [ ", out);
		put_upper(out, row->name);
		if (row->flags & (HV_P_MANY | HV_P_REST))
			fputs("...", out);
		fputs(required ? "\n" : " ]\n", out);
	}
}

static void put_command(FILE *out, const struct hv_command *command)
{
	fputs(".SS ", out);
	put(out, command->noun);
	fputc(' ', out);
	put(out, command->verb);
	fputc('\n', out);
	put_synopsis(out, command);
	fputs(".PP\n", out);
	put(out, command->summary);
	fputs(".\n", out);
	if (command->details) {
		fputs(".PP\n", out);
		put(out, command->details);
		fputc('\n', out);
	}
	put_rows(out, "Arguments", command->args, false);
	put_rows(out, "Options", hv_command_options(command), true);
	fputs(".PP\nExamples:\n", out);
	for (const char *const *e = command->examples; e && e[0] && e[1]; e += 2) {
		fputs(".TP\n.B hvsh ", out);
		put(out, e[0]);
		fputc('\n', out);
		put(out, e[1]);
		fputs(".\n", out);
	}
}

static void put_states(FILE *out, const struct hv_kind *kind)
{
	for (const struct hv_method *m = kind->methods; m && m->name; m++) {
		if (!m->from_states)
			continue;
		fputs(".TP\n.B ", out);
		put(out, m->name);
		fputs("\nfrom ", out);
		for (size_t i = 0; m->from_states[i]; i++)
			fprintf(out, "%s%s", i ? ", " : "", m->from_states[i]);
		fprintf(out, "%s%s.\n", m->to_state ? " to " : "", m->to_state ? m->to_state : "");
	}
}

static int write_noun(const char *folder, const char *noun, struct hv_error *err)
{
	char name[80];
	const struct hv_kind *kind = hv_kind_find(noun);
	snprintf(name, sizeof name, "hvsh-%s", noun);
	FILE *out = open_page(folder, name, 1, kind ? kind->help : "commands of hvsh", err);
	if (!out)
		return -(int)err->code;
	fputs(".SH COMMANDS\n", out);
	for (size_t i = 0; i < hv_command_count(); i++) {
		const struct hv_command *command = hv_command_at(i);
		if (strcmp(command->noun, noun) == 0 && !(command->flags & HV_C_HIDDEN))
			put_command(out, command);
	}
	if (kind) {
		fputs(".SH PROPERTIES\n", out);
		for (const struct hv_prop *row = kind->props; row->type != HV_END; row++)
			put_row(out, row, false);
	}
	if (kind && kind->methods) {
		fputs(".SH STATES\n", out);
		put_states(out, kind);
	}
	fputs(".SH SEE ALSO\n.BR hvsh (1)\n", out);
	return close_page(out, err);
}

static int write_main(const char *folder, struct hv_error *err)
{
	static const char *const statuses[] = {"done",
					       "failed",
					       "usage",
					       "no such object",
					       "wrong state or conflict",
					       "not permitted",
					       "host unreachable",
					       "timed out",
					       "some objects failed"};
	const char *noun = "";
	FILE *out = open_page(folder, "hvsh", 1, "virtual machines, by noun and verb", err);
	if (!out)
		return -(int)err->code;
	fputs(".SH SYNOPSIS\n.B hvsh\n[\\fIOPTIONS\\fR] [\\fINOUN VERB\\fR [\\fIADDRESS\\fR]... "
	      "[\\fB\\-\\-option\\fR \\fIVALUE\\fR]...]\n"
	      ".SH DESCRIPTION\nWithout a command: a shell on a terminal, a batch interpreter of "
	      "standard input elsewhere.\n.SH NOUNS\n",
	      out);
	for (size_t i = 0; i < hv_command_count(); i++) {
		const struct hv_command *command = hv_command_at(i);
		if (strcmp(noun, command->noun) != 0) {
			noun = command->noun;
			fprintf(out, ".TP\n.BR hvsh\\-%s (1)\n", noun);
		}
		fprintf(out, "%s\n", command->verb);
	}
	fputs(".SH BATCH\n"
	      "One command a line; # begins a comment; quotes; a backslash at the end continues a "
	      "line.\n"
	      ".TP\n.B NAME=VALUE\nsets a variable, used as $NAME or ${NAME}.\n"
	      ".TP\n.B for NAME in WORD... end\nwords with * or ? stand for the VMs that they "
	      "match.\n"
	      ".TP\n.B if COMMAND ... else ... end\nby the command's status; if not COMMAND is the "
	      "opposite.\n"
	      ".TP\n.B try ... rollback ... end\nrollback runs where the first part failed; the "
	      "failure "
	      "stands.\n"
	      ".TP\n.B \\-f \\- <<END\ngives a command the lines up to END.\n"
	      ".SH EXIT STATUS\n",
	      out);
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
		fprintf(out, ".TP\n.B %zu\n%s\n", i, statuses[i]);
	fputs(".SH ENVIRONMENT\n"
	      ".TP\n.B HVSH_ROOT\nkeeps definitions, images and runtime files under one folder.\n"
	      ".TP\n.B HVSH_HOST\nthe host that commands act on.\n"
	      ".TP\n.B HVSH_PLUGIN_PATH\nfolders of further plugins.\n"
	      ".TP\n.B NO_COLOR\nno colours.\n"
	      ".SH SEE ALSO\n.BR hvsh.yaml (5),\n.BR hvsh\\-plugin (7)\n",
	      out);
	return close_page(out, err);
}

static void put_definition(FILE *out, const struct hv_kind *kind)
{
	for (const struct hv_prop *row = kind->props; row->type != HV_END; row++) {
		if (row->set != HV_SET_NEVER)
			put_row(out, row, false);
	}
}

static int write_yaml(const char *folder, struct hv_error *err)
{
	static const char *const parts[] = {"vm", "disk", "nic"};
	FILE *out = open_page(folder, "hvsh.yaml", 5, "definitions of virtual machines", err);
	if (!out)
		return -(int)err->code;
	fputs(".SH DESCRIPTION\nA definition is one YAML mapping. Unknown and repeated keys are "
	      "refused "
	      "with their line and column; values are read by the property's type, so that no is a "
	      "word where a word is wanted.\n",
	      out);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		fprintf(out, ".SH KEYS OF A %s\n", i == 0 ? "VM" : i == 1 ? "DISK" : "NIC");
		put_definition(out, hv_kind_find(parts[i]));
	}
	fputs(".SH SEE ALSO\n.BR hvsh\\-vm (1)\n", out);
	return close_page(out, err);
}

static int write_plugin(const char *folder, struct hv_error *err)
{
	FILE *out = open_page(folder, "hvsh-plugin", 7, "writing plugins for hvsh", err);
	if (!out)
		return -(int)err->code;
	fprintf(out,
		".SH DESCRIPTION\nA plugin is a shared object with one symbol, hvsh_plugin: a "
		"table of "
		"commands, kinds and providers. It includes hvsh.h and builds with\n.PP\n"
		".B cc \\-shared \\-fPIC $(pkg\\-config \\-\\-cflags hvsh) \\-o NAME.so "
		"NAME.c\n.PP\n"
		"ABI version %d. A plugin of another version, one whose file or folders others can "
		"write, or one that uses a name that is taken, is refused; hvsh plugin list says "
		"why.\n.SH SEE ALSO\n.BR hvsh\\-plugin (1)\n",
		HV_ABI_VERSION);
	return close_page(out, err);
}

static int write_all(const char *folder, struct hv_error *err)
{
	const char *noun = "";
	int rc = write_main(folder, err);
	for (size_t i = 0; rc == 0 && i < hv_command_count(); i++) {
		if (strcmp(noun, hv_command_at(i)->noun) == 0)
			continue;
		noun = hv_command_at(i)->noun;
		rc = write_noun(folder, noun, err);
	}
	if (rc == 0)
		rc = write_yaml(folder, err);
	return rc < 0 ? rc : write_plugin(folder, err);
}

static int run_write(struct hv_call *call, struct hv_error *err)
{
	return write_all(hv_get_string(call->args, "folder"), err);
}

static const struct hv_prop args[] = {{.name = "folder",
				       .type = HV_STRING,
				       .flags = HV_P_REQUIRED | HV_P_PATH,
				       .help = "where man1, man5 and man7 go"},
				      {.type = HV_END}};
static const char *const examples[] = {"manual write build/man", "the pages that are installed",
				       NULL};

static const struct hv_command commands[] = {
	{.noun = "manual",
	 .verb = "write",
	 .summary = "write the manual pages",
	 .args = args,
	 .flags = HV_C_TEXT,
	 .examples = examples,
	 .run = run_write},
	{.noun = NULL},
};

HVSH_PLUGIN("manual", "1", "the manual pages", .commands = commands);
