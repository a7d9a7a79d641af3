/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the VMs of a test host are, made from their serial numbers until somebody changes them. */
#include <stdio.h>
#include <string.h>

#include "plugins/providers/test/world.h"

int64_t serial_memory(unsigned serial)
{
	static const int64_t sizes[] = {512, 1024, 2048, 4096};
	return sizes[serial % 4] << 20;
}

int serial_cpus(unsigned serial)
{
	return 1 << serial % 3;
}

static struct hv_object *make_disk(unsigned serial, unsigned i)
{
	struct hv_object *disk = hv_object_new(hv_kind_find("disk"));
	if (!disk)
		return NULL;
	char text[80];
	snprintf(text, sizeof text, "/images/vm%04u-%u.raw", serial, i);
	hv_set_string(disk, "image", text);
	hv_set_string(disk, "format", i == 2 ? "qcow2" : "raw");
	hv_set_int(disk, "read_only", i == 1);
	return disk;
}

static struct hv_object *make_nic(unsigned serial, unsigned i)
{
	struct hv_object *nic = hv_object_new(hv_kind_find("nic"));
	if (!nic)
		return NULL;
	hv_set_string(nic, "network", i == 2 ? "passt" : i == 1 ? "br1" : "br0");
	hv_set_int(nic, "queues", i == 0 ? serial_cpus(serial) : 1);
	hv_set_int(nic, "mtu", serial % 2 ? 9000 : 1500);
	hv_set_string(nic, "link", "up");
	return nic;
}

static int name_disks(struct hv_object *definition)
{
	const struct hv_list *disks = hv_get_list(definition, "disks");
	for (size_t i = 0; disks && i < disks->n; i++) {
		char name[32];
		snprintf(name, sizeof name, "scsi0.%zu.0", i);
		if (!hv_object_name(disks->objects[i]) &&
		    hv_set_string(disks->objects[i], "name", name) < 0)
			return -HV_FAILED;
	}
	return 0;
}

static int name_nics(struct hv_object *definition, unsigned serial)
{
	const struct hv_list *nics = hv_get_list(definition, "nics");
	for (size_t i = 0; nics && i < nics->n; i++) {
		char text[32];
		struct hv_object *nic = nics->objects[i];
		snprintf(text, sizeof text, "net%zu", i);
		if (!hv_object_name(nic) && hv_set_string(nic, "name", text) < 0)
			return -HV_FAILED;
		snprintf(text, sizeof text, "52:54:00:%02x:%02x:%02x", serial >> 8 & 0xff,
			 serial & 0xff, (unsigned)i & 0xff);
		if (!hv_has(nic, "mac") && hv_set_string(nic, "mac", text) < 0)
			return -HV_FAILED;
	}
	return 0;
}

int definition_complete(struct hv_object *definition, unsigned serial)
{
	char uuid[40];
	snprintf(uuid, sizeof uuid, "00000000-0000-4000-8000-%012x", serial);
	int rc = hv_has(definition, "uuid") ? 0 : hv_set_string(definition, "uuid", uuid);
	if (rc == 0)
		rc = name_disks(definition);
	return rc ? rc : name_nics(definition, serial);
}

static struct hv_object *make(const struct world *world, const struct test_vm *vm)
{
	static const char *const envs[] = {"env=prod", "env=test", "env=dev"};
	static const char *const tiers[] = {"tier=web", "tier=db", "tier=cache", "tier=queue"};
	unsigned serial = vm->serial;
	struct hv_object *d = hv_object_new(world->vm_kind);
	if (!d)
		return NULL;
	int rc = hv_set_string(d, "name", vm->name);
	rc |= hv_set_int(d, "memory", serial_memory(serial));
	rc |= hv_set_int(d, "cpus", serial_cpus(serial));
	rc |= hv_set_string(d, "kernel", "/boot/vmlinuz");
	rc |= hv_set_string(d, "cmdline", "console=ttyS0");
	rc |= hv_set_int(d, "autostart", serial % 5 == 0);
	rc |= hv_list_add_string(d, "labels", envs[serial % 3]);
	rc |= hv_list_add_string(d, "labels", tiers[serial % 4]);
	for (unsigned i = 0; i <= serial % 3; i++)
		rc |= hv_list_add_object(d, "disks", make_disk(serial, i));
	for (unsigned i = 0; i <= serial / 3 % 3; i++)
		rc |= hv_list_add_object(d, "nics", make_nic(serial, i));
	rc |= hv_object_preset(d, NULL);
	rc |= definition_complete(d, serial);
	if (rc == 0)
		return d;
	hv_object_free(d);
	return NULL;
}

struct hv_object *definition_of(const struct world *world, const struct test_vm *vm, bool *own)
{
	*own = vm->definition == NULL;
	return vm->definition ? vm->definition : make(world, vm);
}

struct hv_object *definition_keep(const struct world *world, struct test_vm *vm)
{
	if (!vm->definition)
		vm->definition = make(world, vm);
	return vm->definition;
}
