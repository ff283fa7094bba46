#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the programs say to bad input: one clear line, a status, nothing left
# behind. Needs neither Xen nor root.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tests/report.sh

readonly CAGMAD=build/dom0/cagmad CAGMACTL=build/dom0/cagmactl
readonly AGENT=build/guest/usr/sbin/cagma-agent
readonly EXPORTER=build/dom0/cagma-exporter SIM=build/bench/cagma-sim RUN=mkimage/run.py
# For what hangs; a busy machine takes its time.
readonly PATIENCE_S=300
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# refuses NAME STATUS REGEX COMMAND...: COMMAND ends with STATUS and a line on
# standard error that matches.
refuses() {
	local name=$1 want=$2 regex=$3 status=0 said problem=
	shift 3
	said=$(timeout $PATIENCE_S "$@" 2>&1 >/dev/null) || status=$?
	((status == want)) || problem="status $status instead of $want; "
	grep -Eq "$regex" <<<"$said" || problem+="it said: $said"
	report "$name" "$problem"
}

config() {
	printf '%s\n' "$2" >"$dir/$1"
	echo "$dir/$1"
}

check_config() {
	refuses "config_$1" 1 "^cagmad: $dir/$1:[0-9]+: $3\$" \
		$CAGMAD --check-config --config "$(config "$1" "$2")"
}

refuses unknown_option 2 "unrecognized option '--no-such'" $CAGMAD --no-such
said=$($CAGMAD --check-config --config "$(config advice 'guests = ( { name = "dom0"; min_mib = 524288; } );')" 2>&1)
problem=
[[ $said == *"Domain-0"*"512 GiB"* ]] || problem="it said: $said"
report test_O7_check_config_says_what_is_odd "$problem"
refuses extra_argument 2 '^cagmad: unexpected argument "now"$' $CAGMAD now
refuses unknown_policy 2 '^cagmad: no policy "nice"; there are cagma\|periodic\|proportional\|cagma2017\|static$' \
	$CAGMAD --policy nice
refuses unreadable_config 1 '^cagmad: /nonexistent: No such file' \
	$CAGMAD --config /nonexistent
scenario() {
	refuses "scenario_$1" 2 "^cagma-sim: $dir/$1:$3\$" \
		$SIM "$(config "$1" "$2")"
}

refuses sim_without_scenario 2 '^cagma-sim: no scenario given$' $SIM
refuses sim_unknown_policy 2 '^cagma-sim: no policy "nice"' $SIM -p nice
refuses sim_unreadable_file 2 '^cagma-sim: /nonexistent: No such file' \
	$SIM /nonexistent
scenario unknown_word 'gest a' '1: unknown word "gest"'
scenario unknown_guest 'at 1 web uses 5' '1: no guest "web"'
scenario unknown_verb $'guest a\nat 1 a sleeps' '2: a can.t do "sleeps"'
scenario unknown_figure $'guest a\nexpect a.mood == 1' '2: a has no figure "mood"'
scenario bad_number 'host total=4G' '1: "4G" is no whole number'
scenario no_end 'host total=4096' '1: it says nowhere how long to run'
scenario bad_setting $'set period_ms 1\nrun 1' \
	' /tmp/cagma-sim-[A-Za-z0-9]+:1: period_ms must be between 100 and 60000'
missing=
for word in $($SIM --words); do
	grep -q "\`[^\`]*\b$word\b[^\`]*\`" docs/simulator.md || missing+=" $word"
done
report docs_name_every_word_of_a_scenario "${missing:+docs/simulator.md lacks$missing}"

refuses ctl_unknown_command 2 "^cagmactl: unknown command 'fly'$" $CAGMACTL fly
refuses ctl_set_without_values 2 '^cagmactl: set takes a domain and min=' \
	$CAGMACTL set web
refuses ctl_bad_size 2 '^cagmactl: "4T" is no size' $CAGMACTL reserve 4T
refuses ctl_lease_of_nothing 2 '^cagmactl: --lease takes 1 to 3600 seconds, not "0"' \
	$CAGMACTL reserve 4G --lease 0
refuses ctl_lease_without_end 2 '^cagmactl: --lease takes 1 to 3600 seconds, not "1h"' \
	$CAGMACTL reserve --lease=1h 4G
