#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# sim-soak.sh SIM --random|--liar N: plays N random hosts, or liars, side by side on
# all processors, in parts of 10,000. A line for each part, and the sum.

set -uo pipefail

readonly SIM=$1 KIND=$2 HOSTS=$3 PART=9999	# three liars have a host in common
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# play SIM KIND FIRST COUNT FILE
play() {
	"$1" --seed "$3" "$2" "$4" >"$5" 2>&1
	grep -v ' passed, ' "$5"
	echo "${2#--} $3 to $(($3 + $4 - 1)): $(tail -n 1 "$5")"
}
export -f play

for ((first = 1; first <= HOSTS; first += PART)); do
	count=$((HOSTS - first + 1 < PART ? HOSTS - first + 1 : PART))
	printf '%s\0' "$SIM" "$KIND" $first $count "$dir/$first"
done | xargs -0 -n 5 -P "$(nproc)" bash -c 'play "$@"' play

passed=0 failed=0
for part in "$dir"/*; do
	if [[ $(tail -n 1 "$part") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
		passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0 && passed == HOSTS))
