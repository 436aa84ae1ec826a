"""Redis: the append-only file synced before every answer, a script a reconnect."""

import csv
import time

from . import install, machine, processes
from .contender import EVENTS_PER_RECONNECT, Contender, Measurement, SyncCount, distribution
from .errors import StormError

USERS_A_CALL = 50_000

CONFIGURATION = """
bind 127.0.0.1
port {port}
unixsocket {folder}/redis.sock
dir {folder}
logfile {folder}/log
daemonize no
appendonly no
appendfsync always
no-appendfsync-on-rewrite no
auto-aof-rewrite-percentage 0
save ""
maxclients 20000
"""

SCRIPTS = {"packed": "reconnect.redis.lua", "fields": "reconnect-fields.redis.lua"}


class Redis(Contender):
    name = "redis"
    title = "Redis"
    package = "redis"
    note = (
        "appendfsync always, redis-benchmark; p50 and p99 are its own, from sending a pipeline to "
        "its answers; commits are the barriers of the append-only file, counted before fdatasync; "
        "sizes of batches are the bytes that a barrier found new, rounded down to a power of two, "
        "over the mean bytes of an event")

    def __init__(self, context):
        super().__init__(context)
        self.server = None
        self.rates = {}
        self.scripts = {}

    def prepare(self, users):
        self.users = users
        self.folder = self.context.folder(self.name)
        self.socket = self.folder / "redis.sock"
        if len(str(self.socket)) > 100:
            raise StormError(f"{self.folder} is too long for a socket; use a shorter --directory")
        self.port = processes.free_port()
        file = self.folder / "redis.conf"
        file.write_text(CONFIGURATION.format(port=self.port, folder=self.folder))
        self.syncs = SyncCount(self.context, self.name)
        program = processes.on_path("redis-server")
        self.server = processes.start([program, file], env=self.syncs.environment())
        processes.wait_until(
            lambda: self.socket.exists(), self.server, "redis-server", self.folder / "log")
        self.versions["Redis"] = machine.version([program, "--version"])
        self._fill()
        for name, source in SCRIPTS.items():
            text = (install.ROOT / "Benchmarks" / "peers" / source).read_text()
            self.scripts[name] = processes.run_with_input(
                self._cli("-x", "SCRIPT", "LOAD"), text, "loading the script").strip()

    def _cli(self, *words):
        return ["redis-cli", "-s", self.socket, *words]

    def _ask(self, *words):
        return processes.run(self._cli(*words), f"redis-cli {words[0]}").strip()

    def _fill(self):
        source = (install.ROOT / "Benchmarks" / "peers" / "users.redis.lua").read_text()
        for first in range(0, self.users, USERS_A_CALL):
            last = min(first + USERS_A_CALL, self.users) - 1
            self._ask("EVAL", source, "0", str(first), str(last))
        # From here on everything goes to the append-only file, which starts with the users.
        self._ask("CONFIG", "SET", "appendonly", "yes")
        while "aof_rewrite_in_progress:1" in (state := self._ask("INFO", "persistence")) or \
                "aof_rewrite_scheduled:1" in state:
            time.sleep(0.1)
        if "aof_last_bgrewrite_status:ok" not in state or "aof_enabled:1" not in state:
            raise StormError(f"Redis could not write its file; see {self.folder}/log")

    def sweep(self):
        loads = [(50, 1), (50, 16), (100, 64)] if self.context.is_quick else [
            (1, 1), (50, 1), (200, 1), (1_000, 1), (50, 16), (200, 16), (50, 64), (200, 64),
            (20, 256), (50, 256), (20, 1_024)]
        settings = [
            {"clients": clients, "pipeline": pipeline, "script": "packed", "through": "socket"}
            for clients, pipeline in loads]
        if not self.context.is_quick:
            settings += [
                settings[6] | {"script": "fields"}, settings[6] | {"through": "tcp"}]
        return settings

    def command(self, settings):
        where = "-s SOCKET" if settings["through"] == "socket" else "-p PORT"
        return (
            f"redis-benchmark {where} -c {settings['clients']} -P {settings['pipeline']} "
            f"-r {self.users} -n N EVALSHA {SCRIPTS[settings['script']]} 1 user__rand_int__")

    def in_flight(self, settings):
        return settings["clients"] * settings["pipeline"]

    def run(self, settings, seconds):
        key = tuple(sorted(settings.items()))
        if key not in self.rates:
            # redis-benchmark takes a number of requests, not a time: find out what a second is.
            self._load(settings, max(500, self.in_flight(settings)))
            count = max(2_000, 2 * self.in_flight(settings))
            self.rates[key] = self._load(settings, count).reconnects_per_second
        count = max(self.in_flight(settings), int(self.rates[key] * seconds))
        measured = self._load(settings, count)
        self.rates[key] = measured.reconnects_per_second
        return measured

    def _load(self, settings, count):
        where = ["-s", self.socket] if settings["through"] == "socket" else ["-p", self.port]
        script = self.scripts[settings["script"]]
        entries, size = int(self._ask("XLEN", "events")), self._file_size()
        self.syncs.since()
        output = processes.run(
            ["redis-benchmark", *where, "-c", settings["clients"], "-P", settings["pipeline"],
             "-r", self.users, "-n", count, "--precision", "3", "--csv",
             "EVALSHA", script, "1", "user__rand_int__"], "redis-benchmark")
        syncs, growth = self.syncs.since()
        added = int(self._ask("XLEN", "events")) - entries
        reconnects = added // EVENTS_PER_RECONNECT
        # A pipeline is sent whole, so a few more than asked for may be on the way.
        if not count <= reconnects <= count + self.in_flight(settings):
            raise StormError(f"Redis holds {reconnects} of {count} reconnects: the script failed")
        bytes_of_event = max(1.0, (self._file_size() - size) / added)
        values = self._row(output)
        rate = float(values["rps"])
        return Measurement(
            settings=settings, seconds=count / rate, reconnects_per_second=rate,
            p50=round(float(values["p50_latency_ms"]) * 1_000, 1),
            p99=round(float(values["p99_latency_ms"]) * 1_000, 1),
            commits=syncs, syncs=syncs,
            batch_events=self._batches(added, syncs, growth, bytes_of_event),
            details={"bytesPerEvent": round(bytes_of_event, 1), "reconnects": reconnects})

    @staticmethod
    def _batches(events, syncs, growth, bytes_of_event):
        """Events a barrier; all but the mean are from bytes rounded down to a power of two."""
        found = {"mean": round(events / max(1, syncs), 1)}
        ordered = [low / bytes_of_event for low, count in growth.items() for _ in range(count)]
        found |= {key: round(value) for key, value in distribution(ordered).items()
                  if key != "mean"}
        found["histogram"] = {
            str(round(low / bytes_of_event, 1)): count for low, count in growth.items()}
        return found

    def _file_size(self):
        return sum(
            file.stat().st_size for file in (self.folder / "appendonlydir").glob("*.incr.aof"))

    @staticmethod
    def _row(output):
        """The last line of the CSV with the titles of the first."""
        rows = list(csv.reader(output.strip().splitlines()))
        for titles in rows:
            if "rps" in titles:
                return dict(zip(titles, rows[-1]))
        raise StormError("redis-benchmark did not print what it does with --csv")

    def close(self):
        if self.server:
            processes.stop(self.server)
            self.server = None
