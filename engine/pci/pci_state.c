/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Save and load of a function: its configuration space and its MSI-X table. From a saved space only the
 * bits that a guest may write are taken; all others must be what this function has.
 */
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

#include "engine/pci/pci.h"
#include "engine/vmm/state.h"

struct saved_config {
	uint8_t bytes[PCI_CONFIG_LEN];
};

static const struct state_field config_fields[] = {
	STATE_ARRAY(struct saved_config, bytes, 1),
	STATE_END,
};
static const struct state_section config_section = {"pci", 1, 1, config_fields, NULL};

static const struct state_field vector_fields[] = {
	STATE(struct msix_vector, address, 1),
	STATE(struct msix_vector, data, 1),
	STATE(struct msix_vector, control, 1),
	STATE(struct msix_vector, pending, 1),
	STATE_END,
};

static int check_vector(void *object, struct hv_error *err)
{
	const struct msix_vector *vector = object;
	if (vector->control & ~(uint32_t)PCI_MSIX_ENTRY_CTRL_MASKBIT || vector->address & 3)
		return hv_fail(err, HV_FAILED, 0,
			       "an MSI-X vector was saved in an impossible state");
	return 0;
}

static const struct state_section vector_section = {"msix", 1, 1, vector_fields, check_vector};

static void vector_id(const char *id, unsigned vector, char to[40])
{
	snprintf(to, 40, "%s.v%u", id, vector);
}

int pci_fn_save(struct pci_fn *fn, const char *id, struct state_out *out, struct hv_error *err)
{
	struct saved_config saved;
	pthread_mutex_lock(&fn->bus->lock);
	memcpy(saved.bytes, fn->config, sizeof saved.bytes);
	pthread_mutex_unlock(&fn->bus->lock);
	int ret = state_save(out, &config_section, id, &saved, err);
	pthread_mutex_lock(&fn->msix_lock);
	for (unsigned i = 0; i < fn->n_vectors && ret == 0; i++) {
		char vid[40];
		vector_id(id, i, vid);
		ret = state_save(out, &vector_section, vid, &fn->vectors[i], err);
	}
	pthread_mutex_unlock(&fn->msix_lock);
	return ret;
}

static int take_config(struct pci_fn *fn, const char *id, const struct saved_config *saved,
		       struct hv_error *err)
{
	for (unsigned i = 0; i < PCI_CONFIG_LEN; i++) {
		bool hooked = i >= fn->hook_start && i < fn->hook_end;
		if (!hooked && (saved->bytes[i] ^ fn->config[i]) & ~fn->writable[i])
			return hv_fail(err, HV_FAILED, 0,
				       "'%s' was saved as another PCI device: byte %#x differs", id,
				       i);
	}
	for (unsigned i = 0; i < PCI_CONFIG_LEN; i++)
		fn->config[i] = (fn->config[i] & (uint8_t)~fn->writable[i]) |
				(saved->bytes[i] & fn->writable[i]);
	return 0;
}

static int load_vectors(struct pci_fn *fn, const char *id, struct state_in *in,
			struct hv_error *err)
{
	int ret = 0;
	pthread_mutex_lock(&fn->msix_lock);
	for (unsigned i = 0; i < fn->n_vectors && ret == 0; i++) {
		char vid[40];
		vector_id(id, i, vid);
		ret = state_load(in, &vector_section, vid, &fn->vectors[i], err);
	}
	pthread_mutex_unlock(&fn->msix_lock);
	return ret;
}

int pci_fn_load(struct pci_fn *fn, const char *id, struct state_in *in, struct hv_error *err)
{
	struct saved_config saved;
	int ret = state_load(in, &config_section, id, &saved, err);
	if (ret)
		return ret;
	/* the vectors first: they are bound as soon as the capability says enabled */
	ret = load_vectors(fn, id, in, err);
	if (ret)
		return ret;
	pthread_mutex_lock(&fn->bus->lock);
	ret = take_config(fn, id, &saved, err);
	if (ret == 0) {
		pci_bus_map_bars(fn->bus);
		if (fn->msix_cap)
			pci_msix_follow_config(fn);
	}
	pthread_mutex_unlock(&fn->bus->lock);
	return ret;
}
