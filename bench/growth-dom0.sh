#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In dom0, for growth.py: a program in guest "grow" takes memory at a steady rate, while
# the guest never had more than it was booted with ("fresh"). Then, in one guest, how
# fast its balloon is, without a daemon; the program with all memory from the start
# ("oracle") and as the policy gives it; and the same when most of it must come from
# guest "donor", which has just freed it.
# Each run is a line of "grow"'s console.

# shellcheck source=../mkimage/dom0-lib.sh
. /cagma/in/lib.sh

readonly REPEATS=5 SMALL_MIB=224 LARGE_MIB=620 SPARE_MIB=160 FREED_MIB=500
daemon=

# resize GUEST MIB: by hand, while no daemon runs.
resize() {
	xl mem-set "$1" "$2" || die "xl mem-set $1 $2 failed"
	poll 60 guest_has_about "$1" "$2" || die "$1 has $(guest_mib "$1") MiB instead of $2"
}

start_daemon() {
	local guest
	cagmad --policy "$1" --trace "/tmp/trace-$2.jsonl" 2>>"$CAGMA_OUT/cagmad.log" &
	daemon=$!
	for guest in "${@:3}"; do
		poll 60 is_live "$guest" || die "$guest is not served"
	done
	sleep 12	# the grace time
}

stop_daemon() {
	[[ -n $daemon ]] || return 0
	kill "$daemon"
	wait "$daemon" || die "cagmad ended with status $?"
	daemon=
}

# run NAME RATE: the task's line, marked with the run's name.
run() {
	phase "$1"
	guest_mark grow
	guest_run grow "swapoff -a; swapon /dev/xvdb; echo 3 >/proc/sys/vm/drop_caches; echo RUN $1 \$(grow --rate-mib-s $2) END"
	guest_wait grow "^RUN $1 @G .* END" 300
	stop_daemon
	[[ ! -e /tmp/trace-$1.jsonl ]] || mv "/tmp/trace-$1.jsonl" "$CAGMA_OUT/"
}

# Some kernels must have memory added before they can be given more than ever before.
fresh() {
	local rate
	for rate in 100 200 400; do
		guest_create grow
		start_daemon cagma "fresh-cagma-$rate" grow
		run "fresh-cagma-$rate" $rate
		guest_destroy grow
	done
}

# What the stock driver takes for as much, there and back: lines of $CAGMA_OUT/balloon.
balloon() {
	local mib n
	phase "balloon"
	resize grow $SMALL_MIB
	for mib in 64 256; do
		for ((n = 0; n < REPEATS; n++)); do
			"$CAGMA_IN/balloon" "$(guest_domid grow)" $mib
			sleep 2
			"$CAGMA_IN/balloon" "$(guest_domid grow)" -$mib
			sleep 2
		done
	done >"$CAGMA_OUT/balloon"
}

ample() {
	local rate
	for rate in 50 100 200 400; do
		resize grow $LARGE_MIB
		run "ample-oracle-$rate" $rate
		resize grow $SMALL_MIB
		start_daemon cagma "ample-cagma-$rate" grow
		run "ample-cagma-$rate" $rate
	done
}

# The donor uses nearly all that it has ...
fill_donor() {
	guest_mark donor
	guest_run donor "mount -o remount,size=${FREED_MIB}m /tmp; dd if=/dev/zero of=/tmp/hog bs=1M count=$FREED_MIB 2>/dev/null; echo FILLED"
	guest_wait donor '^FILLED' 300
}

# ... until the very moment that the other one needs it: for 10 s it isn't taken
# back unless somebody does.
empty_donor() {
	guest_mark donor
	guest_run donor 'rm /tmp/hog; echo EMPTY'
	guest_wait donor '^EMPTY' 60
}

tight() {
	local rate policy free donor_mib
	resize grow $SMALL_MIB
	free=$(xl info | awk '/^free_memory/ { print $3 }')
	donor_mib=$((free - SPARE_MIB))
	guest_start donor "memory=$donor_mib" "maxmem=$donor_mib"
	guest_ready donor
	for rate in 100 200; do
		for policy in periodic cagma; do
			resize grow $SMALL_MIB
			resize donor $donor_mib
			fill_donor
			start_daemon $policy "tight-$policy-$rate" grow donor
			empty_donor
			run "tight-$policy-$rate" $rate
		done
	done
}

main() {
	fresh
	guest_create grow
	# A guest that has just booted takes 4 s to look at memory/target, with the module
	# or without.
	sleep 15
	balloon
	ample
	tight
}

main
