#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The paper's experiment, inside dom0: the same guests do the same work once for each
# line "POLICY SEED" of /cagma/in/runs. They are booted once, since that takes as long
# as a run; before each run they are brought back to where they began. Beside what work-lib.sh leaves,
# each run that was completed leaves RUN.json in the output directory, at its end.

set -euo pipefail

# shellcheck source=../mkimage/dom0-lib.sh
. /cagma/in/lib.sh
# shellcheck source=paper.conf
. /cagma/in/paper.conf
# shellcheck source=work-lib.sh
. /cagma/in/work-lib.sh

MEMORY=$(</cagma/in/memory)
readonly MEMORY DISK=/dev/nullb0
# Longer than the daemon shrinks nobody.
readonly SETTLE_S=12 LOOK_EVERY_S=10
readonly SECTORS_PER_MIB=2048

read -ra guests <<<"$GUESTS"
read -ra oracle_tight <<<"$ORACLE_TIGHT_MIB"

# ---- the disk ----

# part NUMBER MIB: the next partition; they exist in memory only.
part() {
	addpart $DISK "$1" $next_sector $(($2 * SECTORS_PER_MIB)) ||
		die "no partition $1 on the shared disk"
	next_sector=$((next_sector + $2 * SECTORS_PER_MIB))
}

# Partitions 1 to 3 for swap, 4 for the disk-bound tasks.
make_disk() {
	local number=0 guest next_sector=$SECTORS_PER_MIB
	insmod /cagma/in/configfs.ko
	insmod /cagma/in/null_blk.ko nr_devices=1 gb=4 bs=512 queue_mode=2 \
		submit_queues=1 hw_queue_depth=1 memory_backed=1 irqmode=2 \
		completion_nsec=$((1000000000 / DISK_IOPS)) ||
		die "no disk of limited speed"
	for guest in "${guests[@]}"; do
		part $((++number)) "$SWAP_MIB"
	done
	part $((++number)) "$DATA_MIB"
	for ((; number; number--)); do
		poll 10 test -b "${DISK}p$number" || die "no ${DISK}p$number"
	done
}

# ---- the guests ----

xl_disk() {
	printf "'format=raw,vdev=%s,access=%s,script=block-plain,target=%s'" "$@"
}

create_guests() {
	local index disks guest
	for index in "${!guests[@]}"; do
		guest=${guests[index]}
		disks=$(xl_disk xvda ro /dev/vdb),$(xl_disk xvdb rw "${DISK}p$((index + 1))")
		[[ $guest != vm3 ]] || disks+=,$(xl_disk xvdc rw "${DISK}p4")
		guest_start "$guest" "memory=$START_MIB" "disk=[$disks]"
	done
	for guest in "${guests[@]}"; do
		guest_ready "$guest"
	done
}

# start_mib POLICY INDEX
start_mib() {
	case $1-$MEMORY in
	oracle-tight) echo "${oracle_tight[$2]}" ;;
	oracle-*) echo "$MAX_MIB" ;;
	*) echo "$START_MIB" ;;
	esac
}

# resize SIGN POLICY: who has too much (SIGN 1), or who has too little (-1).
resize() {
	local index mib resized=()
	for index in "${!guests[@]}"; do
		mib=$(start_mib "$2" "$index")
		(($1 * ($(guest_mib "${guests[index]}") - mib) > 0)) || continue
		xl mem-set "${guests[index]}" "$mib" || die "xl mem-set failed"
		resized+=("${guests[index]} $mib")
	done
	for index in "${resized[@]}"; do
		# shellcheck disable=SC2086 # two words
		poll 60 guest_has_about $index || die "not resized: $index"
	done
}

# The same beginning for every run: nobody who keeps memory of the last one, no swap used,
# no page cache, the size.
reset_guests() {
	local guest
	for guest in "${guests[@]}"; do
		guest_mark "$guest"
		guest_run "$guest" "killall memcached 2>/dev/null; while pidof memcached; do sleep 0.1; done; rm -f /run/kv; rmmod collector 2>/dev/null; swapoff /dev/xvdb; swapon /dev/xvdb; echo 3 >/proc/sys/vm/drop_caches; insmod /lib/cagma/collector.ko && echo RESET"
	done
	for guest in "${guests[@]}"; do
		guest_wait "$guest" '^RESET' 120
	done
	resize 1 "$1"
	resize -1 "$1"
}

# ---- the work ----

# schedule_of GUEST: its tasks grow from FIRST to TASKS.
schedule_of() {
	local first=${1^^}_FIRST tasks=${1^^}_TASKS
	echo "--barrier 1 --metrics-ms $METRICS_MS --procs ${!tasks}" \
		"--first ${!first} --steps $STEPS --step-ms $STEP_MS"
}

# memory_task GUEST SEED
memory_task() {
	local mib=${1^^}_TASK_MIB
	guest_run "$1" "memtask $(schedule_of "$1") --mib ${!mib}" \
		"--jitter-ms $JITTER_MS --round-pages $ROUND_PAGES" \
		"--compute $COMPUTE --think-ms $THINK_MS" \
		"--fill-think-ms $FILL_THINK_MS --seed $2 &"
}

