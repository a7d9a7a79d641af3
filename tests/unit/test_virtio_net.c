/* SPDX-License-Identifier: GPL-3.0-or-later */
/* virtio-net over a machine without KVM and a backend of sockets: what a driver may and may not do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/net/virtio_net_priv.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_net.h"

#define PAIRS 4
#define BUFFER 1536
#define ALL_OFFLOADS                                                                               \
	(NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN | NET_OFFLOAD_USO)
#define CTRL_FEATURES                                                                              \
	(NET_FEATURE(VIRTIO_NET_F_CTRL_VQ) | NET_FEATURE(VIRTIO_NET_F_CTRL_RX) |                   \
	 NET_FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) | NET_FEATURE(VIRTIO_NET_F_CTRL_VLAN) |           \
	 NET_FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) | NET_FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) |      \
	 NET_FEATURE(VIRTIO_NET_F_MQ) | NET_FEATURE(VIRTIO_NET_F_STATUS))
#define MERGEABLE NET_FEATURE(VIRTIO_NET_F_MRG_RXBUF)

static const uint8_t own_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

struct nic {
	struct fake_machine m;
	struct fake_net net;
	struct fake_transport transport;
	struct virtio_dev *dev;
	struct driver_vq rx[PAIRS], tx[PAIRS], ctrl;
	uint64_t buffers[256]; /* of queue 0, by descriptor */
};

static void plug(struct nic *nic, unsigned offloads)
{
	struct net_config config = {.id = "net0", .pairs = PAIRS, .mtu = 1500};
	struct hv_error err;

	memcpy(config.mac, own_mac, sizeof own_mac);
	fake_machine_init(&nic->m, 0);
	fake_net_init(&nic->net, PAIRS, offloads);
	assert_int_equal(virtio_net_new(&nic->dev, &nic->m.env, &config, &nic->net.be, &err), 0);
	fake_transport_attach(&nic->transport, nic->dev);
}

static void unplug(struct nic *nic)
{
	nic->dev->ops->free(nic->dev);
	fake_net_fini(&nic->net);
	fake_machine_fini(&nic->m);
}

static void bring_up(struct nic *nic, uint64_t features, uint16_t queue_size)
{
	bool mq = features & NET_FEATURE(VIRTIO_NET_F_MQ);

	driver_negotiate(nic->dev, features);
	for (unsigned i = 0; i < (mq ? PAIRS : 1); i++) {
		driver_vq_init(&nic->rx[i], &nic->m, nic->dev, 2 * i, queue_size);
		driver_vq_init(&nic->tx[i], &nic->m, nic->dev, 2 * i + 1, queue_size);
	}
	if (features & NET_FEATURE(VIRTIO_NET_F_CTRL_VQ))
		driver_vq_init(&nic->ctrl, &nic->m, nic->dev, mq ? 2 * PAIRS : 2, 16);
	driver_ok(nic->dev);
}

static void start(struct nic *nic, uint64_t features, uint16_t queue_size)
{
	plug(nic, 0);
	bring_up(nic, features, queue_size);
}

static uint64_t add_buffer(struct nic *nic, int pair, uint32_t len)
{
	struct driver_part part = {fake_alloc(&nic->m, len, 8), len, true};
	uint16_t head = driver_add(&nic->rx[pair], &part, 1);

	if (pair == 0)
		nic->buffers[head] = part.gpa;
	return part.gpa;
}

static void add_buffers(struct nic *nic, int pair, int n)
{
	for (int i = 0; i < n; i++)
		add_buffer(nic, pair, BUFFER);
	driver_kick(&nic->rx[pair]);
}

static struct virtio_net_hdr_v1 *header_at(struct nic *nic, uint64_t gpa)
{
	return fake_ptr(&nic->m, gpa, NET_HDR_LEN);
}

static void transmit(struct nic *nic, int pair, size_t len, uint8_t mark)
{
	uint64_t gpa = fake_alloc(&nic->m, NET_HDR_LEN + len, 8);
	struct driver_part parts[2] = {{gpa, NET_HDR_LEN, false},
				       {gpa + NET_HDR_LEN, (uint32_t)len, false}};

	memset(fake_ptr(&nic->m, gpa + NET_HDR_LEN, len), mark, len);
	driver_add(&nic->tx[pair], parts, 2);
}

/* Sends a control command; returns its answer. */
static uint8_t command(struct nic *nic, uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	uint64_t gpa = fake_alloc(&nic->m, 2 + len + 1, 8);
	uint8_t *bytes = fake_ptr(&nic->m, gpa, 2 + len + 1);
	struct driver_part parts[3] = {{gpa, 2, false}, {gpa + 2, len, false}};
	int n = len ? 2 : 1;

	bytes[0] = class;
	bytes[1] = cmd;
	if (len)
		memcpy(bytes + 2, data, len);
	bytes[2 + len] = 0xee;
	parts[n] = (struct driver_part){gpa + 2 + len, 1, true};
	driver_add(&nic->ctrl, parts, n + 1);
	driver_kick(&nic->ctrl);
	uint32_t used;
	assert_true(driver_wait(&nic->ctrl, NULL, &used));
	assert_int_equal(used, 1);
	return bytes[2 + len];
}

static uint8_t switch_on(struct nic *nic, uint8_t cmd, uint8_t on)
{
	return command(nic, VIRTIO_NET_CTRL_RX, cmd, &on, 1);
}

