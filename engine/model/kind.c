/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Look-up in the tables of kinds; owns the list of kinds that plugins added. */
#include "engine/model/kind.h"

#include <stdlib.h>
#include <string.h>

#include "engine/model/kinds/kinds.h"

static const struct hv_kind *const own_kinds[] = {
	&kind_host,   &kind_check,   &kind_vm,       &kind_cpu, &kind_memory,
	&kind_disk,   &kind_nic,     &kind_queue,    &kind_job, &kind_event,
	&kind_plugin, &kind_command, &kind_property,
};

#define N_OWN (sizeof own_kinds / sizeof *own_kinds)

/* Grows while plugins load, before any other thread runs; constant afterwards. */
static const struct hv_kind **added;
static size_t n_added;

int hv_kind_add(const struct hv_kind *kind, struct hv_error *err)
{
	if (!kind->name || !kind->plural || !kind->help || !kind->props || !kind->props[0].name)
		return hv_fail(err, HV_USAGE, 0, "kind \"%s\" lacks a name, help or properties",
			       kind->name ? kind->name : "?");
	if (hv_kind_find(kind->name) || hv_kind_find(kind->plural))
		return hv_fail(err, HV_CONFLICT, 0, "kind \"%s\" is there already", kind->name);
	const struct hv_kind **grown = realloc(added, (n_added + 1) * sizeof *grown);
	if (!grown)
		return hv_fail(err, HV_FAILED, 0, "no memory for kind \"%s\"", kind->name);
	added = grown;
	added[n_added++] = kind;
	return 0;
}

void hv_kind_remove(const struct hv_kind *kind)
{
	for (size_t i = 0; i < n_added; i++) {
		if (added[i] != kind)
			continue;
		memmove(added + i, added + i + 1, (--n_added - i) * sizeof *added);
		break;
	}
	if (n_added == 0) {
		free(added);
		added = NULL;
	}
}

size_t hv_kind_count(void)
{
	return N_OWN + n_added;
}

const struct hv_kind *hv_kind_at(size_t index)
{
	if (index < N_OWN)
		return own_kinds[index];
	return index < N_OWN + n_added ? added[index - N_OWN] : NULL;
}

const struct hv_kind *hv_kind_find(const char *name)
{
	const struct hv_kind *kind;
	for (size_t i = 0; (kind = hv_kind_at(i)); i++) {
		if (strcmp(kind->name, name) == 0 || strcmp(kind->plural, name) == 0)
			return kind;
	}
	return NULL;
}

/* Equal but for '-' and '_'; len of word. */
static bool same_name(const char *name, const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = word[i] == '-' ? '_' : word[i];
		if (name[i] != c)
			return false;
	}
	return true;
}

int hv_prop_index(const struct hv_prop *table, const char *name)
{
	size_t len = strlen(name);
	int singular = -1;
	for (int i = 0; table && table[i].type != HV_END; i++) {
		const char *own = table[i].name;
		if (own[0] != name[0] || !same_name(own, name, len))
			continue;
		if (own[len] == '\0')
			return i;
		if (table[i].type == HV_LIST && strcmp(own + len, "s") == 0)
			singular = i;
	}
	return singular;
}

const struct hv_prop *hv_prop_find(const struct hv_prop *table, const char *name)
{
	int index = hv_prop_index(table, name);
	return index < 0 ? NULL : &table[index];
}

size_t hv_prop_count(const struct hv_prop *table)
{
	size_t n = 0;
	while (table && table[n].type != HV_END)
		n++;
	return n;
}

const char *hv_type_name(enum hv_type type)
{
	static const char *const names[] = {
		[HV_END] = "none",        [HV_STRING] = "string",     [HV_INT] = "integer",
		[HV_SIZE] = "size",       [HV_DURATION] = "duration", [HV_RATE] = "rate",
		[HV_PERCENT] = "percent", [HV_BOOL] = "bool",         [HV_ENUM] = "enum",
		[HV_TIME] = "time",       [HV_REF] = "reference",     [HV_LIST] = "list",
	};
	return (size_t)type < sizeof names / sizeof *names ? names[type] : "unknown";
}

const struct hv_method *hv_method_find(const struct hv_kind *kind, const char *name)
{
	for (const struct hv_method *m = kind->methods; m && m->name; m++) {
		if (strcmp(m->name, name) == 0)
			return m;
	}
	return NULL;
}

#define WORD_MAX 48

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edit distance where two swapped letters count as one; words up to WORD_MAX. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t cost = a[i - 1] != b[j - 1];
			row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		size_t *spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b_len];
}

const char *hv_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word);
	if (len < 2 || len > WORD_MAX)
		return NULL;
	size_t best = len < 6 ? 1 : len / 3;
	const char *found = NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = candidates[i] ? strlen(candidates[i]) : 0;
		if (other == 0 || other > WORD_MAX || other > len + best || len > other + best)
			continue;
		size_t d = distance(word, len, candidates[i], other);
		if (d < best || (d == best && !found)) {
			best = d;
			found = candidates[i];
		}
	}
	return found;
}
