# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the suites: says what came of each test, and sums up.

passed=0 failed=0 skipped=0

# report NAME PROBLEM: an empty PROBLEM is success.
report() {
	if [[ -z $2 ]]; then
		echo "ok $1"
		passed=$((passed + 1))
	else
		echo "not ok $1: $2"
		failed=$((failed + 1))
	fi
}

# Ends the suite's output; the status is the suite's.
report_sum() {
	echo "$passed passed, $failed failed, $skipped skipped"
	((failed == 0 && passed > 0))
}
