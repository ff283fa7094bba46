# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of reports have in common: pieces of runs that never were, and how a
test program ends."""

import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

FACTS = {"accel": "tcg", "clock": "icount", "cores": 2, "xen": "4.17",
         "dom0_kernel": "6.1", "guest_kernel": "6.1", "qemu": "7.2"}


# ---- a guest's console ----

def line(mark, **fields):
    return f"@{mark} {json.dumps(fields)}\r\n"


def counters(workload, swapped=0, requests=0, before=0):
    """A guest's before and after. `before`: what had been swapped out already."""
    start = {"workload": workload, "pswpin": 0, "oom_kill": 0, "writes": 5}
    return (line("S", when="start", at_ms=0, pswpout=before, reads=10, **start),
            line("S", when="end", at_ms=2000, pswpout=before + swapped,
                 reads=10 + requests, **start))


def end(workload, rounds, **more):
    return line("E", workload=workload, rounds=rounds, killed=0, failed=0, ok=True,
                expected_rounds=rounds, limit_reached=False, **more)


# ---- the daemon's trace ----

def trace(began_ms, names, sizes, more=(), **ending):
    """`sizes`: (ms since the daemon's start, MiB, pages swapped out) of each guest."""
    events = [{"t_ms": 0, "ev": "start", "wall_ms": began_ms - 1000}]
    for t_ms, mib, swapped in sizes:
        events.append({"t_ms": t_ms, "ev": "host", "free_kib": 1000, "reserve_kib": 1})
        for name in names:
            events.append({
                "t_ms": t_ms, "ev": "guest", "name": name, "alloc_kib": mib * 1024,
                "avail_kib": 1, "target_kib": mib * 1024, "swap_in": 0,
                "swap_out": swapped,
            })
    events += more
    events.append({"t_ms": 4000, "ev": "end", "emergencies": 0, "answered": 0,
                   "target_changes": 1, "invariant_violations": 0, "lost": 0, **ending})
    return "".join(json.dumps(event) + "\n" for event in events)


def main():
    """Of a test program: its tests, and their sum."""
    result = unittest.main(exit=False, verbosity=0).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad - len(result.skipped)} passed, {bad} failed,"
          f" {len(result.skipped)} skipped")
    sys.exit(bad > 0)
