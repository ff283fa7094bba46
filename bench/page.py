# SPDX-License-Identifier: GPL-2.0-only
"""The reports as self-contained pages: what they share, and the demo's."""

from html import escape
from pathlib import Path

STYLE = Path(__file__).with_name("page.css")

MEMORY_LEGEND = (
    ("allocated", "allocated by Xen"),
    ("available", "available in the guest"),
    ("target", "target"),
    ("emergency", "emergency"),
)
TRAFFIC_LEGEND = (("out", "swapped out (up)"), ("in", "swapped in (down)"))
DISK_LEGEND = (("iops", "requests per second of the task"),)
HOST_LEGEND = (
    ("free", "free in Xen"),
    ("reserve", "reserve kept for emergencies"),
    ("emergency", "emergency, by what raised it"),
)
POLICY_LEGEND = (("static", "static"), ("cagma", "cagma"))

FACTS = (
    ("version", "cagmad"),
    ("accel", "accelerator"),
    ("clock", "clock"),
    ("xen", "Xen"),
    ("dom0_kernel", "kernel of dom0"),
    ("guest_kernel", "kernel of the guests"),
    ("cores", "cores of the machine"),
    ("qemu", "QEMU"),
    ("seconds", "seconds from power-on to power-off"),
)

METHOD = """
<p>Real Xen runs on a machine emulated by QEMU, with real Linux guests. All
partitions of all guests, for swap as for data, are on one disk that is limited to
{DISK_IOPS} requests per second, so a guest that swaps takes the disk from every
other guest. Less memory is free than the memory-bound guests will need: the rest can
only come from another guest.</p>
<p>The same guests are created and do the same work twice. Under <b>static</b>
nobody changes their memory: the allocator watches, and answers an emergency with the target as it was.
Under <b>cagma</b> it moves memory. Tasks, seeds and limits are the same.</p>
<ul>
<li><b>Memory-bound guests</b> ({MEMORY_GUESTS}; {MEMORY_GUEST_START_MIB} MiB, at most
{MEMORY_GUEST_MAX_MIB} MiB): {MEMTASK_PROCS} processes of {MEMTASK_MIB} MiB each,
starting {MEMTASK_STEP_MS} ms apart. A round touches {MEMTASK_ROUND_PAGES} pages:
first in order until the memory is filled, then {MEMTASK_ROUNDS} rounds at random,
each page verified and written anew. After each round the process pauses
{MEMTASK_THINK_MS} ms. The residence time of a round is its duration without the
pause; the rounds that fill the memory count like the others.</li>
<li><b>Disk-bound guests</b> ({DISK_GUESTS}; {DISK_GUEST_START_MIB} MiB):
{DISKTASK_PROCS} processes read and write ({DISKTASK_WRITE_PERCENT} % writes) blocks of
{DISKTASK_MIN_KIB} to {DISKTASK_MAX_KIB} KiB at random places, past the page cache,
until the memory-bound guests are done.</li>
</ul>
<p>Where the figures come from: swapped pages and out-of-memory kills from each
guest's <code>/proc/vmstat</code>; requests per second from the statistics the guest
keeps of its block device; allocated memory from Xen; reaction times from the guests'
own clocks, between the event and the new target being applied. Percentiles are
nearest-rank. On an emulated processor absolute times say little about hardware;
compare the two runs with each other.</p>
"""


def legend(*entries):
    items = "".join(
        f'<span><i class="{role}"></i>{escape(text)}</span>' for role, text in entries
    )
    return f'<div class="legend">{items}</div>'


def figure(svg, caption):
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>"


def cells(values, tag="td"):
    first, *rest = (escape(str(value)) for value in values)
    numbers = "".join(f'<{tag} class="number">{value}</{tag}>' for value in rest)
    return f"<tr><{tag}>{first}</{tag}>{numbers}</tr>"