# A store with room for all of its clients' values, and clients that join.
kv_task() {
	local mib=${1^^}_TASK_MIB tasks=${1^^}_TASKS
	guest_run "$1" "memcached -u root -t 1 -m $((${!mib} * ${!tasks} * 2)) -s /run/kv &" \
		"while [ ! -S /run/kv ]; do sleep 0.2; done;" \
		"kvtask $(schedule_of "$1") --mib ${!mib} --think-ms $KV_THINK_MS" \
		"--fill-think-ms $KV_FILL_THINK_MS --seed $2 /run/kv &"
}

# Processes that sort a file again and again.
sort_task() {
	local mib=${1^^}_TASK_MIB
	guest_run "$1" "[ -e /tmp/lines ] || awk -v n=$SORT_LINES" \
		"'BEGIN { srand(1); for (; n; n--) printf(\"%.12f %080d\\n\", rand(), n) }'" \
		">/tmp/lines;" \
		"jobtask $(schedule_of "$1") --think-ms $SORT_THINK_MS" \
		"sort -S ${!mib}M --parallel=1 -o /dev/null /tmp/lines &"
}

disk_task() {
	guest_run vm3 "disktask --barrier 1 --metrics-ms $METRICS_MS" \
		"--procs $DISK_TASKS --steps $STEPS --step-ms $STEP_MS" \
		"--round-ios $DISK_ROUND_IOS --write-percent $DISK_WRITE_PERCENT" \
		"--sequential-percent $DISK_SEQUENTIAL_PERCENT" \
		"--min-kib $DISK_MIN_KIB --max-kib $DISK_MAX_KIB" \
		"--seed $1 /dev/xvdc &"
}

# has_said GUEST REGEX COUNT: one process, since logs are long and this is polled.
has_said() {
	(($(grep -acE "$2" "$(guest_log "$1")") >= $3))
}

# await SECONDS REGEX: one line like that for each task, two of them in vm3.
await() {
	local guest
	for guest in "${guests[@]}"; do
		poll "$1" has_said "$guest" "$2" "$([[ $guest == vm3 ]] && echo 2 || echo 1)" ||
			die "$run: nothing like '$2' from $guest within $1 s"
	done
}

prepare_work() {
	local guest work seed=$(($1 * 1000))
	for guest in "${guests[@]}"; do
		work=${guest^^}_WORK
		guest_run "$guest" "collect &"
		"${!work}_task" "$guest" $((seed += 100))
	done
	disk_task $((seed + 100))
	await 60 '^@B '
}

# The barrier opens for all guests at one moment.
open_barrier() {
	local guest
	for guest in "${guests[@]}"; do
		guest_run "$guest" "killall -USR1 memtask disktask kvtask jobtask 2>/dev/null"
	done
}

work_is_done() {
	local guest
	for guest in "${guests[@]}"; do
		has_said "$guest" "$LAST_LINE" "$([[ $guest == vm3 ]] && echo 2 || echo 1)" ||
			return
	done
}

# The schedule ends the tasks; the margin is for a guest deep in swap.
work_wait() {
	local deadline=$((SECONDS + STEPS * STEP_MS / 1000 + STOP_S))
	until work_is_done; do
		((SECONDS < deadline)) || die "$run: the work did not end"
		daemon_alive "$run"
		if take_status; then
			status_line "$run $((deadline - STOP_S - SECONDS)) s left$(status_text)"
		fi
		sleep $LOOK_EVERY_S
	done
}

collect_metrics() {
	local guest
	for guest in "${guests[@]}"; do
		guest_run "$guest" "killall -TERM collect"
	done
	for guest in "${guests[@]}"; do
		poll $STOP_S has_said "$guest" '^@C ' 1 ||
			die "$run: the collector of $guest did not end"
	done
}

# ---- one run ----

# The oracle's division is fixed; the daemon only watches.
daemon_policy() {
	[[ $1 == oracle ]] && echo static || echo "$1"
}

write_config() {
	printf 'min_mib = %d;\n' "$MIN_MIB"
	[[ $1 != proportional ]] || echo 'period_ms = 100; tick_ms = 100;'
}

# The next run's log begins empty; xenconsoled goes on at the end of the file.
take_logs() {
	local guest
	for guest in "${guests[@]}"; do
		cp "$(guest_log "$guest")" "$OUT/$run-$guest.log"
		: >"$(guest_log "$guest")"
	done
}

run_policy() {
	local policy=$1 seed=$2 began_ms ended_ms
	run=$MEMORY-$policy-$seed
	phase "$run: ${guests[*]} begin anew"
	reset_guests "$policy"
	write_config "$policy" >/tmp/cagmad.conf
	daemon_start "$run" "$(daemon_policy "$policy")" ${#guests[@]} \
		--config /tmp/cagmad.conf
	sleep $SETTLE_S
	prepare_work "$seed"

	phase "$run: the guests work"
	began_ms=$(now_ms)
	open_barrier
	work_wait
	ended_ms=$(now_ms)

	phase "$run: collecting"
	collect_metrics
	daemon_stop "$run"
	take_logs
	printf '{"memory":"%s","policy":"%s","seed":%d,"began_ms":%s,"ended_ms":%s}\n' \
		"$MEMORY" "$policy" "$seed" "$began_ms" "$ended_ms" >/tmp/run.json
	mv /tmp/run.json "$OUT/$run.json"
}

need_programs
phase "booting ${guests[*]}"
make_disk
create_guests
while read -r policy seed; do
	run_policy "$policy" "$seed" </dev/null
done </cagma/in/runs
