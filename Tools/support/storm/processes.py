"""Starts other programs and makes sure that none of them outlives the report."""

import contextlib
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import time

from .errors import StormError

_running = []


def on_path(name, *more):
    """The program's path, looked for on PATH and in `more` folders; None if it is nowhere."""
    for folder in os.environ.get("PATH", "").split(os.pathsep) + list(more):
        path = pathlib.Path(folder) / name
        if folder and os.access(path, os.X_OK) and path.is_file():
            return str(path)
    return None


def run(command, what, timeout=900, **options):
    """Runs a command to its end and returns what it printed; a failure is a StormError with the
    last line of what it complained of."""
    process = start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    try:
        output, complaint = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise StormError(f"{what} takes longer than {timeout} s; gave up") from None
    finally:
        stop(process)
    if process.returncode != 0:
        lines = (complaint.strip() or output.strip()).splitlines() or ["it says nothing"]
        raise StormError(f"{what} failed with status {process.returncode}: {lines[-1]}")
    return output


def run_with_input(command, text, what):
    """Like `run`, with text for its standard input."""
    process = start(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        output, complaint = process.communicate(text, timeout=600)
    except subprocess.TimeoutExpired:
        raise StormError(f"{what} takes longer than 600 s; gave up") from None
    finally:
        stop(process)
    if process.returncode != 0:
        raise StormError(f"{what} failed: {(complaint.strip() or output.strip())[-300:]}")
    return output


def start(command, ask=signal.SIGTERM, **options):
    """Starts a program in a group of its own, so that Ctrl-C reaches this one alone, and remembers
    it. `ask` is the signal that asks it to end."""
    options.setdefault("stdin", subprocess.DEVNULL)
    try:
        process = subprocess.Popen(
            [str(part) for part in command], start_new_session=True, **options)
    except OSError as error:
        raise StormError(f"cannot start {command[0]}: {error.strerror}") from error
    _running.append((process, ask))
    return process


def stop(process, patience=20):
    """Ends a program: asks it, and kills it and its children if it does not listen."""
    ask = signal.SIGTERM
    for entry in [entry for entry in _running if entry[0] is process]:
        ask = entry[1]
        _running.remove(entry)
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(ask)
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def stop_all():
    """Ends whatever is still running, the newest first."""
    while _running:
        stop(_running[-1][0], patience=5)


def wait_until(is_ready, process, what, log, patience=60):
    """Waits for a server; a StormError with the last line of its log if it ends instead."""
    deadline = time.monotonic() + patience
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            lines = pathlib.Path(log).read_text(errors="replace").strip().splitlines()
            last = lines[-1] if lines else "its log is empty"
            raise StormError(f"{what} does not start: {last}")
        time.sleep(0.05)


def free_port():
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def as_user(name):
    """The words before a command that has to run as another user; none if this is not root."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam(name)
    except KeyError:
        raise StormError(f"there is no user {name}; install the package again") from None
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups"]
