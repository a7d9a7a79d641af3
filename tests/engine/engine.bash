# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# What the engine's suites share: VMs of the test guest (tests/guest), made and driven by hvsh as a
# user would, on this machine's /dev/kvm. Each test has its own HVSH_ROOT.

engine_setup() {
	[[ -r /dev/kvm && -w /dev/kvm ]] || skip "no rights on /dev/kvm"
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	export PATH=$top/${O:-build}/bin:$PATH
	export HVSH_ROOT=$BATS_TEST_TMPDIR/h
	kernel=$top/${O:-build}/guest/guest.elf
	mkdir "$HVSH_ROOT"
	streams_pid=
}

engine_teardown() {
	[[ -n ${HVSH_ROOT-} ]] || return 0
	local vm
	for vm in $(hvsh vm list -o name 2>/dev/null); do
		hvsh vm kill "$vm" --yes >/dev/null 2>&1 || true
	done
	[[ -z $streams_pid ]] || kill "$streams_pid" 2>/dev/null || true
}

# vm NAME COMMANDS [OPTION...]: a started VM that runs the commands first
vm() {
	local name=$1 commands=$2
	shift 2
	hvsh vm create "$name" --kernel "$kernel" --cmdline "${commands:+run=$commands}" \
		--memory 256M --cpus 2 "$@" && hvsh vm start "$name"
}

# runs VM NAME SECONDS: waits until it has switched itself off
off() {
	hvsh vm wait "$1" --for state=stopped --timeout "$2s" || {
		log_of "$1" | tail -n 30
		return 1
	}
}

log_of() {
	hvsh vm console "$1" --log | tr -d '\r'
}

# types NAME TEXT PATTERN: at its serial port, and waits for what it then writes. Not before its first
# prompt: setting a UART up clears what is in its FIFO.
types() {
	hvsh vm console "$1" --until 'guest>' --timeout 20s >/dev/null || return
	hvsh vm console "$1" --send "$2\n" --until "$3" --timeout 20s
}

# log_has NAME COUNT PATTERN: waits for so many lines, at most 10 s
log_has() {
	local _
	for _ in {1..200}; do
		[[ $(log_of "$1" | grep -c "$3") -lt $2 ]] || return 0
		sleep 0.05
	done
	return 1
}

# the commands of the guest all said ok
all_ok() {
	! log_of "$1" | grep -aE '^(fail|fault) ' || return 1
	log_of "$1" | grep -aq '^hvsh-guest: power off'
}

# value NAME LINE KEY: of the last line that begins so
value() {
	log_of "$1" | grep -a "^$2" | tail -n 1 | sed -nE "s/.* $3=([^ ]*).*/\1/p"
}

# the VM's own account of how it ended
ended() {
	cat "$HVSH_ROOT/run/vms/$1/log"
}

# in a network of its own, where there is nothing else: own_network COMMAND...
own_network() {
	((EUID == 0)) || skip "a tap on a bridge needs root"
	command -v ip >/dev/null || skip "ip is missing (Debian: iproute2)"
	unshare -n true 2>/dev/null || skip "no network namespaces"
	export -f tap_streams wait_streams vm off log_of all_ok value
	export kernel top
	unshare -n bash -euc 'ip link set lo up; ip link add br0 type bridge
		ip addr add 10.9.0.1/24 dev br0; ip link set br0 mtu 9000 up; "$@"' _ "$@"
}

# serves streams at ADDRESS PORT, in the background
streams() {
	"$top/tests/engine/streams" "$1" "$2" 100000000 >"$HVSH_ROOT/streams" 3>&- 4>&- &
	streams_pid=$!
	wait_streams
}

wait_streams() {
	local _
	for _ in {1..200}; do
		! grep -qs ready "$HVSH_ROOT/streams" || return 0
		sleep 0.05
	done
	return 1
}

# what the guest sent and got is what the host took and gave
streams_agree() {
	grep -q "took $(value "$1" 'net send' bytes) $(value "$1" 'net send' sha256)" "$HVSH_ROOT/streams" &&
		grep -q "gave $(value "$1" 'net recv' bytes) $(value "$1" 'net recv' sha256)" "$HVSH_ROOT/streams"
}

# tap_streams MTU PAIRS CPUS
tap_streams() {
	"$top/tests/engine/streams" 10.9.0.1 5000 100000000 >"$HVSH_ROOT/streams" &
	local pid=$!
	wait_streams || return
	local status=0
	vm n "net up 0 10.9.0.2/24;net ping 0 10.9.0.1 20 1400;net send 0 10.9.0.1 5000 100M;net recv 0 10.9.0.1 5001;\
net udp 0 10.9.0.1 9 200 1000;net udp 0 10.9.0.1 9 50 10000;net;poweroff" \
		--cpus "$3" --nic "network=br0,queues=$2,mtu=$1" && off n 60 || status=1
	kill "$pid"
	return "$status"
}
