#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Attacks on real Xen. Guest "evil" plays the cases of tests/hostile/hostile.c;
# guests "one" and "two" run the module of this tree and ask for memory all the
# time. Whatever evil does, cagmad goes on, names what is wrong with evil, and
# answers the others. At the end attack.c plays a hostile dom0 against "two".

# shellcheck source=test-lib.sh
. /cagma/in/test-lib.sh

readonly CONF=/tmp/hostile.conf EVIL_MIN_KIB=$((112 * 1024))
readonly EVIL_MAX_KIB=$((224 * 1024)) MIN_KIB=$((64 * 1024)) WAKEUPS_PER_S=20

# ---- evil, and what becomes of it ----

# The case before ends first, so that nothing that is seen is its doing.
play() {
	guest_run evil "echo none >/sys/module/hostile/parameters/play"
	poll 20 evil_is_away || because "evil does not go away" || return
	guest_run evil "echo '$1' >/sys/module/hostile/parameters/play || echo NOT-PLAYED"
}

evil_is_away() {
	! ask '"name":"(evil)"[^{]*"state"' >/dev/null && ! offer evil >/dev/null
}

# refusals REASON: how often evil was refused, if it is for that reason now.
refusals() {
	ask "\"quarantined\":\[[^]]*\"name\":\"evil\",\"reason\":\"$1\",\"refusals\":([0-9]+)"
}

# Each guest's answers so far, and whether both had some more since.
note_answers() {
	answered_one=$(field one answered) answered_two=$(field two answered)
}

others_are_served() {
	kill -0 "$daemon" 2>/dev/null || because "cagmad is gone" || return
	expect 30 "one is answered" at_least one answered $((answered_one + 3)) &&
		expect 30 "two is answered" at_least two answered $((answered_two + 3))
}

# endured CASE SECONDS: nothing is wrong enough to let evil go.
endured() {
	play "$1" || return
	expect 30 "evil is live ($1)" is_live evil || return
	note_answers
	sleep "$2"
	is_live evil || because "evil is not live any more ($1)" || return
	others_are_served
}

# ---- tests, in the order in which they are run ----

test_guests_are_served_side_by_side() {
	local guest
	for guest in one two; do
		guest_run $guest "while :; do echo 1 >/sys/module/cagma/parameters/raise; usleep 100000; done 2>/dev/null &"
	done
	cat >$CONF <<-END
		stale_ms = 1000; retry_max_ms = 1000; idle = "host";
		guests = ( { name = "evil"; min_mib = $((EVIL_MIN_KIB / 1024)); } );
	END
	start_daemon --config $CONF
	guest_run evil "insmod /lib/cagma/hostile.ko"
	expect 20 "one is live" is_live one && expect 20 "two is live" is_live two &&
		endured honest 2 || return
	held_before=$(held) resident_before=$(resident_kib)
}

test_G1_wrong_magic() {
	refused wrong-magic magic
}

test_G1_L13_C7_other_versions() {
	refused unknown-version new-version old-version 'offer 2 8 9 7'
}

test_G2_impossible_layouts() {
	refused wrong-layout many-slots no-slots odd-slots huge-slots
}

test_G1_epoch_that_was_not_offered() {
	refused wrong-epoch epoch
}

test_G3_samples_under_way_for_ever() {
	refused torn-too-long odd
}

test_G4_sequences_race_the_reader() {
	play race || return
	note_answers
	sleep 3
	others_are_served
}

test_G5_G7_samples_of_ones() {
	refused impossible-samples ones
}

test_G6_counters_go_back() {
	endured backwards 2
}

test_G8_head_jumps() {
	refused torn-too-long jump
}

test_G9_head_goes_back() {
	refused head-went-back head-back
}

test_G10_whole_page_is_scribbled_on() {
	refused '[a-z-]+' scribble
}

test_G11_mailbox_is_overwritten() {
	endured mailbox 2
}

