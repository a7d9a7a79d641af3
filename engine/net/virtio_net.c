/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio-net: construction, configuration space, life. The queues' work is in
 * virtio_net_rx.c and virtio_net_tx.c. VIRTIO 1.2, 5.1.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/net/virtio_net_priv.h"

#define PCI_CLASS_ETHERNET 0x020000
/* A tap's queue holds 1000 frames by default; more than this is not a queue but a flood. */
#define STALE_FRAMES_MAX 4096

/* ---- configuration space: 5.1.4 ------------------------------------------------------------- */

void net_show_mac(struct virtio_net *net)
{
	uint64_t mac = 0;

	memcpy(&mac, net->filter.mac, sizeof net->filter.mac);
	atomic_store(&net->mac_shown, mac);
}

static void read_config(struct virtio_dev *dev, size_t offset, void *to, size_t len)
{
	struct virtio_net *net = virtio_net_of(dev);
	struct virtio_net_config config = {
		.max_virtqueue_pairs = htole16((uint16_t)net->n_pairs),
		.mtu = htole16((uint16_t)net->mtu),
	};
	uint64_t mac = atomic_load(&net->mac_shown);
	uint16_t status = 0;

	memcpy(config.mac, &mac, sizeof config.mac);
	if (net_has_link(net))
		status |= VIRTIO_NET_S_LINK_UP;
	if (atomic_load(&net->announce))
		status |= VIRTIO_NET_S_ANNOUNCE;
	config.status = htole16(status);
	virtio_config_copy(&config, dev->config_len, offset, to, len);
}

/* ---- starting and stopping ------------------------------------------------------------------ */

static void call(struct net_pair *pair, void (*fn)(void *pair))
{
	iothread_call(&pair->thread, fn, pair);
}

void net_others_stop(struct virtio_net *net)
{
	for (int i = 1; i < net->pairs_active && net->running; i++)
		call(&net->pairs[i], net_pair_stop);
}

void net_others_start(struct virtio_net *net)
{
	for (int i = 1; i < net->pairs_active && net->running; i++)
		call(&net->pairs[i], net_pair_start);
}

static void start_all(struct virtio_net *net)
{
	net->running = true;
	net_others_start(net);
	call(&net->pairs[0], net_pair_start);
}

static void stop_all(struct virtio_net *net)
{
	/* once pair 0 has stopped, no control command changes the number of the others */
	call(&net->pairs[0], net_pair_stop);
	net_others_stop(net);
	net->running = false;
}

int net_use_pairs(struct virtio_net *net, int n, struct hv_error *err)
{
	struct net_backend *be = net->be;

	if (be->ops->set_pairs) {
		int rc = be->ops->set_pairs(be, n, err);
		if (rc) {
			be->ops->set_pairs(be, net->pairs_active, NULL);
			return rc;
		}
	}
	net->pairs_active = (uint16_t)n;
	atomic_store(&net->pairs_shown, n);
	return 0;
}

/* Frames that came before the driver did may be of a kind that it did not ask for. */
static void drop_stale(struct virtio_net *net)
{
	for (int pair = 0; pair < net->pairs_active && pair < net->be->rx_pairs; pair++)
		for (int i = 0; i < STALE_FRAMES_MAX; i++)
			if (net->be->ops->drop(net->be, pair) < 0)
				break;
}

struct set_up {
	struct virtio_net *net;
	struct hv_error *err;
	int rc;
};

/* On pair 0's thread, whose system-call filter has what this needs. */
static void set_up(void *ctx)
{
	struct set_up *job = ctx;
	struct virtio_net *net = job->net;

	job->rc = net_use_pairs(net, net->pairs_active, job->err);
	if (!job->rc)
		job->rc = net_apply_offloads(net, job->err);
	if (!job->rc)
		drop_stale(net);
}

static void forget(struct virtio_net *net)
{
	net->pairs_active = 1;
	atomic_store(&net->pairs_shown, 1);
	net->guest_offloads = 0;
	net->loaded = false;
	net->ctrl = NULL;
	net_filter_reset(&net->filter, net->mac);
	net_show_mac(net);
	atomic_store(&net->announce, false);
}

