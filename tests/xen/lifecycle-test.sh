#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What happens to domains, on real Xen: after each event the guest has the memory it
# should have, to the page, an emergency of its own is answered, and cagmad holds what
# it held. Guest "pv" has two processors, guest "pvh" is a PVH guest, "a" to "d" are
# small and start all at once.

# shellcheck disable=SC2119	# no test here gives cagmad options
# shellcheck source=test-lib.sh
. /cagma/in/test-lib.sh

readonly ADOPT_S=30

cat >"$config" <<-END
	idle = "host";
	grace_ms = 1000;
	release_ms = 2000;
	retry_max_ms = 1000;
END

# is_well GUEST: memory is correct and the reaction works.
is_well() {
	expect 30 "$1 is live" is_live "$1" && is_answered "$1" &&
		expect 60 "$1 is where it was told to be" is_exact "$1" || return
	(($(field "$1" target_kib) >= $(field "$1" min_kib))) || because "$1 is below its minimum"
}

nothing_is_leaked() {
	expect 10 "cagmad holds what it held, $held_before" holds_what_it_held ||
		because "it holds $(held), it held $held_before" || return
	(($(total invariant_violations) == 0)) || because "an invariant was broken"
}

is_well_and_nothing_is_leaked() {
	is_well "$1" && nothing_is_leaked
}

# Memory runs short again and again, from now until calm, or for a minute.
busy() {
	guest_run "$1" "mount -o remount,size=300m /tmp; for i in \$(seq 60); do dd if=/dev/zero of=/tmp/busy bs=1M count=100 2>/dev/null; sleep 0.5; rm -f /tmp/busy; sleep 0.5; done & echo \$! >/run/busy"
}

calm() {
	guest_run "$1" "kill \$(cat /run/busy); sleep 1; rm -f /tmp/busy"
}

small_is() {
	expect 60 "$1 is small" at_most "$1" alloc_kib $((220 * 1024))
}

# ---- tests, in the order in which they are run ----

test_guests_are_well() {
	start_daemon
	is_well pv && with_pvh pvh is_well pvh || return
	held_before=$(held)
}

test_L1_module_is_loaded_and_unloaded_under_load() {
	busy pv
	guest_mark pv
	guest_run pv "for i in 1 2 3 4 5; do rmmod cagma && sleep 0.3 && insmod /run/cagma.ko && sleep 0.7 || echo FAILED; done; echo FIVE"
	says pv '^FIVE' 120 || return
	calm pv
	! grep -q '^FAILED' "$(guest_log pv)" || because "rmmod or insmod failed" || return
	is_well_and_nothing_is_leaked pv
}

test_C13_daemon_goes_under_load_and_comes_late() {
	busy pv
	kill_the_daemon
	sleep 3
	start_daemon
	expect 10 "pv is live" is_live pv || return
	calm pv
	is_well_and_nothing_is_leaked pv
}

target_stays() {
	(($(xenstore_target "$1") == $2))
}

test_L5_paused_guest_is_held_and_resumed() {
	local target
	small_is pv && expect 30 "pv is at rest" is_exact pv || return
	target=$(xenstore_target pv)
	xl pause pv
	sleep 4	# its page is older than stale_ms
	target_stays pv "$target" || because "its target was changed" || return
	with_pvh pvh is_answered pvh || return
	xl unpause pv
	is_well_and_nothing_is_leaked pv
}

test_L9_processor_is_unplugged_and_plugged() {
	busy pv
	xl vcpu-set pv 1
	expect 30 "one processor is left" has_processors pv 1 || return
	is_answered pv || return
	xl vcpu-set pv 2
	expect 30 "both are back" gets_processor pv || return
	calm pv
	is_well_and_nothing_is_leaked pv
}

# What udev does elsewhere: the kernel has it, and leaves it offline.
gets_processor() {
	guest_run "$1" "echo 1 2>/dev/null >/sys/devices/system/cpu/cpu1/online"
	has_processors "$1" 2
}

has_processors() {
	(($(guest_says "$1" "grep -c ^processor /proc/cpuinfo") == $2))
}

test_D13_mem_set_by_hand_while_managed() {
	xl mem-set pv 280 || because "xl mem-set failed" || return
	expect 10 "it is taken over" at_least pv target_kib $((280 * 1024 - 8)) &&
		expect 30 "pv arrives" is_exact pv || return
	with_pvh pvh set_by_hand pvh && is_well_and_nothing_is_leaked pv
}

set_by_hand() {
	xl mem-set "$1" 300 || because "xl mem-set failed" || return
	expect 10 "it is taken over" at_least "$1" target_kib $((300 * 1024 - 8)) &&
		expect 30 "$1 arrives" is_exact "$1" && is_answered "$1"
}

