#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Whether something has become clearly slower: ratios, against bench/guard.json.

Absolute times say what machine this is; a ratio inside one run says what the code
is. One short boot of real Xen, in virtual time, runs the daemon's code on a fake
hypervisor in dom0: what a guest among many costs, against a guest among few. Prints a
line per ratio and the sum. Exit status 0: none is above what is expected by more than
its margin.
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
OUT = PROJECT / "build" / "bench" / "guard"
EXPECTED = HERE / "guard.json"
FEW, MANY = 64, 1024


def boot():
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "pass.jsonl").unlink(missing_ok=True)
    return subprocess.run(
        [PROJECT / "mkimage/run.py", "--script", HERE / "guard-dom0.sh",
         "--in", PROJECT / "build/bench/scale", "--out", OUT, "--clock", "icount",
         "--host-memory", "1024", "--dom0-memory", "768"], check=False).returncode


def ratios(text):
    """Of the cost per guest, from the lines of bench/scale.c. KeyError if a size is
    missing."""
    cost = {}
    for line in text.splitlines():
        row = json.loads(line)
        guests = row["guests"]
        cost[guests] = {key: row[f"{key}_ns"] / guests for key in ("pass", "read")}
        print(f"{guests:>5} guests: {cost[guests]['pass']:.0f} ns each in a pass,"
              f" {cost[guests]['read']:.0f} ns in a reading, n {row['n']}")
    return {f"{key}_{MANY}_to_{FEW}_guests": cost[MANY][key] / cost[FEW][key]
            for key in ("pass", "read")}


def judge(expected, measured):
    """(name, value, most, ok) of each; one that was not measured has failed."""
    rows = []
    for name, limits in expected.items():
        most = limits["expected"] * limits["margin"]
        value = measured.get(name)
        rows.append((name, value, most, value is not None and value <= most))
    return rows


def report(rows):
    for name, value, most, ok in rows:
        text = "not measured" if value is None else f"{value:.3f}"
        print(f"{'ok' if ok else 'not ok'} guard_{name}: {text} (at most {most:.3f})")
    failed = sum(not ok for *_, ok in rows)
    print(f"{len(rows) - failed} passed, {failed} failed, 0 skipped")
    return failed == 0


def main():
    expected = json.loads(EXPECTED.read_text())
    if boot():
        print("guard.py: the boot failed", file=sys.stderr)
        return 1
    measured = ratios((OUT / "pass.jsonl").read_text())
    (OUT / "measured.json").write_text(json.dumps(measured, indent=1) + "\n")
    return 0 if report(judge(expected, measured)) else 1


if __name__ == "__main__":
    sys.exit(main())
