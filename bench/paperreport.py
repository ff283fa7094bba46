# SPDX-License-Identifier: GPL-2.0-only
"""From the data of the paper's experiment to its figures, bars and report."""

import json
from pathlib import Path

import paperdata
import paperpage
import plots
import report
import rundata
from report import number_text, ratio, rounded, total, write_atomically
from stats import half_interval, mean, percentile

MAX_RESIDENCE_RATIO = 1.10
MAX_SWAP_OUT_RATIO = 0.01
MIN_IOPS_RATIO = 0.95
# What is in use before the work differs by 3 MiB from run to run.
MAX_LEFT_OVER_MIB = 16
LATENCY = Path("latency.json")


# ---- the schedule ----


def scheduled(conf, guest, step):
    """Memory-bound tasks of a guest in a step from 0 on, as team.c has it."""
    first, tasks = (int(conf[f"{guest.upper()}_{key}"]) for key in ("FIRST", "TASKS"))
    intervals = int(conf["STEPS"]) - 1
    if not intervals:
        return tasks
    return first + ((tasks - first) * step * 2 + intervals) // (intervals * 2)


def step_of(round_, conf):
    """The step a round ended in; what ended late belongs to the last."""
    steps, step_ms = int(conf["STEPS"]), int(conf["STEP_MS"])
    return min(int(round_.end_ms // step_ms), steps - 1)


# ---- figures of a run ----


def times_of(rounds):
    """Rounds that were cut count with what they had taken: a lower bound."""
    return [r.ms for r in rounds]


def residence(rounds):
    times = times_of(rounds)
    return {
        "n": len(times),
        "cut": sum(r.cut for r in rounds),
        "mean": rounded(mean(times)),
        "p50": rounded(percentile(times, 50)),
        "p95": rounded(percentile(times, 95)),
        "p99": rounded(percentile(times, 99)),
        "max": rounded(max(times, default=None)),
    }


def task_means(rounds):
    """Of each task: rounds of one task depend on each other, tasks less so."""
    by_task = {}
    for r in rounds:
        by_task.setdefault(r.task, []).append(r.ms)
    return [mean(times) for _, times in sorted(by_task.items())]


def counter_at(samples, key, t_s):
    """A counter's value in the last sample before; the first one's before that."""
    value = samples[0][key]
    for sample in samples:
        if sample["t_s"] > t_s:
            break
        value = sample[key]
    return value


def disk_requests(guest, begin_ms, end_ms):
    if guest.workload != "disk":
        return None
    rounds = [r for r in guest.console.rounds if begin_ms <= r["at_ms"] < end_ms]
    return len(rounds) * guest.console.outcome["round_ios"]


def step_figures(guest, step, conf):
    step_ms = int(conf["STEP_MS"])
    begin_s, end_s = step * step_ms / 1000, (step + 1) * step_ms / 1000
    rounds = [r for r in guest.memory if step_of(r, conf) == step]
    requests = disk_requests(guest, begin_s * 1000, end_s * 1000)
    means = task_means(rounds)
    return {
        "step": step + 1,
        "tasks": scheduled(conf, guest.name, step),
        "residence_ms": residence(rounds),
        "task_means_ms": [rounded(value) for value in means],
        "ci95_ms": rounded(half_interval(means)),
        "iops": None if requests is None else rounded(requests * 1000 / step_ms, 1),
        **{
            f"{name}_pages": counter_at(guest.samples, key, end_s)
            - counter_at(guest.samples, key, begin_s)
            for name, key in (("swap_out", "swap_out"), ("swap_in", "swap_in"))
        },
    }


def demand_mib(guest, working):
    """The most that a guest had in use and had swapped out since the work began."""
    before = counter_at(guest.samples, "swap_out", 0)
    return max((s["alloc_kib"] - s["avail_kib"]) / 1024 + (s["swap_out"] - before) / 256
               for s in working)


def used_before_mib(guest):
    """What was in use as the work began."""
    allocated, available = (counter_at(guest.samples, key, 0)
                            for key in ("alloc_kib", "avail_kib"))
    return (allocated - available) / 1024


def guest_figures(guest, seconds, conf):
    working = [s for s in guest.samples if 0 <= s["t_s"] <= seconds]
    return {
        **report.guest_figures(guest, seconds),
        "memory_residence_ms": residence(guest.memory),
        "task_means_ms": [rounded(value) for value in task_means(guest.memory)],
        "min_allocated_mib": rounded(min(s["alloc_kib"] for s in working) / 1024, 1),
        "min_target_mib": rounded(min(s["target_kib"] for s in working) / 1024, 1),
        "used_before_mib": rounded(used_before_mib(guest), 1),
        "demand_mib": rounded(demand_mib(guest, working), 1),
        "samples": len(working),
        "killed": guest.killed,
        "corrupt_pages": guest.corrupt_pages,
        "lost_records": guest.collector["lost"],
        "steps": [step_figures(guest, step, conf) for step in range(int(conf["STEPS"]))],
    }


def run_figures(run, conf):
    figures = report.run_figures(run)
    figures["guests"] = [guest_figures(g, run.seconds, conf) for g in run.guests]
    return {
        "memory": run.memory,
        "policy": run.policy,
        "seed": run.seed,
        "version": run.version,
        "trace_lost": run.totals["lost"],
        **figures,
    }


# ---- figures of a policy, over its seeds ----


def pooled(run, key):
    """A mean over all memory-bound rounds of a run's guests."""
    parts = [guest["memory_residence_ms"] for guest in run["guests"]]
    return sum(p["n"] * p[key] for p in parts if p["n"]) / sum(p["n"] for p in parts)


def worst_guest(run):
    """The mean residence time of the guest that has the longest."""
    return max(guest["memory_residence_ms"]["mean"] for guest in run["guests"])


def swap_total(run):
    return total(run, "swap_out_pages") + total(run, "swap_in_pages")


def in_memory_mib(run):
    """What the peaks of demand come to, less what had to go out for them."""
    return total(run, "demand_mib") - total(run, "swap_out_pages") / 256


def rounds_done(run):
    return sum(g["memory_residence_ms"]["n"] - g["memory_residence_ms"]["cut"]
               for g in run["guests"])


METRICS = (
    # (key, what, digits, better, of a run)
    ("residence", "mean residence time, ms", 2, "less", lambda r: pooled(r, "mean")),
    ("worst", "worst-off guest's mean residence time, ms", 2, "less", worst_guest),
    ("p95", "worst-off guest's residence time p95, ms", 2, "less",
     lambda r: max(g["memory_residence_ms"]["p95"] for g in r["guests"])),
    ("rounds", "memory-bound rounds done", 0, "more", rounds_done),
    ("cut", "rounds cut short by the end", 0, "less",
     lambda r: sum(g["memory_residence_ms"]["cut"] for g in r["guests"])),
    ("swap_out", "pages swapped out", 0, "less", lambda r: total(r, "swap_out_pages")),
    ("swap_in", "pages swapped in", 0, "less", lambda r: total(r, "swap_in_pages")),
    ("swap", "pages swapped, both ways", 0, "less", swap_total),
    ("demand", "used and swapped out, peaks of all guests, MiB", 0, None,
     lambda r: total(r, "demand_mib")),
    ("in_memory", "of that in memory, MiB", 0, "more", in_memory_mib),
    ("iops", "disk guest's requests per second", 1, "more", report.total_iops),
    ("min_mib", "least memory of any guest, MiB", 1, None,
     lambda r: min(g["min_allocated_mib"] for g in r["guests"])),
    ("emergencies", "emergencies", 0, None, lambda r: r["emergencies"]),
    ("reaction_p50", "reaction time p50, µs", 0, None,
     lambda r: r["reaction_us"]["p50"]),
    ("reaction_p99", "reaction time p99, µs", 0, None,
     lambda r: r["reaction_us"]["p99"]),
    ("targets", "target changes", 0, None, lambda r: r["target_changes"]),
    ("kills", "out-of-memory kills", 0, "less", lambda r: total(r, "oom_kills")),
)


def summarise(figures):
    """{(memory, policy): {metric: {"n", "mean", "ci95"}}} over the seeds."""
    grouped = {}
    for run in figures:
        grouped.setdefault((run["memory"], run["policy"]), []).append(run)
    summary = {}
    for key, runs in grouped.items():
        summary[key] = {}
        for name, _, _, _, value in METRICS:
            values = [v for v in map(value, runs) if v is not None]
            summary[key][name] = {
                "n": len(values),
                "mean": mean(values),
                "ci95": half_interval(values),
            }
    return summary


# ---- bars ----


class Bars:
    """Collects bars; one whose runs are missing is not met, and says so."""

    def __init__(self, summary, conf):
        self.summary = summary
        self.memories = conf["MEMORIES"].split()
        self.policies = conf["POLICIES"].split()
        self.bars = []

    def value(self, memory, policy, metric):
        found = self.summary.get((memory, policy))
        return None if found is None else found[metric]["mean"]

    def add(self, what, limit, text, met):
        self.bars.append(report.bar(what, limit, text, met))

    def compare(self, what, limit, memory, policies, metric, judge):
        """@judge: (ours, theirs) -> (text, met)."""
        if memory not in self.memories or not set(policies) <= set(self.policies):
            return
        values = [self.value(memory, policy, metric) for policy in policies]
        lacking = [p for p, value in zip(policies, values) if value is None]
        if lacking:
            self.add(what, limit, f"not measured under {', '.join(lacking)}", False)
        else:
            self.add(what, limit, *judge(*values))


def ratio_judge(met):
    def judge(ours, theirs):
        value = ratio(ours, theirs)
        if value is None:
            return "nothing to compare with", False
        return f"{value:.4f}", met(value)

    return judge


def less_judge(digits, strictly):
    def judge(ours, theirs, oracle=None):
        met = ours < theirs if strictly else ours <= theirs
        text = f"{number_text(ours, digits)} / {number_text(theirs, digits)}"
        # Who knew everything beforehand: what can be expected of anybody.
        known = "" if oracle is None else f", oracle {number_text(oracle, digits)}"
        return text + known, met

    return judge


def check_bars(summary, figures, conf):
    bars = Bars(summary, conf)
    bars.compare(
        "ample: mean residence time, cagma / oracle", f"≤ {MAX_RESIDENCE_RATIO:.2f}",
        "ample", ("cagma", "oracle"), "residence",
        ratio_judge(lambda value: value <= MAX_RESIDENCE_RATIO))
    bars.compare(
        "ample: pages swapped out, cagma / static", f"≤ {MAX_SWAP_OUT_RATIO}",
        "ample", ("cagma", "static"), "swap_out",
        ratio_judge(lambda value: value <= MAX_SWAP_OUT_RATIO))
    bars.compare(
        "ample: disk guest's requests per second, cagma / oracle",
        f"≥ {MIN_IOPS_RATIO}", "ample", ("cagma", "oracle"), "iops",
        ratio_judge(lambda value: value >= MIN_IOPS_RATIO))
    oracle = ("oracle",) if "oracle" in conf["POLICIES"].split() else ()
    for policy in ("cagma2017", "proportional"):
        bars.compare(
            f"tight: pages swapped, cagma / {policy}", "cagma ≤ the other",
            "tight", ("cagma", policy, *oracle), "swap", less_judge(0, strictly=False))
    for policy in conf["POLICIES"].split():
        if policy not in ("cagma", "oracle"):
            bars.compare(
                f"tight: worst-off guest's residence time, cagma / {policy}, ms",
                "cagma < the other", "tight", ("cagma", policy), "worst",
                less_judge(2, strictly=True))
    add_run_bars(bars, figures, conf)
    return bars.bars


def add_run_bars(bars, figures, conf):
    """What has to hold in every run."""
    least = int(conf["MIN_MIB"])
    below = [
        f"{run_label(run)} {guest['name']}"
        for run in figures for guest in run["guests"]
        if min(guest["min_allocated_mib"], guest["min_target_mib"]) < least
    ]
    bars.add("no guest below its minimum at any sample", f"{least} MiB",
             ", ".join(below) or "none", not below)
    worse = left_over(figures)
    bars.add("no guest began with what an earlier run left", f"{MAX_LEFT_OVER_MIB} MiB",
             ", ".join(worse) or "none", not worse)
    for key, what in (("killed", "tasks killed"), ("corrupt_pages", "corrupt pages"),
                      ("oom_kills", "out-of-memory kills"),
                      ("lost_records", "records the collector lost")):
        count = sum(total(run, key) for run in figures)
        bars.add(f"{what}, all runs", "0", str(count), count == 0)
    for key, what in (("invariant_violations", "invariant violations"),
                      ("trace_lost", "trace records lost")):
        count = sum(run[key] for run in figures)
        bars.add(f"{what}, all runs", "0", str(count), count == 0)


def left_over(figures):
    """Guests that had clearly more in use as the work began than in another run."""
    least = {}
    for run in figures:
        for guest in run["guests"]:
            used = guest["used_before_mib"]
            least[guest["name"]] = min(used, least.get(guest["name"], used))
    return [
        f"{run_label(run)} {guest['name']}: {guest['used_before_mib']} MiB"
        f" instead of {least[guest['name']]}"
        for run in figures for guest in run["guests"]
        if guest["used_before_mib"] > least[guest["name"]] + MAX_LEFT_OVER_MIB
    ]


def run_label(run):
    return f"{run['memory']}-{run['policy']}-{run['seed']}"


# ---- output ----


def build(runs, missing, conf):
    """The content of paper.json."""
    figures = [run_figures(run, conf) for run in runs]
    summary = summarise(figures)
    facts = runs[0].facts if runs else {}
    return {
        "host": {key: facts.get(key) for key in rundata.HOST_FACTS},
        "clock": facts.get("clock"),
        "versions": sorted({run.version for run in runs}),
        "missing": missing,
        "runs": figures,
        "summary": [
            {"memory": memory, "policy": policy, **metrics}
            for (memory, policy), metrics in summary.items()
        ],
        "parameters": conf,
        "bars": check_bars(summary, figures, conf),
    }


def value_text(found, digits):
    if found is None or found["mean"] is None:
        return "–"
    text = number_text(found["mean"], digits)
    if found["ci95"] is not None:
        text += f" ± {number_text(found['ci95'], digits)}"
    return text


def table_rows(summary, memory, policies):
    """Rows of (what, text for each policy, which of them are best)."""
    rows = []
    for name, what, digits, better, _ in METRICS:
        found = [summary.get((memory, policy), {}).get(name) for policy in policies]
        rows.append((what, [value_text(f, digits) for f in found],
                     best_of(found, policies, better)))
    return rows


def best_of(found, policies, better):
    """Which policies' values are best of several; the oracle does not compete, and
    what all have in common is no distinction."""
    values = {
        i: f["mean"] for i, f in enumerate(found)
        if f and f["mean"] is not None and policies[i] != "oracle"
    }
    if not better or len(set(values.values())) < 2:
        return set()
    best = (min if better == "less" else max)(values.values())
    return {i for i, value in values.items() if value == best}


def table_text(summary, memory, policies):
    rows = [(memory, policies)]
    rows += [(what, texts) for what, texts, _ in table_rows(summary, memory, policies)]
    widths = [max(len(texts[i]) for _, texts in rows) for i in range(len(policies))]
    label = max(len(what) for what, _ in rows)
    return "\n".join(
        f"{what:{label}}" + "".join(f"  {text:>{width}}" for text, width in zip(texts, widths))
        for what, texts in rows)


def remarks(built):
    found = []
    if built["missing"]:
        found.append(f"missing: {', '.join(built['missing'])}")
    if len(built["versions"]) > 1:
        found.append(f"the runs are of several versions: {', '.join(built['versions'])}")
    return found


def read_latency(path):
    """latency.json, or None if it is not there."""
    if not path.exists():
        return None
    latency = rundata.decode(rundata.read_text(path), path.name)
    rundata.require(latency, ("clock", "cells"), path.name)
    keys = ("guest", "route", "load", "metric", "n", "p50_us", "p90_us", "p99_us",
            "max_us")
    for cell in latency["cells"]:
        rundata.require(cell, keys, f"{path.name}: a cell")
    return latency


def write(folders, missing, conf, destination):
    """Writes paper.json and paper.html; returns the terminal's text and the verdict."""
    runs = [paperdata.read_run(folder, conf) for folder in folders]
    built = build(runs, missing, conf)
    summary = summarise(built["runs"])
    policies, memories = conf["POLICIES"].split(), conf["MEMORIES"].split()
    destination.mkdir(parents=True, exist_ok=True)
    write_atomically(destination / "paper.json", json.dumps(built, indent=1) + "\n")
    html = paperpage.build(
        built=built,
        facts=runs[0].facts if runs else {},
        tables={m: table_rows(summary, m, policies) for m in memories},
        remarks=remarks(built),
        runs=runs,
        latency=read_latency(destination / LATENCY),
        steps=step_series(built["runs"], conf),
        tasks={guest: [scheduled(conf, guest, step) for step in range(int(conf["STEPS"]))]
               for guest in conf["GUESTS"].split()},
    )
    write_atomically(destination / "paper.html", html)
    text = [table_text(summary, memory, policies) for memory in memories]
    text += [report.bars_text(built["bars"]), *remarks(built)]
    met = not missing and all(bar["met"] for bar in built["bars"])
    return "\n\n".join(text), met


def step_series(figures, conf):
    """{(memory, guest): {policy: [(step, mean, half interval)]}}: tasks of all seeds
    are the values that the interval is of."""
    series = {}
    for memory in conf["MEMORIES"].split():
        for guest in conf["GUESTS"].split():
            series[memory, guest] = {
                policy: points
                for policy in conf["POLICIES"].split()
                if (points := step_points(figures, memory, policy, guest))
            }
    return series


def step_points(figures, memory, policy, guest):
    steps = [
        step for run in figures if (run["memory"], run["policy"]) == (memory, policy)
        for g in run["guests"] if g["name"] == guest for step in g["steps"]
    ]
    points = []
    for number in sorted({step["step"] for step in steps}):
        means = [v for s in steps if s["step"] == number for v in s["task_means_ms"]]
        if means:
            points.append((number, mean(means), half_interval(means)))
    return points
