"""The runs without and with strangers, in turn, and what they come to."""

import datetime
import os
import platform
import statistics
import time

from slowclients.server import Helper, Server

GOAL_RATIO = 2.0


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def figures(answer):
    calls, newcomers = answer["latencies"], answer["newcomers"]
    return {
        "calls": len(calls), "faults": answer["faults"],
        "p50Milliseconds": 1e3 * quantile(calls, 0.50),
        "p99Milliseconds": 1e3 * quantile(calls, 0.99),
        "maxMilliseconds": 1e3 * max(calls, default=0.0),
        "newcomers": len(newcomers),
        "newcomerP50Milliseconds": 1e3 * quantile(newcomers, 0.50),
        "newcomerP99Milliseconds": 1e3 * quantile(newcomers, 0.99),
    }


def play(options, folder, say):
    server = Server(options, folder)
    helpers = []
    try:
        healthy = Helper("healthy.py", {
            "port": server.port, "id": server.secret_id, "key": server.secret_key,
            "rate": options.rate, "clients": options.clients, "certificate": server.certificate})
        helpers.append(healthy)
        strangers = Helper("strangers.py", {
            "port": server.port, "connections": options.connections, "tls": options.tls})
        helpers.append(strangers)
        healthy.ask("run 1")  # warms up; not counted
        return measure(options, server, healthy, strangers, say)
    finally:
        for helper in helpers:
            helper.stop()
        server.stop()


def measure(options, server, healthy, strangers, say):
    runs = []
    for pair in range(options.pairs):
        for is_beset in (False, True):
            if is_beset:
                begun = time.monotonic()
                strangers.ask("up")
                say(f"{options.connections} connections up in {time.monotonic() - begun:.1f} s")
            before = strangers.ask("count")
            run = figures(healthy.ask(f"run {options.seconds}"))
            after = strangers.ask("count")
            run |= {
                "pair": pair, "isBeset": is_beset, "held": after["open"], "kinds": after["kinds"],
                "comingsBack": after["opened"] - before["opened"],
                "dropped": after["dropped"] - before["dropped"],
                "serverFiles": server.connections(), "serverMegabytes": server.megabytes()}
            runs.append(run)
            say(f"{'with' if is_beset else 'without':7} {run['held']:6} held  "
                f"p50 {run['p50Milliseconds']:.2f} ms  p99 {run['p99Milliseconds']:.2f} ms  "
                f"max {run['maxMilliseconds']:.1f} ms  newcomers' p99 "
                f"{run['newcomerP99Milliseconds']:.1f} ms  {len(run['faults'])} faults")
            if is_beset:
                strangers.ask("down")
                settle(server)
    return result(options, runs)


def settle(server):
    """Waits until the server has closed what the strangers left, or half a minute."""
    end = time.monotonic() + 30
    while server.connections() > 200 and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(2)


def result(options, runs):
    def median(is_beset, key):
        return statistics.median(run[key] for run in runs if run["isBeset"] == is_beset)

    summary = {
        name: {"without": median(False, key), "with": median(True, key)}
        for name, key in [
            ("p50Milliseconds", "p50Milliseconds"), ("p99Milliseconds", "p99Milliseconds"),
            ("maxMilliseconds", "maxMilliseconds"),
            ("newcomerP50Milliseconds", "newcomerP50Milliseconds"),
            ("newcomerP99Milliseconds", "newcomerP99Milliseconds"),
            ("serverMegabytes", "serverMegabytes")]}
    p99 = summary["p99Milliseconds"]
    ratio = p99["with"] / p99["without"] if p99["without"] else 0.0
    faults = [fault for run in runs for fault in run["faults"]]
    if not all(run["calls"] for run in runs):
        faults.append("a run without a single call")
    if any(run["held"] < 0.95 * options.connections for run in runs if run["isBeset"]):
        faults.append("fewer connections were held than were to be")
    if not options.quick and ratio > GOAL_RATIO:
        faults.append(f"p99 went up {ratio:.2f} times; at most {GOAL_RATIO:g} is the goal")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} "
                   f"{platform.release()}, load {os.getloadavg()[0]:.1f}",
        "isQuick": options.quick, "tls": options.tls, "connections": options.connections,
        "rate": options.rate, "clients": options.clients, "seconds": options.seconds,
        "ratio": ratio, "summary": summary, "runs": runs, "faults": faults}
