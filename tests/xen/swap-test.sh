#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What is short and what is not, on real Xen. Guest "a" has memory to spare and a cgroup
# that swaps all the time, "b" wants that memory, "talk" is as "a" but has an agent.

# shellcheck disable=SC2119	# no test here gives cagmad options
# shellcheck source=test-lib.sh
. /cagma/in/test-lib.sh

readonly VMSTAT=/proc/vmstat

# vmstat GUEST NAME; meminfo GUEST NAME: a number of the guest's kernel.
vmstat() {
	guest_says "$1" "sed -n 's/^$2 //p' $VMSTAT"
}

meminfo() {
	guest_says "$1" "sed -n 's/^$2: *\([0-9]*\).*/\1/p' /proc/meminfo"
}

emergencies_in_trace() {
	grep -c "\"emergency\".*\"name\":\"$1\"" "$CAGMA_OUT/trace-$daemons.jsonl" || :
}

# churn GUEST MIB: a task of twice as much as its cgroup may have, until calm.
churn() {
	guest_run "$1" "mkdir -p /sys/fs/cgroup; mount -t cgroup2 cgroup /sys/fs/cgroup; echo +memory >/sys/fs/cgroup/cgroup.subtree_control; mkdir -p /sys/fs/cgroup/box; echo $2M >/sys/fs/cgroup/box/memory.max"
	guest_run "$1" "(echo 0 >/sys/fs/cgroup/box/cgroup.procs; exec memtask --procs 1 --mib $((2 * $2)) --round-pages 256 --rounds 1000000 --think-ms 10) >/dev/null 2>&1 &"
}

calm() {
	guest_run "$1" "killall -9 memtask"
}

has_swapped() {
	local now
	now=$(vmstat "$1" pswpout) && ((now >= $2))
}

swaps() {
	local before
	before=$(vmstat "$1" pswpout)
	expect 180 "$2 pages of $1 go to swap" has_swapped "$1" $((before + $2))
}

# ---- tests, in the order in which they are run ----

test_guests_are_live_and_answered() {
	echo 'guests = ( { name = "a"; min_mib = 640; }, { name = "talk"; min_mib = 192; } );' >"$config"
	start_daemon
	expect 30 "a is live" is_live a && expect 30 "b is live" is_live b &&
		expect 30 "talk is live" is_live talk && is_answered a
}

test_P1_cgroup_that_swaps_beside_free_memory_kicks_nobody() {
	local kicks available said
	sleep 2
	kicks=$(parameter a kicks) available=$(meminfo a MemAvailable) said=$(emergencies_in_trace a)
	((available >= 450 * 1024)) || because "only $available KiB are available" || return
	churn a 24
	swaps a 6000 || return
	available=$(meminfo a MemAvailable) kicks=$(($(parameter a kicks) - kicks))
	phase "  $available KiB available, $kicks kicks, $(vmstat a pswpout) pages swapped out"
	((available >= 400 * 1024)) || because "only $available KiB are available" || return
	((kicks == 0)) || because "$kicks kicks" || return
	(($(emergencies_in_trace a) == said)) || because "dom0 has heard of an emergency"
}

# fill_slowly GUEST STEPS PAUSE_US: 4 MiB each, no faster than a balloon is. With a file
# /tmp/until-swap it ends when pages have gone to swap.
fill_slowly() {
	guest_mark "$1"
	guest_run "$1" "mount -o remount,size=700m /tmp; rm -f /tmp/fill; out() { sed -n 's/^pswpout //p' $VMSTAT; }; s=\$(out); for i in \$(seq $2); do dd if=/dev/zero bs=1M count=4 2>/dev/null >>/tmp/fill; [ -e /tmp/until-swap ] && [ \$(out) -gt \$((s + 256)) ] && break; usleep $3; done; echo SLOWLY"
	says "$1" '^SLOWLY' 300
}

# b takes more than there is without a's.
test_P1_neighbour_gets_the_memory_beside_a_cgroup_that_swaps() {
	local kicks out spare
	kicks=$(parameter a kicks) out=$(vmstat b pswpout) spare=$(total spare_kib)
	cagmactl set a min=128 >/dev/null || because "cagmactl set failed" || return
	fill_slowly b 100 40000 || return
	out=$(($(vmstat b pswpout) - out)) kicks=$(($(parameter a kicks) - kicks))
	phase "  $spare KiB were spare; a has $(field a alloc_kib) KiB, b $(field b alloc_kib); b swapped out $out pages, a kicked $kicks times"
	((out == 0)) || because "b swapped out $out pages" || return
	at_least b alloc_kib $((450 * 1024)) || because "b has $(field b alloc_kib) KiB" || return
	((kicks == 0)) || because "$kicks kicks of a"
}

