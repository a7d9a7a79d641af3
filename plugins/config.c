/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Settings of hvsh. See config.h. */
#include "plugins/config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/host/paths.h"

#define SYSTEM_FILE "/etc/hvsh/hvsh.yaml"
#define FILE_MAX (256 << 10)

static const char *const formats[] = {"table", "wide", "json", "yaml", "csv", "name", NULL};
static const char *const colours[] = {"auto", "always", "never", NULL};

static const struct hv_prop table[] = {
	{.name = "output",
	 .type = HV_ENUM,
	 .choices = formats,
	 .preset = "table",
	 .set = HV_SET_ALWAYS,
	 .help = "format of results where a command does not say"},
	{.name = "host",
	 .type = HV_STRING,
	 .preset = "local",
	 .set = HV_SET_ALWAYS,
	 .help = "the host, or hosts by a glob, that commands act on"},
	{.name = "production",
	 .type = HV_LIST,
	 .set = HV_SET_ALWAYS,
	 .help = "globs of hosts whose prompt warns"},
	{.name = "escape",
	 .type = HV_STRING,
	 .preset = "^]",
	 .set = HV_SET_ALWAYS,
	 .help = "the key that leaves a VM's console"},
	{.name = "color",
	 .type = HV_ENUM,
	 .choices = colours,
	 .preset = "auto",
	 .set = HV_SET_ALWAYS,
	 .help = "when to use colours; auto: on a terminal, unless NO_COLOR is set"},
	{.name = "history",
	 .type = HV_INT,
	 .preset = "5000",
	 .min = 0,
	 .max = 1000000,
	 .set = HV_SET_ALWAYS,
	 .help = "lines of history to keep"},
	{.type = HV_END},
};

/* Only so that the YAML reader can be used; not a kind of the model. */
static const struct hv_kind config_kind = {
	.name = "setting", .plural = "settings", .help = "settings of hvsh", .props = table};

#define N_SETTINGS (sizeof table / sizeof *table - 1)

static struct {
	struct hv_object *values;
	const char *origins[N_SETTINGS];
	char user_file[PATH_MAX];
} config;

const struct hv_prop *hv_config_table(void)
{
	return table;
}

const struct hv_object *hv_config(void)
{
	return config.values;
}

const char *hv_config_origin(const char *name)
{
	int index = hv_prop_index(table, name);
	return index < 0 || !config.origins[index] ? "preset" : config.origins[index];
}

/* ---- files ----------------------------------------------------------------------------------- */

static int read_text(const char *path, char **text, size_t *len, struct hv_error *err)
{
	FILE *in = fopen(path, "re");
	*text = NULL;
	if (!in)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : hv_fail(err, hv_code_of(errno), errno, "cannot read \"%s\"", path);
	*text = malloc(FILE_MAX);
	*len = *text ? fread(*text, 1, FILE_MAX, in) : 0;
	bool bad = ferror(in) || *len == FILE_MAX;
	fclose(in);
	if (*text && !bad)
		return 0;
	free(*text);
	*text = NULL;
	return hv_fail(err, HV_FAILED, 0, "cannot read \"%s\"", path);
}

static int read_values(const char *path, struct hv_object **values, struct hv_error *err)
{
	char *text;
	size_t len = 0;
	*values = NULL;
	int rc = read_text(path, &text, &len, err);
	if (rc < 0 || !text)
		return rc;
	*values = hv_object_from_yaml(&config_kind, text, len, path, err);
	free(text);
	return *values ? 0 : -(int)err->code;
}

static int take_file(const char *path, struct hv_error *err)
{
	struct hv_object *values;
	int rc = read_values(path, &values, err);
	for (size_t i = 0; rc == 0 && values && i < values->n_values; i++) {
		if (values->values[i].presence != HV_SET)
			continue;
		hv_value_clear(&config.values->values[i], &table[i]);
		rc = hv_object_copy_value(config.values, values, i);
		config.origins[i] = path;
	}
	hv_object_free(values);
	return rc;
}

/* ---- one value ------------------------------------------------------------------------------- */

static int take(size_t index, const char *text, const char *origin, struct hv_error *err)
{
	struct hv_value *value = &config.values->values[index];
	hv_value_clear(value, &table[index]);
	int rc = hv_value_parse(value, &table[index], text, err);
	config.origins[index] = origin;
	return rc < 0 ? hv_within(err, "setting \"%s\" from %s", table[index].name, origin) : 0;
}

