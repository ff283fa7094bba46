#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# images.sh [--cache DIR] [base|guest]: build what a boot needs into build/images.
#
#   debian   Debian's files: Xen, its tools, the kernel and its headers, busybox
#   base     made from them: hypervisor, kernels, initramfs, dom0's disk, guest tree
#   guest    the guests' root disk: the guest tree, guest-init and build/guest/
#
# debian and base are layers in the cache, each named after a hash of all that
# goes into it, and appear there only when complete. Editing the project's own
# programs redoes guest alone.

set -euo pipefail

readonly SUITE=bookworm XEN_SERIES=4.17
readonly PACKAGES=(
	"xen-hypervisor-$XEN_SERIES-amd64" linux-image-amd64
	"xen-utils-$XEN_SERIES" xenstore-utils
	bash coreutils dash findutils gawk grep iproute2 kmod mount procps sed util-linux
	libconfig9 libjson-c5 libmicrohttpd12 liburcu8 libgcc-s1
	busybox-static
)
readonly DOM0_MODULES=(
	xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs xen-blkback loop 9p 9pnet_virtio
)
readonly DOM0_BOOT_MODULES=(virtio_pci virtio_blk crc32c-intel crc32c_generic ext4)
readonly GUEST_MODULES=(xen-evtchn xen-gntdev xen-gntalloc)
readonly GUEST_BOOT_MODULES=(xen-blkfront crc32c_generic ext4)
readonly GUEST_LIBRARIES=(
	ld-linux-x86-64 libc libm libdl libpthread librt libgcc_s liburcu liburcu-common
	libjson-c libxenvchan libxenevtchn libxengnttab libxenstore libxentoolcore
	libxentoollog
)
readonly HOST_PACKAGES=(mmdebstrap uidmap kmod cpio xz-utils e2fsprogs fakeroot)
# A layer nobody used for this long is removed.
readonly CACHE_DAYS=30

here=$(cd "$(dirname "$0")" && pwd)
project=$(dirname "$here")
images=$project/build/images
payload=$project/build/guest
cache=${CAGMA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cagma}

die() {
	echo "images.sh: $*" >&2
	exit 1
}

hash_of() {
	sha256sum | cut -c1-16
}

# ---- layers ----

# layer NAME KEY WHAT: builds cache/NAME-KEY by calling build_NAME in a scratch
# directory, unless it is there; sets layer_dir.
layer() {
	local name=$1 key=$2 what=$3 started=$SECONDS
	layer_dir=$cache/$name-$key
	if [[ -d $layer_dir ]]; then
		touch "$layer_dir"
		return
	fi
	echo "images: $what ..."
	new_scratch
	building=$name
	"build_$name" "$scratch" >"$cache/$name.log" 2>&1
	building=
	mv -T "$scratch" "$layer_dir"
	echo "images: $what: $((SECONDS - started)) s"
}

new_scratch() {
	scratch=$(mktemp -d "$cache/scratch.XXXXXX")
	chmod 755 "$scratch"
}

# Runs at any exit. Errors inside build_NAME end the script there and then, with
# stderr still going to its log: descriptor 3 is the caller's.
clean_up() {
	local status=$?
	[[ -z ${scratch:-} ]] || rm -rf "$scratch" "$scratch".*
	((status == 0 || status == 130)) || [[ -z ${building:-} ]] || report_failure
}

report_failure() {
	local log=$cache/$building.log
	{
		if grep -q 'No space left' "$log"; then
			echo "images.sh: no space left in $cache"
			return
		fi
		grep -v '^ *$' "$log" | tail -n 5
		echo "images.sh: building $building failed; all of its output: $log"
	} >&3
}

take_lock() {
	exec 9>"$cache/lock"
	flock -n 9 && return
	echo "images: waiting for another build to finish"
	flock 9
}

forget_old_layers() {
	find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +$CACHE_DAYS -exec rm -rf {} +
}

# ---- debian ----

# The host's own Debian mirrors, as one-line sources; nothing if it has none, which
# leaves the choice to mmdebstrap. Third-party sources are passed over.
debian_sources() {
	# shellcheck disable=SC2016 # apt's fields, not ours
	apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk -v suite="$SUITE" '
			$1 == "Debian" && $2 == "main" && $3 ~ "^" suite "(-updates|-security)?$" {
				print "deb", $4, $3, "main" }' | sort -u
}

