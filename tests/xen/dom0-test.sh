#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The tests on real Xen, inside dom0. Guest "pv" and guest "pvh" run the module
# of this tree.

# shellcheck source=test-lib.sh
. /cagma/in/test-lib.sh

readonly GROWN_KIB=$((300 * 1024)) STEADY_S=60 GRACE_S=10

# Guests give what they don't use.
echo 'idle = "host";' >"$config"

# ---- tests, in the order in which they are run ----

test_L15_boot_does_not_wait_for_the_daemon() {
	local guest
	for guest in pv pvh; do
		[[ $(guest_says "$guest" "cut -d' ' -f1 /proc/modules") == *cagma* ]] ||
			because "$guest has not loaded the module" || return
		offer "$guest" >/dev/null ||
			expect 10 "$guest offers its page" offer "$guest" || return
	done
}

test_page_is_mapped_and_live() {
	pvh_lives pvh
	start_daemon
	expect 10 "pv is live" is_live pv && expect 10 "pvh is live" is_live pvh &&
		expect 5 "samples are fresh" at_most pv age_ms 400
}

# nice_of TASK...: each value once; a TASK is a directory of /proc.
nice_of() {
	local task
	for task; do
		sed 's/.*) //' "$task/stat" | cut -d' ' -f17
	done | sort -u
}

test_only_the_loop_goes_before_other_processes() {
	local thread others=() nice
	for thread in "/proc/$daemon/task"/*; do
		[[ ${thread##*/} == "$daemon" ]] || others+=("$thread")
	done
	nice=$(nice_of "/proc/$daemon")
	[[ $nice == -20 ]] || because "nice is $nice" || return
	nice=$(nice_of "${others[@]}")
	[[ $nice == 0 ]] || because "of the other threads it is $nice"
}

test_C6_second_daemon_is_refused() {
	local said status=0
	said=$(cagmad 2>&1) || status=$?
	((status == 1)) || because "exit status $status" || return
	[[ $said == *"another cagmad is running (pid $daemon)"* ]] ||
		because "it said: $said"
}

test_bad_options_and_config_are_refused() {
	local said
	! cagmad --no-such-option 2>/dev/null || because "unknown option" || return
	! cagmad --policy nonsense 2>/dev/null || because "unknown policy" || return
	! cagmad --config /nonexistent 2>/dev/null || because "no file" || return
	echo 'reserve_mib = "much";' >/tmp/bad.conf
	said=$(cagmad --config /tmp/bad.conf 2>&1) && because "bad value" && return 1
	[[ $said == *"/tmp/bad.conf:1: reserve_mib must be a whole number"* ]] ||
		because "it said: $said"
}

# 220 MiB, at most 200 a second: stock balloon drivers don't grow as fast as dd writes.
# shellcheck disable=SC2016	# the guest's shell expands it
readonly HOG='for i in $(seq 44); do dd if=/dev/zero bs=1M count=5 2>/dev/null; sleep 0.025; done >/tmp/hog'

# With xenstored stopped, nothing of this can have come through xenstore.
test_emergency_is_answered_without_xenstore() {
	local before kicks xenstored
	before=$(xenstore_target pv)
	kicks=$(field pv kicks)
	xenstored=$(</run/xenstored.pid)
	kill -STOP "$xenstored"
	guest_mark pv
	guest_run pv "mount -o remount,size=400m /tmp; $HOG; echo HOG-\$?"
	poll 60 at_least pv alloc_kib $GROWN_KIB || because "no growth"
	local grown=$?
	local state
	state=$(cut -d' ' -f3 "/proc/$xenstored/stat")
	kill -CONT "$xenstored"
	((grown == 0)) || return
	[[ $state == T ]] || because "xenstored was not stopped but $state" || return
	at_least pv answered 1 || because "no emergency was answered" || return
	at_least pv kicks $((kicks + 1)) || because "no kick came" || return
	((before < GROWN_KIB)) || because "the guest began with too much"
}

test_every_answer_has_its_reaction_time() {
	local answered
	answered=$(field pv answered)
	expect 5 "$answered reaction times" same_reactions pv
}

