"""PostgreSQL: a cluster of its own, a function a reconnect, pgbench."""

import os
import pathlib
import re
import shutil
import signal
import time

from . import install, machine, processes
from .contender import (
    EVENTS_PER_RECONNECT, Contender, Measurement, SyncCount, distribution, percentile)
from .errors import StormError

# Twelve digits without a leading zero: pgbench knows numbers, and a name is "user" and twelve.
FIRST_NUMBER = 100_000_000_000
# A prepared statement of pgbench takes 255 parameters.
PREPARED_MAX = 250

CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 300
shared_buffers = {buffers}MB
fsync = on
synchronous_commit = on
full_page_writes = on
wal_buffers = 64MB
max_wal_size = 32GB
min_wal_size = {wal}MB
checkpoint_timeout = 1h
bgwriter_lru_maxpages = 0
autovacuum = off
jit = off
"""


class Cluster:
    """One server for both ways of asking it."""

    def __init__(self, context):
        self.context = context
        self.server = None
        self.users = 0
        self.version = ""

    def prepare(self, users):
        if self.server:
            return
        self.users = users
        # A socket's path is short, and the user postgres has to reach it.
        self.folder = self.context.folder("postgres")
        self.user = processes.as_user("postgres")
        if self.user:
            shutil.chown(self.folder, "postgres", "postgres")
            self._check_reachable()
        self.port = processes.free_port()
        data = self.folder / "data"
        processes.run(
            self.user + [install.postgres_program("initdb"), "-D", data, "-A", "trust", "-E",
                         "UTF8", "--locale", "C", "-U", "storm"], "initdb", cwd=self.folder)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
        with open(data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(
                port=self.port, folder=self.folder, buffers=min(4_096, max(128, memory // 4)),
                wal=512 if self.context.is_quick else 4_096))
        self._start(data)
        schema = (install.ROOT / "Benchmarks" / "peers" / "reconnect.postgres.sql").read_text()
        self.ask(schema)
        self.ask(f"SELECT add_users({FIRST_NUMBER}, {users})")
        # No checkpoint after this: until one, no page goes to the log whole.
        self.ask("VACUUM ANALYZE users")

    def _check_reachable(self):
        try:
            processes.run(self.user + ["test", "-w", self.folder], "looking")
        except StormError:
            raise StormError(
                f"the user postgres cannot reach {self.folder}; name a folder that everybody can "
                "reach with --directory") from None

    def _start(self, data):
        program = install.postgres_program("postgres")
        log = self.folder / "log"
        # SIGINT is its fast shutdown; SIGTERM would wait for clients.
        with open(log, "ab") as output:
            self.server = processes.start(
                self.user + [program, "-D", data], ask=signal.SIGINT, stdout=output, stderr=output,
                cwd=self.folder)
        socket = self.folder / f".s.PGSQL.{self.port}"
        processes.wait_until(
            lambda: socket.exists() and self._is_ready(), self.server, "PostgreSQL", log)
        self.version = machine.version([program, "--version"])

    def _is_ready(self):
        try:
            return self.ask("SELECT 1") == "1"
        except StormError:
            return False

    def words(self):
        return ["-h", self.folder, "-p", self.port, "-U", "storm"]

    def ask(self, statements):
        return processes.run_with_input(
            ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *self.words(), "postgres"], statements,
            "psql").strip()

    def counts(self):
        """(rows inserted into events, syncs of the write-ahead log), once all have reported."""
        last = None
        while True:
            now = self.ask(
                "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'events';"
                "SELECT wal_sync FROM pg_stat_wal")
            if now == last:
                return tuple(int(number) for number in now.split())
            last = now
            time.sleep(0.2)

    def close(self):
        if self.server:
            processes.stop(self.server)
            self.server = None


class Postgres(Contender):
    package = "postgres"

    def __init__(self, context, cluster):
        super().__init__(context)
        self.cluster = cluster

    def prepare(self, users):
        self.cluster.prepare(users)
        self.versions["PostgreSQL"] = self.cluster.version
        self.folder = self.context.folder(self.name)

    def script(self, settings):
        """The text of pgbench's script."""
        raise NotImplementedError

    def protocol(self, settings):
        return "prepared"

    def batch(self, settings):
        return settings.get("batch", 1)

    def in_flight(self, settings):
        return settings["clients"] * self.batch(settings)

    def command(self, settings):
        return (
            f"PGOPTIONS='{self._options(settings)}' pgbench -n -M {self.protocol(settings)} "
            f"-c {settings['clients']} -j 2 -T S -l -f SCRIPT")

    @staticmethod
    def _options(settings):
        return f"-c commit_delay={settings.get('commitDelay', 0)}"

    def run(self, settings, seconds):
        script = self.folder / "script.sql"
        script.write_text(self.script(settings))
        for old in self.folder.glob("log.*"):
            old.unlink()
        # Known from the start, so that pgbench does not sort them anew whenever one is added.
        names = [
            word for number in range(settings.get("batch", 0)) for word in ("-D", f"n{number}=0")]
        rows, syncs = self.cluster.counts()
        clients = settings["clients"]
        output = processes.run(
            ["pgbench", "-n", *self.cluster.words(), "-M", self.protocol(settings), "-c", clients,
             "-j", min(2, clients), "-T", max(1, round(seconds)), "-D",
             f"share={self.cluster.users // clients}", *names, "-l",
             "--log-prefix", self.folder / "log", "-f", script, "postgres"],
            "pgbench", cwd=self.folder, env=os.environ | {"PGOPTIONS": self._options(settings)})
        rows_now, syncs_now = self.cluster.counts()
        latencies = sorted(
            int(line.split()[2]) for log in self.folder.glob("log.*")
            for line in log.read_text().splitlines())
        count = _figure(output, r"number of transactions actually processed: (\d+)")
        rate = _figure(output, r"tps = ([0-9.]+)")
        if _figure(output, r"number of failed transactions: (\d+)") or not count:
            raise StormError(f"transactions of PostgreSQL failed; see {self.cluster.folder}/log")
        added = rows_now - rows
        # Names drawn twice in a batch are updated once; what was inserted is what counts.
        per_transaction = added / EVENTS_PER_RECONNECT / count
        if not 0.9 * self.batch(settings) <= per_transaction <= self.batch(settings) + 0.01:
            raise StormError(f"PostgreSQL holds {added} events of {count} transactions")
        return Measurement(
            settings=settings, seconds=count / rate,
            reconnects_per_second=rate * per_transaction,
            p50=percentile(latencies, 0.5), p99=percentile(latencies, 0.99), commits=int(count),
            syncs=syncs_now - syncs,
            batch_events={
                "mean": round(added / count, 1),
                "eventsPerSync": round(added / max(1, syncs_now - syncs), 1)})

    def close(self):
        self.cluster.close()


