#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Processes killed at random moments of many lifecycles: hvsh while it starts a VM, the keeper, the
# child. Whatever dies, no process and no lock stays, the definition is whole, and the state reported is
# one that is true. HVSH_LIFECYCLES sets how many (50), HVSH_SEED repeats a run.

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	PATH=$PWD/${O:-build}/bin:$PATH
	GUEST=$PWD/${O:-build}/guest/guest.elf
	[[ -r /dev/kvm && -w /dev/kvm ]] || skip "needs /dev/kvm"
	[[ -f $GUEST ]] || skip "needs the test guest"
	HVSH_ROOT=$(mktemp -d /tmp/hvsh-life.XXXXXX)
	export PATH GUEST HVSH_ROOT
	hvsh vm create life --memory 32M --kernel "$GUEST" --label kept=yes
	cp "$HVSH_ROOT/config/vms/life.yaml" "$HVSH_ROOT/definition"
}

teardown_file() {
	[[ -n ${HVSH_ROOT-} ]] || return 0
	hvsh vm kill life --yes >/dev/null 2>&1 || true
	rm -rf "$HVSH_ROOT"
}

# the processes of this VM, known by their log: the keeper's and the child's standard error
processes() {
	local pid
	for pid in $(pgrep -x hvsh-vmm); do
		[[ $(readlink "/proc/$pid/fd/2" 2>/dev/null) == "$HVSH_ROOT/"* ]] && echo "$pid"
	done
	return 0
}

status_key() {
	sed -n "s/.*\"$1\":\"\\{0,1\\}\\([^\",}]*\\).*/\\1/p" "$HVSH_ROOT/run/vms/life/status" 2>/dev/null
}

state() {
	hvsh vm list life -o json | tr -d ' \n' | sed 's/.*"state":"\([a-z]*\)".*/\1/'
}

settled() { # no process of the VM is left, within 5 s
	local t
	for ((t = 0; t < 100; t++)); do
		[[ -z $(processes) ]] && return 0
		sleep 0.05
	done
	echo "left behind: $(processes)"
	return 1
}

pause_at_random() { # MOST_MS
	sleep "$(printf '0.%03d' $((RANDOM % $1)))"
}

check_definition() {
	cmp "$HVSH_ROOT/definition" "$HVSH_ROOT/config/vms/life.yaml"
	[[ -z $(find "$HVSH_ROOT/config/vms" -type f ! -name life.yaml ! -name .lock) ]]
}

one_life() { # WHOM
	local pid='' now before t
	before=$(state)
	case $1 in
	hvsh)
		hvsh vm start life >/dev/null 2>&1 &
		pid=$!
		pause_at_random 12
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		# whole or not at all, and soon one of them; not at all may mean not even begun
		for ((t = 0; t < 100; t++)); do
			now=$(state)
			[[ $now != starting ]] && break
			sleep 0.05
		done
		echo "after hvsh's death: $now"
		[[ $now == running || $now == stopped || $now == "$before" ]]
		if [[ $now == running ]]; then
			hvsh vm kill life --yes
			[[ $(state) == stopped ]]
		fi
		settled
		;;
	child)
		hvsh vm start life
		pid=$(status_key pid)
		pause_at_random 60
		kill -KILL "$pid"
		settled
		echo "after the child's death: $(state)"
		[[ $(state) == crashed && $(status_key kind) == signal ]]
		;;
	keeper)
		hvsh vm start life
		pid=$(status_key keeper_pid)
		pause_at_random 60
		kill -KILL "$pid"
		settled
		echo "after the keeper's death: $(state)"
		[[ $(state) == crashed ]]
		;;
	early)
		# child or keeper while hvsh still waits for them
		hvsh vm start life >/dev/null 2>&1 &
		pid=$!
		pause_at_random 12
		for now in $(processes); do
			if ((RANDOM % 2)); then
				kill -KILL "$now" 2>/dev/null || true
			fi
		done
		wait "$pid" || true
		hvsh vm kill life --yes >/dev/null 2>&1 || true
		settled
		now=$(state)
		echo "after an early death: $now"
		[[ $now == stopped || $now == crashed ]]
		;;
	esac
	check_definition
}

@test "lifecycle: kill -9 of hvsh, keeper and child at random moments leaves nothing and tells the truth" {
	local whom=(hvsh child keeper early) i n=${HVSH_LIFECYCLES:-50}
	RANDOM=${HVSH_SEED:=$RANDOM}
	echo "HVSH_SEED=$HVSH_SEED"
	for ((i = 0; i < n; i++)); do
		echo "life $i: ${whom[i % 4]}"
		one_life "${whom[i % 4]}"
	done
	# and it still starts
	hvsh vm start life
	[[ $(state) == running ]]
	hvsh vm kill life --yes
	settled
}