test_emergency_is_explained() {
	local said
	said=$(cagmactl explain pv) || because "cagmactl failed" || return
	[[ $said == *" -> "*"CMA"*"spare"* ]] || because "it said: $said" || return
	# The last change may be the periodic pass's.
	[[ $(cagmactl history pv) == *"emergency ("* ]] || because "no emergency is recorded" || return
	said=$(cagmactl --json history "$(guest_domid pv)")
	[[ $said == *'"why":"emergency"'* ]] || because "it said: $said" || return
	! said=$(cagmactl explain nobody 2>&1) || because "it explains nobody" || return
	[[ $said == *"no guest of that name"* ]] || because "it said: $said"
}

same_reactions() {
	(($(reactions "$1") == $(field "$1" answered)))
}

# fetch: what the exporter answers to Prometheus.
fetch() {
	exec 3<>/dev/tcp/127.0.0.1/9736 || return
	printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
	cat <&3
	exec 3>&-
} 2>/dev/null

metrics_say() {
	local said
	said=$(fetch) && [[ $said =~ $1 ]]
}

metrics_tell_target() {
	metrics_say "cagma_guest_target_bytes\{$2\} $(($(field "$1" target_kib) * 1024))"
}

test_metrics_are_exported() {
	local exporter status=0 pv
	pv="domain=\"$(guest_domid pv)\",name=\"pv\""
	ip link set lo up
	cagma-exporter &
	exporter=$!
	expect 10 "it answers" metrics_say "cagma_up 1" &&
		expect 10 "pv's memory is told" metrics_tell_target pv "$pv" &&
		expect 10 "pv's reactions are counted" \
			metrics_say "cagma_guest_reaction_seconds_count\{$pv\} [1-9]" || status=1
	kill "$exporter"
	wait "$exporter" || because "the exporter ended with status $?" || return
	return $status
}

test_target_is_mirrored_to_xenstore() {
	expect 10 "memory/target follows" mirror_matches pv
}

test_guest_with_spare_host_memory_does_not_swap() {
	local out
	says pv '^HOG-0' 60 || return
	out=$(guest_says pv "sed -n 's/^pswpout //p' /proc/vmstat")
	((out == 0)) || because "$out pages were swapped out"
}

# greedy_task WAIT_MS: a task that needs more than the guest has, without swap
# and with the daemon stopped, so that only the wait can keep it alive.
greedy_task() {
	guest_mark pv
	guest_run pv "echo $1 >/sys/module/cagma/parameters/oom_wait_ms; memtask --procs 1 --mib 330 --round-pages 4096 --rounds 1 --think-ms 0; echo TASK-\$?"
}

small_for_the_task() {
	expect 90 "pv gives its surplus back" at_most pv alloc_kib $((250 * 1024))
}

# The report of a killed task has a call trace in it: that is not printed.
test_M13_task_dies_when_it_may_not_wait() {
	guest_run pv "dmesg -n 4; rm /tmp/hog; swapoff /dev/xvdb; echo 1 >/proc/sys/vm/overcommit_memory; echo READY"
	says pv '^READY' 60 || return
	small_for_the_task || return
	kill -STOP "$daemon"
	greedy_task 0
	says pv 'Out of memory: Killed process .*memtask' 120 && says pv '^TASK-1' 60
	local died=$?
	kill -CONT "$daemon"
	((died == 0)) || return
	guest_run pv "dmesg -n 5"
	expect 30 "nothing is on its way to pv" arrived pv
}

test_M13_task_waits_for_memory_instead_of_dying() {
	local averted
	small_for_the_task || return
	kill -STOP "$daemon"
	greedy_task 10000
	says pv 'no memory is left: waiting' 120
	local waited=$?
	kill -CONT "$daemon"
	((waited == 0)) || return
	says pv '^TASK-0' 180 || return
	averted=$(guest_says pv "cat /sys/module/cagma/parameters/oom_averted")
	((averted > 0)) || because "nothing was averted" || return
	(($(grep -c 'Out of memory' "$(guest_log pv)") == 1)) ||
		because "a task was killed" || return
	guest_run pv "swapon /dev/xvdb"
}

test_memory_returns_and_the_limit_follows() {
	expect 60 "the target falls" at_most pv target_kib $((200 * 1024)) &&
		expect 30 "memory comes back" at_most pv alloc_kib $((202 * 1024)) &&
		expect 10 "the limit follows" at_most pv limit_kib $((203 * 1024))
}

# The stock driver applies the mirror as well: both must mean the same pages.
test_M9_pvh_target_lands_exactly() {
	with_pvh pvh pvh_arrives
}