static uint8_t use_pairs(struct nic *nic, uint16_t pairs)
{
	return command(nic, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs, 2);
}

static bool needs_reset(struct nic *nic)
{
	for (int i = 0; i < 2000; i++) {
		if (virtio_status(nic->dev) & VIRTIO_CONFIG_S_NEEDS_RESET)
			return true;
		fake_run(&nic->m, 1);
	}
	return false;
}

static struct net_queue_stats rx_stats(struct nic *nic, int pair)
{
	struct net_queue_stats rx, tx;

	virtio_net_queue_stats(nic->dev, pair, &rx, &tx);
	return rx;
}

static struct net_queue_stats tx_stats(struct nic *nic, int pair)
{
	struct net_queue_stats rx, tx;

	virtio_net_queue_stats(nic->dev, pair, &rx, &tx);
	return tx;
}

/* ---- features and configuration ------------------------------------------------------------- */

static void net_offers_what_the_backend_can_do(void **state)
{
	struct nic nic;

	(void)state;
	plug(&nic, 0);
	uint64_t bare = virtio_features_offered(nic.dev);
	unplug(&nic);
	plug(&nic, ALL_OFFLOADS);
	uint64_t all = virtio_features_offered(nic.dev);
	unplug(&nic);
	assert_false(bare >> VIRTIO_NET_F_CSUM & 1);
	assert_false(bare >> VIRTIO_NET_F_HOST_TSO4 & 1);
	assert_false(bare >> NET_F_HOST_USO & 1);
	assert_true(bare >> VIRTIO_NET_F_MQ & 1);
	assert_true(bare >> VIRTIO_NET_F_MRG_RXBUF & 1);
	assert_true(all >> VIRTIO_NET_F_GUEST_TSO6 & 1);
	assert_true(all >> VIRTIO_NET_F_HOST_ECN & 1);
	assert_true(all >> NET_F_HOST_USO & 1);
	assert_true(all >> NET_F_GUEST_USO4 & 1);
}

static void net_refuses_features_that_lack_what_they_need(void **state)
{
	struct nic nic;
	uint64_t features = NET_FEATURE(VIRTIO_F_VERSION_1) | NET_FEATURE(VIRTIO_NET_F_HOST_TSO4);

	(void)state;
	plug(&nic, ALL_OFFLOADS);
	assert_false(nic.dev->ops->features_ok(nic.dev, features));
	assert_true(nic.dev->ops->features_ok(nic.dev, features | NET_FEATURE(VIRTIO_NET_F_CSUM)));
	assert_false(nic.dev->ops->features_ok(nic.dev, NET_FEATURE(VIRTIO_NET_F_MQ)));
	unplug(&nic);
}

static void net_shows_its_configuration(void **state)
{
	struct nic nic;
	struct virtio_net_config config;

	(void)state;
	start(&nic, CTRL_FEATURES, 16);
	virtio_read_config(nic.dev, 0, &config, 12);
	assert_memory_equal(config.mac, own_mac, 6);
	assert_int_equal(config.status, VIRTIO_NET_S_LINK_UP);
	assert_int_equal(config.max_virtqueue_pairs, PAIRS);
	assert_int_equal(config.mtu, 1500);
	unplug(&nic);
}

static void net_refuses_a_wrong_configuration(void **state)
{
	struct nic nic;
	struct virtio_dev *dev;
	struct hv_error err;

	(void)state;
	plug(&nic, 0);
	struct net_config config = {.id = "net1", .pairs = PAIRS + 1, .mtu = 1500};
	assert_int_equal(virtio_net_new(&dev, &nic.m.env, &config, &nic.net.be, &err), -HV_USAGE);
	config.pairs = 1;
	config.mtu = NET_MTU_MAX + 1;
	assert_int_equal(virtio_net_new(&dev, &nic.m.env, &config, &nic.net.be, &err), -HV_USAGE);
	config.mtu = 9000;
	config.mac[0] = 1;
	assert_int_equal(virtio_net_new(&dev, &nic.m.env, &config, &nic.net.be, &err), -HV_USAGE);
	unplug(&nic);
}

/* ---- receiving ------------------------------------------------------------------------------ */

static void net_receives_into_one_buffer(void **state)
{
	struct nic nic;
	uint32_t id, len;

	(void)state;
	start(&nic, MERGEABLE, 16);
	add_buffers(&nic, 0, 8);
	fake_net_send(&nic.net, 0, 60, 0x5a);
	assert_true(driver_wait(&nic.rx[0], &id, &len));
	assert_int_equal(len, NET_HDR_LEN + 60);
	assert_int_equal(header_at(&nic, nic.buffers[id])->num_buffers, 1);
	uint8_t *last = fake_ptr(&nic.m, nic.buffers[id] + NET_HDR_LEN + 59, 1);
	assert_int_equal(*last, 0x5a);
	assert_int_equal(nic.transport.interrupts[0], 1);
	assert_int_equal(rx_stats(&nic, 0).packets, 1);
	assert_int_equal(rx_stats(&nic, 0).bytes, 60);
	unplug(&nic);
}

