#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""growth.py [KERNEL]: how fast the stock balloon is, and how a program fares that
takes 300 MiB at a steady rate.

Boots real Xen with virtual time that counts instructions. "oracle" has all memory
from the start; "cagma" begins with 224 MiB. When memory is tight it must come from
a donor first, and "periodic" is the same policy without emergencies. KERNEL is the
growing guest's: stock, or bullseye or trixie. Prints a table and leaves
build/bench/growth.json, or growth-KERNEL.json. Exit status 0: all bars are met.
"""

import json
import re
import statistics
import sys
from pathlib import Path

import program

PROJECT = Path(__file__).resolve().parents[1]
BUILD = PROJECT / "build"
OUT = BUILD / "bench" / "growth"

GROWN_PAGES = 300 * 256
FRESH_RATES = (100, 200, 400)
RATES = (50, 100, 200, 400)
TIGHT_RATES = (100, 200)
# Time, against that with all memory from the start.
TIME_RATIO_MAX = {50: 1.03, 100: 1.03, 200: 1.25}
# Pages swapped out, of those that are allocated.
SWAP_MAX = {50: 0, 100: 0, 200: 0, 400: GROWN_PAGES // 100}
# Pages swapped out, of those that the periodic policy has.
TIGHT_SWAP_RATIO_MAX = 0.05


def boot(kernel):
    return program.wait_for(
        [PROJECT / "mkimage/run.py", "--script", PROJECT / "bench/growth-dom0.sh",
         "--out", OUT, "--clock", "icount", "--time-limit", "3600",
         "--host-memory", "1664", "--dom0-memory", "512",
         "--in", BUILD / "bench/balloon",
         "--guest", f"grow,memory=224,maxmem=640,swap=384,kernel={kernel}",
         "--guest", "donor,memory=512,maxmem=512"])


def runs():
    log = (OUT / "console" / "guest-grow.log").read_text(errors="replace")
    found = re.findall(r"^RUN ([a-z]+-[a-z]+-[0-9]+) @G (\{.*\}) END", log, re.MULTILINE)
    return {name: json.loads(text) for name, text in found}


def balloon():
    """By MiB, negative if given back: rates in MiB/s, and the first pages' times in us."""
    moves = {}
    for line in (OUT / "balloon").read_text().splitlines():
        move = json.loads(line)
        of = moves.setdefault(move["mib"], {"mib_s": [], "first_us": []})
        of["mib_s"].append(round(abs(move["mib"]) * 1e6 / move["us"], 1))
        of["first_us"].append(move["first_us"])
    return moves


def print_balloon(moves):
    print(f"{'stock balloon, MiB':<24}{'MiB/s':>10}{'slowest':>10}{'first page, us':>16}"
          f"{'n':>5}")
    for mib, of in sorted(moves.items()):
        print(f"{mib:<+24}{statistics.median(of['mib_s']):>10.0f}{min(of['mib_s']):>10.0f}"
              f"{statistics.median(of['first_us']):>16.0f}{len(of['mib_s']):>5}")


def swap_bar(what, run, most):
    swapped = run["swapped_out"]
    return f"{what}: {swapped} pages swapped out (at most {most})", swapped <= most


def judge(all_runs):
    bars = [swap_bar(f"{rate} MiB/s, never grown before", all_runs[f"fresh-cagma-{rate}"],
                     SWAP_MAX[rate]) for rate in FRESH_RATES]
    for rate in RATES:
        run, oracle = all_runs[f"ample-cagma-{rate}"], all_runs[f"ample-oracle-{rate}"]
        bars.append(swap_bar(f"{rate} MiB/s", run, SWAP_MAX[rate]))
        if most := TIME_RATIO_MAX.get(rate):
            ratio = run["us"] / oracle["us"]
            bars.append((f"{rate} MiB/s: {ratio:.3f} x the time with all memory "
                         f"(at most {most})", ratio <= most))
    for rate in TIGHT_RATES:
        run, periodic = all_runs[f"tight-cagma-{rate}"], all_runs[f"tight-periodic-{rate}"]
        most = TIGHT_SWAP_RATIO_MAX * periodic["swapped_out"]
        bars.append((f"{rate} MiB/s, from a donor: {run['swapped_out']} pages swapped out "
                     f"(at most {most:.0f}: periodic has {periodic['swapped_out']})",
                     0 < periodic["swapped_out"] and run["swapped_out"] <= most))
    return bars


def main():
    kernel = sys.argv[1] if sys.argv[1:] else "stock"
    OUT.mkdir(parents=True, exist_ok=True)
    if status := boot(kernel):
        return status
    all_runs, moves = runs(), balloon()
    print_balloon(moves)
    print(f"{'':<24}{'ms':>10}{'swapped out':>14}{'swapped in':>14}{'stalls':>8}")
    for name, run in all_runs.items():
        print(f"{name:<24}{run['us'] / 1000:>10.1f}{run['swapped_out']:>14}"
              f"{run['swapped_in']:>14}{run['stalls']:>8}")
    bars = judge(all_runs)
    for text, met in bars:
        print(f"{'ok' if met else 'MISSED'}: {text}")
    result = "growth.json" if kernel == "stock" else f"growth-{kernel}.json"
    (BUILD / "bench" / result).write_text(json.dumps(
        {"balloon": moves, "runs": all_runs, "bars": [{"text": text, "met": met} for text, met in bars]},
        indent=1) + "\n")
    return 0 if all(met for _, met in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
