"""The command: options, order of work, and cleaning up."""

import argparse
import os
import pathlib
import shlex
import shutil
import signal
import stat
import sys
import tempfile
import time

from . import (
    holdfast, install, machine, postgres, probes, processes, raw_lmdb, redis, report, sqlite,
    wire)
from .contender import EVENT_BYTES, Context
from .errors import StormError
from .rounds import Storm, duration

PEERS = ("lmdb", "redis", "postgres", "sqlite")

DESCRIPTION = """\
Runs the same storm of reconnects against Holdfast and its peers (raw LMDB, Redis, PostgreSQL,
SQLite), each durable before it answers and at its best settings, in interleaved rounds, and writes
one report: report.json, report.md and plots. Installs and builds what is missing. Servers listen
on loopback and a socket only, keep their data in a folder of their own, and end with the report.
"""


def parser():
    made = argparse.ArgumentParser(
        prog="storm-report", description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--quick", action="store_true",
        help="few users, short runs, few settings: at most three minutes once everything is built")
    made.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("storm-report"), metavar="DIR",
        help="where the report goes (default: storm-report)")
    made.add_argument(
        "--directory", type=pathlib.Path, metavar="DIR",
        help="where the data is kept meanwhile; its disk is what is measured (default: .build, or "
             "/var/tmp where PostgreSQL's user may not enter it)")
    made.add_argument(
        "--users", type=int, metavar="N", help="users with a slot (1000000; quick: 20000)")
    made.add_argument("--seconds", type=float, metavar="S", help="of a run (5; quick: 1)")
    made.add_argument("--rounds", type=int, metavar="R", help="interleaved rounds (5; quick: 1)")
    made.add_argument(
        "--peers", default=",".join(PEERS), metavar="A,B",
        help=f"some of {','.join(PEERS)}, or none (default: all)")
    made.add_argument(
        "--events-growth", metavar="N,N",
        help="sizes of the log to measure at (1m,10m,100m; quick and `none`: none)")
    made.add_argument(
        "--holdfast", metavar="PROGRAM", help="measure this program instead of building one")
    made.add_argument(
        "--sqlite-peer", metavar="PROGRAM", help="use this program instead of building one")
    return made


class Plan:
    """The options, checked, with their defaults."""

    def __init__(self, options):
        quick = options.quick
        self.is_quick = quick
        self.output = options.output
        self.users = options.users if options.users is not None else 20_000 if quick else 1_000_000
        self.seconds = options.seconds if options.seconds is not None else 1.0 if quick else 5.0
        self.rounds = options.rounds if options.rounds is not None else 1 if quick else 5
        if not 1_000 <= self.users <= 100_000_000:
            raise StormError("--users takes 1000 to 100000000")
        if not 0.1 <= self.seconds <= 3_600:
            raise StormError("--seconds takes 0.1 to 3600")
        if not 1 <= self.rounds <= 1_000:
            raise StormError("--rounds takes 1 to 1000")
        self.sweep_seconds = min(self.seconds, 1.0 if quick else 2.0)
        names = [] if options.peers == "none" else options.peers.split(",")
        for name in names:
            if name not in PEERS:
                raise StormError(f"there is no peer {name!r}; there are {', '.join(PEERS)}")
        self.peers = [name for name in PEERS if name in names]
        self.directory = options.directory or default_directory(self.peers)
        growth = options.events_growth or ("none" if quick else "1m,10m,100m")
        self.growth = [] if growth == "none" else growth.split(",")
        self.memory_users = self.users if quick else 10 * self.users
        for text in self.growth:
            probes.count_of(text)
        for program in (options.holdfast, options.sqlite_peer):
            if program is not None and processes.on_path(program, ".") is None \
                    and not pathlib.Path(program).is_file():
                raise StormError(f"there is no program {program}")
        self.holdfast = options.holdfast and str(pathlib.Path(options.holdfast).resolve())
        self.sqlite_peer = options.sqlite_peer and str(pathlib.Path(options.sqlite_peer).resolve())


def contenders(context, plan, server):
    """Everything that takes part, Holdfast first: raw LMDB repeats its batches."""
    found = [holdfast.embedded(context), holdfast.single(context), wire.Bulk(context, server)]
    if "lmdb" in plan.peers:
        found += [raw_lmdb.no_meta_sync(context), raw_lmdb.default_mode(context)]
    if "redis" in plan.peers:
        found.append(redis.Redis(context))
    if "postgres" in plan.peers:
        cluster = postgres.Cluster(context)
        found += [
            postgres.PostgresSingle(context, cluster), postgres.PostgresBatched(context, cluster)]
    if "sqlite" in plan.peers:
        found.append(sqlite.SQLite(context, plan.sqlite_peer))
    return found


