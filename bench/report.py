#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""From the data of a demo run to its figures, its verdict and its report.

As a program: report.py RUN_DIRECTORY REPORT_DIRECTORY writes report.json and
report.html again from data that is already there.
"""

import json
import os
import sys
from pathlib import Path

import page
import plots
import rundata
from rundata import DataError
from stats import mean, percentile

MAX_SWAP_OUT_RATIO = 0.05
MAX_RESIDENCE_RATIO = 0.5
MIN_IOPS_RATIO = 1.0


# ---- figures ----


def rounded(value, digits=3):
    return None if value is None else round(value, digits)


def residence(guest):
    times = [record["ms"] for record in guest.console.rounds]
    return {
        "n": len(times),
        "mean": rounded(mean(times)),
        "p50": rounded(percentile(times, 50)),
        "p95": rounded(percentile(times, 95)),
    }


def iops(guest):
    """Requests the guest's block device completed, and how many per second."""
    if guest.workload != "disk":
        return {"n": 0, "mean": None}
    console = guest.console
    requests = console.delta("reads") + console.delta("writes")
    seconds = console.delta("at_ms") / 1000
    if not seconds:
        raise DataError(f"{guest.name}: its disk was measured for no time")
    return {"n": requests, "mean": rounded(requests / seconds)}


def allocated(guest, seconds):
    """Xen's own count of the guest's pages while the work lasted."""
    before = [s["alloc_kib"] for s in guest.samples if s["t_s"] <= 0]
    during = [s["alloc_kib"] for s in guest.samples if 0 < s["t_s"] <= seconds]
    if not before or not during:
        raise DataError(f"{guest.name}: no samples from before or during the work")
    return {
        "start": rounded(before[-1] / 1024, 1),
        "max": rounded(max([before[-1]] + during) / 1024, 1),
        "end": rounded(during[-1] / 1024, 1),
    }


def guest_figures(guest, seconds):
    return {
        "name": guest.name,
        "workload": guest.workload,
        "residence_ms": residence(guest),
        "iops": iops(guest),
        "swap_out_pages": guest.console.delta("pswpout"),
        "swap_in_pages": guest.console.delta("pswpin"),
        "oom_kills": guest.console.delta("oom_kill"),
        "allocated_mib": allocated(guest, seconds),
    }


def reaction_figures(run):
    times = [reaction["us"] for reaction in run.reactions]
    return {
        "n": len(times),
        "p50": percentile(times, 50),
        "p99": percentile(times, 99),
        "max": max(times, default=None),
    }


def run_figures(run):
    return {
        "policy": run.policy,
        "seconds": rounded(run.seconds, 1),
        "guests": [guest_figures(guest, run.seconds) for guest in run.guests],
        "emergencies": run.totals["emergencies"],
        "answered": run.totals["answered"],
        "reaction_us": reaction_figures(run),
        "invariant_violations": run.totals["invariant_violations"],
        "target_changes": run.totals["target_changes"],
    }


# ---- comparison ----


def ratio(ours, base):
    return None if ours is None or not base else ours / base


def pooled_residence(run):
    rounds = [g["residence_ms"] for g in run["guests"] if g["workload"] == "memory"]
    return sum(r["n"] * r["mean"] for r in rounds) / sum(r["n"] for r in rounds)


def pooled_p95(run):
    """Of the run's data, not of its figures: percentiles cannot be averaged."""
    guests = run.of_workload("memory")
    return percentile([r["ms"] for g in guests for r in g.console.rounds], 95)


def total(run, key, workload=None):
    return sum(
        guest[key] for guest in run["guests"] if workload in (None, guest["workload"])
    )


def total_iops(run):
    return sum(g["iops"]["mean"] for g in run["guests"] if g["workload"] == "disk")


def comparison(figures, runs):
    """Rows of (what, static, cagma, digits); a value may be None."""
    static, cagma = by_policy(figures)
    data = {run.policy: run for run in runs}

    def row(what, digits, value):
        return what, value(static), value(cagma), digits

    return [
        row("memory guests: pages swapped out", 0,
            lambda r: total(r, "swap_out_pages", "memory")),
        row("memory guests: pages swapped in", 0,
            lambda r: total(r, "swap_in_pages", "memory")),
        row("memory guests: mean residence time, ms", 1, pooled_residence),
        row("memory guests: residence time p95, ms", 1,
            lambda r: pooled_p95(data[r["policy"]])),
        row("disk guests: requests per second", 1, total_iops),
        row("out-of-memory kills", 0, lambda r: total(r, "oom_kills")),
        row("duration of the work, s", 1, lambda r: r["seconds"]),
        row("emergencies", 0, lambda r: r["emergencies"]),
        row("emergencies answered", 0, lambda r: r["answered"]),
        row("reaction time p50, \N{MICRO SIGN}s", 0, lambda r: r["reaction_us"]["p50"]),
        row("reaction time p99, \N{MICRO SIGN}s", 0, lambda r: r["reaction_us"]["p99"]),
        row("target changes", 0, lambda r: r["target_changes"]),
        row("invariant violations", 0, lambda r: r["invariant_violations"]),
    ]


def by_policy(figures):
    runs = {run["policy"]: run for run in figures}
    rundata.require(runs, ("static", "cagma"), "the runs")
    return runs["static"], runs["cagma"]


def bar(what, limit, value, met):
    return {"what": what, "limit": limit, "value": value, "met": bool(met)}


