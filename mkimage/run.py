#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Boot real Xen under QEMU, run a script in dom0, bring back its verdict.

The script sees /cagma/in (itself, lib.sh, the --in files, the project's dom0
programs in bin/) and leaves its results in /cagma/out, which is --out.
Exit status: 0 the script succeeded, 1 it failed, 2 wrong usage or no images,
3 time limit, 4 crash or no verdict, 130 Ctrl-C.
"""

import argparse
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
HERE = PROJECT / "mkimage"
IMAGES = PROJECT / "build" / "images"
QEMU = "qemu-system-x86_64"

# Whose Xen and dom0 can be booted, and whose kernels guests may have besides.
OWN_SUITE = "bookworm"
HOSTS = [OWN_SUITE, "trixie"]
KERNELS = [*HOSTS, "bullseye"]
# Of debug-kernel.sh: all their drivers are built in.
DEBUG_KERNELS = ["debug", "kasan"]
# What a kernel adds to a guest is to be used at once (docs/cagma.4).
KERNEL_WORDS = {"bullseye": " memhp_default_state=online"}

EXIT = {"ok": 0, "failed": 1, "usage": 2, "time limit": 3, "crashed": 4}

# SMAP, SMEP and PKU crash a PV dom0 under TCG; SVM and nested paging carry PVH guests.
TCG_CPU = "qemu64,+svm,+npt,+sse4.1,+sse4.2,+ssse3"
CPUS = 2
# A busy host may keep an emulated processor waiting for long; that is no lockup.
WATCHDOG = "watchdog_thresh=60"
# What Xen itself needs, and what a guest costs beyond its memory.
XEN_OVERHEAD_MIB = 160
GUEST_OVERHEAD_MIB = 12
KVM_PROBE_SECONDS = 10
POLL_SECONDS = 0.2
QUIET_STATUS_SECONDS = 10

CRASH = re.compile(r"Kernel panic - not syncing.*|Panic on CPU \d+.*|Xen BUG at .*"
                   r"|FATAL (?:TRAP|PAGE FAULT).*|initramfs: .*")


class RunError(Exception):
    """Ends the run with a status of EXIT and one line of explanation."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Interrupted(BaseException):
    """A signal asks the run to stop."""

    def __init__(self, signum):
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


# ---- what to run ----

@dataclass
class Guest:
    """One --guest: sizes in MiB, swap and data on the shared disk."""
    name: str
    kind: str = "pv"
    memory: int = 192
    maxmem: int = 0
    swap: int = 0
    data: int = 0
    vcpus: int = 1
    kernel: str = "stock"
    extra: str = ""

    @classmethod
    def parse(cls, text):
        name, *words = text.split(",")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise argparse.ArgumentTypeError(f"bad guest name {name!r}")
        types = {f.name: f.type for f in fields(cls)[1:]}
        guest = cls(name)
        for word in words:
            key, _, value = word.partition("=")
            if key not in types:
                raise argparse.ArgumentTypeError(f"guest {name}: unknown setting {key!r}")
            try:
                setattr(guest, key, types[key](value))
            except ValueError:
                raise argparse.ArgumentTypeError(
                    f"guest {name}: {key} wants a number, not {value!r}") from None
        guest.check()
        return guest

    def check(self):
        self.maxmem = self.maxmem or self.memory
        if self.kind not in ("pv", "pvh"):
            raise argparse.ArgumentTypeError(f"guest {self.name}: kind is pv or pvh")
        if self.kernel not in ("stock", *DEBUG_KERNELS, *KERNELS):
            raise argparse.ArgumentTypeError(f"guest {self.name}: there is no kernel {self.kernel}")
        if min(self.memory, self.vcpus) < 1 or min(self.swap, self.data) < 0:
            raise argparse.ArgumentTypeError(f"guest {self.name}: sizes must be positive")
        if self.maxmem < self.memory:
            raise argparse.ArgumentTypeError(f"guest {self.name}: maxmem is below memory")
        if '"' in self.extra or "\\" in self.extra:
            raise argparse.ArgumentTypeError(f"guest {self.name}: extra cannot be quoted")

    def kernel_lines(self):
        if self.kernel in DEBUG_KERNELS:
            return [f'kernel = "/cagma/in/kernels/{self.kernel}/vmlinux.boot"']
        folder = "/boot" if self.kernel == "stock" else f"/cagma/in/kernels/{self.kernel}"
        return [f'kernel = "{folder}/vmlinux"', f'ramdisk = "{folder}/guest.initramfs"']

    def xl_config(self, partitions):
        disks = [xl_disk("/dev/vdb", "xvda", "ro")]
        disks += [xl_disk(device, name, "rw") for name, device in partitions.items()]
        command_line = f"console=hvc0 root=/dev/xvda rootwait loglevel=5 {WATCHDOG} hostname={self.name}{KERNEL_WORDS.get(self.kernel, '')} {self.extra}"
        return "\n".join([
            f'name = "{self.name}"',
            f'type = "{self.kind}"',
            *self.kernel_lines(),
            f'extra = "{command_line.strip()}"',
            f"memory = {self.memory}",
            f"maxmem = {self.maxmem}",
            f"vcpus = {self.vcpus}",
            f"disk = {disks}",
            'on_reboot = "destroy"',
            'on_crash = "destroy"',
            ""])


