#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What changed between two results: compare.py OLD NEW.

Each is a paper.json or a latency.json. Differences of means are tested by
permutation, corrected for their number by Holm; who has too few values to be tested
is shown without. Exit status: 0, 1 if a file cannot be read, 2 for a usage error.
"""

import sys
from pathlib import Path

import paperreport
import rundata
from report import number_text, ratio_text
from rundata import DataError
from stats import holm, mean, permutation_p

SIGNIFICANT = 0.05


def read(path):
    result = rundata.decode(rundata.read_text(Path(path)), path)
    for kind in ("runs", "cells"):
        if kind in result:
            return kind, result
    raise DataError(f"{path}: neither a paper.json nor a latency.json")


# ---- rows: (what, digits, old values, new values) ----


def by_cell(figures):
    """{(memory, policy): runs}"""
    cells = {}
    for run in figures:
        cells.setdefault((run["memory"], run["policy"]), []).append(run)
    return cells


def guest_tasks(runs, name):
    """Mean residence of each task of a guest, in all runs."""
    return [value for run in runs for guest in run["guests"] if guest["name"] == name
            for value in guest["task_means_ms"]]


def paper_rows(old, new):
    before, after = by_cell(old["runs"]), by_cell(new["runs"])
    rows = []
    for key in before:
        if key not in after:
            continue
        label = " ".join(key)
        for _, what, digits, better, value in paperreport.METRICS:
            if better:
                rows.append((f"{label}: {what}", digits,
                             *([v for v in map(value, runs) if v is not None]
                               for runs in (before[key], after[key]))))
        for guest in before[key][0]["guests"]:
            name = guest["name"]
            rows.append((f"{label}: {name}, residence time of its tasks, ms", 2,
                         guest_tasks(before[key], name), guest_tasks(after[key], name)))
    return rows


def latency_rows(old, new):
    """Percentiles of a cell are one value each: nothing to test."""
    def cells(result):
        keys = ("guest", "route", "load", "metric")
        return {tuple(cell[key] for key in keys): cell for cell in result["cells"]}

    before, after = cells(old), cells(new)
    return [
        (f"{' '.join(key)}: {name}, µs", 1, [before[key][f"{name}_us"]],
         [after[key][f"{name}_us"]])
        for key in before if key in after for name in ("p50", "p99")
    ]


# ---- output ----


def verdict_text(p):
    if p is None:
        return "not tested"
    return f"p = {p:.3f}{' *' if p <= SIGNIFICANT else ''}"


def row_text(row, p):
    what, digits, old, new = row
    if not old or not new:
        return f"{what:66} no values on one side"
    return (f"{what:66}{number_text(mean(old), digits):>12}"
            f"{number_text(mean(new), digits):>12}{ratio_text(mean(new), mean(old)):>9}"
            f"  n {len(old)}, {len(new)}  {verdict_text(p)}")


def only_text(old, new):
    """Settings that differ: who compares those compares two experiments."""
    before, after = old.get("parameters", {}), new.get("parameters", {})
    return [
        f"parameter {key}: {before.get(key)} and {after.get(key)}"
        for key in sorted({*before, *after}) if before.get(key) != after.get(key)
    ]


def compare(old_path, new_path):
    old_kind, old = read(old_path)
    new_kind, new = read(new_path)
    if old_kind != new_kind:
        raise DataError(f"{old_path} and {new_path} are of different benchmarks")
    rows = (paper_rows if old_kind == "runs" else latency_rows)(old, new)
    if not rows:
        raise DataError(f"{old_path} and {new_path} have nothing in common")
    ps = holm([permutation_p(before, after) for _, _, before, after in rows])
    lines = [f"{'':66}{'old':>12}{'new':>12}{'new/old':>9}"]
    lines += [row_text(row, p) for row, p in zip(rows, ps)]
    changed = [row[0] for row, p in zip(rows, ps) if p is not None and p <= SIGNIFICANT]
    lines.append(f"{len(changed)} of {sum(p is not None for p in ps)} tested differences"
                 f" are significant at {SIGNIFICANT}, corrected by Holm")
    if old_kind == "runs":
        lines.append("The tasks of one run share its fate: with one seed a difference of"
                     " tasks is one of two runs.")
    return "\n".join(only_text(old, new) + lines)


def main(arguments):
    if len(arguments) != 2 or not all(arguments):
        print("usage: compare.py OLD NEW, or make bench-compare OLD=... NEW=...", file=sys.stderr)
        return 2
    try:
        print(compare(*arguments))
    except (DataError, KeyError, TypeError) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
