/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The host's side of networks: names, addresses, passt's arguments; taps in a namespace of their
 * own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/host/network.h"
#include "engine/host/passt.h"
#include "engine/host/tap.h"
#include "engine/net/net.h"

/* ---- names and addresses -------------------------------------------------------------------- */

static void network_names_its_kind(void **state)
{
	static const struct {
		const char *text;
		enum hv_network_type type;
		const char *ifname;
	} good[] = {
		{"br0", HV_NETWORK_BRIDGE, "br0"},
		{"bridge:passt", HV_NETWORK_BRIDGE, "passt"},
		{"macvtap:mv0", HV_NETWORK_MACVTAP, "mv0"},
		{"passt", HV_NETWORK_PASST, ""},
		{"none", HV_NETWORK_NONE, ""},
		{"br0.100", HV_NETWORK_BRIDGE, "br0.100"},
	};
	static const char *const bad[] = {
		"", "sixteen_letters_", "br 0", "br/0", "macvtap:", "..", "bridge:", "vhost:x"};
	struct hv_network network;
	struct hv_error err;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(hv_network_parse(&network, good[i].text, &err), 0);
		assert_int_equal(network.type, good[i].type);
		assert_string_equal(network.ifname, good[i].ifname);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(hv_network_parse(&network, bad[i], &err), -HV_USAGE);
		assert_string_not_equal(err.hint, "");
	}
}

static void mac_reads_and_writes(void **state)
{
	static const char *const bad[] = {"",
					  "52:54:00:12:34",
					  "52:54:00:12:34:5g",
					  "52:54:00:12:34:567",
					  "525400123456",
					  "01:00:5e:00:00:01",
					  "52:54:00:12:34:56:",
					  "52:54:00:12:34:5"};
	uint8_t mac[6];
	char text[HV_MAC_TEXT_LEN];
	struct hv_error err;

	(void)state;
	assert_int_equal(hv_mac_parse(mac, "52-54-00-aB-Cd-ef", &err), 0);
	hv_mac_format(text, mac);
	assert_string_equal(text, "52:54:00:ab:cd:ef");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(hv_mac_parse(mac, bad[i], &err), -HV_USAGE);
}

static void mac_follows_from_vm_and_nic(void **state)
{
	uint8_t a[6], b[6];
	const char *vm = "0b5c7d5e-7f0e-4e3c-9d4e-2b8f6a1c0d11";

	(void)state;
	hv_mac_derive(a, vm, "net0");
	hv_mac_derive(b, vm, "net0");
	assert_memory_equal(a, b, 6);
	assert_memory_equal(a, "\x52\x54\x00", 3);
	hv_mac_derive(b, vm, "net1");
	assert_memory_not_equal(a, b, 6);
	hv_mac_derive(b, "0b5c7d5e-7f0e-4e3c-9d4e-2b8f6a1c0d12", "net0");
	assert_memory_not_equal(a, b, 6);
}

/* ---- passt ---------------------------------------------------------------------------------- */

static int stand_in_for_passt(void **state)
{
	(void)state;
	return setenv("HVSH_PASST", "/bin/true", 1);
}

static int args_of(char ***argv, int mtu, const char *const *forwards, size_t n,
		   struct hv_error *err)
{
	struct hv_passt_options options = {.mtu = mtu, .forwards = forwards, .n_forwards = n};

	return hv_passt_args(argv, &options, err);
}

static void passt_gets_its_arguments(void **state)
{
	static const char *const forwards[] = {"tcp:8080:80", "udp:5353",
					       "127.0.0.1/8000-8009:80-89"};
	static const char *const expected[] = {
		"/bin/true", "--quiet",     "--mtu", "9000",        "--tcp-ports",
		"8080:80",   "--udp-ports", "5353",  "--tcp-ports", "127.0.0.1/8000-8009:80-89"};
	char **argv;
	size_t n = 0;

	(void)state;
	assert_int_equal(args_of(&argv, 9000, forwards, 3, NULL), 0);
	for (; argv[n]; n++)
		assert_string_equal(argv[n], expected[n]);
	assert_int_equal(n, sizeof expected / sizeof *expected);
	hv_passt_args_free(argv);
}

