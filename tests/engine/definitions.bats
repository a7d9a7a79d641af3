#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# What definitions of the engine's VMs can and cannot say, and what becomes of the files they name.

load engine

setup() {
	engine_setup
}

teardown() {
	engine_teardown
}

@test "definitions: delete --images spares an image that another VM has too" {
	truncate -s 8M "$HVSH_ROOT/shared.raw" "$HVSH_ROOT/own.raw"
	hvsh vm create one --kernel "$kernel" --disk "$HVSH_ROOT/shared.raw"
	hvsh vm create two --kernel "$kernel" --disk "$HVSH_ROOT/own.raw" --disk "$HVSH_ROOT/shared.raw"
	run hvsh vm delete two --images --yes
	[[ $status == 4 && $output == *shared.raw*'vm "one"'* ]]
	[[ -e $HVSH_ROOT/shared.raw && -e $HVSH_ROOT/own.raw ]]
	hvsh vm show two -o name
	hvsh vm delete one --yes
	hvsh vm delete two --images --yes
	[[ ! -e $HVSH_ROOT/shared.raw && ! -e $HVSH_ROOT/own.raw ]]
}

@test "definitions: one image twice is refused, twice read-only is not" {
	truncate -s 8M "$HVSH_ROOT/a.raw"
	run hvsh vm create one --kernel "$kernel" --disk "$HVSH_ROOT/a.raw" --disk "$HVSH_ROOT/a.raw"
	[[ $status == 2 && $output == *a.raw*twice* ]]
	hvsh vm create one --kernel "$kernel" --disk "$HVSH_ROOT/a.raw,read_only=yes" \
		--disk "$HVSH_ROOT/a.raw,read_only=yes" --start
}

@test "definitions: an empty value takes the property away" {
	hvsh vm create one --kernel "$kernel" --initrd /nowhere --cmdline quiet
	hvsh vm edit one --initrd '' --cmdline ''
	run hvsh vm export one
	[[ $status == 0 && $output == *kernel:* && $output != *initrd* && $output != *cmdline* ]]
	hvsh vm start one
}

@test "definitions: hugetlb memory without a page size is of 2 MiB pages" {
	hvsh vm create one --memory 32M --kernel "$kernel" --memory-backing hugetlb
	run hvsh vm start one
	# whether the host has such pages reserved is not the question here
	[[ $status == 0 || $output == *huge* ]]
	[[ $output != *'launch spec'* ]]
}

@test "definitions: a balloon cannot leave more than the memory" {
	run hvsh vm create one --memory 64M --balloon-target 3G --kernel "$kernel"
	[[ $status == 2 && $output == *balloon_target* ]]
	hvsh vm create one --memory 64M --balloon-target 32M --kernel "$kernel" --start
}

@test "definitions: a pipe is neither kernel nor image, and nobody waits for its other end" {
	mkfifo "$HVSH_ROOT/pipe"
	hvsh vm create one --kernel "$HVSH_ROOT/pipe"
	run timeout 5 hvsh vm start one
	[[ $status == 1 && $output == *pipe* ]]
	hvsh vm edit one --kernel "$kernel" --disk "$HVSH_ROOT/pipe"
	run timeout 5 hvsh vm start one
	[[ $status == 1 && $output == *pipe* ]]
	run timeout 5 hvsh vm clone one two
	[[ $status == 2 && $output == *'regular file'* ]]
	run hvsh vm show two
	[[ $status == 3 ]]
}
