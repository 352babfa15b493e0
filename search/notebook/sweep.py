"""Sweeps from Python: `launch` runs one, `open_sweep` finds one, and `Sweep` shows, exports and resumes it.

The modules that read, draw and train are imported when they are first needed, so that wrong options are answered at
once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spaces.cli import FAILED, INTERRUPTED
from spaces.loading import named

from ..__main__ import VERBS
from ..cli.command import Where
from ..environment.variables import settle_environment
from ..record.glance import glance
from ..record.journal import FILE, Journal, has_begun
from ..record.plan import STORAGE
from .callbacks import Callbacks
from .options import request_of
from .records import EndRecord, EpochRecord, TrialRecord

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

TEMPLATE = "plotly_white"
OnEpoch = Callable[[EpochRecord], object]
OnEnd = Callable[[EndRecord], object]


class SweepError(RuntimeError):
    """Raised where a sweep failed and no trial of it finished; its text is the last words of the sweep. `sweep`: what
    is on record."""

    def __init__(self, words: str, sweep: Sweep) -> None:
        super().__init__(words)
        self.sweep = sweep


class Sweep:
    """A sweep on disk, running or not. Every method reads its journal as it is now, needs no server, and raises
    DataError if the journal is damaged.

    `folder`: with the journal; `tracking_uri`, `address`: MLflow store and Ray cluster for `resume` (None: the
    defaults)."""

    def __init__(self, folder: Path, tracking_uri: str | None = None, address: str | None = None) -> None:
        self.folder = folder.resolve()
        self.tracking_uri = tracking_uri
        self.address = address
        self._read: tuple[int, Journal] | None = None

    def __repr__(self) -> str:
        if not has_begun(self.folder):
            return f"<Sweep {self.name}: no longer in {self.folder.parent}>"
        found = glance(self.folder / FILE)
        best = "" if found.best is None else f", best {found.sweep.objective} {found.score:.2f} (trial {found.best})"
        ended = f"{found.ended} of {found.sweep.trials} trials ended"
        return f"<Sweep {self.name}: {found.sweep.model}, {found.state}, {ended}{best}>"

    @property
    def name(self) -> str:
        """Returns the sweep's name, which is that of its folder."""
        return self.folder.name

    @property
    def state(self) -> str:
        """Returns 'done', 'time budget', 'gpu hours', 'interrupted', 'error', or 'open' while it runs or after a
        crash."""
        return glance(self.folder / FILE).state

    @property
    def best(self) -> TrialRecord:
        """Returns the trial with the lowest score that keeps the limits of the sweep. ConfigError if there is none."""
        journal = self._journal()
        objective = journal.sweep.objective
        trial = named("search.figures.frames:best_of")(journal)
        score, epoch = trial.score(objective), trial.best_epoch(objective)
        return TrialRecord(
            number=trial.number,
            state=trial.state,
            score=score,
            best_epoch=epoch,
            epochs=trial.last_epoch,
            config_id=trial.config_id,
            knobs=dict(trial.point),
            metrics={**trial.epochs[epoch], **trial.costs},
            config=trial.config,
        )

    def trials(self) -> pd.DataFrame:
        """Returns the table of trials, best first: trial, state, score, epochs, config_id, attempts, seconds, one
        column per searched knob, one per metric at the best epoch."""
        return named("search.figures.frames:trials_frame")(self._journal())

    def pareto(self, metrics: str | Sequence[str] = ()) -> pd.DataFrame:
        """Returns the trials that no other beats in every one of `metrics`, in the columns of `trials`: names, or text
        with commas (none: the sweep's objectives, of which a single one gives the best trial). ConfigError for a metric
        that no trial has."""
        return named("search.figures.frames:front_frame")(self._journal(), _names(metrics))

    def advice(self) -> pd.DataFrame:
        """Returns what the record says about how to search on, a row per finding: kind, knobs, trials, found, do,
        ranges (knob -> entry for `search` of a space file), line (the command to type, '' if there is none)."""
        journal = self._journal()
        findings = named("search.results.advice.advice:advice_on")(journal, Where(**self._places()))
        return named("search.figures.frames:findings_frame")([finding.to_record() for finding in findings])

    def plot_pareto(self, metrics: str | Sequence[str] = ()) -> go.Figure:
        """Draws the trials by two of `metrics`, a third as colour, and joins those on the front: names, or text with
        commas (none: the sweep's objectives). ConfigError for fewer than two or more than three, and for a metric that
        no trial has."""
        return self._drawn("search.figures.fronts:front", _names(metrics))

    def plot_history(self) -> go.Figure:
        """Draws the score of each trial, and the best so far. ConfigError if no trial has a score."""
        return self._drawn("search.figures.plots:history")

    def plot_importance(self, epoch: int | None = None) -> go.Figure:
        """Draws the importance of the knobs by fANOVA, over the trials that reached `epoch` (None: the latest that half
        of them reached). ConfigError if they are too few."""
        return self._drawn("search.figures.plots:importance", epoch)

    def plot_parallel(self) -> go.Figure:
        """Draws each trial as a line across its knobs and its score. ConfigError if no trial has a score."""
        return self._drawn("search.figures.plots:parallel")

    def plot_curves(self, metric: str = "") -> go.Figure:
        """Draws a metric ('': the objective) by epoch, a line per trial. ConfigError if no trial has it."""
        return self._drawn("search.figures.plots:curves", metric)

    def plot_hours(self) -> go.Figure:
        """Draws the best score so far over the device-hours of trials. ConfigError if no trial has a score."""
        return self._drawn("search.figures.courses:hours")

    def plot_survival(self) -> go.Figure:
        """Draws how many trials reached each epoch, by their state. ConfigError if no trial has a score."""
        return self._drawn("search.figures.courses:survival")

    def plot_slices(self) -> go.Figure:
        """Draws the scores against each searched knob, a panel a knob. ConfigError if no trial has a score."""
        return self._drawn("search.figures.slices:slices")

    def plot_spend(self) -> go.Figure:
        """Draws the device-hours by what came of them. ConfigError if none is spent yet."""
        return self._drawn("search.figures.courses:spend")

    def report(self, path: str | Path, force: bool = False, no_scores: bool = False) -> Path:
        """Writes the report of the sweep, one HTML file with all figures, to `path`, and returns `path`. ConfigError if
        the file exists already (unless `force`). `no_scores`: does not score the best trial and the recipe on the test
        subjects, which may take long the first time."""
        given = {"out": path, "force": force, "no_scores": no_scores, **self._places()}
        request, _ = request_of("report", VERBS["report"], self.name, given)
        named(VERBS["report"].run)(request)
        return Path(path)

    def export(
        self,
        path: str | Path,
        weights: str | Path | None = None,
        trial: int | None = None,
        force: bool = False,
    ) -> Path:
        """Writes the best trial, or number `trial`, as a complete config with provenance to `path`, and its weights to
        the file `weights`; returns `path`. ConfigError if a file exists already (unless `force`), or there is nothing
        to write."""
        given = {"out": path, "weights": weights, "trial": trial, "force": force, **self._places()}
        request, _ = request_of("export", VERBS["export"], self.name, given)
        named(VERBS["export"].run)(request)
        return Path(path)

    def resume(
        self,
        time_budget: str | float | None = None,
        gpu_hours: float | None = None,
        on_epoch: OnEpoch | None = None,
        on_end: OnEnd | None = None,
        progress: str | None = None,
    ) -> Sweep:
        """Runs the rest of the sweep, as `launch` would; one that is done prints its leaderboard. `time_budget`: a new
        limit, seconds or text such as '2h'; `gpu_hours`: a new one of device-hours (None: what is left of it);
        `progress`: what is printed, 'live', 'lines' or 'quiet' (None: as on the command line)."""
        given = {"time_budget": time_budget, "gpu_hours": gpu_hours, "progress": progress, **self._places()}
        return _run("resume", self.name, given, on_epoch, on_end)

    def extend(
        self,
        trials: int | None = None,
        epochs: int | None = None,
        time_budget: str | float | None = None,
        gpu_hours: float | None = None,
        on_epoch: OnEpoch | None = None,
        on_end: OnEnd | None = None,
        progress: str | None = None,
    ) -> Sweep:
        """Enlarges the sweep to `trials` trials of `epochs` epochs in all (None: as before) and trains what it lacks
        then. `progress`: as of `resume`. ConfigError if it has as many already, or runs."""
        limits = {"time_budget": time_budget, "gpu_hours": gpu_hours, "progress": progress}
        given = {"trials": trials, "epochs": epochs, **limits, **self._places()}
        return _run("extend", self.name, given, on_epoch, on_end)

    def _drawn(self, name: str, *values: Any) -> go.Figure:
        """Draws the figure that the function `name` makes, on a white ground. That takes longer than many a figure, so
        those of a report, whose page has colours of its own, go without."""
        figure: go.Figure = named(name)(self._journal(), *values)
        return figure.update_layout(template=TEMPLATE)

    def _places(self) -> dict[str, Any]:
        """Returns the location options by which a verb finds this sweep from the present working directory."""
        storage = None if self.folder.parent == Path(STORAGE).resolve() else self.folder.parent
        return {"storage": storage, "tracking_uri": self.tracking_uri, "address": self.address}

    def _journal(self) -> Journal:
        """Reads the journal, again if it has grown since."""
        path = self.folder / FILE
        size = path.stat().st_size if path.exists() else 0
        if self._read is None or self._read[0] != size:
            self._read = size, Journal(path)
        return self._read[1]


