#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In dom0, for attacks.py: how fast honest guests are served in quiet, and while guest
# "evil" plays each of $ATTACKS, and what that costs dom0.
# Leaves phases.jsonl: what the phases began and ended with.

# shellcheck source=../mkimage/dom0-lib.sh
. /cagma/in/lib.sh
# shellcheck source=reaction-lib.sh
. /cagma/in/reaction-lib.sh
# shellcheck source=/dev/null
. /cagma/in/attacks.conf

# What of dom0's processors was used, by Xen's count, in seconds.
dom0_cpu_s() {
	xl list 0 | awk 'NR == 2 { print $6 }'
}

# What cagmad's threads used of that.
daemon_cpu_s() {
	cat /proc/"$daemon"/task/*/schedstat | awk '{ ns += $1 } END { print ns / 1e9 }'
}

evil_kicks() {
	[[ $(cagmactl --json status) =~ \"name\":\"evil\"[^{]*\"kicks\":([0-9]+) ]] &&
		echo "${BASH_REMATCH[1]}" || echo 0
}

# How much evil has done, by its own count.
evil_steps() {
	guest_mark evil
	guest_run evil "echo STEPS \$(cat /sys/module/hostile/parameters/steps) STEPS"
	guest_wait evil '^STEPS [0-9]+ STEPS' 120
	grep -ao '^STEPS [0-9]* STEPS' "$(guest_log evil)" | tail -n 1 | cut -d' ' -f2
}

# mark_phase PHASE AT: asking evil for its steps takes a while, under its storm,
# and is not part of the phase.
mark_phase() {
	local now cpu daemon_cpu kicks steps
	[[ $2 == end ]] || steps=$(evil_steps)
	now=$(now_s) cpu=$(dom0_cpu_s) daemon_cpu=$(daemon_cpu_s) kicks=$(evil_kicks)
	[[ $2 == begin ]] || steps=$(evil_steps)
	mark "$1" "$2" "\"now_s\":$now,\"dom0_cpu_s\":$cpu,\"daemon_cpu_s\":$daemon_cpu,\"kicks\":$kicks,\"steps\":$steps,\"steps_at_s\":$(now_s)"
}

# Nothing else runs in dom0 while it is measured.
measure() {
	phase "$1: $PHASE_S s"
	mark_phase "$1" begin
	floor_begin "$1" "$FLOOR_PINGS"
	sleep "$PHASE_S"
	mark_phase "$1" end
	floor_end "$1"
}

main() {
	local attack
	guest_create_all
	guest_run evil "insmod /lib/cagma/hostile.ko"
	serve one two
	arrange one two floor	# evil runs where Xen puts it
	pin "$ANSWER_CPU" cagmad echo
	measure quiet
	for attack in $ATTACKS; do
		guest_run evil "echo none >/sys/module/hostile/parameters/play; sleep 1; echo $attack >/sys/module/hostile/parameters/play"
		sleep 4		# it is found out, or not
		kill -0 "$daemon" || die "cagmad is gone"
		measure "$attack"
	done
	cp "$trace" "$CAGMA_OUT/"
}

main
