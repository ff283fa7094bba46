#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# debug-kernel.sh [debug|kasan]: builds a guest kernel from Debian's linux-source that
# looks for use after free, locking errors and leaks, and links it with its build
# tree as build/images/debug or kasan. Kept in the cache, named after what goes into it.
# Takes half an hour on two processors.
#
# "kasan" is for PVH guests: Linux 6.1 has no KASAN for PV guests, as
# xen_start_kernel() and what it calls look at the shadow before there is one. In
# "debug", which is for them, freed pages are unmapped instead and freed objects
# poisoned.

set -euo pipefail

readonly SERIES=6.1
readonly HOST_PACKAGES=(
	"linux-source-$SERIES" gcc make bc bison flex libelf-dev libssl-dev xz-utils kmod
)
# Everything else is off: a guest has a console, a disk, swap and a balloon.
OPTIONS=(
	64BIT SMP PRINTK PRINTK_TIME BUG BINFMT_ELF BINFMT_SCRIPT MULTIUSER POSIX_TIMERS
	FUTEX EPOLL EVENTFD SIGNALFD TIMERFD SHMEM AIO TTY UNIX98_PTYS BLOCK BLK_DEV SWAP
	HIGH_RES_TIMERS NO_HZ_IDLE HZ_250 PROC_FS PROC_SYSCTL SYSFS DEVTMPFS
	DEVTMPFS_MOUNT TMPFS EXT4_FS CRYPTO CRYPTO_CRC32C BLK_DEV_INITRD MODULES
	MODULE_UNLOAD KALLSYMS KALLSYMS_ALL TRACEPOINTS FTRACE FUNCTION_TRACER
	HYPERVISOR_GUEST PARAVIRT XEN HVC_DRIVER HVC_XEN
	XEN_BLKDEV_FRONTEND XEN_BALLOON XEN_SYS_HYPERVISOR SYSVIPC NAMESPACES ADVISE_SYSCALLS MEMBARRIER
	COMPAT_32BIT_TIME VM_EVENT_COUNTERS UNIX NET PERF_EVENTS
	HOTPLUG_CPU DEBUG_KERNEL DEBUG_FS DEBUG_INFO_NONE PROVE_LOCKING
	SLUB_DEBUG SLUB_DEBUG_ON PAGE_OWNER DEBUG_VM DEBUG_STACK_USAGE SCHED_STACK_END_CHECK
	DEBUG_ATOMIC_SLEEP DEBUG_KMEMLEAK DEBUG_OBJECTS DEBUG_OBJECTS_FREE
	DEBUG_OBJECTS_TIMERS DEBUG_OBJECTS_WORK DEBUG_LIST STACKTRACE
	FAULT_INJECTION FAILSLAB FAIL_PAGE_ALLOC FAULT_INJECTION_DEBUG_FS
)
readonly KIND=${1:-debug}
case $KIND in
debug) OPTIONS+=(XEN_PV DEBUG_PAGEALLOC DEBUG_PAGEALLOC_ENABLE_DEFAULT PAGE_POISONING) ;;
kasan) OPTIONS+=(ACPI XEN_PVHVM XEN_PVH KASAN KASAN_GENERIC KASAN_INLINE KASAN_VMALLOC) ;;
*) echo "usage: debug-kernel.sh [debug|kasan]" >&2; exit 2 ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
images=$(dirname "$here")/build/images
cache=${CAGMA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cagma}

source_archive() {
	echo "/usr/src/linux-source-$SERIES.tar.xz"
}

key() {
	{
		declare -p KIND OPTIONS SERIES
		declare -f build
		stat -c %s "$(source_archive)"
	} | sha256sum | cut -c1-16
}

# build DIR: source, configuration and result stay there: modules need them.
build() {
	local option
	tar -x -C "$1" --strip-components=1 -f "$(source_archive)"
	# What a PVH guest executes before KASAN has a shadow must not look at it.
	echo 'KASAN_SANITIZE := n' >>"$1/arch/x86/platform/pvh/Makefile"
	echo 'KASAN_SANITIZE_enlighten_pvh.o := n' >>"$1/arch/x86/xen/Makefile"
	echo 'KASAN_SANITIZE_string.o := n' >>"$1/lib/Makefile"
	make -s -C "$1" allnoconfig
	for option in "${OPTIONS[@]}"; do
		"$1/scripts/config" --file "$1/.config" --enable "$option"
	done
	"$1/scripts/config" --file "$1/.config" --set-str LOCALVERSION "-$KIND" \
		--set-val DEBUG_KMEMLEAK_MEM_POOL_SIZE 16000 --set-val NR_CPUS 2
	make -s -C "$1" olddefconfig
	make -s -C "$1" -j"$(nproc)" vmlinux modules_prepare
	make -s -C "$1" -j"$(nproc)" modules
	objcopy --strip-debug "$1/vmlinux" "$1/vmlinux.boot"
}

main() {
	local dir
	"$here/need.sh" "${HOST_PACKAGES[@]}"
	mkdir -p "$cache" "$images"
	dir=$cache/$KIND-$(key)
	exec 9>"$cache/$KIND.lock"
	flock 9
	if [[ ! -e $dir/vmlinux.boot ]]; then
		echo "debug-kernel: building; the log is $cache/$KIND.log"
		rm -rf "$dir"
		mkdir -p "$dir"
		build "$dir" >"$cache/$KIND.log" 2>&1 || {
			tail -n 5 "$cache/$KIND.log" >&2
			exit 1
		}
	fi
	ln -sfnT "$dir" "$images/$KIND"
}

main "$@"