refuses ctl_lease_for_another_command 2 '^cagmactl: --lease is for reserve$' \
	$CAGMACTL status --lease 5
refuses ctl_timeout_of_nothing 2 '^cagmactl: --timeout takes 1 to 86400 seconds, not "0"' \
	$CAGMACTL pause web --timeout 0
refuses ctl_timeout_for_another_command 2 '^cagmactl: --timeout is for pause$' \
	$CAGMACTL resume web --timeout 5
refuses ctl_reserve_by_position 2 '^cagmactl: reserve takes a size, and --lease SECONDS$' \
	$CAGMACTL reserve 4G 60
refuses ctl_no_daemon 1 '^cagmactl: cagmad is not running' \
	$CAGMACTL --run-dir "$dir" reserve 4G

check_config unknown_setting 'reserve_mb = 1;' 'unknown setting "reserve_mb"'
check_config text_for_a_number 'reserve_mib = "1";' \
	'reserve_mib must be a whole number'
check_config out_of_range 'period_ms = 1;' \
	'period_ms must be between 100 and 60000'
check_config broken_syntax 'reserve_mib = ;' 'syntax error'
check_config reserve_below_hard 'reserve_mib = 32;' \
	'reserve_mib is below hard_reserve_mib'
check_config guest_without_name 'guests = ( { weight = 2; } );' \
	'this guest has no name and no uuid'
check_config guest_twice 'guests = ( { name = "a"; }, { name = "a"; } );' \
	'guest a is listed twice'
check_config uuid_twice 'guests = (
	{ uuid = "0f3c9a1e-7d1c-4b0e-8a4f-a1b2c3d4e5f6"; },
	{ uuid = "0F3C9A1E-7D1C-4B0E-8A4F-A1B2C3D4E5F6"; } );' \
	'guest of this uuid is listed twice'
check_config min_above_max \
	'guests = ( { name = "a"; min_mib = 512; max_mib = 256; } );' \
	'min_mib is above max_mib'
# elsewhere COMMAND: a shell's, as root of another /dev and with a lock directory of
# its own, so that neither a Xen nor a daemon of this machine's is met.
cat >"$dir/elsewhere" <<-'END'
	#!/bin/bash
	as_root=()
	((EUID == 0)) || as_root=(--map-root-user)
	exec unshare "${as_root[@]}" --mount bash -c 'mount -t tmpfs tmpfs /dev &&
		mount -t tmpfs tmpfs "$(realpath /run/lock)" && mkdir /dev/xen && eval "$1"' bash "$1"
END
chmod 755 "$dir/elsewhere"
# A Xen that refuses each call for the reason of that number.
xen_says() {
	gcc -shared -fPIC -include errno.h -o "$dir/$1.so" -x c - <<<"
		int xencall1(void *c, unsigned o, unsigned long a) { errno = $1; return -1; }"
	echo "touch /dev/xen/{privcmd,evtchn,gntdev}; LD_PRELOAD=$dir/$1.so $CAGMAD --run-dir $dir/run"
}
if "$dir/elsewhere" true 2>/dev/null; then
	refuses not_on_xen 1 '^cagmad: there is no /dev/xen/privcmd: boot this host with Xen' \
		"$dir/elsewhere" "$CAGMAD --run-dir $dir/run"
	refuses not_on_xen_as_daemon 1 '^cagmad: there is no /dev/xen/privcmd' \
		"$dir/elsewhere" "$CAGMAD --daemon --run-dir $dir/run"
	refuses test_O2_device_that_is_missing 1 '^cagmad: there is no /dev/xen/gntdev: .* xen-gntdev$' \
		"$dir/elsewhere" "touch /dev/xen/{privcmd,evtchn}; $CAGMAD --run-dir $dir/run"
	refuses test_O2_device_that_is_forbidden 1 '^cagmad: /dev/xen/privcmd is there, but not for' \
		"$dir/elsewhere" "umask 0777; touch /dev/xen/privcmd; umask 077
			setpriv --bounding-set=-all $CAGMAD --run-dir $dir/run"
	refuses test_O2_domain_that_controls_none 1 '^cagmad: Xen answers, but this domain controls no' \
		"$dir/elsewhere" "$(xen_says EPERM)"
	refuses test_O2_other_version_of_xen 1 '^cagmad: Xen is of another version' \
		"$dir/elsewhere" "$(xen_says EACCES)"
	# Its directory goes and comes back, or is another one.
	refuses test_O5_lock_of_one_host 1 '^cagmad: another cagmad is running \(pid 4711\)$' \
		"$dir/elsewhere" "umask 077; echo 4711 >/run/lock/cagmad.lock
			exec 8</run/lock/cagmad.lock; flock 8
			rm -rf $dir/run; mkdir $dir/run; $CAGMAD --run-dir $dir/run 8<&-"