static int take_environment(struct hv_error *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < N_SETTINGS; i++) {
		char name[64];
		snprintf(name, sizeof name, "HVSH_%s", table[i].name);
		for (char *c = name; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		const char *value = getenv(name);
		if (value && *value)
			rc = take(i, value, "environment", err);
	}
	return rc;
}

int config_load(struct hv_error *err)
{
	struct hv_paths paths;
	int rc = hv_paths_init(&paths, err);
	config.values = hv_object_new(&config_kind);
	if (!config.values)
		return hv_fail(err, HV_FAILED, 0, "out of memory");
	if (rc == 0)
		rc = hv_object_preset(config.values, err);
	if (rc == 0) {
		snprintf(config.user_file, sizeof config.user_file, "%s/hvsh.yaml", paths.config);
		/* root may keep the system's file to itself: then it is root's alone */
		if (strcmp(config.user_file, SYSTEM_FILE) != 0)
			rc = access(SYSTEM_FILE, R_OK) == 0 ? take_file(SYSTEM_FILE, err) : 0;
	}
	if (rc == 0)
		rc = take_file(config.user_file, err);
	return rc < 0 ? rc : take_environment(err);
}

int config_override(const char *name, const char *value, struct hv_error *err)
{
	return take((size_t)hv_prop_index(table, name), value, "option", err);
}

static int write_file(const char *text, struct hv_error *err)
{
	char fresh[PATH_MAX + 8], folder[PATH_MAX];
	snprintf(folder, sizeof folder, "%s", config.user_file);
	*strrchr(folder, '/') = '\0';
	int rc = hv_paths_make_dir(folder, err);
	if (rc < 0)
		return rc;
	snprintf(fresh, sizeof fresh, "%s.new", config.user_file);
	FILE *out = fopen(fresh, "we");
	bool good = out && fputs(text, out) >= 0 && fflush(out) == 0 && fsync(fileno(out)) == 0;
	if (out && fclose(out) != 0)
		good = false;
	if (good && rename(fresh, config.user_file) == 0)
		return 0;
	rc = hv_fail(err, hv_code_of(errno), errno, "cannot write \"%s\"", config.user_file);
	unlink(fresh);
	return rc;
}

int hv_config_key(const char *text, struct hv_error *err)
{
	if (text[0] == '^' && text[1] >= '?' && text[1] <= '_' && !text[2])
		return text[1] & 0x1f;
	if (text[0] == '^' && text[1] >= 'a' && text[1] <= 'z' && !text[2])
		return text[1] & 0x1f;
	if (text[0] && !text[1])
		return (unsigned char)text[0];
	hv_fail(err, HV_USAGE, 0, "escape: \"%s\" is no key", text);
	return hv_hint(err, "^A to ^_ for a control key, or one character");
}

int hv_config_check(const char *name, const char *text, struct hv_error *err)
{
	struct hv_value value = {0};
	int index = hv_prop_index(table, name);
	if (index < 0) {
		hv_fail(err, HV_NOT_FOUND, 0, "no setting \"%s\"", name);
		return hv_hint(err, "\"config list\" lists them");
	}
	if (!text)
		return 0;
	int rc = hv_value_parse(&value, &table[index], text, err);
	hv_value_clear(&value, &table[index]);
	if (rc == 0 && strcmp(name, "escape") == 0 && hv_config_key(text, err) < 0)
		rc = -HV_USAGE;
	return rc;
}

int hv_config_write(const char *name, const char *text, struct hv_error *err)
{
	struct hv_object *values;
	int index = hv_prop_index(table, name);
	int rc = hv_config_check(name, text, err);
	if (rc < 0)
		return rc;
	rc = read_values(config.user_file, &values, err);
	if (rc == 0 && !values && !(values = hv_object_new(&config_kind)))
		rc = hv_fail(err, HV_FAILED, 0, "out of memory");
	if (rc == 0) {
		hv_value_clear(&values->values[index], &table[index]);
		if (text)
			rc = hv_value_parse(&values->values[index], &table[index], text, err);
	}
	char *yaml = rc == 0 ? hv_object_to_yaml(values) : NULL;
	if (rc == 0)
		rc = yaml ? write_file(yaml, err) : hv_fail(err, HV_FAILED, 0, "out of memory");
	free(yaml);
	hv_object_free(values);
	return rc;
}

void config_free(void)
{
	hv_object_free(config.values);
	config.values = NULL;
}
