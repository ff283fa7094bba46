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

# run_test NAME [COMMAND...]: the test is COMMAND, or else the function NAME. The command
# $on_failure is run after one that has failed.
on_failure=:
run_test() {
	why="a command failed"
	phase "test $1"
	if "${@:$(($# > 1 ? 2 : 1))}"; then
		echo "ok $1" >>"$RESULTS"
	else
		echo "not ok $1: $why" >>"$RESULTS"
		phase "  failed: $why"
		$on_failure
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

mirror_matches() {
	[[ $(xenstore_target "$1") == "$(field "$1" target_kib)" ]]
}

# Within the pages Xen itself adds to a guest (1 MiB).
arrived() {
	local alloc target
	alloc=$(field "$1" alloc_kib) && target=$(field "$1" target_kib) || return
	((alloc - target <= 1024 && target - alloc <= 1024))
}

# The offset between xenstore's target and the balloon's: by the module, and by what
# the stock driver, which applies the mirror as well, makes of it.
offset_kib() {
	echo $((4 * $(guest_says "$1" "cat /sys/module/cagma/parameters/offset_pages")))
}

drivers_offset_kib() {
	local balloon=/sys/devices/system/xen_memory/xen_memory0/target_kb
	echo $(($(xenstore_target "$1") - $(guest_says "$1" "cat $balloon")))
}

# Mail and mirror mean the same pages, and the guest is there.
is_exact() {
	mirror_matches "$1" && arrived "$1" &&
		(($(offset_kib "$1") == $(drivers_offset_kib "$1")))
}

# is_answered GUEST: an emergency of the guest's own making is answered.
is_answered() {
	local before
	before=$(field "$1" answered)
	guest_run "$1" "echo 1 >/sys/module/cagma/parameters/raise"
	expect 10 "$1 is answered" at_least "$1" answered $((before + 1))
}

# ---- the daemon ----

# Without any capability, as its systemd unit has it; 40 is nice -20.
start_daemon() {
	daemons=$((daemons + 1))
	ulimit -l unlimited
	ulimit -e 40
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

# What it holds in dom0, whose other ports don't change as long as the same guests are there.
held() {
	echo "$(find "/proc/$daemon/fd" -type l | wc -l) files," \
		"$(grep -c gntdev "/proc/$daemon/maps") pages," \
		"$(lsevtchn 0 | wc -l) ports"
}

held_before=
holds_what_it_held() {
	[[ $(held) == "$held_before" ]]
}

resident_kib() {
	sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$daemon/status"
}

traces_have_no_violation() {
	! grep -q '"violation"' "$CAGMA_OUT"/trace-*.jsonl || because "in a trace"
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

# parameter GUEST NAME: of its module.
parameter() {
	guest_says "$1" "cat /sys/module/cagma/parameters/$2"
}

# least GUEST: by the module and by the agent's eyes, in pages.
least() {
	echo "$(parameter "$1" least_pages)" "$(guest_says "$1" "cagma-agent --print | sed -n 's/.*\"least_pages\": \([0-9]*\).*/\1/p'")"
}

# is_about GOT WANTED: within 4 MiB, for counters aren't read at once, and who looks at
# them needs memory, too.
is_about() {
	(($1 - $2 <= 1024 && $2 - $1 <= 1024))
}

# fill GUEST MIB: a file in its memory, instead of the one before.
fill() {
	guest_mark "$1"
	guest_run "$1" "mount -o remount,size=500m /tmp; rm -f /tmp/fill; dd if=/dev/zero of=/tmp/fill bs=1M count=$2 2>/dev/null; echo FILLED"
	says "$1" '^FILLED' 120
}

empty() {
	guest_mark "$1"
	guest_run "$1" "rm -f /tmp/fill; echo EMPTY"
	says "$1" '^EMPTY' 30
}

domain_is_gone() {
	! xl list | awk '{ print $2 }' | grep -qx "$1"
}

# ---- guest "evil" ----

refused_again() {
	local now
	now=$(refusals "$1") && ((now > $2))
}

# refused REASON CASE...: evil is put into quarantine each time, for this reason. What
# evil plays, what is said of it and how the others fare is the script's.
refused() {
	local before case
	note_answers
	for case in "${@:2}"; do
		before=$(refusals '[a-z-]+') || before=0
		play "$case" || return
		expect 40 "$case is refused: $1" refused_again "$1" "$before" || return
	done
	others_are_served
}

# ---- PVH guests ----

# QEMU's emulation of nested paging ends about one PVH boot in four with a
# triple fault at an address of Xen's, before Linux is up, and seldom a guest that
# runs. That is not what is tested here, so another is booted.
create_pvh() {
	local try
	for try in 1 2 3 4; do
		guest_start "$1"
		(guest_ready "$1") && return
		phase "the PVH guest did not boot at try $try"
		clear_away_pvh "$1"
	done
	die "the PVH guest did not boot"
}

# It may be gone already; its log is kept.
pvh_boots=0
clear_away_pvh() {
	xl destroy "$1" 2>/dev/null || true
	pvh_boots=$((pvh_boots + 1))
	mv "$(guest_log "$1")" "$CAGMA_OUT/pvh-boot-$pvh_boots.log"
}

# A triple fault, or a kernel whose GS is not the kernel's and that faults on each fault. A
# guest that ended in any other way is not forgiven.
pvh_is_lost() {
	grep -aq 'ENTRY_TRAMPOLINE stack guard page was hit' "$(guest_log "$1")" ||
		{ ! guest_alive "$1" && [[ $(xl dmesg) == *"d$(guest_domid "$1")v"?" Triple fault"* ]]; }
}

pvh_lives() {
	! pvh_is_lost "$1" || {
		phase "  QEMU has ended the PVH guest: booting another"
		clear_away_pvh "$1"
		create_pvh "$1"
	}
}

# with_pvh GUEST COMMAND...: what COMMAND says of a PVH guest that QEMU didn't end
# meanwhile.
with_pvh() {
	local try
	for try in 1 2 3; do
		pvh_lives "$1"
		expect 20 "$1 is live" is_live "$1" && "${@:2}" && return
		pvh_is_lost "$1" || return
	done
	because "QEMU ended the PVH guest $try times"
}
