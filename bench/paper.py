#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs the paper's experiment on real Xen and writes its report.

Each run is one policy, one amount of host memory and one seed; as many boots as there
are processors run side by side, which virtual time does not notice. Runs that were
completed with the same setting and the same workloads are kept and not repeated;
after a failure or an interruption the report has what there is, and says what is
missing. Expects the images to be built. Exit status: 0 if every run is there and all
bars are met, 1 if not, 2 for a usage error.
"""

import argparse
import hashlib
import json
import shlex
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import paperreport
import plots
import program
import rundata
from rundata import DataError

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
RUNNER = PROJECT / "mkimage" / "run.py"
IMAGES = PROJECT / "build" / "images"
GUEST = PROJECT / "build" / "guest"
# What a run depends on beside the policies: another of these, another experiment.
INGREDIENTS = (
    HERE / "paper-dom0.sh",
    HERE / "work-lib.sh",
    GUEST / "usr/bin/memtask",
    GUEST / "usr/bin/disktask",
    GUEST / "usr/bin/kvtask",
    GUEST / "usr/bin/jobtask",
    GUEST / "usr/bin/collect",
    GUEST / "lib/cagma/collector.ko",
)


def arguments():
    parser = argparse.ArgumentParser(
        description="The paper's experiment: three guests, one disk, six policies.",
        epilog="Writes paper.json and paper.html; the runs' data is in paper/runs/.",
    )
    add = parser.add_argument
    add("--conf", type=Path, default=HERE / "paper.conf", metavar="FILE",
        help="the setting (default: bench/paper.conf)")
    add("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE",
        help="another value of the setting, for a smaller experiment (repeatable)")
    add("--out", type=Path, default=PROJECT / "build" / "bench", metavar="DIR",
        help="where the report goes (default: build/bench)")
    add("--seeds", type=int, default=1, metavar="N", help="repetitions (1)")
    add("--fresh", action="store_true", help="keep nothing of earlier runs")
    add("--report", action="store_true", help="boot nothing, report what there is")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error("--seeds must be 1 or more")
    return options


# ---- which runs ----


def read_setting(options):
    """The file's, with what the command line changes; nothing new can be set."""
    conf = rundata.read_conf(options.conf)
    for change in options.changes:
        key, separator, value = change.partition("=")
        if not separator or key not in conf:
            raise DataError(f"{options.conf} has no {change}")
        conf[key] = value
    return conf


def wanted_runs(conf, seeds):
    """Seeds first, so that an interrupted table has whole repetitions."""
    return [
        (memory, policy, seed)
        for seed in range(1, seeds + 1)
        for memory in conf["MEMORIES"].split()
        for policy in conf["POLICIES"].split()
    ]


def run_name(memory, policy, seed):
    return f"{memory}-{policy}-{seed}"


def setting_key(conf, ingredients=INGREDIENTS):
    """Which runs may stand in one table. How many there are does not matter."""
    digest = hashlib.sha256()
    kept = {k: v for k, v in conf.items() if k not in ("TITLE", "POLICIES", "MEMORIES")}
    digest.update(json.dumps(kept, sort_keys=True).encode())
    for path in ingredients:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def is_done(runs, name, key):
    try:
        return (runs / name / "key").read_text().strip() == key
    except OSError:
        return False


# ---- booting ----


def disk_modules():
    """The kernel's disk of limited speed, and what it needs, for dom0 to load."""
    versions = dict(
        line.split("=", 1) for line in (IMAGES / "versions").read_text().splitlines()
    )
    kernel = versions["KERNEL_VERSION"]
    tree = Path(versions["KDIR"].removesuffix(f"/usr/src/linux-headers-{kernel}"))
    drivers = tree / "lib/modules" / kernel / "kernel"
    return [drivers / "fs/configfs/configfs.ko",
            drivers / "drivers/block/null_blk/null_blk.ko"]


