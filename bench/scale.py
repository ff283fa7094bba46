#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What each guest costs dom0, for 16 to 4,095 guests: scale.c says what is measured.

Boots real Xen, so that reading pages and reading xenstore are measured on one clock,
in dom0; the pages are of a fake hypervisor's guests. Prints a table and leaves
build/bench/scale.json. CLOCK=wall measures in real time.
"""

import json
import os
import sys
from pathlib import Path

import program

PROJECT = Path(__file__).resolve().parents[1]
BUILD = PROJECT / "build"
OUT = BUILD / "bench" / "scale-boot"


def boot(clock):
    OUT.mkdir(parents=True, exist_ok=True)
    for name in "page.jsonl", "xenstore.jsonl":
        (OUT / name).unlink(missing_ok=True)
    return program.wait_for(
        [PROJECT / "mkimage/run.py", "--script", PROJECT / "bench/scale-dom0.sh",
         "--in", BUILD / "bench/scale", "--out", OUT, "--clock", clock,
         "--time-limit", "2400", "--host-memory", "1536", "--dom0-memory", "1024"])


def lines(name):
    """{guests: object}"""
    objects = map(json.loads, (OUT / name).read_text().splitlines())
    return {each["guests"]: each for each in objects}


def row(page, store):
    guests = page["guests"]
    return {
        "guests": guests,
        "read_ns_per_guest": round(page["read_ns"] / guests, 1),
        "decide_ns_per_guest": round((page["pass_ns"] - page["read_ns"]) / guests, 1),
        "rss_kib": page["rss_kib"],
        "xenstore_read_ns_per_guest": round(store["xenstore_read_ns"] / guests, 1),
        "n": page["n"], "xenstore_n": store["n"],
        "read_p99_ns_per_guest": round(page["read_p99_ns"] / guests, 1),
        "pass_p99_ns_per_guest": round(page["pass_p99_ns"] / guests, 1),
        "xenstore_read_max_ns_per_guest": round(store["xenstore_read_max_ns"] / guests, 1),
    }


def rows():
    """ValueError if the two don't cover the same sizes."""
    page, store = lines("page.jsonl"), lines("xenstore.jsonl")
    if not page or page.keys() != store.keys():
        raise ValueError(f"pages of {sorted(page)} guests, keys of {sorted(store)}")
    return [row(page[guests], store[guests]) for guests in sorted(page)]


def main():
    clock = os.environ.get("CLOCK", "icount")
    if status := boot(clock):
        return status
    facts = json.loads((OUT / "run.json").read_text())
    report = {
        "host": {key: facts[key] for key in ("accel", "cores", "xen", "dom0_kernel", "qemu")},
        "clock": clock, "rows": rows()}
    (BUILD / "bench/scale.json").write_text(json.dumps(report, indent=1) + "\n")
    print(f"{'guests':>7}{'read, ns each':>15}{'decide, ns each':>17}{'rss, KiB':>10}"
          f"{'from xenstore, ns each':>24}")
    for each in report["rows"]:
        print(f"{each['guests']:>7}{each['read_ns_per_guest']:>15.0f}"
              f"{each['decide_ns_per_guest']:>17.0f}{each['rss_kib']:>10}"
              f"{each['xenstore_read_ns_per_guest']:>24.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
