"""The command line of Tools/fuzz."""

import argparse
import random
import sys

from fuzz import program, report

EPILOG = """\
EXAMPLES
  Tools/fuzz                               every target for ten seconds
  Tools/fuzz --target batch --seconds 600  one target for ten minutes
  Tools/fuzz --address --seconds 30        with the address sanitizer
  Tools/fuzz --total 100000000             round after round, until it is so many
  Tools/fuzz --status --report docs        what was run so far, and a report of it
  Tools/fuzz --minimise                    keep the best inputs for the tests

An input that breaks a target is kept in Tests/FuzzTests/Crashes/TARGET, where every test run
tries it again. Ends with 1 if there was any.
"""


def parser():
    options = argparse.ArgumentParser(
        prog="Tools/fuzz", epilog=EPILOG,
        description="Feeds every function that takes bytes from outside with inputs that grow by\n"
        "what code they reach, one target after the other, on one thread.",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--target", action="append", metavar="NAME", help="this target; may be given again")
    options.add_argument(
        "--seconds", type=int, default=10, metavar="N", help="time for each target and round")
    options.add_argument(
        "--runs", type=int, default=-1, metavar="N", help="executions of each target and round")
    options.add_argument(
        "--total", type=int, default=0, metavar="N",
        help="rounds until there were so many executions, earlier starts counted")
    options.add_argument(
        "--address", action="store_true", help="with the address sanitizer: slower")
    options.add_argument(
        "--address-every", type=int, default=0, metavar="N",
        help="every N-th round with the address sanitizer")
    options.add_argument("--no-build", action="store_true", help="as it was built last")
    options.add_argument("--list", action="store_true", help="name the targets and stop")
    options.add_argument("--status", action="store_true", help="what was run so far, and stop")
    options.add_argument(
        "--minimise", action="store_true", help="keep few inputs that reach the same, and stop")
    options.add_argument(
        "--check", action="store_true", help="see that a planted fault is found, and stop")
    options.add_argument("--report", metavar="DIR", help="write fuzz-report.md and .json there")
    return options


def main(arguments):
    options = parser().parse_args(arguments)
    try:
        return start(options)
    except program.FuzzError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("fuzz: stopped; what was run is counted", file=sys.stderr)
        return 130


def start(options):
    progress = report.Progress()
    if options.status:
        if options.report:
            report.write(progress, program.targets(program.PLAIN), options.report)
        return show(progress)
    ways = [program.ADDRESS if options.address else program.PLAIN]
    if options.address_every:
        ways = [program.PLAIN, program.ADDRESS]
    if not options.no_build:
        for way in ways:
            program.build(way)
    for way in ways:
        if not program.program(way).exists():
            raise program.FuzzError("there is no program yet; leave --no-build out")
    known = program.targets(ways[0])
    targets = chosen(known, options.target)
    if options.list:
        for target in targets:
            print(f"{target.name:<18}{target.subject}")
        return 0
    if options.check:
        return check(ways[0])
    if options.minimise:
        for target in targets:
            print(f"{target.name:<18}{program.minimise(target, ways[0])} inputs kept")
        return 0
    failures = rounds(options, targets, ways, progress)
    if options.report:
        report.write(progress, known, options.report)
    return 1 if failures else 0


def chosen(known, names):
    if not names:
        return known
    by_name = {target.name: target for target in known}
    for name in names:
        if name not in by_name:
            raise program.FuzzError(f"there is no target {name}; --list names them")
    return [by_name[name] for name in names]


def check(way):
    """A fuzzer that finds nothing might be one that cannot."""
    canary = program.Target("canary", 64, "a planted fault", "")
    outcome = program.run(canary, way, runs=20_000_000, seconds=120, seed=1)
    if outcome.kept:
        (program.ROOT / outcome.kept).unlink()
        (program.CRASHES / canary.name).rmdir()
    found = "the planted fault" in outcome.failure
    print(f"the planted fault is {'' if found else 'not '}found: {outcome.executions:,} executions")
    return 0 if found else 1


def rounds(options, targets, ways, progress):
    """Rounds over the targets: one, or as many as it takes. Returns how many runs failed."""
    failures = 0
    number = 0
    broken = set()
    while True:
        number += 1
        every = options.address_every
        way = ways[-1] if every and number % every == 0 else ways[0]
        for target in targets:
            if target.name in broken:
                continue
            outcome = program.run(
                target, way, runs=options.runs, seconds=options.seconds,
                seed=random.getrandbits(32), compares=number % 4 == 0)
            progress.of(way, target.name).add(outcome)
            progress.write()
            say(target, way, outcome, progress)
            if outcome.failure:
                failures += 1
                broken.add(target.name)
            if options.total and progress.executions() >= options.total:
                return failures
        if not options.total or len(broken) == len(targets):
            return failures


def say(target, way, outcome, progress):
    speed = outcome.executions / outcome.seconds if outcome.seconds > 0 else 0
    mark = "+address" if way == program.ADDRESS else ""
    print(
        f"{target.name + mark:<26}{outcome.executions:>12,} executions {speed:>9,.0f} a CPU s  "
        f"cov {outcome.coverage:>5} ft {outcome.features:>6} corpus {outcome.corpus:>5}  "
        f"{outcome.memory_mb} MB  all {progress.executions():,}", flush=True)
    if outcome.failure:
        print(f"  FAILED: {outcome.failure}\n  kept as {outcome.kept}", flush=True)


def show(progress):
    for way, rows in progress.totals.items():
        print(f"-sanitize={way}")
        for name, total in sorted(rows.items()):
            print(
                f"  {name:<18}{total.executions:>14,} executions  "
                f"best {total.fastest:>9,.0f} a CPU s  "
                f"cov {total.coverage:>5}  {len(total.failures)} failures")
    print(f"{progress.executions():,} executions in {progress.seconds() / 3600:.2f} CPU hours")
    return 0
