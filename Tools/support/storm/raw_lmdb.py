"""Raw LMDB: the same bytes in the same batches as Holdfast, and nothing but that."""

import json
import shutil

from . import install, processes
from .contender import (
    EVENT_BYTES, EVENTS_PER_RECONNECT, Contender, Measurement, distribution, events_of)

# What a batch that Holdfast did not tell of is taken to be.
RECONNECTS_ASSUMED = 1_000


class RawLMDB(Contender):
    package = "lmdb"

    def __init__(self, context, name, title, flag, preparations):
        super().__init__(context)
        self.name, self.title, self.flag = name, title, flag
        self.preparations = preparations
        self.program = context.tools / "raw-lmdb"
        self.note = (
            "appends values of the sizes of Holdfast's last batches, "
            + ("two barriers a commit" if flag == "--default" else
               "one barrier a commit, which is answered once the next one is through"))

    def prepare(self, users):
        if not self.program.exists():
            install.compiled("raw-lmdb.c", self.program, "-llmdb")

    def sweep(self):
        return [{"prepare": how} for how in self.preparations]

    def command(self, settings):
        return (
            f"raw-lmdb --directory DIR --sizes FILE {self.flag} --prepare "
            f"{settings.get('prepare', 'none')}")

    def in_flight(self, settings):
        events = self._events()
        return max(1, sum(events) // len(events) // EVENTS_PER_RECONNECT)

    def _sizes(self):
        return self.context.batch_bytes or [
            RECONNECTS_ASSUMED * EVENTS_PER_RECONNECT * EVENT_BYTES]

    def _events(self):
        return events_of(self._sizes(), self.context.batch_overhead)

    def run(self, settings, seconds):
        directory = self.context.folder(self.name)
        shutil.rmtree(directory)
        directory.mkdir()
        file = self.context.work / f"{self.name}.sizes"
        file.write_text("".join(f"{size}\n" for size in self._sizes()))
        output = processes.run(
            [self.program, "--directory", directory, "--sizes", file, "--seconds", seconds,
             "--event-bytes", EVENT_BYTES, "--overhead", self.context.batch_overhead, self.flag,
             "--prepare", settings["prepare"]], self.name)
        shutil.rmtree(directory)
        result = json.loads(output)
        self.versions["LMDB"] = result["lmdb"]
        return Measurement(
            settings=settings, seconds=result["seconds"],
            reconnects_per_second=result["eventsPerSecond"] / EVENTS_PER_RECONNECT,
            p50=result["p50"], p99=result["p99"], commits=result["commits"],
            syncs=result["syncs"],
            batch_events=distribution(self._events()),
            details={
                "eventsPerSecond": result["eventsPerSecond"],
                "repeatsHoldfastsBatches": bool(self.context.batch_bytes)})


def no_meta_sync(context):
    """As Holdfast does it: one barrier a commit, space taken ahead by fallocate."""
    return RawLMDB(
        context, "lmdb", "raw LMDB, one barrier", "--no-meta-sync", ["fallocate"])


def default_mode(context):
    return RawLMDB(
        context, "lmdb-default", "raw LMDB, default mode", "--default", ["none", "fallocate"])
