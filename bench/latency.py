#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""How long a guest that needs memory waits for it, by each route and under each load.

Boots real Xen once for each load, in virtual time as many boots side by side as there
are processors. A boot that fails, or is interrupted, keeps what it has measured: the next
run measures only what is missing. Prints a table and leaves build/bench/latency.json.
Exit status 0: all is there and all bars are met; 1: a bar is missed; 2: something is
missing, and named.

CLOCK=wall measures in real time. ONLY="idle create_loop", GUESTS=pv and ROUTES="floor
page" measure no more than that now; LARGE=0 nothing of "satisfied", in half the time;
TRIALS=132 a third of the trials, and says that they are too few. DOM0="WORDS" adds to
dom0's kernel command line.
--report makes the report again from what is there. --read FILE...: of consoles, or
what guests of a Xen host printed (docs/benchmarks.md), a table and no more.
"""

import argparse
import hashlib
import json
import os
import sys
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import program
import reaction
from reaction import Distribution

PROJECT = Path(__file__).resolve().parents[1]
BUILD = PROJECT / "build"
OUT = BUILD / "bench" / "latency"

ROUTES = ("floor", "page", "vchan", "xenstore")
METRICS = ("applied", "first_page", "satisfied")
N_MIN = {"applied": 300, "first_page": 100, "satisfied": 30}
# What a round takes is 456 MiB; the daemon gives 128 beyond what is used.
GUESTS = {"pv": "pv,kind=pv,memory=256,maxmem=768,extra=cagma=off",
          # All its memory from the start: there is no populating on demand. With huge pages
          # a kernel keeps tens of MiB on lists of its processor, where nobody counts them,
          # and what a trial takes from there is no need that dom0 sees.
          "pvh": "pvh,kind=pvh,memory=768,maxmem=768,"
                 "extra=cagma=off transparent_hugepage=never"}
# ROUNDS GROUPS SMALL LARGE INTERVAL_US of bench/reaction/trial.c. dom0 wakes up for a
# guest twenty times a second at most, and what grew by 128 MiB in half a second has
# more than that from the daemon: large trials are not next to each other.
GROUP, GROUPS = 11, 4
ROUNDS = -(-int(os.environ.get("TRIALS", "352")) // (GROUP * GROUPS))
LARGE = int(os.environ.get("LARGE", "1"))
DOM0 = os.environ.get("DOM0", "")


def plans(moves_us, floor_us):
    """As many trials of a route that moves memory as of the floor, so far apart."""
    return (f"{ROUNDS} {GROUPS} {GROUP - LARGE} {LARGE} {moves_us}",
            f"1 1 {ROUNDS * GROUPS * GROUP} 0 {floor_us}")


CROWD = tuple(f"crowd-{letter}" for letter in "abcdefghijklmnop")
LOADS = {
    "idle": [],
    "xenstore_storm": [],
    "create_loop": ["new,memory=96,maxmem=96,extra=cagma=off"],
    "kick_storm": ["evil,memory=128,maxmem=128,extra=cagma=off"],
    "all_kick": [f"{name},memory=96,maxmem=112" for name in CROWD],
}
PLANS = dict.fromkeys(LOADS, plans(57000, 20000))
# What a creation does once has to be met as often by the floor as by who moves memory.
PLANS["create_loop"] = plans(57000, 110000)
PLANS["all_kick"] = plans(100000, 100000)
HOST_MIB = {"all_kick": 4608}
HOST_MIB_ELSE = 2560
TIME_LIMIT_S = 3600

# Bars: of the PV guest.
PAGE_TO_FLOOR_MAX = 1.5
PAGE_P99_TO_P50_MAX = 2.0
STORE_TO_PAGE_MIN = 6.0
LOADED_PAGE_TO_FLOOR_MAX = 1.3
LOADED_STORE_TO_PAGE_MIN = 15.0


# ---- what there is to measure ----

def wanted_cells(load):
    """guest:route, in the order in which a boot measures them. "pressure" is the page,
    asked by the kernel's own emergencies."""
    routes = ("floor", "xenstore", "page", "vchan")
    if load == "idle":
        routes += ("pressure",)
    return [f"{guest}:{route}" for guest in GUESTS for route in routes]


def metrics_of(route):
    """The floor decides nothing: no memory comes of it. Pressure is the daemon's figure."""
    return METRICS[:1] if route in ("floor", "pressure") else METRICS