else
	skipped=$((skipped + 7))
fi
if ((EUID)); then
	refuses not_root 1 '^cagmad: must be run as root$' $CAGMAD
elif command -v setpriv >/dev/null; then
	chmod 755 "$dir" && cp $CAGMAD "$dir/cagmad"
	refuses not_root 1 '^cagmad: must be run as root$' \
		setpriv --reuid 65534 --clear-groups "$dir/cagmad"
fi
refuses no_daemon 1 '^cagmactl: cagmad is not running' \
	$CAGMACTL --run-dir "$dir" status
refuses no_command 2 '^cagmactl: no command given$' $CAGMACTL
refuses unknown_command 2 "^cagmactl: unknown command 'dance'$" $CAGMACTL dance
refuses explain_without_domain 2 "^cagmactl: explain takes a domain's name or id$" \
	$CAGMACTL explain
refuses status_with_domain 2 '^cagmactl: status takes no argument$' $CAGMACTL status web
refuses runner_without_script 2 'required: --script' $RUN
refuses runner_bad_guest 2 'guest' $RUN --script /dev/null --guest a,kind=nice
refuses runner_no_such_script 2 'nonexistent' $RUN --script /nonexistent

refuses exporter_bad_port 2 '^cagma-exporter: "65536" is no port$' $EXPORTER -p 65536
refuses exporter_bad_address 2 '^cagma-exporter: "dom0" is no IP address$' \
	$EXPORTER --address dom0
refuses exporter_extra_argument 2 '^cagma-exporter: unexpected argument "now"$' \
	$EXPORTER now

refuses agent_unknown_option 2 "unrecognized option '--no-such'" $AGENT --no-such
refuses agent_extra_argument 2 '^cagma-agent: unexpected argument "now"$' $AGENT now
for period in 9 1001 0 -100 x 1e2 '' 99999999999999999999; do
	refuses "agent_period_${period:-empty}" 2 \
		"^cagma-agent: \"$period\" is no period from 10 to 1000 ms\$" \
		$AGENT --period "$period"
done
refuses agent_root_without_print 2 '^cagma-agent: --root is for --print alone$' \
	$AGENT --root "$dir"
refuses agent_print_without_files 1 '^cagma-agent: proc/meminfo: No such file' \
	$AGENT --print --root "$dir"
if [[ $(cat /sys/hypervisor/type 2>/dev/null) != xen ]]; then
	refuses agent_not_on_xen 1 '^cagma-agent: this is not a Xen guest' $AGENT
fi
balloon=$dir/guest/sys/devices/system/xen_memory/xen_memory0
mkdir -p "$balloon/info"
ln -s /proc "$dir/guest/proc"
echo 400000 | tee "$balloon/target_kb" >"$balloon/info/current_kb"
problem=
$AGENT --print --root "$dir/guest" | python3 -c '
import json, sys
sample = json.load(sys.stdin)
assert sample["balloon_pages"] == 100000, sample
assert sample["total_pages"] > sample["available_pages"] > 0, sample' ||
	problem="no such sample"
report agent_prints_this_machines_sample "$problem"
refuses agent_print_to_a_full_disk 1 'No space left on device' \
	sh -c "$AGENT --print --root $dir/guest >/dev/full"

# http METHOD PATH: what the exporter answers.
http() {
	exec 3<>"/dev/tcp/127.0.0.1/$port" || return
	printf '%s %s HTTP/1.0\r\n\r\n' "$1" "$2" >&3
	cat <&3
	exec 3>&-
}

# False: it has ended.
exporter_answers() {
	local deadline=$((SECONDS + PATIENCE_S))
	$EXPORTER --run-dir "$dir" --port "$port" 2>"$dir/exporter" &
	exporter=$!
	until http GET / >"$dir/http" 2>/dev/null || ((SECONDS > deadline)); do
		sleep 0.1
		kill -0 $exporter 2>/dev/null || return
	done
}