# The guest sleeps, and wakes up in the same domain.
test_L6_suspend_is_cancelled() {
	local old
	small_is pv || return
	old=$(offer pv)
	xl save -c pv /tmp/pv.save >/dev/null || because "xl save failed" || return
	rm /tmp/pv.save
	expect 10 "pv offers another page" offer_differs pv "$old" || return
	is_well_and_nothing_is_leaked pv
}

# save_and_restore GUEST [COMMAND...]: COMMAND is run while the guest is a file.
save_and_restore() {
	local old
	old=$(offer "$1")
	xl save "$1" /tmp/save >/dev/null || because "xl save failed" || return
	"${@:2}" || return
	xl restore /tmp/save >/dev/null || because "xl restore failed" || return
	rm /tmp/save
	guest_find "$1"
	expect 20 "$1 offers a page" offer_differs "$1" "$old"
}

test_L6_saved_and_restored() {
	small_is pv && save_and_restore pv expect 10 "cagmad lets go" is_gone pv &&
		is_well_and_nothing_is_leaked pv
}

kill_the_daemon() {
	kill -9 "$daemon"
	wait "$daemon" || true
}

# The page that is restored says that a daemon is there, which isn't.
test_L6_restored_while_no_daemon_is_there() {
	local status
	small_is pv && save_and_restore pv kill_the_daemon || return
	status=$(guest_says pv "echo 1 2>/dev/null >/sys/module/cagma/parameters/raise; echo \$?")
	start_daemon
	[[ $status == 1 ]] || because "the guest believed in a daemon" || return
	is_well_and_nothing_is_leaked pv
}

test_L6_pvh_is_saved_and_restored() {
	with_pvh pvh pvh_is_restored && nothing_is_leaked
}

pvh_is_restored() {
	small_is pvh && save_and_restore pvh && is_well pvh
}

# migrate GUEST: to this host, over a pipe, while it runs. Its balloon must be at rest.
migrate() {
	xl migrate -s '' "$1" 'xl migrate-receive' >/tmp/migrate.log 2>&1 || return
	# xenconsoled goes on under the name that the domain arrived with.
	mv "$(guest_log "$1")" "$CAGMA_OUT/console/guest-$1-before.log"
	ln -s "guest-$1--incoming.log" "$(guest_log "$1")"
	echo 0 >"$state_dir/$1.mark"
	guest_find "$1"
}

test_L6_migrated_to_the_same_host() {
	with_pvh pvh pvh_is_migrated && nothing_is_leaked
}

pvh_is_migrated() {
	local old
	small_is pvh && expect 30 "pvh is at rest" is_exact pvh || return
	old=$(offer pvh)
	cagmactl pause pvh >/dev/null || because "cagmactl pause failed" || return
	if ! migrate pvh; then
		cagmactl resume pvh >/dev/null
		because "xl migrate failed: $(tail -n 3 /tmp/migrate.log)"
		return
	fi
	expect 20 "pvh offers another page" offer_differs pvh "$old" && is_well pvh
}

# Xen notes what a running PV guest writes by shadow page tables only, and Debian's is
# built without them: nothing has been sent when that shows, and the guest goes on.
test_L6_migration_that_fails_changes_nothing() {
	local old
	old=$(offer pv)
	! migrate pv || because "this Xen can migrate PV guests" || return
	grep -q 'Failed to enable logdirty' /tmp/migrate.log ||
		because "it failed for another reason: $(tail -n 3 /tmp/migrate.log)" || return
	[[ $(offer pv) == "$old" ]] || because "pv has another page" || return
	is_well_and_nothing_is_leaked pv
}

test_L3_guest_reboots() {
	local domid
	domid=$(guest_domid pv)
	guest_mark pv
	guest_run pv "reboot -f"
	expect 60 "it has another domid" has_another_domid pv "$domid" || return
	guest_find pv
	(guest_ready pv) || because "it did not boot" || return
	is_well_and_nothing_is_leaked pv
}

has_another_domid() {
	local now
	now=$(xl domid "$1" 2>/dev/null) && ((now != $2))
}

# A domain that is not running yet is left alone: paused from its creation on.
test_L12_domain_under_construction_is_left_alone() {
	local domid before
	xl create -q -p "$CAGMA_IN/guests/a.cfg" || because "xl create failed" || return
	domid=$(xl domid a)
	before=$(memory_facts "$domid")
	is_answered pv && sleep 3 || return
	[[ $(memory_facts "$domid") == "$before" ]] ||
		because "$before is now $(memory_facts "$domid")" || return
	! is_live a || because "it is live" || return
	echo 0 >"$state_dir/a.mark"
	guest_find a
	xl unpause a
	(guest_ready a) || because "it did not boot" || return
	is_well a
}

