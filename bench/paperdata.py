# SPDX-License-Identifier: GPL-2.0-only
"""What a run of the paper's experiment left in its folder, read and checked.

As in rundata, whatever is missing or does not add up raises DataError.
"""

import re
from dataclasses import dataclass, field

import rundata
from rundata import DataError, decode, read_text, require

# The guest with two tasks; its memory-bound one is told apart in the figures.
DISK_GUEST = "vm3"
RECORD = re.compile(r"^([RC]) (\w+) (\d+)((?: \d+:\d+)+)$")


@dataclass(frozen=True)
class Round:
    task: int
    begin_ms: int  # since the work began
    ms: float
    cut: bool  # it was still under way at the end: it would have taken longer

    @property
    def end_ms(self):
        return self.begin_ms + self.ms


@dataclass(frozen=True)
class PaperGuest(rundata.Guest):
    """console is the guest's main workload; memory has its memory-bound rounds: those
    of memtask, or requests to a key-value store, or jobs."""

    memory: list = field(default_factory=list)
    killed: int = 0
    corrupt_pages: int = 0
    collector: dict = field(default_factory=dict)


@dataclass(frozen=True)
class PaperRun(rundata.Run):
    memory: str = ""
    seed: int = 0
    version: str = ""
    facts: dict = field(default_factory=dict)


# ---- a guest's console ----


def parse_record(text, where):
    match = RECORD.match(text)
    if not match:
        raise DataError(f"{where}: a record nobody knows: {text}")
    kind, workload, task, rounds = match.groups()
    return workload, [
        Round(int(task), int(begin), int(spent) / 1000, kind == "C")
        for begin, spent in (pair.split(":") for pair in rounds.split())
    ]


def parse_rounds(records, collector, where):
    """By workload. Every record that was written has to be there, in order."""
    require(collector, ("shipped", "gaps", "written", "lost", "refused"), where)
    if collector["shipped"] != len(records) or collector["gaps"]:
        raise DataError(
            f"{where}: {len(records)} records, {collector['shipped']} were shipped,"
            f" with {collector['gaps']} gaps"
        )
    if collector["written"] != collector["shipped"]:
        raise DataError(
            f"{where}: {collector['written']} records were written,"
            f" {collector['shipped']} shipped"
        )
    rounds = {}
    for record in records:
        require(record, ("n", "ns", "pid", "text"), where)
        workload, found = parse_record(record["text"], where)
        rounds.setdefault(workload, []).extend(found)
    return rounds


def consoles(found, rounds, where):
    """A Console for each workload of the guest."""
    made = {}
    for outcome in found["E"]:
        require(outcome, ("workload", "rounds", "killed", "failed", "ok"), where)
        workload = outcome["workload"]
        stats = {s.get("when"): s for s in found["S"] if s.get("workload") == workload}
        if set(stats) != {"start", "end"}:
            raise DataError(f"{where}: not one start and one end of {workload}")
        whole = [r for r in rounds.get(workload, []) if not r.cut]
        if len(whole) != outcome["rounds"]:
            raise DataError(
                f"{where}: {len(whole)} {workload} rounds collected,"
                f" {outcome['rounds']} done"
            )
        lines = [
            {"task": r.task, "ms": r.ms, "at_ms": r.end_ms, "begin_ms": r.begin_ms}
            for r in whole
        ]
        made[workload] = rundata.Console(lines, stats["start"], stats["end"], outcome)
    return made


# What the lines of a WORK of the setting call themselves.
WORKLOADS = {"memory": "memory", "kv": "kv", "sort": "job"}


def parse_guest(text, name, work, samples, where):
    found = rundata.marked_lines(text, where)
    if len(found["C"]) != 1:
        raise DataError(f"{where}: {len(found['C'])} collector's ends instead of one")
    rounds = parse_rounds(found["M"], found["C"][0], where)
    made = consoles(found, rounds, where)
    bound = WORKLOADS[work]
    main = "disk" if name == DISK_GUEST else bound
    expected = {bound, main}
    if set(made) != expected:
        raise DataError(f"{where}: the workloads are {', '.join(sorted(made))}")
    for console in made.values():
        require(console.start, ("at_ms", "pswpin", "pswpout", "oom_kill"), where)
        require(console.end, ("at_ms", "pswpin", "pswpout", "oom_kill"), where)
    outcomes = [console.outcome for console in made.values()]
    return PaperGuest(
        name=name,
        workload="disk" if main == "disk" else "memory",
        console=made[main],
        samples=samples,
        memory=sorted(rounds.get(bound, []), key=lambda r: (r.task, r.begin_ms)),
        killed=sum(outcome["killed"] for outcome in outcomes),
        corrupt_pages=sum(outcome.get("corrupt_pages", 0) for outcome in outcomes),
        collector=found["C"][0],
    )


# ---- a run ----


def read_run(folder, conf):
    """@folder: what paper.py kept of one completed run."""
    mark = decode(read_text(folder / "mark.json"), f"{folder.name}/mark.json")
    require(mark, ("memory", "policy", "seed", "began_ms", "ended_ms"), folder.name)
    facts = decode(read_text(folder / "host.json"), f"{folder.name}/host.json")
    require(facts, rundata.HOST_FACTS + ("clock",), folder.name)
    where = f"{folder.name}/trace.jsonl"
    events = rundata.parse_trace(
        read_text(folder / "trace.jsonl"), mark["began_ms"], where
    )
    totals = events["end"][0]
    rundata.require_totals(totals, where)
    rundata.check_events(events, totals, where)
    return PaperRun(
        policy=mark["policy"],
        seconds=int(conf["STEPS"]) * int(conf["STEP_MS"]) / 1000,
        guests=[
            parse_guest(
                read_text(folder / f"{name}.log"),
                name,
                conf[f"{name.upper()}_WORK"],
                rundata.guest_samples(events, name, where),
                f"{folder.name}/{name}.log",
            )
            for name in conf["GUESTS"].split()
        ],
        host=events["host"],
        emergencies=events.get("emergency", []),
        reactions=events.get("reaction", []),
        violations=events.get("violation", []),
        totals=totals,
        memory=mark["memory"],
        seed=mark["seed"],
        version=read_text(folder / "version").strip(),
        facts=facts,
    )
