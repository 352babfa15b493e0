"""Commands of a report: those that reproduce its sweep, its best trial, and what the record does not hold."""

from __future__ import annotations

from trainables.runs.names import BEST

from ...cli.command import Where
from ...record.journal import Journal, is_held, trial_folder
from ...record.trial import Trial
from ..leaderboard import sweep_state
from ..retention import lacking_weights
from .elements import Markup, command_line, element, joined
from .heads import is_confirmation


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


def scores(journal: Journal, name: str, where: Where) -> Markup | None:
    """Builds the commands that score the best trial and the recipe on the test subjects by action, which no sweep does;
    None for a confirmation, which has test scores."""
    if is_confirmation(journal):
        return None
    best = journal.state.best()
    sides: list[tuple[str, Trial]] = [] if best is None else [("the best", best)]
    if best is not None and best.number and 0 in journal.trials and not journal.sweep.single:
        sides.append(("the recipe", journal.trials[0]))
    note = "A sweep selects on validation subjects and never looks at the test subjects. Errors by action there:"
    parts = [element("p", note, class_="note")]
    for who, trial in sides:
        told = f"{who[:1].upper()}{who[1:]}, trial {trial.number}:"
        weights = trial_folder(journal.path.parent, trial.number) / BEST
        if not weights.is_file() and not journal.sweep.checkpoints:
            parts.append(element("p", f"{told} {lacking_weights(journal, trial)}", class_="note"))
            continue
        stem = f"{name}-trial{trial.number}"
        out = (f"{stem}.yaml", f"{stem}.safetensors")
        words = ("--trial", trial.number, "--out", out[0], "--weights", out[1])
        parts.append(command_line(where.line_told("export", name, *words), told))
        parts.append(command_line(where.line("evaluate", out[0], "--weights", out[1])))
    if not sides:
        parts.append(element("p", "No trial has weights to score yet.", class_="note"))
    return joined(parts)
