"""The built holdfast program, run as its users run it, and the vendor's clients pointed at it."""

import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

from tencentcloud.car.v20220110 import car_client, models
from tencentcloud.common import credential
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY = re.compile(r"https?://127\.0\.0\.1:(\d+)")


def binary():
    """HOLDFAST_BINARY, or whichever of the debug and release builds is newer."""
    named = os.environ.get("HOLDFAST_BINARY")
    if named:
        return named
    builds = [ROOT / ".build" / kind / "holdfast" for kind in ("debug", "release")]
    builds = [build for build in builds if build.exists()]
    if not builds:
        raise RuntimeError("no holdfast program; run swift build, or set HOLDFAST_BINARY")
    return str(max(builds, key=lambda build: build.stat().st_mtime))


def command(*arguments):
    """Runs one command to its end and returns its standard output."""
    done = subprocess.run(
        [binary(), *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


class Server:
    """One data directory and the server on it, which can be stopped and started again."""

    def __init__(self, directory, arguments=()):
        self.directory = str(directory)
        self.arguments = arguments
        # The certificate that clients trust, where the server speaks TLS.
        self.certificate = None
        self.process = None
        self.port = None
        keys = json.loads(command("credential", "create", "--data", self.directory, "--json"))
        self.secret_id, self.secret_key = keys["secretId"], keys["secretKey"]

    def make_project(self, project, concurrencies, window="2s"):
        command(
            "project", "set", project, "--concurrencies", str(concurrencies),
            "--reconnect-window", window, "--data", self.directory)

    def start(self):
        self.process = subprocess.Popen(
            [binary(), "serve", "--data", self.directory, "--listen", "127.0.0.1:0",
             *self.arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.errors = []
        threading.Thread(target=self._collect, args=(self.process.stderr,), daemon=True).start()
        # A server that fails ends, and with it its output.
        for line in self.process.stdout:
            found = READY.search(line)
            if found:
                self.port = int(found.group(1))
                threading.Thread(
                    target=self._collect, args=(self.process.stdout,), daemon=True).start()
                return self
        raise RuntimeError("the server did not start: " + "".join(self.errors))

    def _collect(self, stream):
        for line in stream:
            self.errors.append(line)

    def stop(self, how=signal.SIGTERM):
        """Ends the server; returns how many seconds that took."""
        begun = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)
        return time.monotonic() - begun

    # The vendor's clients

    def profile(self, sign_method=None, http_method="POST", unsigned=False):
        http = HttpProfile(
            protocol="https" if self.certificate else "http",
            endpoint=f"127.0.0.1:{self.port}", reqMethod=http_method, reqTimeout=20,
            keepAlive=True, certification=self.certificate)
        profile = ClientProfile(signMethod=sign_method, httpProfile=http)
        profile.unsignedPayload = unsigned
        return profile

    def credential(self, secret_id=None, secret_key=None):
        return credential.Credential(
            secret_id or self.secret_id, secret_key or self.secret_key)

    def car(self, profile=None, identity=None):
        """The client generated for this product."""
        return car_client.CarClient(
            identity or self.credential(), "", profile or self.profile())

    def common(self, profile=None, identity=None):
        """The generic client, for actions that the generated one does not have."""
        return CommonClient(
            "car", "2022-01-10", identity or self.credential(), "", profile or self.profile())


def request(kind, **fields):
    """A request of the generated client: request("CreateSession", UserId="u")."""
    made = getattr(models, kind + "Request")()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def apply(client, user, project="cap-1"):
    return client.ApplyConcurrent(
        request("ApplyConcurrent", UserId=user, UserIp="203.0.113.9", ProjectId=project))


def create_session(client, user, **fields):
    fields.setdefault("ClientSession", "e30=")
    return client.CreateSession(
        request("CreateSession", UserId=user, UserIp="203.0.113.9", **fields))
