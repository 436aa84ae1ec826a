"""Writes what was measured: report.json, report.md and the plots."""

import json
import statistics

from . import plots
from .goals import goals
from .holdfast import EMBEDDED, number
from .rounds import spread, text_of


def write(storm, probes, load_points, about, output):
    """Writes all files into `output` and returns the names of those written."""
    rows = goals(storm, probes)
    files = {
        "report.json": json.dumps(
            _document(storm, probes, load_points, about, rows), indent=1) + "\n"}
    drawn = _plots(storm, probes, load_points)
    files |= drawn
    files["report.md"] = _markdown(storm, probes, about, rows, list(drawn))
    for name in ("throughput.svg", "latency.svg", "growth.svg"):
        if name not in files:
            (output / name).unlink(missing_ok=True)
    for name, text in files.items():
        (output / name).write_text(text, encoding="utf-8")
    return sorted(files)


def _document(storm, probes, load_points, about, rows):
    return about | {
        "contenders": [
            {
                "name": one.name, "title": one.title, "note": one.note,
                "versions": one.versions, "best": storm.best.get(one.name),
                "command": _command(storm, one),
                "notMeasured": storm.left_out.get(one.name),
                "sweep": [measured.as_json() for measured in storm.sweeps[one.name]],
                "rounds": [measured.as_json() for measured in storm.of(one.name)],
                "ratioOfHoldfast": storm.paired(EMBEDDED, one.name),
            }
            for one in storm.contenders],
        "latencyByRate": [
            dict(zip(("reconnectsPerSecond", "p50", "p99"), point)) for point in load_points],
        "probes": probes, "goals": [row.as_json() for row in rows],
    }


def _command(storm, contender):
    return contender.command(storm.best[contender.name]) if contender.name in storm.best else None


# The plots.

def _plots(storm, probes, load_points):
    with_sweeps = [one for one in storm.contenders if len(storm.sweeps[one.name]) > 1]
    throughput = plots.chart(
        "Throughput by batch and callers", "reconnects asked for at one time",
        "durable reconnects a second",
        [plots.Series(one.title, _highest(one, storm.sweeps[one.name])) for one in with_sweeps])
    latencies = []
    for index, one in enumerate(with_sweeps):
        colour = plots.COLOURS[index % len(plots.COLOURS)]
        for key, is_dashed in (("p50", True), ("p99", False)):
            latencies.append(plots.Series(
                f"{one.title}, {key}",
                [(measured.reconnects_per_second, getattr(measured, key))
                 for measured in storm.sweeps[one.name]], is_dashed, colour))
    for place, (key, is_dashed) in enumerate((("p50", True), ("p99", False)), start=1):
        latencies.append(plots.Series(
            f"Holdfast at a given rate, {key}", [(point[0], point[place]) for point in load_points],
            is_dashed, "#000000"))
    growth = probes.get("growth", [])
    grown = plots.chart(
        "Cost as the log grows", "events in the log", "a second",
        [plots.Series(name, [(one["events"], number(one, *path)) for one in growth])
         for name, path in (
             ("reconnects a second", ("reconnectsPerSecond",)),
             ("rebuilt events a second", ("rebuildEventsPerSecond",)),
             ("verified events a second", ("verifyEventsPerSecond",)))])
    drawn = {
        "throughput.svg": throughput,
        "latency.svg": plots.chart(
            "Latency percentiles by load", "durable reconnects a second", "microseconds",
            latencies),
        "growth.svg": grown}
    return {name: text for name, text in drawn.items() if text}


def _highest(contender, measurements):
    """The best throughput for each number in flight."""
    best = {}
    for one in measurements:
        flight = contender.in_flight(one.settings)
        best[flight] = max(best.get(flight, 0), one.reconnects_per_second)
    return list(best.items())


# The Markdown.

def _table(titles, rows):
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows] + [""]


def _span(values, form="{:,.0f}"):
    found = spread(values)
    if found is None:
        return "not measured"
    median, least, most = (form.format(value) for value in found)
    return median if least == most else f"{median} ({least} to {most})"


def _batch(measured):
    sizes = [one.batch_events for one in measured if one.batch_events]
    parts = []
    for key in ("mean", "p50", "p99", "max"):
        values = [size[key] for size in sizes if isinstance(size.get(key), (int, float))]
        if values:
            parts.append(f"{key} {statistics.median(values):,.0f}")
    return ", ".join(parts) or "not measured"


