"""Scores of a sweep's best trial and recipe on the test subjects, which a report keeps beside the journal. No sweep
reads them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from spaces.files import replacing

FILE = "test_scores.json"  # in the folder of the sweep
VERSION = 1  # of what the file holds; one of another version is made again
Metrics = dict[str, float | None]  # by name; None for a value that is not finite


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """Identity of the weights of a trial: after which epoch and attempt, with which config, and a digest of the
    file."""

    trial: int
    attempt: int
    epoch: int | None
    config_id: str
    digest: str


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of one trial, as `evaluate` prints them: means over frames and over actions, and of each action, none for
    meshes."""

    weights: Weights
    frame_mean: Metrics
    action_mean: Metrics
    per_action: dict[str, Metrics]


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """Stretch of a test track around one of the best or worst poses of the best trial. `name`: subject, action and
    camera; `frames`: numbers of the shown frames; `at`: place of the pose among them; `fps`: how many are shown a
    second. `truth`, and `poses` of each side (None: its test split has other tracks): a row a frame of x, y, z of each
    joint in millimetres, x right, y down, z forward; `errors`: MPJPE of each side and frame in millimetres."""

    name: str
    is_best: bool
    frames: list[int]
    at: int
    fps: float
    truth: list[list[int]]
    poses: list[list[list[int]] | None]
    errors: list[list[float | None] | None]


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """Scores on the test subjects. `sweep`: id of the sweep; `data`: fingerprint of its data; `subjects`: those scored,
    or the file of a mesh set; `poses`: number of scored poses; `sides`: the best trial, and the recipe where it is
    another one and has weights; `shares`: metrics from 0 to 1; `parents`, `left`, `right`: skeleton of the clips."""

    version: int
    sweep: str
    data: str
    subjects: list[str]
    poses: int
    sides: list[Side]
    shares: list[str]
    clips: list[Clip]
    parents: list[int]
    left: list[int]
    right: list[int]


def write_tested(folder: Path, tested: Tested) -> None:
    """Writes the scores into the folder of their sweep, atomically. InputError if they cannot be written."""
    with replacing(folder / FILE) as file:
        file.write(msgspec.json.encode(tested))


def read_tested(folder: Path) -> Tested | None:
    """Reads the scores that are kept in the folder of a sweep; None if there are none, or a file that is damaged or of
    another version, as they can be made again."""
    try:
        found = msgspec.json.decode((folder / FILE).read_bytes(), type=Tested)
    except (OSError, ValueError):
        return None
    return found if found.version == VERSION and found.sides else None
