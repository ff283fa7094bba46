#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The units under systemd, which alone can show what a sandbox hides: in a dom0 that
# booted as Debian's own, and the agent's in guest "own", which is that system again.
# Guest "pv" runs the module.

# shellcheck source=test-lib.sh
. /cagma/in/test-lib.sh

readonly SPARE=/dev/disk/by-id/virtio-spare UNITS=/run/systemd/system

# ---- systemd ----

property() {
	systemctl show -P "$2" "$1"
}

is_active() {
	systemctl -q is-active "$1"
}

# journal UNIT CURSOR: what it said since then.
journal() {
	journalctl -q --no-pager -o cat -u "$1" ${2:+--after-cursor="$2"}
}

# What the program said last: systemd's own lines tell less.
last_words() {
	journal "$1" | grep -v "^$1\.service: \|^Start\|^Stop\|^Failed to start" | tail -n 1
}

# The last line that was said by now.
cursor() {
	journalctl -q --no-pager -n 0 --show-cursor | sed -n 's/^-- cursor: //p'
}

has_said() {
	[[ $(journal "$1" "$2") == *"$3"* ]]
}

# same_process UNIT PID: it hasn't been replaced, and not because it failed.
same_process() {
	[[ $(property "$1" MainPID) == "$2" && $(property "$1" NRestarts) == 0 ]]
}

start_unit() {
	systemctl reset-failed cagmad
	systemctl start cagmad || because "it doesn't start: $(last_words cagmad)"
}

metric() {
	local line
	exec 5<>/dev/tcp/127.0.0.1/9736 || return
	printf 'GET /metrics HTTP/1.0\r\n\r\n' >&5
	line=$(timeout 20 grep -a -m 1 "^$1 " <&5)
	exec 5>&-
	[[ -n $line ]] && echo "${line##* }"
}

# ---- guest "own" ----

# It is there for one unit. What else it would start takes the time of this test.
readonly MASKED=(
	systemd-{udevd,udev-trigger,random-seed,journal-flush,update-utmp}.service
	systemd-{update-utmp-runlevel,user-sessions,binfmt,modules-load,sysctl}.service
	systemd-tmpfiles-clean.timer kmod-static-nodes.service xen.service xendomains.service
	{dev-hugepages,dev-mqueue,sys-kernel-debug,sys-kernel-tracing,sys-kernel-config}.mount
	modprobe@{configfs,drm,efi_pstore,fuse,loop,dm_mod}.service
)

# Takes its commands from the console, as guest-init does in the other one.
# shellcheck disable=SC2016	# its shell expands it
readonly CONSOLE='stty -echo; echo "GUEST-READY $(hostname)"
while :; do while read -r line; do sh -c "$line" </dev/null; done; sleep 1; done'

make_own() {
	local root=/run/own unit
	mkdir $root
	mount "$SPARE" $root
	cp -a /cagma/in/root/. $root
	ln -sf /lib/systemd/systemd $root/sbin/init
	echo '/dev/xvda / ext4 rw 0 0' >$root/etc/fstab
	echo "$CONSOLE" >$root/usr/local/sbin/console
	cat >$root/etc/systemd/system/console.service <<-END
		[Unit]
		After=multi-user.target
		[Service]
		ExecStart=/bin/bash /usr/local/sbin/console
		StandardInput=tty-force
		StandardOutput=tty
		TTYPath=/dev/hvc0
		[Install]
		WantedBy=multi-user.target
	END
	rm $root/etc/systemd/system/multi-user.target.wants/cagma-script.service
	for unit in "${MASKED[@]}"; do
		ln -s /dev/null "$root/etc/systemd/system/$unit"
	done
	systemctl -q --root=$root enable console cagma-agent cagmad
	umount $root
}

own_says() {
	guest_says own "$1 2>&1 | tr '\\n' ' '"
}

# ---- tests, in the order in which they are run ----

