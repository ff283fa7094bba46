#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In dom0, for guest.py: what the module, or the agent, costs guest "one", which is idle.
# Leaves figures: lines of a name and numbers.

# shellcheck source=../mkimage/dom0-lib.sh
. /cagma/in/lib.sh

readonly IDLE_S=300 LOADS=20

is_away() {
	! is_live "$1"
}

figure() {
	echo "$*" >>"$CAGMA_OUT/figures"
}

# numbers WORD COMMAND: what the guest prints behind the word.
numbers() {
	guest_mark one
	guest_run one "$2"
	guest_wait one "^$1 [0-9]" 120
	grep -a "^$1 [0-9]" "$(guest_log one)" | tail -n 1 | tr -d '\r' | cut -d' ' -f2-
}

# cost NAME PARAMETER: of cost.ko's.
cost() {
	figure "$1" "$(numbers COST "echo COST \$(cat /sys/module/cost/parameters/$2)")"
}

guest_ns() {
	/cagma/in/cputime "$(guest_domid one)"
}

now_ms() {
	local up
	read -r up _ </proc/uptime
	echo "${up/./}0"
}

# idle NAME: the ms that passed, and the ns of them that the guest ran.
idle() {
	local from_ns from_ms
	phase "$1: $IDLE_S s"
	sleep 5
	from_ns=$(guest_ns) from_ms=$(now_ms)
	sleep $IDLE_S
	figure "$1" "$(($(now_ms) - from_ms)) $(($(guest_ns) - from_ns))"
}

guest_does() {
	numbers DONE "$1; echo DONE \$?" >/dev/null
}

guest_create one
phase "loading"
figure first_load_ns "$(numbers LOADS "loads /lib/cagma/cagma.ko cagma 1")"
figure load_ns "$(numbers LOADS "loads /lib/cagma/cagma.ko cagma $LOADS")"
guest_does "insmod /lib/cagma/cost.ko"
idle idle_without
cost nothing_ps nothing
cost publish_ps publish
guest_does "insmod /lib/cagma/cagma.ko"
cost hook_disarmed_ps hook
idle idle_alone
cagmad 2>"$CAGMA_OUT/cagmad.log" &
poll 60 is_live one || die "one is not served"
sleep 15	# past the grace time, when memory moves
before=$(numbers COUNT "echo COUNT \$(cat /sys/module/cagma/parameters/emergencies)")
cost hook_armed_ps hook
idle idle_attached
after=$(numbers COUNT "echo COUNT \$(cat /sys/module/cagma/parameters/emergencies)")
((before == after)) || die "the guest was short of memory"
figure samples "$(numbers COUNT "echo COUNT \$(cat /sys/module/cagma/parameters/samples)")"

# The agent in the module's place.
guest_does "rmmod cagma"
poll 20 is_away one || die "one is not let go"
guest_does "insmod /lib/modules/xen-evtchn.ko && insmod /lib/modules/xen-gntalloc.ko"
guest_run one "cagma-agent </dev/null &"
poll 60 is_live one || die "one is not served by its agent"
sleep 15
idle idle_agent
