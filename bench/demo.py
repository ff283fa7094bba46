#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs the demo on real Xen and writes its report.

Expects the images to be built. Exit status: 0 if all bars are met, 1 if one is
not or if the run failed, 2 for a usage error.
"""

import argparse
import shutil
import sys
from pathlib import Path

import plots
import program
import report
import rundata

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
RUNNER = PROJECT / "mkimage" / "run.py"
RUN_FILES = ("report.json", "report.html")


class DemoError(Exception):
    """The demo could not be run to its end."""


def arguments():
    parser = argparse.ArgumentParser(
        description="Three guests with fixed memory, then with the allocator on.",
        epilog="Writes report.json and report.html; the run's data is in run/.",
    )
    parser.add_argument(
        "--conf",
        type=Path,
        default=HERE / "demo.conf",
        metavar="FILE",
        help="the setting (default: bench/demo.conf)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=PROJECT / "build" / "demo",
        metavar="DIR",
        help="where the report goes (default: build/demo)",
    )
    parser.add_argument(
        "--accel", default="auto", metavar="NAME", help="auto, kvm or tcg"
    )
    return parser.parse_args()


def guest_option(name, kind, conf):
    """A guest of the runner; @kind is the prefix of its keys in the setting."""
    options = [
        name,
        "kind=pv",
        f"memory={conf[kind + '_GUEST_START_MIB']}",
        f"maxmem={conf[kind + '_GUEST_MAX_MIB']}",
        f"swap={conf[kind + '_GUEST_SWAP_MIB']}",
        "vcpus=1",
    ]
    if kind == "DISK":
        options.append(f"data={conf['DISK_GUEST_DATA_MIB']}")
    return ["--guest", ",".join(options)]


def runner_command(conf, conf_file, out, accel):
    command = [sys.executable, str(RUNNER)]
    command += ["--script", str(HERE / "demo-dom0.sh"), "--in", str(conf_file)]
    command += ["--in", str(HERE / "work-lib.sh")]
    command += ["--out", str(out), "--clock", "wall", "--accel", accel]
    command += ["--host-memory", conf["HOST_MEMORY_MIB"]]
    command += ["--dom0-memory", conf["DOM0_MEMORY_MIB"]]
    command += ["--disk-iops", conf["DISK_IOPS"]]
    command += ["--time-limit", conf["TIME_LIMIT_S"]]
    for kind in ("MEMORY", "DISK"):
        for name in conf[kind + "_GUESTS"].split():
            command += guest_option(name, kind, conf)
    return command


def check_tools():
    if not RUNNER.exists():
        raise DemoError("mkimage/run.py is missing")
    if not shutil.which("gnuplot"):
        raise DemoError("gnuplot is missing; Debian's package is gnuplot-nox")


def prepare(destination, conf_file):
    """Removes what an earlier demo left, so that it cannot pass for this one's."""
    run = destination / "run"
    for name in RUN_FILES:
        (destination / name).unlink(missing_ok=True)
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    staged = run / "demo.conf"
    shutil.copyfile(conf_file, staged)
    return run, staged


def demo(options):
    check_tools()
    conf = rundata.read_conf(options.conf)
    run, staged = prepare(options.out, options.conf)
    try:
        command = runner_command(conf, staged, run, options.accel)
    except KeyError as error:
        raise DemoError(f"{options.conf}: no {error.args[0]}") from None
    if status := program.wait_for(command):
        raise DemoError(f"the run failed, exit status {status}")
    text, met = report.write(run, conf, options.out)
    print(f"\n{text}\n\nreport: {options.out / 'report.html'}")
    if not met:
        print("demo.py: at least one bar is NOT MET", file=sys.stderr)
    return met


def main():
    options = arguments()
    errors = (DemoError, rundata.DataError, plots.PlotError)
    return program.main("demo.py", lambda: demo(options), errors)


if __name__ == "__main__":
    sys.exit(main())