test_O1_units_start_at_boot() {
	is_active cagmad || because "cagmad: $(last_words cagmad)" || return
	is_active cagma-exporter || because "exporter: $(last_words cagma-exporter)" || return
	pid=$(property cagmad MainPID) exporter=$(property cagma-exporter MainPID)
	same_process cagmad "$pid" || because "cagmad had to be started again" || return
	[[ $(property cagma-agent ConditionResult) == no ]] || because "dom0 is no guest" || return
	cagmactl status >/dev/null || because "cagmactl status failed"
}

# Root without a capability gets none of these but by the unit.
test_O1_sandbox_leaves_what_the_daemon_needs() {
	local said locked nice
	locked=$(sed -n 's/^VmLck:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status")
	((locked > 1024)) || because "$locked KiB are locked" || return
	nice=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f17)
	[[ $nice == -20 ]] || because "nice is $nice" || return
	grep -q '^Max open files  *16384 ' "/proc/$pid/limits" || because "few files" || return
	[[ $(<"/proc/$pid/oom_score_adj") == -900 ]] || because "it is killed first" || return
	said=$(journal cagmad | grep -iE 'cannot|refuse|denied|permit|fail')
	[[ -z $said ]] || because "it said: $said"
}

test_O1_guest_is_served() {
	expect 20 "pv is live" is_live pv && is_answered pv || return
	expect 20 "its target is in xenstore" mirror_matches pv
}

test_O1_agent_is_served() {
	local answered locked
	(guest_ready own) || because "own doesn't boot" || return
	expect 60 "own is live" is_live own || because "$(own_says 'systemctl status cagma-agent')" || return
	answered=$(field own answered)
	guest_run own "systemctl kill -s USR1 cagma-agent"
	expect 20 "own is answered" at_least own answered $((answered + 1)) || return
	locked=$(guest_says own "sed -n 's/^VmLck:[[:space:]]*\([0-9]*\) kB/\1/p' /proc/\$(cat /run/lock/cagma-agent.lock)/status")
	((locked > 512)) || because "$locked KiB are locked" || return
	[[ $(own_says 'systemctl show -P NRestarts cagma-agent') == "0 " ]] ||
		because "it had to be started again"
}

test_O5_second_agent_is_refused() {
	local said
	said=$(own_says 'systemctl restart cagma-agent; cagma-agent') || return
	[[ $said == *"another one is running (pid "* ]] || because "it said: $said" || return
	expect 60 "own is live again" is_live own
}

# The modules that cagmad needs are there: Xen itself says no.
test_O2_guest_is_told_that_it_is_no_control_domain() {
	local said
	said=$(own_says 'systemctl stop cagmad; modprobe -a xen-privcmd xen-gntdev; cagmad') || return
	[[ $said == *"Xen answers, but this domain controls no others"* ]] || because "it said: $said"
}

# hides NAME SETTING TEXT: a unit with that setting doesn't start, and says so.
hides() {
	sed '/^RuntimeDirectory/d' "$(property cagmad FragmentPath)" >"$UNITS/$1.service"
	printf '[Service]\nRestart=no\n%s\n' "$2" >>"$UNITS/$1.service"
	! systemctl start "$1" 2>/dev/null || because "it starts with $2" || return
	has_said "$1" "" "$3" || because "with $2 it said: $(journal "$1")"
}

test_O2_hidden_devices_are_named() {
	local status=0
	systemctl stop cagmad
	hides hidden PrivateDevices=yes "there is no /dev/xen/privcmd" &&
		hides forbidden DeviceAllow= "/dev/xen/privcmd is there, but not for this process" ||
		status=1
	start_unit && return $status
}

# Longer than WatchdogSec=.
test_O1_units_stay_active() {
	expect 20 "pv is live" is_live pv || return
	pid=$(property cagmad MainPID)
	sleep 40
	same_process cagmad "$pid" || because "cagmad: $(last_words cagmad)" || return
	same_process cagma-exporter "$exporter" || because "exporter: $(last_words cagma-exporter)"
}

test_O1_unit_is_reloaded() {
	local from
	sed -i '1i min_mib = 1;' /etc/cagmad.conf
	! systemctl reload cagmad 2>/dev/null || because "a wrong file is taken" || return
	sed -i '1d' /etc/cagmad.conf
	systemctl reload cagmad || because "reload failed" || return
	same_process cagmad "$pid" || because "it is another process"
}

