/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The launch spec: all that hvsh tells hvsh-vmm about one VM. hvsh writes it as one JSON object into a
 * memfd and starts `hvsh-vmm --spec FD`; every file the VM uses is in it as a number, the descriptor
 * being inherited. Unknown keys are ignored. spec_parse() is the only reader; the keys are the member
 * names.
 *
 *	{"version":1, "name":"web1", "uuid":"…", "kvm_fd":3, "control_fd":4, "keeper_fd":5, "dir_fd":6,
 *	 "lock_fd":7, "log_fd":8,
 *	 "memory":{"size":1073741824,"backing":"anonymous","page_size":0,"prefault":false},
 *	 "cpus":{"count":2,"sockets":1,"cores":2,"threads":1,"pin":[0,1]},
 *	 "boot":{"kernel_fd":9,"kernel_name":"vmlinuz","initrd_fd":10,"cmdline":"console=ttyS0"},
 *	 "disks":[{"id":"scsi0.0.0","controller":0,"target":0,"lun":0,"fd":11,"format":"raw",
 *	           "read_only":false,"serial":"d1"}],
 *	 "nics":[{"id":"net0","mac":"52:54:00:12:34:56","backend":"tap","fds":[12,13],"queues":2,
 *	          "mtu":1500,"link":true},
 *	         {"id":"net1","mac":"…","backend":"passt","passt":["/usr/bin/passt","--mtu","1500",…],
 *	          "queues":1,"mtu":1500}],
 *	 "paused":false, "rng":true, "balloon":true, "virtio_console":true,
 *	 "restart":{"policy":"never|on-crash|always","limit":5,"delay":1},
 *	 "sandbox":"enforce|errno|off"}
 */
#ifndef HV_VMM_SPEC_H
#define HV_VMM_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/model/error.h"
#include "engine/vmm/gmem.h"

#define SPEC_CPUS_MAX 64
#define SPEC_DISKS_MAX 255
#define SPEC_NICS_MAX 16
#define SPEC_NIC_QUEUES_MAX 16

struct spec_cpus {
	int count, sockets, cores, threads;
	int pin[SPEC_CPUS_MAX]; /* host CPU of each vCPU, -1 where free */
};

struct spec_boot {
	int kernel_fd, initrd_fd; /* -1: none */
	char *kernel_name;        /* for messages */
	char *cmdline;
};

struct spec_disk {
	char id[24];
	int controller, target, lun;
	int fd;
	char format[8];
	char serial[32];
	bool read_only;
};

enum spec_net_backend { SPEC_NET_TAP, SPEC_NET_PASST, SPEC_NET_NONE };

struct spec_nic {
	char id[24];
	uint8_t mac[6];
	enum spec_net_backend backend;
	int fds[SPEC_NIC_QUEUES_MAX]; /* tap: one a queue; passt: fds[0] is set by the keeper */
	int n_fds;
	char **passt; /* NULL-terminated arguments, without the --fd pair */
	int queues;
	int mtu;
	bool link; /* its cable is plugged in; true where not given */
};

enum spec_restart { SPEC_RESTART_NEVER, SPEC_RESTART_ON_CRASH, SPEC_RESTART_ALWAYS };
enum spec_sandbox { SPEC_SANDBOX_ENFORCE, SPEC_SANDBOX_ERRNO, SPEC_SANDBOX_OFF };

struct spec {
	char name[64];
	char uuid[37];
	int kvm_fd, control_fd, keeper_fd, dir_fd, lock_fd, log_fd;
	struct gmem_config memory;
	struct spec_cpus cpus;
	struct spec_boot boot;
	struct spec_disk *disks;
	int n_disks;
	struct spec_nic *nics;
	int n_nics;
	bool rng, balloon, virtio_console;
	bool paused; /* the first start stands still before the first instruction */
	enum spec_restart restart;
	int restart_limit, restart_delay_s;
	enum spec_sandbox sandbox;
};

/* Reads fd to its end (at most 1 MiB) and checks every value; names the key that is wrong. */
int spec_read(struct spec *spec, int fd, struct hv_error *err);
int spec_parse(struct spec *spec, const char *json, size_t len, struct hv_error *err);
void spec_fini(struct spec *spec);

#endif
