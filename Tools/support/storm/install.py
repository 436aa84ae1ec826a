"""Installs what is missing on Debian and builds what is measured."""

import os
import pathlib
import subprocess
import sys

from . import processes
from .errors import StormError

ROOT = pathlib.Path(__file__).resolve().parents[3]
POLICY = pathlib.Path("/usr/sbin/policy-rc.d")


def say(text):
    print(f"storm-report: {text}", file=sys.stderr, flush=True)


def _header(name):
    return any((pathlib.Path(folder) / name).exists() for folder in (
        "/usr/include", "/usr/local/include", "/opt/homebrew/include"))


def missing(contenders):
    """The packages that are missing for these contenders."""
    wanted = []
    if processes.on_path("cc") is None:
        wanted += ["gcc", "libc6-dev"]
    if "lmdb" in contenders and not _header("lmdb.h"):
        wanted.append("liblmdb-dev")
    if "redis" in contenders and None in map(
            processes.on_path, ("redis-server", "redis-benchmark", "redis-cli")):
        wanted += ["redis-server", "redis-tools"]
    if "postgres" in contenders and postgres_program("initdb") is None:
        wanted += ["postgresql"]
    if "sqlite" in contenders and not _header("sqlite3.h"):
        wanted.append("libsqlite3-dev")
    return wanted


def postgres_program(name):
    """Where a program of PostgreSQL is; Debian keeps the server's off PATH."""
    folders = [
        str(path)
        for path in sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    for folder in folders:
        if os.access(f"{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    return processes.on_path(name)


def install(contenders):
    """Installs what is missing. Services that a package would start stay off."""
    packages = missing(contenders)
    if not packages:
        return
    names = " ".join(packages)
    if processes.on_path("apt-get") is None:
        raise StormError(f"please install {names} (no apt-get here)")
    as_root = []
    if os.geteuid() != 0:
        if processes.on_path("sudo") is None:
            raise StormError(f"please install as root: apt-get install {names}")
        as_root = ["sudo"]
    say(f"installing {names}")
    # Debian starts what it installs unless this program says no.
    is_ours = not POLICY.exists()
    if is_ours:
        processes.run(
            as_root + [
                "sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' >{POLICY} && chmod 755 {POLICY}"],
            "keeping new services from starting")
    try:
        processes.run(as_root + ["apt-get", "update", "-qq"], "apt-get update")
        processes.run(
            as_root + ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq",
                       "--no-install-recommends"] + packages, f"apt-get install {names}")
    finally:
        if is_ours:
            processes.run(as_root + ["rm", "-f", str(POLICY)], "removing the policy again")
    still = missing(contenders)
    if still:
        raise StormError(f"still missing after the installation: {' '.join(still)}")


def compiled(source, output, *flags):
    """Compiles one C file of Benchmarks/peers."""
    processes.run(
        ["cc", "-O2", "-o", output, ROOT / "Benchmarks" / "peers" / source, *flags],
        f"compiling {source}")
    return output


def swift_product(name, package=ROOT):
    """Builds a release binary and returns its path."""
    if processes.on_path("swift") is None:
        raise StormError("no Swift toolchain on PATH; see https://www.swift.org/install/linux/")
    say(f"building {name} (release)")
    build = ["swift", "build", "-c", "release", "--package-path", package]
    process = processes.start(
        build + ["--product", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output, _ = process.communicate()
    processes.stop(process)
    if process.returncode != 0:
        errors = [line for line in output.splitlines() if "error:" in line]
        raise StormError(f"{name} does not build: {(errors or output.splitlines() or ['?'])[0]}")
    path = processes.run(build + ["--show-bin-path"], "swift build --show-bin-path").strip()
    return f"{path}/{name}"