def xl_disk(device, name, access):
    return f"format=raw,vdev={name},access={access},script=block-plain,target={device}"


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(EXIT["usage"], f"run.py: {message} (see --help)\n")


def parse_arguments():
    parser = Parser(
        prog="run.py", description="Boot Xen under QEMU and run a script in dom0.")
    add = parser.add_argument
    add("--script", type=Path, required=True, metavar="FILE", help="bash script to run in dom0")
    add("--in", type=Path, action="append", default=[], dest="inputs", metavar="FILE",
        help="file or directory to put into /cagma/in (repeatable)")
    add("--out", type=Path, default=PROJECT / "build" / "run", metavar="DIR",
        help="results and logs (default: build/run)")
    add("--guest", type=Guest.parse, action="append", default=[], dest="guests",
        metavar="NAME,KEY=VALUE,...",
        help="keys: kind=pv|pvh memory maxmem swap data (MiB) vcpus "
             f"kernel={'|'.join(['stock', *DEBUG_KERNELS, *KERNELS])} extra (repeatable)")
    add("--host", choices=HOSTS, default=OWN_SUITE,
        help=f"the Debian suite of Xen and dom0 (default: {OWN_SUITE})")
    add("--systemd", type=Path, metavar="FILE", help="dom0 boots as Debian's own, after the "
        "bash script FILE has installed what is to be tested; it has nothing else of the project's. "
        "The disk of serial number \"spare\" is another one of that system")
    add("--clock", choices=["wall", "icount"], default="wall",
        help="icount: virtual time counts instructions (TCG only)")
    add("--accel", choices=["auto", "kvm", "tcg"], default="auto")
    add("--host-memory", type=int, default=3072, metavar="MIB")
    add("--dom0-memory", type=int, default=768, metavar="MIB")
    add("--dom0-extra", default="", metavar="WORDS", help="of dom0's kernel command line")
    add("--disk-iops", type=int, default=0, metavar="N", help="limit of the shared disk")
    add("--disk-bps", type=int, default=0, metavar="N", help="limit of the shared disk, bytes/s")
    add("--xenstore-trace", action="store_true", help="leave xenstore-trace.log in --out")
    add("--time-limit", type=int, default=900, metavar="SECONDS")
    add("--quiet", action="store_true", help="only the last line")
    arguments = parser.parse_args()
    check_arguments(parser, arguments)
    for guest in arguments.guests:
        if guest.kernel == arguments.host:
            guest.kernel = "stock"
    return arguments


