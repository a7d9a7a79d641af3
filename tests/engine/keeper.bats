#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The keeper and its child as an operator meets them: how VMs end, what is recorded, restarts, the
# console's log, the sandbox that is on, what is left behind.

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	PATH=$PWD/${O:-build}/bin:$PATH
	GUEST=$PWD/${O:-build}/guest/guest.elf
	[[ -r /dev/kvm && -w /dev/kvm ]] || skip "needs /dev/kvm"
	[[ -f $GUEST ]] || skip "needs the test guest"
	export PATH GUEST
}

setup() {
	HVSH_ROOT=$(mktemp -d /tmp/hvsh-keeper.XXXXXX)
	export HVSH_ROOT
}

teardown() {
	local vm
	for vm in $(hvsh vm list -o name 2>/dev/null); do
		hvsh vm kill "$vm" --yes >/dev/null 2>&1 || true
	done
	rm -rf "$HVSH_ROOT"
}

make_vm() { # NAME OPTION...
	local name=$1
	shift
	hvsh vm create "$name" --memory 32M --kernel "$GUEST" "$@"
}

status_of() { # NAME KEY: from the status file
	sed -n "s/.*\"$2\":\"\\{0,1\\}\\([^\",}]*\\).*/\\1/p" "$HVSH_ROOT/run/vms/$1/status"
}

type_at() { # NAME TEXT: when the guest listens
	hvsh vm console "$1" --until 'guest>' --timeout 20s >/dev/null
	hvsh vm console "$1" --send "$2\\n" --take --until "${3:-$2}" --timeout 20s >/dev/null
}

gone() { # PID
	local i
	for ((i = 0; i < 100; i++)); do
		[[ -d /proc/$1 ]] || return 0
		sleep 0.05
	done
	return 1
}

becomes() { # NAME STATE
	local i
	for ((i = 0; i < 200; i++)); do
		[[ $(status_of "$1" state) == "$2" ]] && return 0
		sleep 0.05
	done
	echo "$1 is $(status_of "$1" state), not $2"
	cat "$HVSH_ROOT/run/vms/$1/log"
	return 1
}

@test "keeper: a power-off from inside is recorded and leaves no socket and no process" {
	make_vm a
	hvsh vm start a
	local pid keeper
	pid=$(status_of a pid) keeper=$(status_of a keeper_pid)
	[[ -d /proc/$pid && -d /proc/$keeper ]]
	type_at a poweroff
	becomes a stopped
	[[ $(cat "$HVSH_ROOT/run/vms/a/status") == *'"kind":"poweroff"'* ]]
	gone "$pid"
	gone "$keeper"
	[[ ! -e $HVSH_ROOT/run/vms/a/control.sock && ! -e $HVSH_ROOT/run/vms/a/keeper.sock ]]
	hvsh vm start a
}

@test "keeper: a reset from inside keeps the keeper and takes a new child" {
	make_vm a
	hvsh vm start a
	local pid keeper
	pid=$(status_of a pid) keeper=$(status_of a keeper_pid)
	type_at a reset
	for ((i = 0; i < 100; i++)); do
		[[ $(status_of a resets) == 1 && $(status_of a state) == running ]] && break
		sleep 0.05
	done
	[[ $(status_of a keeper_pid) == "$keeper" && $(status_of a pid) != "$pid" ]]
}

@test "keeper: a crash is restarted by the policy, up to its limit, and told" {
	make_vm a --restart on-crash --restart-limit 1 --restart-delay 0s
	hvsh vm start a
	kill -SEGV "$(status_of a pid)"
	for ((i = 0; i < 100; i++)); do
		[[ $(status_of a restarts) == 1 && $(status_of a state) == running ]] && break
		sleep 0.05
	done
	[[ $(status_of a restarts) == 1 ]]
	kill -SEGV "$(status_of a pid)"
	becomes a crashed
	grep -q 'killed by signal 11' "$HVSH_ROOT/run/vms/a/log"
	run hvsh vm show a
	[[ $output == *'signal 11'* ]]
}

