#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the policy's constants are good for.

sweep.py SIM OBJECTS CC FLAGS...: plays all scenarios of the default policy and HOSTS
random hosts (1000 unless the environment says so), with one constant at a time at
other values. A setting is given to SIM; a constant of the source is changed in a copy
of its file, which is linked with the other OBJECTS. LIBS is what to link with. Prints
a table and leaves build/bench/sweep.json.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
OUT = PROJECT / "build/bench/sweep.json"
HOSTS = int(os.environ.get("HOSTS", "1000"))

# Name: the values tried. The default is one of them.
SETTINGS = {
    "cma_floor_mib": (8, 16, 32, 48, 64, 96),
    "threshold_percent": (25, 50, 75, 90, 100),
    "task_percent": (0, 10, 25, 50, 100),
    "horizon_ms": (125, 250, 500, 1000, 2000),
    "window_ms": (2000, 5000, 10000, 15000),
    "release_mib": (8, 16, 32, 64, 128),
    "release_ms": (1000, 2500, 5000, 10000, 15000),
    "donor_ms": (125, 500, 1000, 2000, 5000),
    "reserve_mib": (64, 96, 128, 192, 256, 512),
    "hard_reserve_mib": (16, 32, 64, 96, 128),
    "period_ms": (250, 500, 1000, 2000, 5000),
    "tick_ms": (50, 100, 250, 500, 1000),
    "grace_ms": (0, 2500, 5000, 10000, 20000),
    "stale_ms": (500, 1000, 3000, 10000),
}
# Name: its file, how the line begins that defines it, and the values tried.
CONSTANTS = {
    "YIELD_SHARE": ("dom0/policy.c", "#define YIELD_SHARE\t", ("2", "4", "8", "16", "32")),
    "LEAST_SHARE": ("dom0/policy.c", "#define LEAST_SHARE\t", ("8", "16", "32", "64", "128")),
    "CALM_NS": ("dom0/policy.c", "#define CALM_NS\t\t", tuple(
        f"({s} * CAGMA_NS_PER_S)" for s in (0, 10, 30, 60))),
    "debt: WINDOW_NS": ("dom0/debt.c", "#define WINDOW_NS\t", tuple(
        f"({s} * CAGMA_NS_PER_S)" for s in (1, 2, 5, 10, 20))),
    "debt: SHARE": ("dom0/debt.c", "#define SHARE\t\t", ("1", "2", "4", "8", "16")),
    "debt: ENOUGH_PAGES": ("dom0/debt.c", "#define ENOUGH_PAGES\t", tuple(
        f"cagma_mib_to_pages({mib})" for mib in (16, 64, 128, 512))),
    "debt: WAIT_MIN_NS": ("dom0/debt.c", "#define WAIT_MIN_NS\t", tuple(
        f"({s} * CAGMA_NS_PER_S)" for s in (2, 5, 10, 30, 60))),
    "foreign: LASTS_NS": ("dom0/foreign.c", "#define LASTS_NS\t", (
        "(CAGMA_NS_PER_S / 4)", "(CAGMA_NS_PER_S / 2)", "CAGMA_NS_PER_S",
        "(2 * CAGMA_NS_PER_S)")),
    "foreign: ALONE_NS": ("dom0/foreign.c", "#define ALONE_NS\t", tuple(
        f"({s} * CAGMA_NS_PER_S)" for s in (0, 5, 10, 30))),
    "loop: BUSY_TICK_NS": ("dom0/loop.c", "#define BUSY_TICK_NS\t", tuple(
        f"({ms} * CAGMA_NS_PER_MS)" for ms in (10, 25, 50, 100, 250))),
}


def scenarios():
    """Those that another policy was not asked for."""
    files = sorted((PROJECT / "tests/scenarios").glob("*.scn"))
    return [file for file in files if "set policy" not in file.read_text()
            and "copies=" not in file.read_text()]


def figures(sim, arguments):
    said = subprocess.run([sim, "--total", *map(str, arguments)], text=True,
                          capture_output=True, check=False).stdout
    if not (match := re.search(r"^total (.*)\n\d+ passed, (\d+) failed", said, re.MULTILINE)):
        raise SystemExit(f"sweep: {sim} has no figures with {arguments[:2]}")
    words = match[1].split()
    return {"failed": int(match[2]),
            **{name: int(value) for name, value in zip(words[::2], words[1::2])}}


