"""Holdfast's server on loopback: the bulk endpoint, and signed calls beside a hello-world of the
same HTTP library. Both are asked by wire-load, a load generator in C."""

import json
import socket
import statistics

from . import holdfast, install, machine, processes
from .contender import Contender, Measurement
from .errors import StormError
from .holdfast import BULK, Unsupported

PROJECT = "storm"
SOURCE = install.ROOT / "Benchmarks" / "peers" / "wire-load.c"
HELLO = install.ROOT / "Benchmarks" / "Sources" / "hello-server"


def answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A server with a ledger of its own, a credential, and a slot for every user."""

    def __init__(self, context):
        self.context = context
        self.process = None
        self.is_filled = False

    def start(self, users):
        if self.process:
            return
        if not SOURCE.exists():
            raise Unsupported(f"there is no {SOURCE.name} in Benchmarks/peers")
        self.load = self.context.tools / "wire-load"
        install.compiled(SOURCE.name, self.load)
        program, self.users = holdfast.require(self.context), users
        data = self.context.folder("served-ledger")
        processes.run(
            [program, "project", "set", PROJECT, "--concurrencies", users, "--data", data],
            "holdfast project set")
        self.credential = json.loads(processes.run(
            [program, "credential", "create", "--json", "--data", data],
            "holdfast credential create"))
        self.port = processes.free_port()
        log = self.context.work / "serve.log"
        with open(log, "wb") as output:
            self.process = processes.start(
                [program, "serve", "--data", data, "--listen", f"127.0.0.1:{self.port}"],
                stdout=output, stderr=output)
        processes.wait_until(lambda: answers(self.port), self.process, "holdfast serve", log)

    def ask(self, mode, *words):
        """Runs wire-load and returns what it printed; a refusal or a failure is a StormError."""
        command = [
            self.load, mode, "--port", self.port, "--project", PROJECT, "--users", self.users,
            "--id", self.credential["secretId"], "--key", self.credential["secretKey"], *words]
        # The first to come gives every user a session.
        if not self.is_filled and mode == "bulk":
            command.append("--prime")
        result = json.loads(processes.run(command, f"wire-load {mode}"))
        self.is_filled = self.is_filled or mode == "bulk"
        wrong = [f"{result[key]:,} {key}" for key in ("refused", "failed") if result.get(key)]
        if wrong or not result.get("count"):
            raise StormError(f"wire-load {mode}: {' and '.join(wrong) or 'nothing answered'}")
        return result

    def close(self):
        if self.process:
            processes.stop(self.process)
            self.process = None


class Bulk(Contender):
    name = BULK
    title = "Holdfast, bulk endpoint"
    note = (
        "NDJSON over HTTP on loopback, a line a reconnect; client and server share the machine; "
        "latency from queueing a line to its answer")

    def __init__(self, context, server):
        super().__init__(context)
        self.server = server

    def prepare(self, users):
        self.users = users
        self.versions["Holdfast"] = machine.version([holdfast.require(self.context), "version"])

    def sweep(self):
        loads = [(1, 1_000)] if self.context.is_quick else [
            (connections, window)
            for connections, window in ((1, 100), (1, 1_000), (4, 1_000), (4, 8_192), (8, 4_096))]
        return [{"connections": connections, "window": window} for connections, window in loads]

    def in_flight(self, settings):
        return settings["connections"] * settings["window"]

    def command(self, settings):
        return (
            f"wire-load bulk --port PORT --project {PROJECT} --users {self.users} --id ID "
            f"--key KEY --connections {settings['connections']} --window {settings['window']} "
            "--seconds S")

    def run(self, settings, seconds):
        self.server.start(self.users)
        result = self.server.ask(
            "bulk", "--connections", settings["connections"], "--window", settings["window"],
            "--seconds", seconds)
        return Measurement(
            settings=settings, seconds=result["seconds"],
            reconnects_per_second=result["count"] / result["seconds"],
            p50=result["p50ms"] * 1_000, p99=result["p99ms"] * 1_000, details=result)

    def close(self):
        self.server.close()


def compare_signed(server, users, seconds, rounds, say):
    """Signed ApplyConcurrent beside a hello-world of the same library, in turns: the medians, and
    the ratio's median, least and most."""
    if not HELLO.exists():
        raise Unsupported(f"there is no {HELLO.name} in Benchmarks/Sources")
    server.start(users)
    program = install.swift_product(HELLO.name, install.ROOT / "Benchmarks")
    port, log = processes.free_port(), server.context.work / "hello.log"
    with open(log, "wb") as output:
        hello = processes.start([program, port], stdout=output, stderr=output)
    try:
        processes.wait_until(lambda: answers(port), hello, "hello-server", log)
        found = []
        for connections in (64, 256):
            for number in range(rounds):
                say(f"signed calls beside hello-world, {connections} connections ({number + 1})")
                more = ["--connections", connections, "--seconds", seconds]
                signed = server.ask("signed", *more)
                plain = json.loads(processes.run(
                    [server.load, "hello", "--port", port, *more], "wire-load hello"))
                found.append((signed, plain))
    finally:
        processes.stop(hello)
    ratios = [signed["perSecond"] / plain["perSecond"] for signed, plain in found]
    return {
        "requestsPerSecond": max(signed["perSecond"] for signed, _ in found),
        "helloRequestsPerSecond": max(plain["perSecond"] for _, plain in found),
        "p99Milliseconds": statistics.median(signed["p99ms"] for signed, _ in found),
        "ratio": {
            "median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
    }
