#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run fuzz targets side by side and say what they did.

Targets have been built by tests/fuzz.mk. A target starts from the committed
seeds and from what earlier runs found (build/fuzz/corpus). A finding is left in
build/fuzz/found, with the command that shows it again. The figures go to
build/fuzz/report.json as well.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEEDS = ROOT / "tests/fuzz/corpus"
# libconfig leaks after syntax errors: to look for leaks after each input, not
# only at the end, would take most of the time, and no process may live for ever.
LEAKY = {"config"}
CHUNK_SECONDS = 300
EXECUTIONS_MIN = 100

children = set()
lock = threading.Lock()
stopping = threading.Event()


@dataclass
class Result:
    target: str
    tool: str
    executions: int = 0
    edges: int = 0
    edges_in_all: int = 0
    inputs: int = 0
    cpu_seconds: float = 0
    findings: list = field(default_factory=list)
    problem: str = ""

    def line(self):
        if self.findings:
            return (f"not ok fuzz_{self.target}: {self.findings[0]}\n"
                    f"    see it again: {self.again()}")
        if self.problem:
            return f"not ok fuzz_{self.target}: {self.problem}"
        return (f"ok fuzz_{self.target}: {self.executions} executions, "
                f"{self.edges} of {self.edges_in_all} edges, {self.inputs} inputs, "
                f"{self.cpu_seconds:.0f} s of processor")

    def again(self):
        return f"{program(self).relative_to(ROOT)} {self.findings[0]}"


def tree(result):
    return ROOT / "build" / ("fuzz-afl" if result.tool == "afl" else "fuzz")


def program(result):
    return tree(result) / f"fuzz_{result.target}"


def dictionary(name):
    path = ROOT / f"tests/fuzz/{name}.dict"
    return path if path.exists() else None


def run(command, log, **more):
    """Status and processor time of a command whose output goes to log."""
    with open(log, "wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                 cwd=ROOT, stdin=subprocess.DEVNULL, **more)
        with lock:
            children.add(child)
        if stopping.is_set():
            child.terminate()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        with lock:
            children.discard(child)
    return child.returncode, used.ru_utime + used.ru_stime


def number(pattern, text, default=0):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else default


# ---- libFuzzer ----

def libfuzzer_command(result, seconds, found):
    corpus = tree(result) / "corpus" / result.target
    corpus.mkdir(parents=True, exist_ok=True)
    words = dictionary(result.target)
    return [str(program(result)), f"-max_total_time={seconds}", "-timeout=10",
            "-print_final_stats=1", f"-artifact_prefix={found}/{result.target}-",
            *([f"-dict={words}"] if words else []),
            *(["-detect_leaks=0"] if result.target in LEAKY else []),
            str(corpus), str(SEEDS / result.target)]


def libfuzzer_chunk(result, seconds):
    found = (tree(result) / "found").relative_to(ROOT)
    (ROOT / found).mkdir(exist_ok=True)
    log = tree(result) / f"{result.target}.log"
    status, cpu = run(libfuzzer_command(result, seconds, found), log)
    said = log.read_text(errors="replace")
    result.executions += number(r"stat::number_of_executed_units: (\d+)", said)
    result.edges_in_all = number(r"Loaded \d+ modules +\((\d+) inline", said)
    result.edges = max(result.edges, number(r" cov: (\d+)", said))
    result.inputs = max(result.inputs, number(r" corp: (\d+)", said))
    result.cpu_seconds += cpu
    result.findings += re.findall(r"Test unit written to (\S+)", said)
    if status and not result.findings:
        result.problem = f"status {status}; see {log.relative_to(ROOT)}"


# ---- AFL++ ----

AFL_ENVIRONMENT = {
    "AFL_NO_UI": "1", "AFL_SKIP_CPUFREQ": "1", "AFL_NO_AFFINITY": "1",
    # Where the kernel sends core dumps is the machine's affair.
    "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1",
}


def afl_stats(path):
    pairs = (line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def afl_chunk(result, seconds):
    out = tree(result) / "out" / result.target
    subprocess.run(["rm", "-rf", out], check=True)
    out.parent.mkdir(exist_ok=True)
    log = tree(result) / f"{result.target}.log"
    words = dictionary(result.target)
    command = ["afl-fuzz", "-V", str(seconds), "-m", "none", "-t", "10000",
               "-i", str(SEEDS / result.target), "-o", str(out),
               *(["-x", str(words)] if words else []), "--", str(program(result))]
    status, cpu = run(command, log, env=os.environ | AFL_ENVIRONMENT)
    stats = out / "default/fuzzer_stats"
    if status or not stats.exists():
        result.problem = f"status {status}; see {log.relative_to(ROOT)}"
        return
    said = afl_stats(stats)
    result.executions += int(said["execs_done"])
    result.edges, result.edges_in_all = int(said["edges_found"]), int(said["total_edges"])
    result.inputs = int(said["corpus_count"])
    result.cpu_seconds += cpu
    for kind in "crashes", "hangs":
        result.findings += [str(p.relative_to(ROOT)) for p in
                            sorted((out / "default" / kind).glob("id:*"))]


# ---- all of them ----

def is_done(result, options):
    return result.findings or result.problem or result.cpu_seconds >= options.cpu_seconds


def fuzz(result, options):
    """One run; its target has its next turn when the others have had theirs."""
    chunk = afl_chunk if options.afl else libfuzzer_chunk
    chunk(result, min(options.seconds, CHUNK_SECONDS))
    if is_done(result, options) and not result.findings and not result.problem:
        if result.executions < EXECUTIONS_MIN:
            result.problem = f"only {result.executions} executions"
    return result


def fuzz_all(options):
    results = [Result(name, "afl" if options.afl else "libfuzzer")
               for name in options.targets]
    report = tree(results[0]) / "report.json"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(fuzz, result, options) for result in results}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for result in (future.result() for future in done):
                if is_done(result, options):
                    print(result.line(), flush=True)
                else:
                    running.add(pool.submit(fuzz, result, options))
            report.write_text(json.dumps([asdict(r) for r in results], indent=1) + "\n")
    return results


def end_children(*_):
    """No target outlives a runner that is asked to end."""
    stopping.set()
    for child in list(children):
        child.terminate()
    sys.exit(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--afl", action="store_true", help="by AFL++, not libFuzzer")
    parser.add_argument("--seconds", type=int, default=CHUNK_SECONDS,
                        help="of a run of one target")
    parser.add_argument("--cpu-seconds", type=int, default=0,
                        help="a target runs again until it has had these")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, end_children)
    results = fuzz_all(options)
    failed = sum(bool(result.findings or result.problem) for result in results)
    print(f"{len(results) - failed} passed, {failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
