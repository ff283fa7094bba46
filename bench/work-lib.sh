# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# In dom0, for runs of the same work under one policy after another: the allocator
# and the guests' consoles. Whoever sources this has sourced lib.sh. A run leaves
# in $OUT
#   trace-RUN.jsonl      the allocator's trace
#   cagmad-RUN.log       what the allocator said
#   RUN-GUEST.log        the console of each guest

readonly OUT=/cagma/out STATUS=/run/cagma-work-status.json STOP_S=90
readonly LAST_LINE='^@E \{.*\}'
daemon=

now_ms() {
	date +%s%3N
}

need_programs() {
	local program
	for program in cagmad cagmactl xl awk; do
		command -v $program >/dev/null || die "dom0 has no $program"
	done
}

# ---- the allocator ----

# daemon_start RUN POLICY GUESTS [OPTION...]: until it serves so many guests. The trace is
# written in dom0's own memory, since the runner's share is slow.
daemon_start() {
	cagmad --policy "$2" --trace "/tmp/trace-$1.jsonl" "${@:4}" \
		>"$OUT/cagmad-$1.log" 2>&1 &
	daemon=$!
	poll 60 live_or_ended "$3" || :
	daemon_alive "$1"
	all_live "$3" || die "$1: not all guests are live"
}

live_or_ended() {
	all_live "$1" || daemon_gone
}

daemon_alive() {
	kill -0 "$daemon" 2>/dev/null && return
	die "cagmad ended early: $(tail -n 1 "$OUT/cagmad-$1.log")"
}

# Its trace is whole only after a clean end, so that is waited for.
daemon_stop() {
	daemon_alive "$1"
	kill -TERM "$daemon"
	poll $STOP_S daemon_gone || die "cagmad did not end on SIGTERM"
	wait "$daemon" ||
		die "cagmad failed: $(tail -n 1 "$OUT/cagmad-$1.log")"
	daemon=
	[[ -s /tmp/trace-$1.jsonl ]] || die "cagmad left no trace"
	mv "/tmp/trace-$1.jsonl" "$OUT/"
}

daemon_gone() {
	! kill -0 "$daemon" 2>/dev/null
}

take_status() {
	cagmactl status --json >$STATUS 2>/dev/null
}

all_live() {
	local live
	take_status || return
	live=$(grep -o '"state": *"live"' $STATUS | wc -l)
	((live == $1))
}

# One line for a person. Every guest's object begins with its "dom".
status_text() {
	tr -d ' \t\n"{}[]' <$STATUS | tr , '\n' | awk -F: '
		function show() {
			if (name != "")
				printf " | %s %d MiB, %d free, %d pages out",
					name, mib["alloc"], mib["avail"], out
		}
		$1 == "dom" || $2 == "dom" { show(); name = "" }
		$1 == "name" { name = $2 }
		$1 == "alloc_kib" { mib["alloc"] = $2 / 1024 }
		$1 == "avail_kib" { mib["avail"] = $2 / 1024 }
		$1 == "swap_out_pages" { out = $2 }
		END { show() }'
}

# ---- the guests ----

has_ended() {
	grep -aEq "$LAST_LINE" "$(guest_log "$1")"
}

# The log is moved away, so that guests of the next run begin an empty one.
guest_end() {
	guest_destroy "$2"
	mv "$(guest_log "$2")" "$OUT/$1-$2.log"
}
