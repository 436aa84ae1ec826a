"""What is run, in order, and what each command has to say."""

import json
import os
import pathlib
import platform
import shutil

from audit import measure

MB = 1 << 20
# What a command may ask for: the program itself, and a state of the ledger or two.
STREAMING_BYTES = 64 * MB
# A state of 100,000 users with their names takes some 20 MB; a rebuild holds two.
STATES_BYTES = 256 * MB
# As many states as there are combinations under way, and what each counts of every user.
WHATIF_BYTES = 512 * MB


class Scene:
    def __init__(self, options, folder, say):
        self.options, self.folder, self.say = options, folder, say
        self.ledger = folder / "ledger"
        # Concurrencies of the project: one for six users, so that some are refused.
        self.running = 0
        self.rows, self.faults, self.comparisons = [], [], []

    def run(self, name, arguments, bound=STREAMING_BYTES, data=True, **settings):
        """Runs one command, keeps its figures, and holds its memory to the bound."""
        arguments = [self.options.holdfast, *arguments]
        if data:
            arguments += ["--data", self.ledger]
        measured = measure.run(arguments, **settings)
        self.rows.append({
            "name": name, "seconds": measured.seconds, "memoryBytes": measured.anonymous_bytes,
            "memoryBoundBytes": bound, "outputBytes": measured.output_bytes})
        self.say(
            f"{name}: {measured.seconds:.2f} s, {measured.anonymous_bytes / 1e6:.0f} MB, "
            f"{measured.output_bytes:,} bytes of output")
        if measured.anonymous_bytes > bound:
            self.faults.append(
                f"{name} took {measured.anonymous_bytes / 1e6:.0f} MB of memory, more than "
                f"{bound / 1e6:.0f}")
        return measured

    def json(self, name, arguments, **settings):
        settings.setdefault("kept_bytes", 64 * MB)
        return json.loads(self.run(name, [*arguments, "--json"], **settings).output)

    def compare(self, what, left, right):
        if left == right:
            self.comparisons.append(f"{what}: {left}")
        else:
            self.faults.append(f"{what}: {left} against {right}")


def lines(path):
    with open(path, "rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def play(options, folder, say):
    scene = Scene(options, folder, say)
    statistics = _make(scene)
    heavy = _history(scene, statistics)
    _time(scene, statistics, heavy)
    _whatif(scene, statistics)
    _proof(scene, statistics)
    _copies(scene, statistics)
    _forget(scene, heavy)
    return {
        "eventCount": statistics["events"], "userCount": statistics["users"],
        "logBytes": statistics["logBytes"], "seed": options.seed, "machine": machine(),
        "command": "Tools/audit-report"
        + (" --quick" if options.quick else f" --events {options.events} --seed {options.seed}"),
        "rows": scene.rows, "comparisons": scene.comparisons, "faults": scene.faults}


def machine():
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} cores, {model}, Linux {platform.release()}"


