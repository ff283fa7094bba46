#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Reaction time and scale: figures are right, and what is missing is named."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from functools import partial
from pathlib import Path
from unittest import mock

import synthetic
from synthetic import FACTS

import guard  # noqa: E402
import latency  # noqa: E402
import program  # noqa: E402
import reaction  # noqa: E402
import scale  # noqa: E402

PROJECT = Path(__file__).resolve().parents[1]
MS = 1_000_000
PATIENCE_S = 120    # for what another process has to do, however busy the machine is


def console(load, route, times, status=0, end=True):
    """`times`: (applied, first page, satisfied) in ns, or None for a lost trial."""
    text = f"GUEST-READY pv\r\nREACTION-BEGIN {load} {route} {status}\r\n"
    for each in times:
        words = ["-" if ns is None else str(ns) for ns in each or (None,) * 3]
        text += f"{'trial' if each else 'lost'} {' '.join(words)}\r\n"
    return text + (f"REACTION-END {load} {route}\r\n" if end else "")


def many(ns, count=330, large=30):
    """Like a run that moves memory; applied from `ns` on, 1 us apart."""
    return [(ns + i * 1000, 3 * ns, 100 * MS if i < large else None) for i in range(count)]


def floor(ns):
    return [(ns + i * 100, None, None) for i in range(320)]


class ProgramTest(unittest.TestCase):
    def test_whoever_ends_us_ends_what_we_wait_for(self):
        with tempfile.TemporaryDirectory() as directory:
            said = Path(directory) / "said"
            waits = subprocess.Popen(
                [sys.executable, "-c", "import program; program.wait_for(["
                 f"'sh', '-c', 'trap \"echo ended >{said}; exit\" TERM; "
                 "echo ready; while :; do sleep 0.1; done'])"],
                cwd=PROJECT / "bench", stdout=subprocess.PIPE)
            waits.stdout.readline()
            waits.terminate()
            self.assertEqual(waits.wait(PATIENCE_S), 128 + signal.SIGTERM)
            waits.stdout.close()
            self.assertEqual(said.read_text(), "ended\n")

    def test_whoever_ends_us_while_we_start_it_ends_it(self):
        run = subprocess.run(
            [sys.executable, "-c", """
import os, signal, program
class Popen(program.subprocess.Popen):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)
    def wait(self):
        print("ended by", -super().wait(), flush=True)
program.subprocess.Popen = Popen
program.wait_for(["sleep", "600"])
"""],
            cwd=PROJECT / "bench", stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S)
        self.assertEqual((run.returncode, run.stdout), (128 + signal.SIGTERM, "ended by 15\n"))

    def ran_together(self, clock, mib, patience_s):
        """Whether one of two calls was made while the other one was, which waits so long."""
        def call(name, other):
            (self.out / name).touch()
            deadline = time.monotonic() + patience_s
            met = False
            while not met and time.monotonic() < deadline:
                met = (self.out / other).exists()
                time.sleep(0.01)
            (self.out / name).unlink()
            (self.out / f"{name}.met").write_text(str(met))

        with tempfile.TemporaryDirectory() as directory, \
                mock.patch.object(os, "cpu_count", lambda: 2):
            self.out = Path(directory)
            program.side_by_side([partial(call, "a", "b"), partial(call, "b", "a")],
                                 program.lanes(clock, mib))
            return "True" in [(self.out / f"{name}.met").read_text() for name in "ab"]

    def test_virtual_time_lets_two_run_side_by_side(self):
        self.assertTrue(self.ran_together("icount", 0, PATIENCE_S))

    def test_real_time_does_not(self):
        self.assertFalse(self.ran_together("wall", 0, 2))

    def test_nor_does_memory_for_one(self):
        self.assertFalse(self.ran_together("icount", 1 << 30, 2))


class DistributionTest(unittest.TestCase):
    def test_quantiles_are_nearest_ranks(self):
        d = reaction.Distribution.of(range(1, 101))
        self.assertEqual((d.n, d.p50_us, d.p90_us, d.p99_us, d.max_us, d.spread_us),
                         (100, 50, 90, 99, 100, 50))

    def test_order_does_not_matter(self):
        self.assertEqual(reaction.Distribution.of([5, 1, 3]), reaction.Distribution.of([1, 3, 5]))

    def test_one_value_is_all_of_them(self):
        d = reaction.Distribution.of([7])
        self.assertEqual((d.p50_us, d.p99_us, d.max_us, d.spread_us), (7, 7, 7, 0))

    def test_nothing_is_an_error(self):
        self.assertRaises(ValueError, reaction.Distribution.of, [])


