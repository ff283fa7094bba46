#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What Xen says of domains that come and go, and what guests have of it that stay:
# "pv" runs short when it is told to, "lender" lends a page to "borrower", which
# keeps it and has a bare event channel to dom0, and "big" is built with a claim.

# shellcheck disable=SC2119	# no test here gives cagmad options
# shellcheck source=test-lib.sh
. /cagma/in/test-lib.sh

readonly LENDER_MIB=384 LEFT_MIB=320 GROW_MIB=150
# Of each guest in each phase, about ten a second; a round makes pv grow by 190 MiB.
readonly ROUNDS=3 TRIALS=45 TRIAL_US=100000 PING_US=110000
# Emergencies that have to fall within a claim.
readonly IN_CLAIMS=5

# Nothing is taken from lender, and what pv grows by is Xen's free memory.
cat >"$config" <<-END
	grace_ms = 1000;
	retry_max_ms = 1000;
	guests = ( { name = "lender"; min_mib = $LENDER_MIB; } );
END

spare_mib() {
	echo $(($(total spare_kib) / 1024))
}

# denied GUEST: emergencies that were not answered, one that is open included.
denied() {
	[[ $(cagmactl --json status) =~ \"name\":\"$1\"[^{]*\"emergencies\":([0-9]+),\"answered\":([0-9]+) ]] &&
		echo $((BASH_REMATCH[1] - BASH_REMATCH[2]))
}

# insmod_all GUEST: what lending takes.
insmod_all() {
	guest_run "$1" "for m in xen-evtchn xen-gntdev xen-gntalloc; do insmod /lib/modules/\$m.ko; done"
}

# ---- zombies ----

is_zombie() {
	xl list | awk -v id="$1" '$2 == id && $5 ~ /d/ { found = 1 } END { exit !found }'
}

# lender's page, for as long as borrower lives or is told to give it back.
lend() {
	local gref
	insmod_all lender && insmod_all borrower
	guest_run lender "lend to $(guest_domid borrower) >/tmp/gref &"
	gref=$(guest_says lender "sleep 1; cat /tmp/gref") || return
	guest_mark borrower
	guest_run borrower "lend from $(guest_domid lender) $gref & echo \$! >/run/lend"
	says borrower '^mapped' 20
}

give_back() {
	guest_run borrower "kill \$(cat /run/lend)"
	expect 20 "domain $1 is gone" domain_is_gone "$1"
}

# fill_host: a domain without a page, that never runs, has all spare memory but $LEFT_MIB.
fill_host() {
	local mib=$(($(spare_mib) - LEFT_MIB))
	xl create -q -p "$CAGMA_IN/guests/big.cfg" "memory=$mib" "maxmem=$mib" ||
		because "xl create failed"
}

destroy_big() {
	xl destroy big || because "xl destroy failed" || return
	expect 20 "big is gone" no_domain big
}

no_domain() {
	! xl domid "$1" >/dev/null 2>&1
}

has_another_domid() {
	local now
	now=$(xl domid "$1" 2>/dev/null) && ((now != $2))
}

reboot_lender() {
	guest_run lender "reboot -f"
	expect 60 "it has another domid" has_another_domid lender "$(guest_domid lender)" || return
	guest_find lender
	(guest_ready lender) || because "it did not boot" || return
	expect 30 "lender is live" is_live lender
}

# Grows, and nothing is refused.
is_given_memory() {
	local before now
	before=$(denied pv)
	fill pv "$1" || return
	expect 30 "pv has grown" at_least pv target_kib $((($1 + 60) * 1024)) || return
	now=$(denied pv)
	((now == before)) || because "$((now - before)) of its emergencies were denied"
}

# ---- claims ----

# Each trial of pv's needs memory, which is taken back when a round of them is over.
settings_for_trials() {
	cat <<-END
		reserve_mib = 1048576;
		grace_ms = 0;
		donor_ms = 100;
		period_ms = 500;
		cma_floor_mib = 128;
		threshold_percent = 10;
		release_mib = 4;
		min_mib = 64;
	END
}

channel_is_offered() {
	xenstore-exists "/local/domain/$(guest_domid borrower)/data/floor"
}

# borrower's bare event channel is answered from here on.
prepare_trials() {
	local domid
	domid=$(guest_domid borrower)
	guest_run pv "insmod /lib/cagma/reaction.ko"
	guest_run borrower "insmod /lib/cagma/reaction.ko"
	expect 60 "there is a channel" channel_is_offered || return
	/cagma/in/echo "$domid" "$(xenstore-read "/local/domain/$domid/data/floor")" &
	echo=$!
}

# Builds have a processor, dom0's and the machine's, and all that is measured has the
# other one: a build keeps its own in Xen for up to 0.4 s at a time, most likely to scrub
# a page of 1 GiB, and which program waits there says nothing about claims.
keep_builds_apart() {
	local cpu guest
	for cpu in 0 1; do
		xl vcpu-pin Domain-0 $cpu $cpu
	done
	for guest in pv borrower; do
		xl vcpu-pin $guest all 0
	done
	pin 0 cagmad echo
	pin 1 xenstored xenconsoled
	taskset -p -c 1 $$ >/dev/null
}

# begin_trials GUEST ROUTE ROUNDS TRIALS INTERVAL_US: as bench/reaction/trial.c says.
begin_trials() {
	guest_mark "$1"
	guest_run "$1" "echo '$2 $3 1 $4 0 $5' >/sys/module/reaction/parameters/run; cat /proc/reaction; echo TRIALS-END"
}

trials_ended() {
	said_since "$(<"$state_dir/$1.mark")" "$(guest_log "$1")" '^TRIALS-END'
}

# results GUEST FILE: the trials' ns, sorted; one that was lost is not among them.
results() {
	tail -n "+$(<"$state_dir/$1.mark")" "$(guest_log "$1")" | tr -d '\r' |
		awk '$1 == "trial" { print $2 }' | sort -n >"$2"
}

# rank FILE PERCENT: in us; nearest ranks.
rank() {
	awk -v percent="$2" '{ ns[NR] = $1 }
		END { print int(ns[int((NR * percent + 99) / 100)] / 1000) }' "$1"
}

# measure PHASE COMMAND...: pv's emergencies and borrower's channel, while COMMAND is run
# over and over.
measure() {
	local deadline=$((SECONDS + 240)) who
	begin_trials pv page $ROUNDS $TRIALS $TRIAL_US
	begin_trials borrower floor 1 $((ROUNDS * TRIALS)) $PING_US
	until trials_ended pv && trials_ended borrower; do
		((SECONDS < deadline)) || because "trials in $1 have no end" || return
		"${@:2}" || because "$*: status $?" || return
	done
	for who in pv borrower; do
		results $who "/tmp/$1.$who"
		phase "  $1: $who $(wc -l <"/tmp/$1.$who") answers, p50 $(rank "/tmp/$1.$who" 50)," \
			"p99 $(rank "/tmp/$1.$who" 99), max $(rank "/tmp/$1.$who" 100) us"
		(($(wc -l <"/tmp/$1.$who") == ROUNDS * TRIALS)) ||
			because "$who lost trials in $1" || return
	done
}

# Memory is allocated in larger pieces for a PVH guest, and the claim lasts longer.
build_big() {
	xl create -q -p "$CAGMA_IN/guests/big.cfg" 'type="pvh"' && xl destroy big
}

# emergencies_in_claims: of pv, and how many of them were refused.
emergencies_in_claims() {
	awk -v trace="$CAGMA_OUT/trace-$daemons.jsonl" '
		function number(key) {
			match($0, "\"" key "\":[0-9]+")
			return substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0
		}
		{ begin[NR] = $2; end[NR] = $3 }
		END {
			claims = NR
			while ((getline <trace) > 0) {
				if (/"ev":"start"/)
					start = number("wall_ms")
				if (!/"ev":"emergency"/)
					continue
				ms = start + number("t_ms")
				for (i = 1; i <= claims; i++)
					if (begin[i] < ms && ms < end[i]) {
						met++
						refused += number("new_kib") <= number("old_kib")
					}
			}
			print met + 0, refused + 0
		}' /tmp/claims
}

# How late an answer is beside a build is said, and not judged: Xen keeps a processor for
# up to 0.4 s at a time, for the channel's answers as well.
builds_cost_nothing() {
	local met refused tenths of_quiet before=$1
	read -r met refused < <(emergencies_in_claims)
	tenths=$((10 * $(rank /tmp/builds.pv 99) / $(rank /tmp/builds.borrower 99)))
	of_quiet=$((10 * $(rank /tmp/builds.pv 99) / $(rank /tmp/quiet.pv 99)))
	phase "  $(wc -l </tmp/claims) claims, $met emergencies in them, $refused refused;" \
		"p99 $tenths tenths of the channel's, $of_quiet of quiet's"
	((met >= IN_CLAIMS)) || because "only $met emergencies fell within a claim" || return
	((refused == 0)) || because "$refused of $met within a claim were refused" || return
	(($(denied pv) == before)) || because "$(($(denied pv) - before)) were denied"
}

# ---- tests, in the order in which they are run ----

test_guests_are_live() {
	start_daemon
	expect 20 "pv is live" is_live pv && expect 20 "lender is live" is_live lender || return
	sleep 2
}

# Its pages are free but for one, which Xen keeps with all that the domain was.
test_N1_reboot_beside_a_borrower_costs_nobody_memory() {
	local old spare status=0
	old=$(guest_domid lender)
	expect 60 "pv is small" at_most pv target_kib $((200 * 1024)) && expect 30 "pv has arrived" arrived pv &&
		lend && fill_host || return
	spare=$(spare_mib)
	if reboot_lender && { is_zombie "$old" || because "no zombie was left"; }; then
		phase "  $spare MiB were spare, $(spare_mib) are; $(xl list | grep -m 1 "null")"
		(($(spare_mib) > spare - LENDER_MIB / 2)) || because "$(spare_mib) MiB of $spare are spare" || status=1
		is_given_memory $GROW_MIB && { is_zombie "$old" || because "the zombie has gone meanwhile"; } || status=1
		empty pv
	else
		status=1
	fi
	give_back "$old" && destroy_big && ((!status))
}

# The claim is inside the limit of the domain that is built, and is counted once.
test_N2_builds_with_claims_deny_nobody() {
	local claims status=0 before
	xl destroy lender || :
	stop_daemon
	settings_for_trials >"$config"
	start_daemon
	expect 20 "pv is live" is_live pv && is_answered pv &&
		expect 20 "pv has what it keeps" at_least pv target_kib $((200 * 1024)) &&
		prepare_trials && keep_builds_apart || return
	before=$(denied pv)
	/cagma/in/host claims >/tmp/claims & claims=$!
	measure quiet sleep 5 && measure builds build_big &&
		builds_cost_nothing "$before" || status=1
	kill "$claims" "$echo"
	return $status
}

test_invariants_held() {
	traces_have_no_violation
}

phase "booting the guests"
guest_start pv
guest_start lender 'on_reboot="restart"'
guest_start borrower
for guest in pv lender borrower; do
	guest_ready $guest
done
run_all_tests
