"""Holdfast as a script uses it: commands that end, and commands that are killed."""

import json
import os
import signal
import subprocess


class Wrong(Exception):
    """What a kill left breaks a promise."""


class Programs:
    """The programs under test, and the files their output goes to."""

    def __init__(self, holdfast, player, folder):
        self.holdfast, self.player, self.folder = holdfast, player, folder

    def run(self, *words, fails=False):
        """Runs a command of holdfast to its end. Returns its output, or with `fails` its status and
        what it said. A signal is never fine."""
        done = subprocess.run(
            [self.holdfast, *map(str, words)], capture_output=True, text=True, timeout=120)
        said = done.stderr.strip()
        if done.returncode < 0:
            raise Wrong(f"holdfast {words[0]} died of signal {-done.returncode}: {said}")
        if fails:
            return done.returncode, said
        if done.returncode != 0:
            asked = " ".join(map(str, words))
            raise Wrong(f"holdfast {asked} ended with {done.returncode}: {said}")
        return done.stdout

    def json(self, *words):
        return json.loads(self.run(*words, "--json").splitlines()[-1])

    def start(self, *words, program=None, output=subprocess.DEVNULL):
        """Starts a command that is to be killed."""
        errors = open(self.folder / "errors.txt", "wb")
        with errors:
            return subprocess.Popen(
                [program or self.holdfast, *map(str, words)], stdout=output, stderr=errors)

    def errors(self):
        return (self.folder / "errors.txt").read_text(errors="replace").strip()


def kill(process):
    """SIGKILL, and the end of it. True if it came before the process ended by itself."""
    process.poll()
    if process.returncode is None:
        os.kill(process.pid, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL
