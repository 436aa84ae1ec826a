"""The command line of Tools/crash."""

import argparse
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import shared_options

from . import report
from .programs import Programs, Wrong
from .scenes import Scenes


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="crash",
        description="Starts Holdfast under load, kills it with SIGKILL at a random moment, and "
        "audits what is left: every action that was answered is in the log as answered, the chain "
        "is whole, the view is a fold of it, and what was killed can be begun again. Servers with "
        "clients of the bulk endpoint and of the cloud API, an embedded ledger, and the commands "
        "import, backup, restore, forget and rebuild. The first thing that is wrong ends the run, "
        "and its directory stays.")
    parser.add_argument("--kills", type=int, default=1_000, metavar="N", help="(default 1,000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the moments")
    parser.add_argument("--quick", action="store_true", help="25 kills")
    shared_options.add_program(parser)
    shared_options.add_program(
        parser, "--player", "power-cuts", "the program with the embedded ledger",
        "the release build of power-cuts")
    parser.add_argument(
        "--output", type=pathlib.Path, metavar="DIR", help="where crash.md and crash.json go")
    options = parser.parse_args(arguments)
    if options.quick:
        options.kills = 25
    for program in (options.holdfast, options.player):
        shared_options.require_program(parser, program)
    return options


def main(arguments):
    options = parse(arguments)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-crash-"))
    programs = Programs(options.holdfast, options.player, folder)
    counts, start = {}, time.monotonic()
    subprocess.run(
        [options.holdfast, "generate", "--users", "300", "--seed", str(options.seed), "--days",
         "2", "--output", folder / "trace.csv"], check=True, capture_output=True)
    scenes = Scenes(programs, folder / "ledger", random.Random(options.seed), counts)
    shown = 0.0
    for number in range(1, options.kills + 1):
        name = None
        try:
            name = scenes.play()
        except Wrong as wrong:
            print(f"crash: kill {number} of seed {options.seed}: {wrong}; what is left lies in "
                  f"{folder}", file=sys.stderr)
            return 1
        passed = time.monotonic() - start
        if passed - shown > 5 or number == options.kills:
            shown = passed
            left = passed / number * (options.kills - number)
            print(f"{number} of {options.kills} kills, {counts.get('answers', 0)} answers, none "
                  f"lost; last {name}; about {left:.0f} s left", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    result = {"kills": options.kills, "seed": options.seed,
              "seconds": round(time.monotonic() - start), **counts}
    text = report.markdown(result)
    print(text)
    if options.output:
        shared_options.write_report(options.output, result, text, "crash")
    return 0
