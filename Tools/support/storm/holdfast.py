"""Holdfast: `holdfast storm`, one JSON object a run. Keys that are not there were not measured."""

import json
import shutil

from . import install, machine, processes
from .contender import EVENT_BYTES, Contender, Measurement, distribution, events_of
from .errors import StormError

# The ways of asking, as the report's JSON calls them.
EMBEDDED, SINGLE, BULK = "holdfast", "holdfast-single", "holdfast-bulk"

# A ledger is used again until it is this large: its users are made once.
LEDGER_BYTES_MAX = 8 << 30


def number(result, *path):
    """The number at a path of keys; None if there is none."""
    for key in path:
        result = result.get(key) if isinstance(result, dict) else None
    return result if isinstance(result, (int, float)) and not isinstance(result, bool) else None


class Unsupported(StormError):
    """This build of Holdfast does not know what it was asked for."""


def require(context):
    """The program that is measured: the one that was named, or one that is built."""
    if context.holdfast is None:
        context.holdfast = install.swift_product("holdfast")
    return context.holdfast


def storm(context, words, ledger=None):
    """Runs `holdfast storm` and returns its JSON object. On the ledger of that name, which stays;
    without one, on a ledger that is empty and goes."""
    directory = context.folder(ledger or "passing-ledger")
    if ledger is None or _size(directory) > LEDGER_BYTES_MAX:
        shutil.rmtree(directory)
    try:
        return storm_at(context, directory, words)
    finally:
        if ledger is None:
            shutil.rmtree(directory, ignore_errors=True)


def storm_at(context, directory, words):
    """Runs `holdfast storm` on a directory and returns its JSON object."""
    return command_at(context, directory, "storm", words)


def command_at(context, directory, name, words):
    """Runs a command of holdfast on a directory and returns its JSON object."""
    command = [context.holdfast, name, "--data", directory, *words, "--json"]
    what = f"holdfast {name} {' '.join(map(str, words))}".strip()
    try:
        output = processes.run(command, what, 3_600)
    except StormError as error:
        if "status 2:" in str(error) or "status 64:" in str(error):
            raise Unsupported(str(error)) from error
        raise
    for line in reversed(output.strip().splitlines()):
        try:
            result = json.loads(line)
        except ValueError:
            continue
        if isinstance(result, dict):
            return result
    raise StormError(f"{what} printed no line of JSON")


def _batches(result):
    """(bytes of the newest batches, bytes of one that are no events)."""
    sizes = result.get("batchBytes")
    total, events, commits = (number(result, key) for key in ("bytes", "events", "commits"))
    overhead = 0
    if total and events and commits:
        overhead = max(0, int((total - EVENT_BYTES * events) / commits))
    return [int(size) for size in sizes if size > 0] if isinstance(sizes, list) else [], overhead


def _size(directory):
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


class Holdfast(Contender):
    package = "holdfast"

    def __init__(self, context, name, title, mode, settings, note):
        super().__init__(context)
        self.name, self.title, self.mode, self.note = name, title, mode, note
        self.settings = settings
        self.batches = {}

    def prepare(self, users):
        self.users = users
        self.versions["Holdfast"] = machine.version([require(self.context), "version"])

    def sweep(self):
        return self.settings

    def best(self, measurements):
        # Single commands are promised for a number of callers, not for the best one.
        promised = [one.settings for one in measurements if one.settings == {"callers": 1_000}]
        best = promised[0] if promised else super().best(measurements)
        if str(best) in self.batches:
            self.context.batch_bytes, self.context.batch_overhead = self.batches[str(best)]
        return best

    def in_flight(self, settings):
        return settings.get("batch", 1) * settings.get("callers", 1)

    def _words(self, settings, seconds):
        words = ["--users", self.users, "--seconds", seconds, "--mode", self.mode]
        for option in ("batch", "callers", "rate"):
            if option in settings:
                words += [f"--{option}", settings[option]]
        return words

    def command(self, settings):
        words = " ".join(str(word) for word in self._words(settings, "S"))
        return f"holdfast storm --data DIR {words} --json"

    def run(self, settings, seconds):
        result = storm(self.context, self._words(settings, seconds), "ledger")
        rate = number(result, "reconnectsPerSecond")
        if rate is None:
            raise StormError("holdfast storm printed no reconnectsPerSecond")
        batches = _batches(result)
        if self.name == EMBEDDED and batches[0]:
            self.batches[str(settings)] = batches
            self.context.batch_bytes, self.context.batch_overhead = batches
        events = result.get("batchEvents")
        return Measurement(
            settings=settings, seconds=number(result, "seconds") or seconds,
            reconnects_per_second=rate, p50=number(result, "latencyMicroseconds", "p50"),
            p99=number(result, "latencyMicroseconds", "p99"), commits=number(result, "commits"),
            syncs=number(result, "syncs"),
            batch_events=distribution(events_of(*batches)) | (
                events if isinstance(events, dict) else {}),
            details={key: value for key, value in result.items() if key != "batchBytes"})


def embedded(context):
    loads = ((1_000, 1), (4_096, 4)) if context.is_quick else [
        (batch, callers) for batch in (1, 10, 100, 1_000, 4_096, 5_461) for callers in (1, 4, 6)]
    return Holdfast(
        context, EMBEDDED, "Holdfast, embedded", "batch",
        [{"batch": batch, "callers": count} for batch, count in loads],
        "callers hand in batches of reconnects; latency from handing in to the durable answer")


def single(context):
    callers = (64, 1_000) if context.is_quick else (1, 8, 64, 1_000, 4_000)
    return Holdfast(
        context, SINGLE, "Holdfast, single commands", "single",
        [{"callers": count} for count in callers],
        "every caller waits for the durable answer of one command before it gives the next")

