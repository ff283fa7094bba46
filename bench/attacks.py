#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What each attack of a guest costs dom0, and the honest guests beside it.

The emulated processors share their clock, so that a busy attacker slows all others
whatever it does: an attack that takes longer than twice the quiet time is compared
with a bare event channel under the same attack, and a storm of kicks with a guest that
is as busy and doesn't kick. ATTACKS="busy storm" plays these alone. Prints a table and
leaves build/bench/attacks.json. Exit status 0: all bars are met.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import reaction

PROJECT = Path(__file__).resolve().parents[1]
BUILD = PROJECT / "build"
OUT = BUILD / "bench" / "attacks"

# What tests/hostile/hostile.c plays for as long as it is let.
ATTACKS = ("honest", "magic", "gref-unused", "port-unused", "revoked", "odd", "race",
           "ones", "backwards", "jump", "head-back", "scribble", "mailbox", "unknown",
           "full-ring", "busy", "storm", "distress", "idle", "empty", "time", "close")
PHASE_S = 30
# As many of the bare channel's answers as of the two guests', which ask ten times a second.
FLOOR_INTERVAL_US = 50000
FLOOR_PINGS = PHASE_S * 1_000_000 // FLOOR_INTERVAL_US
# p99 against that in quiet, or a bare channel's under the same attack.
QUIET_RATIO_MAX = 2.0
FLOOR_RATIO_MAX = 1.5
# Of one dom0 processor, by a storm of kicks, beyond what it uses beside a busy guest.
CPU_PERCENT_MAX = 2.0
WAKEUPS_PER_S_MAX = 20


@dataclass
class Phase:
    seconds: float
    dom0_cpu_percent: float
    daemon_cpu_percent: float
    steps_per_s: float
    wakeups_per_s: float
    page: reaction.Distribution
    floor: reaction.Distribution


def boot(attacks):
    OUT.mkdir(parents=True, exist_ok=True)
    conf = OUT / "attacks.conf"
    conf.write_text(f"ATTACKS='{' '.join(attacks)}'\nPHASE_S={PHASE_S}\n"
                    f"FLOOR_PINGS={FLOOR_PINGS}\nFLOOR_INTERVAL_US={FLOOR_INTERVAL_US}\n")
    return reaction.boot_honest("bench/attacks-dom0.sh", OUT, "--in", conf,
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


def judge(name, each, quiet):
    to_quiet = each.page.p99_us / quiet.page.p99_us
    to_floor = each.page.p99_us / each.floor.p99_us
    return (f"{name}: p99 {to_quiet:.2f} x in quiet (below {QUIET_RATIO_MAX}), or "
            f"{to_floor:.2f} x the bare channel's (at most {FLOOR_RATIO_MAX})",
            to_quiet < QUIET_RATIO_MAX or to_floor <= FLOOR_RATIO_MAX)


def judge_storm(busy, storm):
    cpu = storm.dom0_cpu_percent - busy.dom0_cpu_percent
    return [
        (f"storm: dom0 processor for the kicks: {cpu:.1f} % "
         f"(at most {CPU_PERCENT_MAX:.0f} %)", cpu <= CPU_PERCENT_MAX),
        (f"storm: wake-ups: {storm.wakeups_per_s:.1f}/s (at most {WAKEUPS_PER_S_MAX})",
         storm.wakeups_per_s <= WAKEUPS_PER_S_MAX * 1.05),
    ]


def main():
    attacks = os.environ.get("ATTACKS", " ".join(ATTACKS)).split()
    if status := boot(attacks):
        return status
    all_marks = reaction.marks(OUT)
    phases = {name: phase(all_marks, name) for name in ("quiet", *attacks)}
    print(reaction.HEAD)
    for name, each in phases.items():
        print(each.page.row(f"{name}: honest guests"))
        print(each.floor.row(f"{name}: bare event channel"))
    for name, each in phases.items():
        print(f"{name}: dom0 uses {each.dom0_cpu_percent:.1f} % of a processor, cagmad "
              f"{each.daemon_cpu_percent:.1f} % of it; {each.steps_per_s:.0f} steps/s")
    bars = [judge(name, phases[name], phases["quiet"]) for name in attacks]
    if "busy" in phases and "storm" in phases:
        bars += judge_storm(phases["busy"], phases["storm"])
    for text, met in bars:
        print(f"{'ok' if met else 'MISSED'}: {text}")
    (BUILD / "bench/attacks.json").write_text(json.dumps(
        {"phases": {name: asdict(each) for name, each in phases.items()},
         "bars": [{"text": text, "met": met} for text, met in bars]}, indent=1) + "\n")
    return 0 if all(met for _, met in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
