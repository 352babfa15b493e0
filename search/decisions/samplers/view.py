"""Asks Optuna's samplers for points of one trial, over trials that are given to each call."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


class Asker:
    """Optuna study without memory, whose samplers see the trials of each call and nothing else. `objectives`: number of
    metrics, all to be minimised."""

    def __init__(self, objectives: int = 1) -> None:
        self._view = _View()
        self.study = optuna.create_study(directions=["minimize"] * objectives, storage=self._view)

    def ask(
        self, sampler: BaseSampler, trials: list[FrozenTrial], number: int, spaces: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns the sampler's next parameters for trial `number`. `trials`: those that it sees, by number; `spaces`:
        the parameters' distributions."""
        self._view.trials, self._view.number = trials, number
        self.study.sampler = sampler
        params = self.study.ask(dict(spaces)).params
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()}


def searched(spaces: Mapping[str, BaseDistribution]) -> dict[str, BaseDistribution]:
    """Returns the distributions with more than one value, sorted by name: what a sampler models jointly. Every trial
    that it sees has a value in each."""
    return {name: spaces[name] for name in sorted(spaces) if not spaces[name].single()}


class _View(BaseStorage):
    """Read-only Optuna storage of the modelled trials and one open draw, without the copies that Optuna's own storages
    make.

    A new draw replaces the previous one, so a rejected draw leaves no state and uses no number."""

    def __init__(self) -> None:
        self.trials: list[FrozenTrial] = []
        self.number = 0
        self._directions: list[StudyDirection] = []
        self._open: FrozenTrial | None = None

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        self._directions = list(directions)
        return 0

    def get_study_id_from_name(self, study_name: str) -> int:
        return 0

    def get_study_name_from_id(self, study_id: int) -> str:
        return "sweep"

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._directions

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return {}

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        self._open = FrozenTrial(
            number=self.number,
            trial_id=self.number,
            state=TrialState.RUNNING,
            value=None,
            params={},
            distributions={},
            intermediate_values={},
            user_attrs={},
            system_attrs={},
            datetime_start=None,
            datetime_complete=None,
        )
        return self.number

    def get_trial(self, trial_id: int) -> FrozenTrial:
        assert self._open is not None, "nothing is drawn yet"
        return self._open

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return [trial for trial in self.trials if states is None or trial.state in states]

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Does nothing: the trial that `ask` returns stores its own parameters."""

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Does nothing: TPE stores its draw there for other processes of a shared study, and there are none."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError("a view of the trials is only for `ask`")

    delete_study = set_study_user_attr = set_study_system_attr = get_study_user_attrs = get_all_studies = _refuse
    set_trial_state_values = set_trial_intermediate_value = set_trial_user_attr = _refuse
