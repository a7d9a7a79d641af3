#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The stock Debian kernel in our engine: four VMs, every combination of kernel file and CPU count,
# of tap and passt with MTU 1500 and 9000. A VM boots once, the tests read what it said.

load engine

TAP='net:eth0:10.77.0.2/24'
NET100='send:10.77.0.1:5000:96,recv:10.77.0.1:5000:96'
SEES='cpus,memory,disks,nics,devices,rng'

setup_file() {
	lab_up
	lab_network
	truncate -s 300M "$HVSH_ROOT/full.img"
	truncate -s 64M "$HVSH_ROOT"/{bz1,elf1,bz4}.img
}

teardown_file() {
	lab_down
}

# by passt the host is the guest's gateway
passt_streams() {
	echo 'send:gateway:5000:96,recv:gateway:5000:96'
}

sees_its_parts() { # NAME CPUS DISK-BYTES
	local nic
	[[ $(value online "$(said "$1" cpus)") == "$2" ]]
	[[ $(value total_kib "$(said "$1" memory)") -gt $((440 << 10)) ]]
	[[ $(value size "$(said "$1" disk)") == "$3" ]] || [[ $(value size "$(console_of "$1" | grep 'disk name=')") == "$3" ]]
	nic=$(said "$1" nic)
	[[ $(value rx_queues "$nic") == "$2" && $(value tx_queues "$nic") == "$2" ]]
	[[ $(value bytes "$(said "$1" rng)") == 64 ]]
}

stream_was_right() { # NAME send|recv MSS-AT-LEAST
	local line
	line=$(said "$1" "$2")
	echo "$line"
	[[ $(value mib "$line") == 96 ]]
	[[ $(value ours "$line") == "$(value theirs "$line")" ]]
	[[ $(value mss "$line") -ge $3 ]]
}

@test "vmlinux, 4 CPUs, tap: boots, runs its verbs, powers itself off" {
	vm_make elf4 vmlinux 4 "$SEES,$TAP:1500,$NET100,vectors,disk:sda:256,poweroff" \
		--disk "$HVSH_ROOT/full.img" --nic network=hvbr0,queues=4,mtu=1500
	hvsh vm start elf4
	state_becomes elf4 stopped 240
	console_of elf4 | grep 'end verb=disk status=0'
}

@test "vmlinux, 4 CPUs: sees CPUs, memory, disk, rng and 4 queue pairs" {
	sees_its_parts elf4 4 $((300 << 20))
}

@test "vmlinux, 4 CPUs: every queue of the NIC has a vector of its own" {
	[[ $(value queue_vectors "$(said elf4 nic)") == 8 ]]
	[[ $(console_of elf4 | grep -cE 'vector irq=[0-9]+ name=virtio[0-9]+-(in|out)put\.[0-3] ') == 8 ]]
}

@test "vmlinux, 4 CPUs: writes and reads back 256 MiB, the same on the host" {
	local line
	line=$(said elf4 'disk mib=256')
	[[ -n $(value wrote "$line") && $(value wrote "$line") == "$(value read "$line")" ]]
	[[ $(value value "$(hvtest sum "$HVSH_ROOT/full.img" 256)") == "$(value wrote "$line")" ]]
}

@test "tap, MTU 1500: 100 MB over TCP in both directions" {
	stream_was_right elf4 send 1400
	stream_was_right elf4 recv 1400
}

@test "vmlinuz, 1 CPU, tap MTU 9000: boots and moves 100 MB in both directions" {
	vm_make bz1 vmlinuz 1 "$SEES,$TAP:9000,$NET100,reboot_once:sda" --disk "$HVSH_ROOT/bz1.img" \
		--nic network=hvbr0,queues=1,mtu=9000
	hvsh vm start bz1
	console_shows bz1 'end verb=recv' 240
	sees_its_parts bz1 1 $((64 << 20))
	stream_was_right bz1 send 8900
	stream_was_right bz1 recv 8900
}

@test "vmlinuz, 1 CPU: a reset from inside boots it again" {
	console_shows bz1 'reboot_once second=yes' 200
	[[ $(console_of bz1 | grep -c 'hvtest: up ') == 2 ]]
	[[ $(state_of bz1) == running ]]
}

@test "vmlinuz, 1 CPU: vm stop presses the power button, the guest shuts down" {
	console_shows bz1 'hvtest: ready' 60
	hvsh vm stop bz1
	state_becomes bz1 stopped 60
	console_of bz1 | grep -q 'power button=pressed'
}

@test "vmlinux, 1 CPU, passt MTU 1500: moves 100 MB in both directions" {
	vm_make elf1 vmlinux 1 "nics,dhcp:eth0:1500,$(passt_streams),clock_loop" --disk "$HVSH_ROOT/elf1.img" \
		--nic network=passt,mtu=1500
	hvsh vm start elf1
	console_shows elf1 'end verb=recv' 240
	stream_was_right elf1 send 1300
	stream_was_right elf1 recv 1300
}

@test "vmlinux, 1 CPU: 20 rounds of pause and resume leave its clock right" {
	local before guest host
	console_shows elf1 'hvtest: tick' 60
	for _ in {1..20}; do
		hvsh vm pause elf1
		[[ $(state_of elf1) == paused ]]
		hvsh vm resume elf1
	done
	[[ $(state_of elf1) == running ]]
	before=$(console_of elf1 | grep -c 'hvtest: tick')
	console_shows elf1 'hvtest: tick' 15
	for _ in {1..40}; do
		(($(console_of elf1 | grep -c 'hvtest: tick') <= before)) || break
		sleep 0.1
	done
	guest=$(value real "$(said elf1 tick)")
	host=$(date +%s.%N)
	echo "guest $guest host $host"
	awk -v g="$guest" -v h="$host" 'BEGIN {d = h - g; exit !(d > -1.5 && d < 3)}'
	hvsh vm kill elf1 --yes
}

@test "vmlinuz, 4 CPUs, passt MTU 9000: boots and moves 100 MB in both directions" {
	vm_make bz4 vmlinuz 4 "cpus,nics,dhcp:eth0:9000,$(passt_streams),poweroff" --disk "$HVSH_ROOT/bz4.img" \
		--nic network=passt,mtu=9000
	hvsh vm start bz4
	state_becomes bz4 stopped 240
	[[ $(value online "$(said bz4 cpus)") == 4 ]]
	stream_was_right bz4 send 8000
	stream_was_right bz4 recv 1300
}

@test "what the host offers is said: nested paging or shadow" {
	run hvsh host show -o json
	[[ $status == 0 ]]
	echo "$output"
	case $HVSH_LAB in
	npt=1) grep -qi 'npt' <<<"$output" ;;
	*) grep -q 'shadow' <<<"$output" ;;
	esac
}