test_G12_unknown_reasons_and_flags() {
	endured unknown 2
}

test_G13_ring_is_always_full() {
	endured full-ring 3 || return
	at_least evil lost_samples 1 || because "nothing was lost"
}

test_G14_kick_storm() {
	local before after from=$SECONDS seconds
	play storm || return
	expect 30 "evil is live" is_live evil || return
	before=$(field evil kicks)
	note_answers
	sleep 5
	others_are_served || return
	after=$(field evil kicks) seconds=$((SECONDS - from + 1))
	((after > before)) || because "no kick came" || return
	((after - before <= WAKEUPS_PER_S * (seconds + 1))) ||
		because "$((after - before)) wake-ups in $seconds s"
}

test_G15_endless_distress() {
	endured distress 5 || return
	at_most evil target_kib $EVIL_MAX_KIB || because "evil got too much" || return
	at_least one target_kib $MIN_KIB || because "one was squeezed" || return
	at_least two target_kib $MIN_KIB || because "two was squeezed"
}

test_G16_claims_to_be_idle() {
	endured idle 2 || return
	expect 60 "evil shrinks" at_most evil target_kib $((EVIL_MIN_KIB + 36 * 1024)) || return
	at_least evil target_kib $EVIL_MIN_KIB || because "below its minimum"
}

test_G17_grant_ends_while_mapped() {
	refused silent revoke
}

test_G18_read_only_or_revoked_grant() {
	refused cannot-map-grant read-only revoked
}

test_G19_grants_and_ports_of_nothing() {
	refused cannot-map-grant gref-huge gref-reserved gref-unused &&
		refused cannot-bind-port port-0 port-huge port-unused
}

test_G21_head_moves_over_nothing() {
	refused torn-too-long empty
}

test_G22_times_of_another_world() {
	endured time 2
}

test_S1_offers_that_are_none() {
	local digits
	digits=$(printf '%02000d' 0)
	refused bad-offer 'offer' 'offer abc' 'offer -1' 'offer 1 8 9' \
		'offer 1 8 9 0x10' 'offer 1  8 9 7' 'offer 1 8 9 7 x' \
		'offer 1 4294967296 9 7' 'offer 1 8 9 18446744073709551616' \
		"offer 1 8 9 $digits"
}

test_S2_offer_is_a_directory() {
	refused bad-offer offer-directory
}

test_S4_nodes_of_others_are_not_written() {
	note_answers
	guest_run evil 'dmesg -n 8'
	play tamper && says evil 'hostile: 6 of 6 writes are refused' 20 && others_are_served
}

# It is the guest's own node, and nobody else was given the right to read it.
test_S6_offer_that_dom0_was_not_given_the_right_to_read() {
	local domid node
	endured honest 1 || return
	domid=$(guest_domid evil) node=/local/domain/$domid/data/cagma
	xenstore-ls -p "$node" | grep -qE "^offer = .* \\(n$domid\\)\$" ||
		because "$(xenstore-ls -p "$node")"
}

test_S5_page_opens_and_closes_all_the_time() {
	play close || return
	note_answers
	sleep 4
	others_are_served
}

# R5, R6: what the module needs is all taken, by others in its own guest.
load_in_evil() {
	guest_mark evil
	guest_run evil "insmod /run/cagma.ko; echo INSMOD-\$?"
}

# Without the module, evil is as it was.
unload_in_evil() {
	guest_run evil "rmmod cagma"
	expect 20 "evil is away" evil_is_away
}

# Nor can its disk be read without grants: what is needed then is read before.
test_R5_no_grants_left_in_the_guest() {
	guest_mark evil
	guest_run evil "dmesg -n 8; insmod /run/cagma.ko && rmmod cagma; echo READ-\$?"
	says evil 'READ-0' 20 && expect 20 "evil is away" evil_is_away || return
	guest_run evil "echo grants >/sys/module/hostile/parameters/play"
	says evil 'hostile: [0-9]+ grants are taken' 20 || return
	load_in_evil
	says evil 'INSMOD-28' 20 || return
	guest_run evil "echo none >/sys/module/hostile/parameters/play"
	load_in_evil
	says evil 'INSMOD-0' 20 && expect 20 "evil is live" is_live evil && unload_in_evil
}

