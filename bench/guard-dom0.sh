#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In dom0, for guard.py: what a pass over few guests costs, and over many; and how soon
# guest "pv" is answered, by the bare channel, by the daemon, and by one that is slower
# on purpose.

# shellcheck source=../mkimage/dom0-lib.sh
. /cagma/in/lib.sh
# shellcheck source=reaction-lib.sh
. /cagma/in/reaction-lib.sh
# shellcheck source=/dev/null
. /cagma/in/guard.conf

readonly RUN_S=300

is_gone() {
	[[ $(cagmactl --json status) != *"\"name\":\"pv\""* ]]
}

# measure PHASE ROUTE PLAN
measure() {
	phase "$1: $2"
	# shellcheck disable=SC2086	# words
	run_begin pv "$1" "$2" $3
	run_end pv "$1" "$2" $RUN_S
}

# measure_page PHASE PROGRAM: with PROGRAM as the daemon.
measure_page() {
	"$2" --config /cagma/in/cagmad.conf 2>>"$CAGMA_OUT/cagmad.log" &
	daemon=$!
	guest_run pv "insmod /lib/cagma/cagma.ko"
	poll 60 is_live pv || die "pv is not served by $2"
	pin "$ANSWER_CPU" "${2##*/}"
	measure "$1" page "$MOVES"
	guest_run pv "rmmod cagma"
	poll 60 is_gone || die "pv does not leave"
	kill "$daemon"
	wait "$daemon" || die "$2 ended with status $?"
}

phase "passes over 16 to $GUESTS_MAX guests"
/cagma/in/scale "$GUESTS_MAX" >"$CAGMA_OUT/pass.jsonl" || die "measuring the pass failed"
guest_create pv
measure_in pv
arrange pv
pin "$ANSWER_CPU" echo
measure daemon floor "$FLOOR"
measure_page daemon cagmad
measure_page slow /cagma/in/cagmad-slow
