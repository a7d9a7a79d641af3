#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# A guest that breaks the rules (tests/guest/hostile*.c): the VMM never crashes or hangs, broken devices
# ask for a reset and work again after it, and the log stays short.

load engine

setup() {
	engine_setup
	truncate -s 64M "$HVSH_ROOT/scratch.img"
}

teardown() {
	engine_teardown
}

# attacks COMMANDS [OPTION...]: none fails, the guest lives on, and the keeper saw a proper end
attacks() {
	local commands=$1
	shift
	vm h "$commands;rng 64;disk;memtest 1M;poweroff" --disk "$HVSH_ROOT/scratch.img" "$@"
	off h 120
	log_of h | grep -aE '^hostile .*FAILED' && return 1
	all_ok h
	[[ $(log_of h | grep -ac '^hostile passed=[1-9][0-9]* failed=0') -ge 1 ]]
	[[ $(ended h | tail -n 1) == *'switched off by the guest'* ]]
}

@test "hostile: rings: broken chains, indirect tables and indices" {
	attacks 'hostile ring'
	log_of h | grep -q '^hostile loop device=rng0 status=4f needs_reset=1'
	ended h | grep -q 'rng0: .*chain loops'
}

@test "hostile: rings of the disk controller" {
	attacks 'hostile ring 0'
	log_of h | grep -q '^hostile loop device=scsi0 status=4f needs_reset=1'
}

@test "hostile: status, features and queues set up wrongly, on every kind of device" {
	attacks 'hostile setup 0;hostile setup 1;hostile setup 2;hostile setup 3' --virtio-console
	local kind
	for kind in scsi rng balloon console; do
		log_of h | grep -q "^hostile size-huge device=${kind}0"
	done
}

@test "hostile: BARs on top of RAM, of each other, of the APICs; random configuration writes; MSI-X" {
	attacks 'hostile pci;hostile pci 0' --virtio-console
}

@test "hostile: ports, holes in the address space, IOAPIC, UART, RTC, power registers" {
	attacks 'hostile machine'
}

@test "hostile: malformed and random SCSI requests, task management, resets in flight" {
	attacks 'hostile scsi'
}

@test "hostile: balloon and its reports" {
	attacks 'hostile balloon-pages;hostile balloon-reports;hostile balloon-config;hostile ring 2'
}

@test "hostile: virtio-console's rings" {
	attacks 'hostile ring 3;hostile pci 3' --virtio-console
}

@test "hostile: packet headers, control requests, rings of a NIC of 4 queue pairs" {
	export -f attacks ended
	own_network attacks 'hostile net-headers;hostile net-short;hostile net-receive;hostile net-control;hostile ring 1;hostile setup 1;hostile pci 1' \
		--nic network=br0,queues=4
	log_of h | grep -q '^hostile loop device=net0 status=4f needs_reset=1'
}

@test "hostile: everything once more with another seed each time" {
	attacks "hostile all - $RANDOM" --virtio-console
}

@test "hostile: a thousand broken rules do not fill the log" {
	attacks 'hostile random-rings;hostile random-rings - 2;hostile random-rings - 3;hostile random-rings - 4'
	(($(ended h | wc -l) < 60))
}
