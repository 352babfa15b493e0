"""The sections of the report on one sweep."""

from __future__ import annotations

import base64
from functools import partial

from spaces.errors import InputError
from spaces.loading import named
from spaces.yaml_text import yaml_text

from ...cli.command import Where
from ...figures import courses, plots
from ...figures.frames import knob_paths
from ...figures.fronts import FEWEST, MOST, front
from ...figures.slices import COLUMNS, slices
from ...record.journal import Journal, trial_folder
from ...tracking.projection import PICTURE
from ..advice.advice import advice_on
from .elements import Markup, command_line, element, joined, section
from .figure import Figures
from .heads import head, is_confirmation, overview
from .lines import reproduction
from .tables import failures, machines, sessions, trials_table
from .tested import test_scores
from .testing import Scores

AXIS_PX, PANEL_PX = 95, 300  # least width of an axis of parallel coordinates, and of a panel of slices
MOST_PICTURE = 2_000_000  # bytes of a picture that is taken into the page


def sections_of_one(
    journal: Journal, name: str, where: Where, figures: Figures, scores: Scores
) -> tuple[Markup, list[tuple[str, Markup]]]:
    """Builds the head and the sections, each with its title, of the report on a sweep; sections on what it has not are
    left out. `scores`: those on the test subjects."""
    found: list[tuple[str, Markup | None]] = [
        ("Overview", overview(journal)),
        ("Confirmation", _confirmation(journal)),
        ("Advice", _advice(journal, where)),
        ("Scores", _scores(journal, figures)),
        ("Knobs", _knobs(journal, figures)),
        ("Front", _front(journal, figures)),
        ("Time", joined([figures.of("Spend", partial(courses.spend, journal)), sessions(journal), machines(journal)])),
        ("Failures", failures(journal)),
        ("Trials", trials_table(journal)),
        ("Pictures", _picture(journal)),
        ("Test scores", test_scores(journal, name, where, figures, scores)),
        ("Commands", reproduction(journal, name, where)),
    ]
    return head(journal, name), [(title, section(title, part)) for title, part in found if part is not None]


def _confirmation(journal: Journal) -> Markup | None:
    if not is_confirmation(journal):
        return None
    # Its module loads torch, which nothing else here needs.
    text = named("search.results.confirm:confirmation_text")(journal)
    return element("pre", text)


def _advice(journal: Journal, where: Where) -> Markup | None:
    if is_confirmation(journal) or journal.sweep.single:
        return None
    try:
        findings = advice_on(journal, where)
    except InputError as error:  # the model, say, has lost a knob since
        return element("p", f"The record holds no valid plan: {error}", class_="note")
    if not findings:
        return element("p", "Nothing stands out.", class_="note")
    parts: list[object] = []
    for one in findings:
        parts.append(element("p", element("b", one.kind), f": {one.found}; {one.do}", class_="found"))
        if one.line:
            parts.append(command_line(one.line))
    ranges = {path: entry for one in findings for path, entry in one.ranges.items()}
    if ranges:
        parts.append(command_line(yaml_text({"include": journal.sweep.model, "search": ranges}), "Ranges to try:"))
    return joined(parts)


def _scores(journal: Journal, figures: Figures) -> Markup:
    parts = []
    if not journal.sweep.single:
        parts += [
            figures.of("Score of each trial", partial(plots.history, journal)),
            figures.of("Best score by time spent", partial(courses.hours, journal)),
        ]
    parts.append(figures.of("Curves", partial(plots.curves, journal)))
    if not journal.sweep.single:
        parts.append(figures.of("Trials that reached an epoch", partial(courses.survival, journal)))
    return joined(parts)


def _knobs(journal: Journal, figures: Figures) -> Markup | None:
    if journal.sweep.single or is_confirmation(journal):
        return None
    count = len(knob_paths(journal))
    drag = "Drag along an axis to select trials."
    return joined(
        [
            figures.of("Importance", partial(plots.importance, journal)),
            figures.of("Score by knob", partial(slices, journal), least_px=min(count, COLUMNS) * PANEL_PX),
            figures.of("Knobs and score", partial(plots.parallel, journal), drag, least_px=(count + 2) * AXIS_PX),
        ]
    )


def _front(journal: Journal, figures: Figures) -> Markup | None:
    names = journal.sweep.objectives
    if len(names) < FEWEST:
        return None
    return figures.of("Front", partial(front, journal, names[:MOST]))


def _picture(journal: Journal) -> Markup | None:
    """Builds the picture that was drawn with the best trial's weights; None if there is none on this machine."""
    best = journal.state.best()
    path = None if best is None else trial_folder(journal.path.parent, best.number) / PICTURE
    try:
        content = b"" if path is None or path.stat().st_size > MOST_PICTURE else path.read_bytes()
    except OSError:
        return None
    if not content or best is None:
        return None
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    note = f"Predictions of trial {best.number} on validation images, with the error of each."
    return joined([element("p", note, class_="note"), Markup(f'<img alt="{note}" src="{source}">')])
