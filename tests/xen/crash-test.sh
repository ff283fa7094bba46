#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A dom0 in which something is broken or used up, on real Xen: cagmad stopped, hung, or
# refused what it asks for (tests/hostile/refuse.c); no event channels left
# (tests/hostile/host.c); xenstored hung, and in the end dead. "pv" and "donor" run
# the module of this tree, "evil" is a guest of tests/hostile/hostile.c.

# shellcheck disable=SC2119	# no test here gives cagmad options
# shellcheck source=test-lib.sh
. /cagma/in/test-lib.sh

readonly GRACE_S=10 HARD_KIB=$((64 * 1024)) MANAGER=/run/manager LOG=$CAGMA_OUT/cagmad.log
readonly XENSTORED_PID=/run/xenstored.pid

# ---- the daemon, and what is done to it ----

# As its service manager starts it, and where Xen and xenstore may be made to refuse.
start_managed() {
	LD_PRELOAD=$CAGMA_IN/refuse.so NOTIFY_SOCKET=$MANAGER WATCHDOG_USEC=1000000 start_daemon
}

refuse() {
	: >"/tmp/refuse.$1"
}

refuse_no_more() {
	rm "/tmp/refuse.$1"
}

# A test that failed half-way leaves nothing broken to the next one.
mend() {
	rm -f /tmp/refuse.*
	[[ ! -e $XENSTORED_PID ]] || kill -CONT "$(<$XENSTORED_PID)" || :
	kill -CONT "$daemon" 2>/dev/null || :
}

both_are_live() {
	expect 20 "pv is live" is_live pv && expect 20 "donor is live" is_live donor
}

both_are_answered() {
	is_answered pv && is_answered donor
}

# log_says FROM REGEX: a line of cagmad's, behind the first FROM.
log_says() {
	tail -n +$(($1 + 1)) "$LOG" | grep -qE "$2"
}

log_length() {
	wc -l <"$LOG"
}

trace() {
	echo "$CAGMA_OUT/trace-$daemons.jsonl"
}

# Hundredths of a second that cagmad's threads ran so far.
ticks() {
	local stat
	stat=$(<"/proc/$daemon/stat")
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	echo $((${12} + ${13}))
}

# costs_little SECONDS WHAT: at most two hundredths of a processor from now on.
costs_little() {
	local before after
	before=$(ticks)
	sleep "$1"
	after=$(ticks)
	phase "  $2: cagmad ran for $((after - before)) of $((100 * $1)) ticks"
	((after - before <= 2 * $1)) || because "$((after - before)) of $((100 * $1)) ticks ($2)"
}

# ---- guests ----

play() {
	guest_run evil "echo '$1' >/sys/module/hostile/parameters/play"
}

# beyond GUEST: a file, in MiB, with which it needs more than it has, whatever it was
# prepared for.
beyond() {
	echo $(($(field "$1" target_kib) / 1024 - 40))
}

outgrow() {
	fill "$1" "$(beyond "$1")"
}

swapped_out() {
	guest_says "$1" "sed -n 's/^pswpout //p' /proc/vmstat"
}

evil_is_refused() {
	ask "\"name\":\"(evil)\",\"reason\":\"$1\"" >/dev/null
}

# ---- tests, in the order in which they are run ----

test_guests_are_live() {
	echo "retry_max_ms = 5000;" >"$config"
	guest_run evil "insmod /lib/cagma/hostile.ko"
	"$CAGMA_IN/host" listen $MANAGER >/tmp/manager.log &
	expect 10 "the manager listens" test -S $MANAGER || return
	start_managed
	both_are_live || return
	expect 10 "the manager hears of it" grep -q READY=1 /tmp/manager.log || return
	sleep $((GRACE_S + 1))
	both_are_answered
}

# What donor no longer used when the daemon was stopped, it uses when it goes on.
test_C2_stopped_for_a_minute() {
	local from target swapped answered
	fill donor 150 && fill pv 20 && expect 30 "donor has arrived" arrived donor &&
		empty donor || return
	target=$(field donor target_kib) answered=$(field pv answered)
	kill -STOP "$daemon"
	from=$(wc -l <"$(trace)")
	guest_run pv "echo 1 >/sys/module/cagma/parameters/raise"
	fill donor 150 && fill pv 30 || because "guests don't go on" || return
	swapped=$(swapped_out donor)
	sleep 60
	kill -CONT "$daemon"
	expect 5 "pv is answered" at_least pv answered $((answered + 1)) || return
	sleep 8
	at_least donor target_kib "$target" || because "donor was shrunk to $(field donor target_kib) KiB of $target" || return
	(($(swapped_out donor) == swapped)) || because "donor swapped" || return
	tail -n +$((from + 1)) "$(trace)" >/tmp/resumed
	! grep '"name":"donor","why":"\(donate\|yield\|release\)"' /tmp/resumed || because "donor was shrunk" || return
	no_pass_is_early
	empty donor && empty pv
}