static void passt_forwards_are_checked(void **state)
{
	static const char *const bad[] = {"",         "0",      "65536",     "80:",  "80:90:100",
					  "tcp:x",    "80-70",  "80-90:1-5", "udp:", "sctp:80",
					  "1.2.3/80", "80,443", "-t 80",     " 80",  "999999:1"};
	static const char *const twice[][2] = {
		{"tcp:80", "127.0.0.1/80:8080"}, {"8000-8010:1-11", "8005"}, {"tcp:all", "22"}};
	static const char *const apart[] = {"tcp:80", "udp:80", "127.0.0.1/81:1", "127.0.0.2/81:1"};
	struct hv_error err;
	char **argv;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(args_of(&argv, 1500, &bad[i], 1, &err), -HV_USAGE);
		assert_string_not_equal(err.hint, "");
	}
	for (size_t i = 0; i < sizeof twice / sizeof *twice; i++)
		assert_int_equal(args_of(&argv, 1500, twice[i], 2, &err), -HV_USAGE);
	assert_int_equal(args_of(&argv, 1500, apart, 4, &err), 0);
	hv_passt_args_free(argv);
	assert_int_equal(args_of(&argv, 67, NULL, 0, &err), -HV_USAGE);
	struct hv_passt_options options = {.mtu = 1500, .address = "10.0.0.256"};
	assert_int_equal(hv_passt_args(&argv, &options, &err), -HV_USAGE);
}

static void passt_missing_names_its_package(void **state)
{
	struct hv_error err;
	char path[64];

	(void)state;
	setenv("HVSH_PASST", "/nowhere/passt", 1);
	assert_int_equal(hv_passt_find(path, sizeof path, &err), -HV_NOT_FOUND);
	unsetenv("HVSH_PASST");
	char *dirs = strdup(getenv("PATH"));
	setenv("PATH", "/nowhere:/", 1);
	assert_int_equal(hv_passt_find(path, sizeof path, &err), -HV_NOT_FOUND);
	assert_non_null(strstr(err.hint, "apt-get install passt"));
	setenv("PATH", dirs, 1);
	free(dirs);
	stand_in_for_passt(NULL);
}

/* ---- taps ----------------------------------------------------------------------------------- */

