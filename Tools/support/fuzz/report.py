"""What was run so far, kept from start to start, and the report of it."""

import dataclasses
import datetime
import json
import os
import pathlib
import platform

from fuzz import program

STATE = program.SCRATCH / "progress.json"


@dataclasses.dataclass
class Total:
    """All runs of one target with one set of sanitizers."""
    executions: int = 0
    seconds: float = 0.0
    coverage: int = 0
    features: int = 0
    fastest: float = 0.0
    failures: list = dataclasses.field(default_factory=list)

    def add(self, outcome):
        self.executions += outcome.executions
        self.seconds += outcome.seconds
        self.coverage = max(self.coverage, outcome.coverage)
        self.features = max(self.features, outcome.features)
        if outcome.seconds > 0:
            self.fastest = max(self.fastest, outcome.executions / outcome.seconds)
        if outcome.failure:
            self.failures.append({"reason": outcome.failure, "input": outcome.kept})


class Progress:
    """Totals by target; written after each run, so that nothing is lost."""

    def __init__(self, path=STATE):
        self.path = pathlib.Path(path)
        self.totals = {}
        if self.path.exists():
            stored = json.loads(self.path.read_text())
            for way, rows in stored["totals"].items():
                self.totals[way] = {name: Total(**row) for name, row in rows.items()}

    def of(self, sanitizers, name):
        return self.totals.setdefault(sanitizers, {}).setdefault(name, Total())

    def executions(self, sanitizers=None):
        return sum(
            total.executions for way, rows in self.totals.items()
            if sanitizers in (None, way) for total in rows.values())

    def seconds(self):
        return sum(total.seconds for rows in self.totals.values() for total in rows.values())

    def failures(self):
        return [
            (name, failure) for rows in self.totals.values() for name, total in rows.items()
            for failure in total.failures]

    def write(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        totals = {
            way: {name: dataclasses.asdict(total) for name, total in rows.items()}
            for way, rows in self.totals.items()}
        written = self.path.with_suffix(".new")
        written.write_text(json.dumps({"totals": totals}, indent=1) + "\n")
        os.replace(written, self.path)


def machine():
    model = platform.processor() or platform.machine()
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def text(progress, targets):
    """The report in Markdown."""
    plain = progress.totals.get(program.PLAIN, {})
    checked = progress.totals.get(program.ADDRESS, {})
    lines = [
        "# Fuzzing", "",
        "Made by `Tools/fuzz`, which builds each function that takes bytes from outside for "
        "libFuzzer and lets inputs grow by coverage. What each target takes apart, and what has "
        "to hold, stands in `Tests/FuzzTests/Targets`; the tests run the kept inputs of "
        "`Tests/FuzzTests/Corpus` and `Crashes` through the same functions. Release build with "
        "all checks (`-O`, never `-Ounchecked`), one process of one thread a target.", "",
        f"{datetime.date.today().isoformat()}, {machine()}.", "",
        f"**{progress.executions():,} executions in {progress.seconds() / 3600:.1f} hours of a "
        f"processor**, "
        f"{progress.executions(program.ADDRESS):,} of them with the address sanitizer; "
        f"{len(progress.failures())} of these runs ended with a failure.", "",
        "| target | takes apart | executions | with addresses checked | edges | a second |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for target in targets:
        row = plain.get(target.name, Total())
        address = checked.get(target.name, Total())
        lines.append(
            f"| `{target.name}` | {target.subject} | {row.executions:,} | "
            f"{address.executions:,} | {row.coverage:,} | {row.fastest:,.0f} |")
    lines += [
        "", "A second: of the processor, in the target's best run.", "",
        "## What has to hold", ""]
    lines += [f"- `{target.name}`: {target.promise}" for target in targets]
    if progress.failures():
        lines += ["", "## Failures", ""]
        lines += [
            f"- `{name}`: {failure['reason']} (`{failure['input']}`)"
            for name, failure in progress.failures()]
    return "\n".join(lines) + "\n"


def write(progress, targets, directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "fuzz-report.md").write_text(text(progress, targets))
    rows = {
        way: {name: dataclasses.asdict(total) for name, total in rows.items()}
        for way, rows in progress.totals.items()}
    (directory / "fuzz-report.json").write_text(
        json.dumps(
            {"machine": machine(), "executions": progress.executions(),
             "seconds": round(progress.seconds()), "totals": rows}, indent=1) + "\n")