def check_arguments(parser, arguments):
    for path in filter(None, [arguments.script, arguments.systemd, *arguments.inputs]):
        if not os.access(path, os.R_OK):
            parser.error(f"cannot read {path}")
    names = [guest.name for guest in arguments.guests]
    if len(set(names)) < len(names):
        parser.error("two guests with the same name")
    if arguments.clock == "icount" and arguments.accel == "kvm":
        parser.error("--clock icount needs TCG")
    if arguments.systemd and arguments.host != OWN_SUITE:
        parser.error(f"systemd is there with {OWN_SUITE} only")
    if "," in arguments.dom0_extra:
        parser.error("dom0's command line has no commas")
    if min(arguments.disk_iops, arguments.disk_bps) < 0 or arguments.time_limit < 1:
        parser.error("limits must be positive")
    needed = arguments.dom0_memory + XEN_OVERHEAD_MIB + sum(
        guest.memory + GUEST_OVERHEAD_MIB for guest in arguments.guests)
    if needed > arguments.host_memory:
        parser.error(f"dom0 and the guests need --host-memory {needed} or more")


# ---- what the machine is made of ----

def suite_images(suite):
    return IMAGES if suite == OWN_SUITE else IMAGES / suite


def dom0_programs(suite):
    build = PROJECT / "build"
    return (build if suite == OWN_SUITE else build / suite) / "dom0"


def other_kernels(arguments):
    return sorted({guest.kernel for guest in arguments.guests} & set(KERNELS))


def debug_kernels(arguments):
    return sorted({guest.kernel for guest in arguments.guests} & set(DEBUG_KERNELS))


def dom0_disk(arguments):
    return suite_images(arguments.host) / ("systemd.img" if arguments.systemd else "dom0.img")


def needed_files(arguments):
    host = suite_images(arguments.host)
    yield from (host / name for name in ["versions", "xen", "vmlinuz", "dom0.initramfs"])
    yield dom0_disk(arguments)
    yield IMAGES / "guest.img"
    for suite in other_kernels(arguments):
        yield suite_images(suite) / "vmlinux"


def read_versions(arguments):
    """The host's versions, and a complaint if there is nothing to boot."""
    if not all(path.exists() for path in needed_files(arguments)):
        others = {arguments.host, *other_kernels(arguments)} != {OWN_SUITE}
        target = "suites" if others else "systemd-image" if arguments.systemd else "images"
        raise RunError("usage", f"the images are missing: run `make {target}`")
    for kind in debug_kernels(arguments):
        if not (IMAGES / kind / "vmlinux.boot").exists():
            raise RunError("usage", f"there is no {kind} kernel: run mkimage/debug-kernel.sh {kind}")
    if not shutil.which(QEMU):
        raise RunError("usage", f"{QEMU} is missing: install qemu-system-x86")
    lines = (suite_images(arguments.host) / "versions").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def prepare_out(out):
    """An empty --out, so that no result of an earlier run can be taken for ours."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ["in", "console"]:
        shutil.rmtree(out / name, ignore_errors=True)
    for name in ["progress", "verdict", "serial.log", "run.json", "script.log",
                 "dom0-dmesg.log", "xen-dmesg.log", "xenstore-trace.log", "qemu.log"]:
        (out / name).unlink(missing_ok=True)
    (out / "progress").touch()


def stage(arguments, partitions):
    """Everything dom0 finds in /cagma/in."""
    share = arguments.out / "in"
    (share / "guests").mkdir(parents=True)
    shutil.copy(arguments.script, share / "script")
    if arguments.systemd:
        shutil.copy(arguments.systemd, share / "prepare")
    shutil.copy(HERE / "dom0-lib.sh", share / "lib.sh")
    (share / "settings").write_text(
        f"XENSTORE_TRACE={'yes' if arguments.xenstore_trace else ''}\n")
    for path in arguments.inputs:
        copy_into(share, path)
    (share / "bin").mkdir(exist_ok=True)
    programs = dom0_programs(arguments.host)
    if programs.is_dir() and not arguments.systemd:
        for path in programs.iterdir():
            copy_into(share / "bin", path)
    for kind in debug_kernels(arguments):
        folder = share / "kernels" / kind
        folder.mkdir(parents=True)
        copy_into(folder, IMAGES / kind / "vmlinux.boot")
    for suite in other_kernels(arguments):
        folder = share / "kernels" / suite
        folder.mkdir(parents=True)
        for name in ["vmlinux", "guest.initramfs"]:
            shutil.copy(suite_images(suite) / name, folder)
    for guest in arguments.guests:
        config = share / "guests" / f"{guest.name}.cfg"
        config.write_text(guest.xl_config(partitions[guest.name]))


def copy_into(folder, path):
    target = folder / path.resolve().name
    if path.is_dir():
        shutil.copytree(path, target)
    else:
        shutil.copy(path, target)


def make_shared_disk(guests):
    """The one disk the guests compete for, in memory: its speed is what
    --disk-iops says, not what this machine's disk is like, and it cannot be
    left behind. Returns its descriptor, or None, and every guest's partitions."""
    table, partitions = [], {}
    for guest in guests:
        partitions[guest.name] = mine = {}
        for name, size_mib in [("xvdb", guest.swap), ("xvdc", guest.data)]:
            if size_mib:
                table.append(f"size={size_mib}MiB")
                mine[name] = f"/dev/vdc{len(table)}"
    if not table:
        return None, partitions
    size_mib = sum(guest.swap + guest.data for guest in guests) + 4
    disk = os.memfd_create("cagma-shared-disk")
    os.truncate(disk, size_mib << 20)
    run_sfdisk(disk, "label: gpt\n" + "\n".join(table) + "\n")
    return disk, partitions


