"""What Tools/storm-report makes of figures; nothing here measures anything.

    python3 -m unittest discover -s Tests/StormReport
"""

import json
import os
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tools" / "support"))

from storm import command, goals, holdfast, plots, probes, processes, report  # noqa: E402
from storm.contender import Contender, Context, Measurement, SyncCount  # noqa: E402
from storm.errors import StormError  # noqa: E402
from storm.rounds import Storm  # noqa: E402

ABOUT = {
    "machine": dict.fromkeys(
        ("date", "cpu", "cores", "memoryGiB", "system", "kernel", "fileSystem", "disk", "freeGiB",
         "load"), "?") | {"isBusy": False},
    "users": 1_000, "rounds": 3, "seconds": 1.0, "command": "Tools/storm-report",
    "revision": "?", "versions": {}}


class Fixed(Contender):
    """Gives the figures it is told, in turn."""

    def __init__(self, name, rates, settings=({},), **more):
        super().__init__(None)
        self.name = self.title = name
        self.rates, self.settings, self.more = list(rates), list(settings), more

    def sweep(self):
        return self.settings

    def run(self, settings, seconds):
        return Measurement(settings, seconds, self.rates.pop(0), **self.more)


def storm_of(*contenders, rounds=3):
    storm = Storm(list(contenders), 1_000, 1.0, 1.0, rounds)
    storm.progress.say = lambda text: None
    storm.prepare()
    storm.sweep()
    storm.interleave()
    return storm


def row(rows, what):
    return next(one for one in rows if one.what.startswith(what))


class Rounds(unittest.TestCase):
    def test_the_best_settings_are_kept(self):
        one = Fixed("redis", [1, 3, 2, 9, 9, 9], [{"c": 1}, {"c": 2}, {"c": 3}])
        self.assertEqual(storm_of(one).best["redis"], {"c": 2})

    def test_ratios_are_of_one_round_each(self):
        storm = storm_of(Fixed("holdfast", [1, 100, 10, 40]), Fixed("redis", [1, 10, 2, 2]))
        self.assertEqual(storm.paired("holdfast", "redis"), (10, 5, 20))

    def test_contenders_that_never_met_have_no_ratio(self):
        self.assertIsNone(storm_of(Fixed("redis", [1] * 4)).paired("holdfast", "redis"))

    def test_single_commands_are_measured_with_the_callers_promised(self):
        one = holdfast.single(Context(pathlib.Path(), pathlib.Path(), is_quick=False))
        swept = [Measurement({"callers": count}, 1, count) for count in (64, 1_000, 4_000)]
        self.assertEqual(one.best(swept), {"callers": 1_000})

    def test_what_a_build_does_not_know_is_left_out(self):
        unknown = Fixed("holdfast-bulk", [], [{"batch": 1}, {"batch": 2}])

        def run(settings, seconds):
            raise holdfast.Unsupported("unknown mode")

        unknown.run = run
        storm = storm_of(unknown, Fixed("redis", [1] * 4))
        self.assertEqual(storm.left_out, {"holdfast-bulk": "unknown mode"})
        self.assertEqual(storm.progress.done, storm.progress.total)