# Somebody else may have the port.
port=$((20000 + $$ % 10000))
until exporter_answers || ! grep -q "cannot listen" "$dir/exporter"; do
	port=$((port + 1))
done
problem=
[[ $(http GET /metrics) == *" 200 OK"*"cagma_up 0" ]] || problem+="no metrics; "
[[ $(http POST /metrics) == *" 405 "* ]] || problem+="it takes a POST; "
[[ $(http GET /etc/passwd) == *" 404 "* ]] || problem+="it knows any path; "
[[ $(head -c 100000 /dev/urandom | timeout $PATIENCE_S bash -c \
	"exec 3<>/dev/tcp/127.0.0.1/$port; cat >&3; cat <&3" 2>/dev/null | tr -d '\0') != *" 200 "* ]] ||
	problem+="it understands noise; "
[[ $(http GET /metrics) == *"cagma_up 0" ]] || problem+="noise has killed it; "
report exporter_answers_without_a_daemon "$problem"
refuses exporter_port_in_use 1 "^cagma-exporter: cannot listen on 127.0.0.1, port $port" \
	$EXPORTER --port $port
kill $exporter
wait $exporter
status=$?
report exporter_ends_cleanly "$( ((status == 0)) || echo "status $status")"

# cagmad's two sockets: each says which one it is, and notes who came.
mkdir "$dir/doors"
cat >"$dir/doors.py" <<-'END'
	import os, selectors, socket, sys
	found = selectors.DefaultSelector()
	for name in "cagmad", "status":
	    door = socket.socket(socket.AF_UNIX)
	    door.bind(f"{sys.argv[1]}/{name}.sock")
	    door.listen()
	    found.register(door, selectors.EVENT_READ, name)
	while True:
	    for key, _ in found.select():
	        client = key.fileobj.accept()[0]
	        request = client.recv(200).decode().strip()
	        print(key.data, request, flush=True)
	        client.send(b'{"policy":"%s","resumes_s":7}\n' % key.data.encode())
	        client.close()
END
python3 "$dir/doors.py" "$dir/doors" >>"$dir/came" &
doors=$!
tries=0
until [[ -S $dir/doors/status.sock ]] || ((++tries == 100)); do
	sleep 0.1
done
problem=
$CAGMACTL --run-dir "$dir/doors" pause web --timeout 60 || problem="pause failed; "
$CAGMACTL --run-dir "$dir/doors" --timeout 5 pause || problem+="pause of all failed; "
[[ $($CAGMACTL --run-dir "$dir/doors" status) == *"all guests are paused for another 7 s"* ]] ||
	problem+="status doesn't say how long; "
[[ $(<"$dir/came") == $'cagmad pause web timeout=60\ncagmad pause timeout=5\ncagmad status' ]] ||
	problem+="came: $(<"$dir/came")"
report test_O8_timeout_of_a_pause_is_passed_on "$problem"
: >"$dir/came"
chmod 755 "$dir" "$dir/doors" && chmod 0 "$dir/doors/cagmad.sock" && chmod 666 "$dir/doors/status.sock"
cp $CAGMACTL "$dir/cagmactl"
reader=("$dir/cagmactl" --run-dir "$dir/doors")
((EUID)) || reader=(setpriv --reuid 65534 --clear-groups "${reader[@]}")
problem=
for request in status "explain web"; do
	# shellcheck disable=SC2086 # two words
	[[ $("${reader[@]}" --json $request 2>&1) == '{"policy":"status","resumes_s":7}' ]] ||
		problem+="$request isn't answered; "
done
[[ $(<"$dir/came") == $'status status\nstatus explain web' ]] || problem+="came: $(<"$dir/came")"
report test_O4_reader_asks_at_the_other_socket "$problem"
: >"$dir/came"
for request in pause "set web min=64" reload "release 1" "reserve 64"; do
	# shellcheck disable=SC2086
	refuses "test_O4_reader_who_commands_is_told:${request%% *}" 1 \
		'^cagmactl: only root may tell cagmad what to do \(.*/cagmad.sock: Permission denied\)$' \
		"${reader[@]}" $request
done
$EXPORTER --run-dir "$dir/doors" --port $port 2>"$dir/exporter" &
exporter=$!
tries=0
until http GET / >"$dir/http" 2>/dev/null || ((++tries == 100)); do
	sleep 0.1
