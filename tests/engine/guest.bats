#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The engine on this machine's /dev/kvm with the test guest's own drivers: serial port, CPUs, memory,
# power, disks, NICs, random numbers, console, balloon.

load engine

setup() {
	engine_setup
}

teardown() {
	engine_teardown
}

@test "guest: boots to its prompt and answers what is typed at the serial port" {
	vm g ""
	types g 'echo is anybody there' 'ok echo'
	log_of g | grep -x 'is anybody there'
	log_of g | grep -x 'hvsh-guest: ready'
}

@test "guest: all its CPUs run, 1, 4 and 64 of them" {
	local n
	for n in 1 4 64; do
		vm "c$n" 'cpus;poweroff' --cpus "$n"
		off "c$n" 60
		all_ok "c$n"
		[[ $(value "c$n" 'cpus listed' online) == "$n" && $(value "c$n" 'cpus agree' agree) == "$n" ]]
	done
}

@test "guest: memory is there and holds what is written, 16 MiB and beyond 4 GiB" {
	vm small 'mem;memtest 8M;poweroff' --memory 16M
	off small 30
	all_ok small
	vm large 'mem;memtest 64M;poweroff' --memory 6G
	off large 30
	all_ok large
	[[ $(value large 'mem total' total_kib) -gt $((6 * 1024 * 1024 - 1024)) ]]
	log_of large | grep -q 'mem free start=100000000 end=1c0000000'
}

@test "guest: the power button shuts it down" {
	vm g ""
	types g 'echo up' 'ok echo'
	hvsh vm stop g --timeout 20s
	log_of g | grep -x 'hvsh-guest: power button'
	[[ $(ended g) == *'switched off by the guest'* ]]
}

@test "guest: power-off from inside ends the VM" {
	vm g 'poweroff'
	off g 20
	[[ $(ended g) == *'switched off by the guest'* ]]
}

@test "guest: reset from inside and by the operator starts it anew" {
	vm g ""
	types g 'reset' 'hvsh-guest: ready'
	types g 'echo second' 'ok echo'
	hvsh vm reset g --yes
	log_has g 3 'hvsh-guest: ready'
	types g 'echo third' 'ok echo'
	[[ $(log_of g | grep -c 'hvsh-guest: ready') == 3 ]]
	[[ $(ended g) == *'reset by the guest'*'reset by the operator'* ]]
}

@test "guest: 20 rounds of pause and resume leave it running with its clock right" {
	vm g "" --cpus 4
	for _ in {1..20}; do
		hvsh vm pause g
		hvsh vm resume g
	done
	types g 'clock' 'ok clock'
	local late=$(($(date +%s) - $(value g 'clock boot_epoch' now_epoch)))
	((late >= -2 && late <= 2))
	types g 'sleep 200' 'ok sleep'
	(($(value g 'sleep asked' slept_us) < 2000000))
	types g 'cpus' 'ok cpus'
}

@test "guest: 256 MiB on a disk read back the same, and the host sees the same" {
	truncate -s 512M "$HVSH_ROOT/a.img" "$HVSH_ROOT/b.img"
	vm g 'disk;disk test 0 0 256M 7;disk write 1 1M 3M 8;disk flush 1;poweroff' \
		--disk "$HVSH_ROOT/a.img" --disk "$HVSH_ROOT/b.img"
	off g 120
	all_ok g
	[[ $(value g 'disk count' count) == 2 ]]
	local sum
	sum=$(head -c 256M "$HVSH_ROOT/a.img" | sha256sum)
	[[ $(value g 'disk verify' sha256) == "${sum%% *}" ]]
	sum=$(tail -c +$((1024 * 1024 + 1)) "$HVSH_ROOT/b.img" | head -c 3M | sha256sum)
	[[ $(value g 'disk write offset=1048576' sha256) == "${sum%% *}" ]]
}

@test "guest: what it wrote is there after a reset" {
	truncate -s 64M "$HVSH_ROOT/a.img"
	vm g "" --disk "$HVSH_ROOT/a.img"
	types g 'disk write 0 0 16M 3' 'ok disk'
	types g 'disk flush 0' 'ok disk'
	types g 'reset' 'hvsh-guest: ready'
	types g 'disk verify 0 0 16M 3' 'ok disk'
}

@test "guest: 100 MB each way by 4 queue pairs of a tap, MTU 1500, a vector a queue" {
	own_network tap_streams 1500 4 4
	all_ok n
	streams_agree n
	[[ $(value n 'net 0 up=1' pairs) == 4 && $(value n 'net ping sent' lost) == 0 ]]
	[[ $(log_of n | sed -nE 's/^net 0 pair=.* rx_vector=([0-9]+) tx_vector=([0-9]+).*/\1\n\2/p' |
		sort -u | wc -l) == 8 ]]
}

@test "guest: 100 MB each way by a tap, MTU 9000" {
	own_network tap_streams 9000 2 2
	all_ok n
	streams_agree n
	[[ $(value n 'net send' mss) -gt 8000 ]]
}

@test "guest: 16 queue pairs move packets" {
	own_network tap_streams 1500 16 4
	all_ok n
	streams_agree n
	[[ $(value n 'net 0 up=1' pairs) == 16 && $(value n 'net udp' sent) == 800 ]]
}

@test "guest: 100 MB each way by passt, MTU 1500 and 9000" {
	command -v passt >/dev/null || skip "passt is missing (Debian: passt)"
	local gateway own mtu
	read -r _ _ gateway _ < <(ip -4 route show default)
	own=$(ip -4 -o addr show scope global | awk '{print $4; exit}')
	[[ -n $gateway && -n $own ]] || skip "this machine has no default route, which passt wants"
	local port=$((20000 + RANDOM % 10000))
	streams 127.0.0.1 "$port"
	for mtu in 1500 9000; do
		vm "p$mtu" "net up 0 $own gw=$gateway;net send 0 $gateway $port 100M;net recv 0 $gateway $((port + 1));poweroff" \
			--nic "network=passt,mtu=$mtu"
		off "p$mtu" 90
		all_ok "p$mtu"
		streams_agree "p$mtu"
	done
}

@test "guest: random numbers come, and differ" {
	vm g 'rng 100000;rng 32;poweroff'
	off g 30
	all_ok g
	[[ $(log_of g | grep '^rng first=' | sort -u | wc -l) == 2 ]]
}

@test "guest: virtio-console carries both ways" {
	vm g "" --virtio-console
	types g 'console write one two' 'ok console'
	hvsh vm console g --channel virtio0 --log | grep -q 'one two'
	hvsh vm console g --send 'console read 5000\n' --timeout 1s >/dev/null || true
	hvsh vm console g --channel virtio0 --send 'over here' --timeout 1s >/dev/null || true
	types g '' 'ok console'
	[[ $(log_of g | sed -n 's/^console got=.* text=//p' | tr -d '\n') == 'over here' ]]
}

@test "guest: free memory is reported and given back to the host" {
	vm g 'memtest 128M;balloon report'
	types g 'echo done' 'ok echo'
	(($(value g 'balloon reported' reported_bytes) > 128 * 1024 * 1024))
	local pid rss
	pid=$(hvsh vm show g -o json | sed -nE 's/.*"pid": *([0-9]+).*/\1/p' | head -n 1)
	[[ -n $pid ]] || skip "vm show gives no pid"
	rss=$(awk '/^VmRSS/ {print $2}' "/proc/$pid/status")
	((rss < 64 * 1024))
}

@test "guest: a fault in it is reported by it and ends nothing else" {
	vm g 'crash'
	off g 20
	log_of g | grep -q '^fault vector=13'
}
