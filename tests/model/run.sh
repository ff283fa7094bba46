#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh [MODEL]: checks the models exhaustively, under TSO and under the
# weaker order of memory.h, and then each mutant, which must be found faulty.
# A mutant that only the weaker order can show must be unseen under TSO: what
# the models say of it would be wrong otherwise.

set -uo pipefail
cd "$(dirname "$0")" || exit 1

readonly source=$PWD
readonly build=${PWD%/*/*}/build/model
readonly memory_mib=2500 seconds=120
only=${1:-}
log=
passed=0 failed=0

# MODEL OPTIONS: checked under both orders.
models() {
	cat <<-END
		slot
		mailbox
		kick
		flag
		session
		session -DKILLS=2 -DPAGES=1
	END
}

# MODEL ORDER MUTANT...: "both" orders show these, or the "weak" one only.
mutants() {
	cat <<-END
		slot both NO_ODD NO_RECHECK HEAD_FIRST NO_LAPPED
		slot weak NO_WMB ODD_RELEASE NO_RELEASE_SEQ NO_ACQUIRE_SEQ NO_RMB RECHECK_ACQUIRE
		slot weak NO_RELEASE_HEAD NO_ACQUIRE_HEAD
		mailbox both NO_ODD NO_RECHECK NO_ODD_CHECK NO_SEEN SAME_SEQ NOTIFY_EARLY TAKE_LATE
		mailbox weak NO_WMB ODD_RELEASE NO_RELEASE_SEQ NO_ACQUIRE_SEQ NO_RMB RECHECK_ACQUIRE
		kick both NO_ARM_MB ARM_WMB NO_KICK_MB KICK_WMB NO_LOOK_AGAIN LOOK_EARLY KICK_EARLY
		kick both TAKE_LATE NO_TICK_AFTER_DENIED NO_TICK_AFTER_REDRAINS NO_TICK_WITHOUT_SHARE NO_TICK_WITHOUT_TOKENS
		flag weak NO_RELEASE_MAGIC NO_ACQUIRE_MAGIC NO_RELEASE_ALIVE NO_RELEASE_CLOSING NO_RELEASE_LEAVE
		session both NO_SECOND_LOOK NO_MAIL_EPOCH NO_NEW_EPOCH NO_DRAIN_EPOCH NO_DRAIN_STATE NO_CLOSE NO_PRESENT
		session both NO_KERNEL_CLEAR NO_DETACH NO_EVENT_IN_SAMPLE ANNOUNCE_FIRST XENSTORE_FIRST
		session both REVOKE_MAPPED RESTART_EARLY
		session weak ANNOUNCE_PLAIN
	END
}

# check MODEL CFLAG OPTION...: leaves Spin's verdict in $log, and the trail of
# a counter-example beside it. A search that doesn't end fails.
check() (
	cflag=$2 dir=${log%/*}
	mkdir -p "$dir" && cd "$dir" && rm -f pan* ./*.trail || exit 1
	{
		spin "${@:3}" -a "$source/$1.pml" &&
			gcc -w -DSAFETY -DCOLLAPSE -DMEMLIM=$memory_mib "$cflag" -o pan pan.c &&
			timeout $seconds ./pan -E -m200000
	} >log 2>&1
	rm -f pan*
)

log_of() {
	local IFS=
	log="$build/$*/log"
}

states() {
	sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$log"
}

# The search ended, and there was nothing to find.
is_clean() {
	grep -q 'errors: 0$' "$log" &&
		! grep -Eq 'not completed|max search depth|invalid array' "$log"
}

# Prints the steps of the counter-example; only broken properties count.
steps() {
	grep -v 'invalid array' "$log" |
		sed -n 's/^pan:1: assertion violated.*(at depth \([0-9]*\))$/\1/p'
}

report() {
	if [[ $1 == ok ]]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
	echo "$*"
}

run_model() {
	local order
	for order in TSO WEAK; do
		log_of "$1" "-D$order" "${@:2}"
		check "$1" -O1 "-D$order" "${@:2}"
		if is_clean; then
			report ok "model $* $order: $(states) states, 0 errors"
		else
			report not ok "model $* $order: see $log"
		fi
	done
}

# The shortest counter-example, but of the largest model: any.
run_mutant() {
	local model=$1 order mutant=$3 search=-DBFS seen=() found
	[[ $model != session ]] || search=-O0
	for order in WEAK TSO; do
		log_of "$model" "-D$order" "-D$mutant"
		check "$model" "$search" "-D$order" "-D$mutant"
		found=$(steps)
		if [[ $order == TSO && $2 == weak ]]; then
			is_clean && seen+=("TSO keeps it")
		elif [[ $found ]]; then
			seen+=("$order $found steps")
		fi
	done
	if ((${#seen[@]} == 2)); then
		report ok "mutant $model $mutant: ${seen[0]}, ${seen[1]}"
	else
		report not ok "mutant $model $mutant: ${seen[*]:-not found}; see $log"
	fi
}

while read -r model options; do
	[[ -z $only || $model == "$only" ]] || continue
	read -ra options <<<"$options"
	run_model "$model" "${options[@]}"
done < <(models)

while read -r model order list; do
	[[ -z $only || $model == "$only" ]] || continue
	for mutant in $list; do
		run_mutant "$model" "$order" "$mutant"
	done
done < <(mutants)

echo "$passed passed, $failed failed, 0 skipped"
((failed == 0 && passed > 0))