def _names(metrics: str | Sequence[str]) -> list[str]:
    names = metrics.split(",") if isinstance(metrics, str) else metrics
    return [name.strip() for name in names if name.strip()]


def launch(
    model_or_space: str | Path,
    *,
    on_epoch: OnEpoch | None = None,
    on_end: OnEnd | None = None,
    **options: object,
) -> Sweep:
    """Runs a new sweep in this process, prints what the command line prints, and returns it.

    `options`: those of `python -m search launch`, with its names and defaults, `--gpus-per-worker` as
    `gpus_per_worker`; `set` takes a mapping knob -> value. `on_epoch`, `on_end`: called with a record after each epoch
    and each end of a trial.

    ConfigError lists every wrong option, and nothing is started then; DataError for invalid data; SweepError if the
    sweep failed and no trial finished; KeyboardInterrupt, once the sweep is closed in order, if it was interrupted."""
    return _run("launch", model_or_space, options, on_epoch, on_end)


def open_sweep(
    name: str,
    storage: str | Path | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
) -> Sweep:
    """Finds the sweep `name` in the folder `storage`, and changes nothing. `tracking_uri`, `address`: for `resume`, as
    on the command line. ConfigError if there is no such sweep, with the nearest name."""
    places = {"storage": storage, "tracking_uri": tracking_uri, "address": address}
    request, _ = request_of("show", VERBS["show"], name, places)
    return Sweep(request.storage / request.name, request.where.tracking_uri, request.where.address)


def _run(verb: str, target: object, options: Any, on_epoch: OnEpoch | None, on_end: OnEnd | None) -> Sweep:
    """Runs a sweep to its end with a verb of the command line; returns it, or raises as `launch` says."""
    callbacks = Callbacks(on_epoch, on_end)
    request, words = request_of(verb, VERBS[verb], target, options)
    settle_environment()
    given = {"words": words} if verb == "launch" else {}  # the others begin no record
    code = named(VERBS[verb].run)(dataclasses.replace(request, watcher=callbacks, **given))
    sweep = Sweep(callbacks.folder or request.folder, request.where.tracking_uri, request.where.address)
    if code == INTERRUPTED:
        raise KeyboardInterrupt(f"sweep {sweep.name} is closed in order; search.open({sweep.name!r}).resume() goes on")
    if code == FAILED and not any(trial.state == "finished" for trial in sweep._journal().trials.values()):
        raise SweepError(callbacks.words or f"sweep {sweep.name} ended without a finished trial: {sweep.state}", sweep)
    return sweep
