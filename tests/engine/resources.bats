#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# What a VM takes of its host: the memory behind the guest by each backing, and host CPUs.

load engine

setup() {
	engine_setup
}

teardown() {
	engine_teardown
	[[ -z ${reserved-} ]] || echo "$reserved" >/proc/sys/vm/nr_hugepages
}

property() { # NOUN ADDRESS NAME
	hvsh "$1" show "$2" --columns "$3" -o csv --no-header
}

@test "resources: prefault takes all of the memory at the start, without it little is taken" {
	vm a ''
	vm b '' --prefault
	[[ $(property memory a resident) -lt $((64 << 20)) ]]
	[[ $(property memory b resident) -ge $((256 << 20)) ]]
}

@test "resources: memory of a memfd runs the guest too" {
	vm a 'mem;memtest 4M;poweroff' --memory-backing memfd
	off a 20
	log_of a | grep -q '^ok memtest'
	[[ $(property memory a backing) == memfd ]]
}

@test "resources: hugetlb memory is of reserved pages, and a lack of them is said" {
	[[ -w /proc/sys/vm/nr_hugepages ]] || skip "needs the right to reserve huge pages"
	reserved=$(</proc/sys/vm/nr_hugepages)
	hvsh vm create h --memory 64M --kernel "$kernel" --cmdline 'run=memtest 4M;poweroff' \
		--memory-backing hugetlb --page-size 2M
	echo 0 >/proc/sys/vm/nr_hugepages
	run hvsh vm start h
	echo "$output"
	[[ $status != 0 && $output == *huge* ]]
	echo 40 >/proc/sys/vm/nr_hugepages
	[[ $(</proc/sys/vm/nr_hugepages) -ge 32 ]] || skip "the host cannot reserve 32 huge pages"
	hvsh vm start h
	off h 20
	log_of h | grep -q '^ok memtest'
}

@test "resources: pinned vCPUs stay on their host CPU" {
	[[ $(nproc) -ge 2 ]] || skip "needs two CPUs"
	vm a '' --pin 1,0
	types a 'cpus' 'ok cpus'
	[[ $(property cpu a:cpu0 pinned,host_cpu) == 1,1 && $(property cpu a:cpu1 pinned,host_cpu) == 0,0 ]]
	hvsh vm create b --kernel "$kernel" --pin 4000
	run hvsh vm start b
	echo "$output"
	[[ $status != 0 && $output == *4000* ]]
}

@test "resources: a restart policy brings a crashed VM back until its limit" {
	vm a '' --restart on-crash --restart-limit 2 --restart-delay 0s
	for _ in 1 2 3; do
		hvsh vm wait a --for state=running --timeout 10s
		kill -9 "$(property vm a pid)"
		sleep 0.3
	done
	hvsh vm wait a --for state=crashed --timeout 10s
	[[ $(property vm a reboots) == 2 || -z $(property vm a reboots) ]]
}
