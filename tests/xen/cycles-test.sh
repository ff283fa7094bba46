#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The module is loaded and unloaded CYCLES times while cagmad is there, each time
# attached and with kicks under way, and nothing is left behind. On a debug
# kernel also: memory is missing at each of the module's allocations in turn.
# /cagma/in/cycles.conf has CYCLES and KERNEL.

# shellcheck source=test-lib.sh
. /cagma/in/test-lib.sh
# shellcheck source=/dev/null
. /cagma/in/cycles.conf
: "${CYCLES:?}" "${KERNEL:?}"

readonly CYCLE_S=6
# Allocations without which the module isn't loaded, the loader's included, are more.
readonly FAILURES=20

# offered FIELD: of "VERSION GREF PORT EPOCH".
offered() {
	offer cycle | cut -d' ' -f"$1"
}

guest_ports() {
	lsevtchn "$(guest_domid cycle)" | wc -l
}

held() {
	echo "$(find "/proc/$daemon/fd" -type l | wc -l) files," \
		"$(grep -c gntdev "/proc/$daemon/maps") pages," \
		"$(lsevtchn 0 | wc -l) ports in dom0, $(guest_ports) in the guest"
}

# meminfo KEY: in KiB.
meminfo() {
	guest_says cycle "sed -n 's/^$1: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"
}

free_kib() {
	meminfo MemAvailable
}

is_live_again() {
	expect 60 "the guest is live" is_live cycle
}

# in_guest WORD SECONDS COMMAND...: of guest-cycles.sh, which ends by printing
# WORD-NUMBER..., and prints that.
in_guest() {
	guest_mark cycle
	guest_run cycle "sh /lib/cagma/guest-cycles.sh ${*:3}"
	says cycle "^$1-" "$2" || return
	grep -ao "^$1-[0-9-]*" "$(guest_log cycle)" | tail -n 1
}

# cycles COUNT
cycles() {
	local said
	said=$(in_guest CYCLES $((60 + $1 * CYCLE_S)) cycles "$1") || return
	[[ $said == "CYCLES-$1" ]] || because "it ended early: $said"
}

# ---- tests, in the order in which they are run ----

test_guest_is_attached() {
	start_daemon --config /dev/null
	is_live_again && cycles 3 && is_live_again || return
	held_before=$(held) free_before=$(free_kib) gref_before=$(offered 2)
	slab_before=$(meminfo SUnreclaim)
}

test_L1_module_is_loaded_again_and_again() {
	cycles "$CYCLES" && is_live_again
}

nothing_is_left() {
	local free
	expect 10 "there is what there was" holds_what_it_held ||
		because "there are $(held); there were $held_before" || return
	poll 90 same_grant || because "grant $(offered 2), it was $gref_before" || return
	free=$(free_kib)
	phase "  available in the guest: $free_before KiB before, $free KiB after," \
		"slab $slab_before and $(meminfo SUnreclaim)"
	((free + 2048 >= free_before)) || because "$free KiB are available, $free_before were"
}

# A grant that dom0 had mapped when it ended is Linux's for a while.
same_grant() {
	(($(offered 2) <= gref_before + 2)) && return
	cycles 1 >/dev/null
	sleep 5
	return 1
}

test_nothing_is_left_of_all_those() {
	nothing_is_left
}

test_L2_memory_is_missing_at_every_step() {
	local said failed loaded
	[[ $KERNEL != stock ]] || return 0
	said=$(in_guest FAILED 3600 fail-insmod) || return
	IFS=- read -r _ failed loaded <<<"$said"
	phase "  $failed times not loaded, $loaded times loaded"
	((failed >= FAILURES && loaded > 0)) || because "only $failed failures" || return
	is_live_again && nothing_is_left
}

# The sampler talks to xenstore: there, too, memory may be missing.
test_L2_memory_is_missing_while_it_offers() {
	local said
	[[ $KERNEL != stock ]] || return 0
	said=$(in_guest MISSED 300 fail-offers) || return
	phase "  ${said#MISSED-} allocations failed"
	((${said#MISSED-} > 0)) || because "no allocation failed" || return
	is_live_again && nothing_is_left
}

test_kmemleak_finds_nothing() {
	local found
	[[ $KERNEL != stock ]] || return 0
	found=$(in_guest LEAKS 300 leaks) || return
	[[ $found == LEAKS-0 ]] || because "$found, see the guest's log"
}

phase "booting the guest"
if [[ $KERNEL == kasan ]]; then
	create_pvh cycle
else
	guest_create_all
fi
run_all_tests
