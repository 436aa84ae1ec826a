"""What the command lines of several tools have in common."""

import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def add_program(parser, option="--holdfast", name="holdfast", what="the program",
                which="the release build"):
    """An option that names a program, by default one of the release build."""
    parser.add_argument(
        option, type=pathlib.Path, metavar="FILE", default=ROOT / ".build/release" / name,
        help=f"{what} (default {which})")


def require_program(parser, program, product=None):
    """Ends with what to type if there is no such program."""
    if not program.is_file():
        parser.error(f"no program at {program}; build it: swift build -c release --product "
                     f"{product or program.name}")


def add_output(parser, folder):
    """An option that names where a report goes, by default a folder of .build."""
    parser.add_argument(
        "--output", type=pathlib.Path, metavar="DIR", default=ROOT / ".build" / folder,
        help=f"where report.md and report.json go (default .build/{folder})")


def write_report(folder, result, text, name="report"):
    """Writes a result as JSON, and what it says as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    (folder / f"{name}.md").write_text(text)
