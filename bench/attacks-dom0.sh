#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In dom0, for attacks.py: how fast honest guests are served in quiet, and while guest
# "evil" plays each of $ATTACKS. Leaves phases.jsonl.

# shellcheck source=../mkimage/dom0-lib.sh
. /cagma/in/lib.sh
# shellcheck source=reaction-lib.sh
. /cagma/in/reaction-lib.sh
# shellcheck source=/dev/null
. /cagma/in/attacks.conf

measure() {
	phase "$1: $PHASE_S s"
	mark "$1" begin
	floor_begin "$1" "$FLOOR_PINGS"
	sleep "$PHASE_S"
	mark "$1" end
	floor_end "$1"
}

main() {
	local attack
	guest_create_all
	guest_run evil "insmod /lib/cagma/hostile.ko"
	serve one two
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
