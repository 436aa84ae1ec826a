"""The report in words and tables."""

ROWS = [
    ("p50Milliseconds", "a call, p50, ms"), ("p99Milliseconds", "a call, p99, ms"),
    ("maxMilliseconds", "a call, longest, ms"),
    ("newcomerP50Milliseconds", "a call on a new connection, p50, ms"),
    ("newcomerP99Milliseconds", "a call on a new connection, p99, ms"),
    ("serverMegabytes", "the server's memory, MB"),
]


def markdown(result):
    lines = ["# Slow clients", ""]
    if result["isQuick"]:
        lines += ["A quick run: the command works; the figures mean nothing.", ""]
    way = "TLS" if result["tls"] else "plain HTTP"
    lines += [
        f"{result['connections']:,} slow and half-open connections beside {result['clients']} "
        f"healthy clients that make {result['rate']} signed calls a second together (and one new "
        f"connection every 100 ms), {way} on loopback, {len(result['runs']) // 2} runs of "
        f"{result['seconds']:g} s each without and with them, in turn. {result['date']}; "
        f"{result['machine']}; clients and server share the machine.",
        "", "| medians over the runs | without | with | |", "|---|---|---|---|"]
    for key, title in ROWS:
        pair = result["summary"][key]
        ratio = f"{pair['with'] / pair['without']:.2f}×" if pair["without"] else ""
        lines.append(f"| {title} | {pair['without']:.2f} | {pair['with']:.2f} | {ratio} |")
    lines += [
        "", f"Goal: p99 at most doubled. It is {result['ratio']:.2f} times what it was.",
        "", "| run | held | came back | p50 ms | p99 ms | longest ms | calls | faults |",
        "|---|---|---|---|---|---|---|---|"]
    for run in result["runs"]:
        name = f"{run['pair'] + 1} {'with' if run['isBeset'] else 'without'}"
        lines.append(
            f"| {name} | {run['held']:,} | {run['comingsBack']:,} | {run['p50Milliseconds']:.2f} "
            f"| {run['p99Milliseconds']:.2f} | {run['maxMilliseconds']:.1f} | {run['calls']:,} | "
            f"{len(run['faults'])} |")
    beset = [run for run in result["runs"] if run["isBeset"]]
    if beset:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in beset[-1]["kinds"].items())
        lines += ["", f"Held at the end of the last run: {kinds}. A stranger sends a byte every 5 "
                  "s and comes back when the server closes it."]
    if result["faults"]:
        lines += ["", "Faults:", ""] + [f"- {fault}" for fault in result["faults"][:20]]
    return "\n".join(lines) + "\n"
