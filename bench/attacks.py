#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""How fast honest guests are served while another one attacks dom0, for each attack.

The emulated processors share their clock, so that a busy attacker slows all others
whatever it does: an attack that takes longer than twice the quiet time is compared
with a bare event channel under the same attack. Prints a table and leaves
build/bench/attacks.json. Exit status 0: all bars are met.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import reaction

PROJECT = Path(__file__).resolve().parents[1]
BUILD = PROJECT / "build"
OUT = BUILD / "bench" / "attacks"

# What tests/hostile/hostile.c plays for as long as it is let.
ATTACKS = ("honest", "magic", "gref-unused", "port-unused", "revoked", "odd", "race",
           "ones", "backwards", "jump", "head-back", "scribble", "mailbox", "unknown",
           "full-ring", "storm", "distress", "idle", "empty", "time", "close")
PHASE_S = 20
FLOOR_PINGS = 200
# p99 against that in quiet, or a bare channel's under the same attack.
QUIET_RATIO_MAX = 2.0
FLOOR_RATIO_MAX = 1.5


def boot():
    OUT.mkdir(parents=True, exist_ok=True)
    conf = OUT / "attacks.conf"
    conf.write_text(f"ATTACKS='{' '.join(ATTACKS)}'\nPHASE_S={PHASE_S}\n"
                    f"FLOOR_PINGS={FLOOR_PINGS}\n")
    return reaction.boot("bench/attacks-dom0.sh", OUT, "--in", conf,
                         "--guest", "evil,memory=128,maxmem=192,extra=cagma=off")


def judge(name, quiet, page, floor):
    to_quiet, to_floor = page.p99_us / quiet.p99_us, page.p99_us / floor.p99_us
    return (f"{name}: p99 {to_quiet:.2f} x in quiet (below {QUIET_RATIO_MAX}), or "
            f"{to_floor:.2f} x the bare channel's (at most {FLOOR_RATIO_MAX})",
            to_quiet < QUIET_RATIO_MAX or to_floor <= FLOOR_RATIO_MAX)


def main():
    if status := boot():
        return status
    all_marks = reaction.marks(OUT)
    phases = {}
    print(reaction.HEAD)
    for name in ("quiet", *ATTACKS):
        page = reaction.of_guests(OUT, all_marks[name, "begin"], all_marks[name, "end"])
        floor = reaction.of_floor(OUT, name)
        phases[name] = (page, floor)
        print(page.row(f"{name}: honest guests"))
        print(floor.row(f"{name}: bare event channel"))
    quiet = phases["quiet"][0]
    bars = [judge(name, quiet, *phases[name]) for name in ATTACKS]
    for text, met in bars:
        print(f"{'ok' if met else 'MISSED'}: {text}")
    (BUILD / "bench/attacks.json").write_text(json.dumps(
        {"phases": {name: {"page": asdict(page), "floor": asdict(floor)}
                    for name, (page, floor) in phases.items()},
         "bars": [{"text": text, "met": met} for text, met in bars]}, indent=1) + "\n")
    return 0 if all(met for _, met in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
