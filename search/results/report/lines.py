"""Commands of a report: those that reproduce its sweep, its best trial, and what the record does not hold."""

from __future__ import annotations

from collections.abc import Sequence

from trainables.runs.names import CONFIG

from ...cli.command import Where
from ...record.journal import Journal, is_held
from ...record.trial import Trial
from ..leaderboard import sweep_state
from ..retention import lacking_weights
from .elements import Markup, command_line, element, joined
from .heads import is_confirmation
from .testing import weights_file


def reproduction(journal: Journal, name: str, where: Where) -> Markup:
    """Builds the commands of a sweep: the one that launched it, those that export, train and confirm its best, show and
    continue it."""
    facts, best = journal.sweep.facts, journal.state.best()
    versions = ", ".join(f"{package} {version}" for package, version in facts.versions.items())
    parts = [
        command_line(facts.command, "Launched by:") if facts.command else None,
        element(
            "p",
            f"Code {facts.revision}; {versions}; "
            f"data {facts.fingerprint or 'without a fingerprint'}; machine {facts.machine or 'not on record'}.",
            class_="note",
        ),
        command_line(where.line_told("show", name), "The leaderboard on the terminal:"),
    ]
    if sweep_state(journal) != "done" and not is_held(journal.path):
        parts.append(command_line(where.line_told("resume", name), "Continue it:"))
    if best is not None and not journal.sweep.single:
        config = f"{name}.yaml"
        parts += [
            command_line(where.line_told("export", name, "--out", config), "The best config, with its provenance:"),
            command_line(where.line_told("train", config), "Train it again:"),
        ]
        if 0 in journal.trials and best.number and not is_confirmation(journal):
            note = "Whether the best is better than the recipe with other seeds, too:"
            parts.append(command_line(where.line_told("confirm", name), note))
    return joined(parts)


def score_lines(journal: Journal, trials: Sequence[Trial], name: str, where: Where) -> list[Markup]:
    """Builds the commands that score trials, the best first, on the test subjects by hand."""
    parts = []
    for who, trial in zip(("the best", "the recipe"), trials, strict=False):
        told = f"{who[:1].upper()}{who[1:]}, trial {trial.number}, scored by hand:"
        weights = weights_file(journal, trial)
        if journal.sweep.single:
            line = where.line("evaluate", weights.with_name(CONFIG), "--weights", weights)
            parts.append(command_line(line, "Scored by hand:"))
            continue
        if not weights.is_file() and not journal.sweep.checkpoints:
            parts.append(element("p", f"{told} {lacking_weights(journal, trial)}", class_="note"))
            continue
        stem = f"{name}-trial{trial.number}"
        out = (f"{stem}.yaml", f"{stem}.safetensors")
        words = ("--trial", trial.number, "--out", out[0], "--weights", out[1])
        parts.append(command_line(where.line_told("export", name, *words), told))
        parts.append(command_line(where.line("evaluate", out[0], "--weights", out[1])))
    return parts
