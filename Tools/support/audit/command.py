"""The command line of Tools/audit-report."""

import argparse
import pathlib
import shutil
import sys
import tempfile

import shared_options
from audit import measure, report, scene


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="audit-report",
        description="Generates a workload, imports it into a new ledger, runs every audit command "
        "on it, and reports seconds, output and peak memory. A command that fails, that says "
        "something else than the others do, or that takes more memory than it may, fails the run.")
    parser.add_argument(
        "--events", type=int, default=10_000_000, metavar="N",
        help="at least so many events in the ledger (default 10,000,000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the workload")
    parser.add_argument(
        "--quick", action="store_true", help="100,000 events: a check of the commands, no figures")
    shared_options.add_program(parser)
    shared_options.add_output(parser, "audit-report")
    parser.add_argument(
        "--directory", type=pathlib.Path, metavar="DIR",
        help="where the ledgers are made, and removed again (default a temporary directory)")
    options = parser.parse_args(arguments)
    if options.quick:
        options.events = 100_000
    if options.events < 10_000:
        parser.error("--events takes a number from 10000")
    shared_options.require_program(parser, options.holdfast, "holdfast")
    return options


def main(arguments):
    options = parse(arguments)
    parent = options.directory
    if parent:
        parent.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-audit-", dir=parent))
    try:
        result = scene.play(options, folder, lambda line: print(line, flush=True))
    except measure.Failed as failure:
        print(f"audit-report: {failure}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    shared_options.write_report(options.output, result, report.markdown(result))
    print(f"report in {options.output / 'report.md'}")
    for fault in result["faults"]:
        print(f"audit-report: {fault}", file=sys.stderr)
    return 1 if result["faults"] else 0
