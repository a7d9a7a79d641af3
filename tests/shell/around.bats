#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# What stands around the shell: completion in other shells, schema, manual, plugins, settings, and
# two of them changing one VM.

load shell

setup() {
	shell_setup
}

@test "around: bash completes by hvsh's own word" {
	export PATH=${hvsh%/*}:$PATH
	run bash -c '
		source <(hvsh completion generate bash)
		try() { COMP_LINE=$1 COMP_POINT=${#1} COMP_CWORD=$2; shift 2; COMP_WORDS=("$@"); _hvsh; printf "%s\n" "${COMPREPLY[@]}"; }
		try "hvsh vm sta" 2 hvsh vm sta
		try "hvsh vm create x --restart on-c" 5 hvsh vm create x --restart on-c
	'
	[[ $status == 0 && $output == *start* && $output == *on-crash* ]]
}

@test "around: zsh's and fish's scripts are whole" {
	t completion generate zsh
	[[ $status == 0 && $out == '#compdef hvsh'* ]]
	command -v zsh >/dev/null && zsh -n <<<"$out"
	t completion generate fish
	[[ $status == 0 && $out == *'complete -c hvsh'* ]]
}

@test "around: the schema is JSON and tells of every kind and command" {
	t schema dump
	jq -e '[.kinds[].name] | contains(["host","vm","cpu","memory","disk","nic","queue","job","event","plugin"])' <<<"$out"
	jq -e '.commands | length > 40' <<<"$out"
	jq -e '.protocol.methods | length > 10' <<<"$out"
	t schema definition
	jq -e '.properties.memory and .additionalProperties == false' <<<"$out"
}

@test "around: manual pages are well-formed" {
	command -v man >/dev/null || skip "man is missing (Debian: man-db)"
	mkdir "$BATS_TEST_TMPDIR/man"
	t manual write "$BATS_TEST_TMPDIR/man"
	[[ $status == 0 ]]
	for page in man1/hvsh.1 man1/hvsh-vm.1 man5/hvsh.yaml.5 man7/hvsh-plugin.7; do
		LC_ALL=C.UTF-8 MANROFFSEQ='' run man --warnings -E UTF-8 -l -Tutf8 -Z \
			"$BATS_TEST_TMPDIR/man/$page"
		[[ $status == 0 ]]
		! grep -q warning <<<"$output"
	done
}

@test "around: --version and --help need no plugin" {
	HVSH_PLUGIN_PATH=/nowhere t --version
	[[ $status == 0 && $out == hvsh\ * ]]
}

@test "around: a plugin that others can write is refused by name, the rest load" {
	mkdir -p "$BATS_TEST_TMPDIR/plugins"
	cp "$top/${O:-build}/lib/hvsh/plugins/cpu.so" "$BATS_TEST_TMPDIR/plugins/bad.so"
	chmod 666 "$BATS_TEST_TMPDIR/plugins/bad.so"
	export HVSH_PLUGIN_PATH=$BATS_TEST_TMPDIR/plugins
	t cpu list -o name
	show
	[[ $status == 0 && $err == *bad.so*refused*'written by others'* ]]
}

@test "around: a plugin with a name that is taken, or that is none, is refused" {
	mkdir -p "$BATS_TEST_TMPDIR/plugins"
	cp "$top/${O:-build}/lib/hvsh/plugins/cpu.so" "$BATS_TEST_TMPDIR/plugins/twice.so"
	cp "$top/${O:-build}/lib/hvsh/plugins/cpu.so" "$BATS_TEST_TMPDIR/plugins/thrice.so"
	echo 'no plugin' >"$BATS_TEST_TMPDIR/plugins/text.so"
	HVSH_PLUGIN_PATH=$BATS_TEST_TMPDIR/plugins t plugin list -o json
	jq -e 'any(.[]; .state == "refused" and (.path | endswith("text.so")))' <<<"$out"
	jq -e 'any(.[]; .state == "refused" and (.reason | contains("there already")))' <<<"$out"
}

@test "around: settings come from option, environment, file and preset, in this order" {
	t -o json config list
	jq -e '.[] | select(.name == "output") | .origin == "option"' <<<"$out"
	HVSH_ESCAPE=^A t config list -o csv
	[[ $out == *'escape,^A,environment'* ]]
	t config set escape ^B
	t config list -o csv
	[[ $status == 0 && $out == *"escape,^B,$HVSH_ROOT/config/hvsh.yaml"* ]]
	t config unset escape
	t config list -o csv
	[[ $out == *'escape,^],preset'* ]]
	echo 'escap: x' >"$HVSH_ROOT/config/hvsh.yaml"
	t vm list
	[[ $status == 2 && $err == *hvsh.yaml:1:* ]]
}

@test "around: definitions refuse unknown and repeated keys with line and column" {
	printf 'name: a\nmemry: 1G\n' >"$BATS_TEST_TMPDIR/a.yaml"
	t vm create -f "$BATS_TEST_TMPDIR/a.yaml"
	show
	[[ $status == 2 && $err == *a.yaml:2:1* ]]
	printf 'name: a\nmemory: 1G\nmemory: 2G\n' >"$BATS_TEST_TMPDIR/a.yaml"
	t vm create -f "$BATS_TEST_TMPDIR/a.yaml"
	[[ $status == 2 && $err == *a.yaml:3:1* ]]
	printf 'name: a\ndescription: no\n' >"$BATS_TEST_TMPDIR/a.yaml"
	batch <<-END
		vm create -f $BATS_TEST_TMPDIR/a.yaml
		vm show a --columns description -o csv --no-header
	END
	[[ $status == 0 && $out == no ]]
}

# ---- the engine's store, which needs no KVM ----

@test "around: definitions are private to their owner and whole" {
	export host=local
	t vm create a --memory 64M
	[[ $status == 0 && $(stat -c %a "$HVSH_ROOT/config/vms/a.yaml") == 600 ]]
	t vm create a
	[[ $status == 4 ]]
	t vm create ../evil
	[[ $status == 2 ]]
}

@test "around: many hvsh changing one VM at once tear nothing, and who loses exits 4" {
	export host=local
	t vm create a --memory 64M
	local i pids=() codes=() code
	for ((i = 1; i <= 20; i++)); do
		"$hvsh" vm edit a --description "text of number $i" 2>/dev/null &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		code=0
		wait "$i" || code=$?
		codes+=("$code")
	done
	echo "${codes[*]}"
	for code in "${codes[@]}"; do
		[[ $code == 0 || $code == 4 ]]
	done
	[[ ${codes[*]} == *0* ]]
	t vm show a --columns description -o csv --no-header
	[[ $status == 0 && $out == 'text of number '* ]]
}

@test "around: a full disk leaves the old definition whole" {
	[[ $(id -u) == 0 ]] || skip "needs root to mount a small file system"
	export host=local
	mkdir -p "$HVSH_ROOT/config"
	mount -t tmpfs -o size=16k tmpfs "$HVSH_ROOT/config"
	t vm create a --memory 64M
	local made=$status before
	before=$(cat "$HVSH_ROOT/config/vms/a.yaml")
	head -c 1M /dev/zero >"$HVSH_ROOT/config/filler" 2>/dev/null || true
	t vm edit a --description "$(head -c 9000 /dev/zero | tr '\0' x)"
	local after
	after=$(cat "$HVSH_ROOT/config/vms/a.yaml")
	umount "$HVSH_ROOT/config"
	show | cut -c 1-300
	[[ $made == 0 && $status == 1 && $err == *'o space left'* && $(wc -l <<<"$err") -ge 2 ]]
	[[ $before == "$after" ]]
}

@test "around: --what-if of a setting says what it would do, and a wrong key is refused" {
	t config set escape ^B --what-if
	show
	[[ $status == 0 && $out == 'would set setting "escape" (value ^B)' ]]
	t config unset escape --what-if
	[[ $status == 0 && $out == 'would unset setting "escape"' ]]
	[[ ! -e $HVSH_ROOT/config/hvsh.yaml ]]
	t config set nothing x --what-if
	[[ $status == 3 && -z $out ]]
	t config set escape hello
	show
	[[ $status == 2 && $err == *'"hello" is no key'* ]]
	[[ ! -e $HVSH_ROOT/config/hvsh.yaml ]]
}

@test "around: --help behind a noun or a verb is its help" {
	t vm create --help
	[[ $status == 0 && $out == 'vm create: define a VM'* ]]
	t vm create web1 --memory 1G -h
	[[ $status == 0 && $out == 'vm create: define a VM'* ]]
	t vm --help
	[[ $status == 0 && $out == 'vm: a virtual machine'* ]]
	t wm --help
	[[ $status == 2 && $err == *'did you mean'* ]]
	t vm edit vm0003 --description --help
	[[ $status == 0 && -z $out ]]
}
