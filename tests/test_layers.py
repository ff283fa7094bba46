#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A folder's files are a ladder: no file includes or names what leads back to it."""

import re
import tempfile
import unittest
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import synthetic

PROJECT = Path(__file__).resolve().parents[1]

# Folders without a circle. dom0 is not among them.
HELD = ("domU", "kmod", "shared")

NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|(?<!include )"(?:\\.|[^"\\\n])*"', re.S)
INCLUDE = re.compile(r'^#include "(\w+)\.h"', re.M)
# At the beginning of a line, with its type before and its body behind.
FUNCTION = re.compile(r"^(?!static)\w[\w \t*]*?\b(\w+)\([^;{}]*\)\n\{", re.M)


def read(folder, suffix):
    return {path.stem: NOISE.sub("", path.read_text())
            for path in sorted(folder.glob(f"*.{suffix}"))}


def needs(folder):
    """{unit: {unit: by what}}; a unit is X.c with X.h. State that is shared is nobody's."""
    sources, headers = read(folder, "c"), read(folder, "h")
    owners = {name: unit for unit, text in sources.items()
              for name in FUNCTION.findall(text)}
    units = {unit: {} for unit in {**sources, **headers}}
    for unit, others in units.items():
        for name in INCLUDE.findall(headers.get(unit, "") + sources.get(unit, "")):
            others[name] = f"{name}.h"
        for word in re.findall(r"\w+", sources.get(unit, "")):
            if word in owners:
                others[owners[word]] = word
        others.pop(unit, None)
    return units


def circle(units):
    """One of them, and by what each unit needs the next; "": there is none."""
    try:
        TopologicalSorter(units).prepare()
    except CycleError as error:
        path = error.args[1][::-1]
        return ", ".join(f"{a} needs {b} ({units[a][b]})" for a, b in zip(path, path[1:]))
    return ""


class LayersTest(unittest.TestCase):
    def test_no_circle_in_a_folder(self):
        for name in HELD:
            with self.subTest(folder=name):
                self.assertEqual(circle(needs(PROJECT / name)), "")

    def test_the_calls_of_the_module_are_found(self):
        units = needs(PROJECT / "kmod")
        self.assertLessEqual({"balloon", "publish"}, units["mail"].keys())
        self.assertLessEqual({"balloon"}, units["counters"].keys())
        self.assertLessEqual({"mail"}, units["offer"].keys())


class CircleTest(unittest.TestCase):
    def found(self, **texts):
        with tempfile.TemporaryDirectory() as directory:
            for name, text in texts.items():
                (Path(directory) / f"{name[:-2]}.{name[-1]}").write_text(text)
            return circle(needs(Path(directory)))

    def test_calls_in_a_circle(self):
        above = "int a(void)\n{\n\treturn b();\n}\n"
        below = "static int at(void)\n{\n}\n\nint b(void)\n{\n\treturn %s;\n}\n"
        self.assertEqual(self.found(x_c=above, y_c=below % "0 /* a() */"), "")
        self.assertIn("x needs y (b)", self.found(x_c=above, y_c=below % "a()"))
        self.assertIn("y needs x (a)", self.found(x_c=above, y_c=below % "call(a)"))

    def test_includes_in_a_circle(self):
        self.assertEqual(self.found(x_h='#include "y.h"\n', y_h=""), "")
        self.assertIn("x needs y (y.h)", self.found(x_h='#include "y.h"\n', y_c='#include "x.h"\n'))


if __name__ == "__main__":
    synthetic.main()