def runner_command(conf, memory, staged, out):
    command = [sys.executable, str(RUNNER), "--clock", "icount", "--out", str(out)]
    command += ["--script", str(HERE / "paper-dom0.sh")]
    for path in [HERE / "work-lib.sh", *staged, *disk_modules()]:
        command += ["--in", str(path)]
    command += ["--host-memory", conf[f"{memory.upper()}_HOST_MIB"]]
    command += ["--dom0-memory", conf["DOM0_MEMORY_MIB"]]
    # Their disks and what they begin with are the script's.
    for guest in conf["GUESTS"].split():
        sizes = f"memory={conf['MIN_MIB']},maxmem={conf['MAX_MIB']}"
        command += ["--guest", f"{guest},{sizes}"]
    return command + ["--time-limit", conf["TIME_LIMIT_S"]]


def stage(folder, conf, memory, runs):
    """What the script in dom0 reads."""
    folder.mkdir(parents=True, exist_ok=True)
    setting = [f"{key}={shlex.quote(value)}\n" for key, value in conf.items()]
    (folder / "paper.conf").write_text("".join(setting))
    (folder / "memory").write_text(memory + "\n")
    lines = [f"{policy} {seed}\n" for _, policy, seed in runs]
    (folder / "runs").write_text("".join(lines))
    return [folder / name for name in ("paper.conf", "memory", "runs")]


def harvest(out, runs, key):
    """Keeps what was completed: the mark RUN.json is the last thing a run leaves."""
    for mark in out.glob("*-*-*.json"):
        name = mark.stem
        target = runs / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        shutil.move(mark, target / "mark.json")
        shutil.move(out / f"trace-{name}.jsonl", target / "trace.jsonl")
        for log in out.glob(f"{name}-*.log"):
            shutil.move(log, target / log.name.removeprefix(f"{name}-"))
        shutil.copyfile(out / "run.json", target / "host.json")
        (target / "version").write_text(version() + "\n")
        (target / "key").write_text(key + "\n")


def version():
    """Of the daemon that the boot was given."""
    command = [PROJECT / "build/dom0/cagmad", "--version"]
    try:
        done = subprocess.run(command, text=True, capture_output=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip().removeprefix("cagmad ") or "unknown"


def boot(options, conf, key, wanted):
    """One boot for runs with the same memory and seed."""
    memory, _, seed = wanted[0]
    print(f"paper.py: {memory}, seed {seed}: {len(wanted)} runs", flush=True)
    out = options.out / "paper" / f"boot-{memory}-{seed}"
    shutil.rmtree(out, ignore_errors=True)
    staged = stage(out / "staged", conf, memory, wanted)
    try:
        status = program.wait_for(runner_command(conf, memory, staged, out))
    finally:
        harvest(out, options.out / "paper" / "runs", key)
    if status:
        print(f"paper.py: the boot of {memory}, seed {seed} failed;"
              " what it completed is kept", file=sys.stderr)


def run_missing(options, conf, wanted, key):
    boots = {}
    for run in wanted:
        if not is_done(options.out / "paper" / "runs", run_name(*run), key):
            boots.setdefault((run[0], run[2]), []).append(run)
    mib = max((int(conf[f"{memory.upper()}_HOST_MIB"]) for memory, _ in boots), default=0)
    program.side_by_side([partial(boot, options, conf, key, runs) for runs in boots.values()],
                         program.lanes("icount", mib))


# ---- the whole ----


def paper(options):
    conf = read_setting(options)
    key = setting_key(conf)
    wanted = wanted_runs(conf, options.seeds)
    runs = options.out / "paper" / "runs"
    if options.fresh:
        shutil.rmtree(runs, ignore_errors=True)
    try:
        if not options.report:
            run_missing(options, conf, wanted, key)
    finally:
        done = [run for run in wanted if is_done(runs, run_name(*run), key)]
        missing = [run_name(*run) for run in wanted if run not in done]
        folders = [runs / run_name(*run) for run in done]
        text, met = paperreport.write(folders, missing, conf, options.out)
        print(f"\n{text}\n\nreport: {options.out / 'paper.html'}")
    return met


def paper_or_error(options):
    try:
        return paper(options)
    except KeyError as error:
        raise DataError(f"{options.conf}: no {error.args[0]}") from error


def main():
    options = arguments()
    return program.main("paper.py", lambda: paper_or_error(options),
                        (DataError, plots.PlotError))


if __name__ == "__main__":
    sys.exit(main())
