"""SQLite through GRDB: the program sqlite-peer of the package in Benchmarks."""

import json

from . import install, processes
from .contender import EVENTS_PER_RECONNECT, Contender, Measurement, SyncCount


class SQLite(Contender):
    name = "sqlite"
    title = "SQLite (GRDB)"
    package = "sqlite"
    note = (
        "WAL, synchronous FULL, one connection with prepared statements; a batch is a transaction, "
        "its latency that of each reconnect in it; barriers are counted, checkpoints' included")

    def __init__(self, context, program=None):
        super().__init__(context)
        self.program = program

    def prepare(self, users):
        self.users = users
        self.program = self.program or install.swift_product(
            "sqlite-peer", install.ROOT / "Benchmarks")
        self.syncs = SyncCount(self.context, self.name)
        for page_size in sorted({settings["pageSize"] for settings in self.sweep()}):
            processes.run(self._words({"pageSize": page_size}) + ["--prepare"], "filling SQLite")

    def sweep(self):
        if self.context.is_quick:
            loads = [(1, 4096, False), (1_000, 4096, False)]
        else:
            loads = [
                (1, 4096, False), (10, 4096, False), (100, 4096, False), (1_000, 1024, False),
                (1_000, 4096, False), (10_000, 1024, True), (10_000, 4096, False),
                (10_000, 4096, True), (50_000, 1024, True), (50_000, 4096, True)]
        return [
            {"batch": batch, "pageSize": page_size, "sorted": is_sorted}
            for batch, page_size, is_sorted in loads]

    def command(self, settings):
        return (
            f"sqlite-peer --directory DIR --users {self.users} --seconds S --batch "
            f"{settings['batch']} --page-size {settings['pageSize']}"
            + (" --sort" if settings["sorted"] else ""))

    def in_flight(self, settings):
        return settings["batch"]

    def _words(self, settings):
        directory = self.context.folder(f"{self.name}-{settings['pageSize']}")
        return [
            self.program, "--directory", directory, "--users", self.users, "--page-size",
            settings["pageSize"], "--checkpoint-pages", 204_800_000 // settings["pageSize"]]

    def run(self, settings, seconds):
        self.syncs.since()
        output = processes.run(
            self._words(settings) + ["--seconds", seconds, "--batch", settings["batch"]]
            + (["--sort"] if settings["sorted"] else []),
            self.name, env=self.syncs.environment())
        result = json.loads(output)
        self.versions["SQLite"] = result["sqlite"]
        events = settings["batch"] * EVENTS_PER_RECONNECT
        latency = result["latencyMicroseconds"]
        return Measurement(
            settings=settings, seconds=result["seconds"],
            reconnects_per_second=result["reconnectsPerSecond"], p50=latency["p50"],
            p99=latency["p99"], commits=result["commits"], syncs=self.syncs.since()[0],
            batch_events={"mean": events, "p50": events, "p99": events, "max": events})
