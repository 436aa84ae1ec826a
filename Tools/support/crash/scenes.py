"""What is killed: servers, an embedded ledger, and commands that take a while."""

import json
import shutil
import subprocess
import threading
import time

from . import audit
from .clients import Clients
from .programs import Wrong, kill

# How often each is drawn, of a hundred.
WEIGHTS = {"serve": 48, "embedded": 24, "import": 7, "importEvents": 4, "backup": 5, "restore": 4,
           "forget": 4, "rebuild": 4}
LIFE_KILLS = 12  # a ledger is killed that often, then a new one begins


class Scenes:
    """One ledger after the other, each killed many times."""

    def __init__(self, programs, folder, dice, counts):
        self.programs, self.folder, self.dice, self.counts = programs, folder, dice, counts
        self.kills = 0
        self._begin()

    def _begin(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.data, self.heads = self.folder / "data", self.folder / "heads"
        self.answers = []

    def play(self):
        """One kill, and the audit after it. Returns what was killed."""
        if self.kills % LIFE_KILLS == 0:
            self._begin()
        self.kills += 1
        name = self.dice.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))[0]
        if not self.data.exists() and name not in ("embedded", "import"):
            name = "serve"
        was_killed = getattr(self, "_" + name)()
        self.counts[name] = self.counts.get(name, 0) + 1
        if not was_killed:
            self.counts["endedBefore"] = self.counts.get("endedBefore", 0) + 1
        self._audit()
        return name

    def _audit(self):
        """The ledger itself, whatever was killed."""
        if not (self.data / "log" / "data.mdb").exists():
            if self.answers:
                raise Wrong("the log is gone")
            return
        status, said = self.programs.run("stats", "--data", self.data, fails=True)
        if status != 0:
            # Killed while it was created: nothing was answered, and the next opening completes it.
            if self.answers or "creation was cut short" not in said and "no log" not in said \
                    and "no bytes" not in said and "personal.keys is missing" not in said:
                raise Wrong(f"stats: {said}")
            self.counts["blank"] = self.counts.get("blank", 0) + 1
            return
        found = audit.events(self.programs, self.data)
        audit.compare(self.answers, found)
        self.counts["compared"] = self.counts.get("compared", 0) + len(self.answers)
        report = audit.sound(self.programs, self.data, self.heads)
        if self.dice.random() < 0.3:
            audit.same_view(self.programs, self.data, report["stateDigest"])

    def _keep(self, answers):
        self.counts["answers"] = self.counts.get("answers", 0) + len(answers)
        self.answers += answers

    def _pause(self, seconds):
        """Mostly amid the load, now and then at its beginning."""
        if self.dice.random() < 0.15:
            seconds *= 0.1
        time.sleep(self.dice.uniform(0, seconds))

    # Ledgers under load.

    def _serve(self):
        process = self.programs.start(
            "serve", "--data", self.data, "--listen", "127.0.0.1:0", "--anonymous",
            "--checkpoint-spacing", 25, "--view-checkpoint-events", self.dice.choice((20, 200)),
            "--publish-heads", self.heads, "--publish-interval", "1s",
            "--client-addresses", self.dice.choice(("none", "full")), output=subprocess.PIPE)
        if self.dice.random() < 0.12:
            time.sleep(self.dice.uniform(0, 0.06))
            return kill(process)
        greeting = process.stdout.readline().decode()
        if not greeting:
            process.wait()
            raise Wrong(f"serve did not start: {self.programs.errors()}")
        clients = Clients(
            int(greeting.rsplit(":", 1)[1]), self.dice.randrange(1 << 30),
            {"bulk": self.dice.choice((1, 3)), "calls": self.dice.choice((1, 4)),
             "forgets": self.dice.random() < 0.6})
        clients.start()
        self._pause(1.6 if self.dice.random() < 0.1 else 0.3)
        was_killed = kill(process)
        process.stdout.close()
        self._keep(clients.end())
        return was_killed

    def _embedded(self):
        process = self.programs.start(
            "play", self.data, self.dice.randrange(1 << 30), program=self.programs.player,
            output=subprocess.PIPE)
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(process.stdout.readlines()))
        reader.start()
        self._pause(0.4)
        was_killed = kill(process)
        reader.join()
        process.stdout.close()
        if not was_killed:
            raise Wrong(f"the embedded ledger ended by itself: {self.programs.errors()}")
        answers = [json.loads(line) for line in lines if line.endswith(b"\n")]
        for answer in answers:
            # A number here, PROJECT/NUMBER on the wire.
            answer.pop("concurrency")
        self._keep(answers)
        return was_killed

    # Commands that take a while.

    def _command(self, seconds, *words):
        process = self.programs.start(*words)
        self._pause(seconds)
        return kill(process)

    def _import(self):
        """Goes on where its last batch stood, and ends in the same events and state."""
        trace = self.folder.parent / "trace.csv"
        target = self.folder / "traced"
        shutil.rmtree(target, ignore_errors=True)
        words = ("import", trace, "--data", target, "--project", "t", "--concurrencies", 20,
                 "--reconnect-window", "90s")
        was_killed = False
        for _ in range(self.dice.choice((1, 2, 3))):
            was_killed = self._command(0.5, *words) or was_killed
        self.programs.run(*words)
        if not hasattr(self, "traced"):
            whole = self.folder.parent / "traced-whole"
            shutil.rmtree(whole, ignore_errors=True)
            self.programs.run(*(whole if word == target else word for word in words))
            self.traced = audit.sound(self.programs, whole)["stateDigest"]
        if audit.sound(self.programs, target)["stateDigest"] != self.traced:
            raise Wrong("an import that was killed and typed again came to another state")
        return was_killed

    def _whole(self, target, digest, position=None):
        """A copy is whole, or nothing takes it for a ledger."""
        status, said = self.programs.run("verify", "--data", target, "--json", fails=True)
        if status == 0:
            report = audit.sound(self.programs, target)
            if digest is not None and report["stateDigest"] != digest:
                raise Wrong(f"{target} is another ledger: {report}")
            return True
        if not any(part in said for part in ("unfinished", "no ledger at")):
            raise Wrong(f"{target} is neither whole nor unfinished: {said}")
        return False

    def _digest(self):
        return audit.sound(self.programs, self.data)["stateDigest"]

    def _importEvents(self):
        if not self._is_there():
            return self._serve()
        file, target = self.folder / "events.jsonl", self.folder / "imported"
        shutil.rmtree(target, ignore_errors=True)
        file.write_text(self.programs.run("export", "--data", self.data))
        if not file.stat().st_size:
            # Killed before its first event: there is nothing to bring in.
            return self._serve()
        was_killed = self._command(0.25, "import", file, "--data", target)
        digest = self._digest()
        if not self._whole(target, digest):
            # As the message says: remove what is unfinished, and type it again.
            shutil.rmtree(target, ignore_errors=True)
            self.programs.run("import", file, "--data", target)
            if not self._whole(target, digest):
                raise Wrong("an import typed again is not whole")
        return was_killed

    def _backup(self):
        if not self._is_there():
            return self._serve()
        target = self.folder / "backup"
        shutil.rmtree(target, ignore_errors=True)
        was_killed = self._command(0.25, "backup", target, "--data", self.data)
        if not self._whole(target, self._digest()):
            status, said = self.programs.run(
                "restore", target, "--data", self.folder / "restored", fails=True)
            if status == 0:
                raise Wrong("an unfinished backup was restored")
        return was_killed

    def _restore(self):
        if not self._is_there():
            return self._serve()
        backup, target = self.folder / "whole-backup", self.folder / "restored"
        for path in (backup, target):
            shutil.rmtree(path, ignore_errors=True)
        self.programs.run("backup", backup, "--data", self.data)
        was_killed = self._command(0.25, "restore", backup, "--data", target)
        if not self._whole(target, None):
            shutil.rmtree(target, ignore_errors=True)
            self.programs.run("restore", backup, "--data", target)
            if not self._whole(target, None):
                raise Wrong("a restore typed again is not whole")
        self._whole(backup, self._digest())
        return was_killed

    def _is_there(self):
        return self.programs.run("stats", "--data", self.data, fails=True)[0] == 0

    def _forget(self):
        """Whoever was said to be forgotten is, and a kill in between is made good."""
        if not self._is_there():
            return self._serve()
        names = sorted({event["user"] for event in audit.events(self.programs, self.data).values()
                        if event["user"]})
        if not names:
            return self._serve()
        name = self.dice.choice(names)
        was_killed = self._command(0.15, "forget", name, "--data", self.data)
        # The next opening for writing finishes what was begun.
        self.programs.run("project", "set", "p0", "--concurrencies", 8, "--data", self.data)
        found = audit.events(self.programs, self.data).values()
        forgotten = {event["userNumber"] for event in found if event["kind"] == "userForgotten"}
        for event in found:
            if event["userNumber"] in forgotten and event["user"]:
                raise Wrong(f"forgotten, and named: {event}")
        report = audit.sound(self.programs, self.data)
        if report["forgotten"] != len(forgotten) or report["unopenedNames"] != len(forgotten):
            raise Wrong(f"{len(forgotten)} were forgotten, verify says {report}")
        return was_killed

    def _rebuild(self):
        if not self._is_there():
            return self._serve()
        digest = self._digest()
        was_killed = self._command(
            0.15, "rebuild", "--data", self.data, "--checkpoint-spacing", 25)
        audit.same_view(self.programs, self.data, digest)
        return was_killed
