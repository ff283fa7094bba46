# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For whatever starts the runner's script in dom0, which is /cagma/in/script: runs it,
# leaves its exit status in /cagma/out/verdict and powers the machine off.

out=/cagma/out

# verdict STATUS TEXT: the last thing the runner hears of us.
verdict() {
	printf '%s %s\n' "$1" "$2" >$out/verdict.new && mv $out/verdict.new $out/verdict
	echo "dom0: verdict: $1 $2"
}

power_off() {
	dmesg >$out/dom0-dmesg.log
	xl dmesg >$out/xen-dmesg.log 2>&1
	[[ ! -e /run/xenstore-trace.log ]] || cp /run/xenstore-trace.log $out/
	sync
	echo o >/proc/sysrq-trigger
	while :; do sleep 60; done
}

# setup COMMAND...: a step without which no script can run.
setup() {
	"$@" && return
	verdict setup "dom0 setup failed: $*"
	power_off
}

# mount_share TAG DIR: one of the runner's directories.
mount_share() {
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none "$1" "$2"
}

# The script's reason is what it told die(), or else the last line it printed.
run_script() {
	local status=0 reason=/run/guests/reason
	cd /tmp && mkdir -p "${reason%/*}" || return
	bash /cagma/in/script </dev/null >$out/script.log 2>&1 || status=$?
	[[ -e $reason ]] || tail -n 1 $out/script.log >$reason
	[[ -s $reason ]] || echo "the script exited with status $status" >$reason
	((status)) || echo ok >$reason
	verdict "$status" "$(<$reason)"
}
