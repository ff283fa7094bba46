#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the build says of itself: its version, its targets, what it lacks. Nothing is
# compiled here but what has been before.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=report.sh
. tests/report.sh

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# As a user's shell would call it, not as a part of another make.
unset MAKEFLAGS MAKELEVEL MAKEOVERRIDES MFLAGS

# The version of a tree with a repository of its own, in another's, or in none.
mkdir -p "$dir/tree/mk"
cp VERSION "$dir/tree/"
cp mk/version.sh "$dir/tree/mk/"
release=$(cat VERSION)

# version_is WHERE REGEX
version_is() {
	local said problem=
	said=$("$dir/tree/mk/version.sh" 2>&1)
	[[ $said =~ ^$2$ ]] || problem="it is $said"
	report "version_$1" "$problem"
}

# git_in DIR ARG...
git_in() {
	git -C "$@" >/dev/null 2>&1
}

commit() {
	git_in "$1" add . && git_in "$1" -c user.name=x -c user.email=x@localhost \
		commit -m x
}

export GIT_CEILING_DIRECTORIES=${dir%/*} GIT_CONFIG_GLOBAL=/dev/null
problem=
[[ $release =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || problem="it is $release"
report version_is_semantic "$problem"
version_is without_git "$release"
if command -v git >/dev/null; then
	git_in "$dir" init
	commit "$dir"
	version_is in_another_ones_repository "$release"
	rm -rf "$dir/.git"
	git_in "$dir/tree" init
	commit "$dir/tree"
	version_is of_a_commit "$release\+g[0-9a-f]{7,}"
	git_in "$dir/tree" tag "v$release"
	version_is of_a_release "$release"
	echo >>"$dir/tree/VERSION"
	version_is of_a_changed_release "$release\+g[0-9a-f]{7,}-dirty"
else
	skipped=$((skipped + 4))
fi

# Built by what ran before this: each says the same, and the changelog knows it.
version=$(cat build/version) problem=
for program in build/dom0/{cagmad,cagmactl,cagma-exporter,cagma-create} \
	build/guest/usr/sbin/cagma-agent build/bench/cagma-sim; do
	said=$("$program" --version 2>&1)
	[[ $said == "${program##*/} $version" ]] || problem+="$program says $said; "
done
report every_program_says_the_version "$problem"
newest=$(sed -n 's/^## \[\([^]]*\)\].*/\1/p' CHANGELOG.md | head -n 1)
problem=
[[ $newest == "$release" ]] || problem="its newest version is $newest"
report changelog_begins_with_the_version "$problem"

# says NAME REGEX SECONDS COMMAND...: COMMAND fails, with this line alone, and takes
# no more time of a processor.
says() {
	local name=$1 regex=$2 most=$3 said status=0 problem='' TIMEFORMAT='%U %S'
	shift 3
	{ time { said=$("$@" 2>&1) || status=$?; }; } 2>"$dir/time"
	((status)) || problem="it succeeds; "
	[[ $said =~ ^$regex$ && $said != *$'\n'* ]] || problem+="it said: ${said:0:300}; "
	awk -v most="$most" '$1 + $2 > most { exit 1 }' "$dir/time" ||
		problem+="it took $(cat "$dir/time") s"
	report "$name" "$problem"
}

# A machine that lacks the packages, or has no compiler either.
# shellcheck disable=SC2016 # the backquotes are the message's
lacking='mk/packages\.mk:[0-9]+: \*\*\* missing: .*; on Debian, `make deps` installs them\.  Stop\.'
mkdir "$dir/empty" "$dir/bin"
for tool in make sh bash cat dirname mkdir; do
	ln -s "$(command -v $tool)" "$dir/bin/"
done
without_libraries() {
	env PKG_CONFIG_LIBDIR="$dir/empty" PKG_CONFIG_PATH= make BUILD="$dir/build" "$@"
}
without_tools() {
	env PATH="$dir/bin" make BUILD="$dir/build" "$@"
}
says make_without_the_libraries "${lacking/.\*/liburcu .*}" 1 without_libraries
says make_without_a_compiler "${lacking/.\*/gcc pkg-config .*}" 1 without_tools
says make_with_jobs_without_the_libraries "$lacking" 1 without_libraries -j8
for target in check install sim; do
	says "make_${target}_without_the_libraries" "$lacking" 1 \
		without_libraries "$target" DESTDIR="$dir/root"
done
report nothing_was_made_without_the_libraries "$(ls "$dir/build" "$dir/root" 2>/dev/null)"

# Those that install: first the packages, by name, and no word of pkg-config's.
for target in deps test demo; do
	problem=
	without_libraries -n "$target" >"$dir/said" 2>"$dir/errors"
	[[ $(head -n 1 "$dir/said") == "mkimage/need.sh gcc make pkg-config "* ]] ||
		problem="it begins with $(head -n 1 "$dir/said"); "
	problem+=$(grep -iE 'pkg-config|missing' "$dir/errors")
	report "make_${target}_begins_with_packages" "$problem"
done

# `make help` has all targets but those that others are made of, and no more; the
# documents name those that exist.
makefiles=(Makefile mk/*.mk tests/*.mk bench/*.mk)
readonly PARTS='packages-.*|ready.*|base|systemd-image|fuzz-build|soak-sim'
targets=$(grep -hoE '^[a-z][a-z -]*:( |$)' "${makefiles[@]}" | tr -d ':' | tr ' ' '\n' |
	grep -vxE "$PARTS" | sort -u | grep .)
without_libraries help >"$dir/help" 2>&1
listed=$(grep -E '^  ' "$dir/help" | cut -c3-25 | tr ' ' '\n' | sort -u | grep .)
report help_lists_every_target "$(comm -3 <(echo "$targets") <(echo "$listed"))"
problem=
(($(wc -l <"$dir/help") <= 40)) || problem="it has $(wc -l <"$dir/help") lines; "
(($(grep -c '^[A-Z]' "$dir/help") == 4)) || problem+="there aren't four groups; "
problem+=$(awk 'length > 80' "$dir/help")
report help_fits_a_screen "$problem"
problem=
# shellcheck disable=SC2016 # the backquotes are the documents'
while read -r name; do
	grep -qxF -- "$name" <<<"$targets" || problem+=" $name"
done < <(grep -ohE '(`|^    |^\.B )make [a-z][a-z\\-]*([ `]|$)' ./*.md docs/*.md docs/*.[0-9] domU/README.md |
	sed 's/.*make //; s/[`\\ ]//g' | sort -u)
report targets_in_the_documents_exist "$problem"
problem=
# shellcheck disable=SC2016 # the backquotes are the documents'
while read -r path; do
	compgen -G "$path" >/dev/null || problem+=" $path"
done < <(grep -ohE '`[A-Za-z0-9_*.-]+/[A-Za-z0-9_*./-]*`|\]\([A-Za-z0-9_./-]+[#)]' \
	README.md CONTRIBUTING.md SECURITY.md CHANGELOG.md |
	sed 's/^](//; s/[`#)]//g' | grep -vE '^(build|memory)/' | sort -u)
report paths_in_the_documents_exist "$problem"
report_sum
