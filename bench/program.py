# SPDX-License-Identifier: GPL-2.0-only
"""What the programs that boot guests have in common: how they wait, and how they end."""

import multiprocessing
import multiprocessing.connection
import os
import re
import signal
import subprocess
import sys
from pathlib import Path


def end_on_signal(number, _frame):
    raise SystemExit(128 + number)


def wait_for(command):
    """Its exit status. Ctrl-C reaches the command by itself; it cleans up while we
    wait for it. Whatever else ends us, SIGTERM included, ends it."""
    early = []
    signal.signal(signal.SIGTERM, lambda number, _frame: early.append(number))
    runner = subprocess.Popen(command)
    try:
        signal.signal(signal.SIGTERM, end_on_signal)
        if early:   # it ran already, and could not be ended yet
            end_on_signal(early[0], None)
        return runner.wait()
    except KeyboardInterrupt:
        runner.wait()
        raise
    except BaseException:
        runner.terminate()
        runner.wait()
        raise


def _call_and_exit(call):
    """In a process of its own: it has no report to make if it is interrupted."""
    try:
        call()
    except KeyboardInterrupt:
        sys.exit(130)


def lanes(clock, mib):
    """How many machines of `mib` run at once: in virtual time one for each processor, if
    there is memory for them; in real time they would disturb each other."""
    if clock != "icount":
        return 1
    meminfo = Path("/proc/meminfo").read_text()
    free_kib = int(re.search(r"^MemAvailable: *(\d+) kB$", meminfo, re.M)[1])
    # The emulator's own, translated code above all, is up to another GiB.
    return max(1, min(os.cpu_count(), free_kib // ((mib + 1024) * 1024)))


def side_by_side(calls, at_once):
    """Makes the calls, `at_once` at a time and each in a process of its own: what comes of
    one is in its files. Whatever ends us ends them."""
    waiting, running = list(calls), []
    signal.signal(signal.SIGTERM, end_on_signal)
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(multiprocessing.Process(target=_call_and_exit,
                                                       args=(waiting.pop(0),)))
                running[-1].start()
            multiprocessing.connection.wait([each.sentinel for each in running])
            running = [each for each in running if each.is_alive()]
    except KeyboardInterrupt:
        # It has reached them by itself.
        for each in running:
            each.join()
        raise
    except BaseException:
        for each in running:
            each.terminate()
            each.join()
        raise


def main(name, run, errors):
    """run(): whether all is well. Returns the exit status; `errors` are for the user
    to read, all others are mistakes of ours."""
    try:
        return 0 if run() else 1
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted", file=sys.stderr)
        return 130
    except (*errors, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