test_R6_no_nodes_left_for_the_guest() {
	guest_mark evil
	guest_run evil "dmesg -n 8; echo nodes >/sys/module/hostile/parameters/play"
	says evil 'hostile: [0-9]+ nodes are taken' 60 || return
	load_in_evil
	says evil 'INSMOD-0' 20 && says evil 'cagma: dom0 can.t be offered the page' 20 || return
	evil_is_away || because "it was offered all the same" || return
	guest_run evil "echo none >/sys/module/hostile/parameters/play"
	expect 40 "evil is live" is_live evil && unload_in_evil
}

test_everything_is_given_back() {
	endured honest 2 || return
	expect 10 "it holds what it held: $held_before" holds_what_it_held ||
		because "it holds $(held), it held $held_before" || return
	local resident
	resident=$(resident_kib)
	phase "  resident: $resident_before KiB before, $resident KiB after"
	((resident <= resident_before + 256)) ||
		because "$resident KiB resident, $resident_before before"
}

test_L7_page_is_left_without_a_word() {
	local old
	endured honest 1 || return
	old=$(offer evil)
	guest_run evil "echo abandon >/sys/module/hostile/parameters/play"
	expect 10 "evil has another page" offer_differs evil "$old" || return
	expect 30 "the old one is let go" refused_again silent 0 &&
		expect 30 "evil is live" is_live evil && others_are_served
}

test_L4_destroyed_in_the_middle_of_an_emergency() {
	local domid
	domid=$(guest_domid evil)
	endured distress 1 || return
	note_answers
	xl destroy "$domid"
	expect 10 "cagmad lets go" is_gone evil &&
		expect 20 "Xen frees domain $domid" domain_is_gone "$domid" &&
		others_are_served
}

# A domain that is gone keeps its number until its page is unmapped: no other one can
# come under that number while the daemon may still take it for the old one.
test_L8_domid_is_taken_while_the_page_is_mapped() {
	local domid
	domid=$(guest_domid two)
	is_live two || because "two is not live" || return
	kill -STOP "$daemon"
	guest_destroy two
	sleep 3
	xl list | grep -q "(null) *$domid " || because "it is free: $(xl list)"
	kill -CONT "$daemon"
	expect 20 "Xen frees domain $domid" domain_is_gone "$domid" || return
	guest_start two && (guest_ready two) || because "it did not boot" || return
	expect 20 "two is live again" is_live two
}

test_L3_guest_comes_back_under_another_domid() {
	local old uuid
	old=$(guest_domid two)
	uuid=$(xenstore-read "/local/domain/$old/vm")
	guest_destroy two
	expect 10 "cagmad lets go" is_gone two || return
	guest_start two "uuid = \"${uuid#/vm/}\"" && (guest_ready two) ||
		because "it did not boot" || return
	(($(guest_domid two) != old)) || because "the domid is the same" || return
	expect 20 "two is live again" is_live two
}

test_invariants_held() {
	local broken
	broken=$(total invariant_violations)
	((broken == 0)) || because "$broken violations"
	traces_have_no_violation
}

# ---- a hostile dom0, against guest two ----

# attack CASE SECONDS: in the background, from when it has begun.
attack() {
	local gref port epoch
	poll 20 offer two >/dev/null || because "no offer" || return
	read -r _ gref port epoch < <(offer two)
	: >/tmp/attack.log
	/cagma/in/attack "$1" "$(guest_domid two)" "$gref" "$port" "$epoch" "$2" \
		>/tmp/attack.log 2>&1 &
	attacker=$!
	expect 10 "the attack begins: $(</tmp/attack.log)" grep -q begun /tmp/attack.log
}

