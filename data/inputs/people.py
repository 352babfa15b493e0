"""Choice of one person among those that a detector found in a video."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .detectors.detected import Detected
from .detectors.frames import ONLY
from .detectors.numbers import Points
from .tracks import tracked

# A video whose people are never two at once is of one where it falls into more tracks than these.
FEW, MOST_TRACKS = 2, 0.1
SHOWN = 8  # people, or frames, that a note names


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """One person: values [n, J, 2 or 3] over the n frames of the file, nan where that person was not detected; notes on
    the choice."""

    values: Points
    notes: tuple[str, ...]


def one_person(path: Path, found: Detected, person: str | None) -> Track:
    """Returns the person called `person`, None for the one in most frames, of these the one with the best scores.

    A person is called by the track id of the file, or, where it has none, by the number in order of appearance.
    DataError names those that are there."""
    names, doubtful = _people(found)
    of = {name: np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())}
    if person is not None and person not in of:
        raise DataError(str(path), [f"--person {person}: is not in the file; allowed: {_listed(of)}"])
    if person is None:
        scores = _scores(found)
        person = max(of, key=lambda name: (len(np.unique(found.frame[of[name]])), scores[of[name]].mean()))
    rows = of[person]
    # Of two detections with one id in a frame the better one counts: it is written last.
    rows = rows[np.argsort(_scores(found)[rows], kind="stable")]
    count = (found.last - found.first) // found.step + 1
    values = np.full((count, *found.values.shape[1:]), np.nan)
    values[(found.frame[rows] - found.first) // found.step] = found.values[rows]
    return Track(values=values, notes=tuple(_notes(found, of, person, doubtful.get(person, []))))


def _people(found: Detected) -> tuple[NDArray[np.str_], dict[str, list[int]]]:
    """Returns the name of the person of each detection, and at which frames the person of a name is in doubt."""
    if found.ids is not None:
        # A tracker gives no id to what it is not sure of.
        return np.array([name if name is not None else "" for name in found.ids]), {}
    tracks = tracked(found.values, found.frame, found.step)
    count, frames = int(tracks.track.max()) + 1, len(np.unique(found.frame))
    is_scattered = count > MOST_TRACKS * frames and (count > FEW or count == frames)
    if frames == len(found.frame) and is_scattered:
        # Never two at once, and nobody to follow: pictures with too much time between them for that.
        return np.full(len(found.frame), ONLY), {}
    return tracks.track.astype(str), {str(name): frames for name, frames in tracks.doubtful.items()}


def _scores(found: Detected) -> Points:
    """Returns the score of each detection: the detector's of the person, or the mean of its joints'."""
    if found.score.any() or found.values.shape[-1] < 3:
        return found.score
    means: Points = np.nan_to_num(found.values[..., 2]).mean(1)
    return means


def _notes(found: Detected, of: dict[str, NDArray[np.int64]], person: str, doubtful: list[int]) -> list[str]:
    notes = []
    if found.step > 1:
        notes.append(f"frames are numbered in steps of {found.step}: each one listed is one frame of the output")
    if len(of) > 1:
        frames = len(np.unique(found.frame[of[person]]))
        notes.append(
            f"{len(of)} people, {_listed(of)}: person {person} is taken, in {frames} of "
            f"{(found.last - found.first) // found.step + 1} frames; --person takes another"
        )
    if len(of) > 1 and doubtful:
        told = ", ".join(map(str, doubtful[:SHOWN])) + (
            f" and {len(doubtful) - SHOWN} more" if doubtful[SHOWN:] else ""
        )
        notes.append(f"another person is close to person {person} in frame {told}: look whether it stays the same one")
    return notes


def _listed(of: dict[str, NDArray[np.int64]]) -> str:
    most = sorted(of, key=lambda name: -len(of[name]))[:SHOWN]
    told = ", ".join(f"{name or 'without an id'} ({len(of[name])} frames)" for name in of if name in most)
    return told + (f" and {len(of) - SHOWN} more" if len(of) > SHOWN else "")
