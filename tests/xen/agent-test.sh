#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Guests with an agent, on real Xen. Guest "talk" has no module, "one" has both and
# asks for memory all the time, "plain" has neither and only says what it uses, and
# "evil" plays the cases of tests/hostile/server.c. Whatever evil does, cagmad goes
# on, names what is wrong with evil, and answers the others.

# shellcheck source=test-lib.sh
. /cagma/in/test-lib.sh

readonly CONF=/tmp/agent.conf

transport_is() {
	[[ $(ask "\"name\":\"$1\"[^{]*\"transport\":\"([a-z]+)\"") == "$2" ]]
}

beside_is() {
	[[ $(ask "\"name\":\"$1\"[^{]*\"beside\":\\[ *\"?([a-z]*)\"? *\\]") == "$2" ]]
}

# Takes memory in a file of a tmpfs that may be larger than the guest.
take_memory() {
	guest_run "$1" "mkdir -p /tmp/big; mount -t tmpfs -o size=1g big /tmp/big; dd if=/dev/zero of=/tmp/big/taken bs=1M count=$2 2>/dev/null; echo TAKEN-\$?"
}

give_memory_back() {
	guest_run "$1" "umount /tmp/big"
}

# emergency_is_answered GUEST MIB: memory came at once, and the guest says how soon.
emergency_is_answered() {
	local answered reactions alloc
	answered=$(field "$1" answered) reactions=$(reactions "$1")
	alloc=$(field "$1" alloc_kib)
	guest_mark "$1"
	take_memory "$1" "$2"
	says "$1" 'TAKEN-0' 120 || return
	expect 20 "an emergency of $1 is answered" at_least "$1" answered $((answered + 1)) &&
		expect 20 "$1 has more memory" at_least "$1" alloc_kib $((alloc + 16384)) &&
		expect 20 "the reaction is counted" has_reactions "$1" $((reactions + 1))
}

has_reactions() {
	local n
	n=$(reactions "$1") && ((n >= $2))
}

# start_agent_of GUEST [OPTION...]: its end will be told on the console.
start_agent_of() {
	guest_run "$1" "(cagma-agent ${*:2}; echo AGENT-\$?) </dev/null 2>&1 &"
}

# status_of_agent GUEST KEY: of /proc/PID/status; a hexadecimal or decimal number.
status_of_agent() {
	guest_says "$1" "sed -n 's/^$2:[[:space:]]*\([0-9a-f]*\).*/\1/p' /proc/\$(cat /run/lock/cagma-agent.lock)/status"
}

detached_because() {
	tail -n 200 "$CAGMA_OUT/trace-$daemons.jsonl" | grep '"detach"' | grep "\"$1\"" |
		tail -n 1 | grep -q "\"$2\""
}

# ---- evil, and what becomes of it ----

# The case before ends first, so that nothing that is seen is its doing.
play() {
	guest_run evil "rm -f /tmp/again; killall -9 server 2>/dev/null; true"
	poll 20 evil_is_away || because "evil does not go away" || return
	if [[ $1 == dies ]]; then
		guest_run evil "touch /tmp/again; while [ -e /tmp/again ]; do server dies; done >/dev/null 2>&1 &"
	else
		guest_run evil "server $1 </dev/null >/dev/null 2>&1 &"
	fi
}

evil_is_away() {
	! ask '"name":"(evil)"[^{]*"state"' >/dev/null
}

# refusals REASON: how often evil was refused, if it is for that reason now.
refusals() {
	ask "\"quarantined\":\[[^]]*\"name\":\"evil\",\"reason\":\"$1\",\"refusals\":([0-9]+),\"transport\":\"vchan\""
}

note_answers() {
	answered_one=$(field one answered)
}

others_are_served() {
	kill -0 "$daemon" 2>/dev/null || because "cagmad is gone" || return
	expect 30 "one is answered" at_least one answered $((answered_one + 3))
}

# ---- tests, in the order in which they are run ----

test_guest_without_module_is_served_by_its_agent() {
	cat >$CONF <<-END
		idle = "host";
		stale_ms = 2000; retry_max_ms = 1000;
	END
	start_daemon --config $CONF
	expect 40 "talk is live" is_live talk &&
		expect 10 "it is by vchan" transport_is talk vchan &&
		expect 40 "one is live" is_live one &&
		expect 40 "one has an agent beside its page" beside_is one vchan &&
		expect 10 "its page is the source" transport_is one page || return
	[[ -n $(field talk swap_total_kib) && -n $(field one pressure_some_us) ]] ||
		because "no pressure: $(cagmactl --json status)"
}

test_emergency_of_an_agent_is_answered() {
	emergency_is_answered talk 100
}

test_C1_killed_daemon_is_replaced_and_adopts_the_agent() {
	kill -9 "$daemon"
	wait "$daemon"
	start_daemon --config $CONF
	expect 40 "talk is live again" is_live talk &&
		expect 10 "it is by vchan" transport_is talk vchan || return
	give_memory_back talk
}

test_agent_that_is_killed_is_let_go_and_found_again() {
	guest_run talk "killall -9 cagma-agent"
	expect 20 "talk is let go" is_gone talk || return
	start_agent_of talk
	expect 30 "talk is live again" is_live talk && transport_is talk vchan
}

test_second_agent_is_refused() {
	local answered pid
	pid=$(guest_says talk "cat /run/lock/cagma-agent.lock") || return
	answered=$(field talk answered)
	guest_mark talk
	guest_run talk "cagma-agent; echo SECOND-\$?"
	says talk "another one is running \\(pid $pid\\)" 20 && says talk '^SECOND-1' 20 || return
	guest_run talk "kill -USR1 $pid"
	expect 20 "the first one is answered" at_least talk answered $((answered + 1))
}

