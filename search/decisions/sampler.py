"""Samples the points of a sweep with an Optuna sampler (TPE or random) over the trials in the journal.

A sampled point is a function of the journal, the seed and the trial's number alone, so a resumed sweep samples what an
uninterrupted one would have sampled from the same history. Therefore no state survives a draw: each draw has a new
sampler, and the trials that it sees follow from the recorded trials, independent of the order in which they arrived."""

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
    """Samples the points of one sweep. Call `tell` with a trial when it is created, when it ends and when it restarts.

    `domains`: dotted path -> domain of the searched knobs. `objective`: the metric to minimise. `name`: 'tpe' or
    'random'. `seed`: the sweep's. `trials`: planned number of trials. `told`: trials recorded before."""

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
        """Updates the sampler with the current state of a trial."""
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
        """Returns the trials that the sampler sees, by number: all running ones, and at most MODELLED of the ended
        ones, the BEST in TPE's ranking and the most recently created of the rest. Failed trials are left out."""
        if len(self._best) <= MODELLED:
            chosen = set(self._ranks)
        else:
            chosen = {one[-1] for one in self._best[:BEST]}
            newest = (number for number in reversed(self._numbers) if number not in chosen)
            chosen |= set(islice(newest, MODELLED - BEST))
        old, self._frozen = self._frozen, {}
        for number in sorted(chosen | self._running):
            known = old.get(number)
            self._frozen[number] = known or frozen(self._trials[number], self._domains, self._objective)
        return list(self._frozen.values())

    def draw(self, number: int, is_legal: Callable[[dict[str, Any]], bool]) -> tuple[dict[str, Any] | None, int]:
        """Samples a valid point for trial `number`. Returns the point, None after REDRAWS rejected draws, and the
        number of rejected draws. `is_legal`: accepts or rejects a point.

        The first half of the draws uses the configured sampler, the rest random sampling: TPE on a nearly exhausted
        space samples the same best points again and again."""
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
        """Builds the Optuna sampler `name` for the draw of one trial, seeded by the sweep's seed and the trial's
        number."""
        drawn = int(np.random.SeedSequence((self._seed, number)).generate_state(1)[0])
        if name == "random":
            return RandomSampler(seed=drawn)
        # A quarter of a short sweep explores blindly, at most the ten draws of Optuna's default.
        return _Tpe(self._spaces, seed=drawn, n_startup_trials=max(1, min(10, self._length // 4)))


class _Tpe(TPESampler):
    """TPE sampler with a faster joint search space. Optuna's own intersection compares every distribution of every
    trial, a third of a draw's time, and its cache would include trials that are no longer modelled."""

    def __init__(self, spaces: Mapping[str, BaseDistribution], *, seed: int, n_startup_trials: int) -> None:
        super().__init__(seed=seed, n_startup_trials=n_startup_trials, multivariate=True, constant_liar=True)
        self._spaces = spaces

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Returns the distributions, sorted by name, of the knobs that have more than one value and are set in every
        modelled ended trial; they are sampled jointly."""
        shared = {name for name, space in self._spaces.items() if not space.single()}
        for other in study.get_trials(deepcopy=False, states=_ENDED):
            if len(other.params) < len(self._spaces):
                shared &= other.params.keys()
        return {name: self._spaces[name] for name in sorted(shared)}


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


@contextmanager
def _quick_truncated_normal() -> Iterator[None]:
    """Replaces Optuna's log of the normal CDF, a Python loop that takes half of a draw's time, by scipy's `log_ndtr`
    within the block; their values agree to 2e-13. Does nothing for any other version of Optuna than the tested one."""
    slow = _truncnorm._log_ndtr
    if optuna.__version__ == _QUICKENED:
        _truncnorm._log_ndtr = log_ndtr
    try:
        yield
    finally:
        _truncnorm._log_ndtr = slow
