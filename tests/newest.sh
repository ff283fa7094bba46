#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# newest.sh [SUITE]: the module builds without a warning for the newest kernel that a
# Debian suite has, forky's if none is named, by that suite's own compiler. Headers and
# compiler are fetched once and kept; no image is made of them.

set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=report.sh
. tests/report.sh

readonly PACKAGES=base-files,bash,coreutils,dash,gawk,grep,sed,make,linux-headers-amd64
suite=${1:-forky}
tree=${CAGMA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cagma}/newest-$suite
build=$PWD/build/module-$suite

# A suite in the making may have a Release file that looks old.
fetch() {
	echo "fetching $suite's kernel headers and compiler ..."
	mkdir -p "$tree.new"
	mmdebstrap --quiet --variant=extract --format=tar --include=$PACKAGES \
		--aptopt='Acquire::Check-Valid-Until "false"' "$suite" - |
		tar -x -C "$tree.new" --no-same-owner --exclude='./dev/*'
	ln -sf dash "$tree.new/bin/sh"
	ln -sf gawk "$tree.new/usr/bin/awk"
	mkdir -p "$tree.new/mnt" "$tree.new/proc" "$tree.new/tmp"
	mv -T "$tree.new" "$tree"
}

# What is mounted is seen by this command only; objtool looks into /proc.
# shellcheck disable=SC2016 # expanded by that shell
inside() {
	local as_root=()
	((EUID == 0)) || as_root=(--map-root-user)
	unshare --mount --pid --fork "${as_root[@]}" bash -euc '
		mount -t tmpfs tmpfs "$1/tmp"
		mount -t proc proc "$1/proc"
		mount --rbind /dev "$1/dev"
		mount --bind "$2" "$1/mnt"
		exec chroot "$1" /usr/bin/env -i PATH=/usr/bin:/bin LC_ALL=C "${@:3}"
	' bash "$tree" "$build" "$@"
}

mkimage/need.sh mmdebstrap
[[ -d $tree ]] || fetch
rm -rf "$build"
mkdir -p "$build"
cp -r kmod shared VERSION "$build/"
headers=$(basename "$tree"/usr/src/linux-headers-*-amd64)
problem=
inside make -s -C "/usr/src/$headers" M=/mnt/kmod W=1 modules >"$build/log" 2>&1 ||
	problem="$(tail -n 3 "$build/log")"
! grep -q 'warning:' "$build/log" || problem+=" $(grep -m 1 'warning:' "$build/log")"
report "module_builds_for_${headers#linux-headers-}" "$problem"
report_sum
