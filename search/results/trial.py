"""All that is known of one trial, as JSON and as text: state, reason, epochs, changed knobs, files."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from spaces.schema import flat, spelled
from spaces.table import fitted_table
from trainables.runs.names import BEST, is_output

from ..environment.store import redacted
from ..record.journal import Journal, trial_folder
from ..record.records import LOST
from ..record.trial import Trial
from .front import measured_values, value_text
from .leaderboard import left_out_text


def trial_facts(journal: Journal, trial: Trial) -> dict[str, Any]:
    """Builds the JSON form of `show --trial`. `reason`: text of the end, for a failed trial its whole traceback;
    `changes`: dotted knob -> [value in the recipe, value in the trial]; `turns`: after which epochs it
    went on from the state of another trial, with which knobs; `epochs`: metrics of each, null where they are not
    finite; `logs`, `weights`: paths of the files on this machine, [] and null if there are none; `copies`: URI to which
    the sweep copies checkpoints, '' if they are kept in its folder only."""
    objective, folder = journal.sweep.objective, trial_folder(journal.path.parent, trial.number)
    weights = folder / BEST
    logs = sorted(path for path in folder.glob("*") if is_output(path.name))
    recipe, ours = flat(journal.sweep.base), flat(trial.unchecked_config) or dict(trial.point)
    return {
        "sweep": journal.sweep.name,
        "trial": trial.number,
        "state": trial.state,
        "reason": trial.reason,
        "cause": trial.cause if trial.state == LOST else "",
        "attempts": trial.attempts,
        "objective": objective,
        "objectives": measured_values(journal, trial),
        "limits": [limit.text for limit in journal.sweep.limits],
        "broken": list(trial.broken),
        "score": trial.score(objective),
        "best_epoch": trial.best_epoch(objective),
        "config_id": trial.config_id,
        "changes": {knob: [recipe.get(knob), value] for knob, value in ours.items() if recipe.get(knob) != value},
        "turns": [turn._asdict() for turn in trial.turns],
        "epochs": [
            {"epoch": epoch, **{name: value if math.isfinite(value) else None for name, value in metrics.items()}}
            for epoch, metrics in sorted(trial.epochs.items())
        ],
        "logs": [str(path) for path in logs],
        "weights": str(weights) if weights.is_file() else None,
        "copies": redacted(journal.sweep.checkpoints),
    }


def trial_text(facts: dict[str, Any], line: Callable[..., str], width: int | None = None) -> str:
    """Formats what `trial_facts` builds, one fact a line, then changed knobs, epochs, and the reason if it has more
    than one line. `line`, `width` as in `leaderboard_text`."""
    reason = facts["reason"].strip()
    cause = f" ({facts['cause']})" if facts["cause"] else ""
    short = "" if not reason else f": {reason.splitlines()[-1]}"
    score = "none" if facts["score"] is None else f"{facts['score']:.2f} at epoch {facts['best_epoch']}"
    lines = [
        f"trial {facts['trial']} of sweep {facts['sweep']}: {facts['state']}{cause}{short}",
        f"attempts: {facts['attempts']}",
        f"best {facts['objective']}: {score}",
        *_objective_lines(facts),
        f"log: {', '.join(facts['logs']) or 'none on this machine'}",
        f"weights: {facts['weights'] or 'none on this machine'}",
    ]
    if facts["copies"]:
        lines.append(f"checkpoints are copied to: {facts['copies']}")
    lines += ["", "changes to the recipe:" if facts["changes"] else "changes to the recipe: none"]
    lines += [f"  {knob}: {spelled(ours)} -> {spelled(theirs)}" for knob, (ours, theirs) in facts["changes"].items()]
    for turn in facts["turns"]:
        knobs = " ".join(f"{knob}={spelled(value)}" for knob, value in turn["knobs"].items())
        lines.append(f"after epoch {turn['epoch']} from the state of trial {turn['donor']}: {knobs}")
    if facts["epochs"]:
        names = list(dict.fromkeys(name for row in facts["epochs"] for name in row))
        rows = [[_cell(row.get(name)) for name in names] for row in facts["epochs"]]
        ranks = [int(name not in ("epoch", facts["objective"])) for name in names]
        table, left_out = fitted_table(names, rows, ranks, width)
        lines += ["", table, *left_out_text(left_out, line("--trial", facts["trial"], "--wide"))]
    if "\n" in reason:
        lines += ["", reason]
    return "\n".join(lines)


def _objective_lines(facts: dict[str, Any]) -> list[str]:
    """Formats the further objectives, the costs and the limits of a trial, a line each where there are such."""
    others = {name: value for name, value in facts["objectives"].items() if name != facts["objective"]}
    shown = ", ".join(f"{name} {value_text(value) or 'not known'}" for name, value in others.items())
    broken = f"breaks {'; '.join(facts['broken'])}" if facts["broken"] else "keeps them, as far as is known"
    limits = [f"limits {', '.join(facts['limits'])}: {broken}"] if facts["limits"] else []
    return [*([f"also: {shown}"] if shown else []), *limits]


def _cell(value: Any) -> object:
    return f"{value:.2f}" if isinstance(value, float) else value