def inputs():
    """The files that a boot is made of, programs and scripts."""
    files = [BUILD / "guest/lib/cagma" / name for name in ("cagma.ko", "reaction.ko")]
    files += [BUILD / "bench" / name for name in ("echo", "answer", "storm")]
    files += [BUILD / "dom0/cagmad", BUILD / "images/xen", BUILD / "images/vmlinux"]
    files += [PROJECT / "bench" / name for name in
              ("latency-dom0.sh", "reaction-lib.sh", "reaction.conf", "reaction/cagmad.conf",
               "reaction/pressure.conf")]
    agent = agent_program()
    return files + ([agent] if agent else [])


def agent_program():
    found = sorted((BUILD / "guest").glob("usr/*bin/cagma-agent"))
    return found[0] if found else None


def key_of(clock, load):
    """Results under another key are of something else."""
    digest = hashlib.sha256(f"{clock} {PLANS[load]} {GUESTS} {LOADS[load]} {DOM0}".encode())
    for path in inputs():
        digest.update(path.read_bytes())
    return digest.hexdigest()


# ---- what is known ----

@dataclass
class Cell:
    lost: int
    ns: list

    def us(self, metric):
        index = METRICS.index(metric)
        return [times[index] / 1000 for times in self.ns if times[index] is not None]


@dataclass
class Boot:
    """One load: what has been measured of it, and why the rest has not."""
    load: str
    key: str = ""
    facts: dict = field(default_factory=dict)   # run.json of the latest boot
    cells: dict = field(default_factory=dict)   # guest:route -> Cell
    why: dict = field(default_factory=dict)     # guest:route -> text
    created: int = 0    # domains, by the load

    @property
    def path(self):
        return OUT / f"{self.load}.json"

    @classmethod
    def read(cls, load, key):
        try:
            data = json.loads((OUT / f"{load}.json").read_text())
            boot = cls(**data)
        except (OSError, ValueError, TypeError):
            return cls(load, key)
        if key and boot.key != key:
            return cls(load, key)
        boot.cells = {name: Cell(**cell) for name, cell in boot.cells.items()}
        return boot

    def write(self):
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)) + "\n")
        new.replace(self.path)

    def missing(self, guests=tuple(GUESTS), routes=(*ROUTES, "pressure")):
        return [name for name in wanted_cells(self.load) if name not in self.cells
                and name.partition(":")[0] in guests
                and name.partition(":")[2] in routes
                and not (name.endswith(":vchan") and not agent_program())]

    def take(self, out):
        """What a boot has left in its directory."""
        for guest in GUESTS:
            log = out / "console" / f"guest-{guest}.log"
            text = log.read_text(errors="replace") if log.exists() else ""
            for (load, route), run in reaction.trials(text).items():
                name = f"{guest}:{route}"
                if load != self.load:
                    continue
                if run.status == 0:
                    self.cells[name] = Cell(run.lost, run.ns)
                    self.why.pop(name, None)
                else:
                    self.why[name] = f"its run ended early, after {len(run.ns)} trials"
        self.take_pressure(out)
        self.take_reasons(out)
        if (out / "created").exists():
            self.created += len((out / "created").read_text().splitlines())
        if (out / "run.json").exists():
            self.facts = json.loads((out / "run.json").read_text())

    def take_pressure(self, out):
        for guest in GUESTS:
            trace = out / f"pressure-{guest}.jsonl"
            us = (reaction.reactions(trace.read_bytes(), (guest,)) if trace.exists()
                  else [])
            if us:
                self.cells[f"{guest}:pressure"] = Cell(0, [[1000 * each, None, None]
                                                           for each in us])

    def take_reasons(self, out):
        if not (out / "missing").exists():
            return
        for line in (out / "missing").read_text().splitlines():
            names, _, why = line.partition(": ")
            guest, route = names.split()
            # What came of it is not what it says.
            self.cells.pop(f"{guest}:{route}", None)
            for each in (*ROUTES, "pressure") if route == "all" else (route,):
                if f"{guest}:{each}" not in self.cells:
                    self.why.setdefault(f"{guest}:{each}", why)


# ---- measuring ----

