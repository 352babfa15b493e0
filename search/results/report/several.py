"""The report of several sweeps side by side: their bests, and what differs between them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from spaces.domain_text import entry_of, entry_text
from spaces.errors import ConfigError
from spaces.schema import flat

from ...cli.command import Where
from ...figures.actions import by_action
from ...figures.several import HUES, several
from ...record.journal import Journal
from ...record.plan import plan_of
from ...record.spending.split import amount_text
from .elements import Markup, command_line, element, facts, joined, number_text, section, table
from .figure import Figures
from .heads import plain_text, state_text
from .tested import errors_of
from .testing import Scores

LEAST_PX = 640  # least width of two panels side by side


def sections_of_several(
    journals: Mapping[str, Journal], where: Where, figures: Figures, scores: Mapping[str, Scores]
) -> tuple[Markup, list[tuple[str, Markup]]]:
    """Builds the head and the sections, each with its title, of the report on several sweeps by name. `scores`: those
    on the test subjects that are kept."""
    names = list(journals)
    head = element(
        "header",
        element("h1", " / ".join(names)),
        element("p", f"{len(names)} sweeps side by side", class_="lead"),
    )
    found = [
        ("Best", _bests(journals)),
        ("Course", figures.of("Course", lambda: several(journals), least_px=LEAST_PX)),
        ("Best configs", _best_knobs(journals)),
        ("Differences", _told_differences(journals)),
        ("Test scores", _tested(scores, where, figures)),
        ("Commands", joined(_commands(names, where))),
    ]
    return head, [(title, section(title, part)) for title, part in found if part is not None]


def _tested(scores: Mapping[str, Scores], where: Where, figures: Figures) -> Markup | None:
    """Builds the figure of the errors by action of the best trials whose test scores are kept, and the commands that
    score the others; None if none are."""
    known = {name: found.tested for name, found in scores.items() if found.tested is not None}
    if not known:
        return None
    sides = {f"{name}, trial {tested.sides[0].weights.trial}": tested.sides[0] for name, tested in known.items()}
    colours = {name: HUES[place % len(HUES)] for place, name in enumerate(sides)}
    told = [(name, f"{tested.poses:,} poses of {', '.join(tested.subjects)}") for name, tested in known.items()]
    parts = [facts(told), figures.of("Errors by action", partial(by_action, errors_of(sides), colours))]
    for name in scores:
        if name not in known:
            line = where.line_told("report", name, "--out", f"{name}-scored.html")
            parts.append(command_line(line, f"{name} has no test scores yet:"))
    return joined(parts)


def _bests(journals: Mapping[str, Journal]) -> Markup:
    rows = []
    for name, journal in journals.items():
        sweep, best, split = journal.sweep, journal.state.best(), journal.state.spend.split()
        recipe = journal.trials.get(0)
        rows.append(
            [
                *(name, sweep.model, "" if sweep.single else sweep.recipe, sweep.facts.data.get("set", "")),
                *(state_text(journal), sweep.objective),
                number_text(None if best is None else best.own_score),
                "" if best is None else best.number,
                number_text(None if recipe is None else recipe.own_score),
                f"{journal.state.ended} of {sweep.trials}",
                journal.state.spend.epochs,
                f"{amount_text(split.used)} {split.unit}",
            ]
        )
    names = ("sweep", "model", "recipe", "data", "state", "objective", "best", "its trial", "trial 0")
    return table([*names, "trials ended", "epochs", "device-hours"], rows, sorts=True)


def _best_knobs(journals: Mapping[str, Journal]) -> Markup:
    """Builds the table of the knobs that any of the sweeps searched, as the best trial of each has them."""
    bests = [journal.state.best() for journal in journals.values()]
    paths = dict.fromkeys(path for best in bests if best is not None for path in best.point)
    rows = [[path, *("" if best is None else plain_text(best.knob(path)) for best in bests)] for path in paths]
    return table(["knob", *journals], rows) if rows else element("p", "No sweep has a best trial yet.", class_="note")


def _told_differences(journals: Mapping[str, Journal]) -> Markup:
    parts: list[object] = []
    for title, rows in differences(journals):
        parts.append(element("h3", title[:1].upper() + title[1:]))
        parts.append(table(["", *journals], rows) if rows else element("p", "The same.", class_="note"))
    return joined(parts)


def _commands(names: list[str], where: Where) -> list[Markup]:
    return [command_line(where.line_told("report", name, "--out", f"{name}.html"), name) for name in names]


def differences(journals: Mapping[str, Journal]) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """Lists what differs between sweeps, under headings: rows of a name and its value in each sweep."""
    found: list[tuple[str, dict[str, list[str]]]] = []
    every = list(journals.values())
    domains = [_domains(journal) for journal in every]
    options = [{name: plain_text(value) for name, value in journal.sweep.plan.items()} for journal in every]
    bases = [{path: plain_text(value) for path, value in flat(journal.sweep.base).items()} for journal in every]
    searched = {path for one in domains for path in one}
    fixed = [{path: value for path, value in base.items() if path not in searched} for base in bases]
    facts_of = [
        {**{name: plain_text(value) for name, value in journal.sweep.facts.data.items()},
         "code": journal.sweep.facts.revision, "machine": journal.sweep.facts.machine,
         **journal.sweep.facts.versions}
        for journal in every
    ]  # fmt: skip
    for title, sides in (
        ("searched knobs", domains),
        ("other knobs of the recipe", fixed),
        ("options", options),
        ("data, code and packages", facts_of),
    ):
        names = list(dict.fromkeys(name for side in sides for name in side))
        found.append((title, {name: [side.get(name, "-") for side in sides] for name in names}))
    return [
        (title, [(name, *values) for name, values in rows.items() if len(set(values)) > 1]) for title, rows in found
    ]


def _domains(journal: Journal) -> dict[str, str]:
    """Returns the searched domains of a sweep as texts by dotted path; {} where the record holds no valid plan."""
    if journal.sweep.single:
        return {}
    try:
        plan = plan_of(journal.sweep, str(journal.path))
    except ConfigError:
        return {}
    return {path: entry_text(entry_of(domain)) for path, domain in plan.domains.items()}