# Runs inside mmdebstrap, after Debian's packages are unpacked in $1: adds the
# kernel's headers without the compiler they depend on, drops what nobody reads.
debian_hook() {
	cd "$1"
	local deb version
	version=$(basename boot/vmlinuz-*)
	version=${version#vmlinuz-}
	export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
	(cd tmp && apt-get download "linux-headers-$version" \
		"linux-headers-${version%-*}-common" "linux-kbuild-${version%.*-*-*}")
	for deb in tmp/*.deb; do
		dpkg-deb -x "$deb" .
		rm "$deb"
	done
	rm -rf usr/share/{bash-completion,bug,doc,info,lintian,locale,man,perl,perl5,python3,zsh} \
		usr/lib/python3* usr/lib/*/{gconv,perl,perl5,perl-base} usr/lib/klibc lib/udev \
		lib/modules/*/kernel/{sound,drivers/{gpu,hid,iio,infiniband,isdn,media,net,scsi,staging,usb}} \
		boot/*.efi var/lib/apt var/cache
}

build_debian() {
	local tree=$1 sources
	mapfile -t sources < <(debian_sources)
	{
		echo '#!/bin/bash'
		echo 'set -euo pipefail'
		declare -f debian_hook
		echo "debian_hook \"\$1\""
	} >"$tree.hook"
	chmod 755 "$tree.hook"
	mmdebstrap --variant=extract --format=tar \
		--include="$(IFS=,; echo "${PACKAGES[*]}")" \
		--extract-hook="$tree.hook" "$SUITE" - "${sources[@]}" |
		tar -x -C "$tree" --no-same-owner --exclude='./dev/*'
	rm "$tree.hook"
	depmod -b "$tree" "$(kernel_version "$tree")"
	# Debian's headers name each other by absolute paths.
	# shellcheck disable=SC2016 # expanded by make
	sed -i 's,^include /usr/src/,include $(dir $(lastword $(MAKEFILE_LIST)))../,' \
		"$tree"/usr/src/linux-headers-*-amd64/Makefile
}

kernel_version() {
	basename "$1"/lib/modules/*
}

# ---- base ----

# The kernel as Xen's tools like it best: they unpack a bzImage very slowly.
# The offsets are those of the x86 boot protocol.
extract_vmlinux() {
	local image=$1 setup_sectors offset length
	setup_sectors=$(od -An -tu1 -j $((0x1f1)) -N1 "$image")
	offset=$(od -An -tu4 -j $((0x248)) -N4 "$image")
	length=$(od -An -tu4 -j $((0x24c)) -N4 "$image")
	dd if="$image" bs=64K status=none iflag=skip_bytes,count_bytes,fullblock \
		skip=$(((setup_sectors + 1) * 512 + offset)) count=$((length)) |
		xz -dc --single-stream
}

# module_files MODULE...: with what they depend on, in loading order, each once.
module_files() {
	local module
	for module; do
		modprobe -d "$debian" -S "$kernel" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# build_initramfs FILE MODULE...
build_initramfs() {
	local file=$1 tree=$scratch/initramfs applet module
	shift
	mkdir -p "$tree"/{bin,dev,modules,proc,root,sys}
	cp "$debian/bin/busybox" "$tree/bin/"
	for applet in insmod mount sed sh sleep switch_root; do
		ln -s busybox "$tree/bin/$applet"
	done
	cp "$here/initramfs-init" "$tree/init"
	chmod 755 "$tree/init"
	for module in $(module_files "$@"); do
		cp "$module" "$tree/modules/"
		basename "$module" >>"$tree/modules/order"
	done
	(cd "$tree" && find . | cpio --quiet -o -H newc -R 0:0) >"$file"
	rm -rf "$tree"
}

# make_disk FILE TREE SLACK_MIB LABEL: an ext4 image of TREE, its files owned by root.
make_disk() {
	local size_mib
	size_mib=$(($(du -sm --apparent-size "$2" | cut -f1) * 11 / 10 + $3))
	truncate -s "${size_mib}M" "$1"
	fakeroot mke2fs -q -F -t ext4 -O ^has_journal,^metadata_csum -m 0 -d "$2" \
		-L "$4" "$1"
}

build_dom0_disk() {
	local tree=$scratch/dom0 module
	mkdir "$tree"
	tar -c -C "$debian" --exclude=./boot --exclude=./usr/src \
		--exclude='./usr/lib/linux-kbuild*' --exclude='./lib/modules/*/kernel' . |
		tar -x -C "$tree"
	mkdir -p "$tree"/boot "$tree"/cagma/{in,out}
	for module in $(module_files "${DOM0_MODULES[@]}"); do
		install -D -m 644 "$module" "$tree/${module#"$debian"}"
	done
	depmod -b "$tree" "$kernel"
	ln -sf gawk "$tree/usr/bin/awk"
	ln -sf dash "$tree/bin/sh"
	cp "$1/vmlinux" "$1/guest.initramfs" "$tree/boot/"
	install -m 755 "$here/dom0-init" "$tree/sbin/init"
	install -m 755 "$here/dom0-block" "$tree/etc/xen/scripts/block-plain"
	make_disk "$1/dom0.img" "$tree" 8 dom0
	rm -rf "$tree"
}

build_guest_tree() {
	local tree=$1 applet library
	mkdir -p "$tree"/{bin,dev,lib/modules,lib/x86_64-linux-gnu,lib64,mnt,proc,root,run,sbin,sys,tmp,usr/bin,usr/sbin}
	cp "$debian/bin/busybox" "$tree/bin/"
	for applet in $("$debian/bin/busybox" --list); do
		[[ $applet == busybox ]] || ln -s busybox "$tree/bin/$applet"
	done
	ln -s /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$tree/lib64/"
	for library in "${GUEST_LIBRARIES[@]}"; do
		cp -P "$debian"/{usr/,}lib/x86_64-linux-gnu/"$library".so* \
			"$tree/lib/x86_64-linux-gnu/" 2>/dev/null || :
	done
	for library in $(module_files "${GUEST_MODULES[@]}"); do
		cp "$library" "$tree/lib/modules/"
	done
}

build_base() {
	local base=$1 kernel
	kernel=$(kernel_version "$debian")
	gzip -dc "$debian/boot/xen-$XEN_SERIES-amd64.gz" >"$base/xen"
	cp "$debian/boot/vmlinuz-$kernel" "$base/vmlinuz"
	extract_vmlinux "$base/vmlinuz" >"$base/vmlinux"
	build_initramfs "$base/dom0.initramfs" "${DOM0_BOOT_MODULES[@]}"
	build_initramfs "$base/guest.initramfs" "${GUEST_BOOT_MODULES[@]}"
	build_dom0_disk "$base"
	build_guest_tree "$base/guest"
	cat >"$base/versions" <<-END
		DEBIAN_SUITE=$SUITE
		XEN_VERSION=$XEN_SERIES
		KERNEL_VERSION=$kernel
		KDIR=$debian/usr/src/linux-headers-$kernel
	END
}

base_key() {
	{
		echo "$debian_key"
		declare -p DOM0_MODULES DOM0_BOOT_MODULES GUEST_MODULES GUEST_BOOT_MODULES \
			GUEST_LIBRARIES
		declare -f extract_vmlinux module_files build_initramfs make_disk \
			build_dom0_disk build_guest_tree build_base
		cat "$here/dom0-init" "$here/dom0-block" "$here/initramfs-init"
	} | hash_of
}

make_base() {
	local file
	layer debian "$debian_key" "fetching Debian's Xen, kernel and tools"
	layer base "$(base_key)" "making the hypervisor, kernel and dom0 images"
	for file in "$layer_dir"/*; do
		ln -sfnT "$file" "$images/$(basename "$file")"
	done
}

# ---- guest ----

guest_key() {
	{
		readlink -f "$images/guest"
		declare -f make_disk make_guest
		cat "$here/guest-init"
		[[ ! -d $payload ]] || (cd "$payload" &&
			find . -printf '%P %m %l\n' | sort &&
			find . -type f -print0 | sort -z | xargs -0r sha256sum)
	} | hash_of
}

# Not a cache layer: it is cheap, and there would be one for every edit.
make_guest() {
	local key tree
	[[ -e $images/guest ]] || die "there is no base image yet"
	key=$(guest_key)
	if [[ -e $images/guest.img && $(cat "$images/guest.key" 2>/dev/null) == "$key" ]]; then
		return
	fi
	echo "images: making the guest image ..."
	new_scratch
	tree=$scratch/tree
	cp -a "$images/guest/." "$tree"
	install -m 755 "$here/guest-init" "$tree/sbin/init"
	[[ ! -d $payload ]] || cp -a "$payload/." "$tree"
	make_disk "$scratch/guest.img" "$tree" 4 guest
	mv "$scratch/guest.img" "$images/guest.img.new"
	mv "$images/guest.img.new" "$images/guest.img"
	echo "$key" >"$images/guest.key"
	rm -rf "$scratch"
}

main() {
	local what=all
	while (($#)); do
		case $1 in
		--cache) cache=$(realpath -m "${2:?--cache needs a directory}"); shift ;;
		base | guest) what=$1 ;;
		*) die "usage: images.sh [--cache DIR] [base|guest]" ;;
		esac
		shift
	done
	"$here/need.sh" "${HOST_PACKAGES[@]}"
	mkdir -p "$cache" "$images" || die "cannot write to $cache or $images"
	exec 3>&2
	trap clean_up EXIT
	trap 'echo "images.sh: interrupted" >&3; exit 130' INT TERM HUP
	take_lock
	forget_old_layers

	debian_key=$({ declare -p SUITE PACKAGES; declare -f debian_hook build_debian; } | hash_of)
	debian=$cache/debian-$debian_key
	[[ $what == guest ]] || make_base
	[[ $what == base ]] || make_guest
}

main "$@"