static void net_merges_buffers_for_a_long_frame(void **state)
{
	struct nic nic;
	uint32_t id, len;

	(void)state;
	start(&nic, MERGEABLE, 64);
	add_buffers(&nic, 0, 60);
	for (int round = 0; round < 3; round++) {
		fake_net_send(&nic.net, 0, 20000, (uint8_t)round);
		size_t total = 0;
		for (int i = 0; i < 14; i++) {
			assert_true(driver_wait(&nic.rx[0], &id, &len));
			total += len;
			uint8_t *last = fake_ptr(&nic.m, nic.buffers[id] + len - 1, 1);
			assert_int_equal(*last, round);
			if (i == 0)
				assert_int_equal(header_at(&nic, nic.buffers[id])->num_buffers, 14);
		}
		assert_int_equal(total, NET_HDR_LEN + 20000);
	}
	unplug(&nic);
}

static void net_holds_a_frame_until_buffers_come(void **state)
{
	struct nic nic;
	uint32_t len;

	(void)state;
	start(&nic, MERGEABLE, 16);
	fake_net_send(&nic.net, 0, 2000, 1);
	fake_run(&nic.m, 20);
	assert_false(driver_take(&nic.rx[0], NULL, NULL));
	add_buffers(&nic, 0, 1);
	fake_run(&nic.m, 20);
	assert_false(driver_take(&nic.rx[0], NULL, NULL));
	add_buffers(&nic, 0, 1);
	assert_true(driver_wait(&nic.rx[0], NULL, &len));
	assert_int_equal(len, BUFFER);
	assert_true(driver_wait(&nic.rx[0], NULL, &len));
	assert_int_equal(len, NET_HDR_LEN + 2000 - BUFFER);
	assert_int_equal(rx_stats(&nic, 0).drops, 0);
	unplug(&nic);
}

static void net_drops_a_frame_that_the_whole_ring_cannot_hold(void **state)
{
	struct nic nic;
	uint32_t len;

	(void)state;
	start(&nic, MERGEABLE, 4);
	add_buffers(&nic, 0, 4);
	fake_net_send(&nic.net, 0, 20000, 1);
	fake_net_send(&nic.net, 0, 100, 1);
	assert_true(driver_wait(&nic.rx[0], NULL, &len));
	assert_int_equal(len, NET_HDR_LEN + 100);
	assert_int_equal(rx_stats(&nic, 0).drops, 1);
	unplug(&nic);
}

static void net_without_merging_uses_one_chain_a_frame(void **state)
{
	struct nic nic;
	uint32_t len;

	(void)state;
	start(&nic, 0, 16);
	for (int i = 0; i < 2; i++) {
		uint64_t gpa = fake_alloc(&nic.m, 2048, 8);
		struct driver_part parts[2] = {{gpa, NET_HDR_LEN, true},
					       {gpa + NET_HDR_LEN, 1518, true}};
		driver_add(&nic.rx[0], parts, 2);
	}
	driver_kick(&nic.rx[0]);
	fake_net_send(&nic.net, 0, 1600, 1);
	fake_net_send(&nic.net, 0, 1514, 1);
	assert_true(driver_wait(&nic.rx[0], NULL, &len));
	assert_int_equal(len, NET_HDR_LEN + 1514);
	assert_int_equal(rx_stats(&nic, 0).drops, 1);
	unplug(&nic);
}

static void net_receives_many_frames_with_few_interrupts(void **state)
{
	struct nic nic;
	uint32_t len;

	(void)state;
	start(&nic, MERGEABLE, 256);
	/* while the device is without buffers, frames gather */
	for (int i = 0; i < 200; i++)
		fake_net_send(&nic.net, 0, 60, 1);
	add_buffers(&nic, 0, 250);
	for (int i = 0; i < 200; i++)
		assert_true(driver_wait(&nic.rx[0], NULL, &len));
	assert_in_range(nic.transport.interrupts[0], 1, 20);
	assert_int_equal(rx_stats(&nic, 0).packets, 200);
	unplug(&nic);
}

static void net_marks_what_it_received_as_dirty(void **state)
{
	struct nic nic;
	uint32_t id;

	(void)state;
	start(&nic, MERGEABLE, 16);
	fake_dirty_start(&nic.m);
	add_buffers(&nic, 0, 4);
	fake_net_send(&nic.net, 0, 60, 1);
	assert_true(driver_wait(&nic.rx[0], &id, NULL));
	assert_true(fake_is_dirty(&nic.m, nic.buffers[id]));
	assert_true(fake_is_dirty(&nic.m, nic.rx[0].used_gpa));
	unplug(&nic);
}

static void net_forgets_frames_from_before_the_driver(void **state)
{
	struct nic nic;
	uint32_t len;

	(void)state;
	plug(&nic, 0);
	fake_net_send(&nic.net, 0, 60, 1);
	bring_up(&nic, MERGEABLE, 16);
	add_buffers(&nic, 0, 4);
	fake_net_send(&nic.net, 0, 61, 1);
	assert_true(driver_wait(&nic.rx[0], NULL, &len));
	assert_int_equal(len, NET_HDR_LEN + 61);
	unplug(&nic);
}

/* ---- sending -------------------------------------------------------------------------------- */

static void net_sends_a_batch_with_one_interrupt(void **state)
{
	struct nic nic;
	uint8_t got[2048];

	(void)state;
	start(&nic, 0, 64);
	for (uint8_t i = 0; i < 8; i++)
		transmit(&nic, 0, 60u + i, i);
	driver_kick(&nic.tx[0]);
	for (uint8_t i = 0; i < 8; i++) {
		assert_int_equal(fake_net_receive(&nic.net, 0, got, sizeof got),
				 NET_HDR_LEN + 60 + i);
		assert_int_equal(got[NET_HDR_LEN], i);
		assert_true(driver_wait(&nic.tx[0], NULL, NULL));
	}
	fake_run(&nic.m, 5);
	assert_int_equal(nic.transport.interrupts[1], 1);
	assert_int_equal(tx_stats(&nic, 0).packets, 8);
	unplug(&nic);
}

