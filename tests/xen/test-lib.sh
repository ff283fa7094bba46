# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests inside dom0 share. One line per test goes to /cagma/out/results:
#   ok NAME | not ok NAME: reason
# Names carry the id of the fault case they cover.

# shellcheck source=../../mkimage/dom0-lib.sh
. /cagma/in/lib.sh

readonly RESULTS=$CAGMA_OUT/results
config=/tmp/cagmad.conf
echo '# all defaults' >$config
daemon=

# ---- how a test is run ----

why=
because() {
	why=${*//$'\n'/; }
	return 1
}

# expect SECONDS WHAT COMMAND...: fails the test unless COMMAND comes true.
expect() {
	poll "$1" "${@:3}" || because "$2 within $1 s"
}

# says GUEST REGEX SECONDS: fails the test, not the run.
says() {
	(guest_wait "$@") || because "$1 did not say $2 within $3 s"
}

run_test() {
	why="a command failed"
	phase "test $1"
	if "$1"; then
		echo "ok $1" >>"$RESULTS"
	else
		echo "not ok $1: $why" >>"$RESULTS"
		phase "  failed: $why"
	fi
}

# Every test of the script, in the order in which they are written.
run_all_tests() {
	local name tests
	mapfile -t tests < <(sed -n 's/^\(test_[A-Za-z0-9_]*\)() {$/\1/p' /cagma/in/script)
	for name in "${tests[@]}"; do
		run_test "$name"
	done
}

# ---- what cagmad and Xen say ----

# ask REGEX: the group that it finds in cagmad's status. Processes are slow
# here and this is polled, so that bash does the looking.
ask() {
	local status
	status=$(cagmactl --json status 2>/dev/null) && [[ $status =~ $1 ]] &&
		echo "${BASH_REMATCH[1]}"
}

# field GUEST KEY: a number of the guest in cagmad's status.
field() {
	ask "\"name\":\"$1\"[^{]*\"$2\":([0-9]+)"
}

# total KEY: a number about the daemon itself.
total() {
	ask "^[^[]*\"$1\":([0-9-]+)"
}

reactions() {
	ask "\"name\":\"$1\"[^}]*\"reaction_us\":\{\"n\":([0-9]+)"
}

is_live() {
	ask "\"name\":\"($1)\"[^{]*\"state\":\"live\"" >/dev/null
}

is_gone() {
	[[ $(cagmactl --json status) != *"\"name\":\"$1\""* ]]
}

at_least() {
	local value
	value=$(field "$1" "$2") && [[ -n $value ]] && ((value >= $3))
}

at_most() {
	local value
	value=$(field "$1" "$2") && [[ -n $value ]] && ((value <= $3))
}

xenstore_target() {
	xenstore-read "/local/domain/$(guest_domid "$1")/memory/target"
}

offer() {
	xenstore-read "/local/domain/$(guest_domid "$1")/data/cagma/offer" 2>/dev/null
}

offer_differs() {
	local now
	now=$(offer "$1") && [[ $now != "$2" ]]
}

# ---- the daemon ----

# Without any capability, as its systemd unit has it.
start_daemon() {
	daemons=$((daemons + 1))
	ulimit -l unlimited
	setpriv --bounding-set=-all --no-new-privs cagmad --config "$config" "$@" \
		--trace "$CAGMA_OUT/trace-$daemons.jsonl" \
		--record "$CAGMA_OUT/record.jsonl" 2>>"$CAGMA_OUT/cagmad.log" &
	daemon=$!
}
daemons=0

stop_daemon() {
	kill -TERM "$daemon"
	wait "$daemon"
}

# guest_says GUEST COMMAND: a number that the guest's shell prints.
guest_says() {
	local tag=$RANDOM$RANDOM line
	guest_mark "$1"
	guest_run "$1" "echo @$tag \$($2)@"
	says "$1" "^@$tag .*@" 60 || return
	line=$(grep -a "^@$tag " "$(guest_log "$1")" | tail -n 1)
	line=${line#@"$tag" }
	echo "${line%@*}"
}

domain_is_gone() {
	! xl list | awk '{ print $2 }' | grep -qx "$1"
}