def run_sfdisk(disk, table):
    sfdisk = shutil.which("sfdisk", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if not sfdisk:
        raise RunError("usage", "sfdisk is missing: install fdisk")
    result = subprocess.run([sfdisk, "--quiet", f"/proc/self/fd/{disk}"], input=table,
                            pass_fds=[disk], text=True, capture_output=True, check=False)
    if result.returncode:
        raise RunError("usage", f"partitioning the shared disk: {result.stderr.strip()}")


# ---- QEMU ----

def accelerator_options(accel, clock):
    if accel == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    if clock == "icount":
        return ["-accel", "tcg,thread=single", "-cpu", TCG_CPU,
                "-icount", "shift=1,align=off,sleep=off"]
    return ["-accel", "tcg,thread=multi", "-cpu", TCG_CPU]


def machine_options(accel, clock, host_mib, serial):
    return [QEMU, "-machine", "q35", *accelerator_options(accel, clock), "-smp", str(CPUS),
            "-m", str(host_mib), "-display", "none", "-monitor", "none", "-nic", "none",
            "-no-reboot", "-serial", f"file:{escaped(serial)}"]


def boot_options(images, dom0_mib, dom0_extra, *initrd):
    """Xen as a multiboot kernel; a comma separates its modules."""
    xen = (f"console=com1 com1=115200,8n1 dom0_mem={dom0_mib}M,max:{dom0_mib}M "
           f"dom0_max_vcpus={CPUS} loglvl=warning guest_loglvl=warning")
    dom0 = f"{images / 'vmlinuz'} console=hvc0 loglevel=5 {WATCHDOG} panic=1 root=/dev/vda {dom0_extra}"
    return ["-kernel", str(images / "xen"), "-append", xen,
            "-initrd", ",".join([dom0, *map(str, initrd)])]


def dom0_words(arguments):
    """systemd's patience is meant for machines that aren't emulated."""
    if not arguments.systemd:
        return arguments.dom0_extra
    return "systemd.default_timeout_start_sec=900 " + arguments.dom0_extra


def disk_options(name, file, *settings, serial=""):
    drive = ",".join([f"if=none,id={name},format=raw,cache=unsafe,file={escaped(file)}",
                      *settings])
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive={name},serial={serial}"]


def share_options(name, path, *settings):
    device = ",".join([f"local,id={name},path={escaped(path)},security_model=none", *settings])
    return ["-fsdev", device, "-device", f"virtio-9p-pci,fsdev={name},mount_tag=cagma-{name}"]


def escaped(path):
    return str(path).replace(",", ",,")


def qemu_command(arguments, accel, shared_disk):
    out, images = arguments.out, suite_images(arguments.host)
    command = [
        *machine_options(accel, arguments.clock, arguments.host_memory, out / "serial.log"),
        *boot_options(images, arguments.dom0_memory, dom0_words(arguments),
                      images / "dom0.initramfs"),
        *disk_options("root", dom0_disk(arguments),
                      "snapshot=on" if arguments.systemd else "readonly=on"),
        *disk_options("guest", IMAGES / "guest.img", "readonly=on")]
    if shared_disk is not None:
        limits = {"iops-total": arguments.disk_iops, "bps-total": arguments.disk_bps}
        command += disk_options(
            "shared", f"/proc/self/fd/{shared_disk}",
            *[f"throttling.{name}={value}" for name, value in limits.items() if value])
    if arguments.systemd:
        command += disk_options("spare", dom0_disk(arguments), "snapshot=on", serial="spare")
    return [*command, *share_options("in", out / "in", "readonly=on"),
            *share_options("out", out)]


class Qemu:
    """A QEMU that does not outlive this process, whatever ends it."""

    def __init__(self, command, log, pass_fds=()):
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                pass_fds=pass_fds, start_new_session=True, preexec_fn=die_with_parent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def running(self):
        return self.process.poll() is None


LIBC = ctypes.CDLL(None)


def die_with_parent():
    pr_set_pdeathsig = 1
    LIBC.prctl(pr_set_pdeathsig, signal.SIGKILL)


# ---- does KVM really run Xen? ----

def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("CAGMA_CACHE") or Path(base) / "cagma")


