#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# dkms itself builds what `make install-dkms` leaves, for the images' kernel and
# away from this machine's own modules; and refuses a kernel that is too old.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=report.sh
. tests/report.sh
# shellcheck source=/dev/null
. build/images/versions

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# build RELEASE: its log is $dir/log.
build() {
	dkms build -m cagma -v "$version" -k "$1" --kernelsourcedir "$KDIR" \
		--sourcetree "$dir/root/usr/src" --dkmstree "$dir/dkms" \
		--installtree "$dir/modules" >"$dir/log" 2>&1
}

mkdir -p "$dir/dkms" "$dir/modules"
env -u MAKEFLAGS make -s install-dkms DESTDIR="$dir/root" PREFIX=/usr >/dev/null
version=$(basename "$dir"/root/usr/src/cagma-*)
version=${version#cagma-}

problem=
build "$KERNEL_VERSION" || problem=$(tail -n 5 "$dir/log")
module=$(compgen -G "$dir/dkms/cagma/$version/$KERNEL_VERSION/*/module/cagma.ko*") ||
	problem+=" no module"
report dkms_builds_the_module "$problem"
# shown FIELD FILE: one of what it says about itself.
shown() {
	modinfo -F "$1" "$2" 2>&1 | sort
}

problem=
[[ $(shown vermagic "$module") == "$KERNEL_VERSION "* ]] ||
	problem="it is for $(shown vermagic "$module")"
[[ $(shown parm "$module") == "$(shown parm build/guest/lib/cagma/cagma.ko)" ]] ||
	problem+=" its parameters are not those of the images' module"
[[ $(shown version "$module") == "$version" ]] ||
	problem+=" its version is $(shown version "$module")"
report dkms_builds_the_same_module "$problem"
problem=
build 5.4.0-1-amd64 && problem="it was built"
grep -q 'BUILD_EXCLUSIVE' "$dir/log" || problem+=" it said: $(tail -n 3 "$dir/log")"
report dkms_leaves_out_kernels_that_are_too_old "$problem"
report_sum