class PostgresSingle(Postgres):
    name = "postgres"
    title = "PostgreSQL, one call a transaction"
    note = (
        "a plpgsql function call is a transaction; pgbench -M prepared; p50 and p99 from its log; "
        "syncs are pg_stat_wal.wal_sync")

    def sweep(self):
        if self.context.is_quick:
            return [{"clients": clients, "commitDelay": 0} for clients in (16, 64)]
        return [
            {"clients": clients, "commitDelay": delay}
            for clients in (1, 32, 96, 250)
            for delay in ((0,) if clients == 1 else (0, 200, 1_000))]

    def script(self, settings):
        return (
            f"\\set number {FIRST_NUMBER} + random(0, {self.cluster.users - 1})\n"
            "SELECT reconnect('user' || :number);\n")


class PostgresBatched(Postgres):
    name = "postgres-batched"
    title = "PostgreSQL, best batching"
    note = (
        "many reconnects a transaction: one statement over an array of names, or calls in a "
        "pipeline; every client has users of its own, so that none waits for another's locks; "
        "latency is that of a transaction")

    def sweep(self):
        if self.context.is_quick:
            ways = [("array", 100, 4), ("array", 1_000, 2), ("pipeline", 100, 4)]
        else:
            ways = [
                ("array", 10, 32), ("array", 100, 4), ("array", 100, 16), ("array", 250, 8),
                ("array", 1_000, 2), ("array", 1_000, 4), ("array", 1_000, 8), ("array", 5_000, 2),
                ("array", 5_000, 4),
                ("pipeline", 10, 32), ("pipeline", 100, 4), ("pipeline", 100, 16),
                ("pipeline", 250, 8)]
        return [{"way": way, "batch": batch, "clients": clients} for way, batch, clients in ways]

    def protocol(self, settings):
        return "prepared" if settings["batch"] <= PREPARED_MAX else "simple"

    def script(self, settings):
        numbers = range(settings["batch"])
        lines = [
            f"\\set low {FIRST_NUMBER} + :client_id * :share", "\\set high :low + :share - 1"]
        lines += [f"\\set n{number} random(:low, :high)" for number in numbers]
        if settings["way"] == "pipeline":
            lines += ["\\startpipeline"]
            lines += [f"SELECT reconnect('user' || :n{number});" for number in numbers]
            lines += ["\\endpipeline"]
        elif self.protocol(settings) == "simple":
            names = ",".join(f"user:n{number}" for number in numbers)
            lines += [f"SELECT reconnect_many('{{{names}}}');"]
        else:
            names = ", ".join(f"'user' || :n{number}" for number in numbers)
            lines += [f"SELECT reconnect_many(ARRAY[{names}]);"]
        return "\n".join(lines) + "\n"


def _figure(output, pattern):
    found = re.search(pattern, output)
    if not found:
        raise StormError(f"pgbench did not print {pattern.split(':')[0].split(' =')[0]}")
    return float(found.group(1))