done
problem=
[[ $(http GET /metrics) == *"cagma_up 1"* ]] || problem="no metrics; "
kill $exporter
wait $exporter
chmod 0 "$dir/doors/status.sock"
refuses test_O4_stranger_is_told_who_may_ask 1 \
	'^cagmactl: only root and group cagma may ask cagmad \(.*/status.sock: Permission denied\)$' \
	"${reader[@]}" status
kill $doors
wait $doors 2>/dev/null
[[ $(<"$dir/came") == "status status" ]] || problem+="came: $(<"$dir/came")"
report test_O4_exporter_asks_where_nobody_commands "$problem"

# cagma-create, with an xl and a cagmactl that write down how they were called.
mkdir "$dir/fake"
cat >"$dir/fake/xl" <<-'END'
	#!/bin/bash
	if [[ " $* " == *" --dryrun "* ]]; then
		[[ -e $2 && $3 == --quiet ]] || exit 1
		echo '{ "domid": null, "config": { "b_info": { "max_vcpus": 2, "max_memkb": 1048576, "target_memkb": 524288 } } }'
	else
		echo "xl $*" >>"$CALLS"
		exit "$XL_STATUS"
	fi
END
cat >"$dir/fake/cagmactl" <<-'END'
	#!/bin/bash
	echo "cagmactl $*" >>"$CALLS"
	[[ $1 == release ]] || { ((!CTL_STATUS)) && echo "lease 7"; } || exit "$CTL_STATUS"
END
chmod +x "$dir/fake/xl" "$dir/fake/cagmactl"
touch "$dir/web.cfg"
export CALLS=$dir/calls XL_STATUS=0 CTL_STATUS=0
# creates NAME STATUS CALLS ARGUMENT...: what cagma-create makes of it.
creates() {
	local name=$1 want=$2 calls=$3 status=0 problem=
	shift 3
	: >"$CALLS"
	PATH=$dir/fake:$PATH dom0/cagma-create "$@" >/dev/null 2>&1 || status=$?
	((status == want)) || problem="status $status instead of $want; "
	[[ $(paste -sd'|' "$CALLS") == "$calls" ]] || problem+="it called $(paste -sd'|' "$CALLS")"
	report "cagma_create_$name" "$problem"
}
creates reserves_first 0 \
	"cagmactl reserve 530 --lease 120|xl create $dir/web.cfg -c|cagmactl release 7" "$dir/web.cfg" -c
creates passes_the_lease_on 0 \
	"cagmactl reserve 530 --lease 60|xl create $dir/web.cfg|cagmactl release 7" --lease 60 "$dir/web.cfg"
XL_STATUS=3 creates keeps_nothing_when_xl_fails 3 \
	"cagmactl reserve 530 --lease 120|xl create $dir/web.cfg|cagmactl release 7" "$dir/web.cfg"
CTL_STATUS=1 creates nothing_without_memory 1 "cagmactl reserve 530 --lease 120" "$dir/web.cfg"
creates nothing_from_a_bad_file 1 "" "$dir/none.cfg"
creates nothing_from_nothing 2 ""

for program in $CAGMAD $CAGMACTL $EXPORTER $AGENT build/dom0/cagma-create $SIM; do
	manual=$(echo docs/"$(basename "$program")".[18]) missing=
	for option in $($program --help | grep -o -- '--[a-z-]*' | sort -u); do
		grep -q -- "${option//-/\\\\-}" "$manual" || missing+=" $option"
	done
	report "options_of_$(basename "$program")_are_in_its_manual" "$missing"
done
missing=
for command in $($CAGMACTL --help | sed -n 's/^  \([a-z]\{3,\}\) .*/\1/p'); do
	grep -qE "^\.(B|BR|B cagmactl) .*\b$command\b" docs/cagmactl.8 || missing+=" $command"
