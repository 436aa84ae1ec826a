"""What Holdfast is held to: a figure, a goal, and whether it is met."""

import dataclasses

from .holdfast import BULK, EMBEDDED, SINGLE, number
from .rounds import spread

NOT_MEASURED = "not measured"


@dataclasses.dataclass
class Goal:
    row: str
    what: str
    goal: str
    value: tuple | None
    is_met: bool | None
    unit: str = ""

    @property
    def figure(self):
        if self.value is None:
            return NOT_MEASURED
        median, least, most = self.value
        text = f"{_number(median)}{self.unit}"
        return text if least == most else f"{text} ({_number(least)} to {_number(most)})"

    @property
    def verdict(self):
        if self.value is None:
            return NOT_MEASURED
        return "no goal" if self.is_met is None else "met" if self.is_met else "missed"

    def as_json(self):
        keys = ("median", "min", "max")
        return {
            "row": self.row, "what": self.what, "goal": self.goal,
            "value": dict(zip(keys, self.value)) if self.value else None,
            "verdict": self.verdict}


def _number(value):
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"


def at_least(row, what, bound, value, unit=""):
    is_met = None if value is None else value[0] >= bound
    return Goal(row, what, f"≥ {bound:,}{unit}", value, is_met, unit)


def at_most(row, what, bound, value, unit=""):
    is_met = None if value is None else value[0] <= bound
    return Goal(row, what, f"≤ {bound:,}{unit}", value, is_met, unit)


def _one(value):
    return None if value is None else (value, value, value)


def _last(growth, key):
    return _one(number(growth[-1], key)) if growth else None


def _growth_ratio(growth):
    """Throughput at the largest log over that at the smallest, if 100 times larger."""
    if len(growth) < 2 or growth[-1]["events"] < 100 * growth[0]["events"]:
        return None
    first, last = (number(one, "reconnectsPerSecond") for one in (growth[0], growth[-1]))
    return _one(last / first) if first and last is not None else None


def _spread(result):
    found = tuple(number(result, "ratio", key) for key in ("median", "min", "max"))
    return None if None in found else found


def _deadline_goals(result):
    return [
        at_most("11", "windows that end evenly over a second: p99 of apply over p99 at rest", 5,
                _one(number(result, "evenlyOverRestP99"))),
        at_most("11", "windows that end together: the longest apply over their commit", 2,
                _one(number(result, "longestApplyOverCommit")))]


def goals(storm, probes):
    """All rows, in their order."""
    growth = probes.get("growth", [])
    single = spread([
        number(one.details, "commandsPerSecond") for one in storm.of(SINGLE)
        if number(one.details, "callers") in (None, 1_000)])
    memory = probes.get("memory")
    is_large = bool(growth) and growth[-1]["events"] >= 100_000_000
    return [
        at_least("1", "embedded over raw LMDB writing the same batches", 0.7,
                 storm.paired(EMBEDDED, "lmdb")),
        Goal("1", "embedded over raw LMDB in its default mode", "printed",
             storm.paired(EMBEDDED, "lmdb-default"), None),
        at_least("2", "embedded over Redis at its best", 8, storm.paired(EMBEDDED, "redis")),
        at_least("3", "embedded over PostgreSQL, one call a transaction", 80,
                 storm.paired(EMBEDDED, "postgres")),
        at_least("3", "embedded over PostgreSQL at its best batching", 20,
                 storm.paired(EMBEDDED, "postgres-batched")),
        at_least("3", "embedded over SQLite", 10, storm.paired(EMBEDDED, "sqlite")),
        at_least("4", "single commands a second with 1,000 callers", 400_000, single),
        at_least("5", "signed ApplyConcurrent over a hello-world of the same server", 0.6,
                 _spread(probes.get("http"))),
        at_least("6", "bulk endpoint over Redis pipelined", 2, storm.paired(BULK, "redis")),
        at_least("7", "events a second in a rebuild", 10_000_000,
                 _last(growth, "rebuildEventsPerSecond")),
        at_least("7", "events a second verified", 8_000_000,
                 _last(growth, "verifyEventsPerSecond")),
        at_most("8", "state at a past moment, p99 warm, milliseconds", 1,
                _milliseconds(growth, "random", "p99") if is_large else None),
        at_most("8", "the same of the user with the most events", 1,
                _milliseconds(growth, "heaviest", "p99") if is_large else None),
        at_most("9", "opened after a kill at 100,000,000 events, seconds", 1,
                _last(growth, "openSeconds") if is_large else None),
        at_least("9", "throughput at 100,000,000 events over 1,000,000", 0.9,
                 _growth_ratio(growth) if is_large else None),
        at_most("10", "resident bytes a known user", 128,
                _one(number(memory, "residentBytesPerUser"))),
        Goal("10", "resident bytes a user that waits in a slot", "printed",
             _one(number(memory, "residentBytesPerWaitingUser")), None),
        *_deadline_goals(probes.get("deadlines")),
    ]


def _milliseconds(growth, user, percentile):
    """Of a state at a past moment in the largest log, with a warm cache."""
    value = number(growth[-1], "read", "warm", user, percentile) if growth else None
    return None if value is None else _one(value / 1_000)
