#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# busy.sh TIMES SUITE: runs the suite, a command as run.sh takes it, so many times
# beside four busy loops per processor. Prints of each run its sum and what failed,
# and then the sum of all.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

readonly LOOPS_PER_CPU=4
loops=()
log=$(mktemp)
trap 'kill "${loops[@]}" 2>/dev/null; rm -f "$log"' EXIT

busy_loop() {
	while :; do :; done
}

for ((i = LOOPS_PER_CPU * $(nproc); i; i--)); do
	busy_loop &
	loops+=($!)
done

passed=0 failed=0 skipped=0 good=0
for ((run = 1; run <= $1; run++)); do
	tests/run.sh "$2" >"$log" 2>&1
	sum=$(tail -n 1 "$log")
	echo "run $run of $1: $sum"
	[[ $sum =~ ^[0-9]+\ passed,\ [0-9]+\ failed,\ [0-9]+\ skipped$ ]] || sum="0 passed, 1 failed, 0 skipped"
	read -r p _ f _ s _ <<<"$sum"
	if ((f)); then
		cat "$log"
	else
		good=$((good + 1))
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$good of $1 runs without a failure"
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))
