"""`list`: prints the sweeps that journals hold, or the models, recipes and knobs that there are. Needs no torch, Ray or
MLflow."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from data.errors import DataError
from spaces.cli import OK
from spaces.console import terminal_width
from spaces.table import text_table

from ..cli.results.listing import KNOBS, MODELS, RECIPES, ListRequest
from ..record.glance import Glance, glance
from ..record.journal import FILE, sweeps
from .catalogue import knob_rows, model_rows, recipe_rows, recipes_of, searched_text

COLUMNS = ("sweep", "model", "data", "state", "ended", "trials", "objective", "best", "best_trial", "note")


def list_all(request: ListRequest) -> int:
    """Prints the table that is asked for; returns the exit code."""
    if request.what == MODELS:
        return _print_rows(request, model_rows())
    if request.what == RECIPES:
        return _print_rows(request, recipe_rows())
    if request.what == KNOBS:
        return _print_rows(request, knob_rows(request.model))
    return _list_sweeps(request)


def _print_rows(request: ListRequest, rows: list[dict[str, Any]]) -> int:
    if request.as_json:
        print(json.dumps({request.what: rows}, indent=1))
        return OK
    if request.what == KNOBS:
        recipes = recipes_of(request.model)
        rows = [
            {**row, "unit": row["unit"] or None, "searched": searched_text(row["searched"], recipes) or None}
            for row in rows
        ]
        print(f"knobs of {request.model}; searched from recipe {recipes[0]}, and from others where it differs")
    if request.what == RECIPES:
        rows = [{**row, "about": row["about"].partition(". ")[0].removesuffix(".")} for row in rows]
    # What has no bound of length comes last.
    columns = sorted(rows[0], key=lambda name: name in ("about", "meaning"))
    table = text_table(columns, [[row[name] for name in columns] for row in rows])
    width = terminal_width()
    is_narrow = width is not None and max(map(len, table.splitlines())) > width
    print("\n".join(_paragraph(row, columns, width or 0) for row in rows) if is_narrow else table)
    return OK


def _paragraph(row: dict[str, Any], columns: list[str], width: int) -> str:
    """Formats a row that is wider than the terminal: its first value, and below it the others by name."""
    first, *others = columns
    named = (
        f"{name}: {' '.join(value) if isinstance(value, list) else value}" for name in others if (value := row[name])
    )
    filled = textwrap.fill("; ".join(named), width, initial_indent="  ", subsequent_indent="  ", break_long_words=False)
    return f"{row[first]}\n{filled}"


def _list_sweeps(request: ListRequest) -> int:
    """Prints one line per sweep, oldest first; returns the exit code. A damaged journal is listed as such and its error
    printed on stderr."""
    rows, problems = [], []
    for folder in sweeps(request.storage):
        try:
            rows.append(_row(folder, glance(folder / FILE)))
        except DataError as error:
            rows.append({**dict.fromkeys(COLUMNS), "sweep": folder.name, "state": "damaged"})
            problems.append(str(error))
    if request.as_json:
        print(json.dumps({"sweeps": rows}, indent=1))
    elif rows:
        columns = [name for name in COLUMNS if name != "note" or any(row["note"] for row in rows)]
        print(text_table(columns, [[row[name] for name in columns] for row in rows]))
    else:
        first = request.where.line_told("launch", "graformer", "--recipe", "small")
        print(f"no sweeps in {request.storage}; start one: {first}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return OK


def _row(folder: Path, found: Glance) -> dict[str, object]:
    sweep = found.sweep
    values = (
        *(folder.name, sweep.model, sweep.knob("data.name"), found.state, found.ended, found.trials, sweep.objective),
        *(found.score, found.best, found.note or None),
    )
    return dict(zip(COLUMNS, values, strict=True))