def table(head, rows):
    body = "".join(cells(row) for row in rows)
    return (
        f'<div class="scroll"><table><thead>{cells(head, "th")}</thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def verdict(bars):
    unmet = sum(not bar["met"] for bar in bars)
    if not unmet:
        return f'<div class="verdict">All {len(bars)} bars are met.</div>'
    return (
        f'<div class="verdict failed">{unmet} of {len(bars)} bars are NOT MET.</div>'
    )


def tile(value, text):
    return f'<div class="tile"><b>{escape(value)}</b><span>{escape(text)}</span></div>'


def tiles(rows):
    """The four figures a reader should take away."""
    wanted = (
        ("memory guests: pages swapped out", "pages swapped out"),
        ("memory guests: mean residence time, ms", "ms mean residence time"),
        ("disk guests: requests per second", "disk requests per second"),
    )
    by_name = {row[0]: row for row in rows}
    picked = [
        tile(f"{by_name[name][1]} → {by_name[name][2]}", f"{text}, static → cagma")
        for name, text in wanted
    ]
    reaction = by_name["reaction time p50, µs"][2]
    picked.append(tile(f"{reaction} µs", "median reaction time, cagma"))
    return f'<div class="tiles">{"".join(picked)}</div>'


def bars_table(bars):
    rows = "".join(
        f"<tr><td>{escape(bar['what'])}</td>"
        f'<td class="number">{escape(bar["limit"])}</td>'
        f'<td class="number">{escape(bar["value"])}</td>'
        + (
            '<td class="met">met</td></tr>'
            if bar["met"]
            else '<td class="unmet">NOT MET</td></tr>'
        )
        for bar in bars
    )
    head = cells(("bar", "limit", "measured"), "th").replace(
        "</tr>", "<th>verdict</th></tr>"
    )
    return (
        f'<div class="scroll"><table><thead>{head}</thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def guests_table(runs):
    head = (
        "guest", "policy", "rounds", "mean ms", "p50 ms", "p95 ms", "requests/s",
        "pages out", "pages in", "OOM kills", "MiB start / max / end",
    )  # fmt: skip
    rows = []
    names = [guest["name"] for guest in runs[0]["guests"]]
    for name in names:
        for run in runs:
            guest = next(g for g in run["guests"] if g["name"] == name)
            rows.append(guest_row(guest, run["policy"]))
    return table(head, rows)


def guest_row(guest, policy):
    times, mib = guest["residence_ms"], guest["allocated_mib"]
    iops = guest["iops"]["mean"]
    return (
        guest["name"],
        policy,
        times["n"],
        f"{times['mean']:,.1f}",
        f"{times['p50']:,.1f}",
        f"{times['p95']:,.1f}",
        "–" if iops is None else f"{iops:,.1f}",
        f"{guest['swap_out_pages']:,}",
        f"{guest['swap_in_pages']:,}",
        guest["oom_kills"],
        f"{mib['start']:.0f} / {mib['max']:.0f} / {mib['end']:.0f}",
    )


def pair(figures, what, policies):
    found = [(policy, figures[what, policy]) for policy in policies]
    drawn = "".join(figure(svg, policy) for policy, svg in found)
    return f'<div class="pair">{drawn}</div>'


def guest_sections(runs, figures):
    policies = [run["policy"] for run in runs]
    sections = []
    for guest in runs[0]["guests"]:
        below = DISK_LEGEND if guest["workload"] == "disk" else TRAFFIC_LEGEND
        sections.append(
            f"<h3>{escape(guest['name'])}, {escape(guest['workload'])}-bound</h3>"
            + legend(*MEMORY_LEGEND, *below)
            + pair(figures, guest["name"], policies)
        )
    return "".join(sections)


def distributions(runs, figures):
    drawn = [figure(figures["residence", "all"], "residence time, share of rounds")]
    for run in runs:
        if ("reaction", run["policy"]) in figures:
            reaction = run["reaction_us"]
            drawn.append(
                figure(
                    figures["reaction", run["policy"]],
                    f"reaction time, {run['policy']}: n {reaction['n']},"
                    f" p50 {reaction['p50']:,} µs, p99 {reaction['p99']:,} µs,"
                    f" max {reaction['max']:,} µs",
                )
            )
    return f'<div class="pair">{"".join(drawn)}</div>'


def definitions(pairs):
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in pairs
    )
    return f"<dl>{items}</dl>"


def notes(remarks):
    return "".join(f'<p class="note">{escape(remark)}.</p>' for remark in remarks)


def document(title, lead, parts):
    """A page; @lead is HTML, and so is each of @parts."""
    body = "\n".join(parts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<main>
<h1>{escape(title.partition(":")[0])}</h1>
<p class="lead">{lead}</p>
{body}
</main>
</body>
</html>
"""


def section(title, *parts):
    return "\n".join([f"<h2>{escape(title)}</h2>", *parts])


def machine(facts):
    return definitions((text, facts[key]) for key, text in FACTS if key in facts)


def build(report, facts, rows, remarks, figures):
    """@rows: (what, static, cagma, ratio) as text; @figures: from plots.draw()."""
    runs, bars = report["runs"], report["bars"]
    parameters = {key: escape(value) for key, value in report["parameters"].items()}
    return document(
        "CAGMA demo: static against cagma",
        "Guests that run out of memory, once with fixed memory (<b>static</b>) and once"
        " with the allocator moving it (<b>cagma</b>), on real Xen.",
        [
            verdict(bars),
            tiles(rows),
            section("Result", table(("", "static", "cagma", "cagma / static"), rows),
                    notes(remarks)),
            section("Bars", bars_table(bars)),
            section("Guest by guest", guests_table(runs)),
            section(
                "Over time",
                '<p class="note">Both runs on the same scales; zero is when the work'
                " began.</p>",
                guest_sections(runs, figures),
                "<h3>Host</h3>",
                legend(*HOST_LEGEND),
                pair(figures, "host", [run["policy"] for run in runs]),
            ),
            section("Distributions", legend(*POLICY_LEGEND),
                    distributions(runs, figures)),
            section("Method", METHOD.format_map(parameters)),
            section("Machine", machine(facts)),
            section("Parameters", definitions(report["parameters"].items())),
        ],
    )
