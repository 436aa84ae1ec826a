"""What the figures were measured on."""

import datetime
import os
import pathlib
import platform
import shutil

from . import processes
from .errors import StormError


def _first(path, key):
    try:
        for line in pathlib.Path(path).read_text().splitlines():
            if line.startswith(key):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def _mount(path):
    """(device, kind of file system, options) of the mount that holds the path."""
    best = ("", "unknown", "")
    longest = -1
    target = str(path.resolve())
    try:
        mounts = pathlib.Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return best
    for line in mounts:
        device, point, kind, options = line.split()[:4]
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= longest:
            best, longest = (device, kind, options), len(point)
    return best


def _disk(device):
    name = os.path.basename(os.path.realpath(device)) if device.startswith("/dev/") else ""
    block = pathlib.Path("/sys/class/block") / name
    if not name or not block.exists():
        return "unknown"
    if not (block / "queue").exists():
        block = block.resolve().parent
    parts = [name]
    for label, file in (("model", "device/model"), ("cache", "queue/write_cache")):
        try:
            parts.append(f"{label} {(block / file).read_text().strip()}")
        except OSError:
            pass
    try:
        is_rotating = (block / "queue/rotational").read_text().strip() == "1"
        parts.append("says it rotates" if is_rotating else "does not rotate")
    except OSError:
        pass
    return ", ".join(parts)


def describe(directory):
    """The machine as the report prints it."""
    device, kind, options = _mount(directory)
    memory = _first("/proc/meminfo", "MemTotal").split()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memoryGiB": round(int(memory[0]) / 2**20, 1) if memory else None,
        "kernel": platform.release(),
        "system": _first_of_release() or platform.platform(),
        "fileSystem": f"{kind} ({options})",
        "disk": _disk(device),
        "freeGiB": round(shutil.disk_usage(directory).free / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
        "isBusy": os.getloadavg()[0] > (os.cpu_count() or 1) / 2,
    }


def _first_of_release():
    try:
        for line in pathlib.Path("/etc/os-release").read_text().splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip('"')
    except OSError:
        pass
    return ""


def version(command):
    """The first line a program says about its version; empty if it says none."""
    try:
        lines = processes.run(command, " ".join(map(str, command))).strip().splitlines()
    except StormError:
        return ""
    return lines[0] if lines else ""
