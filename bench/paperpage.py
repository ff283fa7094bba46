# SPDX-License-Identifier: GPL-2.0-only
"""The page of the paper's experiment."""

from html import escape

import page
import plots

MEMORY_TEXT = {
    "ample": "Ample: the host has room for every guest's maximum",
    "tight": "Tight: what the guests begin with is all there is",
}
ROUTE_LEGEND = (
    ("floor", "bare event channel"), ("page-route", "page"), ("vchan", "vchan"),
    ("xenstore", "xenstore"),
)
METRIC_TEXT = {
    "applied": "from the event to the new target applied",
    "first_page": "from the event to the first page",
    "satisfied": "from the event to all of the memory",
}

WORK_TEXT = {
    "memory": "memory-bound tasks of {mib} MiB",
    "kv": "clients of memcached, each with {mib} MiB of values that it fills in, asks for"
          " and verifies (a request is a round; of those that fill 32 are)",
    "sort": "processes that sort a file with GNU sort, in {mib} MiB (a sort is a round)",
}

METHOD = """
<p>Real Xen runs on a machine emulated by QEMU, with real Linux guests, in virtual
time that counts instructions: figures hardly depend on the machine that emulates, and
compare policies with each other, not with hardware. All swap and data partitions of
all guests are on one disk: memory of dom0 behind a queue of one request, each of which
takes 1/{DISK_IOPS} s.</p>
<p>The experiment is that of the CAGMA paper (2017): vm1 has {VM1_FIRST} to {VM1_TASKS}
{VM1_TEXT}; vm2 {VM2_FIRST} to {VM2_TASKS} {VM2_TEXT}; vm3 has {DISK_TASKS} disk-bound tasks
and {VM3_TASKS} memory-bound one. There are {STEPS} steps of {STEP_MS} ms; the number of
tasks grows along a line. All guests begin with {START_MIB} MiB, may have {MIN_MIB} to
{MAX_MIB} MiB, and start together at a barrier. Sizes and times are scaled down from the
paper's (256 MiB to 1,465 MiB, minutes) to what an emulated processor can do.</p>
<ul>
<li>A <b>memory-bound task</b> fills its memory, {ROUND_PAGES} pages a round with a pause
of {FILL_THINK_MS} ms; then each round touches {ROUND_PAGES} pages at random, verified and
written anew, with a pause of {THINK_MS} ms. The <b>residence time</b> of a round is its
duration without the pause. Rounds that the end cut short count with what they had
taken, which flatters the policies under which they were long.</li>
<li>A <b>disk-bound task</b> reads and writes ({DISK_WRITE_PERCENT} % writes) blocks of
{DISK_MIN_KIB} to {DISK_MAX_KIB} KiB past the page cache, {DISK_SEQUENTIAL_PERCENT} % in
order, the others at random places.</li>
<li>Each task's timer signal writes its rounds to <code>/proc/cagma/buffer</code> every
{METRICS_MS} ms; a reader that sleeps in <code>poll()</code> ships them. No record was
lost, or a bar says so.</li>
<li><b>static</b>: nobody's memory changes. <b>cagma2017</b>: the paper's algorithm,
corrected (docs/policy.md). <b>periodic</b>: cagma without emergencies.
<b>proportional</b>: a desktop balancer, ten passes a second. <b>oracle</b>: memory is
never moved, because every guest has from the start what it will need: its maximum if
memory is ample; if it is tight, the fixed division that the peaks, known beforehand, ask
for ({ORACLE_TIGHT_MIB} MiB).</li>
</ul>
<p>Intervals are 95 % confidence intervals of the mean (Student's t): in tables over
seeds, if there are several; in the plots of steps over the tasks of a guest, since the
rounds of one task are not independent. Percentiles are nearest-rank.</p>
"""


def result_table(rows, policies):
    head = page.cells(("", *policies), "th")
    body = "".join(result_row(*row) for row in rows)
    return (
        f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody>'
        "</table></div>"
    )


def result_row(what, texts, best):
    values = "".join(
        f'<td class="number{" best" if i in best else ""}">{escape(text)}</td>'
        for i, text in enumerate(texts)
    )
    return f"<tr><td>{escape(what)}</td>{values}</tr>"


def policy_legend(policies):
    return page.legend(*((policy, policy) for policy in policies))


def step_figures(memory, steps, tasks):
    scripts = {
        (guest, "steps"): plots.steps_script(series, tasks[guest])
        for (of, guest), series in steps.items()
        if of == memory and series and len(tasks[guest]) and guest != "vm3"
    }
    drawn = plots.draw_all(scripts, f"{memory}-")
    figures = [
        page.figure(svg, f"{guest}: residence time in each step")
        for (guest, _), svg in drawn.items()
    ]
    return f'<div class="pair">{"".join(figures)}</div>'


def figure_grid(figures, what, policies):
    drawn = "".join(page.figure(figures[what, p], p) for p in policies)
    return f'<div class="pair three">{drawn}</div>'


