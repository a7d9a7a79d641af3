/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tap backend: one descriptor a queue pair, the kernel's own virtio_net_hdr in front of each
 * frame, so that offloads pass through untouched. Frames go straight between the kernel and guest
 * memory. Owns the descriptors. linux/Documentation/networking/tuntap.rst.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/net/net.h"
#include "engine/virtio/vq.h"

/* Linux 6.2 and later; not in the headers of Debian 12. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/*
 * When the guest has little room left, a frame is read into this buffer, and waits there until
 * there is enough. The pages are touched only then.
 */
struct tap_queue {
	uint8_t *buffer;
	size_t waiting; /* bytes of the frame in buffer, 0 for none */
};

struct tap {
	struct net_backend be;
	struct tap_queue queues[NET_PAIRS_MAX];
	int attached; /* queues that the kernel spreads frames over */
};

/* One more than fits any frame, so that a longer one shows. */
#define BUFFER_LEN (NET_FRAME_MAX + 1)

static struct tap *tap_of(struct net_backend *be)
{
	return (struct tap *)be;
}

static unsigned tun_flags(unsigned offloads)
{
	unsigned flags = 0;

	/* without checksums the kernel refuses the others */
	if (!(offloads & NET_OFFLOAD_CSUM))
		return 0;
	flags |= TUN_F_CSUM;
	if (offloads & NET_OFFLOAD_TSO4)
		flags |= TUN_F_TSO4;
	if (offloads & NET_OFFLOAD_TSO6)
		flags |= TUN_F_TSO6;
	if (offloads & NET_OFFLOAD_ECN && flags & (TUN_F_TSO4 | TUN_F_TSO6))
		flags |= TUN_F_TSO_ECN;
	if (offloads & NET_OFFLOAD_USO)
		flags |= TUN_F_USO4 | TUN_F_USO6;
	return flags;
}

static int tap_set_offloads(struct net_backend *be, unsigned offloads, struct hv_error *err)
{
	unsigned flags = tun_flags(offloads & be->offloads);

	if (ioctl(be->fds[0], TUNSETOFFLOAD, (unsigned long)flags))
		return hv_fail(err, HV_FAILED, errno, "cannot set the tap's offloads to 0x%x",
			       flags);
	return 0;
}

static int tap_set_pairs(struct net_backend *be, int n, struct hv_error *err)
{
	struct tap *tap = tap_of(be);

	while (tap->attached != n) {
		bool attach = tap->attached < n;
		int i = attach ? tap->attached : tap->attached - 1;
		struct ifreq ifr = {.ifr_flags = attach ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};

		if (ioctl(be->fds[i], TUNSETQUEUE, &ifr))
			return hv_fail(err, HV_FAILED, errno, "cannot %s queue %d of the tap",
				       attach ? "attach" : "detach", i);
		tap->attached += attach ? 1 : -1;
	}
	return 0;
}

static ssize_t tap_errno(void)
{
	switch (errno) {
	case EAGAIN:
	case EINTR:
		return -EAGAIN;
	case EBADFD: /* the device was deleted, or the queue detached */
	case ENODEV:
		return -EPIPE;
	default:
		return -errno;
	}
}

static ssize_t tap_give(struct tap_queue *queue, const struct iovec *iov, int n_iov, size_t len,
			size_t *need)
{
	size_t frame_len = queue->waiting;

	if (frame_len > len) {
		*need = frame_len;
		return -EMSGSIZE;
	}
	iov_copy_in(iov, n_iov, 0, queue->buffer, frame_len);
	queue->waiting = 0;
	return (ssize_t)frame_len;
}

static ssize_t tap_readv(struct net_backend *be, int pair, struct iovec *iov, int n_iov, size_t len,
			 size_t *need)
{
	struct tap_queue *queue = &tap_of(be)->queues[pair];
	ssize_t n;

	if (queue->waiting)
		return tap_give(queue, iov, n_iov, len, need);
	if (len < be->rx_len) {
		n = read(be->fds[pair], queue->buffer, BUFFER_LEN);
		if (n < 0)
			return tap_errno();
		if (n == BUFFER_LEN)
			return 0;
		queue->waiting = (size_t)n;
		return tap_give(queue, iov, n_iov, len, need);
	}
	/* the kernel cuts a frame without saying so: only what overflows into the buffer tells */
	iov[n_iov] = (struct iovec){queue->buffer, 64};
	n = readv(be->fds[pair], iov, n_iov + 1);
	if (n < 0)
		return tap_errno();
	return (size_t)n > len ? 0 : n; /* 0 is too short for a frame: the caller drops it */
}

static ssize_t tap_drop(struct net_backend *be, int pair)
{
	struct tap_queue *queue = &tap_of(be)->queues[pair];
	ssize_t n = (ssize_t)queue->waiting;

	if (n == 0)
		n = read(be->fds[pair], queue->buffer, NET_HDR_LEN + NET_ETH_LEN);
	queue->waiting = 0;
	return n < 0 ? tap_errno() : n;
}

