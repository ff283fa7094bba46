#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest's half of cycles-test.sh:
#   cycles COUNT       unload, load, wait until dom0 is attached; ends loaded
#   fail-insmod COUNT  load while the N-th allocation fails, N up to COUNT
#   fail-offers        load while a fifth of all allocations fail
#   leaks              what kmemleak has to say of the module
# Each ends by printing one line, its name and numbers.

parameters=/sys/module/cagma/parameters
debug=/sys/kernel/debug
module=/lib/cagma/$(uname -r)/cagma.ko
[ -e "$module" ] || module=/lib/cagma/cagma.ko

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
	while :; do echo 1 >$parameters/raise; done 2>/dev/null &
	raiser=$!
	count=0
	while [ $count -lt "$1" ] && rmmod cagma && insmod "$module" &&
		wait_until_attached; do
		count=$((count + 1))
	done
	kill $raiser
	echo "CYCLES-$count"
}

arm_faults() {
	[ -e $debug/failslab ] || mount -t debugfs debug $debug
	for kind in failslab fail_page_alloc; do
		echo N >$debug/$kind/ignore-gfp-wait
		echo 0 >$debug/$kind/verbose
	done
	echo 0 >$debug/fail_page_alloc/min-order
}

fail_insmod() {
	failed=0 loaded=0 n=0
	arm_faults
	rmmod cagma
	while [ $n -lt "$1" ]; do
		n=$((n + 1))
		if sh -c "echo $n >/proc/self/fail-nth; exec insmod $module" 2>/dev/null; then
			loaded=$((loaded + 1))
			rmmod cagma || break
		else
			failed=$((failed + 1))
			[ ! -e /sys/module/cagma ] || break
		fi
	done
	insmod "$module"
	echo "FAILED-$failed-$loaded"
}

fail_offers() {
	arm_faults
	rmmod cagma
	echo 200 >$debug/failslab/times
	echo 20 >$debug/failslab/probability
	insmod "$module"
	sleep 2
	echo 0 >$debug/failslab/probability
	[ -e /sys/module/cagma ] || insmod "$module"
	echo "SURVIVED-$(cat $debug/failslab/times)"
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
fail-insmod) fail_insmod "$2" ;;
fail-offers) fail_offers ;;
leaks) leaks ;;
esac
