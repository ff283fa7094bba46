#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# coverage.sh PROGRAM...: runs the unit tests, built for coverage by clang, and
# prints what part of dom0/ and shared/ they reach. test_reader alone has to take
# every branch of dom0/reader.c and shared/sync.h both ways; other tests bring
# other primitives and would hide what it misses. (shared/page.h has no code.)

set -uo pipefail
# shellcheck source=../report.sh
. "$(dirname "$0")/../report.sh"

readonly WHOLE=(dom0/reader.c shared/sync.h)
out=build/coverage

run() {
	local log
	log=$out/$(basename "$1").log
	LLVM_PROFILE_FILE=${log%.log}.raw timeout 1200 "$1" >"$log" 2>&1 ||
		report "$(basename "$1")" "status $?; see $log"
}

# files PROFILE FILTER...: per file: name, branches, branches missed, lines missed
files() {
	llvm-cov export -summary-only -instr-profile="$1" "${@:2}" |
		python3 -c '
import json, sys
for file in json.load(sys.stdin)["data"][0]["files"]:
    branches, lines = file["summary"]["branches"], file["summary"]["lines"]
    print(file["filename"], branches["count"], branches["notcovered"],
          lines["count"], lines["count"] - lines["covered"])'
}

for program; do
	run "$program"
done

llvm-profdata merge -o "$out/reader.prof" "$out/test_reader.raw"
for file in "${WHOLE[@]}"; do
	read -r _ branches missed _ missed_lines < <(
		files "$out/reader.prof" "$out/test_reader" "$file")
	problem=
	if ((!${branches:-0} || missed || missed_lines)); then
		problem="${missed:-?} of ${branches:-?} branches and ${missed_lines:-?} lines are missed"
	fi
	report "coverage_of_$file" "$problem"
	llvm-cov show -show-branches=count -instr-profile="$out/reader.prof" \
		"$out/test_reader" "$file" | grep -E 'True: 0|False: 0'
done

echo "all unit tests together: branches, missed, lines, missed"
llvm-profdata merge -o "$out/all.prof" "$out"/test_*.raw
objects=("$1")
for program in "${@:2}"; do
	objects+=(-object "$program")
done
files "$out/all.prof" "${objects[@]}" | sed -n "s|^$PWD/||; /^dom0\|^shared/p" | awk '$4' | column -t
report_sum
