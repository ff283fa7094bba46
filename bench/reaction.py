# SPDX-License-Identifier: GPL-2.0-only
"""Boots real Xen for reaction-lib.sh, and reads what it leaves.

Virtual time counts instructions, so that the figures hardly depend on the machine.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
HONEST = ("one", "two")
HEAD = f"{'virtual µs':<28}{'n':>6}{'p50':>10}{'p90':>10}{'p99':>10}{'max':>10}"


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


def boot(script, out, *more):
    """The honest guests, "floor" and what `more` asks for. The exit status."""
    out.mkdir(parents=True, exist_ok=True)
    for name in "phases.jsonl", "trace.jsonl":
        (out / name).unlink(missing_ok=True)
    command = [PROJECT / "mkimage/run.py", "--script", PROJECT / script,
               "--in", PROJECT / "bench/reaction-lib.sh",
               "--in", PROJECT / "bench/reaction.conf",
               "--in", PROJECT / "build/bench/echo",
               "--out", out, "--clock", "icount", "--time-limit", "3600",
               "--host-memory", "1536", "--dom0-memory", "512",
               "--guest", "floor,memory=128,maxmem=192,extra=cagma=off"]
    for name in HONEST:
        command += ["--guest", f"{name},memory=128,maxmem=192"]
    return subprocess.run([*command, *more], check=False).returncode


def marks(out):
    lines = (out / "phases.jsonl").read_text().splitlines()
    return {(mark["phase"], mark["at"]): mark for mark in map(json.loads, lines)}


def of_guests(out, begin, end):
    """What the honest guests' kernels measured between two marks."""
    data = (out / "trace.jsonl").read_bytes()[begin["trace_bytes"]:end["trace_bytes"]]
    events = []
    for line in data.splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue    # the mark fell into a line
    return Distribution.of([event["us"] for event in events if
                            event.get("ev") == "reaction" and event["name"] in HONEST])


def of_floor(out, phase):
    """floor.ko's own account of that phase."""
    log = (out / "console" / "guest-floor.log").read_text(errors="replace")
    for line in log.splitlines():
        words = line.split()
        if words[:2] == ["FLOOR", phase]:
            n, *ns = map(int, words[2:])
            return Distribution(n, *(value / 1000 for value in ns))
    raise SystemExit(f"no figures of the bare channel in {phase}")
