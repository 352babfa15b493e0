"""Where the next point comes from: Optuna's sampler over the trials of the sweep, told of every birth and end.

A suggestion is a function of the journal, the seed and the trial's number alone, so a resumed sweep draws what the
unbroken one would have drawn from the same history. So nothing that was drawn or told before may leave a trace: each
draw has a sampler of its own, and the trials that it sees follow from the trials on record in whatever order they came.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NoReturn

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.samplers._tpe import _truncnorm
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.special import log_ndtr

from spaces.space import Domain

from ..record.trial import Trial
from .optuna_terms import Rank, distribution, frozen, rank, to_point

REDRAWS = 50  # draws before a sweep admits that its space has nothing more to offer
# Ended trials that TPE models, and how many of them are there for their rank. It takes at most its best 25 as the good
# ones; the rest tells where not to draw, which only counts near the good ones: there lie the next best and the newest.
MODELLED = 1000
BEST = MODELLED // 4
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
_QUICKENED = "5.0.0"  # the Optuna whose numbers the tests compare


class PointSampler:
    """Draws the points of one sweep. `tell` it of a trial when it is born, when it ends and when it goes on again.

    trials: how many the sweep will have; told: those on record when it begins or goes on."""

    def __init__(
        self,
        domains: Mapping[str, Domain],
        objective: str,
        name: str,
        seed: int,
        trials: int,
        told: Iterable[Trial] = (),
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._domains = domains
        self._objective = objective
        self._name, self._seed, self._length = name, seed, trials
        self._spaces = {path: distribution(domain) for path, domain in domains.items()}
        self._trials: dict[int, Trial] = {}
        self._running: set[int] = set()
        self._ranks: dict[int, Rank] = {}
        self._best: list[Rank] = []  # sorted
        self._numbers: list[int] = []  # of the trials in `_best`, sorted
        self._frozen: dict[int, FrozenTrial] = {}  # those of the last draw, to be used again
        self._view = _View()
        self._study = optuna.create_study(direction="minimize", storage=self._view)
        for trial in told:
            self.tell(trial)

    def tell(self, trial: Trial) -> None:
        """Takes in the present state of a trial."""
        number = trial.number
        self._trials[number] = trial
        self._frozen.pop(number, None)
        self._running.discard(number)
        old, new = self._ranks.pop(number, None), rank(trial, self._objective)
        if old is not None:
            del self._best[bisect_left(self._best, old)]
            del self._numbers[bisect_left(self._numbers, number)]
        if new is not None:
            self._ranks[number] = new
            insort(self._best, new)
            insort(self._numbers, number)
        elif not trial.has_ended:
            self._running.add(number)

    def modelled(self) -> list[FrozenTrial]:
        """The trials that the sampler sees, by number: the BEST in TPE's own order and the most recently born of the
        others, MODELLED of those that ended, and all that run. Failed ones teach TPE nothing."""
        if len(self._best) <= MODELLED:
            chosen = set(self._ranks)
        else:
            chosen = {one[-1] for one in self._best[:BEST]}
            newest = (number for number in reversed(self._numbers) if number not in chosen)
            chosen |= set(islice(newest, MODELLED - BEST))
        old, self._frozen = self._frozen, {}
        for number in sorted(chosen | self._running):
            known = old.get(number)
            self._frozen[number] = known or frozen(self._trials[number], self._spaces, self._objective)
        return list(self._frozen.values())

    def draw(self, number: int, is_legal: Callable[[dict[str, Any]], bool]) -> tuple[dict[str, Any] | None, int]:
        """A legal point for a trial, or None after too many draws, and how many draws were thrown away.

        The sampler has half of the draws, a blind one the rest: a model sure of the best of few points draws it again
        and again."""
        samplers = [self._sampler(name, number) for name in (self._name, "random")]
        self._view.trials, self._view.number = self.modelled(), number
        for thrown in range(REDRAWS):
            self._study.sampler = samplers[thrown >= REDRAWS // 2]
            with _quick_truncated_normal():
                drawn = self._study.ask(self._spaces)
            point = to_point(self._domains, drawn.params)
            if is_legal(point):
                return point, thrown
        return None, REDRAWS

    def _sampler(self, name: str, number: int) -> BaseSampler:
        """The sampler for the draw of one trial, seeded by the sweep and the trial's number."""
        drawn = int(np.random.SeedSequence((self._seed, number)).generate_state(1)[0])
        if name == "random":
            return RandomSampler(seed=drawn)
        # A quarter of a short sweep explores blindly, at most the ten draws of Optuna's default.
        return _Tpe(self._spaces, seed=drawn, n_startup_trials=max(1, min(10, self._length // 4)))


class _Tpe(TPESampler):
    """TPE that finds its joint space in a moment: Optuna's own way compares every distribution of every trial, a third
    of a draw's time, and the cache that saves it would remember trials that are not modelled any more."""

    def __init__(self, spaces: Mapping[str, BaseDistribution], *, seed: int, n_startup_trials: int) -> None:
        super().__init__(seed=seed, n_startup_trials=n_startup_trials, multivariate=True, constant_liar=True)
        self._spaces = spaces

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The knobs that every modelled trial which ended has, by name; they are drawn together."""
        shared = {name for name, space in self._spaces.items() if not space.single()}
        for other in study.get_trials(deepcopy=False, states=_ENDED):
            if len(other.params) < len(self._spaces):
                shared &= other.params.keys()
        return {name: self._spaces[name] for name in sorted(shared)}


class _View(BaseStorage):
    """Shows Optuna the modelled trials and one open draw, without the copies that its own storages make.

    A new draw takes the place of the last one, so a refused one leaves no trace and takes no number."""

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
        """Nothing: the trial that `ask` returns notes it itself."""

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Nothing: TPE puts its draw there for others who share the study, and there are none."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError("a view of the trials is only for `ask`")

    delete_study = set_study_user_attr = set_study_system_attr = get_study_user_attrs = get_all_studies = _refuse
    set_trial_state_values = set_trial_intermediate_value = set_trial_user_attr = _refuse


@contextmanager
def _quick_truncated_normal() -> Iterator[None]:
    """Lets Optuna's truncated normal use scipy's logarithm of the normal distribution instead of its own, a loop in
    Python which is half of a draw's time; their numbers agree to 2e-13. Another Optuna is left as it is."""
    slow = _truncnorm._log_ndtr
    if optuna.__version__ == _QUICKENED:
        _truncnorm._log_ndtr = log_ndtr
    try:
        yield
    finally:
        _truncnorm._log_ndtr = slow
