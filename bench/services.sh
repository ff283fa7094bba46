#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# services.sh DIR: puts what users really run, from Debian, into the guests' tree DIR:
# the key-value store memcached, and sort of the coreutils, with their libraries. From
# the suite of the images, whose other libraries they use.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/../build/images/versions"
readonly FILES=(usr/bin/memcached usr/bin/sort)
tree=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# needed FILE: the libraries it names.
needed() {
	objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }'
}

# add_libraries FILE: what the guests' tree does not have, and what that needs.
add_libraries() {
	local name found
	for name in $(needed "$1"); do
		[[ ! -e $here/../build/images/guest/lib/x86_64-linux-gnu/$name ]] || continue
		[[ ! -e $tree/lib/x86_64-linux-gnu/$name ]] || continue
		found=$(find "$scratch/tree" -name "$name" -print -quit)
		[[ -n $found ]] || { echo "services.sh: $1 needs $name" >&2; exit 1; }
		install -D "$(readlink -f "$found")" "$tree/lib/x86_64-linux-gnu/$name"
		add_libraries "$found"
	done
}

mkdir "$scratch/tree"
mmdebstrap --quiet --variant=extract --include=memcached,coreutils "$DEBIAN_SUITE" \
	"$scratch/tree" >"$scratch/log" 2>&1 || { tail -n 5 "$scratch/log" >&2; exit 1; }
for file in "${FILES[@]}"; do
	add_libraries "$scratch/tree/$file"
	install -D "$scratch/tree/$file" "$tree/$file"
done
# memcached wants to know who root is.
install -d "$tree/etc"
echo 'root:x:0:0:root:/:/bin/sh' >"$tree/etc/passwd"
