#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# However a run under QEMU ends, it says how in one line, has a status of its
# own, and leaves no QEMU behind. Needs the images.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tests/report.sh

readonly RUN=mkimage/run.py
dir=$(mktemp -d)
trap 'umount "$dir/full" 2>/dev/null; rm -rf "$dir"' EXIT
echo 'sleep 600' >"$dir/script"

poll() {
	local deadline=$((SECONDS + $1))
	until "${@:2}"; do
		((SECONDS < deadline)) || return
		sleep 0.1
	done
}

# QEMU names the run's directory in its arguments.
qemu_runs() {
	pgrep -f "qemu-system-x86_64 .*$dir/out" >/dev/null
}

qemu_is_gone() {
	! qemu_runs
}

# ends NAME STATUS REGEX: what became of the run whose output is in $dir/said.
ends() {
	local problem=
	(($4 == $2)) || problem="status $4 instead of $2; "
	tail -n 1 "$dir/said" | grep -Eq "$3" ||
		problem+="it said: $(tail -n 1 "$dir/said"); "
	poll 60 qemu_is_gone || problem+="QEMU is still there"
	report "$1" "$problem"
}

start() {
	rm -rf "$dir/out"
	setsid "$RUN" --script "$dir/script" --out "$dir/out" "$@" \
		>"$dir/said" 2>&1 &
	run=$!
	poll 60 qemu_runs || echo "QEMU did not start" >>"$dir/said"
}

ends_by_signal() {
	local status=0
	start --time-limit 300
	kill "-$2" "$run"
	wait "$run" 2>/dev/null || status=$?
	ends "$1" "$3" "$4" "$status"
}

ends_at_the_time_limit() {
	local status=0
	start --time-limit 8
	wait "$run" || status=$?
	ends time_limit 3 '^run: time limit' "$status"
}

refuses() {
	local status=0
	"${@:3}" >"$dir/said" 2>&1 || status=$?
	ends "$1" 2 "$2" "$status"
}

refuses_without_images() {
	mkdir -p "$dir/elsewhere/mkimage"
	cp mkimage/* "$dir/elsewhere/mkimage/"
	refuses missing_images 'make images' \
		"$dir/elsewhere/mkimage/run.py" --script "$dir/script" --out "$dir/out"
}

refuses_a_full_disk() {
	mkdir "$dir/full"
	mount -t tmpfs -o size=64k tmpfs "$dir/full" || return
	refuses full_disk 'No space left' \
		$RUN --script "$dir/script" --out "$dir/full/out"
	umount "$dir/full"
}

ends_by_signal interrupted INT 130 '^run: .*(interrupted|SIGINT)'
ends_by_signal terminated TERM 143 '^run: .*SIGTERM'
ends_by_signal killed KILL 137 ''
ends_at_the_time_limit
refuses_without_images
if ((EUID == 0)); then
	refuses_a_full_disk
fi
report_sum
