"""Options of `import`, and the checked request made from them. No torch: help and bad input are instant."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spaces.errors import ConfigError, did_you_mean
from spaces.files import target_problems
from spaces.space import find_space, read_space

from ..config import knobs_of
from .changes import add_set_option, read_changes


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportRequest:
    """Checked options of `import`: an authors' checkpoint to convert. `fixed`: the recipe's knobs; `changes`: those set
    by hand."""

    model: str
    recipe: str
    fixed: Mapping[str, Any]
    changes: Mapping[str, str]
    weights: Path
    out: Path
    config: Path | None


def add_import_options(parser: argparse.ArgumentParser) -> None:
    """Adds MODEL, --weights, --out, --config, --recipe, --set, --force."""
    parser.add_argument("model", metavar="MODEL", help="the model that the checkpoint belongs to")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="the authors' checkpoint")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="safetensors file to write")
    parser.add_argument("--config", type=Path, metavar="FILE", help="also write the run's config, for `evaluate`")
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help="published configuration; says what weights do not, as head counts (default: the space's first)",
    )
    parser.add_argument("--force", action="store_true", help="replace existing files")
    add_set_option(parser)


def check_import(options: argparse.Namespace) -> ImportRequest:
    """Checks the options and returns the request; ConfigError with all problems. The model's laws are checked later,
    when the weights have given the sizes."""
    space = read_space(find_space(options.model))
    recipe = options.recipe or next(iter(space.recipes))
    problems = []
    if recipe not in space.recipes:
        found = f"no recipe '{recipe}'{did_you_mean(recipe, space.recipes)}"
        problems.append(f"{found}; recipes of {space.model}: {', '.join(space.recipes)}")
    try:
        changes = read_changes(options.changes)
    except ConfigError as error:
        problems += error.problems_in("import")
        changes = {}
    problems += _refusals(changes, space.model)
    if not options.weights.is_file():
        problems.append(f"--weights {options.weights}: there is no such file")
    for path in filter(None, (options.out, options.config)):
        problems += target_problems(path, force=options.force)
    if options.out.resolve() in (options.weights.resolve(), options.config and options.config.resolve()):
        problems.append(f"--out {options.out}: is named twice; choose another name")
    if problems:
        raise ConfigError("import", problems)
    return ImportRequest(
        model=space.model,
        recipe=recipe,
        fixed=space.fixed(recipe),
        changes=changes,
        weights=options.weights,
        out=options.out,
        config=options.config,
    )


def _refusals(changes: Mapping[str, str], model: str) -> list[str]:
    known, problems = knobs_of(model), []
    for path, value in changes.items():
        if path not in known or path == "model":
            problems.append(f"--set {path}: no such knob{did_you_mean(path, known)}")
            continue
        try:
            known[path].read(value)
        except ValueError as error:
            problems.append(f"{path} = {value}: {error}")
    return problems
