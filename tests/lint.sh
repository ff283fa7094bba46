#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Static analysis of everything; silence is success.

set -euo pipefail
cd "$(dirname "$0")/.."

flags=(-std=gnu11 -D_GNU_SOURCE '-DCAGMA_VERSION="lint"' -Ishared -Idom0)
mapfile -t sources < <(find dom0 bench -name '*.c')
mapfile -t scripts < <(git ls-files -co --exclude-standard '*.sh' .ci/run \
	mkimage/dom0-init mkimage/guest-init mkimage/initramfs-init mkimage/dom0-block)

shellcheck -x -P SCRIPTDIR "${scripts[@]}"
cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
	--inline-suppr --suppress=missingIncludeSystem -Ishared "${sources[@]}"
clang-tidy --quiet --warnings-as-errors='*' "${sources[@]}" -- "${flags[@]}" 2>/dev/null
echo "lint: nothing to say"
