"""Our Searcher, TrialScheduler and Callback: thin faces of the Conductor towards Ray Tune."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from ..decisions.conductor import Conductor, Task
from ..record.records import from_text


class Reins:
    """What the plug-ins share: the conductor, and the first error in it, which ends the sweep in good order.

    Tune lets any exception of a plug-in kill the sweep; here it is kept, and the stopper brings the sweep to an end."""

    def __init__(self, conductor: Conductor, is_over: Callable[[], str]) -> None:
        self.conductor = conductor
        self.error = ""
        self._is_over = is_over

    def __reduce__(self) -> tuple[type, tuple[()]]:
        # Tune pickles its plug-ins into a file that we never read: a sweep's state is its journal.
        return (object, ())

    @property
    def end(self) -> str:
        """Why the sweep must end now: 'error', 'time budget', 'interrupted'; '' while it may go on."""
        return "error" if self.error else self._is_over()

    def guarded(self, act: Callable[[], Any], otherwise: Any) -> Any:
        """What `act` answers, or `otherwise` when it raises."""
        try:
            return act()
        except Exception:
            self.error = self.error or traceback.format_exc()
            return otherwise


class PointSearcher(Searcher):
    """Hands Tune the conductor's next attempt; a Tune trial is one attempt at one of our trials."""

    def __init__(self, reins: Reins, to_config: Callable[[Task], dict[str, Any]]) -> None:
        super().__init__()
        self._reins = reins
        self._to_config = to_config

    def suggest(self, trial_id: str) -> Any:
        """The next attempt's config, None while places are taken, FINISHED when nothing is left."""
        if self._reins.end:
            return Searcher.FINISHED
        task = self._reins.guarded(self._reins.conductor.next_task, None)
        if task is not None:
            return self._to_config(task)
        return Searcher.FINISHED if self._reins.conductor.has_handed_out_all else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: the conductor has heard it."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a resumed sweep builds a new searcher from the journal."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: the journal is the state."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (object, ())


class JournalScheduler(FIFOScheduler):
    """Books every report in the journal and stops the trials that the conductor ends."""

    # One report at a time: a buffered one would be judged after the trial had trained on.
    _supports_buffered_results = False

    def __init__(self, reins: Reins) -> None:
        super().__init__()
        self._reins = reins

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """CONTINUE or STOP; a repeated last result (Tune's way to say that the function returned) is nothing new."""
        if "report" not in result:
            return str(TrialScheduler.CONTINUE)
        goes_on = self._reins.guarded(lambda: self._reins.conductor.hear(from_text(result["report"])), False)
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (object, ())


class LossCallback(tune.Callback):
    """Tells the conductor of trials whose process raised or died."""

    def __init__(self, reins: Reins) -> None:
        self._reins = reins

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """The traceback goes on record; the sweep goes on."""
        # The driver's own copy: Trial.get_error reads the storage, which has it only later.
        file = trial.error_file
        reason = Path(file).read_text(encoding="utf-8") if file else "the trial's process died"
        self._reins.guarded(lambda: self._reins.conductor.lost(trial.config["trial"], reason), None)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A function that returned without ending its trial broke its promise."""
        ended_early = "the trial's function returned before its last epoch"
        self._reins.guarded(lambda: self._reins.conductor.lost(trial.config["trial"], ended_early), None)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (object, ())


class SweepStopper(tune.Stopper):
    """Ends the sweep when its reins say so."""

    def __init__(self, reins: Reins) -> None:
        self._reins = reins

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial is stopped here; the scheduler does that."""
        return False

    def stop_all(self) -> bool:
        """Whether everything ends now."""
        return bool(self._reins.end)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (object, ())
