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
# shellcheck source=work-lib.sh
. /cagma/in/work-lib.sh

readonly SETTLE_S=3 STATUS_EVERY_S=2

read -ra memory_guests <<<"$MEMORY_GUESTS"
read -ra disk_guests <<<"$DISK_GUESTS"
guests=("${memory_guests[@]}" "${disk_guests[@]}")

# ---- the work ----

memory_start() {
	guest_run "$1" "memtask --procs $MEMTASK_PROCS --mib $MEMTASK_MIB" \
		"--round-pages $MEMTASK_ROUND_PAGES --rounds $MEMTASK_ROUNDS" \
		"--think-ms $MEMTASK_THINK_MS --fill-think-ms $MEMTASK_THINK_MS" \
		"--step-ms $MEMTASK_STEP_MS" \
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

run_policy() {
	local policy=$1 guest began_ms ended_ms
	phase "$policy: booting ${guests[*]}"
	guest_create_all
	phase "$policy: starting the allocator"
	daemon_start "$policy" "$policy" ${#guests[@]}
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
