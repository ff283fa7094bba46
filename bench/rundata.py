# SPDX-License-Identifier: GPL-2.0-only
"""What a demo run left in its output directory, read and checked.

Anything that is missing or does not add up raises DataError: a hole in the
data must never look like a zero.
"""

import collections
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

# The kernel may print behind a line before its end was sent; never inside one.
MARKED_LINE = re.compile(r"^@([A-Z]) (\{.*?\})(?:\[ *\d+\.\d+\] .*)?$")
HOST_FACTS = ("accel", "xen", "dom0_kernel", "guest_kernel", "cores")


class DataError(Exception):
    """The run's data is not whole."""


@dataclass(frozen=True)
class Console:
    """What a guest's workload printed."""

    rounds: list  # of {"task", "round", "ms", "at_ms"}
    start: dict  # the guest's counters
    end: dict
    outcome: dict

    def delta(self, counter):
        difference = self.end[counter] - self.start[counter]
        if difference < 0:
            raise DataError(f"the guest's counter {counter} went backwards")
        return difference


@dataclass(frozen=True)
class Guest:
    name: str
    workload: str
    console: Console
    samples: list  # of the trace's "guest" events, with t_s


@dataclass(frozen=True)
class Run:
    """One policy's run. Times t_s are seconds since the work began."""

    policy: str
    seconds: float
    guests: list
    host: list  # "host" events
    emergencies: list
    reactions: list
    violations: list
    totals: dict  # the trace's "end" event

    def of_workload(self, workload):
        return [guest for guest in self.guests if guest.workload == workload]


def read_text(path):
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"{path.name}: {error.strerror}") from None


def decode(text, where):
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON: {error.msg}") from None
    if not isinstance(value, dict):
        raise DataError(f"{where}: not a JSON object")
    return value


def require(record, keys, where):
    missing = [key for key in keys if key not in record]
    if missing:
        raise DataError(f"{where}: no {', '.join(missing)}")


def read_conf(path):
    """KEY=VALUE lines, as the shell would read them."""
    conf = {}
    for number, line in enumerate(read_text(Path(path)).splitlines(), 1):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        key, separator, value = words[0].partition("=")
        if len(words) != 1 or not separator or not key.isidentifier():
            raise DataError(f"{path}:{number}: not KEY=VALUE")
        conf[key] = value
    return conf


def read_facts(out):
    facts = decode(read_text(out / "run.json"), "run.json")
    require(facts, HOST_FACTS + ("clock",), "run.json")
    return facts


# ---- a guest's console ----


def marked_lines(text, where):
    """The marked lines' objects by their mark; a mark that never came is empty."""
    found = collections.defaultdict(list)
    for number, line in enumerate(text.splitlines(), 1):
        match = MARKED_LINE.match(line.rstrip())
        if match:
            kind, body = match.groups()
            found[kind].append(decode(body, f"{where}:{number}"))
    return found


def parse_console(text, where):
    found = marked_lines(text, where)
    stats = {record.get("when"): record for record in found["S"]}
    if len(found["S"]) != 2 or set(stats) != {"start", "end"}:
        raise DataError(f"{where}: not one start and one end of counters")
    if len(found["E"]) != 1:
        raise DataError(f"{where}: {len(found['E'])} end lines instead of one")
    console = Console(found["R"], stats["start"], stats["end"], found["E"][0])
    check_console(console, where)
    return console


def check_console(console, where):
    counters = ("at_ms", "pswpin", "pswpout", "oom_kill")
    require(console.start, counters, where)
    require(console.end, counters, where)
    require(console.outcome, ("workload", "rounds", "killed", "ok"), where)
    for record in console.rounds:
        require(record, ("task", "round", "ms", "at_ms"), where)
    if len(console.rounds) != console.outcome["rounds"]:
        raise DataError(
            f"{where}: {len(console.rounds)} rounds printed,"
            f" {console.outcome['rounds']} done"
        )
    if not console.rounds:
        raise DataError(f"{where}: not one round was completed")


# ---- the allocator's trace ----