@test "keeper: an operator's kill is not restarted, whatever the policy" {
	make_vm a --restart always --restart-delay 0s
	hvsh vm start a
	hvsh vm kill a --yes
	[[ $(status_of a state) == stopped ]]
	sleep 0.2
	[[ $(status_of a state) == stopped ]]
}

@test "keeper: a kill and a start at once do not meet each other's lock" {
	make_vm a
	for _ in 1 2 3 4 5 6 7 8; do
		hvsh vm start a
		hvsh vm kill a --yes
	done
}

@test "keeper: a second start is a conflict" {
	make_vm a
	hvsh vm start a
	run hvsh vm start a
	[[ $status == 4 || $status == 0 ]]
	[[ $(status_of a state) == running ]]
}

@test "keeper: a kernel that is none comes back as the start's own error" {
	echo 'no kernel at all' >"$HVSH_ROOT/k"
	hvsh vm create a --memory 32M --kernel "$HVSH_ROOT/k"
	run hvsh vm start a
	[[ $status != 0 ]]
	[[ $output == *'looks like a text file'* ]]
	[[ $(status_of a state) == stopped ]]
	[[ ! -e $HVSH_ROOT/run/vms/a/control.sock ]]
}

@test "keeper: the console's log is there while the VM runs and after" {
	make_vm a
	hvsh vm start a
	type_at a 'echo some words' 'some words'
	hvsh vm console a --log | grep -q 'some words'
	hvsh vm kill a --yes
	hvsh vm console a --log | grep -q 'some words'
}

@test "keeper: the child runs without capabilities, filtered, and holds no lock" {
	make_vm a
	hvsh vm start a
	local pid
	pid=$(status_of a pid)
	grep -q '^NoNewPrivs:[[:space:]]*1' "/proc/$pid/status"
	grep -q '^Seccomp:[[:space:]]*2' "/proc/$pid/status"
	grep -qE '^CapEff:[[:space:]]*0+$' "/proc/$pid/status"
	grep -qE '^CapPrm:[[:space:]]*0+$' "/proc/$pid/status"
	for task in /proc/"$pid"/task/*; do
		grep -q '^Seccomp:[[:space:]]*2' "$task/status"
		grep -qE '^CapEff:[[:space:]]*0+$' "$task/status"
	done
	run ls -l "/proc/$pid/fd"
	[[ $output != *keeper.lock* && $output != *console-serial0.log* ]]
}

@test "keeper: descriptors of who starts it stay out" {
	make_vm a
	exec 7>"$HVSH_ROOT/leak"
	hvsh vm start a
	exec 7>&-
	run ls -l "/proc/$(status_of a pid)/fd" "/proc/$(status_of a keeper_pid)/fd"
	[[ $output != *leak* && $output != *"$HVSH_ROOT/config"* ]]
}

@test "sandbox: the errno mode logs nothing on the way from start to power-off" {
	make_vm a --sandbox errno --cpus 2 --disk "$HVSH_ROOT/d.img,size=16M" ||
		make_vm a --sandbox errno --cpus 2
	hvsh vm start a
	type_at a 'echo ok' ok
	hvsh vm pause a
	hvsh vm resume a
	type_at a poweroff
	becomes a stopped
	run cat "$HVSH_ROOT/run/vms/a/log"
	[[ $output != *'refused system call'* ]]
}

@test "vm start: standard streams that are closed cost the VM nothing" {
	make_vm a
	hvsh vm start a <&- >&- 2>&-
	becomes a running
	run cat "$HVSH_ROOT/run/vms/a/log"
	[[ $output != *'cannot write'* && $output != *'cannot make'* ]]
}

@test "vm delete: leaves nothing of a VM that was started twice" {
	make_vm a
	for _ in 1 2; do
		hvsh vm start a
		becomes a running
		hvsh vm kill a --yes
		becomes a stopped
	done
	[[ -e $HVSH_ROOT/run/vms/a/console-serial0.log.old ]]
	hvsh vm delete a --yes
	[[ ! -e $HVSH_ROOT/run/vms/a ]]
}