def over_time(memory, runs):
    """The first seed's runs, drawn on the same scales."""
    if not runs:
        return ""
    figures = plots.draw(runs, f"{memory}-")
    policies = [run.policy for run in runs]
    parts = [
        f'<p class="note">Seed {runs[0].seed}; all policies on the same scales; zero is'
        " when the barrier opened.</p>"
    ]
    for guest in runs[0].guests:
        below = page.DISK_LEGEND if guest.workload == "disk" else page.TRAFFIC_LEGEND
        parts += [
            f"<h3>{escape(guest.name)}</h3>",
            page.legend(*page.MEMORY_LEGEND, *below),
            figure_grid(figures, guest.name, policies),
        ]
    parts += [
        "<h3>Host</h3>", page.legend(*page.HOST_LEGEND),
        figure_grid(figures, "host", policies),
        "<h3>Distribution of residence times</h3>", policy_legend(policies),
        f'<div class="pair">'
        f'{page.figure(figures["residence", "all"], "residence time, vm1 and vm2")}</div>',
    ]
    return "\n".join(parts)


def memory_sections(memory, rows, runs, steps, tasks, policies):
    """@runs: with this amount of memory, of all seeds."""
    first = min((run.seed for run in runs), default=None)
    shown = [run for run in runs if run.seed == first]
    counts = sorted({sum(r.policy == p for r in runs) for p in policies})
    n = " to ".join(str(c) for c in sorted({counts[0], counts[-1]})) if counts else "0"
    return [
        page.section(MEMORY_TEXT.get(memory, memory),
                     f'<p class="note">Seeds of each policy: {n}. Bold: the best, oracle'
                     " aside.</p>",
                     result_table(rows, policies)),
        "<h3>Residence time per step</h3>",
        policy_legend([p for p in policies if any(run.policy == p for run in runs)]),
        step_figures(memory, steps, tasks) if runs else "",
        over_time(memory, shown),
    ]


# ---- latency ----


def count_text(counts):
    least, most = min(counts), max(counts)
    return str(least) if least == most else f"{least} to {most}"


def latency_section(latency):
    """Distributions of reaction times, from build/bench/latency.json."""
    if not latency or not latency["cells"]:
        return ""
    cells = latency["cells"]
    scripts, captions = {}, {}
    kinds = {(cell["guest"], cell["metric"]): None for cell in cells}
    for guest, metric in kinds:
        chosen = [c for c in cells if (c["guest"], c["metric"]) == (guest, metric)]
        loads = list({c["load"]: None for c in chosen})
        scripts[guest, metric] = plots.latency_script(chosen, loads)
        counts = [c["n"] for c in chosen]
        captions[guest, metric] = (
            f"{guest.upper()}, {METRIC_TEXT.get(metric, metric)};"
            f" n {count_text(counts)}"
        )
    drawn = plots.draw_all(scripts, "latency-")
    figures = "".join(page.figure(svg, captions[key]) for key, svg in drawn.items())
    return page.section(
        "Reaction time",
        f'<p class="note">From build/bench/latency.json, {escape(latency["clock"])}'
        " clock: a bar from the median to p99, a cross at the maximum.</p>",
        page.legend(*ROUTE_LEGEND),
        f'<div class="pair">{figures}</div>',
    )


# ---- the page ----


def headline(tables, policies):
    """What a reader should take away, from the first table of each memory."""
    if "cagma" not in policies or "static" not in policies:
        return ""
    ours, base = policies.index("cagma"), policies.index("static")
    picked = []
    for memory, rows in tables.items():
        for what, texts, _ in rows[:1] + rows[5:6]:
            picked.append(page.tile(f"{texts[base]} → {texts[ours]}",
                                    f"{memory}: {what}, static → cagma"))
    return f'<div class="tiles">{"".join(picked)}</div>'


def method(conf):
    words = {key: escape(value) for key, value in conf.items()}
    for guest in ("VM1", "VM2"):
        text = WORK_TEXT[conf[f"{guest}_WORK"]]
        words[f"{guest}_TEXT"] = text.format(mib=words[f"{guest}_TASK_MIB"])
    return METHOD.format_map(words)


def build(built, facts, tables, remarks, runs, latency, steps, tasks):
    """@built: paper.json; @tables: {memory: rows of (what, texts, best)}."""
    conf = built["parameters"]
    policies = conf["POLICIES"].split()
    sections = []
    for memory, rows in tables.items():
        of = [run for run in runs if run.memory == memory]
        sections += memory_sections(memory, rows, of, steps, tasks, policies)
    return page.document(
        f"{conf['TITLE']}: CAGMA",
        "Two guests that need memory beside a disk-bound one, under"
        f" {len(policies)} policies, on real Xen.",
        [
            page.verdict(built["bars"]),
            page.notes(remarks),
            headline(tables, policies),
            page.section("Bars", page.bars_table(built["bars"])),
            *sections,
            latency_section(latency),
            page.section("Method", method(conf)),
            page.section("Machine", page.machine(
                {**facts, "version": ", ".join(built["versions"])})),
            page.section("Parameters", page.definitions(conf.items())),
        ],
    )
