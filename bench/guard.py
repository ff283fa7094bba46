#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Whether something has become clearly slower: ratios, against bench/guard.json.

Absolute times say what machine this is; a ratio inside one run says what the code
is. One short boot of real Xen, in virtual time: how soon a guest is answered, over the
bare event channel; and, with the daemon's code on a fake hypervisor in dom0, what a
guest among many costs, over one among few. The guest is then answered by a daemon that
was made slower: the guard has to see that. Prints a line per ratio and the sum. Exit
status 0: none is above what is expected by more than its margin.
"""

import json
import sys
from pathlib import Path

import reaction
from reaction import Distribution

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build"
OUT = BUILD / "bench" / "guard"
EXPECTED = HERE / "guard.json"
GUEST = "pv,kind=pv,memory=256,maxmem=512,extra=cagma=off"
# ROUNDS GROUPS SMALL LARGE INTERVAL_US of bench/reaction/trial.c.
MOVES, FLOOR = "5 1 10 0 57000", "1 1 100 0 20000"
FEW, MANY = 64, 256
N_MIN = 50
PAGE = "page_to_floor_p90"


def boot():
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "pass.jsonl").unlink(missing_ok=True)
    conf = OUT / "guard.conf"
    conf.write_text(f"MOVES='{MOVES}'\nFLOOR='{FLOOR}'\nGUESTS_MAX={MANY}\n")
    return reaction.boot(
        "bench/guard-dom0.sh", OUT, "--in", conf, "--in", BUILD / "bench/scale",
        "--in", BUILD / "tests/cagmad-slow", "--in", HERE / "reaction/cagmad.conf",
        "--host-memory", "1280", "--guest", GUEST, time_limit=900)


def scale_ratios(text):
    """Of the cost per guest, from the lines of bench/scale.c. KeyError if a size is
    missing."""
    cost = {}
    for line in text.splitlines():
        row = json.loads(line)
        guests = row["guests"]
        cost[guests] = {key: row[f"{key}_ns"] / guests for key in ("pass", "read")}
    return {f"{key}_{MANY}_to_{FEW}_guests": cost[MANY][key] / cost[FEW][key]
            for key in ("pass", "read")}


def reaction_ratio(text, phase):
    """How soon the guest was answered in that phase, over the bare channel; None if
    that is too few trials, or some got no answer. From the guest's console."""
    found = reaction.trials(text)
    runs = [found.get((phase, "page")), found.get(("daemon", "floor"))]
    if not all(run and not run.status and not run.lost and len(run.ns) >= N_MIN
               for run in runs):
        return None
    # On the emulator half of all answers, by chance, take 30 µs longer; of those is the
    # p90, and not this time the one half's, that time the other's.
    page, floor = (Distribution.of(run.us(0)).p90_us for run in runs)
    print(f"{phase}: page {page:.0f} µs, floor {floor:.0f} µs,"
          f" n {len(runs[0].ns)} and {len(runs[1].ns)}")
    return page / floor


def judge(expected, measured):
    """(name, value, most, ok) of each; one that was not measured has failed."""
    rows = []
    for name, limits in expected.items():
        most = limits["expected"] * limits["margin"]
        value = measured.get(name)
        rows.append((name, value, most, value is not None and value <= most))
    return rows


def judge_control(expected, ratio):
    """Of the daemon that is slower on purpose: it has to be judged so."""
    (_, value, most, ok), = judge({PAGE: expected[PAGE]}, {PAGE: ratio})
    return "sees_a_slower_daemon", value, most, value is not None and not ok


def report(rows):
    for name, value, most, ok in rows:
        text = "not measured" if value is None else f"{value:.3f}"
        print(f"{'ok' if ok else 'not ok'} guard_{name}: {text} (limit {most:.3f})")
    failed = sum(not ok for *_, ok in rows)
    print(f"{len(rows) - failed} passed, {failed} failed, 0 skipped")
    return failed == 0


def main():
    expected = json.loads(EXPECTED.read_text())
    if boot():
        print("guard.py: the boot failed", file=sys.stderr)
        return 1
    console = (OUT / "console/guest-pv.log").read_text(errors="replace")
    measured = scale_ratios((OUT / "pass.jsonl").read_text())
    measured[PAGE] = reaction_ratio(console, "daemon")
    slow = reaction_ratio(console, "slow")
    (OUT / "measured.json").write_text(
        json.dumps({**measured, "slow": slow}, indent=1) + "\n")
    return 0 if report([*judge(expected, measured), judge_control(expected, slow)]) else 1


if __name__ == "__main__":
    sys.exit(main())
