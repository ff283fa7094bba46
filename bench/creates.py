#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What it costs running guests when domains are created and destroyed.

CYCLES times (20 unless the environment says so) memory is reserved that a donor has
just used, a domain is created with it, and destroyed. Prints a table and leaves
build/bench/creates.json. Exit status 0: all bars are met.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import reaction

PROJECT = Path(__file__).resolve().parents[1]
BUILD = PROJECT / "build"
OUT = BUILD / "bench" / "creates"

CYCLES = int(os.environ.get("CYCLES", "20"))
# The floor's pings are sent in a steady rhythm; so many fit into a cycle.
PINGS_PER_CYCLE = 50
PINGS_MAX = 4096
# Guests' p99 against that of the bare channel under the same load.
FLOOR_RATIO_MAX = 1.3


def boot():
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "creates.jsonl").unlink(missing_ok=True)
    conf = OUT / "creates.conf"
    conf.write_text(f"CYCLES={CYCLES}\n"
                    f"PINGS={min(PINGS_MAX, CYCLES * PINGS_PER_CYCLE)}\n")
    return reaction.boot_honest(
        "bench/creates-dom0.sh", OUT, "--in", conf,
        "--guest", "donor,memory=128,maxmem=512,swap=512",
        "--guest", "new,memory=256,maxmem=256,extra=cagma=off")


def judge(page, floor, creates):
    ratio = page.p99_us / floor.p99_us
    failed = sum(not (each["reserved"] and each["created"]) for each in creates)
    collected = sum(each["free_mib"] < 256 for each in creates)
    return [
        (f"{len(creates)} of {CYCLES} domains were created, {failed} failed",
         len(creates) == CYCLES and not failed),
        (f"{collected} of them with memory that was not free before",
         collected == CYCLES),
        (f"guests' p99: {ratio:.2f} x the bare channel's (at most {FLOOR_RATIO_MAX})",
         ratio <= FLOOR_RATIO_MAX),
    ]


def main():
    if status := boot():
        return status
    all_marks = reaction.marks(OUT)
    lines = (OUT / "creates.jsonl").read_text().splitlines()
    creates = [json.loads(line) for line in lines]
    phases = {}
    print(reaction.HEAD)
    for name in "quiet", "creates":
        page = reaction.of_guests(OUT, all_marks[name, "begin"], all_marks[name, "end"])
        floor = reaction.of_floor(OUT, name)
        phases[name] = {"page": page, "floor": floor}
        print(page.row(f"{name}: honest guests"))
        print(floor.row(f"{name}: bare event channel"))
    waits = sorted(each["ready_s"] - each["began_s"] for each in creates)
    print(f"reserving took {waits[len(waits) // 2]:.1f} s (median), "
          f"{waits[-1]:.1f} s at most")
    bars = judge(phases["creates"]["page"], phases["creates"]["floor"], creates)
    for text, met in bars:
        print(f"{'ok' if met else 'MISSED'}: {text}")
    (BUILD / "bench/creates.json").write_text(json.dumps(
        {"phases": {name: {who: asdict(figures) for who, figures in each.items()}
                    for name, each in phases.items()},
         "creates": creates,
         "bars": [{"text": text, "met": met} for text, met in bars]}, indent=1) + "\n")
    return 0 if all(met for _, met in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