static int activate(struct virtio_dev *dev, struct hv_error *err)
{
	struct virtio_net *net = virtio_net_of(dev);
	struct set_up job = {.net = net, .err = err};

	if (!net->loaded)
		net->guest_offloads = dev->negotiated & NET_GUEST_OFFLOADS;
	net->filter.filter_vlans = virtio_has(dev, VIRTIO_NET_F_CTRL_VLAN);
	net->ctrl = NULL;
	/* 5.1.2: behind all pairs with VIRTIO_NET_F_MQ, behind the first without */
	if (virtio_has(dev, VIRTIO_NET_F_CTRL_VQ))
		net->ctrl = &net->queues[virtio_has(dev, VIRTIO_NET_F_MQ) ? 2 * net->n_pairs : 2];
	iothread_call(&net->pairs[0].thread, set_up, &job);
	if (!job.rc && !dev->paused)
		start_all(net);
	return job.rc;
}

static void deactivate(struct virtio_dev *dev)
{
	struct virtio_net *net = virtio_net_of(dev);

	if (net->running)
		stop_all(net);
	forget(net);
}

static int pause_net(struct virtio_dev *dev, struct hv_error *err)
{
	struct virtio_net *net = virtio_net_of(dev);

	(void)err;
	if (net->running)
		stop_all(net);
	return 0;
}

static void resume_net(struct virtio_dev *dev)
{
	start_all(virtio_net_of(dev));
}

/* ---- the cable ------------------------------------------------------------------------------ */

static void link_came(void *ctx)
{
	struct net_pair *pair = ctx;

	if (!pair->serving)
		return;
	if (net_has_link(pair->net) && pair->index < pair->net->be->rx_pairs)
		for (int i = 0; i < STALE_FRAMES_MAX; i++)
			if (pair->net->be->ops->drop(pair->net->be, pair->index) < 0)
				break;
	net_rx_service(pair);
	net_tx_service(pair);
	net_pair_update_port(pair);
}

static void link_changed(struct virtio_net *net)
{
	for (int i = 0; i < net->n_pairs; i++)
		call(&net->pairs[i], link_came);
	virtio_config_changed(&net->dev);
}

void virtio_net_set_link(struct virtio_dev *dev, bool up)
{
	struct virtio_net *net = virtio_net_of(dev);

	if (atomic_exchange(&net->link_up, up) != up)
		link_changed(net);
}

bool virtio_net_link(struct virtio_dev *dev)
{
	return net_has_link(virtio_net_of(dev));
}

void virtio_net_announce(struct virtio_dev *dev)
{
	struct virtio_net *net = virtio_net_of(dev);

	pthread_mutex_lock(&dev->lock);
	bool wanted = dev->active && virtio_has(dev, VIRTIO_NET_F_GUEST_ANNOUNCE);
	pthread_mutex_unlock(&dev->lock);
	if (!wanted)
		return;
	atomic_store(&net->announce, true);
	virtio_config_changed(dev);
}

int virtio_net_reconnect(struct virtio_dev *dev, int fd, struct hv_error *err)
{
	struct virtio_net *net = virtio_net_of(dev);

	if (!net->be->ops->reconnect) {
		close(fd);
		return hv_fail(err, HV_CONFLICT, 0, "the backend of \"%s\" does not reconnect",
			       dev->id);
	}
	pthread_mutex_lock(&dev->lock);
	bool running = net->running;
	if (running)
		stop_all(net);
	int rc = net->be->ops->reconnect(net->be, fd, err);
	if (!rc)
		atomic_store(&net->peer_gone, false);
	if (running)
		start_all(net);
	pthread_mutex_unlock(&dev->lock);
	virtio_config_changed(dev);
	return rc;
}

/* ---- figures -------------------------------------------------------------------------------- */

static void read_counters(const struct net_counters *from, struct net_queue_stats *to)
{
	to->packets = atomic_load_explicit(&from->packets, memory_order_relaxed);
	to->bytes = atomic_load_explicit(&from->bytes, memory_order_relaxed);
	to->drops = atomic_load_explicit(&from->drops, memory_order_relaxed);
	to->signals = atomic_load_explicit(&from->signals, memory_order_relaxed);
}

