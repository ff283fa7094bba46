# SPDX-License-Identifier: GPL-2.0-only
"""The report's plots: gnuplot scripts, and gnuplot's SVG made fit for a page.

Colours are roles. gnuplot draws each in a hex value that stands for the role,
which is then replaced by a variable of the page's style sheet, so that one
drawing serves light and dark.
"""

import math
import re
import shutil
import subprocess
from dataclasses import dataclass

MIB_PER_PAGE = 4096 / 2**20
IOPS_BIN_S = 2
REASONS = ("other", "kswapd", "direct", "swap", "sampler", "oom", "request")
BINS_PER_DECADE = 8

ROLES = {
    "allocated": "#010101",
    "available": "#020202",
    "target": "#030303",
    "out": "#040404",
    "in": "#050505",
    "iops": "#060606",
    "emergency": "#070707",
    "free": "#080808",
    "reserve": "#090909",
    "static": "#0a0a0a",
    "cagma": "#0b0b0b",
    "grid": "#0c0c0c",
    "cagma2017": "#0d0d0d",
    "periodic": "#0e0e0e",
    "proportional": "#0f0f0f",
    "oracle": "#101010",
    "floor": "#111111",
    "page-route": "#121212",
    "vchan": "#131313",
    "xenstore": "#141414",
}
ROUTES = ("floor", "page", "vchan", "xenstore")


class PlotError(Exception):
    """gnuplot is missing or refused a script."""


@dataclass(frozen=True)
class Scale:
    """Axes that runs share, so that they can be compared by eye."""

    seconds: float
    guest_mib: dict  # by guest name
    host_mib: float
    swap_mib_s: float
    iops: float


# ---- series ----


def allocation_points(guest):
    return [
        (s["t_s"], s["alloc_kib"] / 1024, s["avail_kib"] / 1024, s["target_kib"] / 1024)
        for s in guest.samples
    ]


def traffic_points(guest):
    """MiB/s swapped out and in between samples. A counter that fell began anew."""
    points = []
    for old, new in zip(guest.samples, guest.samples[1:]):
        seconds = new["t_s"] - old["t_s"]
        if seconds <= 0:
            continue
        pages = [max(new[key] - old[key], 0) for key in ("swap_out", "swap_in")]
        points.append((new["t_s"], *(p * MIB_PER_PAGE / seconds for p in pages)))
    return points


