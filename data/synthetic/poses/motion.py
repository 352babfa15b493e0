"""Procedural human motion, deterministic by seed: 17 joints, world metres, z up, 50 Hz.

Every clip draws from default_rng([seed, subject, clip, stream]) alone, so clips do not depend on their order or on who
makes them. Arithmetic is float64 and the result lies on a grid of 2^-16 m: rounding differences between processors are
far below half a step of the grid, and the same seed gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .body import SkeletonName, draw_body, place_joints
from .modes import NUM_CHANNELS, WANDER, Acts, Mode, act, blend, draw_style
from .signals import FPS, Signal, cosine_sine, crossfade, integral, noise, smoothed

STYLE_STREAM, NOISE_STREAM = 0, 1
DRAWN_MODES: tuple[Mode, ...] = (
    "gait",
    "sit",
    "reach",
    "free",
    "free",
    "free",
    "free",
)  # each 1/7 of the clips
MIXED_SHARE, JUMP_SHARE = 0.3, 0.05  # of the clips
CROSSFADE_FRAMES = 50
SHORTEST_MIXED = 3 * CROSSFADE_FRAMES
PATH_HZ = 0.12  # corner frequency of the free root path
ANKLE_HEIGHT = 0.08  # metres; of the lower ankle
CONTACT_FRAMES = 9  # of the Hann window that smooths the height above the floor
GRAVITY = 9.81
GRID = 2**16  # steps per metre


def motion(
    seed: int,
    subject: int,
    clip: int,
    num_frames: int,
    *,
    modes: Sequence[Mode] | None = None,
    skeleton: SkeletonName = "h36m",
) -> NDArray[np.float32]:
    """Generates one clip [n, 17, 3] in the joint order of H36M_17, near the world origin.

    modes: one, or two with a cross-fade of a second from the first to the second; None draws them. Lengths of bones
    depend on seed, subject and skeleton only."""
    assert modes is None or len(modes) in (1, 2), modes
    rng = np.random.default_rng([seed, subject, clip, STYLE_STREAM])
    style = draw_style(rng)
    drawn = _draw_modes(rng, num_frames)
    acted_modes = drawn if modes is None else modes
    fade = num_frames * rng.uniform(0.35, 0.65)
    jumps = _jumps(rng, num_frames)
    offset = rng.uniform(-0.3, 0.3, (2, 1))
    body = draw_body(seed, subject, skeleton)
    spectra = ((style.tempo_hz, NUM_CHANNELS), (PATH_HZ, 2))
    channels = noise(np.random.default_rng([seed, subject, clip, NOISE_STREAM]), spectra, num_frames)
    leg_length = float(body.upper[0].mean() + body.lower[0].mean())
    acted, *rest = (act(mode, style, channels[:-2], leg_length) for mode in acted_modes)
    for following in rest:
        acted = blend(acted, following, crossfade(num_frames, fade, CROSSFADE_FRAMES))
    heading = cosine_sine(style.heading + integral(acted.yaw_rate))
    path = offset + _path(acted, heading, channels[-2:])
    joints = place_joints(body, acted.limbs, acted.trunk, heading, path)
    lowest = np.minimum(joints[3, 2], joints[6, 2])
    joints[:, 2] += smoothed(ANKLE_HEIGHT - lowest, CONTACT_FRAMES)
    if "sit" not in acted_modes:
        joints[:, 2] += jumps
    joints *= GRID
    np.rint(joints, out=joints)
    joints /= GRID
    return np.ascontiguousarray(joints.transpose(2, 0, 1), dtype=np.float32)


def _draw_modes(rng: np.random.Generator, num_frames: int) -> list[Mode]:
    first, second = (DRAWN_MODES[index] for index in rng.integers(len(DRAWN_MODES), size=2))
    is_mixed = rng.random() < MIXED_SHARE and num_frames >= SHORTEST_MIXED
    return [first, second] if is_mixed and first != second else [first]


def _jumps(rng: np.random.Generator, num_frames: int) -> Signal:
    """Draws the height [n] of ballistic jumps of 0.3 to 0.5 s, about one in 3 s, in 5 % of the clips; else 0."""
    is_jumping = rng.random() < JUMP_SHARE
    count = 1 + num_frames // 150
    half = rng.uniform(0.15, 0.25, (count, 1))
    since = (np.arange(num_frames) - rng.uniform(0, num_frames, (count, 1))) / FPS
    height: Signal = np.maximum(half**2 - since**2, 0).max(0) * (GRAVITY / 2 * is_jumping)
    return height


def _path(acted: Acts, heading: Signal, wander: Signal) -> Signal:
    """Integrates the horizontal path of the root [2, n], centred on the world origin; heading [2, n] is a unit
    vector."""
    velocity = acted.ahead * heading
    velocity[:, 1:] += acted.wander[1:] * WANDER * FPS * np.diff(wander)
    path = integral(velocity)
    path -= (path.min(1, keepdims=True) + path.max(1, keepdims=True)) / 2
    return path
