"""Fit of a detector's 2D to the 3D of a set: frames without a detection, absurd coordinates, exchanged cameras or
sides, and distances that no detector errs by."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Listed
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from .geometry import project, to_pixels, world_to_camera
from .poseset import Camera, PoseSet, Sequence
from .sentinels import FAR, Mask, Points, not_detected
from .skeleton import Skeleton

# Median distance of a frame's joints from the projected 3D that a clip may have in half of its frames: detectors err by
# 5 to 15 px on people of 500 px, and by less on smaller ones.
LIMIT_PX, LIMIT_SHARE = 20.0, 0.1  # pixels; of the diagonal of the body in the image
# Beyond this many times the limit a frame is off, and a clip with more than this share of them.
FRAME_FACTOR, MOST_OFF = 2.0, 0.1
# Left and right can be told apart where a pair of joints is further apart than this; exchanged ones are nearer to the
# other side's place by this factor.
APART_PX, APART_SHARE, NEARER = 30.0, 0.06, 0.5
FEWEST_TELLING = 3  # frames of a clip, below which nothing is said about left and right
FIRST_SHOWN = 3  # clips that a fault names


@dataclass(frozen=True, slots=True)
class Look:
    """What is wrong in one view of a clip: masks [n] of frames, and texts for the clip as a whole. lost: without a
    detection of some joint; absurd: with coordinates far outside the image; off: far from the 3D."""

    lost: Mask
    absurd: Mask
    off: Mask
    whole: tuple[str, ...] = ()

    @property
    def affected(self) -> int:
        """The number of frames in which anything is wrong; all where the clip as a whole is."""
        return len(self.lost) if self.whole else int((self.lost | self.absurd | self.off).sum())


@dataclass(slots=True)
class _Found:
    """Frames and clips with one fault in one view of a subject."""

    frames: int = 0
    clips: list[str] = field(default_factory=list)


def projected_px(pose3d: NDArray[np.float32], camera: Camera) -> Points:
    """Projects world points [n, J, 3] to pixels [n, J, 2] of a camera."""
    orientation, translation = torch.from_numpy(camera.orientation), torch.from_numpy(camera.translation)
    points = world_to_camera(torch.from_numpy(pose3d), orientation, translation)
    pixels = to_pixels(project(points, torch.from_numpy(camera.intrinsics)), camera.width, camera.height)
    return np.asarray(pixels.numpy(), np.float64)


def detection_faults(poses: PoseSet) -> list[str]:
    """Lists what is wrong with a detector's 2D, a line for each subject, view and kind of fault."""
    found: dict[tuple[str, int, str], _Found] = {}
    for clip in poses.sequences:
        for view, look in enumerate(_looks(clip, poses.skeleton)):
            told = {
                "{frames} frames lack a detection: joints at (0, 0) or another place that means 'not found'": look.lost,
                "{frames} frames have coordinates far outside the image": look.absurd,
            }
            if not look.whole and look.off.mean() > MOST_OFF:
                told["{frames} frames lie far from the 3D seen through this camera"] = look.off
            for text in look.whole:
                told[text] = np.ones_like(look.lost)
            for text, frames in told.items():
                if frames.any():
                    one = found.setdefault((clip.subject, view, text), _Found())
                    one.frames += int(frames.sum())
                    one.clips.append(f"{clip.action} from frame {frames.argmax()}")
    return [
        f"subject {subject}, camera {view}: {text.format(frames=one.frames)}; {named_clips(one.clips)}"
        for (subject, view, text), one in found.items()
    ]


def affected_frames(poses: PoseSet) -> tuple[int, int]:
    """Returns the number of camera frames in which a detector's 2D is not usable as it is, and that of all."""
    looks = [look for clip in poses.sequences for look in _looks(clip, poses.skeleton)]
    return sum(look.affected for look in looks), sum(len(look.lost) for look in looks)


def named_clips(clips: Listed[str]) -> str:
    """Returns the first clips of a fault and how many more there are."""
    more = f" and {len(clips) - FIRST_SHOWN} more clips" if len(clips) > FIRST_SHOWN else ""
    return f"{', '.join(clips[:FIRST_SHOWN])}{more}"