def choose_accelerator(arguments):
    if arguments.clock == "icount" or arguments.accel == "tcg":
        return "tcg"
    if kvm_works(arguments.out):
        return "kvm"
    if arguments.accel == "kvm":
        raise RunError("usage", "KVM cannot run Xen on this machine (try --accel tcg)")
    return "tcg"


def kvm_works(out):
    """/dev/kvm may be there and still not run Xen: boot it. One answer per host boot."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    answer = cache_folder() / "kvm-probe.json"
    try:
        known = json.loads(answer.read_text())
        if known["boot_id"] == boot_id:
            return known["works"]
    except (OSError, ValueError, KeyError):
        pass
    works = probe_kvm(out)
    answer.parent.mkdir(parents=True, exist_ok=True)
    answer.write_text(json.dumps({"boot_id": boot_id, "works": works}) + "\n")
    return works


def probe_kvm(out):
    serial = out / "serial.log"
    command = [*machine_options("kvm", "wall", 1024, serial), *boot_options(IMAGES, 512, "")]
    deadline = time.monotonic() + KVM_PROBE_SECONDS
    with Qemu(command, out / "qemu.log") as qemu:
        while qemu.running() and time.monotonic() < deadline:
            if "Linux version" in read_text(serial):
                return True
            time.sleep(POLL_SECONDS)
    return False


# ---- watching a run ----

def read_text(path):
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


class Tail:
    """The complete lines that appear in a file."""

    def __init__(self, path):
        self.path, self.position, self.rest = path, 0, b""

    def lines(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self.position)
                new = file.read()
        except FileNotFoundError:
            return []
        self.position += len(new)
        *lines, self.rest = (self.rest + new).split(b"\n")
        return [line.decode(errors="replace").rstrip("\r") for line in lines]


class Terminal:
    """Lines stay; status lines (~) overwrite each other, or, where they cannot,
    appear now and then."""

    def __init__(self, quiet):
        self.quiet = quiet
        self.rewrites = sys.stdout.isatty()
        self.started = time.monotonic()
        self.status_shown = 0.0
        self.pending = False

    def show(self, line):
        if self.quiet:
            return
        if line.startswith("~"):
            self.show_status(line[1:])
        else:
            self.end_status()
            print(f"[{self.seconds():4.0f} s] {line}", flush=True)

    def show_status(self, text):
        if self.rewrites:
            width = shutil.get_terminal_size().columns - 1
            print("\r\x1b[K" + f"[{self.seconds():4.0f} s] {text}"[:width], end="", flush=True)
            self.pending = True
        elif time.monotonic() - self.status_shown >= QUIET_STATUS_SECONDS:
            self.status_shown = time.monotonic()
            print(f"[{self.seconds():4.0f} s] {text}", flush=True)

    def end_status(self):
        if self.pending:
            print(flush=True)
        self.pending = False

    def seconds(self):
        return time.monotonic() - self.started


def watch(qemu, arguments, terminal):
    """Returns when the machine has powered off; raises RunError if it comes to grief."""
    progress = Tail(arguments.out / "progress")
    serial = Tail(arguments.out / "serial.log")
    deadline = time.monotonic() + arguments.time_limit
    running = True
    while running:
        running = qemu.running()
        for line in progress.lines():
            terminal.show(line)
        for line in serial.lines():
            if crash := CRASH.search(line):
                raise RunError("crashed", crash.group(0))
        if running and time.monotonic() > deadline:
            raise RunError("time limit", f"not finished after {arguments.time_limit} s")
        time.sleep(POLL_SECONDS if running else 0)


def read_verdict(out):
    """(status, text) of a run whose machine has gone."""
    word, _, text = read_text(out / "verdict").strip().partition(" ")
    if word == "0":
        return "ok", text
    if word.isdigit():
        return "failed", text
    if word:
        return "crashed", text
    if shutil.disk_usage(out).free < 1 << 20:
        return "crashed", f"no space left for {out}"
    last = (read_text(out / "qemu.log") or read_text(out / "serial.log")).strip()
    return "crashed", "no verdict; last words: " + (last.splitlines() or ["none"])[-1]


def boot_and_watch(arguments, accel, terminal):
    shared_disk, partitions = make_shared_disk(arguments.guests)
    stage(arguments, partitions)
    command = qemu_command(arguments, accel, shared_disk)
    pass_fds = [] if shared_disk is None else [shared_disk]
    with Qemu(command, arguments.out / "qemu.log", pass_fds) as qemu:
        watch(qemu, arguments, terminal)
    return read_verdict(arguments.out)


# ---- the report ----

def write_report(arguments, accel, versions, seconds, status, text):
    xen = re.search(r"Xen version (\S+)", read_text(arguments.out / "serial.log"))
    qemu = subprocess.run([QEMU, "--version"], text=True, capture_output=True, check=False)
    report = {
        "status": status,
        "text": text,
        "accel": accel,
        "clock": arguments.clock,
        "xen": xen.group(1) if xen else versions["XEN_VERSION"],
        "dom0_kernel": versions["KERNEL_VERSION"],
        "guest_kernel": versions["KERNEL_VERSION"],
        "qemu": qemu.stdout.partition("\n")[0].removeprefix("QEMU emulator version "),
        "cores": os.cpu_count(),
        "seconds": round(seconds, 1),
        "host_memory_mib": arguments.host_memory,
        "dom0_memory_mib": arguments.dom0_memory,
        "disk_limits": {"iops": arguments.disk_iops, "bps": arguments.disk_bps},
        "guests": [asdict(guest) for guest in arguments.guests],
    }
    (arguments.out / "run.json").write_text(json.dumps(report, indent=1) + "\n")


def run(arguments, terminal):
    versions = read_versions(arguments)
    arguments.out = arguments.out.resolve()
    prepare_out(arguments.out)
    accel = choose_accelerator(arguments)
    terminal.show(f"booting Xen {versions['XEN_VERSION']} ({accel}, {arguments.clock} clock)")
    started = time.monotonic()
    status, text = "interrupted", "interrupted"
    try:
        status, text = boot_and_watch(arguments, accel, terminal)
    except RunError as error:
        status, text = error.status, str(error)
    finally:
        write_report(arguments, accel, versions, time.monotonic() - started, status, text)
    return status, text


def stop_on_signals():
    def stop(signum, _frame):
        for each in stoppers:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(signum)

    stoppers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    for each in stoppers:
        signal.signal(each, stop)


def main():
    arguments = parse_arguments()
    stop_on_signals()
    terminal = Terminal(arguments.quiet)
    try:
        status, text = run(arguments, terminal)
        code = EXIT[status]
    except RunError as error:
        status, text, code = error.status, str(error), EXIT[error.status]
    except Interrupted as error:
        status, text, code = "interrupted", f"by {error}", 128 + error.signum
    except OSError as error:
        status, text, code = "usage", f"{error.strerror}: {error.filename or arguments.out}", 2
    terminal.end_status()
    print(f"run: {status} after {terminal.seconds():.0f} s: {text}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
