#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh PROGRAM...: runs each cmocka program, says in one line what came of it,
# and sums up. A test that was announced and never reported has failed. A
# program called mutant_* has a known defect: it must fail, by a test of its own.
# One called racy_* must be found out by ThreadSanitizer. Where two threads meet is
# chance: where the defect is a race between them, a program is run until it is found,
# up to UNIT_TRIES times. UNIT_SECONDS is for what hangs; a busy machine takes its time.

set -uo pipefail

readonly SECONDS_MAX=${UNIT_SECONDS:-1200} TRIES=${UNIT_TRIES:-10}
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
is_killed() {
	local found
	found=$(count '^not ok [0-9]+ - ')
	((found && found == f))
}

is_found_out() {
	grep -q '^WARNING: ThreadSanitizer: data race' "$err"
}

# Of the programs whose mutants are these; all other mutants fail at once, or not at all.
is_a_race() {
	[[ $1 =~ ^racy_|^mutant_(torture|ring)\. ]]
}

# judge_defect NAME SEEN NOT_SEEN CONDITION
judge_defect() {
	local try tries=1
	! is_a_race "$1" || tries=$TRIES
	for ((try = 1; try <= tries; try++)); do
		run
		if "$4"; then
			passed=$((passed + 1))
			say ok "$1" "$2$( ((try == 1)) || echo " at try $try")"
			return
		fi
	done
	failed=$((failed + 1))
	say "not ok" "$1" "$3 in $tries tries, status $status"
}

run() {
	CMOCKA_MESSAGE_OUTPUT=TAP timeout "$SECONDS_MAX" "$program" >"$out" 2>"$err"
	status=$?
	add_up
}

for program; do
	name=$(basename "$program")
	if [[ $name == mutant_* ]]; then
		judge_defect "$name" killed survived is_killed
	elif [[ $name == racy_* ]]; then
		judge_defect "$name" "found out" "no race was seen" is_found_out
	else
		run
		judge_test "$name"
	fi
done
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))
