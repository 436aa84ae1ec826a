"""The command line of Tools/slow-clients."""

import argparse
import pathlib
import shutil
import sys
import tempfile

import shared_options
from slowclients import report, runs
from slowclients.server import Failed


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="slow-clients",
        description="Serves a ledger, has healthy clients call it at a fixed rate, and in every "
        "other run has strangers hold connections beside them: some silent, some with half a head, "
        "some with half a body, each sending a byte now and then and coming back when it is "
        "closed. Reports the healthy clients' latencies with and without. A refused or failed call "
        "of a healthy client, or a p99 that more than doubles, fails the run.")
    parser.add_argument(
        "--connections", type=int, default=10_000, metavar="N",
        help="slow and half-open connections held (default 10,000)")
    parser.add_argument(
        "--rate", type=int, default=400, metavar="N",
        help="calls a second of the healthy clients together (default 400)")
    parser.add_argument(
        "--clients", type=int, default=16, metavar="N",
        help="connections of the healthy clients (default 16)")
    parser.add_argument(
        "--seconds", type=float, default=30, metavar="N",
        help="length of a run (default 30: longer than the server's deadlines)")
    parser.add_argument(
        "--pairs", type=int, default=5, metavar="N",
        help="runs without and with, in turn (default 5)")
    parser.add_argument(
        "--quick", action="store_true",
        help="200 connections and two short runs: a check of the command, no figures")
    shared_options.add_program(parser)
    shared_options.add_output(parser, "slow-clients")
    parser.add_argument("--tls", action="store_true", help="over TLS (needs openssl)")
    options = parser.parse_args(arguments)
    if options.quick:
        options.connections, options.pairs, options.seconds, options.rate = 200, 1, 2, 100
    for name in ("connections", "rate", "clients", "pairs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} takes a number from 1")
    shared_options.require_program(parser, options.holdfast, "holdfast")
    return options


def main(arguments):
    options = parse(arguments)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-slow-"))
    try:
        result = runs.play(options, folder, lambda line: print(line, flush=True))
    except Failed as failure:
        print(f"slow-clients: {failure}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    shared_options.write_report(options.output, result, report.markdown(result))
    print(f"report in {options.output / 'report.md'}")
    for fault in result["faults"]:
        print(f"slow-clients: {fault}", file=sys.stderr)
    return 1 if result["faults"] else 0
