"""Moving skeletons of a report: ground truth against predictions around the best and the worst test poses.

Each view is an SVG in millimetres whose lines are there in the page, at the pose that gave the clip its place, so that
it needs no script to be seen; `skeletons.js` moves their ends."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .elements import Markup, element
from .kept import Clip, Tested

LIFT = math.radians(12)  # the view looks down by this angle, so that the floor is a surface and not a line
ANGLE = 0.6  # radians by which the view is turned at first: depth shows, left and right stay where they are
TILE = 250  # millimetres of a square of the floor
MARGIN = 60  # millimetres around all poses
Points = NDArray[np.float64]


def skeletons(tested: Tested, names: Sequence[str]) -> Markup:
    """Builds the views of all clips, each with its data. `names`: of the sides."""
    clips = [_clip(tested, clip, number, names) for number, clip in enumerate(tested.clips, 1)]
    legend = [
        element("span", text, class_=f"key {kind}")
        for kind, text in (("truth", "ground truth"), ("left", "left"), ("right", "right"), ("middle", "middle"))
    ]
    note = (
        "Test poses of the best trial with the lowest and the highest MPJPE, and two seconds around them. Drag to turn."
    )
    return element(
        "div",
        element("h3", "Best and worst test poses"),
        element("p", note, class_="note"),
        element("p", *legend, class_="note"),
        element("div", *clips, class_="clips"),
    )


def _clip(tested: Tested, clip: Clip, number: int, names: Sequence[str]) -> Markup:
    truth = _points(clip.truth)
    poses = {name: _points(pose) for name, pose in zip(names, clip.poses, strict=True) if pose is not None}
    every = np.concatenate([truth, *poses.values()]).reshape(-1, 3)
    floor = _floor(every, float(truth[..., 1].max()))
    bones = [(child, parent) for child, parent in enumerate(tested.parents) if parent >= 0]
    sides = dict.fromkeys(tested.left, "left") | dict.fromkeys(tested.right, "right")
    kinds = [sides.get(child, "middle") for child, _ in bones]
    errors = {name: row for name, row in zip(names, clip.errors, strict=True) if row is not None}
    identity = f"clip-{number}"
    chosen = _millimetres(next(iter(errors.values()))[clip.at])
    title = f"{'Best' if clip.is_best else 'Worst'}: {clip.name}, frame {clip.frames[clip.at]}, {chosen}"
    views = []
    for name, pose in poses.items():
        lines = [
            *_lines(floor, ["floor"] * len(floor)),
            *_lines(truth[clip.at][bones], ["truth"] * len(bones)),
            *_lines(pose[clip.at][bones], kinds),
        ]
        told = f"{name}: {_millimetres(errors[name][clip.at])}"
        views.append(
            element(
                "figure",
                element("svg", *lines, viewBox=_box(every), role="img", tabindex=0, aria_label=f"Skeleton, {told}"),
                element("figcaption", f"{name}: ", element("b", _millimetres(errors[name][clip.at]))),
            )
        )
    facts = {
        "fps": clip.fps, "at": clip.at, "angle": ANGLE, "lift": LIFT, "bones": bones, "frames": clip.frames,
        "floor": floor.round().astype(int).tolist(), "truth": clip.truth,
        "poses": [pose for pose in clip.poses if pose is not None], "errors": list(errors.values()),
    }  # fmt: skip
    text = json.dumps(facts, separators=(",", ":")).replace("<", "\\u003c")
    return element(
        "div",
        element("h4", title),
        element("div", *views, class_="views"),
        element("script", Markup(text), type="application/json", id=identity),
        class_="clip",
        data_clip=identity,
    )


def _millimetres(error: float | None) -> str:
    return "not scored" if error is None else f"{error:.1f} mm"


def _points(rows: Sequence[Sequence[int]]) -> Points:
    """Returns rows of coordinates as points [n, J, 3]."""
    return np.asarray(rows, np.float64).reshape(len(rows), -1, 3)


def _floor(every: Points, height: float) -> Points:
    """Returns the lines of the floor [n, 2, 3] at a height: squares below all points [N, 3]."""
    reach = TILE * max(1, math.ceil(float(np.hypot(every[:, 0], every[:, 2]).max()) / TILE / math.sqrt(2)))
    found = []
    for at in range(-reach, reach + 1, TILE):
        found += [[(at, height, -reach), (at, height, reach)], [(-reach, height, at), (reach, height, at)]]
    return np.array(found, np.float64)


def _box(every: Points) -> str:
    """Returns the part of the plane, in millimetres, that holds points [N, 3] at every angle of the view."""
    reach = TILE * math.ceil(float(np.hypot(every[:, 0], every[:, 2]).max()) / TILE) + MARGIN
    top = every[:, 1].min() * math.cos(LIFT) - reach * math.sin(LIFT) - MARGIN
    bottom = every[:, 1].max() * math.cos(LIFT) + reach * math.sin(LIFT) + MARGIN
    return f"{-reach} {top:.0f} {2 * reach} {bottom - top:.0f}"


def _lines(ends: Points, kinds: Sequence[str]) -> Iterator[Markup]:
    """Draws lines between ends [n, 2, 3] at the first angle of the view."""
    across = math.cos(ANGLE) * ends[..., 0] + math.sin(ANGLE) * ends[..., 2]
    depth = math.cos(ANGLE) * ends[..., 2] - math.sin(ANGLE) * ends[..., 0]
    down = math.cos(LIFT) * ends[..., 1] - math.sin(LIFT) * depth
    for (x1, x2), (y1, y2), kind in zip(across.round().astype(int), down.round().astype(int), kinds, strict=True):
        yield element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)
