#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Static analysis of everything; silence is success.

set -euo pipefail
cd "$(dirname "$0")/.."

flags=(-std=gnu11 -D_GNU_SOURCE '-DCAGMA_VERSION="lint"' -Ishared -Idom0 -Itests/fake)
mapfile -t sources < <(find dom0 domU bench -name '*.c' ! -name route.c ! -name trial.c ! -name watch.c ! -name collector.c ! -name cost.c; printf 'tests/%s.c\n' hostile/attack hostile/failload hostile/host hostile/kexec hostile/lend hostile/pin hostile/refuse hostile/server collector/collector-test slow)
mapfile -t scripts < <(git ls-files -co --exclude-standard '*.sh' .ci/run \
	mkimage/dom0-init mkimage/systemd-init mkimage/guest-init mkimage/initramfs-init mkimage/dom0-block dom0/cagma-create)

shellcheck -x -P SCRIPTDIR "${scripts[@]}"
cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
	--inline-suppr --suppress=missingIncludeSystem -UCAGMA_SYNC_BACKEND \
	-Ishared "${sources[@]}"
clang-tidy --quiet "${sources[@]}" -- "${flags[@]}" \
	2>/dev/null

# The modules, by sparse: from copies of their own, since they have to be compiled
# anew.
# shellcheck source=/dev/null
. build/images/versions
copy=$PWD/build/lint
rm -rf "$copy"
mkdir -p "$copy"
cp -r --parents VERSION kmod shared bench/reaction bench/collector bench/guest tests/hostile "$copy/"
for module in kmod bench/reaction bench/collector bench/guest tests/hostile; do
	make -s -C "$KDIR" M="$copy/$module" C=2 modules >"$copy/log" 2>&1 || {
		cat "$copy/log"
		exit 1
	}
	if grep -E '(kmod|shared|reaction|collector|guest|hostile)/.*(warning|error):' "$copy/log"; then
		exit 1
	fi
done
echo "lint: nothing to say"
