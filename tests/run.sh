#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh SUITE...: runs each suite, a command that ends with the plain line
# "N passed, N failed, N skipped", and prints the same line for all of them, after
# the names of the tests that failed.

set -uo pipefail

# `make -n` says what it would run.
if [[ ${MAKEFLAGS-} =~ ^[a-zA-Z]*n[a-zA-Z]*(\ |$) ]]; then
	printf 'tests/run.sh: %s\n' "$@"
	exit
fi

passed=0 failed=0 skipped=0
log=$(mktemp) failures=$(mktemp)
trap 'rm -f "$log" "$failures"' EXIT

add_up() {
	local sum='^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$'
	# A make that failed says so behind the sum.
	if [[ $(grep -v '^make\(\[[0-9]*\]\)\?: \*\*\* ' "$log" | tail -n 1) =~ $sum ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		skipped=$((skipped + BASH_REMATCH[3]))
	else
		echo "not ok $1: it ended without a sum" | tee -a "$log"
		failed=$((failed + 1))
	fi
}

for suite; do
	before=$failed
	$suite 2>&1 | tee "$log"
	status=${PIPESTATUS[0]}
	add_up "$suite"
	if ((status && failed == before)); then
		echo "not ok $suite: status $status" | tee -a "$log"
		failed=$((failed + 1))
	fi
	sed -n 's/^not ok /failed: /p' "$log" >>"$failures"
done
# Once more, where a reader of the end finds them.
cat "$failures"
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))
