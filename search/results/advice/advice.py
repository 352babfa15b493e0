"""Advice on a recorded sweep: what its journal says about how to search on."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from spaces.yaml_text import yaml_text

from ...cli.command import Where
from ...record.journal import Journal
from ...record.options.choices import PBT
from ...record.plan import Plan, plan_of
from .courses import budget, luck, over_pruned, wasted
from .finding import Finding, Lines
from .fit import Fit
from .places import LEAST_TRIALS, diverging, edges, irrelevant, sparse
from .survey import Survey

WIDTH = 118


def advice(journal: Journal, plan: Plan, where: Where | None = None) -> list[Finding]:
    """Lists what a sweep's record says about how to search on, in the order of KINDS. `plan`: the sweep's; `where`: the
    places by which the lines find it.

    Of several objectives only divergence and waste are judged, as there is no single best; of population-based training
    only waste, as its knobs change within a trial; of single runs and confirmations nothing."""
    if journal.sweep.single or plan.is_confirmation:
        return []
    return list(_findings(Survey(journal, plan), Lines(journal, plan, where or Where())))


def advice_on(journal: Journal, where: Where) -> list[Finding]:
    """Lists the advice on the sweep of a journal, as `advice`, with the plan that is in its record; [] for a single
    run, which has none. ConfigError if the record does not hold a valid plan."""
    return [] if journal.sweep.single else advice(journal, plan_of(journal.sweep, str(journal.path)), where)


def _findings(survey: Survey, lines: Lines) -> Iterator[Finding]:
    if survey.plan.sweep.scheduler == PBT:
        yield from wasted(survey, lines)
        return
    if len(survey.plan.sweep.objectives) > 1:
        yield from diverging(survey)
        yield from wasted(survey, lines)
        return
    # With fewer nothing is said of single knobs.
    fit = Fit(survey) if len(survey.trials) >= LEAST_TRIALS else None
    if fit is not None:
        yield from edges(survey, fit)
    yield from sparse(survey, lines)
    yield from diverging(survey)
    yield from over_pruned(survey, lines)
    if fit is not None:
        yield from irrelevant(survey, fit, lines)
    yield from luck(survey, lines, fit)
    yield from budget(survey, lines)


def advice_text(findings: Sequence[Finding], model: str) -> str:
    """Formats findings for the terminal: what was found, what to do, the lines to type. Entries of ranges are those of
    a space file that includes the space of the `model`."""
    if not findings:
        return "advice: nothing stands out"
    lines = ["advice:"]
    for one in findings:
        text = f"{one.kind}: {one.found}; {one.do}"
        lines += textwrap.wrap(text, WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
        lines += [f"    {one.line}"] if one.line else []
    ranges = {path: entry for one in findings for path, entry in one.ranges.items()}
    if ranges:
        lines.append("ranges to try, in a space file of your own:")
        lines += [f"    {line}" for line in yaml_text({"include": model, "search": ranges}).splitlines()]
    return "\n".join(lines)