test_a_is_as_before() {
	calm a
	empty b || return
	cagmactl set a min=640 >/dev/null || because "cagmactl set failed" || return
	expect 120 "a has its minimum" at_least a alloc_kib $((639 * 1024))
}

# The kernel is told to swap rather than to drop pages that were read twice.
test_P1_kswapd_that_swaps_beside_cache_in_use_asks() {
	local line
	guest_run a "for i in 1 2 3; do dd if=/dev/xvdb of=/dev/null bs=1M count=200 2>/dev/null; done; echo 200 >/proc/sys/vm/swappiness"
	(($(meminfo a 'Active(file)') >= 150 * 1024)) || because "the cache is not in use" || return
	guest_run a "touch /tmp/until-swap"
	fill_slowly a 130 100000 || return
	line=$(grep '"emergency".*"reason":"swap"' "$CAGMA_OUT/trace-$daemons.jsonl" | grep '"name":"a"' | tail -n 1)
	phase "  $line"
	[[ $line =~ \"avail_kib\":([0-9]+) ]] || because "dom0 has heard of no swapping event" || return
	((BASH_REMATCH[1] >= 100 * 1024)) || because "only ${BASH_REMATCH[1]} KiB were available" || return
	guest_run a "echo 60 >/proc/sys/vm/swappiness; echo 1 >/proc/sys/vm/drop_caches"
	empty a
}

test_P2_locked_memory_is_what_a_guest_needs() {
	local module agent module_locked agent_locked
	read -r module agent <<<"$(least a)"
	is_about "$module" "$agent" || because "module $module, agent $agent" || return
	guest_mark a
	guest_run a "pin 100 & sleep 1"
	says a '^PINNED' 60 || return
	read -r module_locked agent_locked <<<"$(least a)"
	guest_run a "killall pin"
	phase "  module $module, $module_locked with 100 MiB locked; agent $agent, $agent_locked"
	is_about $((module_locked - module)) 25600 || because "the module says $((module_locked - module)) more" || return
	is_about $((agent_locked - agent)) 25600 || because "the agent says $((agent_locked - agent)) more"
}

# As where a guest's static-max is what it began with; the module looks when it is loaded.
test_N6_guest_goes_up_to_hotplug_max() {
	local memory domid
	domid=$(guest_domid b)
	memory=/local/domain/$domid/memory
	guest_run b "rmmod cagma; echo RMMOD-\$?"
	says b '^RMMOD-0' 30 && expect 20 "b is let go" is_gone b || return
	xenstore-write "$memory/static-max" $((200 * 1024)) "$memory/hotplug-max" $((640 * 1024))
	xenstore-chmod "$memory/hotplug-max" n0 "r$domid"
	guest_run b "insmod /run/cagma.ko"
	expect 30 "b is live" is_live b || return
	fill_slowly b 60 40000 || return
	phase "  b has $(field b alloc_kib) KiB; $(parameter b clamped) targets were clamped"
	at_least b alloc_kib $((250 * 1024)) || because "b has $(field b alloc_kib) KiB" || return
	(($(parameter b clamped) == 0)) || because "its module has clamped a target" || return
	empty b
}

# What the shell makes of the kernel's numbers, without swap and by a ratio of 25 %.
test_P3_strict_overcommit_is_what_a_guest_needs() {
	local module agent wanted
	guest_run a "swapoff /dev/xvdb; echo 25 >/proc/sys/vm/overcommit_ratio; echo 2 >/proc/sys/vm/overcommit_memory; sleep 2"
	wanted=$((($(meminfo a Committed_AS) * 33 / 32 + 24 * 1024 - $(meminfo a CommitLimit)) * 4 / 4 + $(field a alloc_kib) / 4))
	read -r module agent <<<"$(least a)"
	guest_run a "echo 0 >/proc/sys/vm/overcommit_memory; echo 50 >/proc/sys/vm/overcommit_ratio; swapon /dev/xvdb; sleep 2"
	phase "  module $module, agent $agent, by the shell $wanted; $(least a) with another policy"
	is_about "$module" "$wanted" || because "the module says $module, the shell $wanted" || return
	is_about "$agent" "$wanted" || because "the agent says $agent, the shell $wanted"
}

test_P1_agent_beside_a_cgroup_that_swaps_wakes_nobody() {
	local said
	said=$(emergencies_in_trace talk)
	churn talk 16
	swaps talk 3000 || return
	calm talk
	(($(emergencies_in_trace talk) == said)) ||
		because "$(($(emergencies_in_trace talk) - said)) emergencies, $(meminfo talk MemAvailable) KiB available"
}

test_invariants_held() {
	traces_have_no_violation
}

phase "booting the guests"
guest_create_all
run_all_tests
