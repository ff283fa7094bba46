#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The paper's experiment: its figures, bars and statistics are right, a hole in the
data is an error, and a missing run is said."""

import contextlib
import io
import json
import math
import re
import shutil
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

import synthetic
from synthetic import FACTS, counters, end, line

import compare  # noqa: E402
import paper  # noqa: E402
import paperdata  # noqa: E402
import paperreport  # noqa: E402
import rundata  # noqa: E402
import stats  # noqa: E402

CONF = {
    "TITLE": "The paper's experiment",
    "POLICIES": "static cagma2017 periodic proportional cagma oracle",
    "MEMORIES": "ample tight", "GUESTS": "vm1 vm2 vm3", "STEPS": "2", "STEP_MS": "1000",
    "MIN_MIB": "96", "VM1_FIRST": "2", "VM1_TASKS": "3", "VM2_FIRST": "1",
    "VM2_TASKS": "2", "VM3_FIRST": "1", "VM3_TASKS": "1",
    "VM1_WORK": "memory", "VM2_WORK": "memory", "VM3_WORK": "memory",
}
BEGAN_MS = 5_000_000
# What the oracle's rounds take, and the factor of every policy.
ROUND_US = 2000
SLOWER = {"static": 50, "cagma2017": 20, "periodic": 10, "proportional": 15, "cagma": 1,
          "oracle": 1}
SWAPPED = {"static": 10000, "cagma2017": 900, "periodic": 800, "proportional": 950,
           "cagma": 50, "oracle": 0}


def records(texts):
    return "".join(line("M", n=n, ns=n * 1000, pid=7, text=text)
                   for n, text in enumerate(texts))


def collector(count, **more):
    return line("C", **{"shipped": count, "gaps": 0, "written": count, "lost": 0,
                        "refused": 0, **more})


def memory_log(us, swapped):
    texts = [f"R memory 0 100:{us} 500:{us}", f"R memory 1 300:{us} 1500:{us}",
             f"C memory 1 1990:{us // 2}"]
    return ("".join(counters("memory", swapped)) + records(texts)
            + end("memory", 4, corrupt_pages=0) + collector(len(texts)))


def disk_log(us, requests):
    texts = [f"R memory 0 200:{us}", "R disk 0 100:9000 1200:8000", "C disk 1 1990:4000"]
    return ("".join(counters("memory") + counters("disk", requests=requests))
            + records(texts)
            + end("memory", 1, corrupt_pages=0) + end("disk", 2, round_ios=10)
            + collector(len(texts)))


def trace(swapped, least_mib):
    sizes = ((500, 288, 0), (1500, least_mib, int(swapped * 0.25)), (2500, 320, swapped))
    return synthetic.trace(BEGAN_MS, ("vm1", "vm2", "vm3"), sizes)


class Runs(unittest.TestCase):
    """Writes runs that never were, and reads them."""

    def setUp(self):
        self.out = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.out)
        self.folders = [
            self.write_run(memory, policy)
            for memory in ("ample", "tight") for policy in CONF["POLICIES"].split()
        ]

    def write_run(self, memory, policy, seed=1, least_mib=128):
        folder = self.out / "runs" / f"{memory}-{policy}-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        us, swapped = ROUND_US * SLOWER[policy], SWAPPED[policy]
        mark = {"memory": memory, "policy": policy, "seed": seed,
                "began_ms": BEGAN_MS, "ended_ms": BEGAN_MS + 2000}
        (folder / "mark.json").write_text(json.dumps(mark))
        (folder / "host.json").write_text(json.dumps(FACTS))
        (folder / "version").write_text("1.0\n")
        (folder / "vm1.log").write_text(memory_log(us, swapped))
        (folder / "vm2.log").write_text(memory_log(ROUND_US, 0))
        (folder / "vm3.log").write_text(disk_log(ROUND_US, 600))
        (folder / "trace.jsonl").write_text(trace(swapped, least_mib))
        return folder

    def build(self, folders=None, missing=()):
        runs = [paperdata.read_run(f, CONF) for f in folders or self.folders]
        return paperreport.build(runs, list(missing), CONF)


class PaperTest(Runs):
    def unmet(self, built):
        return [bar["what"] for bar in built["bars"] if not bar["met"]]

    def run_of(self, built, memory, policy):
        return next(r for r in built["runs"]
                    if (r["memory"], r["policy"]) == (memory, policy))

    # ---- figures ----

    def test_figures_are_the_guests_own(self):
        run = self.run_of(self.build(), "ample", "static")
        vm1, vm2, vm3 = run["guests"]
        us = ROUND_US * SLOWER["static"]
        found = vm1["memory_residence_ms"]
        self.assertEqual((found["n"], found["cut"]), (5, 1))
        self.assertAlmostEqual(found["mean"], (4 * us + us // 2) / 5 / 1000)
        self.assertEqual(vm1["residence_ms"]["n"], 4)
        self.assertEqual(vm1["swap_out_pages"], SWAPPED["static"])
        self.assertEqual(vm2["memory_residence_ms"]["p95"], ROUND_US / 1000)
        self.assertEqual(vm3["iops"], {"n": 600, "mean": 300.0})
        self.assertEqual(vm3["memory_residence_ms"]["n"], 1)
        self.assertEqual(vm1["min_allocated_mib"], 128)

    def test_demand_is_what_is_used_and_what_went_out_for_it(self):
        run = self.run_of(self.build(), "ample", "static")
        vm1 = run["guests"][0]
        self.assertAlmostEqual(vm1["demand_mib"], 320 + SWAPPED["static"] / 256, 1)
        self.assertAlmostEqual(paperreport.in_memory_mib(run),
                               sum(g["demand_mib"] for g in run["guests"])
                               - SWAPPED["static"] / 256)

    def test_steps_have_their_rounds_and_their_swap(self):
        vm1, _, vm3 = self.run_of(self.build(), "ample", "cagma")["guests"]
        first, last = vm1["steps"]
        self.assertEqual((first["tasks"], last["tasks"]), (2, 3))
        self.assertEqual(first["residence_ms"]["n"], 3)
        self.assertEqual(last["residence_ms"]["n"], 2)
        self.assertEqual(last["residence_ms"]["cut"], 1)
        self.assertEqual(first["swap_out_pages"], int(SWAPPED["cagma"] * 0.25))
        self.assertEqual(last["swap_out_pages"],
                         SWAPPED["cagma"] - int(SWAPPED["cagma"] * 0.25))
        self.assertEqual([s["iops"] for s in vm3["steps"]], [10.0, 10.0])

    def test_what_ends_late_belongs_to_the_last_step(self):
        vm1 = self.run_of(self.build(), "ample", "static")["guests"][0]
        self.assertEqual(vm1["steps"][1]["residence_ms"]["cut"], 1)
        self.assertEqual(sum(s["residence_ms"]["n"] for s in vm1["steps"]), 5)

    def test_schedule_is_the_workloads(self):
        conf = {"STEPS": "6", "VM1_FIRST": "2", "VM1_TASKS": "10",
                "VM2_FIRST": "2", "VM2_TASKS": "9"}
        for guest, counts in (("vm1", [2, 4, 5, 7, 8, 10]), ("vm2", [2, 3, 5, 6, 8, 9])):
            self.assertEqual(
                [paperreport.scheduled(conf, guest, s) for s in range(6)], counts)

    # ---- bars ----

    def test_all_bars_are_met(self):
        self.assertEqual(self.unmet(self.build()), [])

    def test_a_bar_says_what_the_oracle_swapped(self):
        values = {bar["what"]: bar["value"] for bar in self.build()["bars"]}
        self.assertEqual(values["tight: pages swapped, cagma / cagma2017"],
                         "50 / 900, oracle 0")

    def test_a_missed_bar_is_seen(self):
        for policy, factor, swapped, starts in (
            ("cagma", 30, 50, ("ample: mean residence", "tight: worst-off")),
            ("cagma", 1, 5000, ("ample: pages swapped out", "tight: pages swapped")),
        ):
            old = SLOWER[policy], SWAPPED[policy]
            SLOWER[policy], SWAPPED[policy] = factor, swapped
            try:
                for memory in ("ample", "tight"):
                    self.write_run(memory, policy)
            finally:
                SLOWER[policy], SWAPPED[policy] = old
            unmet = self.unmet(self.build())
            for start in starts:
                self.assertTrue([u for u in unmet if u.startswith(start)], start)

    def test_a_slow_disk_is_seen(self):
        folder = self.out / "runs" / "ample-cagma-1"
        (folder / "vm3.log").write_text(disk_log(ROUND_US, 560))
        self.assertIn("ample: disk guest's requests per second, cagma / oracle",
                      self.unmet(self.build()))

    def test_a_guest_below_its_minimum_is_seen(self):
        self.write_run("tight", "proportional", least_mib=95)
        bar = next(b for b in self.build()["bars"] if b["what"].startswith("no guest"))
        self.assertFalse(bar["met"])
        self.assertIn("tight-proportional-1 vm1", bar["value"])

    def test_columns_of_the_table_are_apart(self):
        long = {"n": 2, "mean": 14734854.4, "ci95": 1604158.2}
        summary = {("tight", policy): {"reaction_p99": long} for policy in ("cagma", "static")}
        rows = paperreport.table_text(summary, "tight", ["cagma", "static"]).splitlines()
        row = next(row for row in rows if row.startswith("reaction time p99"))
        self.assertEqual(re.split(" {2,}", row)[-2:], ["14,734,854 ± 1,604,158"] * 2)
        self.assertEqual(len({len(row) for row in rows}), 1)

    def test_what_an_earlier_run_left_is_seen(self):
        folder = self.write_run("tight", "proportional")
        text = (folder / "trace.jsonl").read_text()
        for mib, seen in ((303, False), (305, True)):
            began = text.replace(f'"alloc_kib": {288 * 1024}', f'"alloc_kib": {mib * 1024}', 1)
            self.assertNotEqual(began, text)
            (folder / "trace.jsonl").write_text(began)
            bar = next(b for b in self.build()["bars"] if "earlier run" in b["what"])
            self.assertEqual(bar["value"], f"tight-proportional-1 vm1: {mib}.0 MiB"
                             " instead of 288.0" if seen else "none")
            self.assertEqual(bar["met"], not seen)

    def test_lost_records_are_seen(self):
        folder = self.out / "runs" / "tight-cagma-1"
        text = (folder / "vm1.log").read_text()
        (folder / "vm1.log").write_text(text.replace('"lost": 0', '"lost": 3'))
        self.assertIn("records the collector lost, all runs", self.unmet(self.build()))

    # ---- holes ----

    def test_a_missing_run_is_said_and_its_bars_are_not_met(self):
        folders = [f for f in self.folders if f.name != "tight-cagma2017-1"]
        built = self.build(folders, ["tight-cagma2017-1"])
        self.assertEqual(built["missing"], ["tight-cagma2017-1"])
        self.assertIn("tight: pages swapped, cagma / cagma2017", self.unmet(built))
        self.assertNotIn("tight: pages swapped, cagma / proportional", self.unmet(built))

    def test_a_missing_file_is_an_error(self):
        folder = self.folders[0]
        for path in list(folder.iterdir()):
            text = path.read_text()
            path.unlink()
            with self.assertRaises(rundata.DataError, msg=path.name):
                self.build()
            path.write_text(text)

    def test_a_hole_in_the_data_is_an_error(self):
        for name, old, new in (
            ("vm1.log", "@M", "@X"),
            ("vm1.log", '"gaps": 0', '"gaps": 1'),
            ("vm1.log", '"written": 3', '"written": 4'),
            ("vm1.log", "R memory 0", "Q memory 0"),
            ("vm1.log", "100:", "100;"),
            ("vm1.log", "@E", "E"),
            ("vm1.log", "@C", "C"),
            ("vm1.log", '"rounds": 4', '"rounds": 5'),
            ("vm3.log", '"when": "end"', '"when": "start"'),
            ("vm3.log", "@E", "E"),
            ("trace.jsonl", '"ev": "end"', '"ev": "stop"'),
            ("trace.jsonl", '"swap_out"', '"out"'),
            ("mark.json", '"seed"', '"grain"'),
        ):
            path = self.folders[0] / name
            whole = path.read_text()
            self.assertIn(old, whole)
            path.write_text(whole.replace(old, new, 1))
            with self.assertRaises(rundata.DataError, msg=f"{name}: {old}"):
                self.build()
            path.write_text(whole)
        self.build()

    # ---- which runs are kept ----

    def test_runs_of_another_setting_are_not_kept(self):
        runs = self.out / "runs"
        program = self.out / "program"
        program.write_bytes(b"1")
        key = paper.setting_key(CONF, [program])
        (self.folders[0] / "key").write_text(key)
        self.assertTrue(paper.is_done(runs, "ample-static-1", key))
        self.assertFalse(paper.is_done(runs, "ample-static-1", "another"))
        self.assertFalse(paper.is_done(runs, "ample-cagma-1", key))
        self.assertEqual(paper.setting_key({**CONF, "POLICIES": "cagma"}, [program]), key)
        self.assertNotEqual(paper.setting_key({**CONF, "STEPS": "3"}, [program]), key)
        program.write_bytes(b"2")
        self.assertNotEqual(paper.setting_key(CONF, [program]), key)

    def test_a_smaller_setting_is_what_dom0_reads(self):
        conf = self.out / "paper.conf"
        conf.write_text('STEPS=6\nPOLICIES="static cagma"\n')
        options = types.SimpleNamespace(conf=conf, changes=["STEPS=2", "POLICIES=a b"])
        setting = paper.read_setting(options)
        staged = paper.stage(self.out / "staged", setting, "tight", [("tight", "a", 1)])
        self.assertEqual(rundata.read_conf(staged[0]), {"STEPS": "2", "POLICIES": "a b"})
        self.assertEqual(staged[2].read_text(), "a 1\n")
        for change in ("STEPZ=2", "STEPS"):
            options.changes = [change]
            with self.assertRaises(rundata.DataError, msg=change):
                paper.read_setting(options)

    def test_only_completed_runs_are_harvested(self):
        boot, runs = self.out / "boot", self.out / "kept"
        boot.mkdir()
        (boot / "run.json").write_text(json.dumps(FACTS))
        for name in ("ample-static-1", "ample-cagma-1"):
            (boot / f"trace-{name}.jsonl").write_text("{}")
            (boot / f"{name}-vm1.log").write_text("log")
        (boot / "ample-static-1.json").write_text("{}")
        paper.harvest(boot, runs, "key")
        self.assertEqual([p.name for p in runs.iterdir()], ["ample-static-1"])
        self.assertEqual(
            sorted(p.name for p in (runs / "ample-static-1").iterdir()),
            ["host.json", "key", "mark.json", "trace.jsonl", "version", "vm1.log"])
        self.assertTrue(paper.is_done(runs, "ample-static-1", "key"))

    def test_each_boot_has_the_missing_runs_of_a_memory_and_a_seed(self):
        options = types.SimpleNamespace(out=self.out / "out")
        kept = options.out / "paper/runs/tight-cagma-1"
        kept.mkdir(parents=True)
        (kept / "key").write_text("key")

        def runner(conf, memory, staged, out):
            return ["sh", "-c", f"cp {staged[2]} {out}/has; exit 1"]

        conf = {**CONF, "MEMORIES": "ample tight", "POLICIES": "static cagma",
                "AMPLE_HOST_MIB": "1", "TIGHT_HOST_MIB": "1"}
        said = io.StringIO()
        with mock.patch.object(paper, "runner_command", runner), \
                contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            paper.run_missing(options, conf, paper.wanted_runs(conf, 2), "key")
        self.assertEqual(
            {p.parent.name: p.read_text() for p in (options.out / "paper").glob("*/has")},
            {"boot-ample-1": "static 1\ncagma 1\n", "boot-tight-1": "static 1\n",
             "boot-ample-2": "static 2\ncagma 2\n", "boot-tight-2": "static 2\ncagma 2\n"})


class CompareTest(Runs):
    def compare(self, old_seeds, new_seeds, change):
        """Both sides have the policies cagma and static; @change is for new ones."""
        sides = []
        for seeds, factor in ((old_seeds, 1), (new_seeds, change)):
            old = SLOWER["cagma"]
            SLOWER["cagma"] = factor
            try:
                folders = [self.write_run("tight", policy, seed)
                           for seed in seeds for policy in ("cagma", "static")]
            finally:
                SLOWER["cagma"] = old
            path = self.out / f"{len(sides)}.json"
            path.write_text(json.dumps(self.build(folders)))
            sides.append(str(path))
        return compare.compare(*sides)

    def line_of(self, text, start):
        return next(line for line in text.splitlines() if line.startswith(start))

    def test_a_clear_change_is_significant(self):
        text = self.compare(range(1, 9), range(11, 19), 3)
        changed = self.line_of(text, "tight cagma: worst-off guest's mean")
        self.assertIn("n 8, 8", changed)
        self.assertTrue(changed.endswith("*"), changed)
        same = self.line_of(text, "tight static: worst-off guest's mean")
        self.assertTrue(same.endswith("p = 1.000"), same)

    def test_one_seed_is_not_tested_by_seeds(self):
        text = self.compare([1], [11], 3)
        line_ = self.line_of(text, "tight cagma: worst-off guest's mean")
        self.assertTrue(line_.endswith("not tested"), line_)

    def test_other_files_are_refused(self):
        path = self.out / "other.json"
        path.write_text("{}")
        with self.assertRaises(rundata.DataError):
            compare.compare(str(path), str(path))

    def test_cells_of_latency_are_matched(self):
        cell = {"guest": "pv", "route": "page", "load": "idle", "metric": "applied",
                "n": 300, "p50_us": 100.0, "p90_us": 1.0, "p99_us": 200.0, "max_us": 1.0}
        paths = []
        for p50 in (100.0, 150.0):
            paths.append(self.out / f"latency-{p50}.json")
            paths[-1].write_text(json.dumps({"cells": [{**cell, "p50_us": p50}]}))
        text = compare.compare(*map(str, paths))
        self.assertIn("1.500", self.line_of(text, "pv page idle applied: p50"))


class StatsTest(unittest.TestCase):
    def test_interval_is_students(self):
        # n = 3: t = 4.303; deviation 1, so 4.303 / sqrt(3).
        self.assertAlmostEqual(stats.half_interval([1, 2, 3]), 4.303 / math.sqrt(3))
        self.assertIsNone(stats.half_interval([1]))
        self.assertEqual(stats.half_interval([2.0] * 40), 0)

    def test_permutations_are_counted(self):
        # Of the 70 choices, 2 are as far apart.
        self.assertAlmostEqual(stats.permutation_p([1, 2, 3, 4], [5, 6, 7, 8]), 2 / 70)
        self.assertEqual(stats.permutation_p([1, 2, 3, 4], [1, 2, 3, 4]), 1)

    def test_too_few_values_are_no_test(self):
        self.assertIsNone(stats.permutation_p([1], [2]))
        self.assertIsNone(stats.permutation_p([1, 1, 1], [9, 9, 9]))
        self.assertIsNone(stats.permutation_p([], [9, 9, 9]))

    def test_many_values_are_sampled(self):
        old, new = list(range(20)), [v + 40 for v in range(20)]
        self.assertLess(stats.permutation_p(old, new), 0.001)
        self.assertGreater(stats.permutation_p(old, [v + 0.5 for v in old]), 0.5)
        self.assertEqual(stats.permutation_p(old, new), stats.permutation_p(old, new))

    def test_holm_corrects_for_the_number_of_tests(self):
        self.assertEqual(stats.holm([0.01, None, 0.04]), [0.02, None, 0.04])
        self.assertEqual(stats.holm([0.04, 0.03]), [0.06, 0.06])
        self.assertEqual(stats.holm([0.9, 0.8]), [1.0, 1.0])


if __name__ == "__main__":
    synthetic.main()
