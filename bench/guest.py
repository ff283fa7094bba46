#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the module costs the guest that loads it, and what the agent does.

Boots real Xen with an idle PV guest of one processor, in virtual time that counts
instructions. The hooks and one sample are measured by bench/guest/; the share of the
processor is Xen's account of the guest, with each of the two and without. Prints a table
and leaves build/bench/guest.json. Exit status 0: all bars are met.
"""

import json
import sys
from pathlib import Path

import program

PROJECT = Path(__file__).resolve().parents[1]
BUILD = PROJECT / "build"
OUT = BUILD / "bench" / "guest"

HOOK_DISARMED_NS_MAX = 100
PUBLISH_NS_MAX = 10_000
CPU_PERCENT_MAX = 0.1
LOAD_MS_MAX = 50


def boot():
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "figures").unlink(missing_ok=True)
    return program.wait_for([
        PROJECT / "mkimage/run.py", "--script", PROJECT / "bench/guest-dom0.sh",
        "--in", BUILD / "bench/cputime", "--out", OUT, "--clock", "icount",
        "--time-limit", "3600", "--host-memory", "1536", "--dom0-memory", "512",
        "--guest", "one,memory=192,maxmem=256,extra=cagma=off"])


def read_figures():
    lines = (OUT / "figures").read_text().splitlines()
    return {name: list(map(int, words)) for name, *words in map(str.split, lines)}


def per_call(figures, name):
    """Of cost.ko's batches, the measuring itself taken off."""
    n, *picoseconds = figures[name + "_ps"]
    own = figures["nothing_ps"][1]
    return {"n": n, **{key + "_ns": (value - own) / 1000 for key, value in
                       zip(["p50", "p90", "p99", "max"], picoseconds)}}


def loads(figures):
    ordered = sorted(figures["load_ns"])
    return {"n": len(ordered), "first_ms": figures["first_load_ns"][0] / 1e6,
            "p50_ms": ordered[(len(ordered) - 1) // 2] / 1e6, "max_ms": ordered[-1] / 1e6}


def cpu_percent(figures, name):
    passed_ms, ran_ns = figures["idle_" + name]
    return ran_ns / passed_ms / 1e4


def judge(report):
    bars = []

    def bar(name, value, limit, unit):
        bars.append({"name": name, "value": value, "limit": limit, "unit": unit,
                     "met": value <= limit})

    bar("hook, nobody attached, p50", report["hook_disarmed"]["p50_ns"], HOOK_DISARMED_NS_MAX, "ns")
    bar("one publish, p99", report["publish"]["p99_ns"], PUBLISH_NS_MAX, "ns")
    bar("share of a processor at 10 Hz, attached", report["cpu_percent"]["module_attached"],
        CPU_PERCENT_MAX, "%")
    bar("loading without a daemon, most", max(report["load"]["max_ms"], report["load"]["first_ms"]),
        LOAD_MS_MAX, "ms")
    return bars


def make_report():
    figures = read_figures()
    shares = {name: cpu_percent(figures, name) for name in ("without", "alone", "attached", "agent")}
    report = {
        "run": json.loads((OUT / "run.json").read_text()),
        "hook_disarmed": per_call(figures, "hook_disarmed"),
        "hook_armed": per_call(figures, "hook_armed"),
        "publish": per_call(figures, "publish"),
        "load": loads(figures),
        "idle_seconds": figures["idle_attached"][0] / 1000,
        "cpu_percent": {
            "guest_without_module": shares["without"],
            "module_alone": shares["alone"] - shares["without"],
            "module_attached": shares["attached"] - shares["without"],
            "agent": shares["agent"] - shares["without"]},
    }
    report["bars"] = judge(report)
    return report


def main():
    if status := boot():
        return status
    report = make_report()
    print(f"{'virtual ns a call':<28}{'batches':>8}{'p50':>10}{'p90':>10}{'p99':>10}{'max':>10}")
    for name in "hook_disarmed", "hook_armed", "publish":
        n, *rest = report[name].values()
        print(f"{name:<28}{n:>8}" + "".join(f"{value:>10.1f}" for value in rest))
    for name, value in report["cpu_percent"].items():
        print(f"{name}: {value:.4f} % of a processor, in {report['idle_seconds']:.0f} s")
    for each in report["bars"]:
        print(f"{'ok' if each['met'] else 'MISSED'}: {each['name']}: {each['value']:.4g} "
              f"{each['unit']} (at most {each['limit']})")
    (BUILD / "bench/guest.json").write_text(json.dumps(report, indent=1) + "\n")
    return 0 if all(each["met"] for each in report["bars"]) else 1


if __name__ == "__main__":
    sys.exit(main())