# Periodic passes are a period apart, the first ones after a stop as well.
no_pass_is_early() {
	local times i
	mapfile -t times < <(sed -n 's/^{"t_ms":\([0-9]*\),"ev":"host".*/\1/p' /tmp/resumed)
	((${#times[@]} >= 4)) || because "${#times[@]} passes" || return
	for ((i = 1; i < ${#times[@]}; i++)); do
		((times[i] - times[i - 1] >= 700)) || because "passes at ${times[*]} ms" || return
	done
}

# It can't be given more, and nothing is as if it had been.
test_C8_limit_that_xen_refuses() {
	local target limit from i
	expect 60 "pv is at rest" arrived pv || return
	from=$(log_length) target=$(field pv target_kib) limit=$(field pv limit_kib)
	refuse limit
	guest_run pv "mount -o remount,size=500m /tmp; dd if=/dev/zero of=/tmp/fill bs=1M count=$(beyond pv) 2>/dev/null"
	for ((i = 0; i < 30; i++)); do
		at_most pv target_kib "$target" || because "its target is $(field pv target_kib) KiB" || break
		at_most pv limit_kib "$limit" || because "its limit is $(field pv limit_kib) KiB" || break
		sleep 0.2
	done
	refuse_no_more limit
	((i == 30)) || return
	log_says "$from" "cannot raise the limit of pv: " || because "it isn't in the log" || return
	expect 30 "pv is given what it needs" at_least pv target_kib $((target + 30 * 1024)) || return
	(($(total spare_kib) >= HARD_KIB)) || because "$(total spare_kib) KiB are spare" || return
	empty pv && both_are_answered
}

test_C8_target_that_xenstore_refuses() {
	local from before
	expect 60 "pv is at rest" arrived pv || return
	from=$(log_length) before=$(xenstore_target pv)
	refuse target
	outgrow pv || return
	expect 10 "the page brings it" at_least pv target_kib $((before + 30 * 1024)) || return
	[[ $(xenstore_target pv) == "$before" ]] || because "xenstore took it" || return
	log_says "$from" "cannot write pv's memory/target: No space left" || because "it isn't in the log" || return
	is_answered pv || return
	refuse_no_more target
	expect 10 "xenstore follows" mirror_matches pv || return
	expect 10 "its end is in the log" log_says "$from" "xenstore has all targets again" || return
	empty pv
}

beats() {
	grep -c WATCHDOG=1 /tmp/manager.log
}

beats_more_than() {
	(($(beats) > $1))
}

# The test is the manager: it kills who says nothing for longer than was agreed.
test_C10_loop_that_hangs_is_replaced() {
	local before target
	expect 60 "pv is at rest" arrived pv || return
	target=$(field pv target_kib)
	expect 5 "the loop is well" beats_more_than $(($(beats) + 3)) || return
	refuse loop
	sleep 1	# what was on its way
	before=$(beats)
	sleep 5
	refuse_no_more loop
	beats_more_than "$before" && because "a loop that hangs is covered up" && return 1
	kill -0 "$daemon" || because "it is gone" || return
	refuse loop
	kill -ABRT "$daemon"
	wait "$daemon" || :
	refuse_no_more loop
	start_managed
	both_are_live || return
	at_least pv target_kib "$target" || because "pv was shrunk" || return
	expect 5 "the new loop is well" beats_more_than $(($(beats) + 3)) && both_are_answered
}

# nothing_is_left REASON COMMAND...: evil is refused, until COMMAND gives back.
nothing_is_left() {
	local from said
	from=$(log_length)
	play honest
	expect 20 "evil is refused: $1" evil_is_refused "$1" || return
	log_says "$from" "evil .* is not attached: $1" || because "it isn't in the log" || return
	said=$(cagmactl doctor) || :
	[[ $said == *"evil is in quarantine: $1"* ]] || because "doctor said: $said" || return
	both_are_answered || return
	"${@:2}"
	expect 30 "evil is live" is_live evil || return
	play none
	expect 20 "evil is gone" is_gone evil
}

test_R1_no_event_channels_left() {
	local hoarder
	"$CAGMA_IN/host" ports >/tmp/ports.log &
	hoarder=$!
	expect 60 "the ports are taken" grep -q 'ports are taken' /tmp/ports.log || return
	phase "  $(</tmp/ports.log)"
	nothing_is_left cannot-bind-port kill "$hoarder"
}

test_R1_no_mappings_left() {
	refuse mapping
	nothing_is_left cannot-map-grant refuse_no_more mapping
}

test_R7_flood_of_offers() {
	local before after steps
	costs_little 10 "no flood" || return
	play flood
	expect 30 "evil is refused" evil_is_refused '[a-z-]*' || return
	before=$(resident_kib)
	costs_little 10 "a flood" || return
	both_are_answered || return
	after=$(resident_kib) steps=$(guest_says evil "cat /sys/module/hostile/parameters/steps")
	phase "  $steps offers, $before KiB resident before and $after KiB after"
	((steps > 500)) || because "only $steps offers" || return
	((after <= before + 64)) || because "$after KiB resident, $before before" || return
	play none
}

# A line in ten seconds, and six at once.
test_R8_log_flood() {
	local from lines from_s=$SECONDS seconds
	from=$(log_length)
	play close
	sleep 60
	seconds=$((SECONDS - from_s))
	lines=$(tail -n +$((from + 1)) "$LOG" | grep -c 'evil ')
	phase "  $lines lines of evil in $seconds s"
	((lines >= 3 && lines <= 6 + seconds / 10 + 1)) || because "$lines lines in $seconds s" || return
	log_says "$from" "evil .* lines of it were left out" || because "nothing was left out" || return
	play none
	both_are_answered
}

test_invariants_held() {
	traces_have_no_violation
}

xenstored_is() {
	ask "\"xenstore\":\"($1)\"" >/dev/null
}

# served_without_xenstore STATE FROM: alarmed, not busy, and nobody is kept waiting.
served_without_xenstore() {
	local said
	# It needs more: targets that xenstore should have.
	outgrow pv && both_are_answered || return
	expect 20 "status says it is $1" xenstored_is "$1" || return
	log_says "$2" "xenstored (has ended|doesn't answer): guests are served" || because "it isn't in the log" || return
	said=$(cagmactl doctor) || :
	[[ $said == *"warning: xenstored is $1"* ]] || because "doctor said: $said" || return
	costs_little 20 "xenstored is $1" || return
	both_are_answered
}

is_at_rest() {
	expect 60 "pv is at rest" arrived pv
}

test_C4_xenstored_hangs() {
	local from
	is_at_rest || return
	from=$(log_length)
	kill -STOP "$(<$XENSTORED_PID)"
	served_without_xenstore silent "$from"
	local status=$?
	kill -CONT "$(<$XENSTORED_PID)"
	((status == 0)) || return
	expect 10 "it answers again" xenstored_is ok && expect 10 "xenstore follows" mirror_matches pv || return
	expect 10 "its end is in the log" log_says "$from" "xenstored answers again" || return
	empty pv && both_are_answered
}

has_ended() {
	! kill -0 "$daemon" 2>/dev/null
}

# Nobody can end in order, or begin, without an answer; nothing is lost by that.
test_C4_daemon_is_restarted_while_xenstored_hangs() {
	local from
	is_at_rest || return
	from=$(log_length)
	kill -STOP "$(<$XENSTORED_PID)"
	outgrow pv && expect 20 "it hangs" xenstored_is silent && kill -TERM "$daemon" &&
		expect 15 "cagmad ends" has_ended
	local status=$?
	((status == 0)) && start_managed && sleep 3
	kill -CONT "$(<$XENSTORED_PID)"
	((status == 0)) || return
	log_says "$from" "ending without it" || because "it isn't in the log" || return
	both_are_live && both_are_answered && expect 10 "xenstore follows" mirror_matches pv || return
	empty pv
}

# The last one: the toolstack knows nothing of the guests any more, when another one
# has come.
test_C4_xenstored_is_killed() {
	local from
	is_at_rest || return
	from=$(log_length)
	kill -KILL "$(<$XENSTORED_PID)"
	served_without_xenstore gone "$from" || return
	rm $XENSTORED_PID
	xenstored --pid-file $XENSTORED_PID
	expect 20 "it is found" xenstored_is ok || return
	expect 10 "its end is in the log" log_says "$from" "xenstored answers again" || return
	empty pv && both_are_answered && costs_little 10 "another xenstored" || return
	stop_daemon || because "cagmad ended with $?"
}

phase "booting the guests"
for guest in pv donor evil; do
	guest_start $guest
done
for guest in pv donor evil; do
	guest_ready $guest
done
# shellcheck disable=SC2034	# for run_test
on_failure=mend
run_all_tests