test_O1_unit_is_restarted_and_adopts() {
	local target
	target=$(field pv target_kib)
	systemctl restart cagmad || because "restart failed" || return
	expect 20 "pv is adopted" is_live pv && expect 60 "own is adopted" is_live own || return
	(($(field pv target_kib) >= target)) || because "pv shrank" || return
	kill -9 "$(property cagmad MainPID)"
	expect 20 "it is started again" is_active cagmad && expect 20 "pv is adopted" is_live pv
}

test_O1_exporter_answers() {
	local up
	up=$(metric cagma_xenstore_up)
	[[ $up == 1 ]] || because "of xenstore it says: $up"
}

test_O4_exporter_is_a_user_of_its_own() {
	local uids
	uids=$(sed -n 's/^Uid:[[:space:]]*//p' "/proc/$(property cagma-exporter MainPID)/status")
	[[ -n $uids && ! $uids =~ (^|[[:space:]])0($|[[:space:]]) ]] || because "its uids are $uids"
}

# as_reader COMMAND...: nobody, but in the group.
as_reader() {
	setpriv --reuid nobody --regid nogroup --groups cagma "$@"
}

test_O4_group_may_ask_and_not_command() {
	local said modes
	modes=$(stat -c '%a %U %G' /run/cagma /run/cagma/cagmad.sock /run/cagma/status.sock | tr '\n' ',')
	[[ $modes == "750 root cagma,600 root cagma,660 root cagma," ]] || because "modes: $modes" || return
	[[ $(as_reader cagmactl status) == *" pv "* ]] || because "the group can't ask" || return
	said=$(as_reader cagmactl pause 2>&1) && because "the group can command" && return 1
	[[ $said == *"only root may tell cagmad"* ]] || because "it said: $said" || return
	! setpriv --reuid nobody --regid nogroup --clear-groups cagmactl status 2>/dev/null ||
		because "anybody can ask"
}

was_tried_or_runs() {
	is_active cagmad || (($(property cagmad NRestarts) >= $1))
}

# The unit beside one that was started by hand ends at once, however often systemd tries
# it, and takes nothing with it: neither the lock nor the socket.
test_O5_lock_survives_the_run_directory() {
	local by_hand from said status=0
	systemctl stop cagmad
	cagmad 2>/dev/null &
	by_hand=$!
	expect 20 "the one that was started by hand serves pv" is_live pv || return
	from=$(cursor)
	! systemctl start cagmad 2>/dev/null || because "the unit runs beside it" || return
	has_said cagmad "$from" "another cagmad is running (pid $by_hand)" ||
		because "it said: $(journal cagmad "$from")" || return
	expect 60 "systemd tries it again" was_tried_or_runs 3 || return
	! is_active cagmad || because "the unit runs beside it in the end" || return
	systemctl stop cagmad
	is_live pv || because "its socket has gone" || return
	rm -r /run/cagma && mkdir /run/cagma
	said=$(cagmad 2>&1) && because "a second one runs" && return 1
	[[ $said == *"another cagmad is running (pid $by_hand)"* ]] || because "it said: $said" || status=1
	kill -TERM $by_hand
	wait $by_hand
	start_unit && expect 20 "pv is served by the unit" is_live pv && return $status
}

test_O1_unit_is_stopped() {
	systemctl stop cagmad || because "stop failed" || return
	! is_active cagmad || because "it is active" || return
	[[ $(property cagmad Result) == success ]] || because "$(property cagmad Result)" || return
	! cagmactl status 2>/dev/null || because "it still answers" || return
	expect 10 "the exporter says so" test "$(metric cagma_uptime_seconds)" = ""
}

pid=
exporter=
on_failure=show_units
show_units() {
	systemctl --no-pager -l status cagmad cagma-exporter || true
	journalctl -q --no-pager -n 50
}

phase "booting the guests"
make_own
guest_start pv
guest_start own "disk=[\"format=raw,vdev=xvda,access=rw,script=block-plain,target=$SPARE\"]"
guest_ready pv
run_all_tests
