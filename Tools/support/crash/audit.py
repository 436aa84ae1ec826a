"""Holds a directory that was left by a kill to everything that had been answered."""

import json

from .programs import Wrong

# Of an answer, what an export has to say again in these words.
COMPARED = ("kind", "outcome", "session", "deadline", "state", "time", "userNumber",
            "previousOfUser", "previousOfConcurrency", "namedSession")


def events(programs, data):
    """The whole log by position, as an export tells it."""
    found = {}
    for line in programs.run("export", "--data", data).splitlines():
        event = json.loads(line)
        found[event["position"]] = event
    return found


def compare(answers, found):
    """Every answer is there, at its position, with its content."""
    forgotten = {event["userNumber"] for event in found.values()
                 if event["kind"] == "userForgotten"}
    for answer in answers:
        event = found.get(answer["position"])
        if event is None:
            raise Wrong(f"lost: {answer}; the log ends at {max(found, default=0)}")
        for key in COMPARED:
            if key not in answer:
                continue
            told = answer[key]
            if key == "session" and told is not None:
                told = int(told)
            # Of an event that left nothing held, the wire tells less than the log.
            if told is None and key in ("session", "state", "deadline"):
                continue
            if told != event[key]:
                raise Wrong(f"{key} of {answer} is {event[key]} in {event}")
        place = answer.get("concurrency")
        if isinstance(place, str) and place != f"{event['project']}/{event['concurrency']}":
            raise Wrong(f"{answer} is at another place: {event}")
        if answer["user"] and event["user"] != answer["user"]:
            if event["userNumber"] not in forgotten:
                raise Wrong(f"{answer} is another user's: {event}")


def sound(programs, data, heads=None):
    """The chain is whole, the rules decide what was recorded, the view is a fold, and every head
    that was handed out is of this log. Returns what verify says."""
    words = ["verify", "--data", data]
    if heads and heads.exists():
        kept = whole_heads(heads.read_text())
        if kept:
            copy = programs.folder / "kept-heads"
            copy.write_text(kept)
            key = programs.run("head", "--public-key", "--data", data).strip()
            words += ["--kept", copy, "--key", key]
    report = programs.json(*words)
    if not report["isSound"] or report["checkpointFaults"]:
        raise Wrong(f"verify: {report}")
    return report


def whole_heads(text):
    """The notes that were written to their end: a kill can cut the last one."""
    notes, note = [], []
    for line in text.splitlines(keepends=True):
        note.append(line)
        if line.startswith("\u2014 ") and line.endswith("\n"):
            notes.append("".join(note))
            note = []
    return "".join(notes)


def same_view(programs, data, digest):
    """Drops the views and folds them again; what stood there must have been the same."""
    report = programs.json("rebuild", "--data", data, "--checkpoint-spacing", 25)
    if not report["isSame"] or report["stateDigest"] != digest:
        raise Wrong(f"rebuild: {report}, verify said {digest}")
    if report["checkpointFaults"]:
        raise Wrong(f"kept checkpoints: {report['checkpointFaults']}")