memory_facts() {
	echo "target $(xenstore-read "/local/domain/$1/memory/target")," \
		"$(guest_mib "$1") MiB," \
		"limit $(xenstore-read "/local/domain/$1/memory/static-max")"
}

test_L11_guests_start_all_at_once() {
	local guest
	guest_destroy a
	for guest in a b c d; do
		guest_start "$guest"
	done
	for guest in a b c d; do
		(guest_ready "$guest") || because "$guest did not boot" || return
	done
	for guest in a b c d; do
		expect $ADOPT_S "$guest is live" is_live "$guest" && is_answered "$guest" || return
	done
	(($(total invariant_violations) == 0)) || because "an invariant was broken" || return
	for guest in a b c d; do
		guest_destroy "$guest"
	done
	expect 10 "they are gone" is_gone d && nothing_is_leaked
}

# What the guest's kernel says it waited, in seconds: from the line before the wait to
# that of the killer.
waited_s() {
	guest_says pv "dmesg | sed -n 's/^.\([ 0-9.]*\)] cagma: no memory is left.*/\1/p; s/^.\([ 0-9.]*\)] .*invoked oom-killer.*/\1/p' | tail -n 2" |
		awk '{ print $2 - $1 }'
}

# The report of a killed task has a call trace in it: that is not printed.
test_M13_wait_for_memory_is_bounded() {
	local waited
	small_is pv || return
	guest_run pv "dmesg -n 4; swapoff /dev/xvdb; echo 1 >/proc/sys/vm/overcommit_memory; echo 1500 >/sys/module/cagma/parameters/oom_wait_ms"
	kill -STOP "$daemon"
	guest_mark pv
	guest_run pv "memtask --procs 1 --mib 330 --round-pages 4096 --rounds 1 --think-ms 0; echo TASK-\$?"
	says pv 'Out of memory: Killed process .*memtask' 120 && says pv '^TASK-1' 60
	local died=$?
	kill -CONT "$daemon"
	((died == 0)) || return
	waited=$(waited_s)
	phase "  it waited $waited s"
	# The wait begins between two ticks of 4 ms.
	awk "BEGIN { exit !($waited >= 1.49 && $waited < 1.75) }" || because "it waited $waited s" || return
	guest_run pv "dmesg -n 5; swapon /dev/xvdb; echo 1000 >/sys/module/cagma/parameters/oom_wait_ms"
	is_well_and_nothing_is_leaked pv
}

# Linux and Xen do their part of it. Then xl has to reset the domain, does that for HVM
# guests alone, and destroys this one: who can't be served again is let go. (In a PV guest
# Linux itself can't: it stops with a page fault in xen_page_pinned().)
test_L7_kexec_ends_a_pvh_guest() {
	with_pvh pvh pvh_executes_a_kernel || return
	mv "$(guest_log pvh)" "$CAGMA_OUT/console/guest-pvh-kexec.log"
	create_pvh pvh
	with_pvh pvh is_well_and_nothing_is_leaked pvh
}

# A kernel needs twice its size of the guest's memory, which is on its way to be taken.
pvh_executes_a_kernel() {
	cagmactl set pvh min=384 >/dev/null || because "cagmactl set failed" || return
	expect 60 "pvh has all its memory" at_least pvh alloc_kib $((384 * 1024)) || return
	guest_mark pvh
	attach_kernel pvh || return
	guest_run pvh "tar -xf /dev/xvdd -C /tmp; echo KERNEL-\$?"
	says pvh '^KERNEL-0' 60 || return
	guest_run pvh "dmesg -n 6; kexec /tmp/vmlinuz /tmp/guest.initramfs \"\$(cat /proc/cmdline)\""
	expect 60 "cagmad lets go" is_gone pvh &&
		expect 20 "xl destroys the guest" domain_is_gone "$(guest_domid pvh)" || return
	grep -q 'Starting new kernel' "$(guest_log pvh)" ||
		because "Linux did not start the kernel" || return
	grep -q 'Action for shutdown reason code 5 is soft-reset' /var/log/xen/xl-pvh*.log ||
		because "this was no soft reset: $(tail -qn 2 /var/log/xen/xl-pvh*.log)"
}

attach_kernel() {
	local loop
	loop=$(losetup --find --show --read-only "$CAGMA_IN/kernel.tar")
	xl block-attach "$1" "format=raw,vdev=xvdd,access=ro,script=block-plain,target=$loop"
	expect 10 "$1 has the disk" has_kernel "$1"
}

has_kernel() {
	(($(guest_says "$1" "grep -c xvdd /proc/partitions") == 1))
}

test_daemon_stops_cleanly() {
	stop_daemon
}

phase "booting the guests"
guest_start pv 'on_reboot="restart"'
guest_ready pv
create_pvh pvh
run_all_tests
