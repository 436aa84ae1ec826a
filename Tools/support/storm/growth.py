"""How a ledger does as its log grows: filled to one size after the other, and asked at each."""

import shutil
import statistics
import time

from . import holdfast, processes
from .errors import StormError
from .holdfast import number

# Long enough under full load that a kill falls between two checkpoints.
KILL_AFTER_SECONDS = 6
# Of which the median is the throughput at a size.
RUNS = 5


def measure(context, plan, targets, say):
    """One dictionary a size, smallest first. The ledger is removed afterwards."""
    directory = context.folder("growth")
    shutil.rmtree(directory, ignore_errors=True)
    found = []
    try:
        for target in targets:
            say(f"growing the log to {target:,} events")
            found.append(_at(context, plan, directory, target, say))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return found


def _at(context, plan, directory, target, say):
    def storm(*words):
        return holdfast.storm_at(context, directory, ("--users", plan.users, *words))

    filled = storm("--events", target)
    one = {"events": target, "fillEventsPerSecond": number(filled, "eventsPerSecond")}
    say(f"throughput at {target:,} events")
    runs = [storm("--seconds", plan.seconds) for _ in range(RUNS)]
    one["reconnectsPerSecond"] = statistics.median(
        number(run, "reconnectsPerSecond") or 0 for run in runs)
    say(f"opening after a kill at {target:,} events")
    _kill(context, plan, directory)
    opened = holdfast.storm_at(context, directory, ("--mode", "open"))
    one["openSeconds"] = number(opened, "seconds")
    one["openReplayedEvents"] = number(opened, "replayedEvents")
    say(f"states at past moments in {target:,} events")
    read = holdfast.storm_at(context, directory, ("--mode", "read", "--users", plan.users))
    one["read"] = read
    for name, words in (("verify", ("--without-rules",)), ("rebuild", ())):
        say(f"{name} of {target:,} events")
        result = holdfast.command_at(context, directory, name, words)
        one[f"{name}EventsPerSecond"] = number(result, "eventsPerSecond")
        one[f"{name}Seconds"] = number(result, "seconds")
    return one


def _kill(context, plan, directory):
    """Ends a storm by SIGKILL while it is at its height."""
    process = processes.start([
        context.holdfast, "storm", "--data", directory, "--users", plan.users,
        "--seconds", 10 * KILL_AFTER_SECONDS, "--json"])
    try:
        time.sleep(KILL_AFTER_SECONDS)
        if process.poll() is not None:
            raise StormError("the storm to be killed ended by itself")
    finally:
        process.kill()
        process.wait()
        processes.stop(process)
