"""Modes of synthetic motion: joint angles and travel of walking, sitting, reaching and free movement."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from .signals import FPS, Signal, cosine_sine, soft_limit

Mode = Literal["gait", "sit", "reach", "free"]

# Degrees: mean, standard deviation, low, high of a free limb; after the CMU motion capture statistics.
# Rows leg, arm; columns flexion, abduction, rotation, bend.
LIMBS = np.array(
    (
        ((21, 29, -40, 112), (3, 17, -26, 50), (0, 12, -35, 35), (44, 33, 0, 142)),
        ((16, 58, -65, 170), (14, 29, -22, 88), (0, 40, -90, 90), (75, 46, 10, 155)),
    ),
    np.float64,
)
# A seated leg; abduction and rotation stay as they are.
SEATED_HIP, SEATED_KNEE = (82, 12, 55, 110), (80, 16, 45, 130)
# Degrees: mean and standard deviation of body.TRUNK_ANGLES.
TRUNK = np.array(((3, 12), (0, 4), (0, 11), (14, 9), (0, 4), (6, 8), (8, 11), (0, 8)), np.float64)
LEAN_LOW, LEAN_HIGH, LEAN_OFFSET = -14.0, 70.0, 9.0
YAW_RATE_SD, YAW_RATE_HIGH = 75.0, 450.0  # degrees per second
WANDER = 0.38  # metres; standard deviation of a free root path along x and y
# How much of an angle's variation is the clip's movement, its posture on both sides, and on one side.
MOVEMENT, POSTURE, ASYMMETRY = 0.75, 0.35, 0.4
# Channels that share noise, as angles between them and what they share; correlations are those of the CMU set.
SIDES_TOGETHER = math.radians(30)  # elbows, and shoulder flexions, of both sides: correlation cos(2 * 30) = 0.5
KNEE_WITH_HIP = math.radians(53)  # a knee and its hip: correlation cos(53) = 0.6
OPPOSITE = np.array((1.0, -1.0))[:, None]  # the left leg is half a stride behind the right
NUM_CHANNELS = 26  # of noise: 16 limb angles, 8 of the trunk, yaw rate, stride rate


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """Random parameters of one clip.

    tempo_hz: corner frequency of the movements, energy: their size. offsets [2, 4, 2, 1] of the limb angles in standard
    deviations; lean and heading in degrees. Walking: strides per second, squared swing of the legs, how much of the
    free movement stays, and curvature of the circle (1/m, positive to the left)."""

    tempo_hz: float
    energy: float
    offsets: Signal
    lean: float
    heading: float
    stride_hz: float
    stride: float
    calm: float
    turn: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Acts:
    """Angles in degrees and travel over n frames. limbs [2, 4, 2, n], trunk [8, n] as body.place_joints reads them;
    yaw_rate [n] degrees per second; ahead [n] m/s; wander [n], the share of the free root path."""

    limbs: Signal
    trunk: Signal
    yaw_rate: Signal
    ahead: Signal
    wander: Signal


def draw_style(rng: np.random.Generator) -> Style:
    """Draws the random parameters of one clip."""
    both, one = rng.normal(0, POSTURE, (2, 4, 1, 1)), rng.normal(0, ASYMMETRY, (2, 4, 2, 1))
    return Style(
        tempo_hz=math.exp(rng.uniform(math.log(0.15), math.log(0.75))),
        energy=math.exp(rng.uniform(math.log(0.35), math.log(1.7))),
        offsets=both + one,
        lean=abs(rng.normal(0, LEAN_OFFSET)),
        heading=rng.uniform(0, 360),
        stride_hz=rng.uniform(0.7, 1.05),
        stride=rng.uniform(1.0, 1.6),
        calm=rng.uniform(0.05, 0.3),
        turn=(1 if rng.random() < 0.5 else -1) / rng.uniform(0.9, 1.5),
    )


def act(mode: Mode, style: Style, channels: Signal, leg_length: float) -> Acts:
    """Computes one mode over the whole clip from unit noise channels [NUM_CHANNELS, n]; leg_length in metres.

    All modes of a clip share its noise, so that a cross-fade does not change the pace."""
    limbs = channels[:16].reshape(2, 4, 2, -1)
    flexion, bend = limbs[:, 0], limbs[:, 3]
    coupled = limbs.copy()
    coupled[1, 0], coupled[1, 3] = _together(flexion[1]), _together(bend[1])
    coupled[0, 3] = math.cos(KNEE_WITH_HIP) * flexion[0] + math.sin(KNEE_WITH_HIP) * bend[0]
    swing = MOVEMENT * style.energy * coupled + style.offsets
    trunk = TRUNK[:, :1] + TRUNK[:, 1:] * channels[16:24]
    # The trunk leans as a whole: half of the bend between thorax and pelvis is the pelvis tilting back.
    trunk[0] = soft_limit(trunk[0] + style.lean, LEAN_LOW, LEAN_HIGH) - trunk[3] / 2
    if mode == "gait":
        return _gait(style, swing, trunk, channels[25], leg_length)
    yaw_rate = np.clip(YAW_RATE_SD * style.energy * channels[24], -YAW_RATE_HIGH, YAW_RATE_HIGH)
    ahead, wander = np.zeros_like(yaw_rate), np.ones_like(yaw_rate)
    if mode == "sit":
        return Acts(limbs=_seated(swing), trunk=trunk, yaw_rate=yaw_rate * 0.1, ahead=ahead, wander=wander * 0.04)
    if mode == "reach":
        limbs, trunk = _reaching(swing, trunk)
        return Acts(limbs=limbs, trunk=trunk, yaw_rate=yaw_rate * 0.5, ahead=ahead, wander=wander * 0.5)
    return Acts(limbs=_limited(swing, LIMBS), trunk=trunk, yaw_rate=yaw_rate, ahead=ahead, wander=wander)


def blend(one: Acts, other: Acts, weight: Signal) -> Acts:
    """Cross-fades from one to other as weight [n] goes from 0 to 1."""
    mixed = {}
    for field in fields(Acts):
        first, second = getattr(one, field.name), getattr(other, field.name)
        mixed[field.name] = first + weight * (second - first)
    return Acts(**mixed)


def _together(sides: Signal) -> Signal:
    """Mixes two independent channels [2, n] to two of variance 1 that share noise."""
    shared, split = math.cos(SIDES_TOGETHER) * sides[0], math.sin(SIDES_TOGETHER) * sides[1]
    return np.stack((shared + split, shared - split))


def _limited(swing: Signal, table: Signal) -> Signal:
    mean, deviation, low, high = table.transpose(2, 0, 1)[..., None, None]
    return soft_limit(mean + deviation * swing, low, high)


def _seated(swing: Signal) -> Signal:
    table = LIMBS.copy()
    table[0, 0], table[0, 3] = SEATED_HIP, SEATED_KNEE
    return _limited(swing, table)


def _reaching(swing: Signal, trunk: Signal) -> tuple[Signal, Signal]:
    table = LIMBS.copy()
    table[0, :, :2] *= 0.5
    table[1, 0, 0], table[1, 3, 0] = 55, 45
    limbs = _limited(swing, table)
    lean = trunk.copy()
    lean[0] += 8
    # The legs stay where they are while the pelvis leans over them.
    limbs[0, 0] += lean[0]
    return limbs, lean


def _gait(style: Style, swing: Signal, trunk: Signal, rate_noise: Signal, leg_length: float) -> Acts:
    """Computes walking on a circle; at phase 0 the right thigh is farthest forward, at 180 degrees the left."""
    rate_hz = style.stride_hz * (1 + 0.06 * rate_noise)
    right = 360 * np.cumsum(rate_hz) / FPS
    cosine, sine = cosine_sine(right)[:, None] * OPPOSITE
    amplitude = math.sqrt(style.stride)
    mean = np.zeros((2, 4, 2, len(right)))
    mean[0, 0] = 9 + 21 * amplitude * cosine
    stance, swinging = (cosine * math.cos(peak) + sine * math.sin(peak) - 1 for peak in (0.94, 4.59))
    mean[0, 3] = 5 + 13 * np.exp(4.5 * stance) + 55 * np.exp(2.5 * swinging)
    mean[1, 0] = -3 - 17 * cosine
    mean[1, 1] = 8
    mean[1, 3] = 28 - 10 * cosine
    low, high = LIMBS[..., None, None, 2], LIMBS[..., None, None, 3]
    limbs = np.clip(mean + style.calm * LIMBS[..., None, None, 1] * swing, low, high)
    walking = TRUNK[:, :1] + style.calm * (trunk - TRUNK[:, :1])
    walking[2] += 6 * cosine[0]
    walking[3] = 0.5 * walking[3]
    # The stance foot stays where it is: a stride is four times the leg's length times the sine of its swing.
    speed = 4 * leg_length * math.sin(math.radians(21 * amplitude)) * rate_hz
    return Acts(
        limbs=limbs,
        trunk=walking,
        yaw_rate=np.degrees(speed * style.turn),
        ahead=speed,
        wander=np.zeros_like(speed),
    )
