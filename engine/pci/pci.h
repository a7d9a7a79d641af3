/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A PCI root bus without bridges: configuration space by ECAM (and by ports cf8/cfc for guests that
 * probe so), memory BARs, MSI-X. Device numbers 0..31, function 0; number 0 is the host bridge.
 *
 * The bus lock serializes configuration accesses and BAR moves; it is not held in BAR accesses, except
 * those that come through a configuration register (virtio-pci's window). Under it a function's ops may
 * take locks of its device; the MSI-X lock is the innermost: under it only the wiring is called. The
 * whole order stands in engine/virtio/virtio.h.
 */
#ifndef HV_PCI_PCI_H
#define HV_PCI_PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/vmm/bus.h"
#include "engine/vmm/device.h"
#include "engine/vmm/log.h"
#include "engine/vmm/wiring.h"

#define PCI_BUS_SLOTS 32
#define PCI_CONFIG_LEN 256
#define PCI_BARS 6

struct pci_fn;

struct pci_bar {
	uint64_t len;              /* 0: not there; a power of two, at least 4096 */
	uint64_t base;             /* where it is mapped now; 0: unmapped */
	bool is_64bit;             /* takes the next slot too */
	const struct bus_ops *ops; /* called with fn->owner */
};

/* All are called with the bus lock held. */
struct pci_fn_ops {
	/* optional: after a BAR was mapped (new base) or unmapped (base 0), for doorbells */
	void (*bar_moved)(struct pci_fn *fn, int bar);
	/* optional: an access touches configuration bytes in [fn->hook_start, hook_end), which the
	 * function serves itself: it fills fn->config there before they are read, and looks at them
	 * after they were written (virtio-pci's window) */
	void (*config_reading)(struct pci_fn *fn);
	void (*config_written)(struct pci_fn *fn);
};

struct msix_vector {
	uint64_t address;
	uint32_t data;
	uint32_t control; /* bit 0: masked */
	struct wiring_msi msi;
	bool pending; /* raised while masked */
	bool live;    /* atomic: bound and not masked, so that raising needs no lock */
};

struct pci_fn {
	const struct pci_fn_ops *ops;
	void *owner;
	struct pci_bus *bus; /* NULL while unplugged */
	uint8_t slot;
	uint8_t config[PCI_CONFIG_LEN];
	uint8_t writable[PCI_CONFIG_LEN]; /* bits that the guest may write */
	struct pci_bar bars[PCI_BARS];
	unsigned hook_start, hook_end;
	uint8_t cap_tail; /* the last capability; 0: none yet */
	uint8_t cap_end;  /* where the next one goes */
	/* MSI-X; vectors is NULL without it */
	struct wiring *wiring;
	struct msix_vector *vectors; /* all of it under msix_lock, but for live */
	uint16_t n_vectors;
	uint8_t msix_cap;
	bool msix_enabled; /* atomic; follows the capability */
	bool msix_masked;  /* the function mask */
	pthread_mutex_t msix_lock;
	struct log_limit log;
};

struct pci_bus {
	const struct device_env *env;
	pthread_mutex_t lock; /* protects slots, config spaces, BAR bases, cf8 */
	struct pci_fn *slots[PCI_BUS_SLOTS];
	struct pci_fn host_bridge;
	uint64_t next_bar; /* where the next preassigned BAR goes */
	uint32_t cf8;
	/* Port cf9 lies inside cf8..cff, which are the bus's: byte writes to it end here, without a lock
	 * held. Set by the machine; may be NULL. */
	void (*reset_port)(void *ctx, uint8_t value);
	void *reset_ctx;
	struct log_limit log;
};

/* Puts ECAM on env->mmio, ports cf8..cff on env->pio, and the host bridge into slot 0. */
int pci_bus_init(struct pci_bus *bus, const struct device_env *env, struct hv_error *err);
void pci_bus_fini(struct pci_bus *bus);

/* Fills ids and class; the caller then adds BARs and capabilities, and plugs it. */
void pci_fn_init(struct pci_fn *fn, uint16_t vendor, uint16_t device, uint16_t subsystem_vendor,
		 uint16_t subsystem, uint32_t class24, uint8_t revision);
void pci_fn_fini(struct pci_fn *fn);
int pci_fn_add_bar(struct pci_fn *fn, int index, uint64_t len, bool is_64bit,
		   const struct bus_ops *ops, struct hv_error *err);
/* Returns the offset of the capability's id byte, 0 where config space is full. body excludes id/next. */
unsigned pci_fn_add_cap(struct pci_fn *fn, uint8_t id, const void *body, unsigned body_len);
/* MSI-X with its table at table_offset and PBA at pba_offset of the BAR; the BAR's ops forward those
 * ranges to pci_msix_read() and pci_msix_write(). */
int pci_fn_add_msix(struct pci_fn *fn, struct wiring *wiring, int bar, uint32_t table_offset,
		    uint32_t pba_offset, uint16_t n_vectors, struct hv_error *err);
uint64_t pci_msix_read(struct pci_fn *fn, uint64_t offset, unsigned size, bool pba);
void pci_msix_write(struct pci_fn *fn, uint64_t offset, unsigned size, uint64_t value);
/* Raises a vector from any thread; remembers it as pending while masked. */
void pci_msix_raise(struct pci_fn *fn, uint16_t vector);
bool pci_msix_is_enabled(const struct pci_fn *fn);

/* Takes the lowest free slot (slot < 0) or the one given, assigns BAR addresses. */
int pci_bus_plug(struct pci_bus *bus, struct pci_fn *fn, int slot, struct hv_error *err);
void pci_bus_unplug(struct pci_bus *bus, struct pci_fn *fn);

/* State of configuration space and MSI-X of a function, for its device's save and load; load re-maps
 * BARs and re-binds vectors. The device is paused. */
int pci_fn_save(struct pci_fn *fn, const char *id, struct state_out *out, struct hv_error *err);
int pci_fn_load(struct pci_fn *fn, const char *id, struct state_in *in, struct hv_error *err);

/* Within engine/pci, bus lock held: BARs follow what the registers say now. */
void pci_bus_map_bars(struct pci_bus *bus);
/* Within engine/pci: vectors follow the capability's enable and mask bits. */
void pci_msix_follow_config(struct pci_fn *fn);
/* Within engine/pci, bus lock held. */
uint64_t pci_config_read(struct pci_fn *fn, unsigned offset, unsigned size);
void pci_config_write(struct pci_fn *fn, unsigned offset, unsigned size, uint64_t value);
extern const struct bus_ops pci_ecam_ops, pci_port_ops;

#endif
