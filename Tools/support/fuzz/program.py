"""The libFuzzer program: built apart from everything else, started for one target at a time."""

import dataclasses
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCRATCH = ROOT / ".build-fuzz"
TESTS = ROOT / "Tests" / "FuzzTests"
CORPUS = TESTS / "Corpus"
CRASHES = TESTS / "Crashes"
WORK = SCRATCH / "work"

# With it a byte read beside its buffer is found; some three to ten times slower.
ADDRESS = "fuzzer,address"
PLAIN = "fuzzer"


class FuzzError(Exception):
    """What stops the tool; its text says what to do."""


@dataclasses.dataclass
class Target:
    name: str
    byte_count_max: int
    subject: str
    promise: str


@dataclasses.dataclass
class Outcome:
    """What one start of the program came to."""
    executions: int = 0
    # Of the processor, whatever else the machine did.
    seconds: float = 0.0
    coverage: int = 0
    features: int = 0
    corpus: int = 0
    memory_mb: int = 0
    failure: str = ""
    kept: str = ""


def program(sanitizers):
    return SCRATCH / f"fuzz-{sanitizers.replace(',', '-')}"


def build(sanitizers, log=print):
    """Builds the program in its own directory: the ordinary builds keep what they have."""
    log(f"building with -sanitize={sanitizers}; the first time this takes ten minutes and more")
    command = [
        "swift", "build", "--configuration", "release", "--product", "fuzz",
        "--scratch-path", str(SCRATCH)]
    environment = {**os.environ, "HOLDFAST_FUZZ": sanitizers}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True)
    if done.returncode != 0:
        print(done.stdout[-4000:])
        raise FuzzError("the fuzz program does not build; see above")
    shutil.copy2(SCRATCH / "release" / "fuzz", program(sanitizers))


def environment(scratch):
    """Scratch files lie in memory where there is such a place; a trap prints no backtrace."""
    return {
        **os.environ, "TMPDIR": scratch, "SWIFT_BACKTRACE": "enable=no",
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1"}


def scratch_directory():
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="holdfast-fuzz-", dir=parent)


def targets(sanitizers):
    with scratch_directory() as scratch:
        listed = subprocess.run(
            [program(sanitizers), "--list"], env=environment(scratch), capture_output=True,
            text=True, check=True).stdout
    rows = [line.split("\t") for line in listed.splitlines()]
    return [Target(row[0], int(row[1]), row[2], row[3]) for row in rows]


def directories(name):
    """Where a target's growing corpus, its seeds and what is kept of it lie."""
    grown, seeds = WORK / name / "corpus", WORK / name / "seeds"
    for directory in (grown, seeds, CORPUS / name, CRASHES / name):
        directory.mkdir(parents=True, exist_ok=True)
    return grown, seeds


def run(target, sanitizers, *, runs, seconds, seed, compares=False):
    """Fuzzes one target in one process on one thread, and keeps what broke it. `compares` lets
    inputs grow by how near comparisons come to equal, too: slower."""
    grown, seeds = directories(target.name)
    with scratch_directory() as scratch:
        subprocess.run(
            [program(sanitizers), "--seeds", target.name, seeds], env=environment(scratch),
            check=True)
        words = seeds.parent / "words"
        (seeds / "words").replace(words)
        command = [
            program(sanitizers), target.name, f"-runs={runs}", f"-max_total_time={seconds}",
            f"-max_len={target.byte_count_max}", "-timeout=60",
            f"-artifact_prefix={scratch}/", "-print_final_stats=1", f"-seed={seed}",
            "-rss_limit_mb=3000", "-malloc_limit_mb=1000", "-reload=0",
            f"-use_value_profile={int(compares)}", grown, CORPUS / target.name,
            CRASHES / target.name, seeds]
        if words.stat().st_size > 0:
            command.insert(2, f"-dict={words}")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            command, env=environment(scratch), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        outcome = read(done.stderr.decode(errors="replace"))
        outcome.seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if done.returncode != 0:
            outcome.failure = reason(done, outcome)
            outcome.kept = keep(scratch, target.name)
    for directory in (CORPUS / target.name, CRASHES / target.name):
        if not any(directory.iterdir()):
            directory.rmdir()
    return outcome


def read(text):
    """What libFuzzer says of a run."""
    outcome = Outcome()
    for name, field in [
            ("number_of_executed_units", "executions"), ("peak_rss_mb", "memory_mb")]:
        if found := re.search(rf"stat::{name}:\s+(\d+)", text):
            setattr(outcome, field, int(found[1]))
    for found in re.finditer(r"^#(\d+)\s.*?cov: (\d+) ft: (\d+) corp: (\d+)", text, re.M):
        outcome.executions = max(outcome.executions, int(found[1]))
        outcome.coverage, outcome.features = int(found[2]), int(found[3])
        outcome.corpus = int(found[4])
    return outcome


def reason(done, outcome):
    text = done.stderr.decode(errors="replace")
    for pattern in [
            r"promise broken: (.*)", r"Fatal error: (.*)", r"ERROR: (AddressSanitizer: .*)",
            r"ERROR: (libFuzzer: .*)"]:
        if found := re.search(pattern, text):
            return found[1][:300]
    if done.returncode < 0:
        return f"ended by {signal.Signals(-done.returncode).name}"
    return f"ended with {done.returncode} after {outcome.executions} executions"


def keep(scratch, name):
    """The input that broke a target becomes a file that every test run tries."""
    for path in sorted(pathlib.Path(scratch).iterdir()):
        if re.match(r"(crash|timeout|oom|leak|slow-unit)-", path.name) and path.is_file():
            if path.name.startswith("slow-unit"):
                continue
            place = CRASHES / name / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            return str(place.relative_to(ROOT))
    return ""


def minimise(target, sanitizers, count_max=32):
    """Keeps, of all inputs so far, few small ones that reach what all of them reach."""
    grown, seeds = directories(target.name)
    with scratch_directory() as scratch:
        merged = pathlib.Path(scratch) / "merged"
        merged.mkdir()
        command = [
            program(sanitizers), target.name, "-set_cover_merge=1",
            f"-max_len={target.byte_count_max}", merged, CORPUS / target.name, grown]
        subprocess.run(
            command, env=environment(scratch), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=True)
        kept = sorted(merged.iterdir(), key=lambda path: (path.stat().st_size, path.name))
        shutil.rmtree(CORPUS / target.name)
        (CORPUS / target.name).mkdir()
        if len(kept) > count_max:
            # Small ones and large ones: the small are those that are refused early.
            step = (len(kept) - 1) / (count_max - 1)
            kept = [kept[round(index * step)] for index in range(count_max)]
        for path in kept:
            shutil.copyfile(path, CORPUS / target.name / path.name[:16])
    return len(kept)