attack_is_over() {
	wait "$attacker" || because "the attacker failed: $(</tmp/attack.log)"
}

# cagmad ends, and the guest has made the offer that is for who comes next: what it
# offered before is void as soon as it has noticed.
leave_two() {
	local before
	before=$(offer two)
	stop_daemon || because "cagmad ended with $?" || return
	expect 20 "two makes another offer" offer_differs two "$before"
}

# The guest is none the worse for it: a daemon that comes now is served.
two_is_well() {
	start_daemon --config $CONF
	expect 20 "two is live" is_live two || return
	guest_run two "echo 1 >/sys/module/cagma/parameters/raise"
	expect 10 "two is answered" at_least two answered 1 || return
	leave_two
}

interrupts() {
	guest_says two "awk '/cagma/ { print \$2 }' /proc/interrupts"
}

# Linux's back-off lets through two events a tick, and has 250 ticks a second.
# Each sample is detailed: 0x4.
readonly ORDERS='32768 flags 0: 32768 flags 0x4
18446744073709551615 flags 0: 49152 flags 0x5
28672 flags 0x80000000: 49152 flags 0x7
0 flags 0: 8192 flags 0x5
32768 flags 0: 32768 flags 0x4
32768 flags 0: 32768 flags 0x4'

# Clamped; the last one wins; refused whole, and said so. cagmad is not needed from here.
test_D1_D2_D10_orders_of_a_mad_dom0() {
	leave_two && attack orders 0 && attack_is_over || return
	[[ $(grep flags /tmp/attack.log) == "$ORDERS" ]] ||
		because "$(</tmp/attack.log)" || return
	two_is_well
}

test_D4_event_storm_at_the_guest() {
	local before after sent from=$SECONDS most
	attack storm 10 || return
	before=$(interrupts)
	attack_is_over || return
	after=$(interrupts) sent=$(sed -n 's/ events//p' /tmp/attack.log)
	most=$((2 * 250 * (SECONDS - from + 1)))
	phase "  $sent events, $((after - before)) interrupts"
	((sent > 2 * most)) || because "only $sent events" || return
	((after - before <= most)) || because "$((after - before)) interrupts" || return
	two_is_well
}

test_D5_garbage_in_the_guests_fields() {
	attack garbage 5 && attack_is_over && two_is_well
}

test_D6_dom0_never_reads() {
	attack deaf 20 || return
	guest_mark two
	guest_run two "mount -o remount,size=100m /tmp; dd if=/dev/zero of=/tmp/hog bs=1M count=40 2>/dev/null; echo HOG-\$?; rm /tmp/hog"
	says two '^HOG-0' 60 || return
	attack_is_over && two_is_well
}

test_D7_page_stays_mapped_over_an_unload() {
	attack hold 20 || return
	guest_mark two
	guest_run two "rmmod cagma; echo RMMOD-\$?; insmod /run/cagma.ko; echo INSMOD-\$?"
	says two '^RMMOD-0' 30 && says two '^INSMOD-0' 30 && two_is_well &&
		attack_is_over && two_is_well
}

test_D8_page_is_mapped_by_others_as_well() {
	attack hold 15 && two_is_well && attack_is_over && two_is_well
}

test_D9_garbage_in_the_nodes_that_the_guest_reads() {
	local node value good
	node=/local/domain/$(guest_domid two)/memory/static-max
	good=$(xenstore-read "$node")
	for value in '' abc -5 99999999999999999999 0; do
		guest_mark two
		guest_run two "rmmod cagma; echo RMMOD-\$?"
		says two '^RMMOD-0' 30 || return
		xenstore-write "$node" "$value"
		guest_mark two
		guest_run two "insmod /run/cagma.ko; sleep 1; echo LOADED"
		says two '^LOADED' 30 || return
		xenstore-write "$node" "$good"
	done
	two_is_well
}

phase "booting the guests"
guest_create_all
run_all_tests
