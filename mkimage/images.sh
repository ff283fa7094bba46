#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# images.sh [--cache DIR] [base [SUITE]...|guest|systemd]: build what a boot needs
# into build/images.
#
#   debian   Debian's files: Xen, its tools, the kernel and its headers, busybox
#   base     made from them: hypervisor, kernels, initramfs, dom0's disk, guest tree
#   guest    the guests' root disk: the guest tree, guest-init and build/guest/
#   installed  a dom0 with systemd, as Debian's packages install themselves
#   systemd  its disk, which has nothing of the project's: that is installed at boot
#
# All but guest are layers in the cache, each named after a hash of all that
# goes into it, and appear there only when complete. Editing the project's own
# programs redoes guest alone. The last two are made only if asked for.
#
# SUITE is one of Debian's, bookworm if none is named. The base of another goes
# into build/images/SUITE, without a guest tree; a suite with a Xen of ours can
# be a host, the others only have a kernel for guests. Their trees have a
# compiler in them: inside.sh builds there what must fit their kernel and Xen.

set -euo pipefail

readonly OWN_SUITE=bookworm
readonly -A XEN_SERIES=([bookworm]=4.17 [trixie]=4.20)
readonly DOM0_PACKAGES=(
	xenstore-utils
	bash coreutils dash findutils gawk grep iproute2 kmod mount procps sed util-linux
	libgcc-s1
)
readonly OWN_PACKAGES=(
	libconfig9 libjson-c5 libmicrohttpd12 liburcu8
)
readonly SYSTEMD_PACKAGES=(
	systemd-sysv udev kmod "xen-utils-${XEN_SERIES[$OWN_SUITE]}" xenstore-utils
	procps gawk
)
# What would only take time, and isn't what cagmad has to get along with.
readonly MASKED_UNITS=(
	getty@.service serial-getty@.service console-getty.service apt-daily.timer
	apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
	e2scrub_reap.service getty-static.service
)
readonly COMPILER_PACKAGES=(base-files bash coreutils dash gawk grep sed make linux-headers-amd64)
readonly DAEMON_PACKAGES=(
	gcc libc6-dev libxen-dev liburcu-dev libjson-c-dev libconfig-dev pkgconf
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
readonly HOST_PACKAGES=(mmdebstrap uidmap kmod cpio xz-utils zstd e2fsprogs fakeroot)
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
	touch "$scratch"	# a tree has got the date of Debian's package
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

# The host's own Debian mirrors, as one-line sources for the suite; nothing if it
# has none, which leaves the choice to mmdebstrap. Third-party sources are passed over.
debian_sources() {
	# shellcheck disable=SC2016 # apt's fields, not ours
	apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk -v suite="$suite" '
			$1 == "Debian" && $2 == "main" && $3 ~ "^[a-z]+(-updates|-security)?$" {
				sub("^[a-z]+", suite, $3)
				print "deb", $4, $3, "main" }' | sort -u
}

# debian_packages: of the suite, one a line.
debian_packages() {
	local series=${XEN_SERIES[$suite]:-}
	printf '%s\n' linux-image-amd64 busybox-static
	[[ -z $series ]] || printf '%s\n' "xen-hypervisor-$series-amd64" \
		"xen-utils-$series" "${DOM0_PACKAGES[@]}"
	if [[ $suite == "$OWN_SUITE" ]]; then
		printf '%s\n' "${OWN_PACKAGES[@]}"
	else
		printf '%s\n' "${COMPILER_PACKAGES[@]}"
		[[ -z $series ]] || printf '%s\n' "${DAEMON_PACKAGES[@]}"
	fi
}

# The next two run inside mmdebstrap, where Debian's packages are unpacked.
# The host's compiler is used: the kernel's headers come without theirs.
add_headers() {
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
}

drop_unread() {
	rm -rf usr/share/{bash-completion,bug,doc,info,lintian,locale,man,perl,perl5,python3,zsh} \
		usr/lib/python3* usr/lib/*/{gconv,perl,perl5,perl-base} usr/lib/klibc {,usr/}lib/udev \
		{,usr/}lib/modules/*/kernel/{sound,drivers/{gpu,hid,iio,infiniband,isdn,media,net,scsi,staging,usb}} \
		boot/*.efi var/lib/apt var/cache
}

build_debian() {
	local tree=$1 sources packages
	mapfile -t sources < <(debian_sources)
	packages=$(debian_packages)
	{
		echo '#!/bin/bash'
		echo 'set -euo pipefail'
		declare -f add_headers drop_unread
		# shellcheck disable=SC2016 # expanded there
		echo 'cd "$1"'
		[[ $suite != "$OWN_SUITE" ]] || echo add_headers
		echo drop_unread
	} >"$tree.hook"
	chmod 755 "$tree.hook"
	mmdebstrap --variant=extract --format=tar --include="${packages//$'\n'/,}" \
		--extract-hook="$tree.hook" "$suite" - "${sources[@]}" |
		tar -x -C "$tree" --no-same-owner --exclude='./dev/*'
	rm "$tree.hook"
	ln -sf gawk "$tree/usr/bin/awk"
	ln -sf dash "$tree/bin/sh"
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
		skip=$(((setup_sectors + 1) * 512 + offset)) count=$((length)) >"$image.packed"
	# The kernel's build has put 4 bytes of size behind zstd's stream.
	if [[ $(od -An -tx4 -N4 "$image.packed") == *fd2fb528 ]]; then
		head -c -4 "$image.packed" | zstd -dc
	else
		xz -dc --single-stream "$image.packed"
	fi
	rm "$image.packed"
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
		basename "${module%.xz}" >>"$tree/modules/order"
	done
	find "$tree/modules" -name '*.xz' -exec xz -d {} +
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

# add_to_dom0 TREE BASE: what each dom0 has of ours.
add_to_dom0() {
	local tree=$1 module
	mkdir -p "$tree"/boot "$tree"/cagma/{in,out}
	for module in $(module_files "${DOM0_MODULES[@]}"); do
		install -D -m 644 "$module" "$tree/${module#"$debian"}"
	done
	depmod -b "$tree" "$kernel"
	cp "$2/vmlinux" "$2/guest.initramfs" "$tree/boot/"
	install -m 755 "$here/dom0-block" "$tree/etc/xen/scripts/block-plain"
	install -m 644 "$here/dom0-script.sh" "$tree/cagma/script.sh"
	rm -f "$tree/sbin/init"
}

build_dom0_disk() {
	local tree=$scratch/dom0
	mkdir "$tree"
	tar -c -C "$debian" --exclude=./boot --exclude=./usr/src --exclude=./usr/include \
		--exclude='./usr/lib/linux-kbuild*' --exclude='./lib/modules/*/kernel' \
		--exclude='./usr/lib/modules/*/kernel' --exclude='./usr/lib*/gcc' \
		--exclude='*.a' . |
		tar -x -C "$tree"
	add_to_dom0 "$tree" "$1"
	install -m 755 "$here/dom0-init" "$tree/sbin/init"
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

build_host() {
	local series=$2
	gzip -dc "$debian/boot/xen-$series-amd64.gz" >"$1/xen"
	build_initramfs "$1/dom0.initramfs" "${DOM0_BOOT_MODULES[@]}"
	build_dom0_disk "$1"
}

build_base() {
	local base=$1 kernel series=${XEN_SERIES[$suite]:-}
	kernel=$(kernel_version "$debian")
	cp "$debian/boot/vmlinuz-$kernel" "$base/vmlinuz"
	extract_vmlinux "$base/vmlinuz" >"$base/vmlinux"
	build_initramfs "$base/guest.initramfs" "${GUEST_BOOT_MODULES[@]}"
	[[ -z $series ]] || build_host "$base" "$series"
	[[ $suite != "$OWN_SUITE" ]] || build_guest_tree "$base/guest"
	cat >"$base/versions" <<-END
		DEBIAN_SUITE=$suite
		XEN_VERSION=$series
		KERNEL_VERSION=$kernel
		TREE=$debian
		KDIR=$debian/usr/src/linux-headers-$kernel
	END
}

debian_key() {
	{
		echo "$suite"
		debian_packages
		declare -f add_headers drop_unread build_debian
	} | hash_of
}

base_key() {
	{
		echo "$debian"
		declare -p DOM0_MODULES DOM0_BOOT_MODULES GUEST_MODULES GUEST_BOOT_MODULES \
			GUEST_LIBRARIES
		declare -f extract_vmlinux module_files build_initramfs make_disk \
			add_to_dom0 build_dom0_disk build_guest_tree build_host build_base
		cat "$here"/{dom0-init,dom0-script.sh,dom0-block,initramfs-init}
	} | hash_of
}

# make_base SUITE
make_base() {
	local suite=$1 key to=$images file
	[[ $suite == "$OWN_SUITE" ]] || to=$images/$suite
	key=$(debian_key)
	debian=$cache/debian-$key
	layer debian "$key" "fetching ${suite^}'s kernel and what else it needs"
	layer base "$(base_key)" "making the images of $suite"
	mkdir -p "$to"
	for file in "$layer_dir"/*; do
		ln -sfnT "$file" "$to/$(basename "$file")"
	done
}

# ---- systemd ----

# Unlike those of the layer debian, these packages' scripts are run. All files are
# root's in the end, as make_disk has it.
build_installed() {
	local sources packages=${SYSTEMD_PACKAGES[*]}
	packages+=" ${OWN_PACKAGES[*]}"
	mapfile -t sources < <(debian_sources)
	mmdebstrap --variant=minbase --format=tar --include="${packages// /,}" \
		"$suite" - "${sources[@]}" |
		tar -x -C "$1" --no-same-owner --exclude='./dev/*'
	rm -rf "$1"/var/{cache/apt,lib/apt/lists}/* "$1"/usr/share/{doc,locale,man}/*
}

# As it is, systemd takes the first boot for one that enables each unit there is.
build_systemd() {
	local tree=$scratch/tree kernel unit
	kernel=$(kernel_version "$debian")
	cp -a "$installed" "$tree"
	install -D -m 644 -t "$tree/lib/modules/$kernel" \
		"$debian/lib/modules/$kernel"/modules.{builtin,order}
	add_to_dom0 "$tree" "$images"
	install -m 755 "$here/systemd-init" "$tree/sbin/init"
	install -m 644 "$here/systemd-script.service" "$tree/etc/systemd/system/cagma-script.service"
	ln -s ../cagma-script.service "$tree/etc/systemd/system/multi-user.target.wants/"
	for unit in "${MASKED_UNITS[@]}"; do
		ln -sf /dev/null "$tree/etc/systemd/system/$unit"
	done
	echo "00000000000000000000000000000001" >"$tree/etc/machine-id"
	sed -i 's|^#*XENCONSOLED_ARGS=.*||' "$tree/etc/default/xen"
	echo 'XENCONSOLED_ARGS="--log=guest --log-dir=/cagma/out/console"' >>"$tree/etc/default/xen"
	make_disk "$1/systemd.img" "$tree" 64 systemd
	rm -rf "$tree"
}

installed_key() {
	{
		declare -p OWN_SUITE SYSTEMD_PACKAGES OWN_PACKAGES
		declare -f build_installed
	} | hash_of
}

systemd_key() {
	{
		readlink -f "$images/vmlinux"
		echo "$installed"
		declare -p DOM0_MODULES MASKED_UNITS
		declare -f module_files make_disk add_to_dom0 build_systemd
		cat "$here"/{systemd-init,systemd-script.service,dom0-script.sh,dom0-block}
	} | hash_of
}

make_systemd() {
	local suite=$OWN_SUITE key
	debian=$cache/debian-$(debian_key)
	key=$(installed_key)
	installed=$cache/installed-$key
	layer installed "$key" "installing a dom0 with systemd"
	layer systemd "$(systemd_key)" "making its disk"
	ln -sfnT "$layer_dir/systemd.img" "$images/systemd.img"
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
	mkdir -p "$tree/etc"
	echo "cagma-agent:x:998:998::/:/bin/false" >"$tree/etc/passwd"
	[[ ! -d $payload ]] || cp -a "$payload/." "$tree"
	make_disk "$scratch/guest.img" "$tree" 4 guest
	mv "$scratch/guest.img" "$images/guest.img.new"
	mv "$images/guest.img.new" "$images/guest.img"
	echo "$key" >"$images/guest.key"
	rm -rf "$scratch"
}

main() {
	local what=all suite suites=()
	while (($#)); do
		case $1 in
		--cache) cache=$(realpath -m "${2:?--cache needs a directory}"); shift ;;
		base | guest | systemd) what=$1 ;;
		bullseye | bookworm | trixie) suites+=("$1") ;;
		*) die "usage: images.sh [--cache DIR] [base [SUITE]...|guest|systemd]" ;;
		esac
		shift
	done
	((${#suites[@]})) || suites=("$OWN_SUITE")
	"$here/need.sh" "${HOST_PACKAGES[@]}"
	mkdir -p "$cache" "$images" || die "cannot write to $cache or $images"
	exec 3>&2
	trap clean_up EXIT
	trap 'echo "images.sh: interrupted" >&3; exit 130' INT TERM HUP
	take_lock
	forget_old_layers

	if [[ $what != guest ]]; then
		for suite in "${suites[@]}"; do
			make_base "$suite"
		done
	fi
	case $what in
	all | guest) make_guest ;;
	systemd) make_systemd ;;
	esac
}

main "$@"
