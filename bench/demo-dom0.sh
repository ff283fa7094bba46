#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The demo, inside dom0: the same guests with the same work under each policy.
# Leaves for each policy, in the output directory,
#   POLICY.json          when the work began and ended
#   POLICY-GUEST.log     the console of each guest
#   trace-POLICY.jsonl   the allocator's trace
#   cagmad-POLICY.log    what the allocator said

set -euo pipefail

# shellcheck source=../mkimage/dom0-lib.sh
. /cagma/in/lib.sh
# shellcheck source=demo.conf
. /cagma/in/demo.conf

readonly OUT=/cagma/out STATUS=/run/cagma-demo-status.json
readonly ATTACH_S=60 STOP_S=90 SETTLE_S=3 STATUS_EVERY_S=2
readonly LAST_LINE='^@E \{.*\}'

read -ra memory_guests <<<"$MEMORY_GUESTS"
read -ra disk_guests <<<"$DISK_GUESTS"
guests=("${memory_guests[@]}" "${disk_guests[@]}")
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

daemon_start() {
	cagmad --policy "$1" --trace "$OUT/trace-$1.jsonl" \
		>"$OUT/cagmad-$1.log" 2>&1 &
	daemon=$!
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
	[[ -s $OUT/trace-$1.jsonl ]] || die "cagmad left no trace"
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
	((live == ${#guests[@]}))
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

# ---- the work ----

memory_start() {
	guest_run "$1" "memtask --procs $MEMTASK_PROCS --mib $MEMTASK_MIB" \
		"--round-pages $MEMTASK_ROUND_PAGES --rounds $MEMTASK_ROUNDS" \
		"--think-ms $MEMTASK_THINK_MS --step-ms $MEMTASK_STEP_MS" \
		"--limit-s $MEMTASK_LIMIT_S --seed $2 &"
}

disk_start() {
	guest_run "$1" "disktask --procs $DISKTASK_PROCS" \
		"--round-ios $DISKTASK_ROUND_IOS" \
		"--write-percent $DISKTASK_WRITE_PERCENT" \
		"--min-kib $DISKTASK_MIN_KIB --max-kib $DISKTASK_MAX_KIB" \
		"--seed $2 /dev/xvdc &"
}

work_start() {
	local guest seed=$SEED
	for guest in "${memory_guests[@]}"; do
		memory_start "$guest" $((seed++))
	done
	for guest in "${disk_guests[@]}"; do
		disk_start "$guest" $((seed++))
	done
}

work_is_under_way() {
	local guest
	for guest in "${guests[@]}"; do
		guest_wait "$guest" '^@S \{.*"start"' 30
	done
}

has_ended() {
	grep -aEq "$LAST_LINE" "$(guest_log "$1")"
}

memory_work_done() {
	local guest
	for guest in "${memory_guests[@]}"; do
		has_ended "$guest" || return
	done
}

# The tasks keep their own limit; the margin is for a guest deep in swap.
memory_work_wait() {
	local policy=$1 began=$SECONDS spent
	until memory_work_done; do
		spent=$((SECONDS - began))
		((spent < MEMTASK_LIMIT_S + STOP_S)) ||
			die "$policy: the memory-bound guests did not finish"
		daemon_alive "$policy"
		if take_status; then
			status_line "$policy $spent s$(status_text)"
		fi
		sleep $STATUS_EVERY_S
	done
}

disk_stop() {
	local guest
	for guest in "${disk_guests[@]}"; do
		guest_run "$guest" "killall -TERM disktask"
	done
	for guest in "${disk_guests[@]}"; do
		guest_wait "$guest" "$LAST_LINE" $STOP_S
	done
}

# ---- one run ----

# The log is moved away, so that guests of the next run begin an empty one.
guest_end() {
	guest_destroy "$2"
	mv "$(guest_log "$2")" "$OUT/$1-$2.log"
}

run_policy() {
	local policy=$1 guest began_ms ended_ms
	phase "$policy: booting ${guests[*]}"
	guest_create_all
	phase "$policy: starting the allocator"
	daemon_start "$policy"
	poll $ATTACH_S all_live ||
		die "$policy: after $ATTACH_S s not all guests are live"
	sleep $SETTLE_S

	phase "$policy: the guests work"
	began_ms=$(now_ms)
	work_start
	work_is_under_way
	memory_work_wait "$policy"
	ended_ms=$(now_ms)
	disk_stop

	phase "$policy: collecting"
	daemon_stop "$policy"
	printf '{"policy":"%s","began_ms":%s,"ended_ms":%s}\n' \
		"$policy" "$began_ms" "$ended_ms" >"$OUT/$policy.json"
	for guest in "${guests[@]}"; do
		guest_end "$policy" "$guest"
	done
}

need_programs
for policy in $POLICIES; do
	run_policy "$policy"
done
