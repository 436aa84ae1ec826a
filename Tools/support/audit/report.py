"""The report as Markdown."""


def markdown(result):
    lines = [
        "# Every audit command on one large ledger", "",
        f"{result['eventCount']:,} events of {result['userCount']:,} users, "
        f"{result['logBytes'] / 1e6:,.0f} MB of log; seed {result['seed']}. "
        f"{result['machine']}. `{result['command']}`.", "",
        "Memory is the peak of what the process asked for (`RssAnon`, looked at every 10 ms); the "
        "log's own pages are the kernel's to lend. The bound is that of the report: a command "
        "above it fails the run.", "",
        "| command | seconds | memory, MB | bound, MB | output, MB |",
        "|---|---:|---:|---:|---:|"]
    for row in result["rows"]:
        lines.append(
            f"| {row['name']} | {row['seconds']:.2f} | {row['memoryBytes'] / 1e6:.0f} | "
            f"{row['memoryBoundBytes'] / 1e6:.0f} | {row['outputBytes'] / 1e6:.2f} |")
    lines += ["", "## What was compared", ""]
    lines += [f"- {line}" for line in result["comparisons"]]
    lines += ["", "## Faults", ""]
    lines += [f"- {fault}" for fault in result["faults"]] or ["None."]
    return "\n".join(lines) + "\n"