pvh_arrives() {
	local alloc target
	expect 60 "pvh is shrunk" at_most pvh target_kib $((250 * 1024)) &&
		expect 30 "the mirror follows" mirror_matches pvh &&
		expect 30 "pvh arrives" arrived pvh || return
	sleep 3	# the stock driver's watch has fired long before
	alloc=$(field pvh alloc_kib) target=$(field pvh target_kib)
	arrived pvh || because "alloc $alloc KiB, target $target KiB"
}

was_quiet_for() {
	(($(date +%s) - $(stat -c %Y "$1") >= $2))
}

# An agent is looked for beside a page for a while, the last time after 32 s.
test_steady_state_needs_no_xenstore() {
	local log=/run/xenstore-trace.log from to count
	expect 120 "xenstore is left alone" was_quiet_for $log 35 || return
	from=$(wc -l <$log)
	sleep $STEADY_S
	to=$(wc -l <$log)
	# The trace has two lines, IN and OUT, for each operation of anyone.
	count=$((to - from))
	sed -n "$((from + 1)),${to}p" $log >"$CAGMA_OUT/xenstore-steady.log"
	((count == 0)) || because "$count lines of xenstore traffic in $STEADY_S s"
}

test_L1_module_unloads_and_loads_again() {
	guest_run pv "rmmod cagma; echo RMMOD-\$?"
	says pv '^RMMOD-0' 30 || return
	expect 5 "cagmad lets go" is_gone pv || return
	! offer pv || because "the offer is still there" || return
	guest_run pv "insmod /run/cagma.ko"
	expect 15 "pv is live again" is_live pv
}

test_C1_killed_daemon_is_replaced_and_adopts() {
	with_pvh pvh new_daemon_adopts
}

new_daemon_adopts() {
	local old target
	old=$(offer pv) target=$(field pv target_kib)
	kill -9 "$daemon"
	wait "$daemon"
	expect 5 "the guest offers a new epoch" offer_differs pv "$old" || return
	start_daemon
	expect 10 "pv is adopted" is_live pv &&
		expect 10 "pvh is adopted" is_live pvh || return
	(($(field pv target_kib) == target)) ||
		because "the target changed to $(field pv target_kib)" || return
	sleep $((GRACE_S / 2))
	(($(field pv target_kib) >= target)) || because "shrunk within the grace"
}

# What the host has is promised once, and nobody has less than his minimum.
host_is_sound() {
	local spare
	spare=$(cagmactl --json status | sed 's/.*"spare_kib":\(-*[0-9]*\).*/\1/')
	((spare >= 0)) || because "I1: $spare KiB are spare" || return
	(($(field pv target_kib) >= $(field pv min_kib))) || because "I2: pv is below its minimum"
}

test_C1_killed_at_50_random_moments() {
	local i
	guest_run pv "while :; do dd if=/dev/zero of=/tmp/churn bs=1M count=60 2>/dev/null; rm /tmp/churn; sleep 0.3; done & echo \$! >/tmp/churn.pid"
	for ((i = 1; i <= 50; i++)); do
		sleep "0.$((RANDOM % 1000 + 1000))"
		kill -9 "$daemon"
		wait "$daemon"
		start_daemon
		expect 10 "pv is adopted (kill $i)" is_live pv && host_is_sound || return
	done
	guest_run pv "kill \$(cat /tmp/churn.pid)"
	(($(total invariant_violations) == 0)) || because "an invariant was broken"
}

memory_of_pv() {
	echo "target $(xenstore_target pv) KiB, $(guest_mib pv) MiB"
}

# C3: a daemon that can't start changes nothing, however often it is tried.
test_C3_daemon_that_cannot_start_changes_nothing() {
	local before after i
	expect 60 "pv is at rest" arrived pv || return
	stop_daemon || because "exit status $?" || return
	before=$(memory_of_pv)
	for i in 1 2 3 4 5; do
		! cagmad --config /tmp/bad.conf 2>/dev/null || because "it started" || return
	done
	after=$(memory_of_pv)
	start_daemon
	[[ $before == "$after" ]] || because "$before is now $after" || return
	expect 10 "pv is live" is_live pv
}

# Longer than a surplus or a burst is remembered: what was to be released is.
keeps_its_target() {
	local before
	before=$(field "$1" target_kib) || return
	sleep 20
	[[ $(field "$1" target_kib) == "$before" ]]
}

