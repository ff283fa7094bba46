#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh PROGRAM...: runs each cmocka program, says in one line what came of it,
# and sums up. A test that was announced and never reported has failed. A
# program called mutant_* has a known defect: it must fail, by a test of its own.
# One called racy_* must be found out by ThreadSanitizer.

set -uo pipefail

passed=0 failed=0 skipped=0
out=$(mktemp) err=$(mktemp)
trap 'rm -f "$out" "$err"' EXIT

say() {
	printf '%-6s %-26s %s\n' "$1" "$2" "$3"
}

count() {
	grep -cE "$1" "$out"
}

# What the program printed, in p, f and s.
add_up() {
	local plan
	plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$out" | head -n 1)
	s=$(count '^(not )?ok [0-9]+ # SKIP')
	p=$(count '^ok [0-9]+ - ')
	f=$(count '^not ok [0-9]+ - ')
	reported=$((p + f + s))
	((reported == ${plan:-0})) || f=$((f + ${plan:-0} - reported))
	if [[ -z $plan ]] || ((status && !f)); then
		f=$((f + 1))
	fi
}

judge_test() {
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	if ((!f)); then
		say ok "$1" "$p passed, $s skipped"
		grep '^figures: ' "$out"
		return
	fi
	say "not ok" "$1" "$f failed, $p passed, $s skipped, status $status"
	grep -vE '^ok [0-9]+ - ' "$out"
	cat "$err"
}

# Killed: every test reported, and at least one of them failed.
judge_mutant() {
	local found
	found=$(count '^not ok [0-9]+ - ')
	if ((found && found == f)); then
		passed=$((passed + 1))
		say ok "$1" "killed"
	else
		failed=$((failed + 1))
		say "not ok" "$1" "survived, status $status"
	fi
}

judge_racy() {
	if grep -q '^WARNING: ThreadSanitizer: data race' "$err"; then
		passed=$((passed + 1))
		say ok "$1" "found out"
	else
		failed=$((failed + 1))
		say "not ok" "$1" "no race was seen, status $status"
	fi
}

for program; do
	name=$(basename "$program")
	CMOCKA_MESSAGE_OUTPUT=TAP timeout "${UNIT_SECONDS:-120}" "$program" >"$out" 2>"$err"
	status=$?
	add_up
	if [[ $name == mutant_* ]]; then
		judge_mutant "$name"
	elif [[ $name == racy_* ]]; then
		judge_racy "$name"
	else
		judge_test "$name"
	fi
done
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))
