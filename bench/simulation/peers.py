"""The peers of bench/search.py: Optuna, Ray Tune and Syne Tune, driven as their own documentation says, each behind the
calls of the product's conductor. They are told every epoch, and a divergence as an error."""

from __future__ import annotations

import datetime
import json
import logging
import math
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import optuna
from optuna.trial import TrialState

from bench.simulation.tasks import OBJECTIVE, is_legal, length_of, recipe_of
from search.decisions.optuna_terms import distribution, to_point
from search.record.plan import Plan
from search.record.records import EndRow, EpochRow, Row


@dataclass
class Attempt:
    """A trial of a peer."""

    trial: int
    config: dict[str, Any]
    attempt: int = 1
    after_epoch: int = 0


@dataclass
class Peer:
    """Part that the peers share: points by trial, the recipe first."""

    points: dict[int, dict[str, Any]] = field(default_factory=dict)

    def handed(self, point: dict[str, Any]) -> Attempt:
        number = len(self.points)
        self.points[number] = point
        return Attempt(number, point)

    def point(self, trial: int) -> dict[str, Any]:
        return self.points[trial]

    def close(self) -> None:
        """Does nothing."""


def as_told(plan: Plan) -> dict[str, Any]:
    """Returns the recipe as Optuna takes it: choices as texts."""
    return {
        path: json.dumps(value) if hasattr(plan.domains[path], "values") else value
        for path, value in recipe_of(plan).items()
    }


class Asking(Peer):
    """Optuna through ask and tell, as its documentation says. `illegal`: what `tell` is given for a point that breaks a
    law."""

    def __init__(self, plan: Plan, study: optuna.Study, **illegal: Any) -> None:
        super().__init__()
        self._domains = plan.domains
        self._spaces = {path: distribution(domain) for path, domain in plan.domains.items()}
        self._study, self._illegal = study, illegal
        self._asked: dict[int, optuna.Trial] = {}
        self._lowest: dict[int, float] = {}

    def next_task(self) -> Attempt:
        while True:
            asked = self._study.ask(self._spaces)
            point = to_point(self._domains, asked.params)
            if is_legal(point):
                break
            self._study.tell(asked, **self._illegal)
        task = self.handed(point)
        self._asked[task.trial] = asked
        return task


class Optuna(Asking):
    """Optuna with one objective."""

    def __init__(self, pruner: Any, plan: Plan) -> None:
        seed = plan.sweep.seed
        sampler = optuna.samplers.TPESampler(seed=seed)
        study = optuna.create_study(sampler=sampler, pruner=pruner, study_name=f"seed {seed}")
        study.enqueue_trial(as_told(plan))
        super().__init__(plan, study, state=TrialState.FAIL)
        self._epochs = length_of(plan)

    def hear(self, report: Row) -> bool:
        assert isinstance(report, EpochRow | EndRow), report
        asked = self._asked[report.trial]
        if isinstance(report, EndRow):
            self._study.tell(asked, state=TrialState.FAIL)
            return False
        value = report.metrics[OBJECTIVE]
        asked.report(value, report.epoch)
        self._lowest[report.trial] = min(value, self._lowest.get(report.trial, math.inf))
        if report.epoch == self._epochs:
            self._study.tell(asked, self._lowest[report.trial])
            return False
        if asked.should_prune():
            self._study.tell(asked, state=TrialState.PRUNED)
            return False
        return True


class RayAsha(Peer):
    """Ray Tune's own scheduler and searcher, without a started Ray. `options`: of its ASHAScheduler."""

    def __init__(self, plan: Plan, **options: int) -> None:
        super().__init__()
        from ray.tune.schedulers import ASHAScheduler
        from ray.tune.search.optuna import OptunaSearch

        logging.getLogger("ray").setLevel(logging.CRITICAL)
        self._epochs, self._domains = length_of(plan), plan.domains
        spaces = {path: distribution(domain) for path, domain in plan.domains.items()}
        self._scheduler = ASHAScheduler(metric="m", mode="min", max_t=self._epochs, **options)
        self._searcher = OptunaSearch(
            space=spaces, metric="m", mode="min", seed=plan.sweep.seed, points_to_evaluate=[as_told(plan)]
        )
        self._trials: dict[int, Any] = {}

    def next_task(self) -> Attempt:
        for number in range(10_000):
            name = f"{len(self.points)}-{number}"
            point = to_point(self._domains, self._searcher.suggest(name))
            if is_legal(point):
                break
            self._searcher.on_trial_complete(name, None, error=True)
        task = self.handed(point)
        self._trials[task.trial] = mock.Mock(trial_id=name)
        self._scheduler.on_trial_add(None, self._trials[task.trial])
        return task

    def hear(self, report: Row) -> bool:
        assert isinstance(report, EpochRow | EndRow), report
        trial = self._trials[report.trial]
        if isinstance(report, EndRow):
            self._scheduler.on_trial_remove(None, trial)
            self._searcher.on_trial_complete(trial.trial_id, None, error=True)
            return False
        result = {"m": report.metrics[OBJECTIVE], "training_iteration": report.epoch}
        if self._scheduler.on_trial_result(None, trial, result) == "STOP" or report.epoch == self._epochs:
            self._scheduler.on_trial_complete(None, trial, result)
            self._searcher.on_trial_complete(trial.trial_id, result)
            return False
        self._searcher.on_trial_result(trial.trial_id, result)
        return True


class SyneAsha(Peer):
    """Syne Tune's ASHA as its baselines make it. `options`: of it. ImportError if it is not installed."""

    def __init__(self, plan: Plan, **options: int) -> None:
        super().__init__()
        from syne_tune import config_space
        from syne_tune.backend.trial_status import Trial
        from syne_tune.optimizer.baselines import ASHA

        logging.getLogger("syne_tune").setLevel(logging.CRITICAL)
        self._epochs, space = length_of(plan), {}
        for path, domain in plan.domains.items():
            if hasattr(domain, "values"):
                space[path] = config_space.choice(list(domain.values))
            else:
                kind = ("log" if domain.log else "") + ("randint" if isinstance(domain.low, int) else "uniform")
                space[path] = getattr(config_space, kind)(domain.low, domain.high)
        self._scheduler = ASHA(
            config_space=space,
            **{"metric": "m", "time_attr": "epoch", "max_t": self._epochs, "random_seed": plan.sweep.seed, **options},
            points_to_evaluate=[recipe_of(plan)],
        )
        self._make = lambda number, point: Trial(number, point, datetime.datetime(2026, 1, 1))
        self._trials: dict[int, Any] = {}

    def next_task(self) -> Attempt:
        while True:
            task = self.handed(dict(self._scheduler.suggest().config))
            trial = self._trials[task.trial] = self._make(task.trial, task.config)
            self._scheduler.on_trial_add(trial)
            if is_legal(task.config):
                return task
            self._scheduler.on_trial_error(trial)

    def hear(self, report: Row) -> bool:
        assert isinstance(report, EpochRow | EndRow), report
        trial = self._trials[report.trial]
        if isinstance(report, EndRow):
            self._scheduler.on_trial_error(trial)
            return False
        result = {"m": report.metrics[OBJECTIVE], "epoch": report.epoch}
        goes_on = self._scheduler.on_trial_result(trial, result) == "CONTINUE"
        if report.epoch == self._epochs:
            self._scheduler.on_trial_complete(trial, result)
        return goes_on and report.epoch < self._epochs
