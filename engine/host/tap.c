/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opening taps and macvtaps. Interfaces are changed by ioctl(): the few settings needed here have
 * one each, and hvsh then loads no netlink library at its start.
 */
#include "engine/host/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TUN_PATH "/dev/net/tun"

static enum hv_code code_of(int sys)
{
	switch (sys) {
	case EPERM:
	case EACCES:
		return HV_DENIED;
	case ENODEV:
	case ENOENT:
	case ENXIO:
		return HV_NOT_FOUND;
	default:
		return HV_FAILED;
	}
}

static int hint_rights(struct hv_error *err)
{
	if (err && err->code == HV_DENIED)
		hv_hint(err, "use network=passt, which needs no rights, or run hvsh with "
			     "CAP_NET_ADMIN (root, or setcap cap_net_admin+ep on it)");
	return err ? -(int)err->code : -HV_FAILED;
}

static struct ifreq request(const char *ifname)
{
	struct ifreq ifr = {.ifr_flags = 0};

	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", ifname);
	return ifr;
}

static int control_socket(struct hv_error *err)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	/* a kernel without IPv4 has these too */
	if (fd < 0)
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? hv_fail(err, HV_FAILED, errno, "cannot reach the network devices") : fd;
}

static int check_queues(int queues, struct hv_error *err)
{
	if (queues >= 1 && queues <= HV_TAP_QUEUES_MAX)
		return 0;
	return hv_fail(err, HV_USAGE, 0, "a NIC has 1 to %d queues, not %d", HV_TAP_QUEUES_MAX,
		       queues);
}

/* ---- settings of an interface -----------------------------------------------------------------
 */

static int set_mtu(int control, const char *ifname, int mtu, struct hv_error *err)
{
	struct ifreq ifr = request(ifname);

	ifr.ifr_mtu = mtu;
	if (ioctl(control, SIOCSIFMTU, &ifr)) {
		hv_fail(err, code_of(errno), errno, "cannot set the MTU of \"%s\" to %d", ifname,
			mtu);
		return hint_rights(err);
	}
	return 0;
}

static int bring_up(int control, const char *ifname, struct hv_error *err)
{
	struct ifreq ifr = request(ifname);

	if (ioctl(control, SIOCGIFFLAGS, &ifr))
		return hv_fail(err, code_of(errno), errno, "cannot look at \"%s\"", ifname);
	if (ifr.ifr_flags & IFF_UP)
		return 0;
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(control, SIOCSIFFLAGS, &ifr)) {
		hv_fail(err, code_of(errno), errno, "cannot bring up \"%s\"", ifname);
		return hint_rights(err);
	}
	return 0;
}

static int join_bridge(int control, const char *bridge, const char *ifname, struct hv_error *err)
{
	struct ifreq ifr = request(ifname);

	if (ioctl(control, SIOCGIFINDEX, &ifr))
		return hv_fail(err, HV_FAILED, errno, "cannot look at \"%s\"", ifname);
	int index = ifr.ifr_ifindex;
	ifr = request(bridge);
	ifr.ifr_ifindex = index;
	if (!ioctl(control, SIOCBRADDIF, &ifr))
		return 0;
	if (errno == ENODEV) {
		hv_fail(err, HV_NOT_FOUND, 0, "there is no bridge \"%s\"", bridge);
		return hv_hint(err, "make it: ip link add %s type bridge && ip link set %s up",
			       bridge, bridge);
	}
	if (errno == EOPNOTSUPP || errno == EINVAL) {
		hv_fail(err, HV_USAGE, 0, "\"%s\" is no bridge", bridge);
		return hv_hint(err, "`ip link show type bridge` lists bridges; macvtap:NAME is for "
				    "macvtaps");
	}
	hv_fail(err, code_of(errno), errno, "cannot put \"%s\" on bridge \"%s\"", ifname, bridge);
	return hint_rights(err);
}

/* ---- taps -------------------------------------------------------------------------------------
 */

static int open_tun(struct hv_error *err)
{
	int fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	hv_fail(err, code_of(errno), errno, "cannot open " TUN_PATH);
	if (err && err->code == HV_NOT_FOUND)
		return hv_hint(err, "load the module (modprobe tun), or use network=passt");
	return hint_rights(err);
}

/* The first queue makes the device and learns its name, the others join it. */
static int add_tap_queue(struct hv_tap *tap, bool multi_queue, struct hv_error *err)
{
	struct ifreq ifr = request(tap->n_fds ? tap->ifname : "hvtap%d");
	int fd = open_tun(err);

	if (fd < 0)
		return fd;
	ifr.ifr_flags =
		(short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multi_queue ? IFF_MULTI_QUEUE : 0));
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		hv_fail(err, code_of(errno), errno, "cannot make a tap");
		hint_rights(err);
		close(fd);
		return err ? -(int)err->code : -HV_FAILED;
	}
	snprintf(tap->ifname, sizeof tap->ifname, "%s", ifr.ifr_name);
	tap->fds[tap->n_fds++] = fd;
	return 0;
}

