"""Runs one program to its end and says what it took."""

import os
import subprocess
import threading
import time
from dataclasses import dataclass


class Failed(Exception):
    """A measured program did not do what it was asked."""


@dataclass
class Measured:
    """What a run took and left."""

    seconds: float
    # Memory the program asked for: the log's pages, which the kernel lends and takes back, apart.
    anonymous_bytes: int
    output_bytes: int
    # The first bytes of standard output, for looking at.
    output: bytes
    errors: str


def anonymous_bytes(pid):
    """Anonymous resident memory of a process now, 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def run(arguments, output_path=None, kept_bytes=1 << 16, statuses=(0,), timeout_seconds=1_800):
    """Runs a program, its output to a file or counted and dropped. Raises Failed if its status is
    not among those expected."""
    start = time.monotonic()
    with open(output_path or os.devnull, "wb") as sink:
        process = subprocess.Popen(
            [str(argument) for argument in arguments], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        errors = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
        reader.start()
        peak = [0]
        sampler = threading.Thread(target=_sample, args=(process, peak, start + timeout_seconds))
        sampler.start()
        count, kept = 0, b""
        while chunk := process.stdout.read(1 << 20):
            count += len(chunk)
            if len(kept) < kept_bytes:
                kept += chunk[:kept_bytes - len(kept)]
            sink.write(chunk)
        status = process.wait()
        seconds = time.monotonic() - start
        sampler.join()
        reader.join()
    text = b"".join(errors).decode("utf-8", "replace").strip()
    if status not in statuses:
        last = text.splitlines()[-1] if text else "nothing on standard error"
        raise Failed(f"{' '.join(map(str, arguments))}: status {status}: {last}")
    return Measured(seconds, peak[0], count, kept, text)


def _sample(process, peak, deadline):
    while process.poll() is None:
        peak[0] = max(peak[0], anonymous_bytes(process.pid))
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.01)