void virtio_net_queue_stats(struct virtio_dev *dev, int pair, struct net_queue_stats *rx,
			    struct net_queue_stats *tx)
{
	struct virtio_net *net = virtio_net_of(dev);

	read_counters(&net->pairs[pair].rx_count, rx);
	read_counters(&net->pairs[pair].tx_count, tx);
}

int virtio_net_pairs(const struct virtio_dev *dev)
{
	return ((const struct virtio_net *)dev)->n_pairs;
}

int virtio_net_pairs_active(struct virtio_dev *dev)
{
	return atomic_load(&virtio_net_of(dev)->pairs_shown);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void free_net(struct virtio_dev *dev)
{
	struct virtio_net *net = virtio_net_of(dev);

	if (net->running)
		stop_all(net);
	for (int i = 0; i < net->n_pairs; i++)
		iothread_stop(&net->pairs[i].thread);
	net_backend_free(net->be);
	virtio_dev_fini(dev);
	free(net);
}

static const struct virtio_ops net_ops = {
	.device_id = VIRTIO_ID_NET,
	.pci_class = PCI_CLASS_ETHERNET,
	.read_config = read_config,
	.features_ok = net_features_ok,
	.activate = activate,
	.deactivate = deactivate,
	.pause = pause_net,
	.resume = resume_net,
	.save = net_save,
	.load = net_load,
	.free = free_net,
};

static int check_config(const struct net_config *config, const struct net_backend *be,
			struct hv_error *err)
{
	if (config->pairs < 1 || config->pairs > be->n_pairs)
		return hv_fail(err, HV_USAGE, 0, "\"%s\" has 1 to %d queues, not %d", config->id,
			       be->n_pairs, config->pairs);
	if (config->mtu < NET_MTU_MIN || config->mtu > NET_MTU_MAX)
		return hv_fail(err, HV_USAGE, 0, "the MTU of \"%s\" is %d to %d, not %d",
			       config->id, NET_MTU_MIN, NET_MTU_MAX, config->mtu);
	if (config->mac[0] & 1)
		return hv_fail(err, HV_USAGE, 0, "the MAC address of \"%s\" is a multicast one",
			       config->id);
	return 0;
}

int virtio_net_new(struct virtio_dev **out, const struct device_env *env,
		   const struct net_config *config, struct net_backend *backend,
		   struct hv_error *err)
{
	int rc = check_config(config, backend, err);
	if (rc)
		return rc;
	struct virtio_net *net =
		calloc(1, sizeof *net + (size_t)config->pairs * sizeof net->pairs[0]);
	if (!net)
		return hv_fail(err, HV_FAILED, ENOMEM, "cannot set up \"%s\"", config->id);
	net->mtu = config->mtu;
	memcpy(net->mac, config->mac, sizeof net->mac);
	atomic_init(&net->link_up, true);
	atomic_init(&net->peer_gone, backend->rx_pairs == 0);
	net->dev.offered = net_features_offered(backend, config->pairs);
	net->dev.config_len = offsetof(struct virtio_net_config, mtu) + sizeof(uint16_t);
	for (int i = 0; i < 2 * config->pairs; i++)
		net->queues[i].size_max = NET_QUEUE_SIZE;
	net->queues[2 * config->pairs].size_max = NET_CTRL_SIZE;
	forget(net);
	rc = virtio_dev_init(&net->dev, &net_ops, env, config->id, net->queues,
			     2 * config->pairs + 1, err);
	for (int i = 0; i < config->pairs && !rc; i++) {
		char name[16];
		snprintf(name, sizeof name, "%.10s-q%u", config->id, i % 100u);
		net_pair_init(&net->pairs[i], net, i);
		rc = iothread_init(&net->pairs[i].thread, name, err);
		if (!rc)
			rc = iothread_start(&net->pairs[i].thread, err);
		net->n_pairs = i + 1;
	}
	if (rc) {
		free_net(&net->dev);
		return rc;
	}
	net->be = backend;
	*out = &net->dev;
	return 0;
}
