"""The one interface that everything is measured through."""

import dataclasses
import os
import pathlib
import struct

SYNC_COUNTERS = 66
EVENTS_PER_RECONNECT = 3
EVENT_BYTES = 80


@dataclasses.dataclass
class Measurement:
    """One run of one contender. What is None was not measured; times are in microseconds."""

    settings: dict
    seconds: float
    reconnects_per_second: float
    p50: float | None = None
    p99: float | None = None
    commits: int | None = None
    syncs: int | None = None
    # Events of a batch: any of mean, p50, p99, max and histogram (smallest size → batches).
    batch_events: dict = dataclasses.field(default_factory=dict)
    details: dict = dataclasses.field(default_factory=dict)

    def as_json(self):
        return {
            "settings": self.settings, "seconds": round(self.seconds, 3),
            "reconnectsPerSecond": round(self.reconnects_per_second, 1),
            "latencyMicroseconds": {"p50": self.p50, "p99": self.p99},
            "commits": self.commits, "syncs": self.syncs, "batchEvents": self.batch_events,
            "details": self.details,
        }


class Contender:
    """Something that takes reconnects. `prepare` once, then `run` as often as wanted, then `close`,
    which may be called at any time and more than once."""

    name = ""
    title = ""
    # What the figures of this contender count as a barrier, and what its latency spans.
    note = ""

    def __init__(self, context):
        self.context = context
        self.versions = {}

    def prepare(self, users):
        """Builds, starts and fills what is needed. The users hold a connected slot afterwards."""

    def sweep(self):
        """The settings worth trying, as dictionaries; the best by throughput is kept."""
        return [{}]

    def best(self, measurements):
        """The settings to keep of those that were swept."""
        return max(measurements, key=lambda one: one.reconnects_per_second).settings

    def run(self, settings, seconds):
        """Measures for about that long and returns a Measurement."""
        raise NotImplementedError

    def command(self, settings):
        """The command that `run` starts, for the reader of the report."""
        return ""

    def in_flight(self, settings):
        """Reconnects that are asked for at one time."""
        return 1

    def close(self):
        """Stops what `prepare` started."""


@dataclasses.dataclass
class Context:
    """What contenders share: a folder on the disk that is measured, and who else takes part."""

    work: pathlib.Path
    tools: pathlib.Path
    is_quick: bool
    holdfast: str | None = None
    # Bytes of the batches that Holdfast committed last, for raw LMDB to repeat.
    batch_bytes: list = dataclasses.field(default_factory=list)
    batch_overhead: int = 0

    def folder(self, name):
        folder = self.work / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class SyncCount:
    """Barriers of a program that was started with `environment`: see sync-count.c."""

    def __init__(self, context, name):
        self.library = context.tools / "sync-count.so"
        self.file = context.folder("counts") / name
        self.file.write_bytes(b"\0" * 8 * SYNC_COUNTERS)
        self.file.chmod(0o666)
        self.last = [0] * SYNC_COUNTERS

    def environment(self):
        return os.environ | {
            "LD_PRELOAD": str(self.library), "SYNC_COUNT_FILE": str(self.file)}

    def since(self):
        """(barriers, {growth of the file in bytes, rounded down to a power of two: barriers}) since
        the last call."""
        now = struct.unpack(f"<{SYNC_COUNTERS}Q", self.file.read_bytes())
        new = [count - old for count, old in zip(now, self.last)]
        self.last = now
        return new[0], {1 << power: count for power, count in enumerate(new[2:]) if count}


def percentile(ordered, share):
    """Of a sorted list; None of an empty one."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def events_of(batch_bytes, overhead):
    """Events of each of these batches."""
    return [max(1, (size - overhead) // EVENT_BYTES) for size in batch_bytes]


def distribution(sizes):
    """Batch sizes as every contender reports them."""
    if not sizes:
        return {}
    ordered = sorted(sizes)
    return {
        "mean": round(sum(ordered) / len(ordered), 1), "p50": percentile(ordered, 0.5),
        "p99": percentile(ordered, 0.99), "max": ordered[-1],
    }
