# SPDX-License-Identifier: GPL-2.0-only
"""Boots real Xen for reaction-lib.sh, and reads what it leaves.

Virtual time counts instructions, so that the figures hardly depend on the machine.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import program

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
    spread_us: float    # from the first quartile to the third

    @classmethod
    def of(cls, values):
        """Nearest ranks: each is a value that was measured. ValueError if none was."""
        ordered = sorted(values)
        if not ordered:
            raise ValueError("nothing was measured")

        def rank(percent):
            return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]

        return cls(len(ordered), *map(rank, (50, 90, 99, 100)), rank(75) - rank(25))

    def row(self, name):
        return (f"{name:<28}{self.n:>6}{self.p50_us:>10.0f}{self.p90_us:>10.0f}"
                f"{self.p99_us:>10.0f}{self.max_us:>10.0f}")


# ---- booting ----

def boot(script, out, *more, clock="icount", time_limit=3600):
    """The exit status of mkimage/run.py: 0 if the script succeeded."""
    out.mkdir(parents=True, exist_ok=True)
    command = [PROJECT / "mkimage/run.py", "--script", PROJECT / script,
               "--in", PROJECT / "bench/reaction-lib.sh",
               "--in", PROJECT / "bench/reaction.conf",
               "--in", PROJECT / "build/bench/echo",
               "--out", out, "--clock", clock, "--time-limit", str(time_limit),
               "--dom0-memory", "512"]
    return program.wait_for([*command, *more])


def boot_honest(script, out, *more):
    """With guests "one" and "two", "floor" and what `more` asks for."""
    for name in "phases.jsonl", "trace.jsonl":
        (out / name).unlink(missing_ok=True)
    guests = ["--host-memory", "1536", "--guest", "floor,memory=128,maxmem=192,extra=cagma=off"]
    for name in HONEST:
        guests += ["--guest", f"{name},memory=128,maxmem=192"]
    return boot(script, out, *guests, *more)


# ---- what guests measured ----

def trials(text):
    """Of a guest's console: {(phase, route): Trials}, of runs that are complete."""
    found = {}
    for match in re.finditer(r"^REACTION-BEGIN (\S+) (\S+) (\d+)\r?$(.*?)"
                             r"^REACTION-END \1 \2\r?$", text, re.MULTILINE | re.DOTALL):
        phase, route, status, body = match.groups()
        found[phase, route] = Trials.parse(int(status), body)
    return found


@dataclass
class Trials:
    """A run of bench/reaction/trial.c."""
    status: int     # of the shell that started it: 0 if it came to its end
    lost: int       # trials without an answer
    ns: list        # of the others: applied, first page, satisfied; None: not asked for

    @classmethod
    def parse(cls, status, body):
        lost, ns = 0, []
        for word, *times in filter(None, map(str.split, body.splitlines())):
            if word == "lost":
                lost += 1
            elif word == "trial" and len(times) == 3:
                ns.append([None if time == "-" else int(time) for time in times])
        return cls(status, lost, ns)

    def us(self, metric):
        """`metric` 0: applied, 1: first page, 2: satisfied."""
        return [time[metric] / 1000 for time in self.ns if time[metric] is not None]


def marks(out):
    lines = (out / "phases.jsonl").read_text().splitlines()
    return {(mark["phase"], mark["at"]): mark for mark in map(json.loads, lines)}


def of_guests(out, begin, end):
    """What the honest guests' modules told the daemon between two marks."""
    data = (out / "trace.jsonl").read_bytes()[begin["trace_bytes"]:end["trace_bytes"]]
    return Distribution.of(reactions(data, HONEST))


def reactions(data, names):
    """The µs of `names`' emergencies in a piece of the daemon's trace."""
    events = []
    for line in data.splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue    # the piece begins or ends within a line
    return [event["us"] for event in events
            if event.get("ev") == "reaction" and event["name"] in names]


def of_floor(out, phase):
    """The bare channel in that phase."""
    log = (out / "console" / "guest-floor.log").read_text(errors="replace")
    run = trials(log).get((phase, "floor"))
    if not run or run.status or run.lost:
        raise SystemExit(f"no figures of the bare channel in {phase}")
    return Distribution.of(run.us(0))
