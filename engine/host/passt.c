/* SPDX-License-Identifier: GPL-3.0-or-later */
/* passt's arguments. What passt would refuse later, in a log, is refused here with its reason. */
#include "engine/host/passt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/host/network.h"

#define MTU_MIN 68
#define MTU_MAX 65520

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

int hv_passt_find(char *path, size_t size, struct hv_error *err)
{
	const char *named = getenv("HVSH_PASST");
	const char *dirs = getenv("PATH");

	if (named && *named) {
		if (is_program(named) && strlen(named) < size) {
			strcpy(path, named);
			return 0;
		}
		hv_fail(err, HV_NOT_FOUND, 0, "HVSH_PASST=\"%s\" is no program", named);
		return hv_hint(err, "unset it, or give passt's whole path");
	}
	for (const char *dir = dirs ? dirs : "/usr/bin"; *dir;) {
		size_t len = strcspn(dir, ":");
		if (len && (size_t)snprintf(path, size, "%.*s/passt", (int)len, dir) < size &&
		    is_program(path))
			return 0;
		dir += len + (dir[len] == ':');
	}
	hv_fail(err, HV_NOT_FOUND, 0, "passt is not installed");
	return hv_hint(err, "Debian: apt-get install passt; or give the NIC a bridge's name");
}

/* ---- port forwards ----------------------------------------------------------------------------
 */

struct range {
	unsigned first, last;
};

struct forward {
	bool udp, all;
	char spec[128]; /* as passt reads it */
	char address[INET6_ADDRSTRLEN + HV_IFNAME_MAX];
	struct range host, guest;
};

static bool parse_port(unsigned *port, const char **text)
{
	unsigned value = 0;
	const char *start = *text;

	for (; **text >= '0' && **text <= '9' && *text - start < 6; ++*text)
		value = value * 10 + (unsigned)(**text - '0');
	*port = value;
	return *text > start && value >= 1 && value <= 65535;
}

static bool parse_range(struct range *range, const char **text)
{
	if (!parse_port(&range->first, text))
		return false;
	range->last = range->first;
	if (**text != '-')
		return true;
	++*text;
	return parse_port(&range->last, text) && range->last >= range->first;
}