static void net_drops_a_runt(void **state)
{
	struct nic nic;
	uint8_t got[256];

	(void)state;
	start(&nic, 0, 16);
	transmit(&nic, 0, NET_ETH_LEN - 1, 1);
	transmit(&nic, 0, NET_ETH_LEN, 2);
	driver_kick(&nic.tx[0]);
	assert_true(driver_wait(&nic.tx[0], NULL, NULL));
	assert_true(driver_wait(&nic.tx[0], NULL, NULL));
	assert_int_equal(fake_net_receive(&nic.net, 0, got, sizeof got), NET_HDR_LEN + NET_ETH_LEN);
	assert_int_equal(tx_stats(&nic, 0).drops, 1);
	unplug(&nic);
}

static long long cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void net_waits_for_a_full_backend_without_spinning(void **state)
{
	struct nic nic;
	uint8_t got[2048];
	int used = 0, sent = 0;

	(void)state;
	start(&nic, 0, 256);
	for (int i = 0; i < 100; i++)
		transmit(&nic, 0, 1000, 1);
	driver_kick(&nic.tx[0]);
	fake_run(&nic.m, 20);
	while (driver_take(&nic.tx[0], NULL, NULL))
		used++;
	/* a datagram socket takes a few only */
	assert_in_range(used, 1, 99);
	long long before = cpu_ns();
	fake_run(&nic.m, 300);
	assert_true(cpu_ns() - before < 150 * 1000000ll);
	for (; sent < 100; sent++)
		assert_int_equal(fake_net_receive(&nic.net, 0, got, sizeof got),
				 NET_HDR_LEN + 1000);
	for (; used < 100; used++)
		assert_true(driver_wait(&nic.tx[0], NULL, NULL));
	unplug(&nic);
}

/* ---- control -------------------------------------------------------------------------------- */

static void net_filters_by_address_and_vlan(void **state)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t other[16] = {0x52, 0, 0, 0, 0, 1}, second[6] = {0x52, 0, 0, 0, 0, 2};
	static const uint8_t group[6] = {0x01, 0, 0x5e, 0, 0, 1};
	static const uint8_t tables[] = {1, 0, 0, 0, 0x52, 0, 0,    0, 0, 2,
					 1, 0, 0, 0, 0x01, 0, 0x5e, 0, 0, 1};
	struct nic nic;
	struct net_filter *filter;
	uint8_t tagged[16] = {0}, head[16] = {0};
	uint16_t vlan = 100;

	(void)state;
	start(&nic, MERGEABLE | CTRL_FEATURES, 16);
	filter = &((struct virtio_net *)nic.dev)->filter;
	assert_true(net_filter_wants(filter, other)); /* promiscuous until told */
	assert_int_equal(switch_on(&nic, VIRTIO_NET_CTRL_RX_PROMISC, 0), VIRTIO_NET_OK);
	add_buffers(&nic, 0, 8);
	fake_net_send_to(&nic.net, 0, other, 60, -1);
	fake_net_send_to(&nic.net, 0, own_mac, 61, -1);
	fake_net_send_to(&nic.net, 0, broadcast, 62, -1);
	fake_net_send_to(&nic.net, 0, group, 63, -1);
	for (uint32_t expected = 61; expected < 63; expected++) {
		uint32_t len;
		assert_true(driver_wait(&nic.rx[0], NULL, &len));
		assert_int_equal(len, NET_HDR_LEN + expected);
	}
	assert_int_equal(command(&nic, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, tables,
				 sizeof tables),
			 VIRTIO_NET_OK);
	memcpy(head, second, 6);
	assert_true(net_filter_wants(filter, head));
	memcpy(head, group, 6);
	assert_true(net_filter_wants(filter, head));
	memcpy(head, other, 6);
	assert_false(net_filter_wants(filter, head));
	assert_int_equal(switch_on(&nic, VIRTIO_NET_CTRL_RX_ALLUNI, 1), VIRTIO_NET_OK);
	assert_true(net_filter_wants(filter, head));
	assert_int_equal(switch_on(&nic, VIRTIO_NET_CTRL_RX_NOUNI, 1), VIRTIO_NET_OK);
	assert_false(net_filter_wants(filter, head));
	assert_int_equal(switch_on(&nic, VIRTIO_NET_CTRL_RX_NOUNI, 0), VIRTIO_NET_OK);

	memcpy(tagged, own_mac, 6);
	memcpy(tagged + 12, "\x81\x00\x60\x64", 4); /* VLAN 100, with a priority */
	assert_false(net_filter_wants(filter, tagged));
	assert_int_equal(command(&nic, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, &vlan, 2),
			 VIRTIO_NET_OK);
	assert_true(net_filter_wants(filter, tagged));
	assert_int_equal(command(&nic, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, &vlan, 2),
			 VIRTIO_NET_OK);
	assert_false(net_filter_wants(filter, tagged));
	assert_int_equal(rx_stats(&nic, 0).drops, 2);
	unplug(&nic);
}

