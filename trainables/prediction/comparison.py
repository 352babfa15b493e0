"""Comparison of weights on the test split: the table of each, and clips around the best and the worst poses of the
first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.batches.batch import TARGETS
from data.batches.poses import DataModule
from data.batches.tracks import Span
from data.poses.skeleton import Skeleton

from ..config import TrainConfig
from ..pictures.films import MOST_FPS, step_of
from ..runs.evaluate import Opened, open_weights
from ..scoring.evaluation import as_scored, predicted, score, score_poses
from ..scoring.metrics import SHARES, mpjpe_mm
from ..scoring.tables import table
from .videos import UPRIGHT

PART = "test"
EACH = 2  # clips around the best poses, and around the worst
SECONDS = 2.0  # of a clip
MOST_NUMBERS = 60_000  # coordinates of all clips together: at five characters each, 300 kB of text
PROBE, STREAMED_PROBE = 256, 16  # samples of which the time is taken


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """Stretch of a track around one test pose. `name`: subject, action and camera; `is_best`: among the poses with the
    lowest MPJPE, else among those with the highest; `frames` [n]: numbers of the shown frames in the track; `at`: place
    of the pose among them; `fps`: how many are shown a second.

    `truth` [n, J, 3] metres from the root, x right, y down, z forward; `poses`: those of each of the weights, None for
    weights whose test split has other tracks; `errors_mm`: their MPJPE [n], nan for a frame that does not count."""

    name: str
    is_best: bool
    frames: NDArray[np.int64]
    at: int
    fps: float
    truth: NDArray[np.float32]
    poses: tuple[NDArray[np.float32] | None, ...]
    errors_mm: tuple[NDArray[np.float64] | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Tables of several weights, each as `evaluate --json` prints it; the names among their metrics that are shares
    from 0 to 1; the clips, none for meshes, whose images have no order; the skeleton of their J joints."""

    tables: tuple[dict[str, Any], ...]
    shares: tuple[str, ...]
    clips: tuple[Clip, ...]
    skeleton: Skeleton


def compare(sides: Sequence[tuple[TrainConfig, Path]], tell: Callable[[float, int, str], None]) -> Comparison:
    """Scores weights, each with its config, on the test split, as `evaluate` does without options. `tell`: is called
    with the seconds that this will take, the number of scored samples and the device, once all is loaded. ConfigError
    or DataError say what is missing."""
    opened: list[Opened] = []
    for config, weights in sides:
        opened.append(open_weights(config, weights, flip=False, beside=opened[-1] if opened else None))
    first = opened[0]
    tell(sum(_seconds(one) for one in opened), first.data.num_scored(PART), str(first.data.device))
    tables, poses = [], []
    for one in opened:
        if isinstance(one.data, DataModule):
            low, high = one.data.span(PART)
            found = predicted(one.network, one.config, one.data, PART, low, high)
            sums = score_poses(found, one.data, PART, low, low, high)
            poses.append(as_scored(found, one.data))
        else:
            sums = score(one.network, one.config, one.data, PART)
        tables.append(table(sums, one.data, one.protocol))
    return Comparison(
        tables=tuple(tables),
        shares=tuple(name for name in tables[0]["metrics"]["frame_mean"] if name in SHARES),
        clips=tuple(_clips(opened, poses)) if poses else (),
        skeleton=first.data.sizes.skeleton,
    )


@torch.no_grad()
def _seconds(one: Opened) -> float:
    """Estimates how long the test split takes, from a few of its samples."""
    fields = [name for name in one.config.traits.reads if name not in TARGETS]
    count = one.data.count(PART)
    index = one.data.order(PART, 0, 0)[: STREAMED_PROBE if one.data.is_streamed(fields) else PROBE]
    took = 0.0
    for _ in range(2):  # the first pass allocates, compiles, and opens files
        began = time.perf_counter()
        one.network(one.data.gather(PART, index, fields))
        if one.data.device.type == "cuda":
            torch.cuda.synchronize(one.data.device)
        took = time.perf_counter() - began
    return took * count / len(index)


