#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The module of this tree on other kernels, kinds of guests, numbers of vCPUs and
# another Xen. Each guest is named after its cell, KIND-SUITE-VCPUS; one after the
# other it is booted, attached, made to run short, shrunk, reloaded and destroyed.

# shellcheck disable=SC2119	# no test here gives cagmad options
# shellcheck source=test-lib.sh
. /cagma/in/test-lib.sh

readonly -A RELEASE=([bullseye]=5.10. [bookworm]=6.1. [trixie]=6.12.)
# What dd's first pages cost before the balloon is at full speed. Without kmod/hotplug.c
# a PV guest of 5.10 swaps out 4,850 to 20,094 (docs/testing.md).
readonly MOST_SWAPPED=2000
readonly BOOTED_KIB=$((192 * 1024)) GROWN_KIB=$((300 * 1024)) SMALL_KIB=$((220 * 1024))

# Nothing of one cell is to wait for another's grace time.
cat >"$config" <<-END
	grace_ms = 1000;
	release_ms = 2000;
	idle = "host";
	reserve_mib = 80;
END

is_the_kernel() {
	local release suite vcpus
	IFS=- read -r _ suite vcpus <<<"$1"
	release=$(guest_says "$1" "uname -r") || return
	[[ $release == "${RELEASE[$suite]}"* ]] || because "it runs $release" || return
	(($(guest_says "$1" "grep -c ^processor /proc/cpuinfo") == vcpus)) ||
		because "it has not $vcpus processors" || return
	[[ $(guest_says "$1" "cut -d' ' -f1 /proc/modules") == *cagma* ]] ||
		because "it has not loaded the module"
}

# The module's and the agent's way to read it are each their own.
knows_what_it_needs() {
	local module agent
	read -r module agent <<<"$(least "$1")"
	phase "  it needs $module pages, its agent says $agent"
	((module > 0)) || because "the module says $module" || return
	is_about "$module" "$agent" || because "the module says $module, the agent $agent"
}

# A PVH guest begins with all that it may have.
starts_small() {
	[[ $1 == pv-* ]] && return
	expect 60 "it is shrunk at rest" at_most "$1" alloc_kib $SMALL_KIB
}

pressure_is_answered() {
	local kicks answered out
	kicks=$(field "$1" kicks) answered=$(field "$1" answered)
	guest_mark "$1"
	guest_run "$1" "mount -o remount,size=400m /tmp; dd if=/dev/zero of=/tmp/hog bs=1M count=220 2>/dev/null; echo HOG-\$?"
	expect 60 "it grows" at_least "$1" alloc_kib $GROWN_KIB && says "$1" '^HOG-0' 60 || return
	at_least "$1" answered $((answered + 1)) || because "no emergency was answered" || return
	at_least "$1" kicks $((kicks + 1)) || because "no kick came" || return
	out=$(guest_says "$1" "sed -n 's/^pswpout //p' /proc/vmstat")
	phase "  kicks $(($(field "$1" kicks) - kicks)), answered $(($(field "$1" answered) - answered)), $out pages swapped out"
	guest_run "$1" "rm /tmp/hog"
	# How fast a PVH guest's balloon is depends on how QEMU emulates its page tables.
	[[ $1 == pvh-* ]] || ((out <= MOST_SWAPPED)) || because "$out pages were swapped out"
}

grows_to_its_maximum() {
	cagmactl set "$1" min=512 >/dev/null || because "cagmactl set failed" || return
	expect 20 "it has its maximum" at_least "$1" alloc_kib $((512 * 1024)) &&
		expect 30 "it is there to the page" is_exact "$1"
}

# In a guest that never had more than it was booted with: memory is added to it ahead of
# need, and when it is to have more than that at once, the driver is woken up. Linux 6.1
# adds no memory, and a PVH guest has had it all.
has_memory_added() {
	[[ $1 == pv-bullseye-* || $1 == pv-trixie-* ]] || return 0
	guest_destroy "$1"
	guest_create "$1"
	expect 20 "it is live" is_live "$1" &&
		expect 20 "memory is added ahead" has_room_to_grow "$1" &&
		grows_to_its_maximum "$1" || return
	(($(guest_says "$1" "cat /sys/module/cagma/parameters/nudges") > 0)) ||
		because "nobody woke the balloon driver up"
}

# The driver has put pages, or could put some, into more than the guest was booted with.
# Read in this order, a page that is being taken away is not counted twice.
has_room_to_grow() {
	local info=/sys/devices/system/xen_memory/xen_memory0/info
	(($(guest_says "$1" "echo \$((\$(cat $info/low_kb) + \$(cat $info/current_kb)))") > BOOTED_KIB))
}

target_lands() {
	local off
	expect 60 "it is shrunk" at_most "$1" target_kib $SMALL_KIB &&
		expect 60 "it is there to the page" is_exact "$1" || return
	off=$(($(field "$1" alloc_kib) - $(field "$1" target_kib)))
	phase "  target $(field "$1" target_kib) KiB, offset $(offset_kib "$1") KiB, Xen's count is off by $off KiB"
	[[ $1 == pvh-* ]] || (($(offset_kib "$1") == 0)) || because "a PV guest has an offset"
}

module_is_reloaded() {
	guest_mark "$1"
	guest_run "$1" "rmmod cagma; echo RMMOD-\$?"
	says "$1" '^RMMOD-0' 30 && expect 5 "cagmad lets go" is_gone "$1" || return
	! offer "$1" || because "the offer is still there" || return
	guest_run "$1" "insmod /run/cagma.ko"
	expect 20 "it is live again" is_live "$1" && is_answered "$1" &&
		expect 30 "it is there to the page" is_exact "$1"
}

works() {
	is_the_kernel "$1" && expect 20 "it is live" is_live "$1" && knows_what_it_needs "$1" &&
		starts_small "$1" &&
		pressure_is_answered "$1" && target_lands "$1" && module_is_reloaded "$1" &&
		grows_to_its_maximum "$1" && has_memory_added "$1"
}

# check GUEST: a PVH guest that QEMU ended is no answer.
check() {
	local try
	for try in 1 2 3 4; do
		if [[ $1 == pvh-* ]]; then create_pvh "$1"; else guest_create "$1"; fi
		works "$1" && break
		[[ $1 == pvh-* && $try != 4 ]] && pvh_is_lost "$1" || return
		phase "  QEMU has ended it: again"
		clear_away_pvh "$1"
	done
	guest_destroy "$1"
	expect 10 "cagmad lets go" is_gone "$1"
}

no_invariant_was_broken() {
	local broken
	broken=$(total invariant_violations)
	((broken == 0)) || because "$broken times"
}

start_daemon
for guest in $(guest_names); do
	run_test "cell_$guest" check "$guest"
	xl destroy "$guest" 2>/dev/null || true	# if it is still there
done
run_test no_invariant_was_broken
run_test daemon_stops stop_daemon