def parse_trace(text, began_ms, where):
    """Events by kind, each with t_s; kinds unknown here are kept."""
    events = {}
    for number, line in enumerate(text.splitlines(), 1):
        event = decode(line, f"{where}:{number}")
        require(event, ("ev",), f"{where}:{number}")
        events.setdefault(event["ev"], []).append(event)
    for kind in ("start", "end"):
        if len(events.get(kind, [])) != 1:
            raise DataError(f"{where}: {len(events.get(kind, []))} '{kind}' events")
    for kind in ("guest", "host"):
        if kind not in events:
            raise DataError(f"{where}: not one '{kind}' event")
    add_times(events, began_ms, where)
    return events


def add_times(events, began_ms, where):
    start = events["start"][0]
    require(start, ("wall_ms",), where)
    zero_ms = start["wall_ms"] - start.get("t_ms", 0)
    for kind, records in events.items():
        if kind in ("start", "end"):
            continue
        for record in records:
            require(record, ("t_ms",), f"{where}: a '{kind}' event")
            record["t_s"] = (zero_ms + record["t_ms"] - began_ms) / 1000


def guest_samples(events, name, where):
    keys = ("alloc_kib", "avail_kib", "target_kib", "swap_in", "swap_out")
    samples = [event for event in events["guest"] if event.get("name") == name]
    for sample in samples:
        require(sample, keys, f"{where}: a sample of {name}")
    if len(samples) < 2:
        raise DataError(f"{where}: {len(samples)} samples of {name}")
    return samples


# ---- a run ----


def read_run(out, policy, workloads):
    """@workloads: {guest name: "memory" or "disk"}."""
    marks = decode(read_text(out / f"{policy}.json"), f"{policy}.json")
    require(marks, ("policy", "began_ms", "ended_ms"), f"{policy}.json")
    if marks["ended_ms"] <= marks["began_ms"]:
        raise DataError(f"{policy}.json: ended before it began")
    trace = f"trace-{policy}.jsonl"
    events = parse_trace(read_text(out / trace), marks["began_ms"], trace)
    totals = events["end"][0]
    require_totals(totals, trace)
    check_events(events, totals, trace)
    return Run(
        policy=policy,
        seconds=(marks["ended_ms"] - marks["began_ms"]) / 1000,
        guests=[
            read_guest(out, policy, name, workload, events)
            for name, workload in workloads.items()
        ],
        host=events["host"],
        emergencies=events.get("emergency", []),
        reactions=events.get("reaction", []),
        violations=events.get("violation", []),
        totals=totals,
    )


def require_totals(totals, where):
    keys = ("emergencies", "answered", "target_changes", "invariant_violations", "lost")
    require(totals, keys, f"{where}: the 'end' event")


def check_events(events, totals, where):
    for sample in events["host"]:
        require(sample, ("free_kib", "reserve_kib"), f"{where}: a 'host' event")
    for reaction in events.get("reaction", []):
        require(reaction, ("us",), f"{where}: a reaction")
    emergencies = len(events.get("emergency", []))
    if not totals["lost"] and emergencies < totals["answered"]:
        raise DataError(
            f"{where}: {emergencies} emergencies traced,"
            f" {totals['answered']} answered"
        )


def read_guest(out, policy, name, workload, events):
    log = f"{policy}-{name}.log"
    console = parse_console(read_text(out / log), log)
    if console.outcome["workload"] != workload:
        raise DataError(f"{log}: not a {workload} workload")
    if workload == "disk":
        require(console.start, ("reads", "writes"), log)
        require(console.end, ("reads", "writes"), log)
        require(console.outcome, ("round_ios",), log)
    else:
        require(console.outcome, ("expected_rounds", "limit_reached"), log)
    samples = guest_samples(events, name, f"trace-{policy}.jsonl")
    return Guest(name, workload, console, samples)


def workloads_of(conf):
    require(conf, ("MEMORY_GUESTS", "DISK_GUESTS", "POLICIES"), "the setting")
    workloads = {name: "memory" for name in conf["MEMORY_GUESTS"].split()}
    workloads.update({name: "disk" for name in conf["DISK_GUESTS"].split()})
    return workloads


def read_runs(out, conf):
    workloads = workloads_of(conf)
    return [read_run(out, policy, workloads) for policy in conf["POLICIES"].split()]
