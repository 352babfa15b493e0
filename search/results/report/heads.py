"""The head of a sweep's report: what was searched, with what data, how it stands, and its best trial."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from spaces.schema import spelled

from ...record.durations import duration_text
from ...record.history import origin_text
from ...record.journal import Journal, is_held
from ...record.plan import CONFIRMED
from ...record.spending.split import amount_text
from ...record.trial import Trial
from ..leaderboard import sweep_state
from .elements import Markup, element, facts, joined, number_text, table

STATES = {
    "done": "done",
    "time budget": "its time budget is over",
    "gpu hours": "its device-hours are spent",
    "interrupted": "interrupted",
    "error": "ended by an error",
}


def state_text(journal: Journal) -> str:
    """Describes the state of a sweep; of an open one, whether a process runs it."""
    state = sweep_state(journal)
    if state == "open":
        return "running" if is_held(journal.path) else "unfinished: nobody runs it"
    return STATES.get(state, state)


def moment(ts_ms: int) -> str:
    """Formats a time of a record for people, with the offset of this machine's time zone."""
    return datetime.fromtimestamp(ts_ms / 1000).astimezone().isoformat(sep=" ", timespec="minutes")


def head(journal: Journal, name: str) -> Markup:
    """Builds the title of the report and its key figures."""
    sweep, objective, best = journal.sweep, journal.sweep.objective, journal.state.best()
    split = journal.state.spend.split()
    kind = "one run" if sweep.single else "confirmation" if is_confirmation(journal) else f"recipe {sweep.recipe}"
    lead = [sweep.model, kind, str(sweep.facts.data.get("set", "")), state_text(journal), origin_text(sweep)]
    recipe = None if sweep.single or is_confirmation(journal) else journal.trials.get(0)
    tiles: list[tuple[str, str]] = []
    if best is None:
        tiles.append(("none", f"no trial with a score{' that keeps the limits' if sweep.limits else ''} yet"))
    else:
        tiles.append((number_text(best.own_score), f"best {objective}, trial {best.number}"))
    if recipe is not None and recipe.own_score is not None:
        tiles.append((number_text(recipe.own_score), f"recipe's {objective}, trial 0"))
    tiles.append((f"{journal.state.ended} of {sweep.trials}", "trials ended"))
    tiles.append((amount_text(split.used), f"{split.unit}-hours of trials"))
    if split.price is not None:
        tiles.append((amount_text(split.used * split.price), "their price"))
    tiles.append((duration_text(round(journal.state.spend.wall_s())), "from start to end of its sessions"))
    return element(
        "header",
        element("h1", name),
        element("p", ", ".join(filter(None, lead)), class_="lead"),
        element(
            "div", *(element("div", element("b", text), element("span", what), class_="tile") for text, what in tiles),
            class_="tiles",
        ),
    )  # fmt: skip


def is_confirmation(journal: Journal) -> bool:
    """Returns whether a sweep trains given configs with several seeds (`confirm`)."""
    return not journal.sweep.single and journal.sweep.recipe == CONFIRMED


def overview(journal: Journal) -> Markup:
    """Builds the facts on a sweep, and the knobs of its best trial beside the recipe's."""
    sweep, state = journal.sweep, journal.state
    counts = Counter(trial.state for trial in journal.trials.values())
    rows: list[tuple[str, object]] = [
        ("state", state_text(journal)),
        ("begun", moment(sweep.ts_ms)),
        ("model", sweep.model),
        ("data", ", ".join(f"{key} {plain_text(value)}" for key, value in sweep.facts.data.items())),
        ("objective", ", ".join(sweep.objectives)),
        ("limits", ", ".join(limit.text for limit in sweep.limits)),
        ("trials", ", ".join(f"{count} {name}" for name, count in counts.items()) or "none yet"),
        ("epochs", f"{sweep.knob('loop.epochs')} of a whole trial, {state.spend.epochs} on record"),
        *((name, sweep.option(name)) for name in ("sampler", "scheduler", "seed")),
        ("spent", str(state.spend.split()).removeprefix("spent: ")),
        ("comes from", origin_text(sweep)),
        ("enlarged", "; ".join(_extension(row) for row in state.extensions)),
        ("notes", joined(element("div", note) for note in state.notes) if state.notes else ""),
    ]
    best = state.best()
    known = [element("h3", f"Best: trial {best.number}"), _best(journal, best)] if best is not None else []
    return element("div", element("div", facts(rows)), element("div", *known), class_="columns")


def _best(journal: Journal, best: Trial) -> Markup:
    """Builds the metrics of the best trial and its searched knobs beside those of the recipe."""
    epoch = best.best_epoch(journal.sweep.objective)
    metrics = {} if epoch is None else {**best.epochs[epoch], **best.costs}
    rows: list[tuple[object, object]] = [(name, number_text(value)) for name, value in metrics.items()]
    told = facts([("epoch", f"{epoch} of {best.last_epoch}"), *rows])
    knobs = best.knobs_at(epoch or 1)
    if not knobs:
        return told
    cells = [(path, plain_text(journal.sweep.knob(path)), plain_text(value)) for path, value in knobs.items()]
    return joined([told, table(["knob", "recipe", "best"], cells)])


def _extension(row: Any) -> str:
    sizes = {"trials": row.trials, "epochs": row.epochs}
    return f"to {', '.join(f'{size} {name}' for name, size in sizes.items() if size is not None)}, {moment(row.ts_ms)}"


def plain_text(value: Any) -> str:
    """Formats a value of a record or config for a table."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return " ".join(map(str, value)) if isinstance(value, list) else spelled(value)
