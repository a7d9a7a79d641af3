#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# An ordinary user whose only right is /dev/kvm: everything but bridges. The user is "nobody", in a
# mount namespace where /dev/kvm is open to all and the tree can be read; nothing outside changes.

setup_file() {
	[[ $(id -u) == 0 ]] || skip "needs root, to become another user"
	[[ -w /dev/kvm ]] || skip "needs /dev/kvm"
	export top=$BATS_FILE_TMPDIR/tree work=$BATS_FILE_TMPDIR/work
	local build=$BATS_TEST_DIRNAME/../../${O:-build}
	mkdir -p "$top/build" "$top/tests" "$work/tmp"
	cp -r "$build"/bin "$build"/libexec "$build"/lib "$build"/guest "$top/build"
	cp -r "$BATS_TEST_DIRNAME" "$top/tests"
	truncate -s 16M "$work/disk.raw"
	chown -R nobody "$work"
	# the folders above, which only root may enter, are seen through a mount
	mknod -m 666 "$BATS_FILE_TMPDIR/kvm" c 10 232
}

# a command as nobody; the tree at /mnt/tree, what may be written at /mnt/work
user() {
	unshare -m bash -c '
		set -e
		mount -t tmpfs -o mode=755 tmpfs /mnt
		mkdir /mnt/tree /mnt/work
		mount --bind "$1/tree" /mnt/tree
		mount --bind "$1/work" /mnt/work
		mount --bind "$1/kvm" /dev/kvm
		shift
		cd /mnt/work
		exec setpriv --reuid=65534 --regid=65534 --clear-groups env -i PATH=/usr/bin:/bin HOME=/mnt/work \
			TMPDIR=/mnt/work/tmp HVSH_ROOT=/mnt/work/root "$@"' _ "$BATS_FILE_TMPDIR" "$@"
}

hvsh() {
	user /mnt/tree/build/bin/hvsh "$@"
}

teardown_file() {
	[[ -n ${top-} ]] || return 0
	hvsh vm kill '*' --yes >/dev/null 2>&1 || true
}

@test "user: it is another user, without any capability" {
	run user sh -c 'id -u; grep CapEff /proc/self/status'
	[[ $output == 65534*0000000000000000 ]]
}

@test "user: host check finds KVM and says what is not for him" {
	run hvsh host check -o json
	echo "$output"
	[[ $(jq -r '.[] | select(.name == "kvm") | .result' <<<"$output") == ok ]]
	[[ $(jq -r '.[] | select(.name == "passt") | .result' <<<"$output") == ok ]]
}

@test "user: a VM with a disk and passt starts, answers at its console, and shuts down" {
	hvsh vm create u1 --memory 64M --cpus 2 --kernel /mnt/tree/build/guest/guest.elf \
		--disk /mnt/work/disk.raw --nic passt,queues=1
	hvsh vm start u1
	run hvsh vm console u1 --until 'guest>' --timeout 20s
	[[ $status == 0 && $output == *ready* ]]
	run hvsh vm console u1 --send 'cpus\n' --until 'guest>' --timeout 20s
	echo "$output"
	[[ $status == 0 && $output == *'online=2'* ]]
	run hvsh disk list u1:* -o name
	[[ $output == u1:scsi0.0.0 ]]
	hvsh vm pause u1
	hvsh vm resume u1
	hvsh vm stop u1 --grace 20s
	run hvsh vm show u1 --columns state -o csv --no-header
	[[ $output == stopped ]]
}

@test "user: the test guest's drivers, but for taps, and its attacks on rings and disks" {
	run user bats --filter 'CPUs|memory|power|reset|rounds|disk|passt|random|virtio-console' \
		/mnt/tree/tests/engine/guest.bats
	echo "$output"
	[[ $status == 0 && $(grep -c '^ok' <<<"$output") -ge 10 && $output != *'# skip'* ]]
	run user bats --filter 'rings: |controller|SCSI' /mnt/tree/tests/engine/hostile.bats
	echo "$output"
	[[ $status == 0 && $(grep -c '^ok' <<<"$output") -ge 1 && $output != *'# skip'* ]]
}

@test "user: a bridge is refused with exit 5 and names the way without privileges" {
	ip link show lo >/dev/null
	hvsh vm create u2 --memory 64M --kernel /mnt/tree/build/guest/guest.elf --nic network=nobridge0
	run hvsh vm start u2
	echo "$output"
	[[ $status == 5 || $status == 3 ]]
	[[ $output == *passt* || $output == *bridge* ]]
	hvsh vm delete u2 --yes
}

@test "user: what he made is his alone" {
	[[ $(stat -c %U:%a "$work/root/config/vms/u1.yaml") == nobody:600 ]]
	run hvsh vm delete u1 --yes
	[[ $status == 0 ]]
}

@test "user: without a right on /dev/kvm the error says so and how to get it" {
	run unshare -m bash -c '
		mount -t tmpfs -o mode=755 tmpfs /mnt && mkdir /mnt/tree /mnt/work &&
		mount --bind "$1/tree" /mnt/tree && mount --bind "$1/work" /mnt/work &&
		mknod -m 600 /mnt/kvm c 10 232 && mount --bind /mnt/kvm /dev/kvm && cd /mnt/work &&
		exec setpriv --reuid=65534 --regid=65534 --clear-groups env HVSH_ROOT=/mnt/work/root \
			sh -c "/mnt/tree/build/bin/hvsh vm create u3 --memory 64M --kernel /mnt/tree/build/guest/guest.elf; /mnt/tree/build/bin/hvsh vm start u3; s=\$?; /mnt/tree/build/bin/hvsh vm delete u3 --yes; exit \$s"' \
		_ "$BATS_FILE_TMPDIR"
	echo "$output"
	[[ $status == 5 && $output == *kvm* ]]
}
