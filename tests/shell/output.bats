#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Formats of results, from the test provider.

load shell

setup() {
	shell_setup
}

@test "output: json of a list is one array with raw units" {
	t vm list vm0000 vm0001 -o json
	[[ $status == 0 ]]
	jq -e 'length == 2 and .[0].name == "vm0000" and (.[0].memory | type) == "number"' <<<"$out"
	jq -e '.[0] | has("state") and has("host") and has("cpus")' <<<"$out"
}

@test "output: json of show is one object" {
	t vm show vm0000 -o json
	jq -e '.name == "vm0000" and (.disks | length) >= 1 and .disks[0].format == "raw"' <<<"$out"
}

@test "output: an empty list is an empty array, an empty table its header" {
	t vm list --where 'name=nobody' -o json
	[[ $status == 0 && $out == '[]' ]]
	t vm list --where 'name=nobody'
	[[ $out == NAME* && $(wc -l <<<"$out") == 1 ]]
	t vm list --where 'name=nobody' -o yaml
	[[ $out == '[]' ]]
}

@test "output: yaml reads back as the same definition" {
	t vm export vm0003
	[[ $status == 0 ]]
	printf '%s\n' "$out" >"$BATS_TEST_TMPDIR/a.yaml"
	batch <<-END
		vm import $BATS_TEST_TMPDIR/a.yaml --name again
		vm export again
	END
	show
	[[ $status == 0 ]]
	diff <(grep -Ev '^(name|uuid):|mac:' "$BATS_TEST_TMPDIR/a.yaml") \
		<(grep -Ev '^(name|uuid):|mac:' <<<"$out")
}

@test "output: csv quotes what needs it" {
	batch <<-'END'
		vm create q --description 'one, "two"'
		vm show q --columns name,description -o csv
	END
	[[ $out == $'name,description\nq,"one, ""two"""' ]]
}

@test "output: columns, sort and no header" {
	t vm list 'vm000*' --columns memory,name --sort -memory --no-header
	[[ $status == 0 && $(wc -l <<<"$out") == 10 ]]
	t vm list 'vm00*' --columns memory -o csv --no-header --sort memory
	sort -n -c <<<"$out" || sort -h -c <<<"$out"
}

@test "output: --where compares by type" {
	t vm list --where 'memory>=2G and state=running' -o json
	jq -e 'length > 0 and all(.[]; .memory >= 2147483648 and .state == "running")' <<<"$out"
	t vm list --where 'label.env=prod or not state=running' -o name
	[[ $status == 0 && -n $out ]]
}

@test "output: names from outside cannot move the cursor" {
	batch <<-'END'
		vm create evil
		vm edit evil --description "a	b"
		vm list evil --columns name,description
	END
	[[ $out != *$'\033'* && $out != *$'\t'* ]]
}

@test "output: data goes to stdout, all else to stderr" {
	t vm show nobody
	[[ -z $out && -n $err ]]
}

@test "output: a reader that leaves early is no error" {
	host=test:10000
	run bash -c "'$hvsh' --host test:10000 vm list -o json 2>&1 | head -n 1"
	[[ $output == '[' ]]
}
