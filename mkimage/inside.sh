#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# inside.sh SUITE COMMAND...: run a command in the tree of another Debian suite,
# with that suite's compiler and libraries. The project is /mnt there, and the
# working directory.

set -euo pipefail

project=$(cd "$(dirname "$0")/.." && pwd)

die() {
	echo "inside.sh: $*" >&2
	exit 1
}

(($# >= 2)) || die "usage: inside.sh SUITE COMMAND..."
versions=$project/build/images/$1/versions
[[ -e $versions ]] || die "there is no tree of $1: run mkimage/images.sh base $1"
# shellcheck source=/dev/null
. "$versions"

# Without root, a namespace of users gives as much of it as is needed.
as_root=()
((EUID == 0)) || as_root=(--map-root-user)

# What is mounted here is seen by this command only, and goes with it.
# shellcheck disable=SC2016 # expanded by that shell
exec unshare --mount "${as_root[@]}" bash -euc '
	tree=$1
	mkdir -p "$tree/tmp" "$tree/dev" "$tree/mnt"
	mount -t tmpfs tmpfs "$tree/tmp"
	mount --rbind /dev "$tree/dev"
	mount --bind "$2" "$tree/mnt"
	exec chroot "$tree" /usr/bin/env -C /mnt -i PATH=/usr/bin:/bin LC_ALL=C "${@:4}"
' bash "$TREE" "$project" "$@"