static bool is_address(const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* "ADDRESS/" in front of the ports; passt wants IPv6 without brackets. */
static bool parse_address(struct forward *forward, const char **text)
{
	const char *slash = strchr(*text, '/');

	if (!slash)
		return true;
	if ((size_t)(slash - *text) >= sizeof forward->address)
		return false;
	memcpy(forward->address, *text, (size_t)(slash - *text));
	forward->address[slash - *text] = '\0';
	*text = slash + 1;
	return is_address(forward->address);
}

static bool parse_forward(struct forward *forward, const char *text)
{
	*forward = (struct forward){.udp = !strncmp(text, "udp:", 4)};
	if (forward->udp || !strncmp(text, "tcp:", 4))
		text += 4;
	if (!strcmp(text, "all")) {
		forward->all = true;
		strcpy(forward->spec, "all");
		return true;
	}
	if (strlen(text) >= sizeof forward->spec)
		return false;
	strcpy(forward->spec, text);
	if (!parse_address(forward, &text) || !parse_range(&forward->host, &text))
		return false;
	forward->guest = forward->host;
	if (*text == ':') {
		text++;
		if (!parse_range(&forward->guest, &text))
			return false;
	}
	return !*text && forward->guest.last - forward->guest.first ==
				 forward->host.last - forward->host.first;
}

static bool clash(const struct forward *a, const struct forward *b)
{
	if (a->udp != b->udp)
		return false;
	if (a->all || b->all)
		return true;
	if (*a->address && *b->address && strcmp(a->address, b->address))
		return false;
	return a->host.first <= b->host.last && b->host.first <= a->host.last;
}

static int parse_forwards(struct forward *forwards, const struct hv_passt_options *options,
			  struct hv_error *err)
{
	for (size_t i = 0; i < options->n_forwards; i++) {
		if (!parse_forward(&forwards[i], options->forwards[i])) {
			hv_fail(err, HV_USAGE, 0, "\"%.60s\" is no port forward",
				options->forwards[i]);
			return hv_hint(err, "write it like tcp:8080:80, udp:53, "
					    "tcp:127.0.0.1/8000-8009:80-89 or tcp:all");
		}
		for (size_t j = 0; j < i; j++)
			if (clash(&forwards[i], &forwards[j]))
				return hv_fail(err, HV_USAGE, 0,
					       "\"%.60s\" forwards a port that \"%.60s\" has",
					       options->forwards[i], options->forwards[j]);
	}
	return 0;
}

/* ---- the list ---------------------------------------------------------------------------------
 */

struct args {
	char **list;
	size_t n, size;
	bool failed;
};

static void add(struct args *args, const char *text)
{
	char *copy = strdup(text);

	if (!copy || args->n + 1 >= args->size) {
		free(copy);
		args->failed = true;
		return;
	}
	args->list[args->n++] = copy;
}

static void add_pair(struct args *args, const char *option, const char *value)
{
	if (!value)
		return;
	add(args, option);
	add(args, value);
}

static int check_options(const struct hv_passt_options *options, struct hv_error *err)
{
	const char *addresses[] = {options->address, options->gateway};

	if (options->mtu && (options->mtu < MTU_MIN || options->mtu > MTU_MAX))
		return hv_fail(err, HV_USAGE, 0, "passt takes an MTU of %d to %d, not %d", MTU_MIN,
			       MTU_MAX, options->mtu);
	if (options->n_forwards > HV_PASST_FORWARDS_MAX)
		return hv_fail(err, HV_USAGE, 0, "%zu port forwards, and %d are possible",
			       options->n_forwards, HV_PASST_FORWARDS_MAX);
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
		if (addresses[i] && !is_address(addresses[i]))
			return hv_fail(err, HV_USAGE, 0, "\"%.60s\" is no IP address",
				       addresses[i]);
	return 0;
}

static void fill(struct args *args, const char *path, const struct hv_passt_options *options,
		 const struct forward *forwards)
{
	char mtu[12];

	snprintf(mtu, sizeof mtu, "%d", options->mtu);
	add(args, path);
	add(args, "--quiet");
	add_pair(args, "--mtu", mtu);
	add_pair(args, "--address", options->address);
	add_pair(args, "--gateway", options->gateway);
	add_pair(args, "--interface", options->interface);
	for (size_t i = 0; i < options->n_forwards; i++)
		add_pair(args, forwards[i].udp ? "--udp-ports" : "--tcp-ports", forwards[i].spec);
}

int hv_passt_args(char ***argv, const struct hv_passt_options *options, struct hv_error *err)
{
	char path[PATH_MAX];
	int rc = check_options(options, err);

	if (rc)
		return rc;
	struct forward *forwards = calloc(options->n_forwards + 1, sizeof *forwards);
	struct args args = {.size = 16 + 2 * options->n_forwards};
	args.list = calloc(args.size, sizeof *args.list);
	if (!forwards || !args.list) {
		free(forwards);
		free(args.list);
		return hv_fail(err, HV_FAILED, ENOMEM, "cannot set up passt");
	}
	rc = parse_forwards(forwards, options, err);
	if (!rc)
		rc = hv_passt_find(path, sizeof path, err);
	if (!rc) {
		fill(&args, path, options, forwards);
		if (args.failed)
			rc = hv_fail(err, HV_FAILED, ENOMEM, "cannot set up passt");
	}
	free(forwards);
	if (rc)
		hv_passt_args_free(args.list);
	else
		*argv = args.list;
	return rc;
}

void hv_passt_args_free(char **argv)
{
	for (size_t i = 0; argv && argv[i]; i++)
		free(argv[i]);
	free(argv);
}