def _make(scene):
    options, trace = scene.options, scene.folder / "trace.csv"
    # Of apply, session, the loss and the end of its window, a start leaves two to three when many
    # are refused. A person starts about once a day, so this is a month of them.
    starts = options.events * 2 // 5
    users = max(100, starts // 25)
    scene.running = users // 6
    scene.run(
        "generate", ["generate", "--users", str(users), "--starts", str(starts), "--seed",
                     str(options.seed), "--days", "3650", "--output", trace], data=False)
    # What a trace may name again is kept for each connection.
    scene.run(
        "import a trace", ["import", trace, "--project", "demo", "--concurrencies",
                           str(scene.running)], bound=STATES_BYTES)
    trace.unlink()
    verified = scene.json("verify", ["verify"], bound=STATES_BYTES)
    rebuilt = scene.json("rebuild", ["rebuild"], bound=STATES_BYTES)
    statistics = scene.json("stats", ["stats"], bound=STATES_BYTES)
    scene.compare("events, by stats and verify", statistics["events"], verified["events"])
    scene.compare(
        "state digest, by stats and rebuild", statistics["stateDigest"], rebuilt["stateDigest"])
    if statistics["events"] < options.events:
        scene.faults.append(f"only {statistics['events']} events were made")
    return statistics


def _history(scene, statistics):
    everything = scene.folder / "history.jsonl"
    scene.run(
        "history of everything", ["history", "--json"], output_path=everything,
        bound=STATES_BYTES)
    scene.compare("events, by stats and history", statistics["events"], lines(everything))
    heavy = _busiest(everything)
    everything.unlink()
    scene.run("history of the busiest user", ["history", heavy], bound=STATES_BYTES)
    refused = scene.folder / "refused.jsonl"
    scene.run(
        "history by kind and outcome",
        ["history", "--kind", "applied", "--outcome", "noIdle", "--json"], output_path=refused,
        bound=STATES_BYTES)
    scene.compare(
        "refused applies, by stats and history", statistics["rejectedNoIdle"], lines(refused))
    refused.unlink()
    scene.run(
        "history, the newest hundred", ["history", "--newest-first", "--limit", "100"],
        bound=STATES_BYTES)
    scene.run("explain the busiest user", ["explain", heavy], bound=STATES_BYTES)
    return heavy


def _busiest(path):
    counts = {}
    with open(path, "rb") as file:
        for number, line in enumerate(file):
            if number == 1_000_000:
                break
            user = json.loads(line)["user"]
            if user:
                counts[user] = counts.get(user, 0) + 1
    return max(counts, key=counts.get)


def _time(scene, statistics, heavy):
    head = statistics["events"]
    middle = str(head // 2)
    scene.run("state of a user at a moment", ["state", heavy, "--at", middle], bound=STATES_BYTES)
    scene.run(
        "state of everything at a moment", ["state", "--at", middle, "--json"],
        bound=STATES_BYTES)
    scene.run("diff of two moments", ["diff", middle, str(head), "--json"], bound=STATES_BYTES)
    replayed = scene.run(
        "replay of 100,000 events", ["replay", "--from", middle, "--to",
                                     str(int(middle) + 99_999), "--json"],
        bound=STATES_BYTES, output_path=scene.folder / "replay.jsonl")
    scene.compare(
        "events replayed", min(100_000, head - int(middle) + 1),
        lines(scene.folder / "replay.jsonl"))
    (scene.folder / "replay.jsonl").unlink()
    return replayed


def _whatif(scene, statistics):
    running = scene.running
    table = scene.json(
        "whatif, 12 combinations",
        ["whatif", "--reconnect-window", "40s,90s,120s,1h", "--concurrencies",
         f"{running // 2},{running},{2 * running}"], bound=WHATIF_BYTES)
    recorded = [
        row for row in table
        if row["reconnectWindowSeconds"] == 90 and row["concurrencies"] == running]
    for key in ("starts", "grantedNew", "resumed", "takenOver", "rejectedNoIdle", "repossessed"):
        scene.compare(
            f"{key}, by stats and whatif at the recorded settings", statistics[key],
            recorded[0][key])


def _proof(scene, statistics):
    folder = scene.folder
    scene.run("head", ["head"], output_path=folder / "head")
    scene.run("head, with the tree at hand", ["head"])
    scene.run(
        "prove a position", ["prove", str(statistics["events"] // 3)],
        output_path=folder / "proof")
    key = scene.run("the public key", ["head", "--public-key"]).output.decode().strip()
    scene.run(
        "check-proof", ["check-proof", folder / "proof", "--key", key, "--kept", folder / "head"],
        data=False)
    scene.run(
        "verify against a kept head", ["verify", "--kept", folder / "head", "--key", key],
        bound=STATES_BYTES)


def _copies(scene, statistics):
    folder = scene.folder
    export = folder / "export.jsonl"
    scene.run("export as JSON Lines", ["export", "--output", export], bound=STATES_BYTES)
    for form in ("csv", "cloudevents"):
        scene.run(f"export as {form}", ["export", "--format", form], bound=STATES_BYTES)
    original = scene.ledger
    scene.ledger = folder / "imported"
    scene.run("import an export", ["import", export], bound=STATES_BYTES)
    imported = scene.json("stats of the import", ["stats"], bound=STATES_BYTES)
    scene.compare(
        "state digest, of the ledger and of its export imported", statistics["stateDigest"],
        imported["stateDigest"])
    export.unlink()
    shutil.rmtree(scene.ledger)
    scene.ledger = original
    scene.run("backup, verified", ["backup", folder / "backup"], bound=STATES_BYTES)
    scene.ledger = folder / "restored"
    scene.run("restore", ["restore", folder / "backup"], bound=STATES_BYTES)
    scene.run("verify what was restored", ["verify"], bound=STATES_BYTES)
    shutil.rmtree(scene.ledger)
    shutil.rmtree(folder / "backup")
    scene.ledger = original


def _forget(scene, heavy):
    scene.run("forget the busiest user", ["forget", heavy], bound=STATES_BYTES)
    verified = scene.json("verify after that", ["verify"], bound=STATES_BYTES)
    scene.compare("users forgotten, by verify", 1, verified["forgotten"])
    name, found = heavy.encode(), []
    for path in sorted(scene.ledger.rglob("*")):
        if path.is_file() and _contains(path, name):
            found.append(path.name)
    scene.compare("files of the ledger that hold the forgotten name", [], found)


def _contains(path, needle):
    tail = b""
    with open(path, "rb") as file:
        while chunk := file.read(1 << 22):
            if needle in tail + chunk:
                return True
            tail = chunk[-len(needle):]
    return False
