"""Ray Tune plug-ins (Searcher, TrialScheduler, Callback, Stopper) that delegate to the Conductor."""

from __future__ import annotations

import pickle
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.execution import class_cache
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from ..decisions.conductor import Conductor
from ..decisions.task import Task
from ..executors.faults import loss_of
from ..record.coding import from_text
from ..record.records import PROCESS

ENVIRONMENT = ("DEFAULT_ENV_VARS", "ENV_VARS_TO_PROPAGATE")  # names in Tune's module of what it sets for a trial
COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # Ray's, in tracebacks


@contextmanager
def plain_workers() -> Iterator[None]:
    """Has Tune start trials in the block as they are, in the environment of our own Ray, which is this process's. For
    the variables that it sets otherwise, of which a trial uses none that is not there, Ray waits seconds for an agent
    that makes environments."""
    module = vars(class_cache)
    before = {name: module[name] for name in ENVIRONMENT}
    module.update({name: type(value)() for name, value in before.items()})
    try:
        yield
    finally:
        module.update(before)


class Reins:
    """State shared by the plug-ins: the conductor, and the first exception raised in it. `error`: its traceback, '' if
    there is none; `fault`: what the machine refuses, if that is why the sweep must end. `is_over`: returns why the
    sweep must end, '' while it may continue. `look`: is called many times a second, and answers requests.

    Ray Tune aborts the sweep at any exception of a plug-in; here it is stored instead, and the stopper ends the sweep
    in order."""

    def __init__(
        self, conductor: Conductor, is_over: Callable[[], str], look: Callable[[], None] = lambda: None
    ) -> None:
        self.conductor = conductor
        self.look = look
        self.error = ""
        self._refused = ""
        self._is_over = is_over

    def __reduce__(self) -> tuple[type, tuple[()]]:
        # Tune pickles its plug-ins into a file that we never read: a sweep's state is its journal.
        return (object, ())

    @property
    def end(self) -> str:
        """Returns why the sweep must end now, 'error' or what `is_over` returns ('interrupted'); '' while it may
        continue."""
        return "error" if self.error or self.fault else self._is_over()

    @property
    def fault(self) -> str:
        """Returns what the machine refuses, one line, if the sweep must end for it; else ''."""
        return self._refused or self.conductor.fault

    def stop(self, fault: str) -> None:
        """Ends the sweep for what the machine refuses (`fault`, one line), unless it ends for another reason
        already."""
        self._refused = self._refused or fault

    def guarded(self, act: Callable[[], Any], otherwise: Any) -> Any:
        """Calls `act` and returns its result; if it raises, stores the first traceback in `error`, or the reason in
        `fault` if the machine is at fault, and returns `otherwise`."""
        try:
            return act()
        except Exception as error:
            if loss := loss_of(error):
                self.stop(loss.reason)
            else:
                self.error = self.error or traceback.format_exc()
            return otherwise


class PointSearcher(Searcher):
    """Searcher that returns the conductor's next attempt. A Tune trial is one attempt at a trial of the sweep.
    `to_config`: converts a Task to the Tune trial's config."""

    def __init__(self, reins: Reins, to_config: Callable[[Task], dict[str, Any]]) -> None:
        super().__init__()
        self._reins = reins
        self._to_config = to_config

    def suggest(self, trial_id: str) -> Any:
        """Returns the next attempt's config, None while the most trials are running, or FINISHED when none is left."""
        if self._reins.end:
            return Searcher.FINISHED
        task = self._reins.guarded(self._reins.conductor.next_task, None)
        if task is not None:
            return self._to_config(task)
        return Searcher.FINISHED if self._reins.conductor.has_handed_out_all else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Does nothing: the conductor has received the result already."""

    def save(self, checkpoint_path: str) -> None:
        """Does nothing: the state is in the journal."""

    def restore(self, checkpoint_path: str) -> None:
        """Does nothing: a resumed sweep builds a new searcher from the journal."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Does nothing: the state is in the journal."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (object, ())


class JournalScheduler(FIFOScheduler):
    """Scheduler that passes every report to the conductor, which records it, and stops the trials that the conductor
    ends."""

    # One report at a time: a buffered one would be judged after the trial had trained on.
    _supports_buffered_results = False

    def __init__(self, reins: Reins) -> None:
        super().__init__()
        self._reins = reins

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """Chooses none: Tune then starts the waiting trials in their order. To one chosen here, Ray 2.60 gives the
        process of a trial that has just ended even if its own is starting, which it then ends: with epochs shorter than
        the start of a process, one process would train and the others start for ever."""

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Passes the result's report to the conductor; returns CONTINUE or STOP. A repeated last report, by which Tune
        signals that the function returned, is not recorded again. A result without a report returns CONTINUE."""
        if "report" not in result:
            return str(TrialScheduler.CONTINUE)
        goes_on = self._reins.guarded(lambda: self._reins.conductor.hear(from_text(result["report"])), False)
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (object, ())


class LossCallback(tune.Callback):
    """Callback that reports to the conductor the trials whose function raised or whose process died."""

    def __init__(self, reins: Reins) -> None:
        self._reins = reins

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Records the trial as lost if the machine is at fault, else as failed with its traceback; the sweep
        continues."""
        self._reins.guarded(lambda: self._record(trial), None)

    def _record(self, trial: Trial) -> None:
        number, conductor = trial.config["trial"], self._reins.conductor
        if self._is_past(trial):
            return
        # The driver's own copies: Trial.get_error reads the storage, which has them only later.
        raised = trial.pickled_error_file
        loss = loss_of(pickle.loads(Path(raised).read_bytes())) if raised else None
        if loss is not None:
            conductor.lost(number, loss.reason, loss.cause)
            return
        file = trial.error_file
        if file is None:
            conductor.lost(number, "its process died", PROCESS)
        else:
            conductor.failed(number, COLOUR.sub("", Path(file).read_text(encoding="utf-8")))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Records the trial as failed if its function returned before the last epoch."""
        ended_early = "the trial's function returned before its last epoch"
        conductor = self._reins.conductor
        self._reins.guarded(
            lambda: None if self._is_past(trial) else conductor.failed(trial.config["trial"], ended_early), None
        )

    def _is_past(self, trial: Trial) -> bool:
        """Returns whether a Tune trial is an attempt that another has followed: one that paused may go on elsewhere
        before Tune says that its attempt is over."""
        attempts: int = self._reins.conductor.journal.trials[trial.config["trial"]].attempts
        return bool(trial.config["attempt"] != attempts)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (object, ())


class SweepStopper(tune.Stopper):
    """Stopper that ends the whole sweep once `Reins.end` is set."""

    def __init__(self, reins: Reins) -> None:
        self._reins = reins

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Returns False: single trials are stopped by the scheduler."""
        return False

    def stop_all(self) -> bool:
        """Returns whether the whole sweep ends now; before that, has requests answered."""
        self._reins.guarded(self._reins.look, None)
        return bool(self._reins.end)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (object, ())
