"""The server that is measured, and the programs beside it; none outlives the report."""

import json
import pathlib
import re
import subprocess
import sys

READY = re.compile(r"https?://127\.0\.0\.1:(\d+)")


class Failed(Exception):
    """What keeps the report from being made, in one line."""


class Server:
    def __init__(self, options, folder):
        self.program = str(options.holdfast)
        self.data = str(folder / "ledger")
        self.certificate = None
        self._ask("project", "set", "cap-slow", "--concurrencies", "100000")
        keys = json.loads(self._ask("credential", "create", "--json"))
        self.secret_id, self.secret_key = keys["secretId"], keys["secretKey"]
        words = [self.program, "serve", "--data", self.data, "--listen", "127.0.0.1:0"]
        if options.tls:
            self.certificate = str(folder / "server.pem")
            key = str(folder / "server.key")
            made = subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=slow-clients", "-addext",
                 "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", key, "-out",
                 self.certificate], capture_output=True)
            if made.returncode != 0:
                raise Failed("openssl could not make a certificate")
            words += ["--tls-certificate", self.certificate, "--tls-key", key]
        self.log = folder / "serve.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=log, text=True)
        greeting = self.process.stdout.readline()
        found = READY.search(greeting)
        if not found:
            raise Failed(f"holdfast serve does not start: {self.log.read_text().strip()[-300:]}")
        self.port = int(found.group(1))

    def _ask(self, *words):
        done = subprocess.run(
            [self.program, *words, "--data", self.data], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"holdfast {words[0]} failed: {done.stderr.strip()}")
        return done.stdout

    def megabytes(self):
        """Resident memory; 0 where the system does not say."""
        try:
            text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0
        found = re.search(r"VmRSS:\s+(\d+) kB", text)
        return int(found.group(1)) / 1024 if found else 0

    def connections(self):
        """Sockets the server has open; 0 where the system does not say."""
        try:
            return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))
        except OSError:
            return 0

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Helper:
    """One of the programs of this folder in a process of its own, spoken to in lines of JSON."""

    def __init__(self, name, settings):
        path = pathlib.Path(__file__).with_name(name)
        self.process = subprocess.Popen(
            [sys.executable, "-B", str(path), json.dumps(settings)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)

    def ask(self, word):
        try:
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            raise Failed("a client program ended by itself; see what it printed above")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