def iops_points(guest):
    requests = {}
    for record in guest.console.rounds:
        bin_number = int(record["at_ms"] / 1000 // IOPS_BIN_S)
        requests[bin_number] = (
            requests.get(bin_number, 0) + guest.console.outcome["round_ios"]
        )
    # The last bin is cut short by the end of the work.
    return [
        ((number + 0.5) * IOPS_BIN_S, requests.get(number, 0) / IOPS_BIN_S)
        for number in range(max(requests))
    ]


def host_points(run):
    keys = ("free_kib", "reserve_kib")
    return [(h["t_s"], *(h[key] / 1024 for key in keys)) for h in run.host]


def reason_points(run):
    """(time, row) of every emergency; a reason unknown here is in row 0."""
    return [
        (e["t_s"], REASONS.index(e["reason"]) if e.get("reason") in REASONS else 0)
        for e in run.emergencies
    ]


def share_points(values):
    ordered = sorted(values)
    return [(v, 100 * (i + 1) / len(ordered)) for i, v in enumerate(ordered)]


def log_bins(values):
    """(low, high, count) of logarithmic bins."""
    counts = {}
    for value in values:
        number = math.floor(math.log10(max(value, 1)) * BINS_PER_DECADE)
        counts[number] = counts.get(number, 0) + 1
    edge = 10 ** (1 / BINS_PER_DECADE)
    return [(edge**n, edge ** (n + 1), count) for n, count in sorted(counts.items())]


def highest(values):
    return max(values, default=0) * 1.08 or 1


def common_scale(runs):
    guests = [guest for run in runs for guest in run.guests]
    mib = {guest.name: 0 for guest in guests}
    for guest in guests:
        top = highest([max(p[1:]) for p in allocation_points(guest)])
        mib[guest.name] = max(mib[guest.name], top)
    return Scale(
        seconds=max(run.seconds for run in runs),
        guest_mib=mib,
        host_mib=highest([max(p[1:]) for run in runs for p in host_points(run)]),
        swap_mib_s=highest([max(p[1:]) for g in guests for p in traffic_points(g)]),
        iops=highest(
            [p[1] for g in guests if g.workload == "disk" for p in iops_points(g)]
        ),
    )


def tic_step(top, count):
    """The roundest step that gives an axis from 0 to @top about @count tics."""
    power = 10 ** math.floor(math.log10(top / count))
    return next(m * power for m in (1, 2, 5, 10) if m * power * count >= top)


# ---- scripts ----


def block(name, points):
    rows = [" ".join(f"{value:g}" for value in point) for point in points]
    return "\n".join([f"${name} << END", *rows, "END"])


def colour(role):
    return f'lc rgb "{ROLES[role]}"'


def preamble(height):
    return f"""
set terminal svg size 640,{height} dynamic noenhanced font "sans-serif,13"
unset key
set border 3 lc rgb "black" lw 0.7
set tics nomirror out scale 0.5
set grid ytics {colour("grid")} lw 1
set lmargin 9
set rmargin 4
"""


def time_axis(scale):
    return f"set xrange [-3:{scale.seconds + 2:g}]\n"


def panel(top, bottom):
    return f"set tmargin at screen {top}\nset bmargin at screen {bottom}\n"


def guest_script(guest, run, scale):
    """Memory above; below it swap traffic, or the disk's work."""
    top = scale.guest_mib[guest.name]
    marks = [
        (event["t_s"], top * 0.94, top * 0.06)
        for event in run.emergencies
        if event.get("name") == guest.name
    ]
    script = [
        preamble(370),
        block("memory", allocation_points(guest)),
        block("marks", marks),
        time_axis(scale),
        "set multiplot",
        panel(0.97, 0.48),
        f'set yrange [0:{top:g}]\nset ylabel "MiB"',
        'set format x ""',
        memory_plot(bool(marks)),
        panel(0.39, 0.16),
        'set format x "%g"\nset xlabel "seconds of work"',
    ]
    if guest.workload == "disk":
        script += iops_panel(guest, scale)
    else:
        script += traffic_panel(guest, scale)
    return "\n".join(script + ["unset multiplot"])


def memory_plot(has_marks):
    curves = [
        f"$memory using 1:3 with filledcurves y1=0 fs transparent solid 0.18"
        f" {colour('available')}",
        f"$memory using 1:3 with lines lw 1.5 {colour('available')}",
        f"$memory using 1:2 with lines lw 2 {colour('allocated')}",
        f"$memory using 1:4 with steps lw 1.5 dt (6,4) {colour('target')}",
    ]
    if has_marks:
        curves.append(
            f"$marks using 1:2:(0):3 with vectors nohead lw 1.5 {colour('emergency')}"
        )
    return "plot " + ", ".join(curves)


def traffic_panel(guest, scale):
    return [
        block("traffic", traffic_points(guest)),
        f"set yrange [-{scale.swap_mib_s:g}:{scale.swap_mib_s:g}]",
        f'set ylabel "swap MiB/s"\nset ytics {tic_step(scale.swap_mib_s, 2):g}',
        "set xzeroaxis lt 1 lw 0.7 lc rgb 'black'",
        "plot $traffic using 1:2 with fillsteps fs transparent solid 0.6"
        f" {colour('out')}, $traffic using 1:(-$3) with fillsteps"
        f" fs transparent solid 0.6 {colour('in')}",
    ]


def iops_panel(guest, scale):
    return [
        block("requests", iops_points(guest)),
        f'set yrange [0:{scale.iops:g}]\nset ylabel "requests/s"',
        f"set ytics {tic_step(scale.iops, 4):g}",
        f"plot $requests using 1:2 with histeps lw 2 {colour('iops')}",
    ]


def host_script(run, scale):
    """Free memory in Xen above; below it one row of marks per reason."""
    marks = reason_points(run)
    rows = ", ".join(f'"{reason}" {i}' for i, reason in enumerate(REASONS))
    script = [
        preamble(430),
        block("host", host_points(run)),
        block("marks", marks),
        time_axis(scale),
        "set multiplot",
        panel(0.97, 0.57),
        f'set yrange [0:{scale.host_mib:g}]\nset ylabel "MiB"\nset format x ""',
        "plot $host using 1:2 with filledcurves y1=0 fs transparent solid 0.18"
        f" {colour('free')}, $host using 1:2 with lines lw 2 {colour('free')},"
        f" $host using 1:3 with lines lw 1.5 dt (6,4) {colour('reserve')}",
        panel(0.50, 0.14),
        'set format x "%g"\nset xlabel "seconds of work"\nunset ylabel',
        f"set yrange [-0.6:{len(REASONS) - 0.4:g}]\nset ytics ({rows})",
    ]
    if marks:
        script.append(
            "plot $marks using 1:($2-0.35):(0):(0.7) with vectors nohead lw 1.5"
            f" {colour('emergency')}"
        )
    else:
        script.append('set label "no emergency" at graph 0.5,0.5 center\nplot NaN')
    return "\n".join(script + ["unset multiplot"])


def residence_script(runs):
    times = {
        run.policy: [
            max(record["ms"], 0.001)
            for guest in run.of_workload("memory")
            for record in guest.console.rounds
        ]
        for run in runs
    }
    curves = [
        f"${policy} using 1:2 with steps lw 2 {colour(policy)}" for policy in times
    ]
    return "\n".join(
        [preamble(300)]
        + [block(policy, share_points(values)) for policy, values in times.items()]
        + [
            "set logscale x\nset yrange [0:102]",
            'set xlabel "residence time of a round, ms"\nset ylabel "% of rounds"',
            "plot " + ", ".join(curves),
        ]
    )


def reaction_script(times):
    return "\n".join(
        [
            preamble(300),
            block("bins", log_bins(times)),
            "set logscale x\nset yrange [0:*]\nset offsets graph 0, 0, graph 0.08, 0",
            'set xlabel "reaction time, µs"\nset ylabel "emergencies"',
            "plot $bins using (sqrt($1*$2)):3:1:2:(0):3 with boxxyerror"
            f" fs transparent solid 0.55 {colour('cagma')}",
        ]
    )


def steps_script(series, tasks):
    """Mean residence in each step, with its confidence interval, on a log axis.

    @series: {policy: [(step, mean, half interval or None)]}; @tasks: in each step.
    """
    policies = list(series)
    blocks, curves = [], []
    for number, policy in enumerate(policies):
        # Side by side, so that intervals do not hide each other.
        shift = (number - (len(policies) - 1) / 2) * 0.09
        rows = [
            (step + shift, mean, max(mean - (half or 0), mean / 50), mean + (half or 0))
            for step, mean, half in series[policy]
        ]
        blocks.append(block(policy, rows))
        curves.append(f"${policy} using 1:2:3:4 with yerrorlines pt 7 ps 0.35 lw 1.5"
                      f" {colour(policy)}")
    names = ", ".join(f'"{i}: {n}" {i}' for i, n in enumerate(tasks, 1))
    return "\n".join(
        [preamble(320), *blocks]
        + [
            f"set logscale y\nset lmargin 11\nset xrange [0.5:{len(tasks) + 0.5:g}]",
            f"set xtics ({names})",
            'set xlabel "step: memory-bound tasks"',
            'set ylabel "residence time, ms"',
            "plot " + ", ".join(curves),
        ]
    )


def latency_script(cells, loads):
    """A line from p50 to p99 and a point at the maximum for each route and load.

    @cells: of one kind of guest and one metric, as latency.json has them.
    """
    blocks, curves = [], []
    for number, route in enumerate(ROUTES):
        rows = [
            (*(cell[key] / 1000 for key in ("p50_us", "p99_us", "max_us")),
             len(loads) - loads.index(cell["load"]) - (number - 1.5) * 0.18)
            for cell in cells if cell["route"] == route
        ]
        if not rows:
            continue
        blocks.append(block(route, rows))
        role = colour("page-route" if route == "page" else route)
        curves += [
            f"${route} using 1:4:($2-$1):(0) with vectors nohead lw 5 {role}",
            f"${route} using 1:4 with points pt 7 ps 0.6 {role}",
            f"${route} using 3:4 with points pt 2 ps 0.5 {role}",
        ]
    names = ", ".join(
        f'"{load.replace("_", " ")}" {len(loads) - i}' for i, load in enumerate(loads)
    )
    return "\n".join(
        [preamble(90 + 62 * len(loads)), *blocks]
        + [
            f"set logscale x\nset yrange [0.4:{len(loads) + 0.6:g}]",
            f"set ytics ({names})\nset lmargin 15\nset grid xtics {colour('grid')} lw 1",
            'set xlabel "ms"',
            "plot " + ", ".join(curves),
        ]
    )


# ---- drawing ----


def gnuplot(script):
    if not shutil.which("gnuplot"):
        raise PlotError("gnuplot is missing; Debian's package is gnuplot-nox")
    done = subprocess.run(
        ["gnuplot"], input=script, text=True, capture_output=True, check=False
    )
    if done.returncode or "</svg>" not in done.stdout:
        raise PlotError(f"gnuplot failed: {done.stderr.strip()}")
    return done.stdout


def for_page(svg, name, description):
    """Makes the drawing a part of a page: own ids, the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<title>.*?</title>\s*<desc>.*?</desc>", "", svg, flags=re.S)
    svg = re.sub(r"\bid=(['\"])", rf"id=\g<1>{name}-", svg)
    svg = re.sub(r"(href=['\"]#|url\(#)", rf"\g<1>{name}-", svg)
    for role, value in ROLES.items():
        level = int(value[1:3], 16)
        pattern = rf"rgb\(\s*{level},\s*{level},\s*{level}\)"
        svg = re.sub(pattern, f"var(--{role})", svg)
    # A group's own colour would decide what its currentColor is.
    svg = re.sub(r' color="[a-zA-Z]+"', "", svg)
    svg = re.sub(r"black|rgb\(\s*0,\s*0,\s*0\)", "currentColor", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{description}"', 1)


def draw(runs, prefix=""):
    """{(what, policy): SVG}; what is a guest's name or a kind of plot. With another
    prefix the drawings of other runs can be on the same page."""
    scale = common_scale(runs)
    scripts = {("residence", "all"): residence_script(runs)}
    for run in runs:
        scripts["host", run.policy] = host_script(run, scale)
        for guest in run.guests:
            scripts[guest.name, run.policy] = guest_script(guest, run, scale)
        if run.reactions:
            times = [reaction["us"] for reaction in run.reactions]
            scripts["reaction", run.policy] = reaction_script(times)
    return draw_all(scripts, prefix)


def draw_all(scripts, prefix=""):
    """{(what, which): SVG} of gnuplot scripts."""
    return {
        key: for_page(gnuplot(script), prefix + "-".join(key), f"{key[0]}, {key[1]}")
        for key, script in scripts.items()
    }