def measure(plan, work):
    tools = work / "tools"
    tools.mkdir()
    context = Context(work=work, tools=tools, is_quick=plan.is_quick, holdfast=plan.holdfast)
    install.compiled("sync-count.c", tools / "sync-count.so", "-shared", "-fPIC")
    server = wire.Server(context)
    taking_part = contenders(context, plan, server)
    storm = Storm(taking_part, plan.users, plan.seconds, plan.sweep_seconds, plan.rounds)
    about = {"machine": machine.describe(work)}
    try:
        storm.prepare()
        storm.sweep()
        storm.interleave()
    finally:
        for contender in taking_part:
            contender.close()
    found = probes.run(context, server, plan, storm.progress.say)
    points = []
    single = storm.sweeps[holdfast.SINGLE]
    if single and not plan.is_quick:
        best = max(single, key=lambda one: one.reconnects_per_second)
        points = probes.rates(
            context, plan.users, plan.sweep_seconds, best.settings, best.reconnects_per_second,
            storm.progress.say)
    about |= {
        "command": shlex.join(["Tools/storm-report", *sys.argv[1:]]), "users": plan.users,
        "rounds": plan.rounds, "seconds": plan.seconds, "isQuick": plan.is_quick,
        "revision": _revision(), "versions": _versions(taking_part)}
    return storm, found, points, about


def _versions(taking_part):
    versions = {"compiler": machine.version(["cc", "--version"])}
    for contender in taking_part:
        versions |= contender.versions
    return versions


def _revision():
    found = machine.version(["git", "-C", install.ROOT, "describe", "--always", "--dirty"])
    return found or "unknown"


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupted(signal_number, frame):
    raise KeyboardInterrupt


def check_space(plan):
    """Refuses early what would end with a full disk."""
    largest = max((probes.count_of(text) for text in plan.growth), default=0)
    # Ledgers and logs of the runs, then twice the bytes of the largest log.
    needed = (2 if plan.is_quick else 24) + largest * EVENT_BYTES * 2 / 2**30
    free = shutil.disk_usage(plan.directory).free / 2**30
    if free < needed:
        raise StormError(
            f"{plan.directory} has {free:.0f} GiB left and about {needed:.0f} are needed; name "
            "another with --directory, or smaller --events-growth")


def clean_up(work):
    """Ends everything and removes the data; a second Ctrl-C does not keep it from that."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    processes.stop_all()
    shutil.rmtree(work, ignore_errors=True)
    for number in SIGNALS:
        signal.signal(number, interrupted)


def default_directory(peers):
    """.build; /var/tmp where the user postgres may not enter it."""
    found = install.ROOT / ".build"
    ancestors = (install.ROOT, *install.ROOT.parents)
    if "postgres" in peers and os.geteuid() == 0 and not all(
            folder.stat().st_mode & stat.S_IXOTH for folder in ancestors):
        found = pathlib.Path("/var/tmp")
        install.say(f"the data goes to {found}: the user postgres may not enter {install.ROOT}")
    return found


def run(arguments):
    begun = time.monotonic()
    plan = Plan(parser().parse_args(arguments))
    install.install(plan.peers)
    try:
        plan.directory.mkdir(parents=True, exist_ok=True)
        plan.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StormError(f"cannot make {error.filename}: {error.strerror}") from error
    check_space(plan)
    work = pathlib.Path(tempfile.mkdtemp(prefix="storm-", dir=plan.directory.resolve()))
    # PostgreSQL does not run as root, and has to reach its folder.
    work.chmod(0o755)
    try:
        measured = measure(plan, work)
    finally:
        clean_up(work)
    names = report.write(*measured, plan.output)
    install.say(
        f"wrote {', '.join(names)} to {plan.output} in {duration(time.monotonic() - begun)}")
    print(plan.output / "report.md")
    return 0


def main(arguments):
    for number in SIGNALS:
        signal.signal(number, interrupted)
    try:
        return run(arguments)
    except StormError as error:
        print(f"storm-report: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        processes.stop_all()
        print("storm-report: interrupted; what it started has ended", file=sys.stderr)
        return 130
