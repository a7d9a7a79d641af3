#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Every verb against what can go wrong: message, hint, exit status. The list of verbs comes from
# hvsh itself, so that a new one is tested without being named here.

load shell

setup() {
	shell_setup
}

# NOUN VERB of all commands whose first argument refers to KIND, but for those given
verbs_on() {
	"$hvsh" schema dump | jq -r --arg kind "$1" \
		'.commands[] | select(.arguments[0].type == "reference" and .arguments[0].of == $kind)
		 | "\(.noun) \(.verb)"'
}

# what a verb wants besides its object
rest_of() {
	case $1 in
	'vm rename' | 'vm clone') echo other ;;
	'vm label') echo a=b ;;
	'vm edit') echo --memory 64M ;;
	'vm console') echo --log ;;
	'vm wait') echo --timeout 0s ;;
	esac
}

@test "verbs: every one with a wrong name exits 3 and says where to look" {
	local verb bad=0 n=0
	while read -r verb; do
		n=$((n + 1))
		# shellcheck disable=SC2046,SC2086
		t $verb nobody $(rest_of "$verb")
		if [[ $status != 3 || $err != *nobody* || $(wc -l <<<"$err") -lt 2 ]]; then
			echo "$verb:" && show
			bad=1
		fi
	done < <(verbs_on vm)
	[[ $n -gt 15 && $bad == 0 ]]
}

@test "verbs: a nearly right name is suggested" {
	t vm show vm000
	[[ $status == 3 && $err == *'did you mean'*vm000* ]]
}

@test "verbs: every change in a wrong state exits 4 and names the state" {
	local verb
	for verb in 'start vm0000' 'resume vm0000' 'delete vm0000 --yes' 'rename vm0000 x'; do
		# shellcheck disable=SC2086
		t vm $verb
		show
		[[ $status == 4 && $err == *running* ]]
	done
	t vm edit vm0000 --memory 1G
	[[ $status == 4 && $err == *running* ]]
}

@test "verbs: no permission exits 5, a full disk 1, each with a hint" {
	host='test:20,deny=vm0003' t vm delete vm0003 --yes
	show
	host='test:20,deny=vm00*' t vm stop vm0000
	show
	[[ $status == 5 && $(wc -l <<<"$err") -ge 2 ]]
	host='test:20,full=vm00*' t vm edit vm0000 --description x
	show
	[[ $status == 1 && $err == *space* && $(wc -l <<<"$err") -ge 2 ]]
}

@test "verbs: an unreachable host exits 6" {
	host='test:20,unreachable' t vm list
	show
	[[ $status == 6 ]]
}

@test "verbs: what takes too long exits 7" {
	host='test:20,hang=vm0000' t vm stop vm0000 --timeout 0.2s
	show
	[[ $status == 7 ]]
	t vm wait vm0000 --for state=stopped --timeout 0.1s
	[[ $status == 7 ]]
}

@test "verbs: some of several failing exits 8, and the rest is done" {
	batch --keep-going <<-'END'
		vm start vm000*
		vm list vm000* --where state=stopped -o name
	END
	show
	[[ $status == 8 && -z $out && $err == *conflict* ]]
}

@test "verbs: --what-if says what it would do and changes nothing" {
	batch <<-'END'
		vm stop vm0000 --what-if
		vm delete vm0008 --what-if
		vm create another --memory 1G --what-if
		vm show vm0000 --columns state -o csv --no-header
	END
	show
	[[ $status == 0 || $status == 4 ]]
	[[ $out == *'would stop vm "'*vm0000* ]]
	t vm create another --memory 1G --what-if
	[[ $status == 0 && $out == *'would create vm "another"'*1G* ]]
}

@test "verbs: wrong values name the value and what is wanted" {
	t vm create x --memory 1Q
	[[ $status == 2 && $err == *memory* && $err == *1Q* ]]
	t vm create x --cpus 65
	[[ $status == 2 && $err == *64* ]]
	t vm create x --restart sometimes
	[[ $status == 2 && $err == *never* ]]
	t vm create x --memory
	[[ $status == 2 && $err == *value* ]]
	t vm list --where 'memory>>2'
	[[ $status == 2 ]]
	t vm list --columns nam
	[[ $status == 2 && $err == *'did you mean'*name* ]]
	t vm list --sort nothing
	[[ $status == 2 ]]
	t -o xml vm list
	[[ $status == 2 && $err == *json* ]]
}