def _clips(opened: Sequence[Opened], poses: Sequence[Tensor]) -> list[Clip]:
    """Cuts the clips around the poses [N, J, 3] metres of the first weights, with the others' beside them."""
    modules = [one.data for one in opened if isinstance(one.data, DataModule)]
    first = modules[0]
    truth, spans = first.truth(PART), first.spans(PART)
    like = [_is_alike(first, other) for other in modules]
    every = mpjpe_mm(poses[0], truth.pose3d).double().cpu().numpy()
    counts = np.isfinite(every)
    if truth.valid is not None:
        counts &= truth.valid.cpu().numpy()
    group = (truth.action * len(first.subjects) + truth.subject).cpu().numpy()
    joints = first.sizes.skeleton.num_joints
    most = MOST_NUMBERS // (2 * EACH * (1 + len(poses)) * joints * 3)
    turn = UPRIGHT if first.config.axes == "world" else np.eye(3, dtype=np.float32)
    clips = []
    for row, is_best in chosen(every, counts, group, spans):
        span = span_at(spans, row)
        rows, fps = shown_frames(span, row, most)
        index = torch.from_numpy(rows).to(first.device)
        true = truth.pose3d[index]
        found = [pose[index] if fits else None for pose, fits in zip(poses, like, strict=True)]
        clips.append(
            Clip(
                name=span.name,
                is_best=is_best,
                frames=rows - span.first,
                at=int(np.flatnonzero(rows == row)[0]),
                fps=fps,
                truth=_turned(true, turn),
                poses=tuple(None if pose is None else _turned(pose, turn) for pose in found),
                errors_mm=tuple(
                    None
                    if pose is None
                    else np.where(counts[rows], mpjpe_mm(pose, true).double().cpu().numpy(), np.nan)
                    for pose in found
                ),
            )
        )
    return clips


def _is_alike(one: DataModule, other: DataModule) -> bool:
    """Returns whether two test splits have the same tracks, joints and axes, so that their poses can be overlaid."""
    return (one.spans(PART), one.sizes.skeleton, one.config.axes) == (
        other.spans(PART),
        other.sizes.skeleton,
        other.config.axes,
    )


def _turned(poses: Tensor, turn: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = poses.float().cpu().numpy() @ turn.T
    return found


def chosen(
    errors: NDArray[np.float64], counts: NDArray[np.bool_], group: NDArray[np.int64], spans: Sequence[Span]
) -> list[tuple[int, bool]]:
    """Chooses EACH frames with the lowest of errors [N] and EACH with the highest, and whether each is of the former,
    among those that `counts` [N]. Clips of a kind do not overlap, and are of different groups [N] as long as there are
    some."""
    found = []
    for is_best in (True, False):
        free, others = counts.copy(), counts.copy()
        for _ in range(EACH):
            among = others & free if (others & free).any() else free
            if not among.any():
                break
            at = int(np.where(among, errors if is_best else -errors, np.inf).argmin())
            found.append((at, is_best))
            span = span_at(spans, at)
            reach = round(SECONDS * (span.fps or MOST_FPS))
            free[max(span.first, at - reach) : min(span.end, at + reach + 1)] = False
            others &= group != group[at]
    return found


def span_at(spans: Sequence[Span], row: int) -> Span:
    """Returns the track in which a stored frame lies."""
    return next(span for span in spans if span.first <= row < span.end)


def shown_frames(span: Span, row: int, most: int) -> tuple[NDArray[np.int64], float]:
    """Returns the stored frames [n], `row` among them, that show SECONDS of a track around `row`, at most `most`, and
    their rate. A track of unknown rate is shown at the highest one of films."""
    fps = span.fps or MOST_FPS
    step = step_of(fps)
    count = min(most, max(1, round(SECONDS * fps / step)))
    before, after = (row - span.first) // step, (span.end - 1 - row) // step
    back = min(before, max(count // 2, count - 1 - after))
    on = min(after, count - 1 - back)
    return np.arange(row - back * step, row + on * step + 1, step), fps / step
