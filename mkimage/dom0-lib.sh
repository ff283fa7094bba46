# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What a script run in dom0 builds on: `. /cagma/in/lib.sh`.
# Guests are described by /cagma/in/guests/NAME.cfg, which the runner writes.
# Every wait polls and has a deadline; a missed deadline ends the script.

set -euo pipefail
readonly CAGMA_IN=/cagma/in CAGMA_OUT=/cagma/out
readonly state_dir=/run/guests

# phase TEXT: a new line of progress on the runner's terminal.
phase() {
	echo "$*" >>$CAGMA_OUT/progress
}

# status_line TEXT: the same, to be overwritten by the next.
status_line() {
	echo "~$*" >>$CAGMA_OUT/progress
}

# die TEXT: end the script as failed; TEXT is what the runner reports.
die() {
	echo "$*" >$state_dir/reason
	echo "$*" >&2
	exit 1
}

# poll SECONDS COMMAND...: run COMMAND until it succeeds.
poll() {
	local deadline=$((SECONDS + $1))
	until "${@:2}"; do
		((SECONDS < deadline)) || return
		sleep 0.2
	done
}

# pin CPU NAME...: processes and the events of their channels, which have their names, stay
# on that processor of dom0's. Where Linux would put them is chance, and a process that is
# on another one than its events answers a third later.
pin() {
	local cpu=$1 name irq pid irqs
	for name in "${@:2}"; do
		for pid in $(pgrep -x "$name"); do
			taskset -a -p -c "$cpu" "$pid" >/dev/null
		done
		mapfile -t irqs < <(awk -v name="evtchn:$name" \
			'$NF == name { print $1 + 0 }' /proc/interrupts)
		for irq in "${irqs[@]}"; do
			echo "$cpu" >"/proc/irq/$irq/smp_affinity_list"
		done
	done
}

guest_names() {
	local config
	for config in "$CAGMA_IN"/guests/*.cfg; do
		[[ ! -e $config ]] || basename "$config" .cfg
	done
}

guest_log() {
	echo "$CAGMA_OUT/console/guest-$1.log"
}

guest_domid() {
	cat "$state_dir/$1.domid" 2>/dev/null || die "no such guest: $1"
}

# guest_mib NAME: the memory that Xen says it has.
guest_mib() {
	xl list "$1" | awk 'NR == 2 { print $3 }'
}

# guest_has_about NAME MIB: but for the pages that Xen itself adds.
guest_has_about() {
	local off=$(($(guest_mib "$1") - $2))
	((off <= 2 && off >= -2))
}

# is_live NAME: whether cagmad serves the guest.
is_live() {
	[[ $(cagmactl --json status 2>/dev/null) =~ \"name\":\"$1\"[^{]*\"state\":\"live\" ]]
}

# guest_mark NAME: guest_wait will look only at what its console says from now on.
guest_mark() {
	local lines
	mapfile -t lines <"$(guest_log "$1")"
	echo ${#lines[@]} >"$state_dir/$1.mark"
}

# said_since MARK LOG REGEX: no processes, for they are slow here and this is polled.
said_since() {
	local lines line
	[[ -e $2 ]] || return
	mapfile -t -s "$1" lines <"$2"
	for line in "${lines[@]}"; do
		[[ ${line%$'\r'} =~ $3 ]] && return
	done
	return 1
}

# A guest's console terminal goes when the guest does, and xenstore need not be asked.
guest_alive() {
	[[ -e $(<"$state_dir/$1.tty") ]]
}

guest_said_or_died() {
	said_since "$(<"$state_dir/$1.mark")" "$(guest_log "$1")" "$2" || ! guest_alive "$1"
}

# guest_wait NAME REGEX SECONDS: until a line of its console log, after the mark, matches.
guest_wait() {
	poll "$3" guest_said_or_died "$1" "$2" ||
		die "guest $1: nothing like '$2' on its console within $3 s"
	said_since "$(<"$state_dir/$1.mark")" "$(guest_log "$1")" "$2" ||
		die "guest $1 died before '$2' was on its console"
}

# guest_run NAME CMD: have the guest's shell run a command line.
guest_run() {
	printf '%s\n' "${*:2}" >"$(<"$state_dir/$1.tty")"
}

# The console's terminal is looked up once, so that guest_run leaves xenstore alone.
console_found() {
	xenstore-read "/local/domain/$2/console/tty" >"$state_dir/$1.tty" 2>/dev/null
}

# guest_start NAME [SETTING...]: create the guest, do not wait for its boot.
# A SETTING is a line of its configuration.
guest_start() {
	xl create -q "$CAGMA_IN/guests/$1.cfg" "${@:2}" || die "xl create $1 failed"
	echo 0 >"$state_dir/$1.mark"
	guest_find "$1"
}

# guest_find NAME: the guest has another domid, or its first.
guest_find() {
	local domid
	domid=$(xl domid "$1") || die "there is no domain $1"
	echo "$domid" >"$state_dir/$1.domid"
	poll 30 console_found "$1" "$domid" || die "guest $1 has no console"
}

guest_ready() {
	guest_wait "$1" '^GUEST-READY' 300
}

# guest_create NAME: start a guest and wait until it takes commands.
guest_create() {
	guest_start "$1"
	guest_ready "$1"
}

# guest_create_all: every guest the runner was given, booting side by side.
guest_create_all() {
	local name
	for name in $(guest_names); do
		guest_start "$name"
	done
	for name in $(guest_names); do
		guest_ready "$name"
	done
}

guest_destroy() {
	xl destroy "$(guest_domid "$1")" || die "xl destroy $1 failed"
	rm -f "$state_dir/$1".*
}
