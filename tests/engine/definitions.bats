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