test_K1_wall_clock_jumps() {
	local now target
	expect 60 "pv is at rest" arrived pv || return
	expect 120 "pv keeps its target" keeps_its_target pv || return
	target=$(field pv target_kib)
	now=$(date +%s)
	date -s "@$((now + 3600))" >/dev/null
	is_answered pv || return
	date -s "@$((now - 3600))" >/dev/null
	is_answered pv || return
	date -s "@$((now + 10))" >/dev/null
	at_most pv age_ms 2000 || because "pv seems to be silent" || return
	(($(field pv target_kib) >= target)) || because "it shrank"
}

# memory_of PID FIELD: in KiB.
memory_of() {
	sed -n "s/^$2:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$1/status"
}

available_in_dom0() {
	sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo
}

test_R9_dom0_is_short_of_memory() {
	local resident status=0
	resident=$(memory_of "$daemon" VmRSS)
	(($(memory_of "$daemon" VmLck) >= resident)) || because "it is not locked" || return
	mount -o remount,size=95% /tmp
	dd if=/dev/zero of=/tmp/hog bs=1M count=$(($(available_in_dom0) / 1024 - 24)) 2>/dev/null
	phase "  $(available_in_dom0) KiB are left in dom0, $resident KiB are cagmad's"
	is_answered pv || status=1
	rm /tmp/hog
	return $status
}

test_invariants_held() {
	local broken
	broken=$(total invariant_violations)
	((broken == 0)) || because "$broken violations"
	traces_have_no_violation
}

test_dry_run_changes_nothing() {
	local target
	target=$(field pv target_kib)
	stop_daemon
	start_daemon --dry-run
	expect 10 "pv is live" is_live pv || return
	sleep $((GRACE_S + 3))
	(($(field pv target_kib) == target)) || because "the target moved" || return
	mirror_matches pv || because "xenstore was written"
	stop_daemon
	start_daemon
	expect 10 "pv is live" is_live pv
}

test_L4_destroyed_guest_is_let_go() {
	local domid
	pvh_lives pvh
	domid=$(guest_domid pvh)
	xl destroy "$domid"
	expect 5 "cagmad lets go" is_gone pvh &&
		expect 10 "Xen frees domain $domid" domain_is_gone "$domid"
}

# Less memory than its maximum: Xen promises what it doesn't have until the guest's
# balloon has filled. It need not run to be recognized.
test_M7_guest_with_unbacked_memory_is_refused() {
	local said
	sed 's/^name = .*/name = "pod"/; s/^memory = .*/memory = 128/; s/^maxmem = .*/maxmem = 256/' \
		"$CAGMA_IN/guests/pvh.cfg" >/tmp/pod.cfg
	xl create -q -p /tmp/pod.cfg || because "xl create failed" || return
	xenstore-write "/local/domain/$(xl domid pod)/data/cagma/offer" '1 8 9 7'
	expect 20 "it is refused" ask '"name":"(pod)","reason":"populate-on-demand"'
	said=$(cagmactl doctor)
	xl destroy pod
	[[ $said == *"pod is in quarantine: populate-on-demand"* ]] || because "doctor said: $said"
}

# The operator speaks to the daemon that serves the guests.
test_settings_are_changed_and_reloaded() {
	local said min
	cagmactl set pv min=150 || because "set failed" || return
	expect 10 "pv is raised to its minimum" at_least pv target_kib $((150 * 1024)) || return
	! said=$(cagmactl set pv min=100000 2>&1) || because "a wrong minimum is taken" || return
	[[ $said == "cagmactl: its minimum would be above its maximum" ]] ||
		because "it said: $said" || return
	echo 'min_mib = 1;' >>"$config"
	! said=$(cagmactl reload 2>&1) || because "a wrong file is taken" || return
	[[ $said == *"min_mib must be between"* ]] || because "it said: $said" || return
	(($(field pv min_kib) == 150 * 1024)) || because "a refused file changed something" || return
	sed -i '$d' "$config"
	cagmactl reload || because "reload failed" || return
	min=$(field pv min_kib)
	((min < 150 * 1024)) || because "the minimum is still $min KiB"
}

test_paused_guest_is_left_alone() {
	local before
	expect 60 "pv is at rest" arrived pv || return
	cagmactl pause pv || because "pause failed" || return
	[[ $(cagmactl status) == *" pv "*" paused "* ]] || because "it isn't shown" || return
	before=$(field pv target_kib)
	guest_run pv "echo 1 >/sys/module/cagma/parameters/raise"
	sleep 2	# eight readings of its page
	(($(field pv target_kib) == before)) || because "its target moved" || return
	cagmactl resume pv
}

