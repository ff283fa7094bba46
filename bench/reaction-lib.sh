# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# In dom0, for benchmarks of how fast guests are served. reaction.py boots them and
# reads what they leave.

# shellcheck source=reaction.conf
. /cagma/in/reaction.conf

# In dom0's own memory: the runner's share is slow.
readonly trace=/tmp/trace.jsonl
daemon=

now_s() {
	local up
	read -r up _ </proc/uptime
	echo "$up"
}

is_ready() {
	cagmactl status >/dev/null 2>&1
}

# start_daemon [OPTION...]: cagmad, whose process is $daemon and which can be told to end.
start_daemon() {
	cagmad "$@" 2>>"$CAGMA_OUT/cagmad.log" &
	# shellcheck disable=SC2034	# for the scripts that source this
	daemon=$!
	poll 60 is_ready || die "cagmad isn't ready"
}

# measure_in GUEST: loads the module that measures, and answers its bare channel.
measure_in() {
	local domid
	domid=$(guest_domid "$1")
	guest_run "$1" "insmod /lib/cagma/reaction.ko"
	poll 60 xenstore-exists "/local/domain/$domid/data/floor" ||
		die "guest $1 has no reaction.ko"
	/cagma/in/echo "$domid" "$(xenstore-read "/local/domain/$domid/data/floor")" &
}

# arrange GUEST...: from here on those who answer have dom0's processor and the machine's
# of that number to themselves, but for what a load brings. The GUESTs, this script,
# xenstored and who looks at consoles are on the other one: a transaction of xenstored's
# would delay an answer for most of a millisecond.
arrange() {
	local cpu guest
	for cpu in "$ANSWER_CPU" "$OTHER_CPU"; do
		xl vcpu-pin Domain-0 "$cpu" "$cpu"
	done
	for guest; do
		xl vcpu-pin "$guest" all "$OTHER_CPU"
	done
	pin "$OTHER_CPU" xenstored xenconsoled
	taskset -p -c "$OTHER_CPU" $$ >/dev/null
}

# run_begin GUEST PHASE ROUTE ROUNDS GROUPS SMALL LARGE INTERVAL_US: a run of trials,
# as bench/reaction/trial.c says. Its lines are on the guest's console when run_end()
# returns.
run_begin() {
	local command="echo '${*:3}' >/sys/module/reaction/parameters/run"
	guest_mark "$1"
	guest_run "$1" "$command; echo REACTION-BEGIN $2 $3 \$?; cat /proc/reaction; echo REACTION-END $2 $3"
}

# run_end GUEST PHASE ROUTE SECONDS: looks at the console seldom, for that takes one of
# dom0's processors a while.
run_end() {
	local deadline=$((SECONDS + $4))
	until guest_said_or_died "$1" "^REACTION-END $2 $3"; do
		((SECONDS < deadline)) || break
		sleep $RUN_END_S
	done
	guest_wait "$1" "^REACTION-END $2 $3" 1
}

# ---- guests "one" and "two" ask ten times a second each, "floor" has its channel ----

serve() {
	local guest
	start_daemon --trace "$trace"
	for guest in "$@"; do
		poll 60 is_live "$guest" || die "$guest is not served"
	done
	measure_in floor
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
	run_begin floor "$1" floor 1 1 "$2" 0 "$FLOOR_INTERVAL_US"
}

floor_end() {
	run_end floor "$1" floor 600
}
