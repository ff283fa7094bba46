#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In dom0, for creates.py: how fast guests are served in quiet, and while domains
# are created and destroyed. The memory of each is guest "donor"'s: it used it just
# before. Leaves phases.jsonl, and creates.jsonl: a line for each domain.

# shellcheck source=../mkimage/dom0-lib.sh
. /cagma/in/lib.sh
# shellcheck source=reaction-lib.sh
. /cagma/in/reaction-lib.sh
# shellcheck source=/dev/null
. /cagma/in/creates.conf

readonly QUIET_S=30 QUIET_PINGS=300 FILL_MIB=320 NEW_MIB=256 XEN_MIB=8

quiet() {
	phase "quiet: $QUIET_S s"
	mark quiet begin
	floor_begin quiet $QUIET_PINGS
	sleep $QUIET_S
	mark quiet end
	floor_end quiet
}

# All that donor took is surplus when this returns.
fill_donor() {
	guest_mark donor
	guest_run donor "mount -o remount,size=400m /tmp; dd if=/dev/zero of=/tmp/fill bs=1M count=$FILL_MIB 2>/dev/null; rm /tmp/fill; echo FILLED"
	guest_wait donor '^FILLED' 120
}

free_mib() {
	xl info | awk '/^free_memory/ { print $3 }'
}

# The daemon has seen the domain, and keeps nothing for it any more.
lease_is_used() {
	[[ ! $(cagmactl --json status) =~ \"lease\":$1, ]]
}

create() {
	local free lease='' reserved=false created=false began ready
	fill_donor
	free=$(free_mib) began=$(now_s)
	! lease=$(cagmactl reserve $((NEW_MIB + XEN_MIB))) || reserved=true
	ready=$(now_s)
	! xl create -q "$CAGMA_IN/guests/new.cfg" || created=true
	printf '{"free_mib":%d,"reserved":%s,"created":%s,"began_s":%s,"ready_s":%s,"end_s":%s}\n' \
		"$free" $reserved $created "$began" "$ready" "$(now_s)" \
		>>"$CAGMA_OUT/creates.jsonl"
	! $reserved || poll 30 lease_is_used "${lease#lease }" || die "$lease is kept"
	! $created || xl destroy new || die "xl destroy failed"
}

creates() {
	local i
	phase "creates: $CYCLES domains"
	mark creates begin
	# About as many pings as there is time for: they go on until the last one.
	floor_begin creates "$PINGS"
	for ((i = 0; i < CYCLES; i++)); do
		status_line "creates: $i of $CYCLES"
		create
	done
	mark creates end
	floor_end creates
}

main() {
	local guest
	for guest in one two floor donor; do
		guest_start $guest
	done
	for guest in one two floor donor; do
		guest_ready $guest
	done
	serve one two donor
	quiet
	creates
	cp "$trace" "$CAGMA_OUT/"
}

main
