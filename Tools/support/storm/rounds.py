"""Sweeps settings, keeps the best, and interleaves rounds of all contenders."""

import statistics
import sys
import time

from .errors import StormError
from .holdfast import Unsupported


class Progress:
    """Lines on standard error: what is measured, what came of it, how long it still takes."""

    def __init__(self, total):
        self.total, self.done = total, 0
        self.begun = time.monotonic()
        self.spent = 0.0

    def say(self, text):
        print(f"storm-report: {text}", file=sys.stderr, flush=True)

    def step(self, what, outcome, length):
        self.done += 1
        self.spent += length
        left = int(self.spent / self.done * max(0, self.total - self.done))
        self.say(f"[{self.done}/{self.total}] {what}: {outcome} (ETA {duration(left)})")

    def skip(self, steps):
        self.total -= steps


def duration(seconds):
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def text_of(settings):
    words = {True: "yes", False: "no"}
    return " ".join(
        f"{key}={words[value] if isinstance(value, bool) else value}"
        for key, value in settings.items()) or "default"


class Storm:
    """The measurements of one report: `sweeps` and `rounds` by contender, `left_out` with why."""

    def __init__(self, contenders, users, seconds, sweep_seconds, round_count):
        self.contenders = contenders
        self.users, self.seconds, self.sweep_seconds = users, seconds, sweep_seconds
        self.round_count = round_count
        self.sweeps = {contender.name: [] for contender in contenders}
        self.best = {}
        # rounds[number][name] is a Measurement.
        self.rounds = []
        self.left_out = {}
        steps = sum(len(contender.sweep()) for contender in contenders)
        self.progress = Progress(steps + round_count * len(contenders))

    def prepare(self):
        for contender in list(self.contenders):
            self.progress.say(f"preparing {contender.title} with {self.users:,} users")
            contender.prepare(self.users)

    def sweep(self):
        for contender in list(self.contenders):
            for settings in contender.sweep():
                if contender.name in self.left_out:
                    break
                measured = self._measure(contender, settings, self.sweep_seconds)
                if measured:
                    self.sweeps[contender.name].append(measured)
            if self.sweeps[contender.name]:
                self.best[contender.name] = contender.best(self.sweeps[contender.name])

    def interleave(self):
        """Every round runs everything once, in turns forward and backward, so that what changes on
        the machine hits all alike; figures are compared within a round."""
        takers = [one for one in self.contenders if one.name in self.best]
        for number in range(self.round_count):
            measured = {}
            for contender in takers if number % 2 == 0 else reversed(takers):
                result = self._measure(contender, self.best[contender.name], self.seconds)
                if result:
                    measured[contender.name] = result
            self.rounds.append(measured)

    def _measure(self, contender, settings, seconds):
        start = time.monotonic()
        what = f"{contender.title} {text_of(settings)}"
        try:
            measured = contender.run(settings, seconds)
        except Unsupported as error:
            self.left_out[contender.name] = str(error)
            self.progress.skip(len(contender.sweep()) - 1 + self.round_count)
            self.progress.step(what, "not measured", time.monotonic() - start)
            return None
        except StormError as error:
            raise StormError(f"{contender.title}: {error}") from error
        self.progress.step(
            what, f"{measured.reconnects_per_second:,.0f} reconnects/s, p99 "
            f"{measured.p99 if measured.p99 is not None else '?'} µs", time.monotonic() - start)
        return measured

    # What the report asks.

    def of(self, name):
        """The measurements of a contender's rounds."""
        return [measured[name] for measured in self.rounds if name in measured]

    def paired(self, name, other):
        """(median, least, most) of the ratio of two contenders' throughput, each within a round;
        None if they never met."""
        ratios = [
            measured[name].reconnects_per_second / measured[other].reconnects_per_second
            for measured in self.rounds
            if name in measured and other in measured
            and measured[other].reconnects_per_second > 0]
        return spread(ratios)


def spread(values):
    """(median, least, most); None of nothing."""
    known = [value for value in values if value is not None]
    return (statistics.median(known), min(known), max(known)) if known else None