/* Runs a test in a child with a network of its own; a test says 77 where that cannot be had. */
static void in_namespace(int (*body)(void))
{
	int status;

	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
		if (fd < 0 || (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)))
			_exit(77);
		_exit(body());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static int mtu_of(const char *ifname)
{
	struct ifreq ifr = {.ifr_mtu = 0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", ifname);
	int rc = ioctl(fd, SIOCGIFMTU, &ifr);
	close(fd);
	return rc ? -1 : ifr.ifr_mtu;
}

static int body_of_bridge(void)
{
	struct hv_tap tap;
	struct hv_error err;
	struct net_backend *be;

	EXPECT(system("ip link add br7 type bridge && ip link set br7 up") == 0);
	EXPECT(hv_tap_open(&tap, "br7", 4, 9000, &err) == 0);
	EXPECT(tap.n_fds == 4);
	EXPECT(mtu_of(tap.ifname) == 9000);
	char command[160];
	snprintf(command, sizeof command,
		 "ip link show master br7 up | grep -q 'UP.*mtu 9000' && ip -d link show %s | "
		 "grep -q multi_queue",
		 tap.ifname);
	EXPECT(system(command) == 0);
	EXPECT(net_tap_new(&be, tap.fds, 4, &err) == 0);
	net_backend_free(be);
	/* nothing remains */
	EXPECT(mtu_of(tap.ifname) == -1);

	EXPECT(hv_tap_open(&tap, NULL, 1, 1500, &err) == 0);
	EXPECT(mtu_of(tap.ifname) == 1500);
	hv_tap_close(&tap);
	EXPECT(mtu_of(tap.ifname) == -1);
	return 0;
}

static void tap_joins_a_bridge_and_vanishes(void **state)
{
	(void)state;
	in_namespace(body_of_bridge);
}

static int body_of_failures(void)
{
	struct hv_tap tap;
	struct hv_error err;

	EXPECT(hv_tap_open(&tap, "br9", 2, 1500, &err) == -HV_NOT_FOUND);
	EXPECT(strstr(err.hint, "ip link add br9 type bridge") && tap.n_fds == 0);
	EXPECT(hv_tap_open(&tap, "lo", 2, 1500, &err) == -HV_USAGE);
	EXPECT(hv_tap_open(&tap, NULL, 17, 1500, &err) == -HV_USAGE);
	EXPECT(hv_tap_open(&tap, NULL, 1, 1 << 20, &err) == -HV_FAILED);
	EXPECT(mtu_of("hvtap0") == -1);
	EXPECT(hv_macvtap_open(&tap, "mv9", (uint8_t[6]){0x52}, 1, 1500, &err) == -HV_NOT_FOUND);
	EXPECT(hv_macvtap_open(&tap, "lo", (uint8_t[6]){0x52}, 1, 1500, &err) == -HV_NOT_FOUND);
	return 0;
}

static void tap_failures_say_what_to_do(void **state)
{
	(void)state;
	in_namespace(body_of_failures);
}

static int body_of_no_rights(void)
{
	struct hv_tap tap;
	struct hv_error err;

	/* whether the device or the making of a tap is denied depends on the host */
	if (setgid(65534) || setuid(65534))
		return 77;
	EXPECT(hv_tap_open(&tap, "br0", 1, 1500, &err) == -HV_DENIED);
	EXPECT(strstr(err.hint, "network=passt"));
	return 0;
}

static void tap_without_rights_points_to_passt(void **state)
{
	(void)state;
	in_namespace(body_of_no_rights);
}

static int body_of_macvtap(void)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};
	struct hv_tap tap;
	struct hv_error err;
	struct net_backend *be;

	if (system("ip link add va type veth peer name vb && "
		   "ip link set va mtu 9000 up && ip link set vb mtu 9000 up && "
		   "ip link add link va name mv0 type macvtap mode bridge 2>/dev/null"))
		return 77;
	int rc = hv_macvtap_open(&tap, "mv0", mac, 2, 4000, &err);
	/* devtmpfs may belong to somebody else's namespace: then there is no /dev/tapN */
	if (rc == -HV_NOT_FOUND)
		return 77;
	EXPECT(rc == 0);
	EXPECT(mtu_of("mv0") >= 4000);
	EXPECT(system("ip link show mv0 up | grep -q 52:54:00:01:02:03") == 0);
	EXPECT(net_tap_new(&be, tap.fds, 2, &err) == 0);
	EXPECT(be->ops->set_pairs(be, 1, &err) == 0);
	EXPECT(be->ops->set_pairs(be, 2, &err) == 0);
	net_backend_free(be);
	EXPECT(mtu_of("mv0") >= 4000);
	return 0;
}

static void macvtap_takes_the_nics_address(void **state)
{
	(void)state;
	in_namespace(body_of_macvtap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(network_names_its_kind),
		cmocka_unit_test(mac_reads_and_writes),
		cmocka_unit_test(mac_follows_from_vm_and_nic),
		cmocka_unit_test(passt_gets_its_arguments),
		cmocka_unit_test(passt_forwards_are_checked),
		cmocka_unit_test(passt_missing_names_its_package),
		cmocka_unit_test(tap_joins_a_bridge_and_vanishes),
		cmocka_unit_test(tap_failures_say_what_to_do),
		cmocka_unit_test(tap_without_rights_points_to_passt),
		cmocka_unit_test(macvtap_takes_the_nics_address),
	};
	return cmocka_run_group_tests(tests, stand_in_for_passt, NULL);
}
