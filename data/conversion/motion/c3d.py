"""Reader of C3D files: trajectories of markers, and what the software of a laboratory computed from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import ezc3d
import numpy as np

from ...errors import DataError
from .recording import Recording
from .rotations import Signal

METRES: Mapping[str, float] = MappingProxyType({"mm": 0.001, "cm": 0.01, "m": 1.0, "in": 0.0254})
# Numbers in the place of points: angles, forces and so on, which software stores as points of three coordinates.
NO_PLACE = re.compile(r"angle|force|moment|power|grf|score|work$|energy", re.I)
NO_PLACES = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS", "REACTIONS", "SCORES")
LONGEST_GAP = 0.25  # seconds without a marker that are filled on a straight line
MOST_FRAMES = 65_535  # that the 16 bits of the header count; ezc3d reads no more (findings/c3d_most_frames.sh)
FEWEST_OF_ONE = 10  # labels with one prefix, from which it is a person's and no object's


def read_c3d(path: Path) -> Recording:
    """Reads a .c3d file: lower-case label without the subject's name -> positions [n, 3], nan where it was not seen.
    DataError when it is damaged, cut off, without points or their rate, of an unknown unit, or of several people."""
    try:
        content = ezc3d.c3d(str(path))
        point = content["parameters"]["POINT"]
        labels = [str(label).strip() for label in _all_labels(point)]
        rate, units = float(point["RATE"]["value"][0]), str((point["UNITS"]["value"] or ["mm"])[0]).strip().lower()
        places = np.asarray(content["data"]["points"][:3], np.float64).transpose(1, 2, 0)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise DataError(str(path), [f"is no C3D file that can be read: {str(error) or type(error).__name__}"]) from None
    problems = []
    if not places.size:
        problems.append("has no points; it is a file of analog signals only")
    elif (count := places.shape[1]) < (announced := _announced(path)):
        problems.append(f"announces {announced} frames and has {count}; the file is cut off, get it again")
    if not rate > 0:
        problems.append("tells no rate of its points (POINT:RATE)")
    if units not in METRES:
        problems.append(f"has the unit '{units}'; known are {', '.join(METRES)}")
    people = _people(labels)
    if len(people) > 1:
        problems.append(f"holds {len(people)} people ({', '.join(people)}); export each to a file of its own")
    if problems:
        raise DataError(str(path), problems)
    # Some software writes zeros for what it has not seen.
    places = np.where((places == 0).all(-1, keepdims=True), np.nan, places)
    others = {str(label).strip() for group in NO_PLACES for label in point.get(group, {"value": []})["value"]}
    points: dict[str, Signal] = {}
    for label, track in zip(labels, places, strict=False):
        prefix, _, name = label.rpartition(":")
        is_place = label not in others and not NO_PLACE.search(name) and bool(np.isfinite(track).any())
        if is_place and (not prefix or not people or prefix in people):
            points.setdefault(name.lower(), _filled(track, round(LONGEST_GAP * rate)))
    notes = (f"has {MOST_FRAMES} frames, the most its header counts; later ones are not read",)
    is_full = places.shape[1] == MOST_FRAMES
    return Recording(points=points, fps=round(rate, 2), metres_per_unit=METRES[units], notes=notes if is_full else ())


def _announced(path: Path) -> int:
    """Returns how many frames the header counts; ezc3d stops at the end of the file and counts anew."""
    with path.open("rb") as file:
        head = file.read(10)
    # Big-endian files, of MIPS processors, are none that ezc3d reads.
    first, last = (int.from_bytes(head[at : at + 2], "little") for at in (6, 8))
    return last - first + 1


def _all_labels(point: Mapping[str, Mapping[str, list[str]]]) -> list[str]:
    """Returns the labels of all points: beyond 255 they go on in LABELS2 and so on."""
    found = list(point["LABELS"]["value"])
    number = 2
    while f"LABELS{number}" in point:
        found += point[f"LABELS{number}"]["value"]
        number += 1
    return found


def _people(labels: list[str]) -> list[str]:
    """Returns the prefixes that stand before enough labels to be a person's."""
    prefixes = [label.rpartition(":")[0] for label in labels]
    return [prefix for prefix in dict.fromkeys(prefixes) if prefix and prefixes.count(prefix) >= FEWEST_OF_ONE]


def _filled(track: Signal, longest: int) -> Signal:
    """Returns positions [n, 3] with gaps of up to `longest` frames filled on straight lines."""
    seen = np.isfinite(track).all(-1)
    if seen.all() or not seen.any():
        return track
    frames = np.arange(len(track))
    known = np.flatnonzero(seen)
    between = np.stack([np.interp(frames, known, track[known, axis]) for axis in range(3)], axis=-1)
    after = np.searchsorted(known, frames)
    inside = (after > 0) & (after < len(known))
    width = np.full(len(track), len(track))
    width[inside] = known[after[inside]] - known[after[inside] - 1] - 1
    filled: Signal = np.where((seen | (width <= longest))[:, None], between, np.nan)
    return filled
