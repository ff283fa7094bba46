#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The version of this tree: what the file VERSION says, if the commit has the tag
# "v" of it, or if there is no git; otherwise with the commit, 0.2.0+g1234567, and
# "-dirty" if files differ from it.

set -eu
cd "$(dirname "$0")/.."

export GIT_OPTIONAL_LOCKS=0
release=$(cat VERSION)
commit=

# A repository around the tree, of a package for example, is not the tree's own.
if [ -z "$(git rev-parse --show-cdup 2>&1 || echo no)" ] &&
	[ "$(git describe --tags --exact-match --match "v$release" --dirty 2>&1)" != "v$release" ]; then
	commit=$(git describe --always --abbrev=7 --exclude '*' --dirty 2>/dev/null || :)
fi
echo "$release${commit:++g$commit}"
