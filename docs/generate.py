"""Writes docs/reference/: knobs, verbs and splits as the code has them. `make docs` runs it.

Nothing in the pages depends on the machine: they are made from knobs, argument parsers and splits, never from printed
help, whose line breaks differ between versions of Python and widths of the terminal."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.__main__ import VERBS as DATA_VERBS
from data.inputs.layouts import LAYOUTS, SOURCES, taken_and_made
from data.inputs.layouts import MADE as MADE_JOINTS
from data.poses.skeleton import H36M_17
from data.poses.splits import MESH_SPLITS, SPLITS
from search.__main__ import VERBS as SEARCH_VERBS
from spaces.cli import Verb
from spaces.schema import Knob, spelled
from trainables import registry
from trainables.__main__ import VERBS as TRAIN_VERBS
from trainables.config import knobs_of

HERE = Path(__file__).parent
PACKAGES: Mapping[str, Mapping[str, Verb]] = {"search": SEARCH_VERBS, "data": DATA_VERBS, "trainables": TRAIN_VERBS}
MADE = "Written by `make docs`; not edited by hand."
COMMON = ("data", "optim", "loop")  # sections of a config that are the same for every model


def pages() -> dict[str, str]:
    """Text of every page by its path below docs/."""
    return {
        "reference/knobs.md": "\n".join(_knobs_page()) + "\n",
        "reference/verbs.md": "\n".join(_verbs_page()) + "\n",
        "reference/splits.md": "\n".join(_splits_page()) + "\n",
        "reference/joints.md": "\n".join(_joints_page()) + "\n",
    }


def parser_of(package: str) -> argparse.ArgumentParser:
    """The parser of `python -m PACKAGE VERB`; `verb` of what it reads is the verb."""
    parser = argparse.ArgumentParser(prog=f"python -m {package}", allow_abbrev=False)
    lines = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in PACKAGES[package].items():
        verb.add_options(lines.add_parser(name, allow_abbrev=False))
    return parser


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _knobs_page() -> Iterator[str]:
    yield "# Knobs"
    yield ""
    yield "This page lists every knob of every model: each value of a config that can be set, searched or exported."
    yield MADE
    yield ""
    yield "The dotted path is the only spelling, in a space, in `--set KNOB=VALUE`, in MLflow and in an exported file."
    yield "Defaults are written as `--set` takes them, lists with commas; an empty default is an empty text or list."
    yield "Knobs marked `yes` under lane may differ between the trials that one array trains together; see"
    yield "[the design](../design.md#words). A recipe of a space replaces many of these defaults."
    models = registry.names()
    shared = {path: one for path, one in knobs_of(models[0]).items() if path.partition(".")[0] in COMMON}
    for section in COMMON:
        yield from _knob_section(f"{section}, every model", section, shared)
    yield ""
    yield "`model`, the name of the model, has no default."
    for model in models:
        own = {path: one for path, one in knobs_of(model).items() if path.partition(".")[0] not in (*COMMON, "model")}
        yield from _knob_section(model, "", own)


def _knob_section(title: str, prefix: str, found: Mapping[str, Knob]) -> Iterator[str]:
    rows = [
        (f"`{path}`", _code(spelled(one.default)), one.allowed, one.unit, "yes" if one.lane else "", _plain(one.help))
        for path, one in found.items()
        if path.startswith(prefix)
    ]
    yield ""
    yield f"## {title}"
    yield ""
    yield from _table(("knob", "default", "allowed", "unit", "lane", "meaning"), rows)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _verbs_page() -> Iterator[str]:
    yield "# Verbs"
    yield ""
    yield "This page lists every command with its options, as `--help` prints them."
    yield MADE
    for package, verbs in PACKAGES.items():
        yield ""
        yield f"## python -m {package}"
        for name, verb in verbs.items():
            yield ""
            yield f"### {package} {name}"
            yield ""
            yield from _verb(verb.summary, verb.example)
            parser = argparse.ArgumentParser(add_help=False)
            verb.add_options(parser)
            yield from _options(parser, f"{package} {name}")


def _verb(summary: str, example: str) -> Iterator[str]:
    yield summary[0].upper() + summary[1:] + "."
    yield ""
    yield "```"
    yield from (line.strip() for line in example.splitlines())
    yield "```"


def _options(parser: argparse.ArgumentParser, title: str) -> Iterator[str]:
    rows, parts = [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            parts.append(action)
        elif not isinstance(action, argparse._HelpAction):
            rows.append(_option(action))
    if rows:
        yield ""
        yield from _table(("option", "default", "meaning"), rows)
    for action in parts:
        summaries = {line.dest: line.help or "" for line in action._choices_actions}
        for name, line in action.choices.items():
            yield ""
            yield f"#### {title} {name}"
            yield ""
            yield from _verb(summaries[name], (line.epilog or "").removeprefix("example: "))
            yield from _options(line, f"{title} {name}")


def _option(action: argparse.Action) -> tuple[str, str, str]:
    """Option, default and meaning. A default stands in the help text where only the text knows it."""
    metavar = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    flags = ", ".join(f"`{flag}`" if action.nargs == 0 else f"`{flag} {metavar}`" for flag in action.option_strings)
    meaning = (action.help or "").replace("%%", "%")
    told = re.search(r"\s*\(default:? ([^()]*)\)", meaning)
    if told:
        meaning = meaning.replace(told[0], "")
        default = "none" if told[1] == "None" else told[1]
    elif action.required:
        default = "required"
    elif isinstance(action.default, Path):
        default = action.default.as_posix()
    else:
        is_plain = action.default not in (None, False, argparse.SUPPRESS, "") and action.default != []
        default = str(action.default) if is_plain else ""
    return flags or f"`{metavar}`", _plain(default), _plain(meaning)


def _plain(text: str) -> str:
    """Text that Markdown takes as it stands: not <config_id> for HTML, nor *.jpg for emphasis."""
    return re.sub(r"<(?=\w)|\*", r"\\\g<0>", text)


def _splits_page() -> Iterator[str]:
    yield "# Splits"
    yield ""
    yield "This page lists the named splits that `--data` takes: which part of a set trains, selects and is scored."
    yield MADE
    yield ""
    yield "Any other name is a set of files, or a folder of images, whose subjects are given by hand; see"
    yield "[data](../data.md#splits), which also says why there are several splits of one set."
    yield ""
    yield "## Poses and images"
    yield ""
    yield "Files of a set are named after it, as in `data_3d_SET.npz`. The parts are subjects."
    yield ""
    rows = [
        (f"`{one.name}`", f"`{one.set}`", *(" ".join(part) for part in (one.train, one.val, one.test)))
        for one in SPLITS.values()
    ]
    yield from _table(("split", "set", "train", "select (val)", "test"), rows)
    yield ""
    yield "## Meshes"
    yield ""
    yield "The parts are files below `--data-root`."
    yield ""
    meshes = [tuple(f"`{value}`" for value in _values(one)) for one in MESH_SPLITS.values()]
    yield from _table(("split", "mesh", "train", "select (val)", "test"), meshes)


def _joints_page() -> Iterator[str]:
    yield "# Joints"
    yield ""
    yield "This page lists the layouts of 2D keypoints that `predict` reads: which joints of Human3.6M each has."
    yield MADE
    yield ""
    yield "A joint is taken as the detector gives it; where that has another name, the name stands in brackets. What is"
    yield (
        "made is made of other joints: "
        + "; ".join(told[0].lower() + told[1:] for _, told in MADE_JOINTS.values())
        + "."
    )
    yield "A network whose joints include one that a layout lacks refuses it. `--layout` takes the names."
    yield ""
    rows = []
    for name, counts in LAYOUTS.items():
        for count, joints in counts.items():
            found = taken_and_made(joints, name)
            taken = [joint if own == joint else f"{joint} ({own})" for joint, own in found.items() if own in joints]
            made = [joint for joint, own in found.items() if own not in joints]
            lacking = [joint for joint in H36M_17.joints if joint not in found]
            rows.append((f"`{name}`", str(count), SOURCES[name], *(", ".join(one) for one in (taken, made, lacking))))
    yield from _table(("layout", "joints", "source", "taken", "made", "lacking"), rows)


def _values(record: Any) -> Iterator[Any]:
    return (getattr(record, field.name) for field in dataclasses.fields(record))


if __name__ == "__main__":
    for name, text in pages().items():
        path = HERE / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode("ascii"))
        print(f"wrote docs/{name}")