static void net_changes_its_address(void **state)
{
	static const uint8_t mac[6] = {0x52, 1, 2, 3, 4, 5};
	struct nic nic;
	uint8_t got[6];

	(void)state;
	start(&nic, CTRL_FEATURES, 16);
	assert_int_equal(command(&nic, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, 6),
			 VIRTIO_NET_OK);
	virtio_read_config(nic.dev, 0, got, 6);
	assert_memory_equal(got, mac, 6);
	virtio_write_status(nic.dev, 0);
	virtio_read_config(nic.dev, 0, got, 6);
	assert_memory_equal(got, own_mac, 6);
	unplug(&nic);
}

static void net_takes_more_addresses_than_fit_as_all(void **state)
{
	struct nic nic;
	static uint8_t tables[4 + 100 * 6 + 4];
	const uint8_t unknown[16] = {0x52, 9, 9, 9, 9, 9};

	(void)state;
	start(&nic, CTRL_FEATURES, 16);
	switch_on(&nic, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	tables[0] = 100;
	assert_int_equal(command(&nic, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, tables,
				 sizeof tables),
			 VIRTIO_NET_OK);
	assert_true(net_filter_wants(&((struct virtio_net *)nic.dev)->filter, unknown));
	unplug(&nic);
}

static void net_refuses_wrong_commands(void **state)
{
	static const uint8_t lies[] = {0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6};
	struct nic nic;
	uint16_t big = 4096, zero = 0;
	uint64_t offloads = NET_FEATURE(VIRTIO_NET_F_GUEST_TSO4);

	(void)state;
	start(&nic, CTRL_FEATURES, 16);
	assert_int_equal(command(&nic, 77, 0, lies, 4), VIRTIO_NET_ERR);
	assert_int_equal(command(&nic, VIRTIO_NET_CTRL_RX, 99, lies, 1), VIRTIO_NET_ERR);
	assert_int_equal(command(&nic, VIRTIO_NET_CTRL_RX, 0, NULL, 0), VIRTIO_NET_ERR);
	assert_int_equal(command(&nic, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, lies, 5),
			 VIRTIO_NET_ERR);
	assert_int_equal(command(&nic, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, lies,
				 sizeof lies),
			 VIRTIO_NET_ERR);
	assert_int_equal(command(&nic, VIRTIO_NET_CTRL_VLAN, 0, &big, 2), VIRTIO_NET_ERR);
	assert_int_equal(use_pairs(&nic, zero), VIRTIO_NET_ERR);
	assert_int_equal(use_pairs(&nic, PAIRS + 1), VIRTIO_NET_ERR);
	/* not negotiated */
	assert_int_equal(command(&nic, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
				 VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &offloads, 8),
			 VIRTIO_NET_ERR);
	assert_false(virtio_status(nic.dev) & VIRTIO_CONFIG_S_NEEDS_RESET);
	unplug(&nic);
}

static void net_sets_offloads_as_the_guest_wants(void **state)
{
	struct nic nic;
	uint64_t guest = NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
			 NET_FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
			 NET_FEATURE(VIRTIO_NET_F_GUEST_TSO6) | NET_FEATURE(NET_F_GUEST_USO4);
	uint64_t less = NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM);

	(void)state;
	plug(&nic, ALL_OFFLOADS);
	bring_up(&nic, CTRL_FEATURES | NET_FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | guest, 16);
	/* UDP segmentation needs both IP versions */
	assert_int_equal(nic.net.offloads_set,
			 NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6);
	assert_int_equal(nic.net.be.rx_len, NET_FRAME_MAX);
	assert_int_equal(command(&nic, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
				 VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &less, 8),
			 VIRTIO_NET_OK);
	assert_int_equal(nic.net.offloads_set, NET_OFFLOAD_CSUM);
	assert_int_equal(nic.net.be.rx_len, NET_HDR_LEN + 1518);
	unplug(&nic);
}

/* ---- several queues ------------------------------------------------------------------------- */

static void net_serves_as_many_pairs_as_the_guest_asks_for(void **state)
{
	struct nic nic;
	uint8_t got[256];

	(void)state;
	start(&nic, MERGEABLE | CTRL_FEATURES, 16);
	assert_int_equal(nic.net.pairs_set, 1);
	assert_int_equal(virtio_net_pairs_active(nic.dev), 1);
	transmit(&nic, 3, 60, 9);
	driver_kick(&nic.tx[3]);
	fake_run(&nic.m, 20);
	assert_int_equal(fake_net_poll(&nic.net, 3, got, sizeof got), -1);
	assert_int_equal(use_pairs(&nic, PAIRS), VIRTIO_NET_OK);
	assert_int_equal(nic.net.pairs_set, PAIRS);
	/* what was there before is looked at */
	assert_int_equal(fake_net_receive(&nic.net, 3, got, sizeof got), NET_HDR_LEN + 60);
	for (int i = 0; i < PAIRS; i++) {
		add_buffers(&nic, i, 4);
		fake_net_send(&nic.net, i, 60, 1);
		assert_true(driver_wait(&nic.rx[i], NULL, NULL));
		assert_int_equal(nic.transport.interrupts[2 * i], 1);
	}
	assert_int_equal(use_pairs(&nic, 2), VIRTIO_NET_OK);
	transmit(&nic, 3, 60, 9);
	driver_kick(&nic.tx[3]);
	transmit(&nic, 1, 60, 9);
	driver_kick(&nic.tx[1]);
	assert_int_equal(fake_net_receive(&nic.net, 1, got, sizeof got), NET_HDR_LEN + 60);
	assert_int_equal(fake_net_poll(&nic.net, 3, got, sizeof got), -1);
	nic.net.fail_set_pairs = 1;
	assert_int_equal(use_pairs(&nic, 3), VIRTIO_NET_ERR);
	assert_int_equal(virtio_net_pairs_active(nic.dev), 2);
	unplug(&nic);
}

