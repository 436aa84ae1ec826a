"""What is asked of Holdfast alone: how it grows, reads, rebuilds, settles deadlines, serves."""

import re

from . import growth, holdfast, wire
from .errors import StormError
from .holdfast import number

COUNT = re.compile(r"(\d+)([km]?)\Z", re.IGNORECASE)


def count_of(text):
    """1000, 10k or 100m as a number."""
    found = COUNT.match(text.strip())
    if not found or int(found.group(1)) == 0:
        raise StormError(f"{text!r} is no number of events; write 1000000 or 1m")
    return int(found.group(1)) * {"": 1, "k": 1_000, "m": 1_000_000}[found.group(2).lower()]


def run(context, server, plan, say):
    """A dictionary of what each probe printed; a list for `growth`. A probe that this build does
    not know is missing, and `notMeasured` says why."""
    found = {"growth": [], "notMeasured": {}}

    def probe(name, words):
        say(f"probing {name}: holdfast storm {' '.join(str(word) for word in words)}")
        return attempt(name, lambda: holdfast.storm(context, words))

    def attempt(name, measure):
        try:
            return measure()
        except StormError as error:
            found["notMeasured"][name] = str(error)
            say(f"{name} not measured: {error}")
            return None

    def compare_signed():
        if plan.is_quick:
            raise StormError("only a full report builds the server to compare with")
        return wire.compare_signed(server, plan.users, plan.seconds, plan.rounds, say)

    http = attempt("http", compare_signed)
    server.close()
    if http is not None:
        found["http"] = http
    for name, users in (("deadlines", plan.users), ("memory", plan.memory_users)):
        result = probe(name, ["--mode", name, "--users", users])
        if result is not None:
            found[name] = result
    targets = [count_of(text) for text in plan.growth]
    if targets:
        found["growth"] = attempt(
            "growth", lambda: growth.measure(context, plan, targets, say)) or []
    return found


def rates(context, users, seconds, best, rate, say):
    """Latency of single commands at shares of the best rate, for the plot by load: (reconnects/s,
    p50, p99) each. Empty where `--rate` is not known."""
    points = []
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        words = ["--users", users, "--seconds", seconds, "--mode", "single"]
        words += ["--callers", best.get("callers", 1_000), "--rate", int(rate * share)]
        say(f"latency at {share:.0%} of the best rate")
        try:
            result = holdfast.storm(context, words, "ledger")
        except StormError as error:
            say(f"not measured: {error}")
            break
        point = [number(result, "reconnectsPerSecond")] + [
            number(result, "latencyMicroseconds", key) for key in ("p50", "p99")]
        if None not in point:
            points.append(tuple(point))
    return points
