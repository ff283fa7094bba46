#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What a kick storm from one guest costs dom0, and the other guests.

Boots real Xen with virtual time that counts instructions, so that the figures
hardly depend on the machine. The emulated processors share that clock: while one
guest is busy, all others seem slower, whatever it does. So the storm is compared
with a guest that is as busy and doesn't kick. Prints a table and leaves
build/bench/storm.json. Exit status 0: all bars are met.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BUILD = PROJECT / "build"
OUT = BUILD / "bench" / "storm"

# Of one dom0 processor, beyond what it uses beside a busy guest.
CPU_PERCENT_MAX = 2.0
WAKEUPS_PER_S_MAX = 20
# p99 against that beside a busy guest, or a bare channel's under the same storm.
BUSY_RATIO_MAX = 2.0
FLOOR_RATIO_MAX = 1.5


@dataclass
class Distribution:
    n: int
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float

    @classmethod
    def of(cls, values):
        ordered = sorted(values)
        return cls(len(ordered), *(ordered[(len(ordered) - 1) * percent // 100]
                                   for percent in (50, 90, 99, 100)))

    def row(self, name):
        return (f"{name:<28}{self.n:>6}{self.p50_us:>10.0f}{self.p90_us:>10.0f}"
                f"{self.p99_us:>10.0f}{self.max_us:>10.0f}")


@dataclass
class Phase:
    seconds: float
    dom0_cpu_percent: float
    daemon_cpu_percent: float
    steps_per_s: float
    wakeups_per_s: float
    page: Distribution
    floor: Distribution


def boot():
    command = [PROJECT / "mkimage/run.py", "--script", PROJECT / "bench/storm-dom0.sh",
               "--in", PROJECT / "bench/storm.conf", "--in", BUILD / "bench/echo",
               "--out", OUT, "--clock", "icount", "--time-limit", "2400",
               "--host-memory", "1536", "--dom0-memory", "512"]
    for name in "one", "two":
        command += ["--guest", f"{name},memory=128,maxmem=192"]
    for name in "evil", "floor":
        command += ["--guest", f"{name},memory=128,maxmem=192,extra=cagma=off"]
    return subprocess.run(command, check=False).returncode


def marks():
    lines = (OUT / "phases.jsonl").read_text().splitlines()
    return {(mark["phase"], mark["at"]): mark for mark in map(json.loads, lines)}


def reactions(begin, end):
    """What the honest guests' kernels measured in between, in µs."""
    data = (OUT / "trace.jsonl").read_bytes()[begin["trace_bytes"]:end["trace_bytes"]]
    events = []
    for line in data.splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue    # the mark fell into a line
    return [event["us"] for event in events
            if event.get("ev") == "reaction" and event["name"] in ("one", "two")]


def floor(phase):
    """floor.ko's own account of that phase."""
    log = (OUT / "console" / "guest-floor.log").read_text(errors="replace")
    for line in log.splitlines():
        words = line.split()
        if words[:2] == ["FLOOR", phase]:
            n, *ns = map(int, words[2:])
            return Distribution(n, *(value / 1000 for value in ns))
    raise SystemExit(f"storm: no figures of the bare channel in {phase}")


def phase(all_marks, name):
    begin, end = all_marks[name, "begin"], all_marks[name, "end"]
    seconds = end["now_s"] - begin["now_s"]
    steps_s = end["steps_at_s"] - begin["steps_at_s"]
    return Phase(
        seconds,
        100 * (end["dom0_cpu_s"] - begin["dom0_cpu_s"]) / seconds,
        100 * (end["daemon_cpu_s"] - begin["daemon_cpu_s"]) / seconds,
        (end["steps"] - begin["steps"]) / steps_s,
        (end["kicks"] - begin["kicks"]) / seconds,
        Distribution.of(reactions(begin, end)), floor(name))


def judge(busy, storm):
    cpu = storm.dom0_cpu_percent - busy.dom0_cpu_percent
    to_busy = storm.page.p99_us / busy.page.p99_us
    to_floor = storm.page.p99_us / storm.floor.p99_us
    return [
        (f"dom0 processor for the kicks: {cpu:.1f} % (at most {CPU_PERCENT_MAX:.0f} %)",
         cpu <= CPU_PERCENT_MAX),
        (f"wake-ups by the storm: {storm.wakeups_per_s:.1f}/s (at most {WAKEUPS_PER_S_MAX})",
         storm.wakeups_per_s <= WAKEUPS_PER_S_MAX * 1.05),
        (f"others' p99: {to_busy:.2f} x beside a busy guest (below {BUSY_RATIO_MAX}), or "
         f"{to_floor:.2f} x the bare channel's (at most {FLOOR_RATIO_MAX})",
         to_busy < BUSY_RATIO_MAX or to_floor <= FLOOR_RATIO_MAX),
    ]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name in "phases.jsonl", "trace.jsonl":
        (OUT / name).unlink(missing_ok=True)
    if status := boot():
        return status
    all_marks = marks()
    phases = {name: phase(all_marks, name) for name in ("quiet", "busy", "storm")}
    bars = judge(phases["busy"], phases["storm"])
    print(f"{'virtual µs':<28}{'n':>6}{'p50':>10}{'p90':>10}{'p99':>10}{'max':>10}")
    for name, each in phases.items():
        print(each.page.row(f"{name}: honest guests"))
        print(each.floor.row(f"{name}: bare event channel"))
    print(f"the storm: {phases['storm'].steps_per_s:.0f} kicks/s")
    for name, each in phases.items():
        print(f"{name}: dom0 uses {each.dom0_cpu_percent:.1f} % of a processor, "
              f"cagmad {each.daemon_cpu_percent:.1f} % of it")
    for text, met in bars:
        print(f"{'ok' if met else 'MISSED'}: {text}")
    (BUILD / "bench/storm.json").write_text(json.dumps(
        {"phases": {name: asdict(each) for name, each in phases.items()},
         "bars": [{"text": text, "met": met} for text, met in bars]}, indent=1) + "\n")
    return 0 if all(met for _, met in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