static void net_without_mq_has_its_control_queue_third(void **state)
{
	struct nic nic;

	(void)state;
	start(&nic, NET_FEATURE(VIRTIO_NET_F_CTRL_VQ) | NET_FEATURE(VIRTIO_NET_F_CTRL_RX), 16);
	assert_int_equal(switch_on(&nic, VIRTIO_NET_CTRL_RX_PROMISC, 1), VIRTIO_NET_OK);
	unplug(&nic);
}

/* ---- hostile drivers ------------------------------------------------------------------------ */

static void net_fails_on_a_receive_buffer_that_is_not_writable(void **state)
{
	struct nic nic;
	struct driver_part part;

	(void)state;
	start(&nic, MERGEABLE, 16);
	part = (struct driver_part){fake_alloc(&nic.m, 2048, 8), 2048, false};
	driver_add(&nic.rx[0], &part, 1);
	driver_kick(&nic.rx[0]);
	assert_true(needs_reset(&nic));
	assert_true(nic.transport.config_interrupts > 0);
	/* a reset makes it whole */
	virtio_write_status(nic.dev, 0);
	bring_up(&nic, MERGEABLE, 16);
	add_buffers(&nic, 0, 2);
	fake_net_send(&nic.net, 0, 60, 1);
	assert_true(driver_wait(&nic.rx[0], NULL, NULL));
	unplug(&nic);
}

static void net_fails_on_a_frame_outside_of_memory(void **state)
{
	struct nic nic;
	struct driver_part part = {UINT64_C(1) << 60, 100, false};

	(void)state;
	start(&nic, 0, 16);
	driver_add(&nic.tx[0], &part, 1);
	driver_kick(&nic.tx[0]);
	assert_true(needs_reset(&nic));
	unplug(&nic);
}

static void net_fails_on_a_frame_of_too_many_parts(void **state)
{
	struct nic nic;
	struct driver_part parts[300];

	(void)state;
	start(&nic, NET_FEATURE(VIRTIO_RING_F_INDIRECT_DESC), 16);
	uint64_t gpa = fake_alloc(&nic.m, 64, 8);
	for (int i = 0; i < 300; i++)
		parts[i] = (struct driver_part){gpa, 1, false};
	driver_add_indirect(&nic.tx[0], parts, 300);
	driver_kick(&nic.tx[0]);
	assert_true(needs_reset(&nic));
	unplug(&nic);
}

static void net_fails_on_a_command_without_an_answer(void **state)
{
	struct nic nic;

	(void)state;
	start(&nic, CTRL_FEATURES, 16);
	struct driver_part part = {fake_alloc(&nic.m, 8, 8), 3, false};
	driver_add(&nic.ctrl, &part, 1);
	driver_kick(&nic.ctrl);
	assert_true(needs_reset(&nic));
	unplug(&nic);
}

static void net_fails_on_an_available_index_that_jumps(void **state)
{
	struct nic nic;

	(void)state;
	start(&nic, MERGEABLE, 16);
	driver_set_avail_idx(&nic.rx[0], 5000);
	driver_kick(&nic.rx[0]);
	assert_true(needs_reset(&nic));
	unplug(&nic);
}

/* ---- pausing, state, the cable -------------------------------------------------------------- */

static void net_gives_buffers_back_when_paused(void **state)
{
	struct nic nic;
	struct hv_error err;

	(void)state;
	start(&nic, MERGEABLE, 16);
	add_buffers(&nic, 0, 8);
	fake_net_send(&nic.net, 0, 60, 1);
	assert_true(driver_wait(&nic.rx[0], NULL, NULL));
	assert_int_equal(virtio_pause(nic.dev, &err), 0);
	assert_int_equal(nic.dev->queues[0].next_avail, 1);
	fake_net_send(&nic.net, 0, 60, 1);
	fake_run(&nic.m, 20);
	assert_false(driver_take(&nic.rx[0], NULL, NULL));
	virtio_resume(nic.dev);
	assert_true(driver_wait(&nic.rx[0], NULL, NULL));
	unplug(&nic);
}

