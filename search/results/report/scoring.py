"""Scoring of a sweep's best trial and recipe on the test subjects. Loads torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.batches.samples import facts_of
from data.errors import DataError
from data.synthetic.provide import provide
from trainables.config import config_from
from trainables.prediction.comparison import Clip, compare

from ...record.journal import Journal
from ...record.trial import Trial
from . import kept
from .kept import VERSION, Metrics, Side, Tested
from .testing import weights_file, weights_of

MM = 1000  # the clips are kept in whole millimetres


def score_sides(journal: Journal, sides: Sequence[Trial], tell: Callable[[float, int, str], None]) -> Tested:
    """Scores the best weights of trials of a sweep, the best trial first, as `evaluate` does. `tell` as in `compare`.
    DataError if the data are not those of the sweep; ConfigError or DataError say what is missing."""
    _check_data(journal)
    identities = [weights_of(journal, trial) for trial in sides]
    objective = journal.sweep.objective
    configs = [config_from(trial.config_at(trial.best_epoch(objective) or 1), str(journal.path)) for trial in sides]
    files = [weights_file(journal, trial) for trial in sides]
    found = compare(list(zip(configs, files, strict=True)), tell)
    protocol, skeleton = found.tables[0]["protocol"], found.skeleton
    return Tested(
        version=VERSION,
        sweep=journal.sweep.id,
        data=journal.sweep.facts.fingerprint,
        subjects=protocol["subjects"],
        poses=protocol["scored_poses"],
        sides=[_side(weights, table) for weights, table in zip(identities, found.tables, strict=True)],
        shares=list(found.shares),
        clips=[_clip(clip) for clip in found.clips],
        parents=list(skeleton.parents),
        left=list(skeleton.left),
        right=list(skeleton.right),
    )


def _check_data(journal: Journal) -> None:
    """Raises DataError where the data that train and select are not those of the sweep."""
    data, known = config_from(journal.sweep.base, str(journal.path)).data, journal.sweep.facts.fingerprint
    provide(data)
    now = facts_of(data)["fingerprint"]
    if known and now != known:
        found = f"has the fingerprint {now}, and the sweep was run on {known}"
        raise DataError(f"data.name = {data.name}", [f"{found}; put back the data of then in {data.root}"])


def _side(weights: kept.Weights, table: Mapping[str, Any]) -> Side:
    return Side(
        weights=weights,
        frame_mean=_finite(table["metrics"]["frame_mean"]),
        action_mean=_finite(table["metrics"]["action_mean"]),
        per_action={action: _finite(values) for action, values in table["per_action"].items()},
    )


def _finite(values: Mapping[str, float]) -> Metrics:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _clip(clip: Clip) -> kept.Clip:
    return kept.Clip(
        name=clip.name,
        is_best=clip.is_best,
        frames=clip.frames.tolist(),
        at=clip.at,
        fps=clip.fps,
        truth=_rounded(clip.truth),
        poses=[None if pose is None else _rounded(pose) for pose in clip.poses],
        errors=[
            None if errors is None else [round(one, 1) if math.isfinite(one) else None for one in errors.tolist()]
            for errors in clip.errors_mm
        ],
    )


def _rounded(poses: NDArray[np.float32]) -> list[list[int]]:
    """Rounds poses [n, J, 3] metres to a row of whole millimetres a frame; what is not finite becomes 0."""
    rows: list[list[int]] = (
        np.nan_to_num(poses * MM, posinf=0, neginf=0).round().astype(int).reshape(len(poses), -1).tolist()
    )
    return rows
