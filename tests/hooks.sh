#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What runs inside the guest's reclaim, publish.c and counters.c, for each kernel that
# the module was built for: it calls nothing that sleeps or allocates. The list is of
# what was read in Linux 5.10, 6.1 and 6.12 and does neither.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$here/../build
# shellcheck source=report.sh
. "$here/report.sh"

readonly HARMLESS='
	ktime_get_mono_fast_ns _raw_spin_lock_irqsave _raw_spin_unlock_irqrestore
	si_mem_available vm_memory_committed notify_remote_via_irq
	_find_next_bit cpumask_next __fentry__ __stack_chk_fail __x86_return_thunk'
readonly DATA='
	__cpu_online_mask __per_cpu_offset _totalram_pages const_pcpu_hot current_task
	jiffies nr_cpu_ids nr_swap_pages vm_event_states vm_node_stat vm_zone_stat'
readonly OURS='
	cagma cagma_stats cagma_counters_read cagma_balloon_pages
	cagma_balloon_target_pages cagma_balloon_incoming_pages'

# unknown OBJECT: what it needs and isn't listed.
unknown() {
	local name
	for name in $(nm -u "$1" | awk '$1 == "U" { print $2 }'); do
		[[ " ${HARMLESS//[$'\n\t']/ } ${DATA//[$'\n\t']/ } ${OURS//[$'\n\t']/ } " == *" $name "* ]] ||
			echo -n "$name "
	done
}

for folder in "$build"/module{,-bullseye,-trixie}/kmod; do
	[[ -e $folder/publish.o ]] || continue
	found=$(unknown "$folder/publish.o")$(unknown "$folder/counters.o")
	folder=${folder%/kmod}
	report "hooks_call_nothing_that_sleeps_or_allocates_in_${folder##*/}" "${found:+it calls $found}"
done
report_sum