def measure(boot, clock, cells):
    out = OUT / boot.load
    out.mkdir(parents=True, exist_ok=True)
    for name in "missing", "created", *(f"pressure-{guest}.jsonl" for guest in GUESTS):
        (out / name).unlink(missing_ok=True)
    guests = list(dict.fromkeys(name.partition(":")[0] for name in cells))
    together = boot.load == "all_kick"
    moves, floor = PLANS[boot.load]
    conf = out / "latency.conf"
    conf.write_text(f"LOAD={boot.load}\nGUESTS='{' '.join(guests)}'\n"
                    f"CELLS='{' '.join(cells)}'\n"
                    f"CROWD='{' '.join(CROWD) if together else ''}'\n"
                    f"MOVES='{moves}'\nFLOOR='{floor}'\n"
                    f"ALIGNED={'Y' if together else 'N'}\n")
    more = ["--host-memory", str(HOST_MIB.get(boot.load, HOST_MIB_ELSE)),
            f"--dom0-extra={DOM0}", "--in", conf,
            "--in", PROJECT / "bench/reaction/cagmad.conf",
            "--in", PROJECT / "bench/reaction/pressure.conf"]
    for name in "answer", "storm":
        more += ["--in", BUILD / "bench" / name]
    for text in [GUESTS[guest] for guest in guests] + LOADS[boot.load]:
        more += ["--guest", text]
    try:
        status = reaction.boot("bench/latency-dom0.sh", out, *more, clock=clock,
                               time_limit=TIME_LIMIT_S)
    finally:
        boot.take(out)
        boot.write()
    if status == 130:
        raise KeyboardInterrupt


# ---- the report ----

def why_missing(boot, name):
    if name.endswith(":vchan") and not agent_program():
        return "cagma-agent isn't there"
    return boot.why.get(name, "not measured")


def rows(boots):
    """The cells of latency.json, those of real pressure, and what is missing."""
    cells, pressure, missing = [], [], []
    for load, boot in boots.items():
        for name in wanted_cells(load):
            guest, route = name.split(":")
            cell = boot.cells.get(name)
            for metric in metrics_of(route):
                real = route == "pressure"
                where = {"guest": guest, "route": "page" if real else route, "load": load,
                         "metric": metric}
                values = cell.us(metric) if cell else []
                if values:
                    (pressure if real else cells).append(
                        {**where, **asdict(Distribution.of(values)), "lost": cell.lost})
                if len(values) < N_MIN[metric]:
                    why = why_missing(boot, name) if not cell else "too few"
                    missing.append({**where, "route": route, "n": len(values), "wanted": N_MIN[metric],
                                    "why": why})
    return cells, pressure, missing


class Bars:
    """Ratios of cells; one whose cells are not there is missing, and not met."""

    def __init__(self, cells):
        self.cells = {(c["guest"], c["route"], c["load"], c["metric"]): c for c in cells}
        self.bars = []

    def value(self, route, load, figure):
        cell = self.cells.get(("pv", route, load, "applied"))
        return cell[figure] if cell else None

    def add(self, text, over, under, limit, at_most, least=None):
        """`least`: what no daemon's figure can be below."""
        if over is None or under is None:
            self.bars.append({"text": f"{text}: not measured", "met": False})
            return
        ratio = over / under
        met = ratio <= limit if at_most else ratio >= limit
        bound = f"; a bare channel's would be {over / least:.2f}" if least else ""
        self.bars.append({"text": f"{text}: {ratio:.2f} "
                                  f"(at {'most' if at_most else 'least'} {limit}{bound})",
                          "ratio": round(ratio, 3), "limit": limit, "met": met})

    def judge(self, loads):
        value, add = self.value, self.add
        if "idle" in loads:
            add("idle: page's p50 to the floor's", value("page", "idle", "p50_us"),
                value("floor", "idle", "p50_us"), PAGE_TO_FLOOR_MAX, True)
            add("idle: page's p99 to its p50", value("page", "idle", "p99_us"),
                value("page", "idle", "p50_us"), PAGE_P99_TO_P50_MAX, True)
            add("idle: xenstore's p50 to page's", value("xenstore", "idle", "p50_us"),
                value("page", "idle", "p50_us"), STORE_TO_PAGE_MIN, False)
        for load in ("xenstore_storm", "create_loop"):
            if load not in loads:
                continue
            add(f"{load}: page's p99 to the floor's", value("page", load, "p99_us"),
                value("floor", load, "p99_us"), LOADED_PAGE_TO_FLOOR_MAX, True)
            add(f"{load}: xenstore's p99 to page's", value("xenstore", load, "p99_us"),
                value("page", load, "p99_us"), LOADED_STORE_TO_PAGE_MIN, False,
                value("floor", load, "p99_us"))
        return self.bars