# M6: the daemon frees and keeps what a new domain will need.
test_M6_memory_is_reserved() {
	local said lease spare
	spare=$(cagmactl --json status | sed 's/.*"spare_kib":\([0-9-]*\).*/\1/')
	said=$(cagmactl reserve $((spare / 1024 - 100)) --lease 60) || because "it failed: $said" || return
	lease=${said#lease }
	[[ $(cagmactl status) == *"lease $lease: "* ]] || because "the lease isn't shown" || return
	cagmactl release "$lease" || because "release failed" || return
	[[ $(cagmactl status) != *"lease $lease: "* ]] || because "the lease is still there" || return
	! said=$(cagmactl reserve 100G 2>&1) || because "100 GiB are there?" || return
	[[ $said == *"Nothing is reserved."* ]] || because "it said: $said" || return
	[[ $(cagmactl status) != *"lease "*": "* ]] || because "a lease was kept"
}

# D13: what xl sets is taken over, not fought.
test_D13_mem_set_is_taken_over() {
	local target
	expect 60 "pv is at rest" arrived pv || return
	xl mem-set pv 300 || because "xl mem-set failed" || return
	expect 10 "the daemon takes it over" at_least pv target_kib $((300 * 1024 - 8)) || return
	[[ $(cagmactl history pv) == *" foreign"* ]] || because "it isn't explained" || return
	target=$(field pv target_kib)
	expect 10 "pv arrives" arrived pv || return
	((target == $(field pv target_kib))) || because "it was fought"
}

test_daemon_stops_cleanly() {
	stop_daemon || because "exit status $?" || return
	daemon_is_silent || because "it still answers"
}

# dom0's own balloon and page, with a minimum of its own; xl knows its target from
# the first time that it sets one.
test_dom0_is_managed_with_a_floor() {
	local mib least before
	mib=$(guest_mib Domain-0) least=$((mib - 100))
	xl mem-set Domain-0 "$mib" || because "xl mem-set failed" || return
	insmod /cagma/in/cagma.ko || because "insmod failed" || return
	start_daemon
	expect 10 "pv is live" is_live pv || return
	! is_live Domain-0 || because "dom0 is managed without a floor" || return
	echo "guests = ( { name = \"Domain-0\"; min_mib = $least; } );" >>"$config"
	cagmactl reload || because "reload failed" || return
	expect 20 "dom0 is live" is_live Domain-0 || return
	expect 60 "it gives what it doesn't use" at_most Domain-0 target_kib $(((mib - 40) << 10)) &&
		expect 30 "its balloon follows" arrived Domain-0 || return
	(($(field Domain-0 target_kib) >= least << 10)) || because "below its minimum" || return
	before=$(field Domain-0 target_kib)
	dd if=/dev/zero of=/tmp/hog bs=1M count=$((($(available_in_dom0) >> 10) - 20)) 2>/dev/null
	expect 30 "it is given more when it needs it" at_least Domain-0 target_kib $((before + (20 << 10))) || return
	rm /tmp/hog
	sed -i '$d' "$config"
	rmmod cagma || because "rmmod failed" || return
	expect 10 "cagmad lets go" is_gone Domain-0 && stop_daemon
}

test_daemon_goes_to_the_background() {
	local pid resident
	(cd /tmp && cagmad --daemon --trace daemon.jsonl) || because "exit status $?" || return
	[[ -e /tmp/daemon.jsonl ]] || because "the trace isn't where it was started" || return
	cagmactl status >/dev/null || because "not ready when it returned" || return
	pid=$(</run/lock/cagmad.lock)
	expect 10 "pv is live" is_live pv || return
	resident=$(memory_of "$pid" VmRSS)
	phase "  $resident KiB are resident"
	kill -TERM "$pid"
	expect 10 "it ends" daemon_is_silent || return
	# I7: 8 MiB, and 16 KiB a guest. Other daemons here keep a record, too.
	((resident <= (8 << 10) + 16)) || because "$resident KiB are resident"
}

daemon_is_silent() {
	! cagmactl status 2>/dev/null
}

phase "booting the guests"
guest_create pv
create_pvh pvh
run_all_tests
