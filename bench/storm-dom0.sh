#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In dom0, for storm.py: guests "one" and "two" ask for memory ten times a
# second each: in quiet; while guest "evil" is busy; while it kicks as fast as it
# can. In each phase guest "floor" measures the bare event channel.
# Leaves phases.jsonl: what the phases began and ended with.

# shellcheck source=../mkimage/dom0-lib.sh
. /cagma/in/lib.sh
# shellcheck source=storm.conf
. /cagma/in/storm.conf

# What of dom0's processors was used, by Xen's count, in seconds.
dom0_cpu_s() {
	xl list 0 | awk 'NR == 2 { print $6 }'
}

# What cagmad's threads used of that.
daemon_cpu_s() {
	cat /proc/"$daemon"/task/*/schedstat | awk '{ ns += $1 } END { print ns / 1e9 }'
}

now_s() {
	local up
	read -r up _ </proc/uptime
	echo "$up"
}

evil_kicks() {
	[[ $(cagmactl --json status) =~ \"name\":\"evil\"[^{]*\"kicks\":([0-9]+) ]] &&
		echo "${BASH_REMATCH[1]}" || echo 0
}

# How much evil has done, by its own count.
evil_steps() {
	guest_mark evil
	guest_run evil "echo STEPS \$(cat /sys/module/hostile/parameters/steps) STEPS"
	guest_wait evil '^STEPS [0-9]+ STEPS' 60
	grep -ao '^STEPS [0-9]* STEPS' "$(guest_log evil)" | tail -n 1 | cut -d' ' -f2
}

is_live() {
	[[ $(cagmactl --json status) =~ \"name\":\"$1\"[^{]*\"state\":\"live\" ]]
}

# mark_phase PHASE AT: asking evil for its steps takes a while, under its storm,
# and is not part of the phase.
mark_phase() {
	local now cpu daemon_cpu bytes kicks steps
	[[ $2 == end ]] || steps=$(evil_steps)
	now=$(now_s) cpu=$(dom0_cpu_s) daemon_cpu=$(daemon_cpu_s)
	bytes=$(stat -c %s "$trace") kicks=$(evil_kicks)
	[[ $2 == begin ]] || steps=$(evil_steps)
	printf '{"phase":"%s","at":"%s","now_s":%s,"dom0_cpu_s":%s,"daemon_cpu_s":%s,"trace_bytes":%d,"kicks":%d,"steps":%d,"steps_at_s":%s}\n' \
		"$1" "$2" "$now" "$cpu" "$daemon_cpu" "$bytes" "$kicks" "$steps" \
		"$(now_s)" >>"$CAGMA_OUT/phases.jsonl"
}

# Nothing else runs in dom0 while it is measured.
measure() {
	phase "$1: $PHASE_S s"
	guest_mark floor
	mark_phase "$1" begin
	guest_run floor "echo '$FLOOR_PINGS $FLOOR_INTERVAL_US' >/sys/module/floor/parameters/run; echo FLOOR $1 \$(cat /sys/module/floor/parameters/result)"
	sleep "$PHASE_S"
	mark_phase "$1" end
	guest_wait floor "^FLOOR $1 [0-9]" 600
}

main() {
	# In dom0's own memory: the runner's share is slow.
	local trace=/tmp/trace.jsonl daemon guest domid attack
	guest_create_all
	cagmad --trace "$trace" 2>"$CAGMA_OUT/cagmad.log" &
	daemon=$!
	guest_run floor "insmod /lib/cagma/floor.ko"
	guest_run evil "insmod /lib/cagma/hostile.ko; echo honest >/sys/module/hostile/parameters/play"
	for guest in one two evil; do
		poll 60 is_live $guest || die "$guest is not served"
	done
	domid=$(guest_domid floor)
	poll 30 xenstore-exists "/local/domain/$domid/data/floor" || die "no port"
	/cagma/in/echo "$domid" "$(xenstore-read "/local/domain/$domid/data/floor")" &
	for guest in one two; do
		guest_run $guest "raise $RAISE_INTERVAL_US &"
	done
	sleep 12	# past the grace time, when memory moves
	measure quiet
	for attack in busy storm; do
		guest_run evil "echo none >/sys/module/hostile/parameters/play; sleep 2; echo $attack >/sys/module/hostile/parameters/play"
		sleep 4
		poll 60 is_live evil || die "evil is not served"
		measure $attack
	done
	cp "$trace" "$CAGMA_OUT/"
}

main