class Goals(unittest.TestCase):
    def test_without_figures_nothing_is_met_or_missed(self):
        for one in goals.goals(storm_of(), {}):
            self.assertEqual((one.figure, one.verdict), ("not measured", "not measured"))

    def test_every_row_is_there(self):
        rows = {one.row for one in goals.goals(storm_of(), {})}
        self.assertEqual(rows, {str(number) for number in range(1, 12)})

    def test_met_and_missed(self):
        storm = storm_of(
            Fixed("holdfast", [80] * 4),
            Fixed("redis", [10] * 4), Fixed("sqlite", [9] * 4))
        rows = goals.goals(storm, {"memory": {"residentBytesPerUser": 200}})
        self.assertEqual(row(rows, "embedded over Redis").verdict, "met")
        self.assertEqual(row(rows, "embedded over SQLite").verdict, "missed")
        self.assertEqual(row(rows, "resident bytes").verdict, "missed")
        self.assertEqual(row(rows, "state at a past moment").figure, "not measured")

    def test_a_small_log_says_nothing_about_a_large_one(self):
        small = {"events": 1_000_000, "reconnectsPerSecond": 100, "openSeconds": 0.1}
        large = {
            "events": 100_000_000, "reconnectsPerSecond": 95, "openSeconds": 2,
            "read": {"warm": {"random": {"p99": 400}, "heaviest": {"p99": 2_000}}}}
        rows = goals.goals(storm_of(), {"growth": [small]})
        self.assertEqual(row(rows, "opened after a kill").verdict, "not measured")
        rows = goals.goals(storm_of(), {"growth": [small, large]})
        self.assertEqual(row(rows, "opened after a kill").verdict, "missed")
        self.assertEqual(row(rows, "throughput at 100,000,000").figure, "0.95")
        self.assertEqual(row(rows, "state at a past moment").figure, "0.40")
        self.assertEqual(row(rows, "the same of the user").verdict, "missed")

    def test_the_wire_brings_its_own_ratio(self):
        http = {"ratio": {"median": 0.7, "min": 0.5, "max": 0.8}}
        found = row(goals.goals(storm_of(), {"http": http}), "signed ApplyConcurrent")
        self.assertEqual((found.figure, found.verdict), ("0.70 (0.50 to 0.80)", "met"))

    def test_the_deadline_storm_has_two_goals(self):
        ratios = {"evenlyOverRestP99": 4.9, "longestApplyOverCommit": 2.1}
        rows = goals.goals(storm_of(), {"deadlines": ratios})
        found = [one.verdict for one in rows if one.row == "11"]
        self.assertEqual(found, ["met", "missed"])


class Reports(unittest.TestCase):
    def test_all_files_are_written_and_can_be_read(self):
        storm = storm_of(
            Fixed("holdfast", [5, 50, 40, 40, 40], [{"batch": 1}, {"batch": 9}], p50=2.0, p99=9),
            Fixed("redis", [5, 6, 4, 4, 4], [{"c": 1}, {"c": 2}], p50=20, p99=90, commits=3))
        found = {"growth": [{"events": 1_000, "reconnectsPerSecond": 5.0}], "notMeasured": {}}
        with tempfile.TemporaryDirectory() as folder:
            output = pathlib.Path(folder)
            names = report.write(storm, found, [(10, 2, 3)], ABOUT, output)
            self.assertEqual(
                names,
                ["growth.svg", "latency.svg", "report.json", "report.md", "throughput.svg"])
            document = json.loads((output / "report.json").read_text())
            text = (output / "report.md").read_text()
            for name in names:
                if name.endswith(".svg"):
                    xml.etree.ElementTree.parse(output / name)
        self.assertEqual([len(one["rounds"]) for one in document["contenders"]], [3, 3])
        self.assertEqual(document["contenders"][1]["ratioOfHoldfast"], [10, 10, 10])
        self.assertIn("| 2 | embedded over Redis at its best | 10.00 | ≥ 8 | met |", text)
        self.assertIn("not measured", text)

    def test_a_plot_of_nothing_is_no_plot(self):
        self.assertIsNone(plots.chart("", "", "", [plots.Series("", [(None, 1), (0, 1)])]))

    def test_a_plot_of_one_point_is_one(self):
        text = plots.chart("<a & b>", "x", "y", [plots.Series("<", [(5, 5)])])
        self.assertIsNotNone(xml.etree.ElementTree.fromstring(text))


