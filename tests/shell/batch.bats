#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Batch scripts on the test provider.

load shell

setup() {
	shell_setup
}

@test "batch: 10,000 lines are one process and give 10,000 answers" {
	host=test:1000
	for ((i = 0; i < 10000; i++)); do
		printf 'vm show vm%04d --columns name -o csv --no-header\n' $((i % 1000))
	done >"$BATS_TEST_TMPDIR/script"
	batch <"$BATS_TEST_TMPDIR/script"
	[[ $status == 0 ]]
	[[ $(wc -l <"$BATS_TEST_TMPDIR/out") == 10000 ]]
	[[ $(sed -n 10000p "$BATS_TEST_TMPDIR/out") == vm0999 ]]
}

@test "batch: it stops at the first failure, with its line and its status" {
	batch <<-'END'
		vm show vm0000 -o name
		vm show nobody
		vm show vm0001 -o name
	END
	show
	[[ $status == 3 ]]
	[[ $out == test/vm0000 ]]
	[[ $err == stdin:2:\ not-found:* ]]
}

@test "batch: --keep-going goes on and ends with the first failure's status" {
	batch --keep-going <<-'END'
		vm show nobody
		vm start vm0000
		vm show vm0001 -o name
	END
	show
	[[ $status == 3 && $out == test/vm0001 ]]
	[[ $err == *stdin:1:* && $err == *stdin:2:\ conflict:* ]]
}

@test "batch: a file's errors begin with its name and line" {
	printf '\n# nothing\nvm lst\n' >"$BATS_TEST_TMPDIR/s.hv"
	t --batch "$BATS_TEST_TMPDIR/s.hv"
	[[ $status == 2 && $err == "$BATS_TEST_TMPDIR/s.hv:3: usage:"*'did you mean "vm list"'* ]]
}

@test "batch: comments, quotes, escapes and continued lines" {
	batch <<-'END'
		# a comment
		vm show "vm0000" \
		  --columns 'name' -o csv --no-header   # behind a command too
		vm show vm\0001 --columns=name -o csv --no-header
	END
	show
	[[ $status == 0 && $out == vm0000$'\n'vm0001 ]]
}

@test "batch: variables are one word each; an unknown one stops" {
	batch <<-'END'
		NAME=vm0003
		WHAT="name,state"
		vm show $NAME --columns ${WHAT} -o csv
		vm show '$NAME'
	END
	show
	[[ $status == 3 && $err == *'$NAME'* && $out == name,state$'\n'vm0003,* ]]
	batch <<<'vm show $NOBODY'
	[[ $status == 2 && $err == *'no variable "NOBODY"'* ]]
}

@test "batch: for walks over words and over the VMs that a glob matches" {
	batch <<-'END'
		for V in vm0000 vm000[12]
		  vm show $V --columns name -o csv --no-header
		end
	END
	show
	[[ $status == 0 && $out == vm0000$'\n'vm0001$'\n'vm0002 ]]
}

@test "batch: if, else and if not follow the command's status" {
	batch <<-'END'
		if vm show vm0000 -o name
		  vm show vm0001 -o name
		else
		  vm show vm0002 -o name
		end
		if not vm show nobody
		  vm show vm0003 -o name
		end
	END
	show
	[[ $status == 0 && $out == test/vm0000$'\n'test/vm0001$'\n'test/vm0003 ]]
}

@test "batch: if does not take a mistyped condition for a no" {
	batch <<-'END'
		if vm shw vm0000
		end
	END
	[[ $status == 2 ]]
}

@test "batch: rollback runs where try failed, and the failure stands" {
	batch <<-'END'
		vm create new1
		try
		  vm rename new1 new2
		  vm start nobody
		rollback
		  vm rename new2 new1
		end
	END
	show
	[[ $status == 3 && $err == *stdin:4:* ]]
	batch <<-'END'
		try
		  vm show vm0000 -o name
		rollback
		  vm show vm0001 -o name
		end
	END
	[[ $status == 0 && $out == test/vm0000 ]]
}

@test "batch: a here-document is a command's file" {
	batch <<-'END'
		MEM=2G
		vm create -f - <<YAML
		name: here
		memory: $MEM
		labels: [env=prod]
		YAML
		vm show here --columns memory,labels -o csv --no-header
	END
	show
	[[ $status == 0 && $out == 2147483648,env=prod ]] || [[ $status == 0 && $out == 2G,env=prod ]]
}

@test "batch: what is not closed is told with its line" {
	batch <<<'vm show "vm0000'
	[[ $status == 2 && $err == *quote* ]]
	printf 'if vm list\nvm list\n' >"$BATS_TEST_TMPDIR/s"
	batch <"$BATS_TEST_TMPDIR/s"
	[[ $status == 2 && $err == *'"end" is missing'* ]]
	batch <<<'end'
	[[ $status == 2 ]]
	printf 'vm create -f - <<END\nname: x\n' >"$BATS_TEST_TMPDIR/s"
	batch <"$BATS_TEST_TMPDIR/s"
	[[ $status == 2 && $err == *'"END" is missing'* ]]
}

@test "batch: --check finds every fault and runs nothing" {
	cat >"$BATS_TEST_TMPDIR/s.hv" <<-'END'
		vm create made --memory 1G
		vm start made
		vm strt vm0000
		vm start vm0000 --bogus
		vm start nobody
		for V in vm*
		  vm stop $V --grace x
		end
	END
	t --check "$BATS_TEST_TMPDIR/s.hv"
	show
	[[ $status == 2 && -z $out ]]
	[[ $(grep -c "s.hv:[0-9]*:" <<<"$err") == 4 ]]
	for line in 3 4 5 7; do
		grep -q "s.hv:$line: " <<<"$err"
	done
}

@test "batch: what destroys needs --yes, and nothing happens without it" {
	batch <<<'vm delete vm0002'
	[[ $status == 2 && $err == *--yes* ]]
	batch <<-'END'
		vm create gone
		vm delete gone --yes
		vm show gone
	END
	[[ $status == 3 ]]
}

@test "batch: source runs a file, exit ends with a status" {
	echo 'vm show vm0000 -o name' >"$BATS_TEST_TMPDIR/inner.hv"
	batch <<-END
		source $BATS_TEST_TMPDIR/inner.hv
		exit 7
		vm show vm0001
	END
	[[ $status == 7 && $out == test/vm0000 ]]
}

@test "batch: a pipe is answered line by line" {
	mkfifo "$BATS_TEST_TMPDIR/in"
	"$hvsh" --host test:5 <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" &
	local pid=$!
	exec 7>"$BATS_TEST_TMPDIR/in"
	echo 'vm start vm0003' >&7
	echo 'vm show vm0000 -o name' >&7
	echo 'event follow --count 1 --timeout 0s' >&7
	for ((i = 0; i < 100; i++)); do
		grep -q vm0000 "$BATS_TEST_TMPDIR/out" && break
		sleep 0.05
	done
	grep -q vm0000 "$BATS_TEST_TMPDIR/out"
	exec 7>&-
	wait "$pid" || true
}

@test "batch: a script that cannot be read is a failure, not an empty one" {
	t --batch "$BATS_TEST_TMPDIR"
	show
	[[ $status == 1 && $err == *'cannot read'*'Is a directory'* ]]
	t --check "$BATS_TEST_TMPDIR"
	[[ $status == 1 && $err == *'cannot read'* ]]
	t source "$BATS_TEST_TMPDIR"
	[[ $status == 1 && $err == *'cannot read'* ]]
}