done
[[ $($CAGMACTL --help | grep -c '^  [a-z]\{3,\} ') == 11 ]] || missing+=" (other commands than 11)"
report commands_of_cagmactl_are_in_its_manual "$missing"
# compiles FLAG...: the page's header, with its assertions of size and offset.
compiles() {
	gcc -std=gnu11 -I "/usr/include/$(gcc -print-multiarch)" -fsyntax-only "$@" \
		-x c shared/page.h 2>&1
}
problem=$(compiles -m32)
report test_G24_layout_is_the_same_for_32_bits "$problem"
said=$(compiles -U__BYTE_ORDER__ -D__BYTE_ORDER__=4321) && said="it compiles"
problem=
[[ $said == *"the page is little-endian"* ]] || problem=$said
report test_G24_other_byte_orders_are_refused "$problem"
# Units are converted by the functions of units.h alone, and from KiB for people.
problem=$(grep -nE '(kib|pages|_n?sec|_[nm]s)\b *((\*|/) *(1000|1000000|1000000000|1024|4096)|\* *4|<<|>>)\b|kib *\/ *4\b' \
	dom0/*.[ch] domU/*.[ch] | grep -vE '^dom0/units\.h|tv_sec \* 1000 ')
report test_M14_units_are_converted_in_one_place "$problem"
problem=$(grep -ln call_rcu dom0/*.[ch])
report test_R11_nothing_is_left_to_rcu_callbacks "$problem"
problem=$(ldd $AGENT | grep -E 'xenctrl|xencall|xenforeignmemory|xendevicemodel')
report agent_needs_no_privcmd "$problem"
# What the trace says of the time is for people.
problem=$(grep -nE 'CLOCK_REALTIME|gettimeofday|[^a-z_]time\(NULL\)' dom0/*.c | grep -v '^dom0/trace.c:')
problem+=$(grep -n 'wall' dom0/*.c | grep -v '^dom0/trace.c:')
report test_K1_only_the_trace_reads_the_wall_clock "$problem"
problem=$(nm -D --undefined-only $CAGMAD | grep -E 'xs_(watch|read_watch|check_watch|directory)')
report test_S7_cagmad_watches_and_lists_nothing_in_xenstore "$problem"
missing=
while read -r parameter; do
	grep -qE "^\.BR? .*$parameter" docs/cagma.4 || missing+=" $parameter"
done < <(sed -nE 's/^(module_param_cb|CAGMA_STAT)\(([a-z_]+), .*/\2/p' kmod/main.c)
while read -r min max default; do
	tr '\n' ' ' <docs/cagma.4 | grep -qE "$min( \(not at all\))? to $max, default $default" ||
		missing+=" the range $min to $max (default $default)"
done < <(sed -nE 's/.*[ "]([0-9]+) to ([0-9]+) \(default ([0-9]+)\).*/\1 \2 \3/p' kmod/main.c)
report parameters_of_the_module_are_in_its_manual "$missing"
missing=
# shellcheck disable=SC2016 # the backquotes are the table's
for name in $(grep -oE '`(test|fuzz)_[A-Za-z0-9_]*`' docs/fault-cases.md | tr -d '`'); do
	grep -rqw "$name" tests/unit tests/xen tests/cli.sh ||
		compgen -G "tests/*/$name.*" >/dev/null || missing+=" $name"
done
# shellcheck disable=SC2016
for name in $(grep -oE '`[A-Z][0-9]+-[a-z0-9-]+`' docs/fault-cases.md | tr -d '`'); do
	[[ -e tests/scenarios/$name.scn ]] || missing+=" $name"
done
report tests_in_the_manual_exist "$missing"
missing=
while read -r name; do
	grep -q "\`$name\`" docs/fault-cases.md || missing+=" $name"
done < <(sed -nE 's/^(static void )?(test_[GDLRCSKMNPWOI][0-9]+_[A-Za-z0-9_]*)\(.*/\2/p' \
	tests/unit/*.c tests/xen/*-test.sh)
for name in tests/scenarios/[A-Z]*-*.scn; do
	name=${name##*/}
	grep -q "\`${name%.scn}\`" docs/fault-cases.md || missing+=" $name"
done
report tests_of_fault_cases_are_in_the_manual "$missing"
missing=
while read -r target; do
	grep -q "^| \`make ${target}[ \`]" docs/benchmarks.md || missing+=" $target"
done < <(sed -n 's/^\(bench-[a-z]*\):.*/\1/p' Makefile bench/*.mk)
report benchmarks_are_in_the_manual "$missing"
missing=
while read -r why; do
	grep -qE "^\.BR? .*\b$why\b" docs/cagmactl.8 || [[ $why == keep ]] || missing+=" $why"
done < <(sed -n 's/.*\[CAGMA_WHY_[A-Z]*\] = "\([a-z]*\)".*/\1/p' dom0/policy.c)
while read -r lie; do
	grep -qE "^\.BR? .*\b${lie//-/\\\\-}\b" docs/cagmactl.8 || [[ $lie == none ]] ||
		missing+=" $lie"
done < <(sed -n 's/.*\[CAGMA_LIE_[A-Z]*\] = "\([a-z-]*\)".*/\1/p' dom0/lie.c)
report reasons_are_in_the_manual "$missing"
missing=
make -s install DESTDIR="$dir/root" PREFIX=/usr >/dev/null 2>&1 || missing="make install failed"
for file in sbin/cagmad sbin/cagmactl sbin/cagma-exporter sbin/cagma-create bin/cagma-sim \
	share/man/man8/cagma-create.8 share/man/man1/cagma-sim.1 share/man/man4/cagma.4 \
	share/man/man8/cagmad.8 share/man/man8/cagmactl.8 share/man/man8/cagma-exporter.8 \
	share/cagma/grafana.json lib/systemd/system/cagmad.service \
	lib/systemd/system/cagma-exporter.service lib/sysusers.d/cagmad.conf \
	../etc/cagmad.conf; do
	[[ -s $dir/root/usr/$file ]] || missing+=" $file"
done
grep -q '^ExecStart=/usr/sbin/cagmad --config /etc/cagmad.conf$' \
	"$dir/root/usr/lib/systemd/system/cagmad.service" || missing+=" ExecStart"
# Who may read is one group, whatever names it.
for line in "sysusers.d/cagmad.conf:g cagma -" systemd/system/cagmad.service:Group=cagma \
	systemd/system/cagma-exporter.service:SupplementaryGroups=cagma; do
	grep -qx "${line#*:}" "$dir/root/usr/lib/${line%%:*}" || missing+=" ${line#*:}"
done
grep -q '"cagma"' <(grep CAGMA_GROUP dom0/serve.h) || missing+=" CAGMA_GROUP"
grep -rqF @VERSION@ "$dir/root" && missing+=" the version"
echo 'period_ms = 2000;' >"$dir/root/etc/cagmad.conf"
make -s install DESTDIR="$dir/root" PREFIX=/usr >/dev/null 2>&1
grep -q 2000 "$dir/root/etc/cagmad.conf" || missing+=" the settings that were there"
report install_puts_everything_in_place "$missing"
missing=
make -s install-guest install-dkms DESTDIR="$dir/root" PREFIX=/usr >/dev/null 2>&1 ||
	missing="make install-guest install-dkms failed"
for file in usr/sbin/cagma-agent usr/share/man/man8/cagma-agent.8 \
	usr/lib/systemd/system/cagma-agent.service usr/lib/sysusers.d/cagma-agent.conf \
	etc/modules-load.d/cagma.conf; do
	[[ -s $dir/root/$file ]] || missing+=" $file"
done
grep -q '^ExecStart=/usr/sbin/cagma-agent --user cagma-agent$' \
	"$dir/root/usr/lib/systemd/system/cagma-agent.service" || missing+=" ExecStart"
grep -q '^u cagma-agent ' "$dir/root/usr/lib/sysusers.d/cagma-agent.conf" ||
	missing+=" the user"
report install_guest_puts_everything_in_place "$missing"
# What dkms would build is the module of this tree, whole, under the name that is
# loaded at boot.
problem=
source=$(compgen -G "$dir/root/usr/src/cagma-*") || problem="no sources; "
for file in kmod/*.[ch] kmod/Kbuild shared/*.h; do
	cmp -s "$file" "$source/$file" || problem+="$file is missing; "
done
[[ cagma-$(cat "$source/VERSION") == "${source##*/}" ]] || problem+="the version; "
(
	# shellcheck source=/dev/null
	dkms_tree=/dkms kernel_source_dir=/kernel . "$source/dkms.conf"
	[[ cagma-$PACKAGE_VERSION == $(basename "$source") ]] || echo "the version"
	[[ $(grep -v '^#' kmod/cagma.modules-load) == "${BUILT_MODULE_NAME[0]}" ]] ||
		echo "the module's name"
	grep -q "^obj-m := ${BUILT_MODULE_NAME[0]}.o\$" \
		"$source/${BUILT_MODULE_LOCATION[0]}/Kbuild" || echo "where Kbuild is"
	[[ ${MAKE[0]} == *"-C /kernel M=/dkms/cagma/$PACKAGE_VERSION/build/${BUILT_MODULE_LOCATION[0]} modules" ]] ||
		echo "how it is made"
	for release in 5.10.0-30-amd64 5.15.3 6.1.0-56-amd64 6.12.1 7.0.1; do
		[[ $release =~ $BUILD_EXCLUSIVE_KERNEL ]] || echo "it leaves out $release"
	done
	for release in 4.19.0-20-amd64 5.4.1 5.9.16 3.16.0; do
		[[ ! $release =~ $BUILD_EXCLUSIVE_KERNEL ]] || echo "it takes $release"
	done
) >"$dir/dkms"
problem+=$(tr '\n' ';' <"$dir/dkms")
report dkms_builds_this_module "$problem"
missing=
for unit in dom0/*.service.in; do
	missing+=$(awk '/^CapabilityBoundingSet=/ { sandbox = 1 } /^\[Install\]/ { sandbox = 0 }
		sandbox && /^[A-Z]/ && before !~ /^#/ { print " " $0 } { before = $0 }' "$unit")
done
if command -v systemd-analyze >/dev/null; then
	for unit in "$dir"/root/usr/lib/systemd/system/*.service; do
		missing+=$(systemd-analyze verify "$unit" 2>&1 | grep -E "^$unit:|Unknown|Invalid" || :)
	done
fi
report every_line_of_the_sandbox_says_why "$missing"
missing=
while read -r metric; do
	grep -qE "\"${metric%_bucket}\"" dom0/metrics.c || missing+=" $metric"
done < <(grep -oE 'cagma_[a-z_]+' docs/grafana.json | sort -u)
python3 -m json.tool docs/grafana.json >/dev/null || missing+=" (no JSON)"
report metrics_of_the_dashboard_exist "$missing"
sed 's/^#\([a-z][a-z_]* = \|    {\|);\)/\1/' dom0/cagmad.conf >"$dir/all.conf"
missing=$($CAGMAD --check-config --config "$dir/all.conf" 2>&1)
while read -r name value _; do
	grep -q "^#$name = $value;$" dom0/cagmad.conf || missing+=" $name = $value;"
done < <($CAGMAD --help | sed -n 's/^  \([a-z_]*\)  *\([0-9]*\)  (.*/\1 \2/p')
(($(grep -c ' = [0-9]*;$' "$dir/all.conf") > 10)) || missing+=" most settings"
report example_settings_are_the_defaults "$missing"
missing=
while read -r name value low high; do
	grep -q "^| \`$name\` | $value | " docs/policy.md || missing+=" policy.md's $name = $value"
	grep -qx "\.IR $name \" = $value ($low to $high)\"" docs/cagmad.8 || missing+=" cagmad.8's $name = $value"
done < <($CAGMAD --help | sed -n 's/^  \([a-z_]*\)  *\([0-9]*\)  (\([0-9]*\) to \([0-9]*\)).*/\1 \2 \3 \4/p')
report settings_and_their_reasons_are_in_the_manuals "$missing"
# in_c VALUE: "5 s" as the source says it.
in_c() {
	case $1 in
	"1 s") echo CAGMA_NS_PER_S ;;
	*" MiB") echo "cagma_mib_to_pages(${1% MiB})" ;;
	*" ms") echo "(${1% ms} * CAGMA_NS_PER_MS)" ;;
	*" s") echo "(${1% s} * CAGMA_NS_PER_S)" ;;
	*) echo "$1" ;;
	esac
}
missing=
count=0
# shellcheck disable=SC2016 # the backquotes are the table's
while IFS='|' read -r name file value; do
	count=$((count + 1))
	sed -nE 's/^#define[[:space:]]+([A-Z_]+)[[:space:]]+(.*)$/\1 \2/p' dom0/"${file:-policy.c}" |
		grep -qxF "$name $(in_c "$value")" || missing+=" $name is not $value"
done < <(sed -nE 's/^\| `([A-Z_]+)`( of ([a-z]+\.c))? \| ([^|]*) \| .*/\1|\3|\4/p' <(sed '/^## What other values/q' docs/policy.md))
((count >= 10)) || missing+=" most of them"
report constants_of_the_source_are_those_of_the_manual "$missing"
report_sum
