#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The collector of the workloads' metrics, in a guest: collector-test does it all and
# says so on its console.

# shellcheck source=../../mkimage/dom0-lib.sh
. /cagma/in/lib.sh

guest_create collector
phase "the collector's tests"
guest_run collector "collector-test /lib/cagma/collector.ko"
guest_wait collector '^COLLECTOR-TESTED' 600
grep -aE '^(not )?ok test_' "$(guest_log collector)" | tr -d '\r' >"$CAGMA_OUT/results"