def _looks(clip: Sequence, skeleton: Skeleton) -> Iterator[Look]:
    for view in range(len(clip.cameras)):
        yield _look(clip, view, skeleton)


def _look(clip: Sequence, view: int, skeleton: Skeleton) -> Look:
    camera, pixels = clip.cameras[view], clip.pose2d[view].astype(np.float64)
    size = np.array((camera.width, camera.height), np.float64)
    # A body that is far outside as a whole is no body that has left the image.
    absurd: Mask = np.asarray(((pixels < -FAR * size) | (pixels > (1 + FAR) * size)).any(-1))
    gone = not_detected(pixels, None, camera.width, camera.height)[0] & ~absurd
    nothing = np.zeros(len(pixels), np.bool_)
    lost, wild = np.asarray(gone.any(1)), np.asarray(absurd.any(1))
    if np.isnan(camera.intrinsics).any() or not len(pixels):
        return Look(lost, wild, nothing)
    truth = projected_px(clip.pose3d, camera)
    body = np.linalg.norm(truth.max(1) - truth.min(1), axis=-1)
    limit = np.maximum(LIMIT_PX, LIMIT_SHARE * body)
    seen = ~(gone | absurd)
    error = _typical_px(pixels, truth, seen)
    usable = np.asarray(seen.any(1))
    off = usable & (error > FRAME_FACTOR * limit)
    if not usable.any():
        return Look(lost, wild, off)
    # Over limits and not over pixels: people are near in some frames and far in others.
    own = float(np.median((error / limit)[usable]))
    if own > 1:
        others = {
            other: float(np.median((_typical_px(pixels, projected_px(clip.pose3d, one), seen) / limit)[usable]))
            for other, one in enumerate(clip.cameras)
            if other != view
        }
        best = min(others, key=lambda other: others[other], default=None)
        if best is not None and others[best] < NEARER * own:
            text = f"2D fits the view of camera {best}: the cameras are exchanged; bring them in the order of the 2D"
            return Look(lost, wild, off, (text,))
    sides = _exchanged(pixels, truth, seen, body, skeleton)
    if sides:
        text = f"left and right are exchanged ({', '.join(sides)}); bring the joints in the order of {skeleton.name}"
        return Look(lost, wild, off, (text,))
    if own > 1:
        median = float(np.median(error[usable]))
        text = (
            f"2D lies {median:.0f} px from the 3D seen through this camera, allowed is {np.median(limit):.0f}; look at "
            "the order of the frames, the size of the images and the calibration"
        )
        return Look(lost, wild, off, (text,))
    return Look(lost, wild, off)


def _typical_px(pixels: Points, truth: Points, seen: Mask) -> Points:
    """Returns the median distance [n] over the joints that are seen, 0 where none is. A mean would be that of the few
    joints that a detector loses."""
    distance = np.linalg.norm(pixels - truth, axis=-1)
    if seen.all():
        return np.asarray(np.median(distance, axis=1), np.float64)
    distance[~seen] = np.nan
    distance[~seen.any(1)] = 0
    return np.asarray(np.nanmedian(distance, axis=1), np.float64)


def _exchanged(pixels: Points, truth: Points, seen: Mask, body: Points, skeleton: Skeleton) -> list[str]:
    """Returns the pairs of joints that are exchanged in most of the frames that can tell."""
    found = []
    for left, right in zip(skeleton.left, skeleton.right, strict=True):
        pair, other = [left, right], [right, left]
        apart = np.linalg.norm(truth[:, left] - truth[:, right], axis=-1)
        telling = seen[:, pair].all(1) & (apart > np.maximum(APART_PX, APART_SHARE * body))
        if telling.sum() < FEWEST_TELLING:
            continue
        as_named, swapped = (
            np.linalg.norm(pixels[telling][:, pair] - truth[telling][:, joints], axis=-1).mean(1)
            for joints in (pair, other)
        )
        if (swapped < NEARER * as_named).mean() > 0.5:
            found.append(f"{skeleton.joints[left]} and {skeleton.joints[right]}")
    return found
