"""The report of Tools/crash."""

ROWS = (
    ("kills", "kills"),
    ("serve", "of them servers with clients of both endpoints"),
    ("embedded", "embedded ledgers"),
    ("import", "`import` of a trace, killed up to three times, then typed again"),
    ("importEvents", "`import` of an export"),
    ("backup", "`backup`"),
    ("restore", "`restore`"),
    ("forget", "`forget`"),
    ("rebuild", "`rebuild`"),
    ("endedBefore", "commands that ended before they were killed"),
    ("blank", "ledgers killed while they were created, before any answer"),
    ("answers", "actions that were answered"),
    ("compared", "answers looked for in a log after a kill, and found as given"),
)


def markdown(result):
    lines = [
        "# Kills", "",
        "Holdfast killed with SIGKILL at random moments, and what was left of it audited: see "
        "[crash-safety.md](../crash-safety.md). The run ends at the first thing that is wrong.", "",
        f"`Tools/crash --kills {result['kills']} --seed {result['seed']}`, "
        f"{result['seconds']} s.", "", "| | |", "|---|---:|"]
    lines += [f"| {words} | {result.get(key, 0):,} |" for key, words in ROWS]
    lines += ["| answers lost | 0 |", "| answers changed | 0 |", ""]
    return "\n".join(lines)