class TrialsTest(unittest.TestCase):
    def test_times_are_read(self):
        text = console("idle", "page", [(2000, 3000, None), (4000, 5000, 6000)])
        run = reaction.trials(text)["idle", "page"]
        self.assertEqual((run.status, run.lost), (0, 0))
        self.assertEqual([run.us(metric) for metric in range(3)], [[2, 4], [3, 5], [6]])

    def test_lost_trials_are_counted(self):
        run = reaction.trials(console("idle", "page", [(1, 1, 1), None, None]))["idle", "page"]
        self.assertEqual((len(run.ns), run.lost), (1, 2))

    def test_run_without_its_end_is_none(self):
        self.assertEqual(reaction.trials(console("idle", "page", many(MS), end=False)), {})

    def test_kernel_lines_in_between_are_no_trials(self):
        text = console("idle", "page", [(1, 1, 1)]).replace(
            "trial", "[ 1.0] reaction: trial 2 is lost\r\ntrial", 1)
        self.assertEqual(len(reaction.trials(text)["idle", "page"].ns), 1)

    def test_runs_are_told_apart(self):
        text = console("idle", "floor", floor(MS)) + console("idle", "page", many(MS))
        self.assertEqual({key: len(run.ns) for key, run in reaction.trials(text).items()},
                         {("idle", "floor"): 320, ("idle", "page"): 330})


class LatencyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name)
        for target, value in (("OUT", self.out), ("agent_program", lambda: Path("agent"))):
            patch = mock.patch.object(latency, target, value)
            patch.start()
            self.addCleanup(patch.stop)

    def boot(self, load="idle", key="k", facts=True, consoles=None, missing=""):
        boot = latency.Boot.read(load, key)
        out = self.out / load
        (out / "console").mkdir(parents=True, exist_ok=True)
        if facts:
            (out / "run.json").write_text(json.dumps(FACTS))
        if missing:
            (out / "missing").write_text(missing)
        for guest, text in (consoles or {}).items():
            (out / "console" / f"guest-{guest}.log").write_text(text)
        boot.take(out)
        boot.write()
        return boot

    def whole(self, load="idle", floor_ns=MS, page_ns=MS, store_ns=20 * MS):
        text = (console(load, "floor", floor(floor_ns)) +
                console(load, "page", many(page_ns)) +
                console(load, "vchan", many(2 * page_ns)) +
                console(load, "xenstore", many(store_ns)))
        out = self.out / load
        out.mkdir(exist_ok=True)
        for guest in ("pv", "pvh") if load == "idle" else ():
            (out / f"pressure-{guest}.jsonl").write_text("".join(
                json.dumps({"ev": "reaction", "name": guest, "us": us}) + "\n"
                for us in range(300)))
        return self.boot(load, consoles={"pv": text, "pvh": text})

    def report(self, *boots):
        return latency.build({boot.load: boot for boot in boots}, "icount")

    def check_schema(self, report):
        self.assertIsInstance(report["host"], dict)
        self.assertIn(report["clock"], ("icount", "wall"))
        for cell in report["cells"]:
            self.assertIn(cell["guest"], ("pv", "pvh"))
            self.assertIn(cell["route"], ("floor", "page", "vchan", "xenstore"))
            self.assertIn(cell["load"], ("idle", "xenstore_storm", "create_loop",
                                         "kick_storm", "all_kick"))
            self.assertIn(cell["metric"], ("applied", "first_page", "satisfied"))
            self.assertGreater(cell["n"], 0)
            for figure in ("p50_us", "p90_us", "p99_us", "max_us", "spread_us"):
                self.assertIsInstance(cell[figure], (int, float))
            self.assertLessEqual(cell["p50_us"], cell["p90_us"])
            self.assertLessEqual(cell["p90_us"], cell["p99_us"])
            self.assertLessEqual(cell["p99_us"], cell["max_us"])
        keys = [(c["guest"], c["route"], c["load"], c["metric"]) for c in report["cells"]]
        self.assertEqual(len(keys), len(set(keys)))

    def test_complete_loads_miss_nothing(self):
        report = self.report(*map(self.whole, latency.LOADS))
        self.check_schema(report)
        self.assertEqual(report["missing"], [])
        # Two guests, five loads; the floor has one metric, the others three.
        self.assertEqual(len(report["cells"]), 2 * 5 * (1 + 3 * 3))
        self.assertEqual([p["n"] for p in report["pressure"]], [300, 300])

    def test_figures_are_those_of_the_trials(self):
        cell = next(c for c in self.report(self.whole())["cells"] if
                    (c["guest"], c["route"], c["metric"]) == ("pv", "page", "satisfied"))
        self.assertEqual((cell["n"], cell["p50_us"], cell["lost"]), (30, 100_000, 0))

    def test_load_without_a_boot_is_named_missing(self):
        report = self.report(latency.Boot("idle"))
        self.assertEqual(report["cells"], [])
        self.assertEqual(len(report["missing"]), 2 * (1 + 3 * 3 + 1))
        self.assertFalse(any(bar["met"] for bar in report["bars"]))

    def test_too_few_values_are_named_and_kept(self):
        report = self.report(self.boot(consoles={"pv": console("idle", "floor", floor(MS)[:299])}))
        self.check_schema(report)
        self.assertEqual([c["n"] for c in report["cells"]], [299])
        few = next(m for m in report["missing"] if m["why"] == "too few")
        self.assertEqual((few["route"], few["n"], few["wanted"]), ("floor", 299, 300))

    def test_lost_trials_are_shown(self):
        text = console("idle", "page", [None] + many(MS))
        report = self.report(self.boot(consoles={"pv": text}))
        self.assertEqual({c["lost"] for c in report["cells"]}, {1})

    def test_reason_of_the_boot_is_told(self):
        report = self.report(self.boot(missing="pvh all: it does not boot\n"))
        self.assertEqual({m["why"] for m in report["missing"] if m["guest"] == "pvh"},
                         {"it does not boot"})

    def test_run_that_ended_early_is_not_kept(self):
        boot = self.boot(consoles={"pv": console("idle", "page", many(MS)[:50], status=1)})
        self.assertNotIn("pv:page", boot.cells)
        self.assertIn("after 50 trials", boot.why["pv:page"])

    def test_guest_without_an_agent_is_named(self):
        boot = self.boot()
        with mock.patch.object(latency, "agent_program", lambda: None):
            self.assertNotIn("pv:vchan", boot.missing())
            whys = {m["why"] for m in self.report(boot)["missing"] if m["route"] == "vchan"}
        self.assertEqual(whys, {"cagma-agent isn't there"})

    def test_second_run_measures_the_rest(self):
        self.boot(consoles={"pv": console("idle", "floor", floor(MS))})
        again = latency.Boot.read("idle", "k")
        self.assertIn("pv:floor", again.cells)
        self.assertNotIn("pv:floor", again.missing())
        self.assertIn("pv:page", again.missing())

    def test_floor_meets_as_many_creations_as_who_moves_memory(self):
        def lasts_us(plan):
            rounds, groups, small, large, interval_us = map(int, plan.split())
            return rounds * groups * (small + large) * interval_us

        moves, floor = latency.PLANS["create_loop"]
        self.assertGreaterEqual(lasts_us(floor), lasts_us(moves))

    def test_pressure_of_another_guest_is_not_counted(self):
        (self.out / "idle").mkdir()
        (self.out / "idle/pressure-pv.jsonl").write_text(
            '{"ev":"reaction","name":"pvh","us":1}\n{"ev":"reaction","name":"pv","us":2}\n')
        self.assertEqual(self.boot().cells["pv:pressure"].us("applied"), [2])

    def test_what_was_measured_without_its_load_is_none(self):
        boot = self.boot(consoles={"pv": console("idle", "page", many(MS))},
                         missing="pv page: the load ended early\n")
        self.assertNotIn("pv:page", boot.cells)
        self.assertEqual(boot.why["pv:page"], "the load ended early")

    def test_other_programs_make_other_results(self):
        self.boot(consoles={"pv": console("idle", "floor", floor(MS))})
        self.assertEqual(latency.Boot.read("idle", "another").cells, {})

    def test_file_that_is_none_is_no_result(self):
        (self.out / "idle.json").write_text("{")
        self.assertEqual(latency.Boot.read("idle", "k").cells, {})

    def bar(self, text, **ns):
        report = self.report(self.whole(**ns))
        return next(bar for bar in report["bars"] if text in bar["text"])

    def test_bars_are_judged_by_their_ratio(self):
        self.assertTrue(self.bar("to the floor's", floor_ns=MS, page_ns=MS)["met"])
        self.assertFalse(self.bar("to the floor's", floor_ns=MS, page_ns=2 * MS)["met"])
        self.assertTrue(self.bar("xenstore's p50", store_ns=20 * MS)["met"])
        self.assertFalse(self.bar("xenstore's p50", store_ns=2 * MS)["met"])

    def test_bars_under_load_are_judged_by_p99(self):
        ns = {"load": "create_loop", "floor_ns": MS, "page_ns": MS}
        self.assertTrue(self.bar("xenstore's p99", store_ns=30 * MS, **ns)["met"])
        self.assertFalse(self.bar("xenstore's p99", store_ns=10 * MS, **ns)["met"])

    def test_bar_says_what_no_daemon_could_do_better(self):
        text = self.bar("xenstore's p99", load="create_loop", floor_ns=MS, page_ns=MS,
                        store_ns=10 * MS)["text"]
        bare = reaction.Distribution.of([each[0] / 1000 for each in floor(MS)]).p99_us
        store = reaction.Distribution.of([each[0] / 1000 for each in many(10 * MS)]).p99_us
        self.assertIn(f"a bare channel's would be {store / bare:.2f})", text)


class ScaleTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        patch = mock.patch.object(scale, "OUT", Path(folder.name))
        self.out = patch.start()
        self.addCleanup(patch.stop)

    def write(self, pages, keys):
        page = {"n": 101, "read_ns": 1600, "read_p99_ns": 3200, "pass_ns": 8000,
                "pass_p99_ns": 16000, "rss_kib": 256}
        store = {"n": 5, "xenstore_read_ns": 160_000, "xenstore_read_max_ns": 320_000}
        for name, sizes, each in (("page", pages, page), ("xenstore", keys, store)):
            (self.out / f"{name}.jsonl").write_text(
                "".join(json.dumps({"guests": size, **each}) + "\n" for size in sizes))

    def test_rows_are_per_guest(self):
        self.write([16, 64], [16, 64])
        row = scale.rows()[0]
        self.assertEqual([row[key] for key in (
            "guests", "read_ns_per_guest", "decide_ns_per_guest", "rss_kib",
            "xenstore_read_ns_per_guest")], [16, 100, 400, 256, 10_000])

    def test_sizes_that_are_missing_are_an_error(self):
        self.write([16, 64], [16])
        self.assertRaises(ValueError, scale.rows)
        self.write([], [])
        self.assertRaises(ValueError, scale.rows)


class GuardTest(unittest.TestCase):
    EXPECTED = {"a": {"expected": 2.0, "margin": 1.25}}

    def test_a_clear_loss_fails(self):
        for measured, ok in (({"a": 2.5}, True), ({"a": 2.51}, False), ({}, False),
                             ({"a": None}, False)):
            rows = guard.judge(self.EXPECTED, measured)
            self.assertEqual([row[3] for row in rows], [ok], measured)

    def test_a_cost_that_grows_with_the_guests_fails(self):
        expected = {name: limits for name, limits in
                    json.loads(guard.EXPECTED.read_text()).items() if "guests" in name}

        def text(factor):
            return "".join(
                json.dumps({"guests": n, "n": 101, "read_ns": n * 1000,
                            "pass_ns": int(n * 9000 * (factor if n == guard.MANY else 1))})
                + "\n" for n in (16, guard.FEW, guard.MANY))

        for factor, ok in ((1.2, [True, True]), (1.3, [False, True])):
            rows = guard.judge(expected, guard.scale_ratios(text(factor)))
            self.assertEqual([row[3] for row in rows], ok)
        with self.assertRaises(KeyError):
            guard.scale_ratios(text(1).splitlines()[0])

    def answered(self, ns, count=guard.N_MIN, **more):
        text = (console("daemon", "floor", [(MS, None, None)] * 100)
                + console("slow", "page", [(ns, ns, None)] * count, **more))
        return guard.reaction_ratio(text, "slow")

    def test_a_slower_answer_fails(self):
        expected = json.loads(guard.EXPECTED.read_text())
        limits = expected[guard.PAGE]
        limit = limits["expected"] * limits["margin"]
        for factor, slower in ((0.99, False), (1.01, True)):
            ratio = self.answered(int(MS * limit * factor))
            self.assertEqual(guard.judge_control(expected, ratio)[3], slower, ratio)
            self.assertEqual(guard.judge({guard.PAGE: limits}, {guard.PAGE: ratio})[0][3],
                             not slower, ratio)

    def test_answers_that_are_missing_fail(self):
        self.assertEqual(self.answered(2 * MS), 2)
        self.assertIsNone(self.answered(2 * MS, count=guard.N_MIN - 1))
        self.assertIsNone(self.answered(2 * MS, status=1))
        self.assertIsNone(self.answered(2 * MS, end=False))
        self.assertFalse(guard.judge_control(json.loads(guard.EXPECTED.read_text()),
                                             None)[3])

    def test_the_committed_expectations_are_ratios(self):
        for name, limits in json.loads(guard.EXPECTED.read_text()).items():
            self.assertRegex(name, "_to_")
            self.assertGreater(limits["margin"], 1)


if __name__ == "__main__":
    synthetic.main()
