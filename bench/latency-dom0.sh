#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In dom0, for latency.py: guests "pv" and "pvh" wait for memory by each of $CELLS,
# which are GUEST:ROUTE, under $LOAD. Their trials are on their consoles. What can't be
# measured is a line "GUEST ROUTE: why" of missing; the others go on.

# shellcheck source=../mkimage/dom0-lib.sh
. /cagma/in/lib.sh
# shellcheck source=reaction-lib.sh
. /cagma/in/reaction-lib.sh
# shellcheck source=/dev/null
. /cagma/in/latency.conf

readonly SETTINGS=/cagma/in/cagmad.conf STOP=/tmp/stop BOOTS=4 RUN_S=1500 GROWS=24
readonly -A ANSWERERS=([floor]=echo [page]=cagmad [vchan]=cagmad [xenstore]=answer)
readonly -A WORK=([idle]=: [xenstore_storm]=write_all_the_time
	[create_loop]=create_and_destroy [kick_storm]=: [all_kick]=:)
work=

missing() {
	echo "$1 $2: $3" >>"$CAGMA_OUT/missing"
	phase "  $1 $2 is missing: $3"
}

# ---- guests ----

try_boot() {
	(guest_create "$1") && return
	rm -f /run/cagma/reason
	[[ ! -e $(guest_log "$1") ]] ||
		mv "$(guest_log "$1")" "$CAGMA_OUT/console/boot-$1-$2.log"
	xl destroy "$1" || return 0
	return 1
}

# QEMU without KVM ends one PVH guest in four before Linux has started.
boot() {
	local try
	for ((try = 1; try <= BOOTS; try++)); do
		! try_boot "$1" $try || return 0
	done
	return 1
}

# Those that are to be measured and can be.
booted() {
	local guest
	for guest in $GUESTS; do
		[[ ! -e /run/cagma/$guest.domid ]] || echo "$guest"
	done
}

# ---- loads ----

write_all_the_time() {
	exec /cagma/in/storm
}

# Ends with a whole domain, or at the first that fails.
create_and_destroy() {
	until [[ -e $STOP ]]; do
		xl create -q "$CAGMA_IN/guests/new.cfg" || return
		xl destroy new || return
		echo created >>"$CAGMA_OUT/created"
	done
}

# A load runs where Linux puts it.
anywhere() {
	taskset -p -c "$ANSWER_CPU,$OTHER_CPU" $BASHPID >/dev/null
	"$@"
}

load_begin() {
	case $LOAD in
	xenstore_storm | create_loop)
		anywhere "${WORK[$LOAD]}" >>"$CAGMA_OUT/load.log" & work=$!
		;;
	kick_storm) guest_run evil "echo storm >/sys/module/hostile/parameters/play" ;;
	esac
}

# False: it was not there all the time.
load_end() {
	local status=0
	case $LOAD in
	xenstore_storm) kill $work && wait $work || status=1 ;;
	create_loop) : >$STOP; wait $work || status=1; rm $STOP ;;
	kick_storm) guest_run evil "echo none >/sys/module/hostile/parameters/play" ;;
	esac
	return $status
}

# Guests that ask all at once, at every tenth of a second of the wall clock that
# they share.
crowd_begin() {
	local guest
	for guest in $CROWD; do
		guest_ready "$guest"
		poll 60 is_live "$guest" || die "$guest is not served"
	done
	for guest in $CROWD; do
		guest_run "$guest" "raise --together $RAISE_INTERVAL_US &"
	done
}

# ---- routes ----

# Each leaves nothing behind.
begin_floor() { :; }
end_floor() { :; }

begin_xenstore() {
	/cagma/in/answer "$(guest_domid "$1")" $SETTINGS 2>>"$CAGMA_OUT/answer.log" &
	answer=$!
}

end_xenstore() {
	kill "$answer"
}

begin_page() {
	guest_run "$1" "insmod /lib/cagma/cagma.ko"
	poll 60 is_live "$1"
}

is_gone() {
	[[ $(cagmactl --json status) != *"\"name\":\"$1\""* ]]
}

end_page() {
	guest_run "$1" "rmmod cagma"
	poll 60 is_gone "$1"
}

begin_vchan() {
	guest_run "$1" "cd /lib/modules; insmod xen-evtchn.ko; insmod xen-gntalloc.ko; mkdir -p /proc/xen; (cagma-agent </dev/null &) ; sleep 1; pidof cagma-agent >/sys/module/reaction/parameters/agent_pid"
	poll 60 is_live "$1"
}

end_vchan() {
	guest_run "$1" "killall cagma-agent"
	poll 60 is_gone "$1"
}

# Programs that take memory, by the page: the emergencies are the kernel's own, and
# the daemon's trace says how long they took.
pressure() {
	local guest=$1
	phase "$LOAD: $guest, page, real pressure"
	stop_daemon
	start_daemon --config /cagma/in/pressure.conf --trace "$trace"
	begin_page "$guest" || { missing "$guest" pressure "not served"; return; }
	pin "$ANSWER_CPU" cagmad
	guest_mark "$guest"
	# A program may ask for more than the guest has yet.
	guest_run "$guest" "echo 1 >/proc/sys/vm/overcommit_memory; for i in \$(seq $GROWS); do grow --start-mib 10 --grow-mib 200 --rate-mib-s 50; done; echo PRESSURE-END"
	(guest_wait "$guest" '^PRESSURE-END' $RUN_S) ||
		missing "$guest" pressure "not done within $RUN_S s"
	end_page "$guest" || die "$guest does not leave route page"
	stop_daemon
	mv "$trace" "$CAGMA_OUT/pressure-$guest.jsonl"
	start_daemon --config $SETTINGS
}

stop_daemon() {
	kill "$daemon"
	wait "$daemon" || die "cagmad ended with status $?"
}

measure() {
	local guest=$1 route=$2 plan=$MOVES
	[[ $route != pressure ]] || { pressure "$guest"; return; }
	[[ $route != floor ]] || plan=$FLOOR
	phase "$LOAD: $guest, $route"
	"begin_$route" "$guest" || { missing "$guest" "$route" "not served"; return; }
	pin "$ANSWER_CPU" "${ANSWERERS[$route]}"
	guest_run "$guest" "echo $ALIGNED >/sys/module/reaction/parameters/aligned"
	load_begin
	# shellcheck disable=SC2086	# words
	run_begin "$guest" "$LOAD" "$route" $plan
	(run_end "$guest" "$LOAD" "$route" $RUN_S) ||
		missing "$guest" "$route" "not done within $RUN_S s"
	load_end || missing "$guest" "$route" "the load ended early"
	"end_$route" "$guest" || die "$guest does not leave route $route"
}

main() {
	local cell guest
	[[ $LOAD != kick_storm ]] || guest_start evil
	for guest in $CROWD; do
		guest_start "$guest"
	done
	for guest in $GUESTS; do
		boot "$guest" || { missing "$guest" "all" "it does not boot"; continue; }
		measure_in "$guest"
	done
	# shellcheck disable=SC2046	# words
	arrange $(booted)
	start_daemon --config $SETTINGS
	[[ $LOAD != kick_storm ]] || guest_run evil "insmod /lib/cagma/hostile.ko"
	[[ $LOAD != all_kick ]] || crowd_begin
	for cell in $CELLS; do
		[[ ! -e /run/cagma/${cell%:*}.domid ]] ||
			measure "${cell%:*}" "${cell#*:}"
	done
	stop_daemon
}

main