static void net_goes_on_from_its_saved_state(void **state)
{
	static const uint8_t mac[6] = {0x52, 1, 2, 3, 4, 5};
	struct nic nic;
	struct hv_error err;
	struct state_out out, again;
	uint8_t got[256];
	uint16_t vlan = 5;

	(void)state;
	start(&nic, MERGEABLE | CTRL_FEATURES, 16);
	use_pairs(&nic, 3);
	switch_on(&nic, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	command(&nic, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, 6);
	command(&nic, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, &vlan, 2);
	virtio_net_announce(nic.dev);
	add_buffers(&nic, 0, 8);
	assert_int_equal(virtio_pause(nic.dev, &err), 0);
	state_out_init(&out);
	assert_int_equal(virtio_save(nic.dev, &out, &err), 0);

	/* the other end has the same memory */
	struct fake_net net2;
	struct virtio_dev *dev2;
	struct net_config config = {.id = "net0", .pairs = PAIRS, .mtu = 1500, .mac = {0x52}};
	fake_net_init(&net2, PAIRS, 0);
	assert_int_equal(virtio_net_new(&dev2, &nic.m.env, &config, &net2.be, &err), 0);
	fake_transport_attach(&nic.transport, dev2);
	struct state_in in = {out.bytes, out.len, 0};
	assert_int_equal(virtio_load(dev2, &in, &err), 0);
	assert_int_equal(in.pos, in.len);
	assert_int_equal(virtio_net_pairs_active(dev2), 3);
	state_out_init(&again);
	assert_int_equal(virtio_save(dev2, &again, &err), 0);
	assert_int_equal(again.len, out.len);
	assert_memory_equal(again.bytes, out.bytes, out.len);

	virtio_resume(dev2);
	virtio_read_config(dev2, 0, got, 8);
	assert_memory_equal(got, mac, 6);
	assert_int_equal(got[6], VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	fake_net_send_to(&net2, 0, own_mac, 60, -1);
	fake_net_send_to(&net2, 0, mac, 61, 5);
	uint32_t len;
	assert_true(driver_wait(&nic.rx[0], NULL, &len));
	assert_int_equal(len, NET_HDR_LEN + 61);
	assert_int_equal(net2.pairs_set, 3);

	state_out_fini(&out);
	state_out_fini(&again);
	dev2->ops->free(dev2);
	fake_net_fini(&net2);
	unplug(&nic);
}

static void net_refuses_the_state_of_another_shape(void **state)
{
	struct nic nic;
	struct hv_error err;
	struct state_out out;

	(void)state;
	start(&nic, MERGEABLE | CTRL_FEATURES, 16);
	assert_int_equal(virtio_pause(nic.dev, &err), 0);
	state_out_init(&out);
	assert_int_equal(nic.dev->ops->save(nic.dev, &out, &err), 0);
	((struct virtio_net *)nic.dev)->mtu = 9000;
	struct state_in in = {out.bytes, out.len, 0};
	assert_int_equal(nic.dev->ops->load(nic.dev, &in, &err), -HV_CONFLICT);
	((struct virtio_net *)nic.dev)->mtu = 1500;
	((struct virtio_net *)nic.dev)->filter.n_unicast = 65;
	state_out_fini(&out);
	state_out_init(&out);
	assert_int_equal(nic.dev->ops->save(nic.dev, &out, &err), 0);
	in = (struct state_in){out.bytes, out.len, 0};
	assert_int_equal(nic.dev->ops->load(nic.dev, &in, &err), -HV_FAILED);
	state_out_fini(&out);
	((struct virtio_net *)nic.dev)->filter.n_unicast = 0;
	unplug(&nic);
}

static void net_shows_and_heals_a_lost_peer(void **state)
{
	struct nic nic;
	uint8_t got[12];
	struct hv_error err;
	int fds[2];

	(void)state;
	start(&nic, MERGEABLE | CTRL_FEATURES, 16);
	add_buffers(&nic, 0, 4);
	unsigned before = nic.transport.config_interrupts;
	assert_int_equal(send(nic.net.peers[0], "x", 1, 0), 1); /* the fake's word for the end */
	for (int i = 0; i < 2000 && nic.transport.config_interrupts == before; i++)
		fake_run(&nic.m, 1);
	assert_true(nic.transport.config_interrupts > before);
	assert_false(virtio_net_link(nic.dev));
	virtio_read_config(nic.dev, 0, got, 12);
	assert_int_equal(got[6], 0);
	transmit(&nic, 0, 60, 1);
	driver_kick(&nic.tx[0]);
	assert_true(driver_wait(&nic.tx[0], NULL, NULL));
	assert_int_equal(tx_stats(&nic, 0).drops, 1);

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	close(nic.net.peers[0]);
	nic.net.peers[0] = fds[1];
	assert_int_equal(virtio_net_reconnect(nic.dev, fds[0], &err), 0);
	assert_true(virtio_net_link(nic.dev));
	fake_net_send(&nic.net, 0, 60, 1);
	assert_true(driver_wait(&nic.rx[0], NULL, NULL));
	unplug(&nic);
}

static void net_forgets_frames_sent_while_the_cable_was_out(void **state)
{
	struct nic nic;
	uint32_t len;

	(void)state;
	start(&nic, MERGEABLE | CTRL_FEATURES, 16);
	add_buffers(&nic, 0, 4);
	virtio_net_set_link(nic.dev, false);
	assert_false(virtio_net_link(nic.dev));
	fake_net_send(&nic.net, 0, 60, 1);
	fake_run(&nic.m, 20);
	assert_false(driver_take(&nic.rx[0], NULL, NULL));
	virtio_net_set_link(nic.dev, true);
	fake_net_send(&nic.net, 0, 61, 1);
	assert_true(driver_wait(&nic.rx[0], NULL, &len));
	assert_int_equal(len, NET_HDR_LEN + 61);
	unplug(&nic);
}

static void net_without_a_cable_has_no_link(void **state)
{
	struct fake_machine m;
	struct fake_transport transport;
	struct net_config config = {.id = "net0", .pairs = 2, .mtu = 1500, .mac = {0x52}};
	struct net_backend *be;
	struct virtio_dev *dev;
	struct driver_vq rx, tx;
	struct hv_error err;
	struct net_queue_stats got, sent;

	(void)state;
	fake_machine_init(&m, 0);
	assert_int_equal(net_none_new(&be, &err), 0);
	assert_int_equal(virtio_net_new(&dev, &m.env, &config, be, &err), 0);
	fake_transport_attach(&transport, dev);
	driver_negotiate(dev, NET_FEATURE(VIRTIO_NET_F_STATUS));
	driver_vq_init(&rx, &m, dev, 0, 16);
	driver_vq_init(&tx, &m, dev, 1, 16);
	driver_ok(dev);
	virtio_net_set_link(dev, true);
	assert_false(virtio_net_link(dev));
	driver_add(&tx, (struct driver_part[]){{fake_alloc(&m, 100, 8), 100, false}}, 1);
	driver_kick(&tx);
	assert_true(driver_wait(&tx, NULL, NULL));
	virtio_net_queue_stats(dev, 0, &got, &sent);
	assert_int_equal(sent.drops, 1);
	dev->ops->free(dev);
	fake_machine_fini(&m);
}

static void net_announces_until_acknowledged(void **state)
{
	struct nic nic;
	uint8_t status[2];

	(void)state;
	start(&nic, CTRL_FEATURES, 16);
	virtio_net_announce(nic.dev);
	virtio_read_config(nic.dev, 6, status, 2);
	assert_int_equal(status[0], VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	assert_int_equal(
		command(&nic, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, NULL, 0),
		VIRTIO_NET_OK);
	virtio_read_config(nic.dev, 6, status, 2);
	assert_int_equal(status[0], VIRTIO_NET_S_LINK_UP);
	unplug(&nic);
}

static void net_survives_resets_under_load(void **state)
{
	struct nic nic;
	uint8_t got[2048];

	(void)state;
	plug(&nic, ALL_OFFLOADS);
	for (int round = 0; round < 30; round++) {
		nic.m.next_gpa = 0x100000;
		bring_up(&nic, MERGEABLE | CTRL_FEATURES, 64);
		if (round % 2)
			use_pairs(&nic, PAIRS);
		for (int pair = 0; pair < PAIRS; pair++) {
			for (int i = 0; i < 20; i++)
				transmit(&nic, pair, 60, 1);
			driver_kick(&nic.tx[pair]);
			add_buffers(&nic, pair, 20);
			send(nic.net.peers[pair], got, 100, MSG_DONTWAIT);
		}
		if (round % 3 == 0)
			fake_run(&nic.m, 1);
		virtio_write_status(nic.dev, 0);
		for (int pair = 0; pair < PAIRS; pair++)
			while (fake_net_poll(&nic.net, pair, got, sizeof got) > 0)
				;
	}
	unplug(&nic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(net_offers_what_the_backend_can_do),
		cmocka_unit_test(net_refuses_features_that_lack_what_they_need),
		cmocka_unit_test(net_shows_its_configuration),
		cmocka_unit_test(net_refuses_a_wrong_configuration),
		cmocka_unit_test(net_receives_into_one_buffer),
		cmocka_unit_test(net_merges_buffers_for_a_long_frame),
		cmocka_unit_test(net_holds_a_frame_until_buffers_come),
		cmocka_unit_test(net_drops_a_frame_that_the_whole_ring_cannot_hold),
		cmocka_unit_test(net_without_merging_uses_one_chain_a_frame),
		cmocka_unit_test(net_receives_many_frames_with_few_interrupts),
		cmocka_unit_test(net_marks_what_it_received_as_dirty),
		cmocka_unit_test(net_forgets_frames_from_before_the_driver),
		cmocka_unit_test(net_sends_a_batch_with_one_interrupt),
		cmocka_unit_test(net_drops_a_runt),
		cmocka_unit_test(net_waits_for_a_full_backend_without_spinning),
		cmocka_unit_test(net_filters_by_address_and_vlan),
		cmocka_unit_test(net_changes_its_address),
		cmocka_unit_test(net_takes_more_addresses_than_fit_as_all),
		cmocka_unit_test(net_refuses_wrong_commands),
		cmocka_unit_test(net_sets_offloads_as_the_guest_wants),
		cmocka_unit_test(net_serves_as_many_pairs_as_the_guest_asks_for),
		cmocka_unit_test(net_without_mq_has_its_control_queue_third),
		cmocka_unit_test(net_fails_on_a_receive_buffer_that_is_not_writable),
		cmocka_unit_test(net_fails_on_a_frame_outside_of_memory),
		cmocka_unit_test(net_fails_on_a_frame_of_too_many_parts),
		cmocka_unit_test(net_fails_on_a_command_without_an_answer),
		cmocka_unit_test(net_fails_on_an_available_index_that_jumps),
		cmocka_unit_test(net_gives_buffers_back_when_paused),
		cmocka_unit_test(net_goes_on_from_its_saved_state),
		cmocka_unit_test(net_refuses_the_state_of_another_shape),
		cmocka_unit_test(net_shows_and_heals_a_lost_peer),
		cmocka_unit_test(net_forgets_frames_sent_while_the_cable_was_out),
		cmocka_unit_test(net_without_a_cable_has_no_link),
		cmocka_unit_test(net_announces_until_acknowledged),
		cmocka_unit_test(net_survives_resets_under_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
