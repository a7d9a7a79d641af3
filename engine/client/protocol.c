/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The control protocol's one table: every method and event of child and keeper (design, 8). */
#include "engine/client/protocol.h"

#include <string.h>

#define FIELDS(...)                                                                                \
	(const struct protocol_field[])                                                            \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			NULL, NULL, NULL, 0                                                        \
		}                                                                                  \
	}
#define OPTIONAL 1

static const struct protocol_field state_result[] = {
	{"state", "string", "running, paused or stopping", 0},
	{NULL, NULL, NULL, 0},
};

const struct protocol_method protocol_methods[] = {
	{PROTOCOL_CHILD, "info", "What this process is.", NULL,
	 FIELDS({"name", "string", "the VM's name", 0}, {"uuid", "string", "the VM's UUID", 0},
		{"version", "string", "version of hvsh-vmm", 0},
		{"pid", "integer", "process of the child", 0},
		{"cpus", "integer", "number of vCPUs", 0},
		{"memory", "size", "guest memory in bytes", 0},
		{"uptime", "number", "seconds since the guest's first instruction", 0})},
	{PROTOCOL_CHILD, "state", "What the VM does now.", NULL, state_result},
	{PROTOCOL_CHILD, "pause", "Stop all vCPUs; returns when none runs. Harmless when paused.",
	 NULL, state_result},
	{PROTOCOL_CHILD, "resume", "Let the vCPUs run on. Harmless when running.", NULL,
	 state_result},
	{PROTOCOL_CHILD, "power-button",
	 "Press the ACPI power button; what the guest makes of it shows by the process ending.",
	 NULL, state_result},
	{PROTOCOL_CHILD, "reset",
	 "Start the guest afresh, as its reset button would: a new child, the same descriptors.",
	 NULL, NULL},
	{PROTOCOL_CHILD, "quit", "End the VM at once as if it had powered off; nothing is flushed.",
	 NULL, NULL},
	{PROTOCOL_CHILD, "stats", "Counters of the VM, its vCPUs and its memory.", NULL,
	 FIELDS({"vm", "object", "KVM's counters of the VM by name", 0},
		{"vcpus", "array", "one object of counters a vCPU, in order", 0})},
	{PROTOCOL_CHILD, "disks", "Counters of every disk.", NULL,
	 FIELDS({"disks", "array",
		 "objects with id, reads, writes, read_bytes, written_bytes, flushes, errors", 0})},
	{PROTOCOL_CHILD, "queues", "Counters of every NIC's queue pairs.", NULL,
	 FIELDS({"queues", "array",
		 "objects with nic, index, active, rx_ and tx_packets, _bytes, _dropped", 0})},
	{PROTOCOL_CHILD, "balloon", "The balloon: its size, and a new target where one is given.",
	 FIELDS({"target", "size", "bytes to be taken from the guest", OPTIONAL}),
	 FIELDS({"target", "size", "bytes asked for", 0},
		{"actual", "size", "bytes that the guest gave", 0},
		{"free_reported", "size", "bytes of free pages that the guest reported, ever", 0},
		{"guest", "object", "what the guest last told of its memory: free, total, …", 0},
		{"guest_age_ms", "integer", "how long ago it told", OPTIONAL})},
	{PROTOCOL_CHILD, "events", "Send events on this connection from now on.", NULL, NULL},

	{PROTOCOL_KEEPER, "status", "The content of the status file, fresh.", NULL,
	 FIELDS({"status", "object", "state, processes, restarts, how the last child ended", 0})},
	{PROTOCOL_KEEPER, "kill", "Kill the child; replies when it is dead and its end recorded.",
	 NULL, NULL},
	{PROTOCOL_KEEPER, "console",
	 "Attach to a console: the reply brings a socket that carries its bytes both ways. Closing "
	 "it "
	 "detaches.",
	 FIELDS({"console", "string", "serial0 or virtio0", 0},
		{"mode", "string", "watch, write (the keyboard if it is free), or take", OPTIONAL},
		{"scrollback", "size", "bytes of the past to send first", OPTIONAL}),
	 FIELDS({"writer", "bool", "whether the keyboard is this connection's", 0})},
	{PROTOCOL_KEEPER, "events", "Send events on this connection from now on.", NULL, NULL},
	{PROTOCOL_CHILD, NULL, NULL, NULL, NULL},
};

const struct protocol_method protocol_events[] = {
	{PROTOCOL_CHILD, "state", "The VM came into another state.", NULL, state_result},
	{PROTOCOL_KEEPER, "state", "The VM came into another state.", NULL,
	 FIELDS({"state", "string", "starting running paused stopping crashed stopped", 0},
		{"kind", "string", "for crashed and stopped: how it ended", OPTIONAL},
		{"message", "string", "for crashed and stopped: why", OPTIONAL})},
	{PROTOCOL_KEEPER, "console",
	 "The keyboard of a console that this connection attached to changed hands; sent unasked.",
	 NULL,
	 FIELDS({"console", "string", "which console", 0},
		{"writer", "bool", "whether the keyboard is this connection's now", 0})},
	{PROTOCOL_CHILD, NULL, NULL, NULL, NULL},
};

const struct protocol_method *protocol_find(enum protocol_server server, const char *name)
{
	for (const struct protocol_method *m = protocol_methods; m->name; m++) {
		if (m->server == server && strcmp(m->name, name) == 0)
			return m;
	}
	return NULL;
}

const struct protocol_method *hv_protocol_methods(void)
{
	return protocol_methods;
}

const struct protocol_method *hv_protocol_events(void)
{
	return protocol_events;
}