def build(boots, clock):
    cells, pressure, missing = rows(boots)
    facts = next((boot.facts for boot in boots.values() if boot.facts), {})
    host = {key: facts.get(key) for key in
            ("accel", "cores", "xen", "dom0_kernel", "guest_kernel", "qemu")}
    host["parameters"] = {
        "rounds_groups_small_large_interval_us":
            {load: dict(zip(("moves", "floor"), PLANS[load])) for load in boots},
        "guests": GUESTS, "crowd": len(CROWD), "dom0": DOM0}
    return {"host": host, "clock": clock, "cells": cells, "pressure": pressure,
            "created": {load: boot.created for load, boot in boots.items() if boot.created},
            "missing": missing, "bars": Bars(cells).judge(boots)}


def print_table(cells):
    print(f"{'µs':<40}{'n':>6}{'p50':>10}{'p90':>10}{'p99':>10}{'max':>10}{'spread':>9}")
    for c in cells:
        name = f"{c['load']}: {c['guest']} {c['route']} {c['metric']}"
        print(f"{name:<40}{c['n']:>6}{c['p50_us']:>10.0f}{c['p90_us']:>10.0f}"
              f"{c['p99_us']:>10.0f}{c['max_us']:>10.0f}{c['spread_us']:>9.0f}"
              + (f"  {c['lost']} lost" if c["lost"] else ""))


def print_report(report):
    print_table(report["cells"])
    print("real pressure:")
    print_table(report["pressure"])
    for load, created in report["created"].items():
        print(f"{load}: {created} domains were created and destroyed")
    for m in report["missing"]:
        print(f"missing: {m['load']}: {m['guest']} {m['route']} {m['metric']}: "
              f"{m['n']} of {m['wanted']}: {m['why']}")
    for bar in report["bars"]:
        print(f"{'ok' if bar['met'] else 'MISSED'}: {bar['text']}")


def print_files(paths):
    for path in paths:
        for (phase, route), run in reaction.trials(
                path.read_text(errors="replace")).items():
            if run.status:
                print(f"{path}: {phase} {route} ended early")
            print_table([{"guest": path.stem, "route": route, "load": phase,
                          "metric": metric, "lost": run.lost,
                          **asdict(Distribution.of(run.us(index)))}
                         for index, metric in enumerate(METRICS) if run.us(index)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--read", type=Path, nargs="+", metavar="FILE")
    arguments = parser.parse_args()
    if arguments.read:
        print_files(arguments.read)
        return 0
    clock = os.environ.get("CLOCK", "icount")
    only = os.environ.get("ONLY", " ".join(LOADS)).split()
    guests = os.environ.get("GUESTS", " ".join(GUESTS)).split()
    routes = os.environ.get("ROUTES", " ".join((*ROUTES, "pressure"))).split()
    if unknown := ((set(only) - set(LOADS)) | (set(guests) - set(GUESTS)) |
                   (set(routes) - {*ROUTES, "pressure"})):
        parser.error(f"there is no load, guest or route {' '.join(unknown)}")
    OUT.mkdir(parents=True, exist_ok=True)
    keys = {load: None if arguments.report else key_of(clock, load) for load in only}
    boots = {load: Boot.read(load, key) for load, key in keys.items()}
    # From the last, which takes longest: at the end it would have one processor go on alone.
    missing = [(boot, boot.missing(guests, routes)) for boot in reversed(boots.values())]
    try:
        if not arguments.report:
            program.side_by_side([partial(measure, boot, clock, cells)
                                  for boot, cells in missing if cells],
                                 program.lanes(clock, max(HOST_MIB.values())))
    except KeyboardInterrupt:
        print("interrupted")
    boots = {load: Boot.read(load, key) for load, key in keys.items()}
    report = build(boots, clock)
    (BUILD / "bench/latency.json").write_text(json.dumps(report, indent=1) + "\n")
    print_report(report)
    if report["missing"]:
        return 2
    return 0 if all(bar["met"] for bar in report["bars"]) else 1


if __name__ == "__main__":
    sys.exit(main())
