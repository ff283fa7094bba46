#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# need.sh PKG...: make sure these Debian packages are installed.
# Says which are missing and installs them; says nothing when all are there.

set -euo pipefail

die() {
	echo "need.sh: $*" >&2
	exit 1
}

installed() {
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# apt_get ARG...: as root, quietly; what went wrong is shown only if it did.
# Whoever else is installing packages on this machine is waited for.
apt_get() {
	local output
	output=$("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 "$@" 2>&1) && return
	printf '%s\n' "$output" | tail -n 15 >&2
	return 1
}

known_to_apt() {
	apt-get -qq --simulate --no-install-recommends install "$@" >/dev/null 2>&1
}

command -v dpkg-query >/dev/null || die "this is not a Debian system; please install by hand: $*"

# find_missing PKG...: sets missing.
find_missing() {
	local package
	missing=()
	for package; do
		installed "$package" || missing+=("$package")
	done
}

find_missing "$@"
((${#missing[@]})) || exit 0

if ((EUID == 0)); then
	as_root=()
elif command -v sudo >/dev/null; then
	as_root=(sudo)
else
	die "missing packages, and neither root nor sudo to install them: ${missing[*]}"
fi

# A parallel make asks for several sets at once: one of them at a time, since
# apt-get update does not wait for its lock.
exec {lock}<"$0"
flock "$lock"
find_missing "$@"
((${#missing[@]})) || exit 0

echo "installing missing Debian packages: ${missing[*]}"
known_to_apt "${missing[@]}" || apt_get update || die "apt-get update failed"
apt_get install -y --no-install-recommends "${missing[@]}" ||
	die "could not install: ${missing[*]}"