static int set_up_tap(struct hv_tap *tap, const char *bridge, int mtu, struct hv_error *err)
{
	int control = control_socket(err);
	int rc = control < 0 ? control : set_mtu(control, tap->ifname, mtu, err);

	if (!rc && bridge)
		rc = join_bridge(control, bridge, tap->ifname, err);
	if (!rc)
		rc = bring_up(control, tap->ifname, err);
	if (control >= 0)
		close(control);
	return rc;
}

int hv_tap_open(struct hv_tap *tap, const char *bridge, int queues, int mtu, struct hv_error *err)
{
	struct hv_error mine;
	int rc = check_queues(queues, err);

	if (!err)
		err = &mine;
	*tap = (struct hv_tap){.n_fds = 0};
	for (int i = 0; i < queues && !rc; i++)
		rc = add_tap_queue(tap, queues > 1, err);
	if (!rc)
		rc = set_up_tap(tap, bridge, mtu, err);
	if (rc)
		hv_tap_close(tap);
	return rc;
}

/* ---- macvtaps ---------------------------------------------------------------------------------
 */

static int match_mac(int control, const char *ifname, const uint8_t mac[6], struct hv_error *err)
{
	struct ifreq ifr = request(ifname);
	char text[HV_MAC_TEXT_LEN];

	if (ioctl(control, SIOCGIFHWADDR, &ifr))
		return hv_fail(err, code_of(errno), errno, "cannot look at \"%s\"", ifname);
	if (!memcmp(ifr.ifr_hwaddr.sa_data, mac, 6))
		return 0;
	hv_mac_format(text, (const uint8_t *)ifr.ifr_hwaddr.sa_data);
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	if (!ioctl(control, SIOCSIFHWADDR, &ifr))
		return 0;
	hv_fail(err, code_of(errno), errno, "cannot change the hardware address of \"%s\"", ifname);
	return hv_hint(err, "a macvtap passes only its own: give the NIC mac=%s", text);
}

static int raise_mtu(int control, const char *ifname, int mtu, struct hv_error *err)
{
	struct ifreq ifr = request(ifname);

	if (ioctl(control, SIOCGIFMTU, &ifr))
		return hv_fail(err, code_of(errno), errno, "cannot look at \"%s\"", ifname);
	return ifr.ifr_mtu >= mtu ? 0 : set_mtu(control, ifname, mtu, err);
}

static int find_macvtap(int control, const char *ifname, struct hv_error *err)
{
	struct ifreq ifr = request(ifname);

	if (!ioctl(control, SIOCGIFINDEX, &ifr))
		return ifr.ifr_ifindex;
	hv_fail(err, HV_NOT_FOUND, 0, "there is no interface \"%s\"", ifname);
	return hv_hint(err, "make it: ip link add link eth0 name %s type macvtap mode bridge",
		       ifname);
}

static int add_macvtap_queue(struct hv_tap *tap, int index, bool multi_queue, struct hv_error *err)
{
	struct ifreq ifr = request(tap->ifname);
	char path[32];

	snprintf(path, sizeof path, "/dev/tap%d", index);
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV)) {
		hv_fail(err, HV_NOT_FOUND, errno, "\"%s\" has no %s", tap->ifname, path);
		return hv_hint(err, "is it a macvtap? `ip link show type macvtap` lists them");
	}
	if (fd < 0) {
		hv_fail(err, code_of(errno), errno, "cannot open %s of \"%s\"", path, tap->ifname);
		return hv_hint(err,
			       "let your group have it (chgrp, chmod g+rw %s), "
			       "or use network=passt",
			       path);
	}
	ifr.ifr_flags =
		(short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multi_queue ? IFF_MULTI_QUEUE : 0));
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		hv_fail(err, code_of(errno), errno, "cannot set up %s of \"%s\"", path,
			tap->ifname);
		close(fd);
		return err ? -(int)err->code : -HV_FAILED;
	}
	tap->fds[tap->n_fds++] = fd;
	return 0;
}

int hv_macvtap_open(struct hv_tap *tap, const char *ifname, const uint8_t mac[6], int queues,
		    int mtu, struct hv_error *err)
{
	int rc = check_queues(queues, err);
	int control = rc ? -1 : control_socket(err);

	*tap = (struct hv_tap){.n_fds = 0};
	snprintf(tap->ifname, sizeof tap->ifname, "%s", ifname);
	if (control < 0)
		return rc ? rc : control;
	int index = find_macvtap(control, ifname, err);
	if (index < 0)
		rc = index;
	for (int i = 0; i < queues && !rc; i++)
		rc = add_macvtap_queue(tap, index, queues > 1, err);
	if (!rc)
		rc = match_mac(control, ifname, mac, err);
	if (!rc)
		rc = raise_mtu(control, ifname, mtu, err);
	if (!rc)
		rc = bring_up(control, ifname, err);
	close(control);
	if (rc)
		hv_tap_close(tap);
	return rc;
}

void hv_tap_close(struct hv_tap *tap)
{
	while (tap->n_fds > 0)
		close(tap->fds[--tap->n_fds]);
}
