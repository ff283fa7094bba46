# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# In dom0, for benchmarks of how fast guests are served: guests "one" and "two" ask
# for memory ten times a second each, and in guest "floor" a module measures the
# bare event channel under the same load. reaction.py reads what this leaves.

# shellcheck source=reaction.conf
. /cagma/in/reaction.conf

# In dom0's own memory: the runner's share is slow.
readonly trace=/tmp/trace.jsonl

is_live() {
	[[ $(cagmactl --json status) =~ \"name\":\"$1\"[^{]*\"state\":\"live\" ]]
}

now_s() {
	local up
	read -r up _ </proc/uptime
	echo "$up"
}

# serve GUEST...: by cagmad, whose process is $daemon, and the floor by its own.
serve() {
	local guest domid
	cagmad --trace "$trace" 2>"$CAGMA_OUT/cagmad.log" &
	# shellcheck disable=SC2034	# for the scripts that source this
	daemon=$!
	guest_run floor "insmod /lib/cagma/floor.ko"
	for guest in "$@"; do
		poll 60 is_live "$guest" || die "$guest is not served"
	done
	domid=$(guest_domid floor)
	poll 30 xenstore-exists "/local/domain/$domid/data/floor" || die "no port"
	/cagma/in/echo "$domid" "$(xenstore-read "/local/domain/$domid/data/floor")" &
	for guest in one two; do
		guest_run "$guest" "raise $RAISE_INTERVAL_US &"
	done
	sleep 12	# past the grace time, when memory moves
}

# mark PHASE AT [MEMBERS]: a line about the beginning or the end of a phase, with
# MEMBERS of its own, which are JSON.
mark() {
	printf '{"phase":"%s","at":"%s","trace_bytes":%d%s}\n' "$1" "$2" \
		"$(stat -c %s "$trace")" "${3:+,$3}" >>"$CAGMA_OUT/phases.jsonl"
}

# floor_begin PHASE PINGS
floor_begin() {
	guest_mark floor
	guest_run floor "echo '$2 $FLOOR_INTERVAL_US' >/sys/module/floor/parameters/run; echo FLOOR $1 \$(cat /sys/module/floor/parameters/result)"
}

floor_end() {
	guest_wait floor "^FLOOR $1 [0-9]" 600
}
