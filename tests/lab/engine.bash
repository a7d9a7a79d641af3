# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# What the lab's suites share: VMs made and driven by hvsh as a user would, and their console read.
# A file's VMs live under one HVSH_ROOT, made by lab_up in setup_file.

lab_up() {
	[[ -n ${HVSH_LAB-} ]] || skip "runs in a nested host (tests/lab/run)"
	cd "$BATS_TEST_DIRNAME/../.." || return
	HVSH_ROOT=$(mktemp -d /tmp/hvsh.XXXXXX)
	PATH=$PWD/${O:-build}/bin:$PWD/${O:-build}/lab:$PATH
	export HVSH_ROOT PATH
}

lab_down() {
	local vm
	for vm in $(hvsh vm list -o name 2>/dev/null); do
		hvsh vm kill "$vm" --yes >/dev/null 2>&1 || true
	done
	[[ -z ${SERVER-} ]] || kill "$SERVER" 2>/dev/null || true
	rm -rf "$HVSH_ROOT"
}

# a VM of the stock kernel: vm_make NAME vmlinux|vmlinuz CPUS VERBS [OPTION...]
vm_make() {
	local name=$1 kernel=$2 cpus=$3 verbs=$4
	shift 4
	hvsh vm create "$name" --memory 512M --cpus "$cpus" --kernel "$HVSH_GUEST_KERNEL/$kernel" \
		--initrd "$HVSH_GUEST_INITRD" \
		--cmdline "console=ttyS0 quiet loglevel=3 panic=-1 hvtest.run=$verbs" "$@"
}

console_of() {
	hvsh vm console "$1" --log | tr -d '\r'
}

state_of() {
	hvsh vm show "$1" -o json | tr -d ' \n' | sed 's/.*"state":"\([a-z]*\)".*/\1/'
}

# waits until the console shows a line that matches, at most so many seconds
console_shows() { # NAME PATTERN SECONDS
	local end=$((SECONDS + $3))
	until console_of "$1" | grep -qE "$2"; do
		if ((SECONDS >= end)) || [[ $(state_of "$1") == crashed ]]; then
			echo "no line '$2' on the console of $1:"
			hvsh vm show "$1" | grep -E '^(state|uptime|reboots|exit_reason|ended)'
			console_of "$1" | tail -n 30
			return 1
		fi
		sleep 2 # each look is a program's start, on emulated CPUs
	done
}

state_becomes() { # NAME STATE SECONDS
	hvsh vm wait "$1" --for "state=$2" --timeout "$3s" && return 0
	echo "$1 is $(state_of "$1") and not $2:"
	hvsh vm show "$1"
	console_of "$1" | tail -n 30
	return 1
}

# one line of what the guest said, and one value of it
said() { # NAME WORD
	console_of "$1" | grep -a "^hvtest: $2 " | tail -n 1
}
value() { # KEY LINE
	sed -nE "s/.* $1=([^ ]*).*/\1/p" <<<"$2 "
}

# a bridge with an address, where the guests' taps are put, and the far end of their streams; one
# port of its own, since passt does not use an interface without carrier, as a bridge is whose last
# tap has gone
lab_network() {
	ip link show hvbr0 >/dev/null 2>&1 || {
		ip link add hvbr0 type bridge
		ip link add hvport0 mtu 9000 type veth peer name hvport1 mtu 9000
		ip link set hvport0 master hvbr0 up
		ip link set hvport1 up
		ip addr add 10.77.0.1/24 dev hvbr0
		ip link set hvbr0 mtu 9000 up
		ip route add default via 10.77.0.254 dev hvbr0
	}
	hvtest serve 5000 >/dev/null 2>&1 3>&- 4>&- &
	SERVER=$!
	export SERVER
}
