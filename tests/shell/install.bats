#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The installed tree, and what builds and runs against it from outside.

load shell

setup_file() {
	# the prefix that was built: another one would rebuild what other suites run just now
	export DESTDIR=$BATS_FILE_TMPDIR
	export prefix=$DESTDIR/usr/local
	make -C "$BATS_TEST_DIRNAME/../.." install >"$BATS_FILE_TMPDIR/log" 2>&1 ||
		{ tail "$BATS_FILE_TMPDIR/log"; return 1; }
}

setup() {
	shell_setup
	hvsh=$prefix/bin/hvsh
}

@test "install: the tree runs where it stands" {
	t vm list vm0000 -o name
	show
	[[ $status == 0 && $out == test/vm0000 && -z $err ]]
	[[ -x $prefix/libexec/hvsh/hvsh-vmm && -f $prefix/include/hvsh.h ]]
	[[ -f $prefix/share/man/man1/hvsh.1 ]]
}

@test "install: the outside plugin builds with one header and pkg-config, and loads" {
	cp "$top"/examples/plugin/* "$BATS_TEST_TMPDIR"
	export PKG_CONFIG_PATH=$prefix/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$DESTDIR
	[[ $(pkg-config --variable=plugindir hvsh) == *"/usr/local/lib/hvsh/plugins" ]]
	[[ $(pkg-config --variable=abi_version hvsh) == 1 ]]
	make -C "$BATS_TEST_TMPDIR" uptime.so
	HVSH_PLUGIN_PATH=$BATS_TEST_TMPDIR t uptime list 'vm000*' -o json
	show
	[[ $status == 0 ]]
	jq -e 'length > 0 and all(.[]; .uptime > 0)' <<<"$out"
	HVSH_PLUGIN_PATH=$BATS_TEST_TMPDIR t plugin check
	show
	[[ $status == 0 ]]
}

@test "install: a plugin of another ABI is refused with both versions" {
	sed 's/HVSH_PLUGIN(/&/; $ s/.*/const struct hv_plugin hvsh_plugin HV_PUBLIC = {.abi_version = 99, .struct_size = sizeof(struct hv_plugin), .name = "x", .version = "1", .summary = "x"};/' \
		"$top/examples/plugin/uptime.c" | sed '/static/,/^}/ {/./ {}}' >"$BATS_TEST_TMPDIR/old.c"
	cc -w -shared -fPIC -I"$prefix/include" "$BATS_TEST_TMPDIR/old.c" -o "$BATS_TEST_TMPDIR/old.so"
	HVSH_PLUGIN_PATH=$BATS_TEST_TMPDIR t vm list vm0000 -o name
	show
	[[ $status == 0 && $out == test/vm0000 && $err == *old.so*'ABI version 99'* ]]
}

@test "install: examples check out" {
	host=local t vm create -f "$top/examples/definitions/web1.yaml" --what-if
	show
	[[ $status == 0 ]]
	t --check "$top/examples/batch/rolling-restart.hv"
	show
	[[ $status == 0 ]]
}

@test "install: uninstall leaves nothing" {
	make -C "$top" uninstall >/dev/null
	[[ -z $(find "$prefix" -type f) ]]
}
