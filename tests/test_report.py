#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The demo's report: figures are right, and a hole in the data is an error."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

import synthetic
from synthetic import FACTS, counters, end, line

import rundata  # noqa: E402
import report  # noqa: E402

CONF = {"POLICIES": "static cagma", "MEMORY_GUESTS": "mem1", "DISK_GUESTS": "disk1"}
BEGAN_MS = 1_000_000


def console(workload, times, swapped, requests):
    before, after = counters(workload, swapped, requests, before=7)
    rounds = "".join(line("R", task=0, round=number, ms=ms, at_ms=number)
                     for number, ms in enumerate(times))
    return before + rounds + after + end(workload, len(times), round_ios=1)


def trace(emergencies, reactions):
    events = [{"t_ms": 1600, "ev": "emergency", "name": "mem1", "reason": "kswapd"}
              for _ in range(emergencies)]
    events += [{"t_ms": 1700, "ev": "reaction", "us": us} for us in reactions]
    sizes = ((500, 192, 0), (1500, 320, 0), (2500, 256, 0))
    return synthetic.trace(BEGAN_MS, ("mem1", "disk1"), sizes, events,
                           emergencies=emergencies, answered=emergencies)


def write_run(out, policy, times, swapped, requests, reactions):
    marks = {"policy": policy, "began_ms": BEGAN_MS, "ended_ms": BEGAN_MS + 2000}
    (out / f"{policy}.json").write_text(json.dumps(marks))
    (out / f"{policy}-mem1.log").write_text(console("memory", times, swapped, 0))
    (out / f"{policy}-disk1.log").write_text(console("disk", [5.0], 0, requests))
    (out / f"trace-{policy}.jsonl").write_text(trace(len(reactions), reactions))


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.out = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.out)
        (self.out / "run.json").write_text(json.dumps(FACTS))
        write_run(self.out, "static", [100.0, 300.0, 200.0], 1000, 100, [])
        write_run(self.out, "cagma", [10.0, 30.0, 20.0], 50, 200, [700, 900])

    def build(self):
        return report.build(FACTS, CONF, rundata.read_runs(self.out, CONF))

    def change(self, name, old, new):
        path = self.out / name
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new, 1))

    def bar(self, built, start):
        return next(b for b in built["bars"] if b["what"].startswith(start))

    def test_figures_are_the_guests_own(self):
        static, cagma = self.build()["runs"]
        mem, disk = cagma["guests"]
        self.assertEqual(mem["residence_ms"],
                         {"n": 3, "mean": 20.0, "p50": 20.0, "p95": 30.0})
        self.assertEqual(mem["swap_out_pages"], 50)
        self.assertEqual(disk["iops"], {"n": 200, "mean": 100.0})
        self.assertEqual(mem["allocated_mib"], {"start": 192.0, "max": 320.0, "end": 256.0})
        self.assertEqual(cagma["reaction_us"], {"n": 2, "p50": 700, "p99": 900, "max": 900})
        self.assertEqual(static["guests"][0]["swap_out_pages"], 1000)

    def test_kernel_message_behind_a_line_is_not_data(self):
        whole = self.build()
        self.change("cagma-mem1.log", '"at_ms": 1}', '"at_ms": 1}[   50.037215] clocksource: x')
        self.assertEqual(self.build(), whole)

    def test_all_bars_are_met(self):
        self.assertEqual([b["what"] for b in self.build()["bars"] if not b["met"]], [])

    def test_a_missed_bar_is_seen(self):
        write_run(self.out, "cagma", [100.0, 160.0], 60, 99, [700])
        built = self.build()
        for start in ("swap-outs", "mean residence", "requests per second"):
            self.assertFalse(self.bar(built, start)["met"], start)

    def test_a_missing_reaction_is_seen(self):
        self.change("trace-cagma.jsonl", '"ev": "reaction"', '"ev": "other"')
        self.assertFalse(self.bar(self.build(), "reaction times")["met"])

    def test_a_missing_file_is_an_error(self):
        for path in list(self.out.iterdir()):
            if path.name == "run.json":
                continue
            text = path.read_text()
            path.unlink()
            with self.assertRaises(rundata.DataError, msg=path.name):
                self.build()
            path.write_text(text)

    def test_a_hole_in_the_data_is_an_error(self):
        for name, old, new in (
            ("cagma-mem1.log", "@R", "@X"),
            ("cagma-mem1.log", '"when": "end"', '"when": "start"'),
            ("cagma-mem1.log", "@E", "E"),
            ("cagma-mem1.log", '"pswpout": 57', '"pswpout": 3'),
            ("cagma-disk1.log", '"reads": 210', '"seen": 210'),
            ("trace-cagma.jsonl", '"ev": "end"', '"ev": "stop"'),
            ("trace-cagma.jsonl", '"alloc_kib"', '"kib"'),
            ("trace-cagma.jsonl", '"answered": 2', '"answered": 3'),
            ("cagma.json", str(BEGAN_MS + 2000), str(BEGAN_MS)),
        ):
            whole = (self.out / name).read_text()
            self.change(name, old, new)
            with self.assertRaises(rundata.DataError, msg=f"{name}: {old}"):
                self.build()
            (self.out / name).write_text(whole)
        self.build()


if __name__ == "__main__":
    synthetic.main()
