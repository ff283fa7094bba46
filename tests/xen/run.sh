#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh [SCENARIO...]: each SCENARIO is a boot of real Xen that runs a script in
# dom0: dom0, hostile, agent, allocator, crash, swap, facts, collector, lifecycle, cycles, install,
# matrix-HOST-KIND, matrix-few; "matrix" is all of the matrix, with a table. Reads the kernel logs, and
# prints one line per test and the sum. Without arguments: the scenarios of `make test`.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
# shellcheck source=../report.sh
. "$here/../report.sh"

# The guest that is put to the test runs the KERNEL stock, debug or, as it is PVH, kasan.
readonly KERNEL=${KERNEL:-stock}
# The debugging of slabs keeps every call chain that it has ever seen, and a module
# that is loaded elsewhere has new ones: memory that is gone.
LINUX=kernel=$KERNEL
[[ $KERNEL == stock ]] || LINUX+=,extra=stack_depot_disable=on
[[ $KERNEL != kasan ]] || LINUX+=,kind=pvh

# What each scenario boots with.
boot_dom0() {
	boot "$1" --guest pv,kind=pv,memory=192,maxmem=512,swap=256 \
		--guest pvh,kind=pvh,memory=384,maxmem=384 \
		--host-memory 2048 --xenstore-trace \
		--in "$project/build/guest/lib/cagma/cagma.ko"
}

boot_hostile() {
	boot "$1" --guest evil,memory=160,maxmem=224,extra=cagma=off \
		--guest one,memory=128,maxmem=192 --guest "two,memory=192,maxmem=192,$LINUX" \
		--host-memory 1536 --dom0-memory 512 --in "$project/build/tests/attack"
}

boot_agent() {
	boot "$1" --guest "talk,memory=160,maxmem=320,swap=256,extra=cagma=off cagma-agent" \
		--guest one,memory=128,maxmem=256,swap=256,extra=cagma-agent \
		--guest evil,memory=128,maxmem=160,extra=cagma=off \
		--guest plain,memory=128,maxmem=256,extra=cagma=off \
		--host-memory 1664 --dom0-memory 512
}

boot_collector() {
	boot "$1" --guest collector,memory=128,maxmem=128,extra=cagma=off \
		--host-memory 1024 --dom0-memory 512
}

# More than "big" and the others need together, until "lender" is there.
boot_facts() {
	boot "$1" --guest pv,memory=160,maxmem=448,swap=256 \
		--guest lender,memory=384,maxmem=384 \
		--guest borrower,memory=128,maxmem=128,extra=cagma=off \
		--guest big,memory=1024,maxmem=1024,extra=cagma=off \
		--host-memory 2496 --dom0-memory 512 --dom0-extra preempt=full \
		--in "$project/build/tests/host" --in "$project/build/bench/echo"
}

boot_lifecycle() {
	local guest guests=()
	for guest in a b c d; do
		guests+=(--guest "$guest,memory=128,maxmem=192")
	done
	boot "$1" --guest "pv,memory=192,maxmem=512,vcpus=2,swap=256,$LINUX" \
		--guest pvh,kind=pvh,memory=384,maxmem=384 "${guests[@]}" \
		--host-memory 3072 --in "$project/build/tests/kernel.tar"
}

# Guest own's root is not the others'.
boot_install() {
	boot "$1" --systemd "$here/install-prepare.sh" --in "$project/build/test-install/root" \
		--guest pv,memory=160,maxmem=320 \
		--guest "own,memory=192,maxmem=320,extra=systemd.hostname=own systemd.show_status=no" \
		--host-memory 1536
}

# CYCLES of them.
boot_cycles() {
	local conf=$project/build/tests/cycles.conf
	mkdir -p "${conf%/*}"
	printf 'CYCLES=%d\nKERNEL=%s\n' "${CYCLES:-1000}" "$KERNEL" >"$conf"
	boot "$1" --guest "cycle,memory=512,maxmem=512,$LINUX" \
		--host-memory 1536 --dom0-memory 512 --in "$conf" \
		--time-limit 14400
}

boot_allocator() {
	boot "$1" --guest pv,memory=160,maxmem=448,swap=256 \
		--guest donor,memory=320,maxmem=320,swap=256 \
		--guest evil,memory=192,maxmem=224,extra=cagma=off \
		--guest new,memory=128,maxmem=128,extra=cagma=off \
		--host-memory 1792 --dom0-memory 512
}

# b can only grow by what a has too much of.
boot_swap() {
	boot "$1" --guest a,memory=640,maxmem=768,swap=256 \
		--guest b,memory=128,maxmem=640,swap=256 \
		--guest "talk,memory=192,maxmem=256,swap=256,extra=cagma=off cagma-agent" \
		--host-memory 1728 --dom0-memory 512
}

# Without Linux's new event channels dom0 can have 4,096, which a test can use up.
boot_crash() {
	boot "$1" --guest pv,memory=160,maxmem=448,swap=256 \
		--guest donor,memory=320,maxmem=320,swap=256 \
		--guest evil,memory=128,maxmem=160,extra=cagma=off \
		--host-memory 1536 --dom0-memory 512 --dom0-extra xen.fifo_events=0 \
		--in "$project/build/tests/host" --in "$project/build/tests/refuse.so"
}

# matrix-HOST-KIND: all kernels, with one and two processors.
boot_matrix() {
	local host kind kernel vcpus guests=()
	IFS=- read -r _ host kind <<<"$1"
	if [[ $1 == matrix-few ]]; then
		boot "$1" "$(cell pv bullseye 1)" "$(cell pv trixie 1)"
		return
	fi
	for kernel in "${KERNELS[@]}"; do
		for vcpus in 1 2; do
			guests+=("$(cell "$kind" "$kernel" "$vcpus")")
		done
	done
	boot "$1" --host "$host" --host-memory 4096 "${guests[@]}"
}