class Programs(unittest.TestCase):
    """Programs that are scripts of a line, in place of the real ones."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.context = Context(self.folder, self.folder, is_quick=True)

    def program(self, line):
        path = self.folder / "program"
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
        self.context.holdfast = str(path)

    def test_missing_keys_are_not_measured(self):
        self.program("""echo 'a log line'; echo '{"reconnectsPerSecond": 7}'""")
        one = holdfast.embedded(self.context)
        one.prepare(1_000)
        measured = one.run({"batch": 1}, 1)
        self.assertEqual(
            (measured.reconnects_per_second, measured.p99, measured.syncs), (7, None, None))

    def test_the_batches_are_kept_for_raw_lmdb(self):
        self.program("""echo '{"reconnectsPerSecond": 7, "batchBytes": [240, 480]}'""")
        one = holdfast.embedded(self.context)
        one.prepare(1_000)
        one.run({"batch": 1}, 1)
        self.assertEqual(self.context.batch_bytes, [240, 480])

    def test_raw_lmdb_repeats_the_batches_of_the_best_settings(self):
        self.program("true")
        one = holdfast.embedded(self.context)
        one.prepare(1_000)
        measured = []
        for batch, rate in ((1, 7), (2, 9), (3, 5)):
            self.program(
                f"""echo '{{"reconnectsPerSecond": {rate}, "batchBytes": [{batch * 240 + 96}], """
                f""""bytes": {batch * 240 + 96}, "events": {batch * 3}, "commits": 1}}'""")
            measured.append(one.run({"batch": batch}, 1))
        self.assertEqual(measured[2].batch_events["p50"], 9)
        self.assertEqual(one.best(measured), {"batch": 2})
        self.assertEqual((self.context.batch_bytes, self.context.batch_overhead), ([576], 96))

    def test_wrong_usage_is_a_mode_that_is_not_known(self):
        self.program("echo 'Error: no mode' >&2; exit 64")
        with self.assertRaises(holdfast.Unsupported):
            holdfast.storm(self.context, ["--mode", "x"])

    def test_a_failure_is_one_line(self):
        self.program("echo first >&2; echo last >&2; exit 1")
        with self.assertRaises(StormError) as raised:
            holdfast.storm(self.context, ["--mode", "x"])
        self.assertNotIsInstance(raised.exception, holdfast.Unsupported)
        self.assertTrue(str(raised.exception).endswith("failed with status 1: last"))

    def test_nothing_outlives_stop_all(self):
        process = processes.start(["sleep", "60"])
        processes.stop_all()
        self.assertIsNotNone(process.poll())

    def test_counts_are_those_since_the_last_look(self):
        counts = SyncCount(self.context, "x")
        with open(counts.file, "r+b") as file:
            file.write((5).to_bytes(8, "little") + (2).to_bytes(8, "little"))
            file.seek(8 * (2 + 10))
            file.write((2).to_bytes(8, "little"))
        self.assertEqual(counts.since(), (5, {1_024: 2}))
        self.assertEqual(counts.since(), (0, {}))
        self.assertIn("SYNC_COUNT_FILE", counts.environment())
        self.assertIn("PATH", counts.environment() if "PATH" in os.environ else {"PATH": ""})


class Options(unittest.TestCase):
    def plan(self, *words):
        return command.Plan(command.parser().parse_args(["--directory", ".", *words]))

    def test_quick_is_small(self):
        plan = self.plan("--quick")
        self.assertEqual((plan.users, plan.seconds, plan.rounds, plan.growth), (20_000, 1, 1, []))

    def test_sizes_are_numbers_of_events(self):
        self.assertEqual(
            [probes.count_of(text) for text in ("1m", "250k", "100M", "7")],
            [1_000_000, 250_000, 100_000_000, 7])

    def test_nonsense_is_refused(self):
        for words in (
                ("--peers", "oracle"), ("--events-growth", "1z"), ("--users", "1"),
                ("--seconds", "0"), ("--rounds", "0"), ("--holdfast", "./no-such-program")):
            with self.subTest(words), self.assertRaises(StormError):
                self.plan(*words)


if __name__ == "__main__":
    unittest.main()
