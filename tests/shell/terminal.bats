#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The shell on a real terminal.

load shell

setup() {
	command -v tmux >/dev/null || skip "tmux is missing (Debian: tmux)"
	shell_setup
}

teardown() {
	shell_teardown
}

@test "terminal: nouns, verbs and options complete" {
	terminal_start
	keys mem Tab sh Tab
	terminal_waits_for 'memory show'
	keys C-u 'vm st' Tab Tab
	terminal_waits_for 'start +start VMs'
	terminal_waits_for 'stop +shut'
	keys C-u 'vm create x --mem' Tab Tab
	terminal_waits_for '--memory-backing'
	keys C-u 'vm stop --for' Tab
	terminal_waits_for 'vm stop --force'
}

@test "terminal: names, values and paths complete" {
	touch "$BATS_TEST_TMPDIR/kernel-image"
	terminal_start
	keys 'vm show vm001' Tab Tab
	terminal_waits_for 'vm0019'
	keys C-u 'vm create x --restart on-' Tab
	terminal_waits_for '--restart on-crash'
	keys C-u 'vm list -o ya' Tab
	terminal_waits_for '-o yaml'
	keys C-u 'vm create x --kernel kern' Tab
	terminal_waits_for '--kernel kernel-image'
	keys C-u 'vm create x --nic network=passt,que' Tab
	terminal_waits_for 'network=passt,queues='
	keys C-u 'vm list --columns name,sta' Tab
	terminal_waits_for 'name,sta'
}

@test "terminal: what destroys asks for the name, and another word changes nothing" {
	terminal_start
	keys 'vm create gone' Enter 'vm delete gone' Enter
	terminal_waits_for 'type its name'
	keys 'no' Enter
	terminal_waits_for 'nothing was changed'
	keys 'vm delete gone' Enter
	terminal_waits_for 'type its name.*type its name|gone'
	keys 'test/gone' Enter 'vm show gone' Enter
	terminal_waits_for "not-found: .*gone"
}

@test "terminal: errors do not end it, exit does, with the last status" {
	terminal_start
	keys 'vm lst' Enter
	terminal_waits_for 'did you mean "vm list"'
	keys 'vm show vm0000 -o name' Enter
	terminal_waits_for '^test/vm0000'
	keys 'exit 3' Enter
	terminal_waits_for 'ended with 3'
}

@test "terminal: Ctrl-C drops the line, Ctrl-D leaves" {
	terminal_start
	keys 'vm delete vm0000' C-c
	terminal_waits_for '\^C'
	keys 'vm show vm0001 -o name' Enter
	terminal_waits_for '^test/vm0001'
	keys C-d
	terminal_waits_for 'ended with 0'
}

@test "terminal: history is kept from one shell to the next" {
	terminal_start
	keys 'vm show vm0007 -o name' Enter
	terminal_waits_for '^test/vm0007'
	keys 'exit' Enter
	terminal_waits_for 'ended with 0'
	tmux -L "$socket" kill-server
	terminal_start
	keys Up Up Enter
	terminal_waits_for '^test/vm0007'
}

@test "terminal: a quote that is open asks for more, a block too" {
	terminal_start
	keys 'for V in vm0000 vm0001' Enter
	terminal_waits_for '^>'
	keys 'vm show $V -o name' Enter
	keys -l 'end' # without -l it is the End key
	keys Enter
	terminal_waits_for '^test/vm0001'
	keys 'vm show "vm0002' Enter
	terminal_waits_for '^>$'
	keys '" -o name' Enter
	terminal_waits_for 'not-found|vm0002'
}

@test "terminal: events of VMs show above the prompt" {
	terminal_start
	keys 'vm stop vm0000' Enter
	terminal_waits_for '^\* .*vm0000.*(stopp|state)'
}

@test "terminal: Ctrl-C ends what a command waits for, not the shell" {
	host='test:20,hang=vm0000' terminal_start
	keys 'vm wait vm0000 --for state=stopped' Enter
	sleep 0.3
	keys C-c
	terminal_waits_for 'interrupted'
	keys 'vm stop vm0000' Enter
	sleep 0.3
	keys C-c
	terminal_waits_for 'cancel'
	keys 'vm show vm0001 -o name' Enter
	terminal_waits_for '^test/vm0001'
}

@test "terminal: Ctrl-C and Ctrl-D at a question say no, and the next question can be answered" {
	terminal_start
	keys 'vm create gone' Enter 'vm delete gone' Enter
	terminal_waits_for 'type its name'
	keys C-c
	terminal_waits_for '^hvsh: usage: not confirmed'
	keys C-l 'vm delete gone' Enter
	terminal_waits_for 'type its name'
	keys C-d
	terminal_waits_for '^hvsh: usage: not confirmed'
	keys C-l 'vm delete gone' Enter
	terminal_waits_for 'type its name'
	keys 'test/gone' Enter 'vm show gone' Enter
	terminal_waits_for "not-found: .*gone"
}

@test "terminal: Ctrl-C leaves a block, a here-document or a continued line as a whole" {
	terminal_start
	keys 'for V in vm000*' Enter 'vm kill $V --yes' Enter
	terminal_waits_for '^> *$'
	keys C-c
	terminal_waits_for '^hvsh test> *$'
	keys C-l 'vm create -f - <<X' Enter 'name: half' Enter
	terminal_waits_for '> name: half'
	keys C-c
	terminal_waits_for '^hvsh test> *$'
	keys C-l 'vm kill vm0000 --yes \' Enter
	terminal_waits_for '^> *$'
	keys C-c
	terminal_waits_for '^hvsh test> *$'
	keys C-l 'vm show vm0000 --columns state' Enter
	terminal_waits_for 'state +running'
	! screen | grep -q 'missing'
}

@test "terminal: EDITOR may have options" {
	export EDITOR='sed -i s/^memory:.*/memory:7G/;s/:7/:\x207/'
	unset VISUAL
	terminal_start
	keys 'vm edit vm0003' Enter 'vm show vm0003 --columns memory' Enter
	terminal_waits_for 'memory +7G'
}