# A PVH guest that began with less than its maxmem would have memory that is not backed.
cell() {
	local memory=192
	[[ $1 == pv ]] || memory=512
	echo "--guest=$1-$2-$3,kind=$1,kernel=$2,vcpus=$3,memory=$memory,maxmem=512,swap=256"
}

# In virtual time: no processor is taken away from a test, and waiting costs nothing.
boot() {
	"$project/mkimage/run.py" --script "$here/${1%%-*}-test.sh" --in "$here/test-lib.sh" \
		--out "$project/build/test-xen/$1" --clock icount --time-limit 2400 "${@:2}"
}

# The log without what Linux itself says when guest-cycles.sh takes its memory
# away, that there is none, and that a file in /proc/irq was never made; what it
# says of a port that it has forgotten (agent-test.sh); and what the debug kernel says
# without the module as well, when a processor is unplugged and after a suspend.
without_known() {
	awk -v kernel="$KERNEL" '/^FAULTS-BEGIN/ { faults = 1 }
		/^FAULTS-END/ { faults = 0 }
		faults && (/Call Trace/ || /WARNING: .*(remove_proc_entry|evtchn_put)/ ||
			/kernel BUG at drivers\/xen\/evtchn\.c/) { next }
		kernel == "debug" && /WARNING: .*(switch_mm_irqs_off|clockevents_switch_state)/ { known = 1 }
		!known { print }
		/end trace/ { known = 0 }' "$1"
}

# A kernel that warned has failed, whatever the tests saw.
kernel_log_is_clean() {
	local complaints='WARNING:|BUG:|kernel BUG at|Oops|general protection|Call Trace|leaking g\.e\.|invariant' found
	found=$(without_known "$1" | grep -aE -m 1 "$complaints") || :
	report "kernel_log_of_$(basename "$1" .log)" "$found"
}

# What the daemons decided on real Xen, the simulator decides again.
replay_is_the_same() {
	local said
	said=$("$project/build/bench/cagma-sim" --replay "$1" 2>&1) && said=
	report "replay_of_$2" "$said"
}

run() {
	local out=$project/build/test-xen/$1 status=0 line log
	rm -rf "$out"
	"boot_${1%%-*}" "$1" || status=$?
	if [[ -e $out/results ]]; then
		while read -r line; do
			[[ $line != "ok "* ]] || line+=":"
			line=${line#*ok }
			report "${line%%:*}" "${line#*:}"
		done <"$out/results"
	fi
	for log in "$out"/console/guest-*.log "$out/dom0-dmesg.log"; do
		[[ ! -e $log ]] || kernel_log_is_clean "$log"
	done
	[[ ! -e $out/record.jsonl ]] || replay_is_the_same "$out/record.jsonl" "$1"
	((status == 0)) || report "run_of_$1" "it ended with status $status"
}

readonly KERNELS=(bullseye bookworm trixie)
readonly MATRIX=(matrix-bookworm-pv matrix-bookworm-pvh matrix-trixie-pv matrix-trixie-pvh)

# What became of a cell: ok, FAILED, or - if it was never reached.
cell_says() {
	local results=$project/build/test-xen/matrix-$1-$2/results
	if grep -q "^ok cell_$2-$3-$4\$" "$results" 2>/dev/null; then
		echo ok
	elif grep -q "^not ok cell_$2-$3-$4:" "$results" 2>/dev/null; then
		echo FAILED
	else
		echo -
	fi
}

print_matrix() {
	local kernel vcpus host kind row
	printf '%-10s%-7s%-10s%-10s%-10s%-10s\n' kernel vCPUs 4.17/PV 4.17/PVH 4.20/PV 4.20/PVH
	for kernel in "${KERNELS[@]}"; do
		for vcpus in 1 2; do
			row=()
			for host in bookworm trixie; do
				for kind in pv pvh; do
					row+=("$(cell_says $host $kind "$kernel" "$vcpus")")
				done
			done
			printf '%-10s%-7s%-10s%-10s%-10s%-10s\n' "$kernel" "$vcpus" "${row[@]}"
		done
	done
}

# run_side_by_side SCENARIO...: two at a time, the longest first. What each says comes
# whole, when it has ended, and is counted as its own.
run_side_by_side() {
	local scenario log
	for scenario; do
		while mapfile -t lanes < <(jobs -rp) && ((${#lanes[@]} >= LANES)); do
			wait -n || :
		done
		log=$project/build/test-xen/$scenario.log
		{ "$0" "$scenario" >"$log" 2>&1 || :; cat "$log"; } &
	done
	wait
	for scenario; do
		count_from "$project/build/test-xen/$scenario.log" "$scenario"
	done
}

count_from() {
	if [[ $(tail -n 1 "$1") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		skipped=$((skipped + BASH_REMATCH[3]))
	else
		report "run_of_$2" "it ended without a sum"
	fi
}

readonly LANES=2
readonly SCENARIOS=(dom0 lifecycle hostile allocator install crash agent swap matrix-few facts collector)

(($#)) || set -- "${SCENARIOS[@]}"
[[ $1 != matrix ]] || set -- "${MATRIX[@]}"
mkdir -p "$project/build/test-xen"
if (($# == 1)); then
	run "$1"
else
	run_side_by_side "$@"
fi
[[ $* != "${MATRIX[*]}" ]] || print_matrix
report_sum
