"""Clip validation: arrays from pose files checked, reduced to the joints asked for, cut to one length."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spaces.errors import did_you_mean

from ...errors import DataError
from ...poses.poseset import Array, Sequence
from ...poses.skeleton import H36M_16, H36M_17, Skeleton, kept_joints
from .calibration import Rigs

Clips = Mapping[str, Mapping[str, Any]]  # subject -> action -> what the file holds there

# Metres reach this value nowhere in a room; millimetres exceed it a hand's width away from the origin.
LARGEST_METRES = 100
LARGEST_PX = 100_000  # from the image; a detector that loses a joint writes other numbers


@dataclass(frozen=True, slots=True)
class Check:
    """Collector of faults, each text once, with the skeleton wanted (`is_chosen`: by a knob, else by the 2D), the
    skeletons that 3D and 2D may be stored in, and whether a score column behind the 2D is read."""

    skeleton: Skeleton
    is_chosen: bool
    stored: Mapping[str, tuple[Skeleton, ...]]
    problems: dict[str, None] = field(default_factory=dict)
    has_scores: bool = False

    def fault(self, text: str) -> None:
        self.problems[text] = None


def stored_skeleton(views: Clips) -> Skeleton:
    """Returns the skeleton of the 2D by the joint count of its first array; 17 joints when that is no legal count."""
    arrays = (array for actions in views.values() for clip in actions.values() for array in clip)
    first = next(arrays, None)
    has_16 = isinstance(first, np.ndarray) and first.shape[1:2] == (H36M_16.num_joints,)
    return H36M_16 if has_16 else H36M_17


def chosen_subjects(truth: Clips, subjects: Collection[str] | None, check: Check) -> list[str]:
    """Returns the subjects asked for (None: all), in file order."""
    for name in sorted(set(subjects or ()) - set(truth)):
        check.fault(f"no subject '{name}'{did_you_mean(name, truth)}; subjects here: {', '.join(truth)}")
    return [subject for subject in truth if subjects is None or subject in subjects]


def check_names(truth: Clips, views: Clips, rigs: Rigs, chosen: list[str], check: Check) -> None:
    """Checks that every subject has 2D and cameras, and that both files have the same actions of it."""
    for subject in chosen:
        place = f"subject {subject}"
        if subject not in rigs:
            check.fault(f"{place}: has no cameras; add it to the calibration, which has {', '.join(rigs)}")
        if subject not in views:
            check.fault(f"{place}: 3D without 2D; add its 2D, or leave it out of the data.*_subjects knobs")
            continue
        for action in truth[subject]:
            if action not in views[subject]:
                check.fault(f"{place}, action {action}: 3D without 2D; add its 2D or drop it from the 3D")
        for action in views[subject]:
            if action not in truth[subject]:
                check.fault(f"{place}, action {action}: 2D without 3D; add its 3D or drop it from the 2D")


def check_symmetry(metadata: object, stored: Skeleton, family: str, check: Check) -> None:
    """Checks the joint order by the left and right joints in the metadata: detectors trained on MPII or COCO have other
    joints under the same numbers."""
    sides = metadata.get("keypoints_symmetry") if isinstance(metadata, dict) else None
    if sides is None:
        return
    expected = {frozenset(pair) for pair in zip(stored.left, stored.right, strict=True)}
    try:
        found = {frozenset(pair) for pair in zip(*sides, strict=True)}
    except (TypeError, ValueError):
        found = set()
    if found != expected:
        check.fault(
            f"the 2D's metadata pairs left and right as {sides}, the {stored.num_joints} joints of {family} "
            f"are {[list(stored.left), list(stored.right)]}: other joints (MPII, COCO?); bring them in this order"
        )


def read_clip(subject: str, action: str, pose: Any, pixels: Any, rigs: Rigs, check: Check) -> Sequence | None:
    """Converts the arrays of a clip, which may only be used when `check` has no problem. None when there is no usable
    3D."""
    place, cameras = f"subject {subject}, action {action}", rigs[subject]
    pose3d = reduced(pose, "3D", place, check)
    if pose3d is not None:
        _check_pose(pose3d, place, check)
    views = list(pixels) if isinstance(pixels, list | tuple | np.ndarray) else [pixels]
    if len(views) != len(cameras):
        found = f"2D has {len(views)} views, the calibration has {len(cameras)} cameras"
        check.fault(f"{place}: {found}; give one camera per view, in the order of the views")
    frames = len(pose3d) if pose3d is not None else None
    tracks = [_track(view, frames, f"{place}, camera {at}", check) for at, view in enumerate(views)]
    if pose3d is None:
        return None
    kept = [(track, view) for track, view in zip(tracks, views, strict=True) if track is not None]
    return Sequence(
        subject=subject, action=action, pose3d=pose3d, pose2d=tuple(track for track, _ in kept), cameras=cameras,
        scores=_scores([view[:frames] for _, view in kept], check),
    )  # fmt: skip


def _scores(views: list[Array], check: Check) -> tuple[Array, ...] | None:
    """Returns the score column of every view, in the joints of the skeleton; None where nobody asks, or one
    has none."""
    if not check.has_scores or not views or any(view.shape[2] < 3 for view in views):
        return None
    source = {skeleton.num_joints: skeleton for skeleton in check.stored["2D"]}
    kept = [kept_joints(source[view.shape[1]], check.skeleton) for view in views]
    assert None not in kept, "checked with the 2D itself"
    return tuple(np.ascontiguousarray(view[:, joints, 2], np.float32) for view, joints in zip(views, kept, strict=True))


def paired_clips(
    truth: Clips, views: Clips, rigs: Rigs, chosen: list[str], check: Check, where: str
) -> tuple[Sequence, ...]:
    """Reads every clip of the chosen subjects that has 3D, 2D and cameras, actions in the order of the 2D. DataError
    with all faults in `check`, or when there is no such clip."""
    clips = [
        read_clip(subject, action, truth[subject][action], pixels, rigs, check)
        for subject in chosen
        if subject in rigs
        for action, pixels in views.get(subject, {}).items()
        if action in truth[subject]
    ]
    if not clips:
        check.fault("there is no clip with both 3D and 2D")
    if check.problems:
        raise DataError(where, list(check.problems))
    return tuple(clip for clip in clips if clip is not None)


def _check_pose(pose3d: Array, place: str, check: Check) -> None:
    if not len(pose3d):
        check.fault(f"{place}: 3D has no frames; drop the clip")
        return
    check_finite(pose3d, "3D", place, check)
    size = np.abs(pose3d)
    # The median costs a sort; no clip in metres gets that far.
    if size.max() > LARGEST_METRES and np.median(size) > LARGEST_METRES:
        check.fault(f"{place}: 3D looks like millimetres (median {np.median(size):.0f}); divide it by 1000")


def _track(view: Any, frames: int | None, place: str, check: Check) -> Array | None:
    """Returns one view's 2D, cut to the frames of the motion capture (None: not known), because videos run longer."""
    track = reduced(view, "2D", place, check)
    if track is None:
        return None
    if frames is not None and len(track) < frames:
        found = f"3D has {frames} frames, 2D detections have {len(track)}"
        check.fault(f"{place}: {found}; re-run the detector or drop it")
        return None
    check_finite(track[:frames], "2D", place, check)
    _check_pixels(track[:frames], place, check)
    return track[:frames]


