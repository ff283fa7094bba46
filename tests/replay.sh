#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# replay.sh CAGMA-SIM SCENARIO...: what every policy decides in the scenarios is
# recorded, and decided again.

set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=report.sh
. "$here/report.sh"

sim=$1
shift
record=$(mktemp)
trap 'rm -f "$record"' EXIT

for policy in cagma periodic cagma2017 proportional static; do
	rm -f "$record"
	"$sim" --policy $policy --record "$record" "$@" >/dev/null
	said=$("$sim" --replay "$record") && said=
	report "replay_of_$policy" "$said"
done
report_sum
