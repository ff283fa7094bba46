#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest's half of cycles-test.sh:
#   cycles COUNT       unload, load, wait until dom0 is attached; ends loaded
#   fail-insmod        load while the first allocation fails, then the second, ...
#   fail-offers        load while a fifth of its workers' allocations fail
#   leaks              what kmemleak has to say of the module
# Each ends by printing one line, its name and numbers.

parameters=/sys/module/cagma/parameters
debug=/sys/kernel/debug
module=/run/cagma.ko

is_attached() {
	[ "$(cat $parameters/attachments)" -ge 1 ]
}

wait_until_attached() {
	tries=0
	until is_attached; do
		tries=$((tries + 1))
		[ $tries -lt 1200 ] || return
		usleep 50000
	done
}

# Kicks are under way at any moment, at that of the unloading too.
cycles() {
	raise 1000 &
	raiser=$!
	count=0
	while [ $count -lt "$1" ] && rmmod cagma && insmod "$module" &&
		wait_until_attached; do
		count=$((count + 1))
	done
	kill $raiser
	echo "CYCLES-$count"
}

# What the kernel complains of in between is looked at less closely.
arm_faults() {
	echo FAULTS-BEGIN
	[ -e $debug/failslab ] || mount -t debugfs debug $debug
	for kind in failslab fail_page_alloc; do
		echo N >$debug/$kind/ignore-gfp-wait
		echo 0 >$debug/$kind/verbose
	done
	echo 0 >$debug/fail_page_alloc/min-order
}

disarm_faults() {
	sleep 2	# what was freed is gone for good
	echo FAULTS-END
}

fail_insmod() {
	arm_faults
	rmmod cagma
	said=$(failload "$module" cagma)
	disarm_faults
	insmod "$module"
	echo "${said:-FAILED-0-0}"
}

# Only the kernel's workers are hit; the module's sampler runs in one of them.
fail_offers() {
	arm_faults
	rmmod cagma
	for process in /proc/[0-9]*; do
		case $(cat "$process/comm") in
		kworker/*) echo 1 >"$process/make-it-fail" ;;
		esac
	done
	echo Y >$debug/failslab/task-filter
	echo 1000 >$debug/failslab/times
	echo 20 >$debug/failslab/probability
	insmod "$module"
	sleep 3
	echo 0 >$debug/failslab/probability
	disarm_faults
	echo "MISSED-$((1000 - $(cat $debug/failslab/times)))"
}

leaks() {
	[ -e $debug/kmemleak ] || mount -t debugfs debug $debug
	echo scan >$debug/kmemleak
	sleep 6
	echo scan >$debug/kmemleak
	grep -A 12 cagma $debug/kmemleak
	echo "LEAKS-$(grep -c cagma $debug/kmemleak)"
}

case $1 in
cycles) cycles "$2" ;;
fail-insmod) fail_insmod ;;
fail-offers) fail_offers ;;
leaks) leaks ;;
esac
