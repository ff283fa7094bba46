# SPDX-License-Identifier: GPL-2.0-only
"""What the programs that boot guests have in common: how they wait, and how they end."""

import signal
import subprocess
import sys


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