def _machine(about):
    machine = about["machine"]
    lines = [
        f"{about['users']:,} users; {about['rounds']} rounds of {about['seconds']:g} s each, "
        "interleaved; settings swept before, the best kept.", "",
    ]
    rows = [
        ("date", machine["date"]), ("processor", f"{machine['cpu']}, {machine['cores']} cores"),
        ("memory", f"{machine['memoryGiB']} GiB"),
        ("system", f"{machine['system']}, kernel {machine['kernel']}"),
        ("file system", machine["fileSystem"]), ("disk", machine["disk"]),
        ("load at the start", machine["load"]), ("command", f"`{about['command']}`"),
        ("revision", about["revision"])]
    rows += sorted(about["versions"].items())
    lines += _table(("", ""), rows)
    if machine["isBusy"]:
        lines += ["**Other work was running at the start: the figures are noisy.**", ""]
    if machine["fileSystem"].startswith(("tmpfs", "ramfs")):
        lines += [
            "**This is a memory file system: a sync costs nothing, the figures mean nothing.**", ""]
    return lines


def _markdown(storm, probes, about, rows, drawn):
    lines = ["# Reconnect storm", ""] + _machine(about)
    lines += [
        "A reconnect is three audited events of one user: the client is gone, the same concurrency "
        "is applied for, a session is created. Nothing is answered before it is durable. Median, "
        "least and most over the rounds; p50 and p99 in microseconds.", ""]
    measured = [
        (one, storm.of(one.name)) for one in storm.contenders if storm.of(one.name)]
    lines += _table(
        ("", "reconnects/s", "p50", "p99", "commits", "syncs", "events a batch", "Holdfast is"),
        [(one.title, _span([run.reconnects_per_second for run in runs]),
          _span([run.p50 for run in runs]), _span([run.p99 for run in runs]),
          _span([run.commits for run in runs]), _span([run.syncs for run in runs]), _batch(runs),
          _times(storm.paired(EMBEDDED, one.name)))
         for one, runs in measured])
    lines += [f"![{name}]({name})" for name in drawn] + [""] if drawn else []
    lines += ["## Settings", ""]
    lines += _table(
        ("", "best", "command"),
        [(one.title, text_of(storm.best[one.name]), f"`{_command(storm, one)}`")
         for one, _ in measured])
    lines += [f"- {one.title}: {one.note}." for one in storm.contenders if one.note] + [""]
    lines += _sweeps(storm)
    lines += _probes(probes)
    missing = {**storm.left_out, **probes.get("notMeasured", {})}
    if missing:
        lines += ["## Not measured", ""]
        lines += [f"- {name}: {why}" for name, why in missing.items()] + [""]
    lines += ["## Goals", ""]
    lines += _table(
        ("", "what", "figure", "goal", ""),
        [(row.row, row.what, row.figure, row.goal, row.verdict) for row in rows])
    return "\n".join(lines).rstrip() + "\n"


def _times(paired):
    if paired is None:
        return "–"
    return " ".join(("{:.2f}×", "({:.2f} to", "{:.2f})")).format(*paired) \
        if paired[1] != paired[2] else f"{paired[0]:.2f}×"


def _sweeps(storm):
    lines = ["## Sweeps", ""]
    for one in storm.contenders:
        if len(storm.sweeps[one.name]) < 2:
            continue
        lines += [f"### {one.title}", ""]
        lines += _table(
            ("settings", "reconnects/s", "p50", "p99", "commits", "syncs"),
            [(text_of(run.settings), f"{run.reconnects_per_second:,.0f}", _plain(run.p50),
              _plain(run.p99), _plain(run.commits), _plain(run.syncs))
             for run in storm.sweeps[one.name]])
    return lines


def _probes(probes):
    """Every number that Holdfast printed when it was asked alone."""
    named = [(name, result) for name, result in probes.items()
             if name not in ("growth", "notMeasured")]
    named += [(f"growth to {one['events']:,} events", one) for one in probes.get("growth", [])]
    if not named:
        return []
    lines = ["## Holdfast alone", ""]
    for name, result in named:
        lines += [f"### {name[0].upper()}{name[1:]}", ""]
        lines += _table(("", ""), list(_numbers(result)))
    return lines


def _numbers(result, prefix=""):
    for key, value in result.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{key} ")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{prefix}{key}", f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _plain(value):
    return "not measured" if value is None else f"{value:,.0f}"