def _check_pixels(track: Array, place: str, check: Check) -> None:
    far = np.abs(track) > LARGEST_PX
    if far.any() and np.isfinite(track).all():
        frame, joint, channel = np.argwhere(far)[0]
        found = f"2D reaches {track[frame, joint, channel]:g} at frame {frame}, joint {joint}"
        check.fault(f"{place}: {found} ({check.skeleton.joints[joint]}), which is no pixel; mend it or drop the clip")


def reduced(array: Any, kind: str, place: str, check: Check) -> Array | None:
    """Reduces an array to the joints of the wanted skeleton, float32 and writable, without a score column behind 2D."""
    channels, allowed = (3, (3,)) if kind == "3D" else (2, (2, 3))
    is_array = isinstance(array, np.ndarray) and array.dtype.kind in "fiu" and array.ndim == 3
    if not is_array or array.shape[2] not in allowed:
        found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
        check.fault(f"{place}: {kind} is {found}; expected numbers of shape (frames, joints, {channels})")
        return None
    count, target = array.shape[1], check.skeleton
    source = {skeleton.num_joints: skeleton for skeleton in check.stored[kind]}
    if count not in source:
        legal = ", ".join(map(str, source)).rpartition(", ")
        check.fault(f"{place}: {kind} has {count} joints; this layout has {' or '.join(filter(None, legal[::2]))}")
        return None
    kept = kept_joints(source[count], target)
    if kept is None:
        asked = "data.joints" if check.is_chosen else "joints of the 2D"
        check.fault(f"{asked} = {target.num_joints}, but the {kind} has {count} joints: use data.joints = {count}")
        return None
    part = array[:, :, :channels]
    if count != target.num_joints:
        part = np.take(part, kept, axis=1)
    with np.errstate(over="ignore"):  # what float32 does not hold becomes infinite, which is a fault
        return np.require(part, np.float32, ("C", "W"))


def check_finite(array: Array, kind: str, place: str, check: Check) -> None:
    is_finite = np.isfinite(array)
    if is_finite.all():
        return
    if not is_finite.any():
        check.fault(f"{place}: {kind} is nan in all {len(array)} frames; re-run the detector or drop the clip")
        return
    frame, joint, channel = np.argwhere(~is_finite)[0]
    found = f"{kind} is {array[frame, joint, channel]} at frame {frame}, joint {joint}"
    check.fault(f"{place}: {found} ({check.skeleton.joints[joint]}); fill the gap or drop the clip")
