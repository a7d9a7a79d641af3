# SPDX-License-Identifier: GPL-3.0-or-later
# For the shell's suites: a private root, the built hvsh, the test provider, and a real terminal.

shell_setup() {
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	hvsh=$top/${O:-build}/bin/hvsh
	export HVSH_ROOT=$BATS_TEST_TMPDIR/root NO_COLOR=1
	unset HVSH_HOST HVSH_OUTPUT HVSH_PLUGIN_PATH
	socket=hvsh-$$-$BATS_TEST_NUMBER
}

shell_teardown() {
	tmux -L "$socket" kill-server 2>/dev/null || true
}

# runs hvsh on the test provider: $out, $err, $status
t() {
	status=0
	"$hvsh" --host "${host:-test:20}" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" \
		</dev/null || status=$?
	out=$(<"$BATS_TEST_TMPDIR/out")
	err=$(<"$BATS_TEST_TMPDIR/err")
}

# likewise, the script being standard input
batch() {
	status=0
	"$hvsh" --host "${host:-test:20}" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" ||
		status=$?
	out=$(<"$BATS_TEST_TMPDIR/out")
	err=$(<"$BATS_TEST_TMPDIR/err")
}

# says what was got where a test fails
show() {
	printf 'status %s\n-- out\n%s\n-- err\n%s\n' "$status" "$out" "$err"
}

# ---- a terminal ----

terminal_start() {
	tmux -L "$socket" -f /dev/null new-session -d -x 100 -y 40 \
		"cd '$BATS_TEST_TMPDIR' && env HVSH_ROOT='$HVSH_ROOT' NO_COLOR=1 PS1= '$hvsh' --host '${host:-test:20}'; echo ended with \$?; sleep 60"
	terminal_waits_for 'hvsh test>'
}

keys() {
	tmux -L "$socket" send-keys "$@"
}

screen() {
	tmux -L "$socket" capture-pane -p
}

# the screen shows an extended regular expression, or the test fails after 10 s with the screen
terminal_waits_for() {
	local i
	for ((i = 0; i < 200; i++)); do
		if screen | grep -Eq -- "$1"; then
			return 0
		fi
		sleep 0.05
	done
	echo "the screen never showed: $1"
	screen
	return 1
}
