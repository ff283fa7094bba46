#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The allocator on real Xen: what happens to dom0 and between guests. "pv" runs short
# when it is told to, "donor" has what others need, "evil" is a guest of
# tests/hostile/hostile.c, "new" is created when a test wants it.

# shellcheck source=test-lib.sh
. /cagma/in/test-lib.sh

readonly HARD_KIB=$((64 * 1024)) GRACE_S=10 EVIL_MIN_MIB=128

# ---- guests and the host ----

spare_kib() {
	total spare_kib
}

# alloc_and_limit GUEST: both in KiB, of one moment.
alloc_and_limit() {
	[[ $(cagmactl --json status) =~ \"name\":\"$1\"[^{]*\"alloc_kib\":([0-9]+),[^{]*\"limit_kib\":([0-9]+) ]] &&
		echo "${BASH_REMATCH[@]:1}"
}

# create_paused MIB: a domain without a page, that never runs.
create_paused() {
	xl create -q -p "$CAGMA_IN/guests/new.cfg" "memory=$1" "maxmem=$1" ||
		because "xl create failed"
}

destroy_new() {
	xl destroy new || because "xl destroy failed" || return
	expect 20 "new is gone" domain_is_gone new
}

play() {
	guest_run evil "echo '$1' >/sys/module/hostile/parameters/play"
}

# ---- tests, in the order in which they are run ----

# configure IDLE: where memory stays that nobody needs.
configure() {
	echo "retry_max_ms = 5000; idle = \"$1\"; guests = ( { name = \"evil\"; min_mib = $EVIL_MIN_MIB; } );" >"$config"
}

test_guests_are_live() {
	configure guests
	guest_run evil "insmod /lib/cagma/hostile.ko"
	start_daemon --policy cagma
	expect 20 "pv is live" is_live pv && expect 20 "donor is live" is_live donor || return
	sleep $((GRACE_S + 1))
}

test_M8_autoballoon_is_found() {
	local said status=0
	echo 'autoballoon="off"' >/tmp/xl.conf
	mount --bind /tmp/xl.conf /etc/xen/xl.conf
	said=$(cagmactl doctor) || :
	[[ $said == *"ok: xl takes no memory from dom0"* ]] || because "off: $said" || status=1
	echo 'autoballoon="on"' >/tmp/xl.conf
	said=$(cagmactl --json doctor) || :
	umount /etc/xen/xl.conf
	[[ $said =~ \"complaints\":[1-9].*autoballoon\ is\ .*on ]] || because "on: $said" || status=1
	return $status
}

# As Debian builds and starts it.
test_kernel_that_is_not_preemptible_is_found() {
	local said
	mount -t debugfs debug /sys/kernel/debug
	said=$(cagmactl doctor) || :
	umount /sys/kernel/debug
	[[ $said == *"warning: dom0's kernel is not preemptible"* ]] || because "doctor said: $said"
}

test_S4_limits_are_the_toolstacks() {
	[[ $(cagmactl doctor) != *writable-limits* ]] || because "libxl's guests may write them?" || return
	xenstore-chmod "/local/domain/$(guest_domid evil)/memory/static-max" n0 "b$(guest_domid evil)" ||
		because "xenstore-chmod failed" || return
	play honest
	expect 20 "evil is refused" ask '"name":"(evil)","reason":"writable-limits"' || return
	xenstore-chmod "/local/domain/$(guest_domid evil)/memory/static-max" n0 "r$(guest_domid evil)"
	expect 60 "evil is live" is_live evil || return
	play none
}

test_M6_what_cannot_be_had_is_explained() {
	local said from=$SECONDS
	! said=$(cagma-create "$CAGMA_IN/guests/new.cfg" memory=4000 maxmem=4000 2>&1) ||
		because "4000 MiB are there?" || return
	[[ $said == *" beyond what they need"*"Nothing is reserved."* ]] || because "it said: $said" || return
	((SECONDS - from <= 40)) || because "it took $((SECONDS - from)) s to say so" || return
	domain_is_gone new || because "it was created"
}

# More than is spare: the rest is what donor has just stopped using.
test_M6_domain_is_created_from_donors() {
	local spare mib said broken
	fill donor 200 && expect 30 "donor has arrived" arrived donor || return
	broken=$(total invariant_violations) spare=$(spare_kib)
	mib=$(((spare - HARD_KIB) / 1024 + 40))
	empty donor || return
	said=$(cagma-create "$CAGMA_IN/guests/new.cfg" -q "memory=$mib" "maxmem=$mib" 2>&1) ||
		because "$mib MiB, $((spare / 1024)) spare: $said" || return
	echo 0 >"$state_dir/new.mark"
	guest_find new
	(guest_ready new) || because "it did not boot" || return
	phase "  $mib MiB for it; $((spare / 1024)) were spare, $HARD_KIB KiB are never given"
	[[ $(cagmactl status) != *"lease "* ]] || because "a lease is left" || return
	is_answered pv || return
	guest_destroy new
	expect 20 "new is gone" domain_is_gone new || return
	(($(total invariant_violations) == broken)) || because "an invariant was broken"
}

# L12: and what is created is left as it is until it has a page.
# What came back may go to guests that are made ready for their next burst.
is_spare_steady() {
	local before
	before=$(spare_kib)
	sleep 2.5
	(($(spare_kib) == before))
}

test_M2_L12_xl_creates_into_the_reserve() {
	local before target spare last broken i
	expect 30 "pv has arrived" arrived pv && expect 30 "spare memory stays the same" is_spare_steady || return
	before=$(xenstore_target pv) broken=$(total invariant_violations)
	create_paused $((($(spare_kib) - HARD_KIB / 2) / 1024)) || return
	guest_run pv "dd if=/dev/zero of=/tmp/fill bs=1M count=90 2>/dev/null"
	last=$before
	for ((i = 0; i < 20; i++)); do
		[[ $(cagmactl --json status) =~ ^[^[]*\"spare_kib\":(-?[0-9]+).*\"name\":\"pv\"[^{]*\"target_kib\":([0-9]+) ]] ||
			because "no status" || return
		spare=${BASH_REMATCH[1]} target=${BASH_REMATCH[2]}
		((spare >= HARD_KIB || target <= last)) ||
			because "pv was given $((target - last)) KiB with $spare spare" || return
		last=$target
		sleep 0.2
	done
	xl list new >/dev/null || because "new is gone" || return
	[[ $(xenstore-read "/local/domain/$(xl domid new)/memory/target") == "$(xenstore-read "/local/domain/$(xl domid new)/memory/static-max")" ]] ||
		because "new was touched" || return
	destroy_new || return
	expect 30 "pv is given what it needs" at_least pv target_kib $((before + 60 * 1024)) || return
	(($(total invariant_violations) == broken)) || because "an invariant was broken" || return
	empty pv
}

test_M11_donor_gets_its_memory_back() {
	configure host
	cagmactl reload >/dev/null || because "reload failed" || return
	expect 60 "donor is shrunk" at_most donor target_kib $((200 * 1024)) || return
	fill pv 150 || return
	empty pv || return
	fill donor 180 || return
	expect 30 "donor has its memory back" at_least donor target_kib $((250 * 1024)) &&
		expect 30 "donor has arrived" arrived donor || return
	empty donor
	configure guests
	cagmactl reload >/dev/null || because "reload failed"
}

# A guest is free to aim higher, and gets no further than its limit.
test_M5_guest_takes_all_its_limit() {
	local has spare
	expect 60 "pv has arrived" arrived pv || return
	guest_run pv "echo $((440 * 1024)) >/sys/devices/system/xen_memory/xen_memory0/target_kb"
	sleep 5
	# Both of one answer: what it uses meanwhile may earn it a higher limit.
	has=$(alloc_and_limit pv) spare=$(spare_kib)
	((${has% *} <= ${has#* })) || because "it has ${has% *} KiB of ${has#* }" || return
	((spare >= HARD_KIB)) || because "$spare KiB are spare" || return
	is_answered donor || return
	guest_run pv "echo $(field pv target_kib) >/sys/devices/system/xen_memory/xen_memory0/target_kb"
	is_answered pv
}

is_stuck() {
	ask "\"name\":\"evil\"[^{]*\"stuck\":($1)" >/dev/null
}

# Times of evil's reminders, in ms.
reminders() {
	sed -n 's/^{"t_ms":\([0-9]*\),.*"name":"evil","why":"remind".*/\1/p' "$CAGMA_OUT"/trace-*.jsonl
}

reminded() {
	local times
	mapfile -t times < <(reminders)
	((${#times[@]} >= $1))
}

# By one answer: the two follow each other.
limit_is_what_it_has() {
	[[ $(cagmactl --json status) =~ \"name\":\"evil\"[^{]*\"alloc_kib\":([0-9]+)[^{]*\"limit_kib\":([0-9]+) ]] &&
		((BASH_REMATCH[2] <= BASH_REMATCH[1]))
}

# It says that it uses nothing, and aims at more than it has. Each time that it is
# reminded its balloon has moved a little before it aims higher again.
test_M3_guest_that_never_reaches_its_target() {
	local times limit said
	configure host
	cagmactl reload >/dev/null || because "reload failed" || return
	play stubborn
	expect 20 "evil is live" is_live evil && expect 60 "evil is stuck" is_stuck true || return
	limit=$(field evil limit_kib)
	[[ $(cagmactl status) == *" evil "*" stuck "* ]] || because "it isn't shown" || return
	said=$(cagmactl doctor) || :
	[[ $said == *"evil doesn't give back memory"* ]] || because "doctor said: $said" || return
	expect 60 "it is asked three times" reminded 3 || return
	mapfile -t times < <(reminders)
	phase "  asked at ${times[*]} ms; $(field evil alloc_kib) KiB, target $(field evil target_kib), limit $(field evil limit_kib)"
	((2 * (times[2] - times[1]) >= 3 * (times[1] - times[0]))) ||
		because "it is asked at ${times[*]} ms" || return
	[[ $(cagmactl --json history evil) == *'"why":"remind"'* ]] || because "it isn't explained" || return
	expect 10 "its limit is what it has" limit_is_what_it_has || return
	at_most evil alloc_kib "$limit" || because "it has more than its limit was" || return
	is_answered donor || return
	play idle
	expect 60 "it gives back what it owes" at_most evil alloc_kib $(((EVIL_MIN_MIB + 8) * 1024)) || return
	play none
	configure guests
	cagmactl reload >/dev/null || because "reload failed"
}

test_invariants_held() {
	traces_have_no_violation
}

phase "booting the guests"
for guest in pv donor evil; do
	guest_start $guest
done
for guest in pv donor evil; do
	guest_ready $guest
done
run_all_tests