@test "verbs: a descriptor's self-test finds no fault" {
	t plugin check
	show
	[[ $status == 0 && -z $out ]]
}

@test "verbs: the alias of a verb is the verb" {
	t vm ls vm0000 -o name
	[[ $status == 0 && $out == test/vm0000 ]]
	t vms list vm0000 -o name
	[[ $status == 0 && $out == test/vm0000 ]]
}

@test "verbs: create, clone, rename, label, export, import, delete in a row" {
	batch <<-END
		vm create a --memory 64M --cpus 2 --labels env=test --disk /x.raw --nic passt,queues=2
		vm label a tier=web env-
		vm show a --columns labels -o csv --no-header
		vm clone a b
		vm rename b c
		vm export c --file $BATS_TEST_TMPDIR/c.yaml
		vm import $BATS_TEST_TMPDIR/c.yaml --name d
		vm show d --columns name,memory,cpus -o json
		vm autostart d
		vm list --where 'autostart=yes and name=d' -o name
		vm delete a c d --yes
		vm list a c d
	END
	show
	[[ $status == 3 ]]
	[[ $out == tier=web* && $out == *'"memory":67108864'* && $out == *test/d ]]
}

@test "verbs: --what-if refuses what would be refused" {
	t vm create vm0001 --what-if
	show
	[[ $status == 4 && -z $out && $err == *'"vm0001" is there already'* ]]
	t vm create 'bad name' --what-if
	[[ $status == 2 && -z $out ]]
	t vm rename vm0003 vm0001 --what-if
	show
	[[ $status == 4 && -z $out && $err == *'"vm0001" is there already'* ]]
	t vm clone vm0003 'bad name' --what-if
	[[ $status == 2 && -z $out ]]
}

@test "verbs: --what-if says the new name, and that images go" {
	t vm rename vm0003 fresh --what-if
	show
	[[ $status == 0 && $out == *'would rename vm "test/vm0003" (new_name fresh)'* ]]
	t vm delete vm0003 --images --what-if
	show
	[[ $status == 0 && $out == *'would delete vm "test/vm0003" (images yes)'* ]]
	t vm delete vm0003 --what-if
	[[ $out != *images* ]]
}

@test "verbs: a change refuses HOST/, which a variable that is empty leaves" {
	batch <<-'END'
		NAME=
		vm kill test/$NAME --yes
	END
	show
	[[ $status == 2 && $err == *'"test/" names no vm'*'test/*'* ]]
	t vm list test/ -o name
	[[ $status == 0 && $out == *vm0000* ]]
}

@test "verbs: a paused VM that cannot be stopped is to be resumed, not reset" {
	batch <<-'END'
		vm pause vm0000
		vm stop vm0000
	END
	show
	[[ $status == 4 && $err == *'hvsh vm resume test/vm0000'* ]]
}

@test "verbs: create --start --what-if says both" {
	t vm create fresh --memory 1G --start --what-if
	show
	[[ $status == 0 && $out == *'would create vm "fresh"'*'would start vm "fresh"'* ]]
}

@test "verbs: a file that may not be read exits 5" {
	local forbidden=$BATS_TEST_TMPDIR/forbidden
	echo 'name: x' >"$forbidden"
	chmod 000 "$forbidden"
	if [[ $EUID == 0 ]]; then # root reads all but without these
		hvsh_itself=$hvsh
		hvsh=$BATS_TEST_TMPDIR/hvsh
		printf '#!/bin/sh\nexec setpriv --bounding-set -dac_override,-dac_read_search %s "$@"\n' \
			"$hvsh_itself" >"$hvsh"
		chmod 755 "$hvsh"
	fi
	t vm create -f "$forbidden"
	show
	[[ $status == 5 && $err == *'Permission denied'* ]]
	t --batch "$forbidden"
	[[ $status == 5 ]]
	t source "$forbidden"
	[[ $status == 5 ]]
	mkdir -p "$HVSH_ROOT/config"
	cp "$forbidden" "$HVSH_ROOT/config/hvsh.yaml" 2>/dev/null || : >"$HVSH_ROOT/config/hvsh.yaml"
	chmod 000 "$HVSH_ROOT/config/hvsh.yaml"
	t vm list
	show
	[[ $status == 5 && $err == *hvsh.yaml* ]]
}