def play(sim, *settings):
    return {"scenarios": figures(sim, [*settings, *scenarios()]),
            "hosts": figures(sim, [*settings, "--random", HOSTS])}


def default_of(name):
    return int(re.search(rf'\{{ "{name}", \d+, \d+, (\d+),',
                         (PROJECT / "dom0/config.c").read_text())[1])


def build(compiler, objects, file, text, to):
    """The simulator with another text of one source file."""
    source = to / Path(file).name
    source.write_text(text)
    own = objects / Path(file).with_suffix(".o")
    mains = list(objects.glob("bench/*.o"))
    others = [o for o in objects.rglob("*.o") if o not in (own, *mains)]
    subprocess.run([*compiler, "-w", "-Wno-error", f"-I{PROJECT / Path(file).parent}", "-o",
                    to / "sim", source, *others, *os.environ["LIBS"].split()], check=True)
    return to / "sim"


def sweep_constant(compiler, objects, name):
    file, begin, values = CONSTANTS[name]
    text = (PROJECT / file).read_text()
    line = next(line for line in text.splitlines() if line.startswith(begin))
    default = line[len(begin):].split("\t")[0]
    if default not in values:
        raise SystemExit(f"sweep: {name} is {default}, which is none of {values}")
    for value in values:
        with tempfile.TemporaryDirectory() as to:
            sim = build(compiler, objects, file, text.replace(line, begin + value), Path(to))
            yield value, value == default, play(sim)


def sweep_setting(sim, name):
    default = default_of(name)
    if default not in SETTINGS[name]:
        raise SystemExit(f"sweep: {name} is {default}, which is none of {SETTINGS[name]}")
    for value in SETTINGS[name]:
        extra = []
        if name == "hard_reserve_mib":
            # No scenario's own reserve is less than that.
            extra = ["--set", f"reserve_mib={max(value, default_of('reserve_mib'))}"]
        if name == "period_ms" and value < default_of("tick_ms"):
            extra = ["--set", f"tick_ms={value}"]
        yield value, value == default, play(sim, "--set", f"{name}={value}", *extra)


def plain(value):
    """A constant of the source in a reader's words."""
    text = str(value).strip("()")
    text = re.sub(r"cagma_mib_to_pages\((\d+)\)?", r"\1 MiB", text)
    text = re.sub(r"(\d+) \* CAGMA_NS_PER_(M?)S", lambda m: f"{m[1]} {m[2].lower()}s", text)
    return text.replace("CAGMA_NS_PER_S / 4", "250 ms").replace(
        "CAGMA_NS_PER_S / 2", "500 ms").replace("CAGMA_NS_PER_S", "1 s")


def row(name, value, is_default, all_figures):
    """A line of docs/policy.md's table."""
    s, h = all_figures["scenarios"], all_figures["hosts"]
    value = f"**{plain(value)}**" if is_default else plain(value)
    return (f"| `{name}` | {value} | {s['failed']} | {s['swapped-out']:,} | "
            f"{s['stalled-ms'] / 1000:.1f} | {s['changes']:,} | {h['failed']} | "
            f"{h['changes']:,} |")


def main():
    sim, objects, *compiler = sys.argv[1:]
    wanted = os.environ.get("ONLY", "").split(",")
    results = json.loads(OUT.read_text()) if OUT.exists() and wanted != [""] else {}
    results["hosts"], results["scenarios"] = HOSTS, len(scenarios())
    print(f"| constant | value | of {len(scenarios())} scenarios failed | MiB swapped out | "
          f"s waited for memory | changes of targets | of {HOSTS} hosts failed | changes |\n"
          "|---|---|---:|---:|---:|---:|---:|---:|")
    for name in (*SETTINGS, *CONSTANTS):
        if wanted != [""] and name not in wanted:
            continue
        tried = (sweep_setting(sim, name) if name in SETTINGS else
                 sweep_constant(compiler, Path(objects), name))
        results[name] = []
        for value, is_default, all_figures in tried:
            results[name].append({"value": value, "default": is_default, **all_figures})
            print(row(name, value, is_default, all_figures), flush=True)
        OUT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