static int tap_writev(struct net_backend *be, int pair, const struct iovec *iov, int n_iov,
		      size_t len)
{
	(void)len;
	return writev(be->fds[pair], iov, n_iov) < 0 ? (int)tap_errno() : 0;
}

static void tap_free(struct net_backend *be)
{
	struct tap *tap = tap_of(be);

	for (int i = 0; i < be->n_pairs; i++) {
		if (tap->queues[i].buffer)
			munmap(tap->queues[i].buffer, BUFFER_LEN);
		if (be->fds[i] >= 0)
			close(be->fds[i]);
	}
	free(tap);
}

static const struct net_backend_ops tap_ops = {
	.set_offloads = tap_set_offloads,
	.set_pairs = tap_set_pairs,
	.readv = tap_readv,
	.drop = tap_drop,
	.writev = tap_writev,
	.free = tap_free,
};

static int tap_set_up_queue(int fd, bool multi_queue, struct hv_error *err)
{
	struct ifreq ifr = {0};
	int hdr_len = NET_HDR_LEN;
	int flags = fcntl(fd, F_GETFL);

	if (ioctl(fd, TUNGETIFF, &ifr))
		return hv_fail(err, HV_USAGE, errno, "descriptor %d is not a tap queue", fd);
	unsigned got = (unsigned short)ifr.ifr_flags;
	if (!(got & IFF_TAP) || !(got & IFF_VNET_HDR) || !(got & IFF_NO_PI))
		return hv_fail(err, HV_USAGE, 0,
			       "tap \"%.16s\" has flags 0x%x, not tap, vnet_hdr and no_pi",
			       ifr.ifr_name, got);
	if (multi_queue && !(got & IFF_MULTI_QUEUE))
		return hv_fail(err, HV_USAGE, 0, "tap \"%.16s\" is not multi-queue", ifr.ifr_name);
	if (ioctl(fd, TUNSETVNETHDRSZ, &hdr_len))
		return hv_fail(err, HV_FAILED, errno,
			       "cannot set the header length of tap \"%.16s\"", ifr.ifr_name);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return hv_fail(err, HV_FAILED, errno, "cannot make tap \"%.16s\" non-blocking",
			       ifr.ifr_name);
	return 0;
}

/* Asks the kernel by trying, best first. */
static unsigned tap_probe_offloads(int fd)
{
	static const unsigned sets[] = {
		NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN |
			NET_OFFLOAD_USO,
		NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN,
		NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6,
		NET_OFFLOAD_CSUM,
	};
	unsigned found = 0;

	for (size_t i = 0; i < sizeof sets / sizeof *sets && !found; i++)
		if (!ioctl(fd, TUNSETOFFLOAD, (unsigned long)tun_flags(sets[i])))
			found = sets[i];
	ioctl(fd, TUNSETOFFLOAD, 0UL);
	return found;
}

int net_tap_new(struct net_backend **out, const int *fds, int n, struct hv_error *err)
{
	if (n < 1 || n > NET_PAIRS_MAX)
		return hv_fail(err, HV_USAGE, 0, "a tap has 1 to %d queues, not %d", NET_PAIRS_MAX,
			       n);
	for (int i = 0; i < n; i++) {
		int rc = tap_set_up_queue(fds[i], n > 1, err);
		if (rc)
			return rc;
	}
	struct tap *tap = calloc(1, sizeof *tap);
	if (!tap)
		return hv_fail(err, HV_FAILED, ENOMEM, "cannot set up a tap");
	tap->be = (struct net_backend){
		.ops = &tap_ops,
		.n_pairs = n,
		.rx_pairs = n,
		.offloads = tap_probe_offloads(fds[0]),
		.rx_len = NET_FRAME_MAX,
	};
	for (int i = 0; i < NET_PAIRS_MAX; i++)
		tap->be.fds[i] = -1;
	for (int i = 0; i < n; i++) {
		void *buffer = mmap(NULL, BUFFER_LEN, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (buffer == MAP_FAILED) {
			hv_fail(err, HV_FAILED, errno, "cannot set up queue %d of a tap", i);
			tap_free(&tap->be);
			return -HV_FAILED;
		}
		tap->queues[i].buffer = buffer;
	}
	/* who had the tap before us may have left queues detached; attaching twice is refused,
	 * harmlessly */
	struct ifreq attach = {.ifr_flags = IFF_ATTACH_QUEUE};
	for (int i = 1; i < n; i++)
		ioctl(fds[i], TUNSETQUEUE, &attach);
	tap->attached = n;
	memcpy(tap->be.fds, fds, (size_t)n * sizeof *fds);
	*out = &tap->be;
	return 0;
}
