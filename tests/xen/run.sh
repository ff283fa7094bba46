#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Boots real Xen, runs dom0-test.sh there, reads the kernel logs, and prints one
# line per test and the sum.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
out=${1:-$project/build/test-xen}
passed=0 failed=0

verdict() {
	echo "$1"
	if [[ $1 == "ok "* ]]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
}

# A kernel that warned has failed, whatever the tests saw.
kernel_log_is_clean() {
	local complaints='WARNING:|BUG:|Oops|general protection|Call Trace|leaking g\.e\.|Out of memory|invariant'
	if grep -aE "$complaints" "$2" >"$out/complaints-$1"; then
		verdict "not ok kernel_log_of_$1: $(head -n 1 "$out/complaints-$1")"
	else
		verdict "ok kernel_log_of_$1"
	fi
}

rm -rf "$out"
status=0
"$project/mkimage/run.py" --script "$here/dom0-test.sh" --out "$out" \
	--guest pv,kind=pv,memory=192,maxmem=512,swap=256 \
	--guest pvh,kind=pvh,memory=384,maxmem=384 \
	--host-memory 2048 --xenstore-trace --time-limit 900 || status=$?

if [[ -e $out/results ]]; then
	while read -r line; do
		verdict "$line"
	done <"$out/results"
fi
for log in "$out"/console/guest-*.log "$out/dom0-dmesg.log"; do
	[[ ! -e $log ]] || kernel_log_is_clean "$(basename "$log" .log)" "$log"
done
((status == 0)) || verdict "not ok the_run: it ended with status $status"
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0 && passed > 0))
