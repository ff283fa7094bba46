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
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import reaction

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
class Phase:
    seconds: float
    dom0_cpu_percent: float
    daemon_cpu_percent: float
    steps_per_s: float
    wakeups_per_s: float
    page: reaction.Distribution
    floor: reaction.Distribution


def boot():
    return reaction.boot("bench/storm-dom0.sh", OUT,
                         "--guest", "evil,memory=128,maxmem=192,extra=cagma=off")


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
        reaction.of_guests(OUT, begin, end), reaction.of_floor(OUT, name))


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
    if status := boot():
        return status
    all_marks = reaction.marks(OUT)
    phases = {name: phase(all_marks, name) for name in ("quiet", "busy", "storm")}
    bars = judge(phases["busy"], phases["storm"])
    print(reaction.HEAD)
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