# All but CAP_SYS_ADMIN, which is number 21.
test_agent_has_given_up_its_capabilities() {
	local kind value
	for kind in Eff Prm; do
		value=$(status_of_agent talk "Cap$kind") || return
		((0x$value == 1 << 21)) || because "Cap$kind is $value" || return
	done
	for kind in Inh Amb; do
		value=$(status_of_agent talk "Cap$kind") || return
		((0x$value == 0)) || because "Cap$kind is $value" || return
	done
	(($(status_of_agent talk NoNewPrivs) == 1)) || because "it may get new privileges"
}

test_agent_that_is_ended_says_so() {
	guest_mark talk
	guest_run talk "kill -TERM \$(cat /run/lock/cagma-agent.lock)"
	says talk '^AGENT-0' 20 && expect 10 "talk is let go" is_gone talk || return
	detached_because talk closed-by-guest || because "another reason is given" || return
	! xenstore-exists "/local/domain/$(guest_domid talk)/data/cagma/vchan" ||
		because "its nodes are still there"
}

test_agent_goes_on_as_another_user() {
	local uid
	start_agent_of talk --user cagma-agent
	expect 30 "talk is live again" is_live talk || return
	uid=$(status_of_agent talk Uid) && ((uid == 998)) || because "its user is $uid" || return
	test_agent_has_given_up_its_capabilities
}

test_G30_agent_takes_over_when_the_module_goes() {
	local answered
	guest_run one "rmmod cagma; echo RMMOD-\$?"
	says one '^RMMOD-0' 30 &&
		expect 20 "one is served by its agent" transport_is one vchan || return
	answered=$(field one answered)
	guest_mark one
	take_memory one 90
	says one 'TAKEN-0' 120 &&
		expect 20 "one is answered" at_least one answered $((answered + 1)) || return
	give_memory_back one
	guest_run one "insmod /run/cagma.ko"
	expect 30 "one is served by its page" transport_is one page &&
		expect 30 "its agent is beside it" beside_is one vchan
}

test_others_ask_all_the_time() {
	guest_run one "while :; do echo 1 >/sys/module/cagma/parameters/raise; usleep 100000; done 2>/dev/null &"
	guest_run evil "for m in xen-evtchn xen-gntdev xen-gntalloc; do insmod /lib/modules/\$m.ko; done; mkdir -p /proc/xen"
	note_answers
	others_are_served || return
	held_before=$(held)
}

test_G25_rings_of_order_20() {
	refused rings-too-large large &&
		expect 10 "nothing stays mapped: $held_before" holds_what_it_held
}

test_G26_corrupt_indices() {
	refused corrupt-ring prod cons orders
}

test_G27_one_byte_and_no_more() {
	refused message-too-slow slow
}

test_G28_lengths_and_types_of_nothing() {
	refused wrong-message-size no-length large-length negative-length &&
		refused unknown-message type && refused message-out-of-turn early
}

test_G29_server_that_dies_or_is_silent() {
	refused no-hello dies silent
}

test_I7_flood_of_samples_starves_nobody() {
	note_answers
	play flood && expect 20 "evil is live" is_live evil && sleep 3 && others_are_served
}

test_what_evil_took_is_given_back() {
	guest_run evil "rm -f /tmp/again; killall -9 server; true"
	expect 20 "evil is away" evil_is_away || return
	poll 20 holds_what_it_held || because "it holds $(held), it held $held_before"
}

# Its number is written by us: how a guest gets the right to is its toolstack's affair.
says_it_uses() {
	xenstore-write "/local/domain/$(guest_domid "$1")/memory/meminfo" "$2"
}

test_guest_that_only_says_what_it_uses() {
	says_it_uses plain 60000
	sleep 6
	is_gone plain || because "it is served although nobody said so" || return
	echo "meminfo_guests = true;" >>$CONF
	cagmactl reload
	expect 20 "plain is live" is_live plain &&
		expect 10 "it is by xenstore" transport_is plain xenstore || return
	says_it_uses plain 120000
	expect 60 "it has more" at_least plain alloc_kib 190000 || return
	says_it_uses plain 30000
	expect 60 "it has less" at_most plain alloc_kib 140000
}

# Before the agent notices, the vchan of the life before looks like one that works.
test_L6_agent_of_a_restored_guest_offers_another_vchan() {
	xl save talk /tmp/talk.save >/dev/null || because "xl save failed" || return
	expect 10 "cagmad lets go" is_gone talk &&
		detached_because talk domain-gone || because "another reason is given" || return
	xl restore /tmp/talk.save >/dev/null || because "xl restore failed" || return
	rm /tmp/talk.save
	guest_find talk
	expect 60 "talk is live again" is_live talk && expect 10 "it is by vchan" transport_is talk vchan
}

# What cagma-agent(8) says of Linux: a kernel that does better makes the test fail.
test_L6_end_of_a_restored_agent_is_a_bug_of_linux() {
	guest_mark talk
	guest_run talk "echo FAULTS-BEGIN; killall cagma-agent; sleep 2; echo FAULTS-END"
	says talk '^FAULTS-END' 30 || return
	grep -aq 'kernel BUG at drivers/xen/evtchn.c' "$(guest_log talk)" ||
		because "this Linux remembers the ports of a restored guest" || return
	expect 20 "cagmad lets go" is_gone talk && others_are_served
}

phase "booting the guests"
guest_create_all
run_all_tests