def ratio_bar(what, limit, value, met):
    if value is None:
        return bar(what, limit, "nothing to compare with in the static run", False)
    return bar(what, limit, f"{value:.4f}", met(value))


def check_bars(figures, runs):
    static, cagma = by_policy(figures)
    reactions, answered = cagma["reaction_us"]["n"], cagma["answered"]
    violations = sum(run["invariant_violations"] for run in figures)
    kills = sum(total(run, "oom_kills") for run in figures)
    lost = sum(run.totals["lost"] for run in runs)
    return [
        ratio_bar(
            "swap-outs of the memory guests, cagma / static",
            f"≤ {MAX_SWAP_OUT_RATIO}",
            ratio(
                total(cagma, "swap_out_pages", "memory"),
                total(static, "swap_out_pages", "memory"),
            ),
            lambda value: value <= MAX_SWAP_OUT_RATIO,
        ),
        ratio_bar(
            "mean residence time of the memory guests, cagma / static",
            f"≤ {MAX_RESIDENCE_RATIO}",
            ratio(pooled_residence(cagma), pooled_residence(static)),
            lambda value: value <= MAX_RESIDENCE_RATIO,
        ),
        ratio_bar(
            "requests per second of the disk guests, cagma / static",
            f"≥ {MIN_IOPS_RATIO}",
            ratio(total_iops(cagma), total_iops(static)),
            lambda value: value >= MIN_IOPS_RATIO,
        ),
        bar("out-of-memory kills, both runs", "0", str(kills), kills == 0),
        bar("invariant violations, both runs", "0", str(violations), violations == 0),
        bar(
            "emergencies, cagma",
            "> 0",
            str(cagma["emergencies"]),
            cagma["emergencies"] > 0,
        ),
        bar(
            "reaction times = emergencies answered, cagma",
            f"= {answered}",
            str(reactions),
            reactions == answered,
        ),
        work_bar(runs),
        bar("trace records lost, both runs", "0", str(lost), lost == 0),
    ]


def work_bar(runs):
    """The static run may be cut short by its limit: that only flatters it."""
    faults = []
    for run in runs:
        for guest in run.guests:
            outcome = guest.console.outcome
            if not outcome["ok"]:
                faults.append(f"{run.policy} {guest.name}: failed")
            elif run.policy == "cagma" and outcome.get("limit_reached"):
                faults.append(f"{run.policy} {guest.name}: cut short")
    value = ", ".join(faults) or "yes"
    return bar("work done, every page intact", "yes", value, not faults)


def remarks(runs):
    """What a reader must know about the data beside the figures."""
    return [
        f"{run.policy}: {guest.name} was cut short by the time limit after"
        f" {guest.console.outcome['rounds']} of"
        f" {guest.console.outcome['expected_rounds']} rounds"
        for run in runs
        for guest in run.of_workload("memory")
        if guest.console.outcome.get("limit_reached")
    ]


# ---- output ----


def build(facts, conf, runs):
    """The content of report.json."""
    figures = [run_figures(run) for run in runs]
    return {
        "host": {key: facts[key] for key in rundata.HOST_FACTS},
        "clock": facts["clock"],
        "runs": figures,
        "parameters": conf,
        "bars": check_bars(figures, runs),
    }


def number_text(value, digits):
    return "–" if value is None else f"{value:,.{digits}f}"


def ratio_text(ours, base):
    value = ratio(ours, base)
    return "–" if value is None else f"{value:.3f}"


def table_text(rows):
    lines = [f"{'':42}{'static':>12}{'cagma':>12}{'ratio':>9}"]
    for what, static, cagma, digits in rows:
        lines.append(
            f"{what:42}{number_text(static, digits):>12}"
            f"{number_text(cagma, digits):>12}{ratio_text(cagma, static):>9}"
        )
    return "\n".join(lines)


def bars_text(bars):
    return "\n".join(
        f"{'met' if b['met'] else 'NOT MET':8} {b['what']}: {b['value']}"
        f" (bar: {b['limit']})"
        for b in bars
    )


def write_atomically(path, text):
    scratch = path.with_name(path.name + ".new")
    scratch.write_text(text, encoding="utf-8")
    os.replace(scratch, path)


def write(out, conf, destination):
    """Writes both reports; returns what the terminal shows, and the verdict."""
    facts = rundata.read_facts(out)
    runs = rundata.read_runs(out, conf)
    report = build(facts, conf, runs)
    rows = comparison(report["runs"], runs)
    html = page.build(
        report=report,
        facts=facts,
        rows=[
            (what, number_text(s, d), number_text(c, d), ratio_text(c, s))
            for what, s, c, d in rows
        ],
        remarks=remarks(runs),
        figures=plots.draw(runs),
    )
    destination.mkdir(parents=True, exist_ok=True)
    write_atomically(destination / "report.html", html)
    write_atomically(destination / "report.json", json.dumps(report, indent=1) + "\n")
    text = [table_text(rows), bars_text(report["bars"]), *remarks(runs)]
    return "\n\n".join(text), all(b["met"] for b in report["bars"])


def main(arguments):
    if len(arguments) != 2:
        print("usage: report.py RUN_DIRECTORY REPORT_DIRECTORY", file=sys.stderr)
        return 2
    out, destination = map(Path, arguments)
    try:
        text, met = write(out, rundata.read_conf(out / "demo.conf"), destination)
    except (DataError, plots.PlotError, OSError) as error:
        print(f"report.py: {error}", file=sys.stderr)
        return 1
    print(text)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
